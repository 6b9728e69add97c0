#!/usr/bin/env bash
# python-environment.sh NAME [--if-there]: prints the Python of the environment that NAME.txt beside this file
# describes, beside LibTorch's cache (parity: PyTorch and the engines compared with; parity-speech: FunASR; schemathesis;
# stand-ins: huggingface_hub and boto3; text-clients: OpenAI's, LangChain's, LlamaIndex's and Cohere's; catalog-peer:
# FastAPI; tidy: clang-tidy). Makes it where it is missing or of other versions; with --if-there ends with 1 instead.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)

name=$1
wanted=$here/$name.txt
venv=${XDG_CACHE_HOME:-$HOME/.cache}/troupe/$name
stamp=$venv/requirements.txt
if ! cmp -s "$wanted" "$stamp"; then
  if [ "${2:-}" = --if-there ]; then exit 1; fi
  echo "$name: installing what scripts/$name.txt lists into $venv" >&2
  rm -rf "$venv"
  python3 -m venv "$venv" >&2
  "$venv/bin/pip" install --disable-pip-version-check --no-cache-dir --requirement "$wanted" >&2
  cp "$wanted" "$stamp" # last: only a whole environment has it
fi
echo "$venv/bin/python"
