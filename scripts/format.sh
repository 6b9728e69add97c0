#!/usr/bin/env bash
# format.sh [--check]: lays our C++ sources out as .clang-format says; with --check it only names those that are not.
# Another major version lays out differently, so the check needs Debian 12's (14) and says so where it is missing.
set -euo pipefail
cd "$(dirname "$0")/.."
version=14

program=$(command -v "clang-format-$version" || command -v clang-format || true)
if [ -z "$program" ] || ! "$program" --version | grep -q "version $version\."; then
  echo "format: clang-format $version is not here: nothing was looked at" >&2
  exit 77
fi
mapfile -d '' -t files < <(find app http actors cache inference config tests bench cmake \
  \( -name '*.cpp' -o -name '*.hpp' \) -print0 | sort -z)
if [ "${1:-}" != --check ]; then exec "$program" -i "${files[@]}"; fi
if ! found=$("$program" --dry-run -Werror "${files[@]}" 2>&1); then
  sed -n 's/:[0-9]*:[0-9]*: error: .*//p' <<<"$found" | sort | uniq -c | sort -rn
  echo "format: run 'make format'" >&2
  exit 1
fi
echo "format: ${#files[@]} files"
