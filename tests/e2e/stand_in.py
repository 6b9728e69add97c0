"""What the stand-ins of foreign servers share: a listening socket that logs what it is asked and misbehaves on demand.

Standard library only. Threads; everything that tests read or set may be read or set at any time.
"""
from __future__ import annotations

import collections.abc
import email.utils
import fnmatch
import gzip
import hashlib
import http.server
import json
import os
import pathlib
import re
import socket
import ssl
import struct
import threading
import time
import traceback
import urllib.parse
from dataclasses import dataclass, field

CHUNK = 64 * 1024
LARGE_CHUNK = 1024 * 1024
LATE_S = 0.05


@dataclass
class Content:
    """The bytes of one file, in memory or on the disk (read as it is sent)."""

    source: bytes | pathlib.Path
    _digests: dict = field(default_factory=dict, repr=False)

    @property
    def size(self) -> int:
        return len(self.source) if isinstance(self.source, bytes) else self.source.stat().st_size

    def pieces(self, begin: int, end: int):
        if isinstance(self.source, bytes):
            for at in range(begin, end, CHUNK):
                yield self.source[at:min(at + CHUNK, end)]
            return
        with open(self.source, "rb") as file:
            file.seek(begin)
            while begin < end:
                piece = file.read(min(CHUNK, end - begin))
                if not piece:
                    return
                begin += len(piece)
                yield piece

    def read(self) -> bytes:
        return b"".join(self.pieces(0, self.size))

    def _digest(self, kind: str, begin: bytes = b"") -> str:
        if kind not in self._digests:
            digest = hashlib.new(kind, begin)
            for piece in self.pieces(0, self.size):
                digest.update(piece)
            self._digests[kind] = digest.hexdigest()
        return self._digests[kind]

    @property
    def sha256(self) -> str:
        return self._digest("sha256")

    @property
    def md5(self) -> str:
        return self._digest("md5")

    @property
    def git_id(self) -> str:
        return self._digest("sha1", b"blob %d\0" % self.size)


@dataclass
class Asked:
    """One request. `target` is what it was about, in the words of the stand-in ("org/name/config.json")."""

    origin: str
    method: str
    path: str  # with the query, as sent
    headers: dict[str, str]  # names in lower case
    target: str = ""
    stage: str = ""
    peer: str = ""  # the address of ours that was connected to
    status: int = 0  # that was answered
    sent: int = 0  # bytes of the body that were sent
    at: float = field(default_factory=time.monotonic)

    @property
    def range(self) -> str | None:
        return self.headers.get("range")

    @property
    def authorization(self) -> str | None:
        return self.headers.get("authorization")

    @property
    def plain_path(self) -> str:
        return urllib.parse.unquote(self.path.partition("?")[0], errors="surrogateescape")

    @property
    def query(self) -> dict[str, str]:
        return dict(urllib.parse.parse_qsl(self.path.partition("?")[2], keep_blank_values=True))


@dataclass
class Fault:
    """What goes wrong with the answers about `target` (a pattern, of the whole or of its last parts) at one stage:
    the metadata ("api"), the address of a file ("resolve"), or its bytes ("body")."""

    target: str
    stage: str = "body"
    times: int | None = None  # how often; None: always
    status: int = 0  # answered in place of the content
    headers: dict[str, str] = field(default_factory=dict)  # with that status, or beside the content
    redirect: str | None = None  # to this; "": to itself
    alter: collections.abc.Callable[[bytes], bytes] | None = None  # other bytes, with a length that fits them
    drop_after: int | None = None  # closes after so many bytes of a body that was announced longer
    reset: bool = False  # and that by RST
    stall_after: int | None = None  # falls silent after so many, until release()
    ranges: bool = True  # False: answers with the whole, whatever is asked
    if_range: bool = True  # False: answers with a range, whatever it was asked to be of
    gzip: bool = False  # compressed, in chunks, without a length, although nobody asked for it
    hits: int = 0
    reached: threading.Event = field(default_factory=threading.Event, repr=False)  # it has happened
    released: threading.Event = field(default_factory=threading.Event, repr=False)

    def release(self) -> None:
        """What is stalled goes on, and nothing stalls again."""
        self.times = 0
        self.released.set()

    def matches(self, stage: str, target: str) -> bool:
        return (self.stage == stage and (self.times is None or self.hits < self.times)
                and (fnmatch.fnmatchcase(target, self.target) or fnmatch.fnmatchcase(target, "*/" + self.target)))

    def happens(self) -> None:
        self.hits += 1
        self.reached.set()


