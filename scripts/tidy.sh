#!/usr/bin/env bash
# tidy.sh [FILE...]: clang-tidy over the given sources, or over all of ours.
set -euo pipefail
cd "$(dirname "$0")/.."

cmake --preset tidy >/dev/null
if [ $# -eq 0 ]; then
  mapfile -t files < <(
    python3 -c 'import json; print("\n".join(e["file"] for e in json.load(open("build/tidy/compile_commands.json"))))' |
      grep "^$PWD/" | grep -v "^$PWD/build/" | sort -u)
else
  files=("$@")
fi
[ ${#files[@]} -gt 0 ] || { echo "tidy: no sources"; exit 0; }

echo "tidy: ${#files[@]} sources"
printf '%s\0' "${files[@]}" |
  xargs -0 -P "${JOBS:-$(nproc)}" -I{} bash -c '
    if out=$(clang-tidy --quiet --extra-arg=-Wno-unknown-warning-option -p build/tidy "$1" 2>/dev/null); then echo "tidy: ok ${1#"$PWD"/}"
    else echo "tidy: FAILED ${1#"$PWD"/}"; printf "%s\n" "$out"; exit 1; fi' _ {}
