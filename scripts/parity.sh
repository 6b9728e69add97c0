#!/usr/bin/env bash
# parity.sh: shows that the tests' stand-ins are what huggingface_hub and boto3 take for the real servers, and makes
# the reference outputs of tests/ anew with PyTorch and transformers, each in a Python environment of its own beside
# LibTorch's cache.
set -euo pipefail
cd "$(dirname "$0")/.."

"$(scripts/python-environment.sh stand-ins)" tests/parity/check_stand_ins.py

python=$(scripts/python-environment.sh parity)
venv=${python%/bin/python}
VIRTUAL_ENV=$venv PATH=$venv/bin:$PATH exec bash tests/parity/make_all.sh "$@"
