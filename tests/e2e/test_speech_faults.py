"""Live speech under hostile clients, on every protocol: after each of them the server lives, no session is left, and a
good neighbour's text was right meanwhile. Random tests print their seed; TROUPE_SEED repeats one."""
from __future__ import annotations

import asyncio
import contextlib
import base64
import dataclasses
import json
import os
import random
import socket
import struct
import time

import pytest
import websockets

from driver import SLOW, metric_sum
from live_speech import (CLIENT, FUNASR, LIMIT_S, MODELS, PROTOCOLS, REALTIME, STREAMING_MODEL, USUAL, VOSK, answers,
                    connect, expected, hear_rightly, letters, pcm, speak)

SHORT = next(c for c in USUAL if c["samples"] == 24200)
EACH = pytest.mark.parametrize("protocol", PROTOCOLS, ids=lambda p: p.name)


@pytest.fixture(scope="module")
def server(serve_module):
    return serve_module(MODELS, {"session_idle_timeout_s": 300, "max_live_unsent_bytes": 65536})


@pytest.fixture
def rnd():
    seed = int(os.environ.get("TROUPE_SEED") or random.randrange(2**32))
    print("seed", seed)
    return random.Random(seed)


def beside_a_good_one(server, *hostile) -> list:
    """Runs them while a neighbour speaks, over and over; then nothing is left of them. Gives what they gave."""
    async def all_of_them():
        done = asyncio.Event()

        async def neighbour():
            n = 0
            while n == 0 or not done.is_set():
                await hear_rightly(server, PROTOCOLS[n % len(PROTOCOLS)], SHORT)
                n += 1

        async def acts():
            try:
                return await asyncio.wait_for(asyncio.gather(*hostile), 3 * LIMIT_S)
            finally:
                done.set()

        return (await asyncio.gather(acts(), neighbour()))[0]

    got = asyncio.run(all_of_them())
    assert server.alive()
    server.until(lambda: metric_sum(server.metrics(), "troupe_sessions_open") == 0, 30)
    return got


async def told_of(server, protocol, messages: list, rate=None) -> list[str]:
    """What one connection is told of faults when it sends these; ends with "closed CODE" where it was closed."""
    out = []
    async with connect(server, protocol) as ws:
        try:
            for message in [] if rate is None else protocol.begin(rate):
                await ws.send(message)
            for message in messages:
                await ws.send(message)
            while True:
                m = json.loads(await asyncio.wait_for(ws.recv(), LIMIT_S))
                if protocol.fault(m):
                    out.append(protocol.fault(m))
                    if protocol in (CLIENT, REALTIME):  # which stay open
                        return out
        except websockets.ConnectionClosed as e:
            return [*out, f"closed {e.code}"]


# -- messages that are none --

DEEP = "[" * 200_000
WIDE = "[" + ",".join(["{}"] * 200_000) + "]"
LONG_KEY = json.dumps({"k" * 500_000: 1})
LONG_TEXT = json.dumps({"type": "x" * 500_000, "mode": "x" * 500_000})
BOMBS = {"deep": DEEP, "wide": WIDE, "long key": LONG_KEY, "long text": LONG_TEXT, "nested objects": '{"a":' * 100_000,
         "no JSON": "hello", "empty": "", "number": "1e999999", "bad escape": '{"\\ud800": "\\ud800"}', "null": "null"}


@pytest.mark.asan
@EACH
def test_text_that_is_no_message(server, protocol):
    told = beside_a_good_one(server, *(told_of(server, protocol, [b]) for b in BOMBS.values()))
    for name, faults in zip(BOMBS, told):
        assert faults and len(faults[0]) < 2000, (name, faults)


@EACH
def test_more_text_than_a_message_may_have(server, protocol):
    before = server.rollup_kb("Rss")
    [faults] = beside_a_good_one(server, told_of(server, protocol, ['{"x": "' + "y" * 2_000_000 + '"}']))
    assert faults == ["closed 1009"], faults
    assert server.rollup_kb("Rss") - before < 64 * 1024


