#!/usr/bin/env bash
# parity-environment.sh [--if-there]: prints the Python that has PyTorch, transformers, ONNX Runtime and OpenVINO
# (scripts/parity.txt), in an environment of its own beside LibTorch's cache. Makes it where it is missing or of
# other versions; with --if-there ends with 1 instead.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)

venv=${XDG_CACHE_HOME:-$HOME/.cache}/troupe/parity
stamp=$venv/requirements.txt
if ! cmp -s "$here/parity.txt" "$stamp"; then
  if [ "${1:-}" = --if-there ]; then exit 1; fi
  echo "parity: installing PyTorch, transformers and the engines compared with into $venv (some 5 GB)" >&2
  rm -rf "$venv"
  python3 -m venv "$venv" >&2
  "$venv/bin/pip" install --disable-pip-version-check --no-cache-dir --requirement "$here/parity.txt" >&2
  cp "$here/parity.txt" "$stamp" # last: only a whole environment has it
fi
echo "$venv/bin/python"
