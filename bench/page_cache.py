"""What of files is in the page cache."""
from __future__ import annotations

import ctypes
import mmap
import pathlib

LIBC = ctypes.CDLL(None, use_errno=True)


def cached_share(path: pathlib.Path) -> float:
    """Of a file's pages."""
    size = path.stat().st_size
    with open(path, "rb") as file:
        # Private, so that it may be writable, which ctypes asks for an address; nothing is touched.
        view = mmap.mmap(file.fileno(), size, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ | mmap.PROT_WRITE)
    first = ctypes.c_char.from_buffer(view)
    pages = ctypes.create_string_buffer(-(-size // mmap.PAGESIZE))
    failed = LIBC.mincore(ctypes.c_void_p(ctypes.addressof(first)), ctypes.c_size_t(size), pages)
    del first  # the view can be closed
    view.close()
    if failed:
        raise OSError(ctypes.get_errno(), f"mincore of {path}")
    return sum(page & 1 for page in pages.raw) / len(pages)


def mapped_by(pid: int, part: str) -> list[pathlib.Path]:
    """Files that a process has mapped whose paths have that part."""
    found = set()
    for line in open(f"/proc/{pid}/maps"):
        fields = line.rstrip("\n").split(maxsplit=5)
        if len(fields) == 6 and part in fields[5]:
            found.add(pathlib.Path(fields[5]))
    return sorted(found)


def cached_mib() -> float:
    """Of the machine: Cached of /proc/meminfo."""
    return next(int(line.split()[1]) for line in open("/proc/meminfo") if line.startswith("Cached:")) / 1024