def cut(count: int):
    """Fault(alter=cut(10)): the last ten bytes are missing."""
    return lambda data: data[:-count]


def longer(count: int):
    return lambda data: data + b"\0" * count


def flipped(at: int):
    """One bit is another: the length is right and the hash is not."""
    return lambda data: data[:at] + bytes([data[at] ^ 1]) + data[at + 1:]


class Line:
    """What the sockets of one stand-in have in common: the log, the faults, the rate, the counts."""

    def __init__(self):
        self.lock = threading.Lock()
        self.log: list[Asked] = []
        self.faults: list[Fault] = []
        self.rate_bytes_s = 0.0  # of all bodies together; 0: unlimited
        self.problems: list[str] = []  # faults of the stand-in itself: tests assert that there are none
        self.bodies_now = self.bodies_most = 0  # being sent at the same time
        self.closing = threading.Event()
        self._free_at = 0.0

    def fault_of(self, asked: Asked) -> Fault | None:
        with self.lock:
            return next((f for f in self.faults if f.matches(asked.stage, asked.target)), None)

    def pace(self, count: int) -> None:
        rate = self.rate_bytes_s
        if rate <= 0:
            return
        with self.lock:
            now = time.monotonic()
            # Who comes back a little late has overslept, or was writing: one connection is as fast as several.
            since = self._free_at if now - self._free_at < LATE_S else now
            self._free_at = since + count / rate
            wait = self._free_at - now
        if wait <= 0:
            return
        self.closing.wait(wait)


RESET_AT_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER


class Gone(Exception):
    """The connection is to be closed without another word."""


