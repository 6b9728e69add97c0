"""A network and mounts of a test's own: public addresses that lead nowhere else, names that a resolver of ours
answers."""
from __future__ import annotations

import ctypes
import functools
import os
import pathlib
import socket
import struct
import subprocess
import threading

import pytest

NEW_MOUNTS, NEW_NETWORK = 0x00020000, 0x40000000
MS_REC, MS_PRIVATE, MS_BIND = 0x4000, 1 << 18, 0x1000
PUBLIC = "93.184.216.34"  # ours here, whoever's it is elsewhere
_libc = ctypes.CDLL(None, use_errno=True)


class NotHere(Exception):
    """The machine does not allow it."""


def _call(what: int, doing: str) -> None:
    if what != 0:
        raise NotHere(f"{doing}: {os.strerror(ctypes.get_errno())}")


def _bind(what: pathlib.Path, over: str) -> None:
    _call(_libc.mount(str(what).encode(), over.encode(), None, MS_BIND, None), f"mount over {over}")


def _enter(folder: pathlib.Path) -> None:
    """This thread, and what it starts, get a network with nothing but a loopback, which has a public address too."""
    _call(_libc.unshare(NEW_MOUNTS | NEW_NETWORK), "unshare")
    _call(_libc.mount(None, b"/", None, MS_REC | MS_PRIVATE, None), "make the mounts private")
    for command in (["ip", "link", "set", "lo", "up"], ["ip", "address", "add", f"{PUBLIC}/32", "dev", "lo"]):
        try:
            done = subprocess.run(command, capture_output=True, text=True)
        except FileNotFoundError:
            raise NotHere("no ip") from None
        if done.returncode:
            raise NotHere(f"{' '.join(command)}: {done.stderr.strip()}")
    for name, content in (("resolv.conf", "nameserver 127.0.0.1\noptions timeout:1 attempts:2\n"),
                          ("hosts", "127.0.0.1 localhost\n"), ("nsswitch.conf", "hosts: files dns\n")):
        (folder / name).write_text(content)
        if pathlib.Path(f"/etc/{name}").exists():
            _bind(folder / name, f"/etc/{name}")


def apart(test):
    """Runs a test in a thread with a network of its own. Fixtures come from outside: who listens is made within."""
    @functools.wraps(test)
    def within(*args, **kw):
        folder, problem = kw["tmp_path"] / "etc", []
        folder.mkdir()

        def run() -> None:
            try:
                _enter(folder)
                test(*args, **kw)
            except BaseException as e:  # noqa: BLE001 - raised again where pytest sees it
                problem.append(e)

        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
        if problem and isinstance(problem[0], NotHere):
            pytest.skip(f"needs a network of its own (CAP_SYS_ADMIN): {problem[0]}")
        if problem:
            raise problem[0]

    return within


class Names:
    """A resolver. `names["x.example"]` is a list of answers, given one after the other, the last for good; an answer is
    a list of IPv4 addresses."""

    def __init__(self, names: dict[str, list[list[str]]]):
        self.names, self.asked = names, []
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 53))
        threading.Thread(target=self._run, daemon=True).start()

    def __enter__(self) -> "Names":
        return self

    def __exit__(self, *_) -> None:
        self._socket.close()

    def count(self, name: str) -> int:
        return self.asked.count(name)

    def _run(self) -> None:
        while True:
            try:
                query, client = self._socket.recvfrom(4096)
                self._socket.sendto(self._answer(query), client)
            except OSError:
                return

    def _answer(self, query: bytes) -> bytes:
        at, labels = 12, []
        while query[at]:
            labels.append(query[at + 1:at + 1 + query[at]].decode().lower())
            at += 1 + query[at]
        question, (kind,) = query[12:at + 5], struct.unpack(">H", query[at + 1:at + 3])
        name, addresses = ".".join(labels), []
        if kind == 1 and name in self.names:
            self.asked.append(name)
            answers = self.names[name]
            addresses = answers.pop(0) if len(answers) > 1 else answers[0]
        code = 0 if name in self.names else 3
        head = query[:2] + struct.pack(">HHHHH", 0x8180 | code, 1, len(addresses), 0, 0)
        # Time to live: none, as one has it who wants another answer believed the next time.
        return head + question + b"".join(b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 0, 4) + socket.inet_aton(a)
                                          for a in addresses)
