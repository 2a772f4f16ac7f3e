#!/bin/sh
# Asks a server for a text, for another as a stream, and says what the first was worth. Needs curl 7.76 or newer:
#
#   ITERA_URL=http://127.0.0.1:8080 ITERA_API_KEY=itera_... sh client.sh "Once upon a time"
set -eu

address=${ITERA_URL:-http://127.0.0.1:8080}
prompt=${1:-Once upon a time}

# The text as a JSON string; for one with line breaks or tabs use a language that knows JSON.
quote() { printf '"%s"' "$(printf %s "$1" | sed 's/[\\"]/\\&/g')"; }

# Posts JSON: post PATH BODY. The key does not become part of the command line, which others can see. curl waits as long
# as the server says where there were too many requests, and prints what the server says of an error.
post() {
  { [ -z "${ITERA_API_KEY:-}" ] || printf 'Authorization: Bearer %s\n' "$ITERA_API_KEY"; } |
    curl --silent --show-error --no-buffer --fail-with-body --retry 2 \
      --header @- --header 'Content-Type: application/json' --data "$2" "$address$1"
}

answer=$(post /infer "{\"input_text\": $(quote "$prompt"), \"max_length\": 40, \"client\": \"example\"}") || {
  printf '%s\n' "$answer" >&2
  exit 1
}
printf '%s\n\n' "$answer"

# One line "data: {...}" for each piece of text.
post /v1/completions "{\"prompt\": $(quote "$prompt"), \"max_tokens\": 40, \"stream\": true}" || exit 1

id=$(printf '%s' "$answer" | sed -n 's/.*"inference_id":"\([^"]*\)".*/\1/p')
if [ -z "$id" ]; then
  echo 'The server keeps no answers, so that there is nothing to judge.'
else
  post /feedback "{\"feedback_id\": \"$id\", \"user_rating\": 5, \"client\": \"example\"}" || exit 1
  echo
fi
