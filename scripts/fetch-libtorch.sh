#!/usr/bin/env bash
# fetch-libtorch.sh: fetches the pinned LibTorch (the torch wheel's lib/ and include/) once, into a
# folder that all builds share, and prints its root as the last line of stdout.
#   TORCH_ROOT=DIR  use that LibTorch (2.6 or newer) and fetch nothing
#   TROUPE_GPU=1    the whole lib/ and the CUDA libraries that it needs, some 5 GB
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)

say() { echo "libtorch: $*" >&2; }
if [ -n "${TORCH_ROOT:-}" ]; then
  [ -d "$TORCH_ROOT/include" ] || { say "TORCH_ROOT=$TORCH_ROOT has no include/ folder"; exit 1; }
  echo "$TORCH_ROOT"
  exit 0
fi

kind=cpu
[ "${TROUPE_GPU:-0}" = 1 ] && kind=cuda
version=$(sed -n 's/^torch==\([^ ]*\).*/\1/p' "$here/libtorch-cpu.txt")
cache=${XDG_CACHE_HOME:-$HOME/.cache}/troupe
target=$cache/libtorch-$version-$kind
# The folder appears whole, by one rename: that it exists means that it is complete.
if [ -d "$target" ]; then echo "$target/torch"; exit 0; fi

if [ "$(uname -sm)" != "Linux x86_64" ]; then
  say "the pinned wheel is for Linux on x86-64; set TORCH_ROOT to a LibTorch for $(uname -sm)"
  exit 1
fi

mkdir -p "$cache"
exec 9>"$cache/fetch.lock"
if ! flock -n 9; then say "another build is fetching it, waiting"; flock 9; fi
if [ -d "$target" ]; then echo "$target/torch"; exit 0; fi
rm -rf "$cache"/fetch.*.tmp # what an interrupted fetch left: nobody else is fetching now

work=$(mktemp -d "$cache/fetch.XXXXXX.tmp")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM HUP

size="555 MB"
[ "$kind" = cuda ] && size="some 3 GB"
say "fetching LibTorch $version for $kind ($size) into $target"
mkdir "$work/wheels" "$work/tmp" "$work/tree"
# The wheel's libraries do not depend on a Python, so the host's version must not choose the wheel.
TMPDIR="$work/tmp" python3 -m pip download --disable-pip-version-check --no-cache-dir --no-deps \
  --require-hashes --only-binary=:all: --implementation cp --python-version 3.11 --abi cp311 \
  --abi none $(printf -- '--platform manylinux_2_%s_x86_64 ' {28..17}) --platform manylinux2014_x86_64 \
  --dest "$work/wheels" --requirement "$here/libtorch-$kind.txt" >&2

say "unpacking"
python3 - "$work/wheels" "$work/tree" "$kind" <<'PY'
import pathlib, re, sys, zipfile

wheels, tree, kind = sys.argv[1:]
cpu = re.compile(
    r"torch/include/.*|torch/lib/lib(torch_cpu|c10|gomp|gfortran)\.so[.\d]*"
    r"|nvidia/[^/]+/lib/lib(cudart|cupti)\.so[.\d]*|[^/]+\.dist-info/(licenses/|LICENSE|NOTICE).*")
cuda = re.compile(
    r"torch/include/.*|torch/lib/lib(?!torch_python)[^/]*\.so[.\d]*"
    r"|nvidia/[^/]+/lib/[^/]*\.so[.\d]*|[^/]+\.dist-info/(licenses/|LICENSE|NOTICE).*")
wanted = cpu if kind == "cpu" else cuda
for wheel in sorted(pathlib.Path(wheels).glob("*.whl")):
    with zipfile.ZipFile(wheel) as archive:  # reading checks each entry's CRC
        archive.extractall(tree, [n for n in archive.namelist() if wanted.fullmatch(n)])
    wheel.unlink()  # the disk never holds all wheels and all their contents
PY
[ -f "$work/tree/torch/lib/libtorch_cpu.so" ] || { say "the wheel holds no libtorch_cpu.so"; exit 1; }
mv -T "$work/tree" "$target"
say "ready: $target ($(du -sh "$target" | cut -f1))"
echo "$target/torch"
