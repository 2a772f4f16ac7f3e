"""Runs a TorchScript archive for a check of its numbers: one JSON command a line on stdin, one JSON answer on stdout.

{"hello": true}                           -> {"torch": version}
{"load": path, "dtype": "float64"}        loads an archive -> {"extra": {"config.json": text}}
{"step": [[ids], ...], "state": number}   reads tokens from the state that an earlier answer named, or from none
                                          -> {"shape": [B, T, V], "logits": base64 of float64, "state": number}
{"forward": [[ids], ...]}                 the same by the method `forward` -> {"shape", "logits"}
{"bench_load": path, "freeze": bool, "threads": n}   loads an archive in float32 -> {"torch", "ms": [of loading]}
{"bench_forward": [[ids]], "count": n}    passes over one text -> {"ms": of each}
{"bench_generate": [[ids]], "count": n}   a prompt and n greedy tokens after it
                                          -> {"ms": [until the first token, of each later one]}
{"memory": true}                          -> {"bytes": most resident memory so far}
{"state_dict": path}                      reads a state dictionary -> {"tensors": {name: [shape, sha256 of its bytes]}}
"""

import base64
import hashlib
import json
import resource
import sys
import time

import torch

EXTRA = ("config.json", "tokenizer.json")


class Runner:
    def __init__(self):
        self.module = None
        self.states = []

    def load(self, path, dtype):
        extra = {name: "" for name in EXTRA}
        self.module = torch.jit.load(path, map_location="cpu", _extra_files=extra).eval().to(getattr(torch, dtype))
        self.states = []
        texts = {name: text.decode() if isinstance(text, bytes) else text for name, text in extra.items()}
        return {"extra": texts}

    def step(self, rows, state=None):
        before = self.module.initial_state(len(rows)) if state is None else self.states[state]
        logits, after = self.module.step(torch.tensor(rows), before)
        self.states.append(after)
        return {**describe(logits), "state": len(self.states) - 1}

    def forward(self, rows):
        return describe(self.module(torch.tensor(rows)))

    def bench_load(self, path, freeze, threads):
        torch.set_num_threads(threads)
        started = time.perf_counter()
        module = torch.jit.load(path, map_location="cpu").eval()
        self.module = torch.jit.freeze(module, ["step", "initial_state"]) if freeze else module
        return {"torch": torch.__version__, "ms": [milliseconds(started)]}

    def bench_forward(self, rows, count):
        ids = torch.tensor(rows)
        times = []
        for _ in range(count):
            started = time.perf_counter()
            self.module(ids)
            times.append(milliseconds(started))
        return {"ms": times}

    def bench_generate(self, rows, count):
        ids = torch.tensor(rows)
        started = time.perf_counter()
        logits, state = self.module.step(ids, self.module.initial_state(1))
        token = logits[:, -1:].argmax(-1)
        token.item()
        first = milliseconds(started)
        started = time.perf_counter()
        for _ in range(count):
            logits, state = self.module.step(token, state)
            token = logits[:, -1:].argmax(-1)
        token.item()
        return {"ms": [first, milliseconds(started) / max(count, 1)]}


def peak_memory():
    """On Linux the system's figure, since getrusage counts the process that started this one too."""
    try:
        with open("/proc/self/status") as status:
            return 1024 * next(int(line.split()[1]) for line in status if line.startswith("VmHWM:"))
    except (OSError, StopIteration):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def milliseconds(started):
    return 1000 * (time.perf_counter() - started)


def read_state_dict(path):
    tensors = torch.load(path, map_location="cpu", weights_only=True)
    digest = lambda tensor: hashlib.sha256(tensor.contiguous().numpy().tobytes()).hexdigest()
    return {"tensors": {k: [list(v.shape), digest(v)] for k, v in tensors.items()}}


def describe(logits):
    data = logits.to(torch.float64).contiguous().numpy().tobytes()
    return {"shape": list(logits.shape), "logits": base64.b64encode(data).decode()}


def answer(runner, command):
    if "hello" in command:
        return {"torch": torch.__version__}
    if "load" in command:
        return runner.load(command["load"], command.get("dtype", "float64"))
    if "bench_load" in command:
        return runner.bench_load(command["bench_load"], command["freeze"], command["threads"])
    if "bench_forward" in command:
        return runner.bench_forward(command["bench_forward"], command["count"])
    if "bench_generate" in command:
        return runner.bench_generate(command["bench_generate"], command["count"])
    if "memory" in command:
        return {"bytes": peak_memory()}
    if "state_dict" in command:
        return read_state_dict(command["state_dict"])
    if "step" in command:
        return runner.step(command["step"], command.get("state"))
    return runner.forward(command["forward"])


def main():
    torch.set_num_threads(1)
    runner = Runner()
    with torch.no_grad():
        for line in sys.stdin:
            try:
                result = answer(runner, json.loads(line))
            except Exception as error:  # The other side decides what an error means.
                result = {"error": f"{type(error).__name__}: {error}"}
            print(json.dumps(result), flush=True)


main()