class Reply(http.server.BaseHTTPRequestHandler):
    """One connection; `answer` of its origin is called for every request and uses the functions below."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    origin: "Origin"
    asked: Asked

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except (ConnectionError, TimeoutError, Gone):
            self.close_connection = True

    def _serve(self) -> None:
        path = self.path
        if path.startswith("http://"):  # asked as a proxy
            path = "/" + path.split("/", 3)[3] if path.count("/") > 2 else "/"
        self.asked = Asked(self.origin.name, self.command, path, {k.lower(): v for k, v in self.headers.items()},
                           peer=self.connection.getsockname()[0])
        with self.origin.line.lock:
            self.origin.line.log.append(self.asked)
        try:
            self.origin.answer(self.asked, self)
        except (ConnectionError, TimeoutError, Gone):
            self.close_connection = True
        except Exception:  # noqa: BLE001 - told to the test, not to the client
            self.origin.line.problems.append(traceback.format_exc())
            self.close_connection = True

    do_GET = do_HEAD = _serve

    def log_message(self, *_) -> None:
        pass

    # -- answers --

    def begin(self, status: int, headers: dict[str, str]) -> None:
        self.asked.status = status
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def say(self, status: int, body: bytes = b"", content_type: str = "text/plain", **headers: str) -> None:
        """A short answer, whole. Underscores of header names are hyphens."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if status == 204:
            return self.begin(status, named)
        self.begin(status, {"Content-Type": content_type, "Content-Length": str(len(body)), **named})
        if self.command != "HEAD":
            self.wfile.write(body)
            self.asked.sent += len(body)

    def say_json(self, value, status: int = 200, **headers: str) -> None:
        self.say(status, json.dumps(value).encode(), "application/json; charset=utf-8", **headers)

    def redirect(self, location: str, status: int = 302, **headers: str) -> None:
        self.say(status, f"Found. Redirecting to {location}".encode(), Location=location, **headers)

    def misbehave(self, fault: Fault | None) -> bool:
        """Answers with the fault's status or redirect, where it has one."""
        if fault is None or not (fault.status or fault.redirect is not None):
            return False
        fault.happens()
        if fault.redirect is not None:
            self.redirect(fault.redirect or self.asked.path, fault.status or 302, **fault.headers)
        else:
            self.say_json({"error": f"stand-in: {fault.status}"}, fault.status, **fault.headers)
        return True

    def content(self, content: Content, headers: dict[str, str], compressible: bool = False) -> None:
        """A file: whole or the range that is asked for, and what goes wrong with it."""
        fault = self.origin.line.fault_of(self.asked)
        if self.misbehave(fault):
            return
        if fault and fault.alter:
            content = Content(fault.alter(content.read()))
            fault.happens()
        if fault and fault.headers:
            headers = {**headers, **fault.headers}
        squeezed = compressible and "gzip" in self.asked.headers.get("accept-encoding", "") and not self.asked.range
        if (fault and fault.gzip or squeezed) and self.command != "HEAD":
            return self._gzipped(content, headers, fault)
        with_ranges = fault is None or fault.ranges
        if with_ranges:
            headers = {"Accept-Ranges": "bytes", **headers}
        elif self.asked.range:
            fault.happens()
        begin, end, status = 0, content.size, 200
        condition = self.asked.headers.get("if-range") if fault is None or fault.if_range else None
        if self.asked.range and with_ranges and condition in (None, headers.get("ETag")):
            span = parse_range(self.asked.range, content.size)
            if span == "unsatisfiable":
                return self.say(416, b"", Content_Range=f"bytes */{content.size}")
            if span:
                (begin, end), status = span, 206
                headers = {"Content-Range": f"bytes {begin}-{end - 1}/{content.size}", **headers}
        self.begin(status, {"Content-Type": "application/octet-stream", "Content-Length": str(end - begin), **headers})
        if self.command != "HEAD":
            self._pour(content, begin, end, fault)

    def _gzipped(self, content: Content, headers: dict[str, str], fault: Fault | None) -> None:
        if fault and fault.gzip:
            fault.happens()
        data = gzip.compress(content.read(), 1)
        self.begin(200, {"Content-Type": "text/plain", "Content-Encoding": "gzip", "Transfer-Encoding": "chunked",
                         **headers})
        self.wfile.write(b"%x\r\n%s\r\n0\r\n\r\n" % (len(data), data))
        self.asked.sent += len(data)

    def _pour(self, content: Content, begin: int, end: int, fault: Fault | None) -> None:
        line = self.origin.line
        stop = fault.drop_after if fault and fault.drop_after is not None else None
        stall = fault.stall_after if fault and fault.stall_after is not None else None
        stop = None if stop is None or stop >= end - begin else begin + stop
        stall = None if stall is None or stall >= end - begin else begin + stall
        with line.lock:
            line.bodies_now += 1
            line.bodies_most = max(line.bodies_most, line.bodies_now)
        try:
            as_it_is = fault is None and not isinstance(self.connection, ssl.SSLSocket)
            if as_it_is and isinstance(content.source, pathlib.Path):
                return self._pour_file(content.source, begin, end)
            marks = sorted({end, *(m for m in (stop, stall) if m is not None)})
            for mark in marks:
                for piece in content.pieces(begin, mark):
                    line.pace(len(piece))
                    if line.closing.is_set():
                        raise Gone
                    self.wfile.write(piece)
                    self.asked.sent += len(piece)
                begin = mark
                if mark == stall:
                    fault.happens()
                    while not (fault.released.wait(0.1) or line.closing.is_set()):
                        if left(self.connection):
                            raise Gone
                if mark == stop:
                    fault.happens()
                    if fault.reset:
                        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_AT_CLOSE)
                    raise Gone
        finally:
            with line.lock:
                line.bodies_now -= 1

    def _pour_file(self, path: pathlib.Path, begin: int, end: int) -> None:
        """By the kernel: who downloads is not to wait for Python."""
        line = self.origin.line
        with open(path, "rb") as file:
            while begin < end:
                piece = min(CHUNK if line.rate_bytes_s > 0 else LARGE_CHUNK, end - begin)
                line.pace(piece)
                if line.closing.is_set():
                    raise Gone
                last = begin + piece
                while begin < last:
                    count = os.sendfile(self.connection.fileno(), file.fileno(), begin, last - begin)
                    if count == 0:
                        raise Gone  # the file has become shorter
                    begin += count
                    self.asked.sent += count


def stored_headers(content: Content) -> dict[str, str]:
    """What a store of files (S3, and what stands before it) says of one."""
    return {"ETag": f'"{content.md5}"', "Last-Modified": email.utils.formatdate(1.7e9, usegmt=True)}


