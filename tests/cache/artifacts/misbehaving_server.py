#!/usr/bin/env python3
"""A web server that misbehaves as its paths say, for the tests of transfers. Prints its port; ends with its stdin.

    /BEHAVIOUR/SIZE[/ARGUMENT..][?anything]

SIZE bytes of content (content() below; tests make the same), at most a few MB. `?anything` tells uses of one behaviour
apart: what a path does "once" it does once for each. /log?X answers with the requests for paths that end in ?X.

    /hub/X/..

A hub, whose model BEHAVIOUR/SIZE is described at hub(). /log?X answers with the requests to it, too.
"""
from __future__ import annotations

import array
import functools
import hashlib
import json
import re
import socket
import struct
import sys
import threading
import time
import urllib.parse

lock = threading.Lock()
seen: dict[str, int] = {}
log: list[tuple[str, str]] = []


@functools.lru_cache(maxsize=64)
def content(size: int) -> bytes:
    words = array.array("Q", ((i * 0x9E3779B97F4A7C15) & 0xFFFFFFFFFFFFFFFF for i in range(size // 8 + 1)))
    if sys.byteorder == "big":
        words.byteswap()
    return words.tobytes()[:size]


class Hung(Exception):
    """The connection is to be closed."""


class Request:
    def __init__(self, sock: socket.socket, head: bytes):
        self.sock = sock
        lines = head.decode("latin-1").split("\r\n")
        self.method, self.target, _ = lines[0].split(" ", 2)
        self.target = re.sub("^http://[^/]*", "", self.target)  # as a proxy is asked
        self.headers = {k.strip().lower(): v.strip() for k, _, v in (line.partition(":") for line in lines[1:] if line)}
        path, _, self.query = self.target.partition("?")
        self.parts = path.strip("/").split("/")
        with lock:
            self.time = seen[self.target] = seen.get(self.target, 0) + 1  # from 1
            words = [self.method, self.target] + [
                f"{k}={v}" for k, v in sorted(self.headers.items()) if k in ("range", "if-range", "authorization", "x-key")]
            log.append((self.parts[1] if self.parts[0] == "hub" else self.query, " ".join(words)))

    def argument(self, i: int) -> int:
        return int(self.parts[i])

    def send(self, status: str, headers: dict[str, object] | None = None, body: bytes = b"", version: str = "1.1"):
        lines = [f"HTTP/{version} {status}"] + [f"{k}: {v}" for k, v in (headers or {}).items()]
        self.sock.sendall("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + (b"" if self.method == "HEAD" else body))

    def range(self) -> tuple[int, int | None] | None:
        found = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("range", ""))
        return (int(found[1]), int(found[2]) + 1 if found[2] else None) if found else None

    def wait_for_the_end(self):
        """Until the client has gone."""
        while self.sock.recv(4096):
            pass
        raise Hung


def serve(r: Request, size: int, *, ranges=True, etag='"one"', keep: int | None = None, data: bytes | None = None,
          extra: dict[str, object] | None = None, chunk: int = 1 << 16):
    """As a good server would; `keep`: the connection breaks after so many bytes of the body."""
    data = content(size) if data is None else data
    headers: dict[str, object] = {"ETag": etag} if etag else {}
    headers |= extra or {}
    asked = r.range() if ranges else None
    if ranges:
        headers["Accept-Ranges"] = "bytes"
    if asked and r.headers.get("if-range", etag) != etag:
        asked = None
    status = "200 OK"
    if asked:
        begin, end = asked[0], min(asked[1] or len(data), len(data))
        if begin >= len(data):
            return r.send("416 Range Not Satisfiable", {"Content-Range": f"bytes */{len(data)}", "Content-Length": 0})
        headers["Content-Range"] = f"bytes {begin}-{end - 1}/{len(data)}"
        data = data[begin:end]
        status = "206 Partial Content"
    headers["Content-Length"] = len(data)
    if keep is not None and keep < len(data):
        r.send(status, headers, data[:keep])
        raise Hung
    r.send(status, headers)
    if r.method != "HEAD":
        for i in range(0, len(data), chunk):
            r.sock.sendall(data[i:i + chunk])


def chunked(r: Request, data: bytes):
    r.send("200 OK", {"Transfer-Encoding": "chunked"})
    for i in range(0, len(data), 10000):
        piece = data[i:i + 10000]
        r.sock.sendall(b"%x\r\n" % len(piece) + piece + b"\r\n")
    r.sock.sendall(b"0\r\nTrailer: x\r\n\r\n")


def flipped(size: int) -> bytes:
    data = bytearray(content(size))
    data[size // 3] ^= 1
    return bytes(data)


def version(size: int, n: int) -> bytes:
    """Content that is another in each of its bytes."""
    return content(size).translate(bytes(b ^ n for b in range(256)))


def hub(r: Request):
    """The model BEHAVIOUR/SIZE: vocab.txt, the same in all revisions and with a digest; config.json, the same without
    one; model.safetensors, SIZE bytes that are another content in each, served as BEHAVIOUR says. Revisions are 1, which
    is main, and 2; their commits are these digits."""
    listed = r.parts[2] == "api"
    behaviour, size = r.parts[4:6] if listed else r.parts[2:4]
    n = int((r.parts[7] if len(r.parts) > 7 else "1")[0]) if listed else int(r.parts[5][0])
    files = {"config.json": b'{"model_type": "bert"}', "vocab.txt": b"a\nb\n", "model.safetensors": version(int(size), n),
             "README.md": b"not taken"}
    if listed:
        siblings = [{"rfilename": name, "size": len(data), "blobId": hashlib.sha1(data).hexdigest()} |
                    ({} if name == "config.json" else
                     {"lfs": {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}})
                    for name, data in files.items()]
        if behaviour == "huge":  # those that are taken have 2^64 bytes together
            for s in siblings:
                s["size"] = s.get("lfs", s)["size"] = 1 << (63 if s["rfilename"] == "model.safetensors" else 62)
        answer = json.dumps({"sha": f"{n}" * 40, "pipeline_tag": "fill-mask", "tags": ["bert"],
                             "siblings": siblings}).encode()
        return r.send("200 OK", {"Content-Length": len(answer)}, answer)
    path, etag = r.parts[6], f'"{n}"'
    data = files[path]
    if path != "model.safetensors" or behaviour == "good":
        serve(r, 0, data=data, etag=etag)
    elif behaviour == "missing":
        r.send("404 Not Found", {"Content-Length": 0})
    elif behaviour == "corrupt":
        serve(r, 0, data=bytes(reversed(data)), etag=etag)
    elif behaviour == "corrupt-in-2":
        serve(r, 0, data=bytes(reversed(data)) if n == 2 else data, etag=etag)
    elif behaviour == "slow-once":
        if r.time > 1:
            return serve(r, 0, data=data, etag=etag)
        r.send("200 OK", {"Content-Length": len(data), "Accept-Ranges": "bytes", "ETag": etag})
        for i in range(0, len(data), len(data) // 20):
            r.sock.sendall(data[i:i + len(data) // 20])
            time.sleep(0.05)


def behave(r: Request):
    what = r.parts[0]
    size = int(r.parts[1]) if len(r.parts) > 1 and r.parts[1].isdigit() else 0
    if what == "log":
        text = "".join(line + "\n" for query, line in log if query == r.query and not line.startswith("GET /log"))
        r.send("200 OK", {"Content-Length": len(text)}, text.encode("latin-1"))
    elif what == "hub":
        hub(r)
    elif what == "good":
        serve(r, size)
    elif what == "no-etag":
        serve(r, size, etag="")
    elif what == "weak-etag":
        serve(r, size, etag='W/"one"')
    elif what == "no-ranges":
        serve(r, size, ranges=False)
    elif what == "drop-after":  # SIZE/BYTES: each time
        serve(r, size, keep=r.argument(2))
    elif what == "drop-once":  # SIZE/BYTES
        serve(r, size, keep=r.argument(2) if r.time == 1 else None)
    elif what == "truncated":  # SIZE/BYTES: each time, without ranges
        serve(r, size, ranges=False, keep=r.argument(2))
    elif what == "drop-once-no-ranges":
        serve(r, size, ranges=False, keep=r.argument(2) if r.time == 1 else None)
    elif what == "stall-once":  # SIZE/BYTES
        if r.time > 1:
            return serve(r, size)
        r.send("200 OK", {"Content-Length": size, "Accept-Ranges": "bytes", "ETag": '"one"'},
               content(size)[:r.argument(2)])
        r.wait_for_the_end()
    elif what == "stall":  # SIZE/BYTES: each time
        begin = (r.range() or (0, None))[0]
        r.send("206 Partial Content" if begin else "200 OK",
               {"Content-Length": size - begin, "Content-Range": f"bytes {begin}-{size - 1}/{size}"},
               content(size)[begin:begin + r.argument(2)])
        r.wait_for_the_end()
    elif what == "slow":  # SIZE/BYTES/MILLISECONDS
        data = content(size)
        r.send("200 OK", {"Content-Length": size, "ETag": '"one"'})
        for i in range(0, size, r.argument(2)):
            r.sock.sendall(data[i:i + r.argument(2)])
            time.sleep(r.argument(3) / 1000)
    elif what == "says-nothing":
        r.wait_for_the_end()
    elif what == "closes":
        raise Hung
    elif what == "reset-once":  # SIZE/BYTES
        if r.time > 1:
            return serve(r, size)
        r.send("200 OK", {"Content-Length": size}, content(size)[:r.argument(2)])
        r.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        raise Hung
    elif what == "too-long":
        chunked(r, content(size + 100))
    elif what == "chunked":
        chunked(r, content(size))
    elif what == "http10":  # ends with the connection
        r.send("200 OK", {}, content(size), version="1.0")
        raise Hung
    elif what == "continues":
        r.sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\nETag: \"early\"\r\n\r\n")
        serve(r, size)
    elif what == "gzip":
        serve(r, size, extra={"Content-Encoding": "gzip"})
    elif what == "wrong-content-range":
        if not r.range():
            return serve(r, size, ranges=False)
        begin, end = r.range()[0] + 1, min(r.range()[1] or size, size - 1) + 1
        r.send("206 Partial Content", {"Content-Range": f"bytes {begin}-{end - 1}/{size}",
                                       "Content-Length": end - begin}, content(size)[begin:end])
    elif what == "wrong-total":
        begin, end = r.range() or (0, size)
        end = end or size
        r.send("206 Partial Content" if r.range() else "200 OK",
               {"Content-Range": f"bytes {begin}-{end - 1}/{size + 5}", "Content-Length": end - begin},
               content(size)[begin:end])
    elif what == "always-206":
        r.send("206 Partial Content", {"Content-Range": f"bytes 0-{size - 1}/{size}", "Content-Length": size},
               content(size))
    elif what == "etag-changes":  # with each answer, as the content does; If-Range is not looked at
        r.headers.pop("if-range", None)
        serve(r, size, etag=f'"{r.time}"', data=version(size, r.time))
    elif what == "etag-changes-once":  # SIZE/TIMES: after so many, as the content does
        n = 1 if r.time <= r.argument(2) else 2
        serve(r, size, etag=f'"{n}"', data=version(size, n))
    elif what == "range-once":  # the first is served, then none
        serve(r, size, ranges=r.time == 1)
    elif what == "short-ranges":  # SIZE/BYTES
        asked = r.range()
        if asked:
            r.headers["range"] = f"bytes={asked[0]}-{min(asked[0] + r.argument(2), asked[1] or size) - 1}"
        serve(r, size)
    elif what == "never-a-range":  # 416 for each
        if r.range():
            return r.send("416 Range Not Satisfiable", {"Content-Length": 0})
        serve(r, size, ranges=False)
    elif what == "corrupt":
        serve(r, size, data=flipped(size))
    elif what == "corrupt-once":
        serve(r, size, data=flipped(size) if r.time == 1 else None)
    elif what == "status":  # SIZE/CODE/TIMES[/RETRY-AFTER]
        if r.time > r.argument(3):
            return serve(r, size)
        extra = {"Retry-After": urllib.parse.unquote(r.parts[4])} if len(r.parts) > 4 else {}
        r.send(f"{r.parts[2]} As Asked", {"Content-Length": 4} | extra, b"oops")
    elif what == "redirect":  # ?URL
        r.send(r.parts[1] + " Go", {"Location": urllib.parse.unquote(r.query), "Content-Length": 4}, b"gone")
    elif what == "redirect-loop":
        r.send("302 Go", {"Location": r.target, "Content-Length": 0})
    elif what == "redirect-nowhere":
        r.send("302 Go", {"Content-Length": 0})
    elif what == "signs":  # SIZE/USES: leads to what is good for so many requests
        r.send("302 Go", {"Location": f"/signed/{size}/{r.parts[2]}/{r.time}?{r.query}", "Content-Length": 0})
    elif what == "signed":
        if r.time > r.argument(2):
            return r.send("403 Expired", {"Content-Length": 0})
        serve(r, size)
    elif what == "headers-for-ever":
        r.sock.sendall(b"HTTP/1.1 200 OK\r\n")
        while True:
            r.sock.sendall(b"X-More: and more\r\n" * 100)
    elif what == "continues-for-ever":
        while True:
            r.sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n" * 100)
    elif what == "one-long-header":
        r.sock.sendall(b"HTTP/1.1 200 OK\r\nX: ")
        while True:
            r.sock.sendall(b"x" * 10000)
    elif what == "garbage":
        r.sock.sendall(b"\x00\x01\x02 this is no HTTP\r\n\r\n")
        raise Hung
    elif what == "echo":
        text = "".join(f"{k}: {v}\n" for k, v in sorted(r.headers.items()))
        r.send("200 OK", {"Content-Length": len(text), "X-Twice": "a", "x-Odd ": " b "}, text.encode("latin-1"))
    elif what == "no-length":
        r.send("200 OK", {}, content(size))
        raise Hung
    else:
        r.send("404 Not Found", {"Content-Length": 0})


def attend(sock: socket.socket):
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    buffer = b""
    try:
        while True:
            while b"\r\n\r\n" not in buffer:
                got = sock.recv(65536)
                if not got:
                    return
                buffer += got
            head, _, buffer = buffer.partition(b"\r\n\r\n")
            behave(Request(sock, head))
    except (Hung, OSError):
        pass
    finally:
        sock.close()


def main():
    listener = socket.create_server(("127.0.0.1", 0), backlog=128)
    print(listener.getsockname()[1], flush=True)

    def accept():
        while True:
            threading.Thread(target=attend, args=(listener.accept()[0],), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    sys.stdin.read()


if __name__ == "__main__":
    main()
