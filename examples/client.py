"""Asks a server for a text, for another as a stream, and says what the first was worth. Python 3, no package:

    ITERA_URL=http://127.0.0.1:8080 ITERA_API_KEY=itera_... python3 client.py "Once upon a time"
"""
import json
import os
import sys
import time
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

ADDRESS = os.environ.get("ITERA_URL", "http://127.0.0.1:8080")
KEY = os.environ.get("ITERA_API_KEY")


def post(path, body):
    """Posts JSON; waits as long as the server says where there were too many requests."""
    headers = {"Content-Type": "application/json"}
    if KEY:
        headers["Authorization"] = f"Bearer {KEY}"
    request = Request(ADDRESS + path, json.dumps(body).encode(), headers)
    for tries in (1, 2, 3):
        try:
            return urlopen(request, timeout=120)
        except HTTPError as error:
            if error.code == 429 and tries < 3:
                time.sleep(float(error.headers.get("Retry-After", 1)))
                continue
            text = error.read().decode()
            try:
                text = json.loads(text)["error"]["message"]
            except (ValueError, KeyError, TypeError):
                pass  # Not from the server, but from something before it.
            sys.exit(f"{error.code}: {text}")
        except URLError as error:
            sys.exit(f"{ADDRESS} does not answer: {error.reason}")


def main(prompt):
    answer = json.load(post("/infer", {"input_text": prompt, "max_length": 40, "client": "example"}))
    print(prompt + answer["output_text"], end="\n\n")

    print(prompt, end="")
    for line in post("/v1/completions", {"prompt": prompt, "max_tokens": 40, "stream": True}):
        line = line.decode().strip()
        if not line.startswith("data: ") or line == "data: [DONE]":
            continue
        event = json.loads(line[len("data: "):])
        if "error" in event:
            # What fails in the midst of a stream comes as an event.
            sys.exit(event["error"]["message"])
        for choice in event["choices"]:
            print(choice["text"], end="", flush=True)
    print("\n")

    if answer["inference_id"] is None:
        print("The server keeps no answers, so that there is nothing to judge.")
    else:
        judged = post("/feedback", {"feedback_id": answer["inference_id"], "user_rating": 5, "client": "example"})
        print("feedback", json.load(judged)["id"])


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "Once upon a time")