def left(connection: socket.socket) -> bool:
    """The peer has closed."""
    try:
        return socket.socket.recv(connection, 1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""  # also below TLS
    except BlockingIOError:
        return False
    except OSError:
        return True


def parse_range(text: str, size: int) -> tuple[int, int] | str | None:
    """(begin, end) of one range; None: not one, so that the whole is the answer."""
    found = re.fullmatch(r"bytes=(\d*)-(\d*)", text.strip())
    if not found or not (found[1] or found[2]):
        return None
    if not found[1]:
        begin, end = max(0, size - int(found[2])), size
    else:
        begin, end = int(found[1]), min(size, int(found[2]) + 1 if found[2] else size)
    return (begin, end) if begin < end else "unsatisfiable"


class _Listener(http.server.ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, *args):
        self.open: set[socket.socket] = set()
        super().__init__(*args)
        self.socket.setblocking(False)  # a client may be gone again before it is accepted

    def process_request(self, request, client_address) -> None:
        self.open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request) -> None:
        self.open.discard(request)
        if request.fileno() >= 0 and request.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, 8) == RESET_AT_CLOSE:
            return self.close_request(request)  # no FIN before the RST
        super().shutdown_request(request)

    def handle_error(self, request, client_address) -> None:
        pass  # connections that end in the middle of things are the point here


class Origin:
    """One socket, at a port of its own."""

    def __init__(self, name: str, line: Line, answer: collections.abc.Callable[[Asked, Reply], None],
                 address: str = "127.0.0.1", tls: ssl.SSLContext | None = None):
        self.name, self.line, self.answer, self.tls = name, line, answer, tls
        self._listener = _Listener((address, 0), type("BoundReply", (Reply,), {"origin": self}))
        if tls:  # the handshake is the connection's own thread's
            self._listener.socket = tls.wrap_socket(self._listener.socket, server_side=True,
                                                    do_handshake_on_connect=False)
        self.port = self._listener.server_address[1]
        threading.Thread(target=self._listener.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    def connections(self) -> int:
        return len(self._listener.open)

    def close(self) -> None:
        self._listener.shutdown()
        self._listener.server_close()
        for connection in list(self._listener.open):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


class StandIn:
    """Base of the stand-ins: their sockets, log and faults."""

    address = "127.0.0.1"  # where they listen; "0.0.0.0": at every address of the machine
    tls: ssl.SSLContext | None = None  # https in place of http

    def __init__(self):
        self.line = Line()
        self.origins: list[Origin] = []

    def listen(self, name: str, answer) -> Origin:
        self.origins.append(Origin(name, self.line, answer, self.address, self.tls))
        return self.origins[-1]

    def __enter__(self):
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def close(self) -> None:
        self.line.closing.set()
        for origin in self.origins:
            origin.close()

    def fault(self, target: str, stage: str = "body", **what) -> Fault:
        fault = Fault(target, stage, **what)
        with self.line.lock:
            self.line.faults.append(fault)
        return fault

    def cut_off(self, target: str, after: int, **how) -> Fault:
        """The first answer ends after so many bytes, and all further ones at once: who resumes gets no further."""
        first = self.fault(target, drop_after=after, times=1, **how)
        self.fault(target, drop_after=0, **how)
        return first

    def mend(self) -> None:
        """No more faults, and what stalls goes on."""
        with self.line.lock:
            faults, self.line.faults = self.line.faults, []
        for fault in faults:
            fault.release()

    def rate(self, bytes_s: float) -> None:
        self.line.rate_bytes_s = bytes_s

    @property
    def problems(self) -> list[str]:
        return self.line.problems

    @property
    def bodies_most(self) -> int:
        """The most bodies that were being sent at the same time."""
        return self.line.bodies_most

    def connections(self) -> int:
        return sum(o.connections() for o in self.origins)

    def asked(self, target: str = "*", stage: str = "*", origin: str = "*", method: str = "*") -> list[Asked]:
        """The requests so far, in order."""
        with self.line.lock:
            log = list(self.line.log)
        return [a for a in log if fnmatch.fnmatchcase(a.origin, origin) and fnmatch.fnmatchcase(a.method, method)
                and fnmatch.fnmatchcase(a.stage, stage)
                and (fnmatch.fnmatchcase(a.target, target) or fnmatch.fnmatchcase(a.target, "*/" + target))]

    def forget(self) -> None:
        """Empties the log."""
        with self.line.lock:
            self.line.log.clear()
