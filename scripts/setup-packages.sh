#!/usr/bin/env bash
# setup-packages.sh [GROUP...]: installs the packages of packages.txt that are missing, and nothing
# when none is. TROUPE_SKIP_PACKAGES=1 skips it all (another distribution, or a locked-down machine).
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)

say() { echo "setup: $*"; }
[ -z "${TROUPE_SKIP_PACKAGES:-}" ] || exit 0

if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
  say "no apt here: install what corresponds to $here/packages.txt, then set TROUPE_SKIP_PACKAGES=1" >&2
  exit 1
fi

wanted=()
while read -r package group _; do
  case "$package" in '' | \#*) continue ;; esac
  if [ -z "${group:-}" ] || [[ " $* " == *" $group "* ]]; then wanted+=("$package"); fi
done <"$here/packages.txt"

installed=" $(dpkg-query -W -f='${Package}:${db:Status-Status} ' "${wanted[@]}" 2>/dev/null || true)"
missing=()
for package in "${wanted[@]}"; do
  [[ "$installed" == *" $package:installed "* ]] || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0

as_root=()
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo >/dev/null || {
    say "missing: ${missing[*]}" >&2
    say "neither root nor sudo here; as root: apt-get install --no-install-recommends ${missing[*]}" >&2
    exit 1
  }
  as_root=(sudo)
fi

apt() {
  ${as_root[@]+"${as_root[@]}"} env DEBIAN_FRONTEND=noninteractive \
    apt-get -q -y -o DPkg::Lock::Timeout=600 -o Acquire::Retries=3 "$@"
}
say "installing ${#missing[@]} packages: ${missing[*]}"
apt update
apt install --no-install-recommends "${missing[@]}"