@EACH
def test_binary_where_text_is_due_and_text_where_binary_is(server, protocol, rnd):
    junk = [rnd.randbytes(rnd.randrange(1, 5000)) for _ in range(20)]
    if protocol in (CLIENT, REALTIME):
        for faults in beside_a_good_one(server, *(told_of(server, protocol, [j], 16000) for j in junk[:3])):
            assert faults and "JSON" in faults[0], faults
    else:  # any bytes are sound
        async def noise():
            got = await speak(server, protocol, b"".join(junk)[:2 * (len(b"".join(junk)) // 2)])
            assert not any(protocol.fault(m) for m in got), got
        beside_a_good_one(server, noise())
        text = base64.b64encode(junk[0]).decode()
        [faults] = beside_a_good_one(server, told_of(server, protocol, [text], 16000))
        assert len(faults) == 2 and faults[1] == "closed 1008", faults


# -- frames --

class Frames:
    """A WebSocket's bytes, for what libraries refuse to send."""

    def __init__(self, server, protocol, receive_bytes: int | None = None):
        self.socket = socket.socket()
        if receive_bytes:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        self.socket.settimeout(LIMIT_S)
        self.socket.connect(("127.0.0.1", server.port))
        head = [f"GET {protocol.path} HTTP/1.1", "Host: x", "Connection: Upgrade", "Upgrade: websocket",
                "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "", ""]
        self.socket.sendall("\r\n".join(head).encode())
        self.data = b""
        while b"\r\n\r\n" not in self.data:
            self.more()
        head, self.data = self.data.split(b"\r\n\r\n", 1)
        assert b" 101 " in head, head

    def more(self) -> bool:
        got = self.socket.recv(65536)
        self.data += got
        return bool(got)

    def frame(self, payload: bytes, opcode: int = 1) -> bytes:
        mask = b"\x11\x22\x33\x44"
        size = len(payload)
        head = bytes([0x80 | opcode]) + (bytes([0x80 | size]) if size < 126 else
                                         bytes([0xfe]) + struct.pack(">H", size) if size < 65536 else
                                         bytes([0xff]) + struct.pack(">Q", size))
        masked = (int.from_bytes(payload, "big") ^
                  int.from_bytes((mask * (size // 4 + 1))[:size], "big")).to_bytes(size, "big")
        return head + mask + masked

    def send(self, message: str | bytes) -> None:
        text = isinstance(message, str)
        self.socket.sendall(self.frame(message.encode() if text else message, 1 if text else 2))

    def close_code(self) -> int | None:
        """Reads to the end; the code of the close frame that came last, None: there was none."""
        try:
            while self.more():
                pass
        except ConnectionError:
            pass
        code = None
        while len(self.data) >= 2:
            size, skip = self.data[1] & 0x7f, 2
            if size == 126:
                size, skip = struct.unpack(">H", self.data[2:4])[0], 4
            elif size == 127:
                size, skip = struct.unpack(">Q", self.data[2:10])[0], 10
            if self.data[0] & 0xf == 8:
                code = struct.unpack(">H", self.data[skip:skip + 2])[0]
            self.data = self.data[skip + size:]
        return code


async def in_thread(f):
    return await asyncio.get_running_loop().run_in_executor(None, f)


@pytest.mark.asan
@EACH
def test_a_frame_that_claims_a_gigabyte(server, protocol):
    def claim() -> int | None:
        f = Frames(server, protocol)
        f.socket.sendall(b"\x82\xff" + struct.pack(">Q", 1 << 30) + b"\1\2\3\4")
        return f.close_code()

    before = server.rollup_kb("Rss")
    assert beside_a_good_one(server, *(in_thread(claim) for _ in range(8))) == [1009] * 8
    assert server.rollup_kb("Rss") - before < 64 * 1024


@pytest.mark.asan
@EACH
def test_garbage_in_place_of_frames(server, protocol, rnd):
    def garbage(data: bytes):
        def send():
            f = Frames(server, protocol)
            try:
                f.socket.sendall(data)
                f.socket.shutdown(socket.SHUT_WR)
            except ConnectionError:
                pass
            return f.close_code()
        return send

    beside_a_good_one(server, *(in_thread(garbage(rnd.randbytes(rnd.randrange(1, 3000)))) for _ in range(40)))


# -- sound --

@EACH
def test_odd_bytes(server, protocol):
    whole = pcm(SHORT["samples"])
    if protocol is CLIENT:
        [faults] = beside_a_good_one(server, told_of(server, protocol, [protocol.sound(whole[:1001])], 16000))
        assert "1001 bytes are no whole number of samples" in faults[0]
    else:
        beside_a_good_one(server, hear_rightly(server, protocol, SHORT, [1, 2, 3, 1001, 1002, 20001]))
        odd = [protocol.sound(whole[:1001]), protocol.end]
        [faults] = beside_a_good_one(server, told_of(server, protocol, odd, 16000))
        assert "ends within a sample" in faults[0], faults


def test_samples_that_are_no_numbers(server):
    """Only /ws has floats."""
    bad = [float("nan"), float("inf"), -float("inf"), 3e38]

    async def talk():
        good = struct.pack(f"<{SHORT['samples']}f", *(s / 32768 for s in struct.unpack(
            f"<{SHORT['samples']}h", pcm(SHORT["samples"]))))
        async with connect(server, CLIENT) as ws:
            await ws.send('{"type": "start_recording"}')
            for data in (good[:40000], struct.pack("<5f", 0.5, *bad), good[40000:]):
                await ws.send(CLIENT.sound(data))
            await ws.send(CLIENT.end)
            got = []
            while not got or not CLIENT.is_last(got[-1]):
                got.append(json.loads(await asyncio.wait_for(ws.recv(), LIMIT_S)))
        return got

    [got] = beside_a_good_one(server, talk())
    assert [m["message"] for m in got if m["type"] == "error"] == ["audio_chunk: 4 of 5 samples are no numbers"]
    # Chunks of [5,10,5] with the model's usual look-back: what was refused left no trace.
    assert letters(CLIENT.text(got)) == expected(SHORT)


@EACH
def test_rates_that_sound_may_have(server, protocol):
    async def at(rate: float):
        got = await speak(server, protocol, pcm(30000), [12345 - protocol.name.count("ws")], rate)
        assert not any(protocol.fault(m) for m in got), (rate, got)

    beside_a_good_one(server, *(at(r) for r in (8000, 11025, 16000.0, 22050, 24000, 44100, 48000, 96000, 192000)))


@EACH
def test_rates_that_no_sound_has(server, protocol):
    async def at(rate) -> str:
        return (await told_of(server, protocol, [], rate))[0]

    rates = [0, 1, 0.5, -16000, 7999, 192001, 1e15, 2**63, "16000", True, [], {}, 16000.5]
    for rate, told in zip(rates, beside_a_good_one(server, *(at(r) for r in rates))):
        assert any(key in told for key in ("audio_fs", "sample_rate", "rate")), (rate, told)


# -- who does not keep to the order, or to the line --

@EACH
def test_any_order_of_messages(server, protocol, rnd):
    """Good messages in any order, and broken copies of them."""
    good = [*protocol.begin(16000), protocol.begin(8000)[0], protocol.sound(pcm(4000)), protocol.sound(pcm(9601)),
            protocol.end, '{"reset" : 1}', '{"type": "input_audio_buffer.clear"}', '{"is_speaking": true}']

    def broken(message):
        data = bytearray(message if isinstance(message, bytes) else message.encode())
        for _ in range(rnd.randrange(1, 4)):
            at = rnd.randrange(len(data))
            data[at:at + rnd.randrange(3)] = rnd.randbytes(rnd.randrange(3))
        data = bytes(data)[:rnd.choice([len(data), rnd.randrange(len(data) + 1)])]
        return data if isinstance(message, bytes) else data.decode("utf-8", "replace")

    async def one(messages: list):
        async with connect(server, protocol) as ws:
            async def read():
                try:
                    async for message in ws:
                        json.loads(message)
                except websockets.ConnectionClosed:
                    pass

            reading = asyncio.create_task(read())
            try:
                for message in messages:
                    await asyncio.wait_for(ws.send(message), LIMIT_S)
            except websockets.ConnectionClosed:
                pass
            await asyncio.wait_for(ws.close(), LIMIT_S)
            await asyncio.wait_for(reading, LIMIT_S)

    sequences = [[m if rnd.random() < 0.7 else broken(m) for m in rnd.choices(good, k=rnd.randrange(1, 12))]
                 for _ in range(60)]
    for begin in range(0, len(sequences), 12):
        beside_a_good_one(server, *(one(s) for s in sequences[begin:begin + 12]))


@pytest.mark.asan
@EACH
def test_a_client_that_vanishes(server, protocol):
    async def leave(after: int):
        ws = await connect(server, protocol)
        for message in [*protocol.begin(16000), protocol.sound(pcm(30000)), protocol.end][:after]:
            await ws.send(message)
        ws.transport.abort()

    beside_a_good_one(server, *(leave(n) for n in (0, 1, 2, 2, 3, 3)))


@EACH
def test_a_client_that_stops_reading(server, protocol):
    """It is closed, and costs no memory: what it has not read is bounded."""
    message = {"funasr": '{"mode": "online"}', "vosk": b"", "ws": '{"type": "dance"}',
               "realtime": json.dumps({"type": "session.update", "event_id": "x" * 500, "session": {"y" * 60: 1}})}
    message = message[protocol.name]

    def closed() -> float:
        return sum(v for k, v in server.metrics().items() if "slow_reader" in k or "stalled_reader" in k)

    def flood() -> None:
        f = Frames(server, protocol, receive_bytes=4096)
        for m in [*protocol.begin(16000), protocol.sound(pcm(9600))]:
            f.send(m)
        binary = isinstance(message, bytes)
        many = f.frame(message if binary else message.encode(), 2 if binary else 1) * 500
        try:
            for _ in range((8 << 20) // len(many)):
                f.socket.sendall(many)
        except (ConnectionError, TimeoutError):
            pass
        f.socket.close()

    before, memory_kb = closed(), server.rollup_kb("Rss")
    beside_a_good_one(server, in_thread(flood))
    assert server.rollup_kb("Rss") - memory_kb < 64 * 1024
    if protocol is not FUNASR:  # whose terms have no answer
        assert closed() > before


@EACH
def test_a_client_that_never_ends(serve, protocol):
    """Its session goes when no sound has come for long enough; it is told."""
    server = serve(MODELS, {"session_idle_timeout_s": 2})

    async def wait():
        async with connect(server, protocol) as ws:
            for message in [*protocol.begin(16000), protocol.sound(pcm(30000))]:
                await ws.send(message)
            got = []
            while not any(protocol.fault(m) for m in got):
                got += await answers(ws, protocol)
            return protocol.fault(got[-1])

    told = beside_a_good_one(server, wait(), wait())
    assert all("no sound came for too long" in t for t in told), told


# -- many, and a model that dies --

def test_sessions_that_open_at_once_are_all_counted(serve):
    server = serve(MODELS)

    async def open_five():
        sockets = [await connect(server, CLIENT) for _ in range(5)]
        for ws in sockets:
            await ws.send('{"type": "start_recording"}')
        for ws in sockets:
            assert "SESSION_STARTED" in await asyncio.wait_for(ws.recv(), LIMIT_S)
        opened = metric_sum(server.metrics(), "troupe_sessions_opened_total")
        counted = lambda: metric_sum(server.metrics(), "troupe_sessions_open") == 5
        try:
            assert opened == 5
            await in_thread(lambda: server.until(counted, 3))
        finally:
            for ws in sockets:
                await ws.close()

    asyncio.run(open_five())


@pytest.mark.asan
def test_five_hundred_at_once(serve):
    """Some are let in and are answered; the others are told so; nobody hangs."""
    most = 24
    server = serve(MODELS, {"max_sessions": most, "max_connections": 2000})
    count = 500 // SLOW

    async def all_of_them():
        everybody_came = asyncio.Event()

        async def one(protocol) -> str:
            try:
                async with connect(server, protocol) as ws:
                    with contextlib.suppress(websockets.ConnectionClosed):  # why, it has been told
                        for message in [*protocol.begin(16000), protocol.sound(pcm(SHORT["samples"]))]:
                            await ws.send(message)
                    reading = asyncio.create_task(answers(ws, protocol))
                    waiting = asyncio.create_task(everybody_came.wait())
                    await asyncio.wait([reading, waiting], return_when=asyncio.FIRST_COMPLETED)
                    waiting.cancel()
                    with contextlib.suppress(websockets.ConnectionClosed):
                        if not reading.done():
                            await ws.send(protocol.end)
                    got = await reading
            except websockets.ConnectionClosed as e:
                return f"closed {e.code}"
            faults = [protocol.fault(m) for m in got if protocol.fault(m)]
            if faults:
                return faults[0]
            assert letters(protocol.text(got)) == expected(SHORT), (protocol.name, got)
            return "heard"

        async def watch():
            def tried() -> float:
                m = server.metrics()
                return metric_sum(m, "troupe_sessions_opened_total") + metric_sum(m, "troupe_sessions_refused_total")

            end = time.monotonic() + 3 * LIMIT_S
            while await in_thread(tried) < count:
                assert time.monotonic() < end, "some hang"
                await asyncio.sleep(0.05)
            everybody_came.set()

        return (await asyncio.gather(watch(), *(one(PROTOCOLS[n % len(PROTOCOLS)]) for n in range(count))))[1:]

    got = asyncio.run(all_of_them())
    heard = got.count("heard")
    refused = [g for g in got if "too many live sessions" in g or "cannot hold another live session" in g or
               "too slow for all live sessions" in g]
    assert heard + len(refused) == count, {g for g in got if g not in refused}
    assert 1 <= heard <= most, heard
    server.until(lambda: metric_sum(server.metrics(), "troupe_sessions_open") == 0, 30)
    asyncio.run(hear_rightly(server, FUNASR, SHORT))


@EACH
def test_a_model_killed_mid_session(serve, testserver, protocol):
    """Its sessions are told, those of another model are not harmed, and a new one works."""
    server = serve({**MODELS, "victim": STREAMING_MODEL}, {"speech_model": "streaming_asr"}, binary=testserver)

    async def talk():
        query = ("&" if "?" in protocol.path else "?") + "model=victim"
        victim = dataclasses.replace(protocol, path=protocol.path + query)
        whole = pcm(SHORT["samples"])
        async with connect(server, victim) as ws, connect(server, protocol) as other:
            for s, p in ((ws, victim), (other, protocol)):
                for message in [*p.begin(16000), p.sound(whole[:24000])]:
                    await s.send(message)
            opened = lambda: metric_sum(server.metrics(), "troupe_sessions_opened_total") == 2
            await in_thread(lambda: server.until(opened))
            killed = await in_thread(lambda: server.post("/test/kill/victim"))
            assert killed.status_code == 200, killed.text
            faults = []
            try:
                while not faults:  # it may be told before it says anything, or of the next step
                    await ws.send(victim.sound(whole[24000:36000]))
                    try:
                        m = json.loads(await asyncio.wait_for(ws.recv(), 1))
                    except asyncio.TimeoutError:
                        continue
                    faults = [f for f in [victim.fault(m)] if f]
            except websockets.ConnectionClosed:  # why, it has been told before
                faults = [f for f in map(victim.fault, await answers(ws, victim)) if f]
            assert faults, "it was closed without a word"
            await other.send(protocol.sound(whole[24000:]))
            await other.send(protocol.end)
            got = []
            while not (got and protocol.is_last(got[-1])):
                try:
                    got.append(json.loads(await asyncio.wait_for(other.recv(), LIMIT_S)))
                except websockets.ConnectionClosed:
                    break
            assert letters(protocol.text(got)) == expected(SHORT), got

        async def heard_again():
            got = await speak(server, victim, whole)
            return letters(victim.text(got)) == expected(SHORT)

        end = time.monotonic() + LIMIT_S
        while not await heard_again():  # it comes back after a back-off
            assert time.monotonic() < end

    asyncio.run(talk())
    server.until(lambda: metric_sum(server.metrics(), "troupe_sessions_open") == 0, 30)
