"""One client of FunASR's protocol on a socket of its own: what it sent and when, what it heard and when. For
bench/speech_clients.py."""
from __future__ import annotations

import json
import selectors
import socket

RATE = 16000
FIRST_SAMPLES = 320
APART_SAMPLES = 45_000  # one session hears the sound so much later than the one before it
ZEROS = bytes(2 * RATE)

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


def header(opcode: int, size: int) -> bytes:
    """Of a client's frame; a mask of zeros leaves the bytes as they are."""
    if size < 126:
        return bytes((0x80 | opcode, 0x80 | size, 0, 0, 0, 0))
    if size < 1 << 16:
        return bytes((0x80 | opcode, 0x80 | 126)) + size.to_bytes(2, "big") + bytes(4)
    return bytes((0x80 | opcode, 0x80 | 127)) + size.to_bytes(8, "big") + bytes(4)


class Session:
    def __init__(self, port: int, number: int, sound: bytes, chunk: int, terms: dict, path: str,
                 selector: selectors.BaseSelector):
        self.number, self.sound, self.chunk, self.selector = number, sound, chunk, selector
        self.zeros = False
        self.ended = False  # its last text has come
        self.position = 0  # samples that were sent
        self.sent: list[float] = []  # when each chunk was whole
        self.got: list[tuple[float, str]] = []  # each answer
        self.lost: str | None = None  # why it is over
        self.outgoing, self.incoming = bytearray(), bytearray()
        self.socket = socket.create_connection(("127.0.0.1", port), 30)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._shake_hands(path)
        self.socket.setblocking(False)
        selector.register(self.socket, selectors.EVENT_READ, self)
        self._say({"mode": "online", "wav_name": str(number), "is_speaking": True, **terms})

    def _shake_hands(self, path: str) -> None:
        self.socket.sendall(f"GET {path} HTTP/1.1\r\n".encode() + b"Host: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n")
        head = b""
        while b"\r\n\r\n" not in head:
            data = self.socket.recv(4096)
            if not data:
                break
            head += data
        head, _, rest = head.partition(b"\r\n\r\n")
        if b" 101 " not in head.split(b"\r\n")[0]:
            raise ConnectionError(head[:200].decode("latin-1"))
        self.incoming += rest

    def to_boundary(self) -> int:
        return self.chunk - self.position % self.chunk

    def under_way(self) -> int:
        return len(self.sent) - len(self.got) if self.lost is None else 0

    def settle(self, now: float) -> None:
        """What is not answered yet will not be."""
        self.got += [(now, "")] * (len(self.sent) - len(self.got))

    def speak(self, samples: int, now: float) -> None:
        first = (self.number * APART_SAMPLES + self.position) * 2 % len(self.sound)
        piece = ZEROS[:2 * samples] if self.zeros else self.sound[first:first + 2 * samples]
        if len(piece) < 2 * samples:
            piece += self.sound[:2 * samples - len(piece)]
        if self.position // self.chunk < (self.position + samples) // self.chunk:
            self.sent.append(now)
        self.position += samples
        self._send(header(BINARY, len(piece)) + piece)

    def finish(self) -> None:
        self._say({"is_speaking": False, "is_end": True})

    def _say(self, message: dict) -> None:
        data = json.dumps(message).encode()
        self._send(header(TEXT, len(data)) + data)

    def _send(self, data: bytes) -> None:
        if self.lost is not None:
            return
        self.outgoing += data
        self.flush()

    def flush(self) -> None:
        try:
            while self.outgoing:
                del self.outgoing[:self.socket.send(self.outgoing)]
        except BlockingIOError:
            pass
        except OSError as e:
            return self._lose(type(e).__name__)
        self.selector.modify(self.socket, selectors.EVENT_READ | (selectors.EVENT_WRITE if self.outgoing else 0), self)

    def hear(self, now: float) -> bool:
        """Whether an answer came."""
        try:
            data = self.socket.recv(65536)
        except BlockingIOError:
            return False
        except OSError as e:
            data = b""
            self._lose(type(e).__name__)
        if not data:
            self._lose("closed")
            return False
        self.incoming += data
        before = len(self.got)
        while (frame := self._frame()) is not None:
            opcode, payload = frame
            if opcode == TEXT:
                message = json.loads(payload)
                if message.get("error"):
                    self._lose(message["error"])
                elif message["text"]:
                    self.got.append((now, message["text"]))
                self.ended = self.ended or message["is_final"]
            elif opcode == PING:
                self._send(header(PONG, len(payload)) + payload)
            elif opcode == CLOSE:
                self._lose("closed")
        return len(self.got) > before

    def _frame(self) -> tuple[int, bytes] | None:
        if len(self.incoming) < 2:
            return None
        size, at = self.incoming[1] & 127, 2
        if size > 125:
            at = 4 if size == 126 else 10
            size = int.from_bytes(self.incoming[2:at], "big")
        if len(self.incoming) < at + size:
            return None
        opcode, payload = self.incoming[0] & 15, bytes(self.incoming[at:at + size])
        del self.incoming[:at + size]
        return opcode, payload

    def _lose(self, why: str) -> None:
        if self.lost is None:
            self.lost = why
            self.selector.unregister(self.socket)
            self.socket.close()

    def close(self) -> None:
        self._lose("left")
