#!/usr/bin/env bash
# tidy.sh [FILE...]: clang-tidy over the given sources, or over all of ours. Templates are looked at where they are used:
# RapidJSON has one that no compiler takes. GCC tells what is deprecated, outside its own library.
set -euo pipefail
cd "$(dirname "$0")/.."

CLANG_TIDY=$(dirname "$(scripts/python-environment.sh tidy)")/clang-tidy
export CLANG_TIDY
# For omp.h, which LibTorch includes; behind clang's own headers.
GCC_HEADERS=$(c++ -print-file-name=include)
export GCC_HEADERS
cmake --preset tidy >/dev/null
if [ $# -eq 0 ]; then
  mapfile -t files < <(
    python3 -c 'import json; print("\n".join(e["file"] for e in json.load(open("build/tidy/compile_commands.json"))))' |
      grep "^$PWD/" | grep -v "^$PWD/build/" | sort -u)
else
  files=("$@")
fi
[ ${#files[@]} -gt 0 ] || { echo "tidy: no sources" >&2; exit 1; }

log=$(mktemp)
trap 'rm -f "$log"' EXIT
if printf '%s\0' "${files[@]}" |
  xargs -0 -P "${JOBS:-$(nproc)}" -I{} bash -c '
    if out=$("$CLANG_TIDY" --quiet --extra-arg=-Wno-unknown-warning-option --extra-arg=-fdelayed-template-parsing \
      --extra-arg=-Wno-delayed-template-parsing-in-cxx20 --extra-arg=-Wno-deprecated-declarations \
      --extra-arg=-idirafter"$GCC_HEADERS" -p build/tidy "$1" 2>&1); then echo "tidy: ok ${1#"$PWD"/}"
    else printf "tidy: FAILED %s\n%s\n" "${1#"$PWD"/}" "$out"; exit 1; fi' _ {} | tee "$log"; then
  echo "tidy: ${#files[@]} sources, nothing found"
else
  echo "tidy: $(grep -c "^tidy: FAILED" "$log") of ${#files[@]} sources FAILED" >&2
  exit 1
fi
