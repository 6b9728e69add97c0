#!/bin/sh
# Speaks the data, trains both models, publishes and judges them. PYTHON names an interpreter that already has
# requirements.txt; without it a virtual environment is made here (data/venv). Arguments go to train_recognizer.py.
# Needs espeak-ng (apt-get install espeak-ng) and a built server (TROUPE_BINARY, else build/release/troupe).
set -eu
cd "$(dirname "$0")"
if [ -z "${PYTHON:-}" ]; then
    [ -x data/venv/bin/python ] || python3 -m venv data/venv
    data/venv/bin/pip install --quiet -r requirements.txt
    PYTHON=data/venv/bin/python
fi
"$PYTHON" make_data.py
"$PYTHON" train_recognizer.py "$@"
"$PYTHON" train_punctuation.py
"$PYTHON" publish.py
exec "$PYTHON" evaluate.py
