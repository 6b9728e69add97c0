#!/usr/bin/env bash
# parity.sh: shows that the tests' stand-ins are what huggingface_hub and boto3 take for the real servers, installs the
# clients that tests/e2e/test_text_clients.py runs where they are (elsewhere it passes over them), and makes the
# reference outputs of tests/ anew with PyTorch and transformers, each in a Python environment of its own beside
# LibTorch's cache.
set -euo pipefail
cd "$(dirname "$0")/.."

"$(scripts/python-environment.sh stand-ins)" tests/parity/check_stand_ins.py
scripts/python-environment.sh text-clients >/dev/null

speech=$(scripts/python-environment.sh parity-speech)
for made in audio paraformer punctuation vad; do "$speech" "tests/parity/make_$made.py"; done

python=$(scripts/python-environment.sh parity)
venv=${python%/bin/python}
VIRTUAL_ENV=$venv PATH=$venv/bin:$PATH exec bash tests/parity/make_all.sh "$@"
