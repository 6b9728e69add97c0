#!/usr/bin/env bash
# parity.sh: makes the reference outputs of tests/ anew with PyTorch and transformers, in a Python
# environment of their own beside LibTorch's cache.
set -euo pipefail
cd "$(dirname "$0")/.."

python=$(scripts/python-environment.sh parity)
venv=${python%/bin/python}
VIRTUAL_ENV=$venv PATH=$venv/bin:$PATH exec bash tests/parity/make_all.sh "$@"
