#!/usr/bin/env bash
# parity.sh: makes the reference outputs of tests/ anew with PyTorch and transformers, in a Python
# environment of their own beside LibTorch's cache.
set -euo pipefail
cd "$(dirname "$0")/.."

venv=${XDG_CACHE_HOME:-$HOME/.cache}/troupe/parity
stamp=$venv/requirements.txt
if ! cmp -s scripts/parity.txt "$stamp"; then
  echo "parity: installing PyTorch and transformers into $venv (some 5 GB)"
  rm -rf "$venv"
  python3 -m venv "$venv"
  "$venv/bin/pip" install --disable-pip-version-check --no-cache-dir --requirement scripts/parity.txt
  cp scripts/parity.txt "$stamp" # last: only a whole environment has it
fi
VIRTUAL_ENV=$venv PATH=$venv/bin:$PATH exec bash tests/parity/make_all.sh "$@"
