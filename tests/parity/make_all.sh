#!/usr/bin/env bash
# make_all.sh: makes the reference outputs of the tests anew (they are committed: tests need no Python).
#   PYTHON=..  a Python that has torch, transformers, tokenizers and safetensors; else the active environment's,
#              else scripts/parity.sh makes one
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)

PYTHON=${PYTHON:-${VIRTUAL_ENV:+$VIRTUAL_ENV/bin/python}}
[ -n "$PYTHON" ] || exec "$root/scripts/parity.sh" "$@"

"$PYTHON" "$here/make_unicode_tables.py"
"$PYTHON" "$here/make_tokenizer.py"
"$PYTHON" "$here/make_tokenizer_folders.py"
"$PYTHON" "$here/make_tokenizer_classes.py"
"$PYTHON" "$here/make_tokenizer_library.py"
"$PYTHON" "$here/make_bert.py"
"$PYTHON" "$here/make_families.py"
"$PYTHON" "$here/make_encoders.py"
"$PYTHON" "$here/make_api001.py"
"$PYTHON" "$here/make_deberta.py"
"$PYTHON" "$here/make_modernbert.py"
"$PYTHON" "$here/make_tasks.py"
"$PYTHON" "$here/make_torchscript.py"
"$PYTHON" "$here/make_torch_files.py"
if [ -x "$root/build/release/tests/inference/troupe_tokenize" ]; then
  "$PYTHON" "$here/fuzz_tokenizers.py" "$root/build/release/tests/inference/troupe_tokenize"
else
  echo "parity: no build/release: the tokenizers were not compared over many texts (make build)" >&2
fi
git -C "$root" status --short -- tests/fixtures inference/text/unicode_tables.inc \
  inference/text/tokenizer_classes.inc
