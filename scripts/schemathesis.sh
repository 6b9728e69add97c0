#!/usr/bin/env bash
# schemathesis.sh [BINARY]: asks a running server (build/debug/troupe) what its own document says it takes, and what
# it says it does not take, and holds every answer against the document: none without a description, none a 5xx.
# The summary is build/schemathesis.txt; docs/openapi.md tells what it has found. ARGS="--seed 1" repeats a run.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD

binary=$(realpath "${1:-build/debug/troupe}")
python=$(scripts/python-environment.sh schemathesis)
work=$(mktemp -d)
server=
clean_up() {
  [ -z "$server" ] || kill -KILL "$server" 2>/dev/null || true
  rm -rf "$work"
}
trap clean_up EXIT

cat >"$work/models.json" <<JSON
{"models": {
  "classifier": {"path": "$root/models/prompt-guard-mini", "task": "text-classification", "preload": true},
  "numbers": {"path": "$root/tests/fixtures/torchscript/linear.pt", "preload": true,
              "inputs": [{"name": "x", "dtype": "float32", "shape": [4]}]}
}}
JSON
cat >"$work/config.json" <<JSON
{"listeners": [{"host": "127.0.0.1", "port": 0}], "models_file": "$work/models.json", "data_dir": "$work/data",
 "precision": "fp32", "compute_slots": 1, "threads_per_slot": 1, "warmup_requests": 1, "log_format": "human"}
JSON

# With a key: that one is needed where the document says so is looked at too.
API_KEYS=schemathesis "$binary" serve --config "$work/config.json" >"$work/log.txt" 2>&1 &
server=$!
url=
for _ in $(seq 600); do
  url=$(sed -n 's|.* ready on \(http://[^ ]*\) .*|\1|p' "$work/log.txt")
  [ -z "$url" ] || break
  kill -0 "$server" 2>/dev/null || break
  sleep 0.1
done
[ -n "$url" ] || { echo "schemathesis: the server did not start" >&2; cat "$work/log.txt" >&2; exit 1; }

status=0
cd "$work" # what it leaves behind goes with the folder
# shellcheck disable=SC2086
SCHEMATHESIS_HOOKS=troupe_hooks PYTHONPATH=$root/tests/schemathesis PYTHONDONTWRITEBYTECODE=1 \
  "${python%/python}/schemathesis" --config-file "$root/tests/schemathesis/schemathesis.toml" --no-color run \
  --header 'Authorization: Bearer schemathesis' ${ARGS:-} "$url/openapi.json" 2>&1 |
  tee "$root/build/schemathesis.txt" || status=$?

kill -TERM "$server" 2>/dev/null || true
ended=0
wait "$server" || ended=$?
server=
if [ "$ended" -ne 0 ]; then
  echo "schemathesis: the server ended with $ended" >&2
  tail -n 50 "$work/log.txt" >&2
  exit 1
fi
exit "$status"
