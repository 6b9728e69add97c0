"""Files of sound, written by libsndfile, which the server's build needs anyway; and by hand where it would not."""
from __future__ import annotations

import array
import ctypes
import ctypes.util
import pathlib
import struct

FORMATS = {"wav": 0x010002, "wav24": 0x010003, "wavf32": 0x010006, "flac": 0x170002, "vorbis": 0x200060,
           "opus": 0x200064, "mp3": 0x230082}

SCALE_INTO_FLOAT = 0x1015  # SFC_SET_SCALE_INT_FLOAT_WRITE: else floats are beyond 1


class Info(ctypes.Structure):
    _fields_ = [("frames", ctypes.c_int64), ("samplerate", ctypes.c_int), ("channels", ctypes.c_int),
                ("format", ctypes.c_int), ("sections", ctypes.c_int), ("seekable", ctypes.c_int)]


def library() -> ctypes.CDLL:
    lib = ctypes.CDLL(ctypes.util.find_library("sndfile") or "libsndfile.so.1")
    lib.sf_open.restype = ctypes.c_void_p
    lib.sf_open.argtypes = [ctypes.c_char_p, ctypes.c_int, ctypes.POINTER(Info)]
    lib.sf_writef_short.restype = ctypes.c_int64
    lib.sf_writef_short.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64]
    lib.sf_command.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p, ctypes.c_int]
    lib.sf_close.argtypes = [ctypes.c_void_p]
    return lib


def encoded(samples: list[int], kind: str, folder: pathlib.Path, rate: int = 16000, channels: int = 1) -> bytes:
    """16-bit samples, the same in each channel, as a file of that kind."""
    path = folder / f"{kind}-{rate}-{channels}"
    lib, info = library(), Info(0, rate, channels, FORMATS[kind], 0, 0)
    file = lib.sf_open(str(path).encode(), 0x20, ctypes.byref(info))
    assert file, f"libsndfile cannot write {kind}"
    lib.sf_command(file, SCALE_INTO_FLOAT, None, 1)
    data = array.array("h", [s for s in samples for _ in range(channels)])
    # In pieces: its Vorbis encoder does not like many frames at once.
    for begin in range(0, len(samples), 4096):
        count = min(4096, len(samples) - begin)
        piece = data[begin * channels:(begin + count) * channels]
        assert lib.sf_writef_short(file, piece.buffer_info()[0], count) == count
    lib.sf_close(file)
    return path.read_bytes()


def wav(samples: list[int] | bytes, rate: int = 16000, channels: int = 1) -> bytes:
    """16-bit."""
    data = samples if isinstance(samples, bytes) else struct.pack(f"<{len(samples)}h", *samples)
    return (b"RIFF" + struct.pack("<I", 36 + len(data)) + b"WAVEfmt " +
            struct.pack("<IHHIIHH", 16, 1, channels, rate, rate * channels * 2, channels * 2, 16) +
            b"data" + struct.pack("<I", len(data)) + data)


def stretched(samples: list[int], rate: int) -> list[int]:
    """The same sound at another rate, by straight lines between samples at 16 kHz."""
    count = len(samples) * rate // 16000
    out = []
    for i in range(count):
        at = i * 16000 / rate
        left = int(at)
        right = min(left + 1, len(samples) - 1)
        out.append(round(samples[left] + (samples[right] - samples[left]) * (at - left)))
    return out
