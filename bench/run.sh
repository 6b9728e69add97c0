#!/usr/bin/env bash
# run.sh BUILD_FOLDER [--quick] [--only NAME,..]: runs the benchmarks of that build, appends to bench/RESULTS.md.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
python=/usr/bin/python3
[ -x "$python" ] || python=python3
exec "$python" "$here/run.py" "$@"
