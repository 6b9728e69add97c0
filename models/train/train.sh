#!/bin/sh
# Generates the data, trains, exports and reports. PYTHON names an interpreter that already
# has requirements.txt; without it a virtual environment is made here (data/venv).
set -eu
cd "$(dirname "$0")"
if [ -z "${PYTHON:-}" ]; then
    [ -x data/venv/bin/python ] || python3 -m venv data/venv
    data/venv/bin/pip install --quiet -r requirements.txt
    PYTHON=data/venv/bin/python
fi
"$PYTHON" generate_data.py
exec "$PYTHON" train.py "$@"
