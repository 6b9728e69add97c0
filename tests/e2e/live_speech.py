"""Speech for tests: the sounds that the fixtures' references were made of, and a client of each live protocol.

What FunASR itself heard is in tests/fixtures/speech/, made by tests/parity/make_paraformer.py."""
from __future__ import annotations

import asyncio
import base64
import dataclasses
import json
import struct
from typing import Callable, Sequence

import websockets

from driver import FIXTURES, SLOW

SPEECH = FIXTURES / "speech"
STREAMING = SPEECH / "paraformer_streaming"
OFFLINE = SPEECH / "paraformer_offline"
VAD = SPEECH / "vad"
TOKENS = json.loads((STREAMING / "tokens.json").read_text())
CASES = [c for c in json.loads((STREAMING / "expected.json").read_text())["cases"] if c["samples"] <= 70000]
# What protocols ask for that know nothing of chunks.
USUAL = [c for c in CASES if (c["chunk_size"], c["encoder"], c["decoder"]) == ([5, 10, 5], 4, 0)]
LIMIT_S = 60 * SLOW

STREAMING_MODEL = {"path": str(STREAMING), "task": "automatic-speech-recognition", "precision": "fp32"}
WHOLE_MODEL = {"path": str(OFFLINE), "task": "automatic-speech-recognition", "precision": "fp32"}
VAD_MODEL = {"path": str(VAD / "model"), "task": "voice-activity-detection", "precision": "fp32"}
MODELS = {
    "streaming_asr": STREAMING_MODEL,
    "punctuation": {"path": str(SPEECH / "punctuation" / "offline"), "task": "punctuation-restoration",
                    "precision": "fp32"},
}


def sound(count: int, seed: int = 11) -> list[int]:
    """As make_paraformer.py makes it: square waves that come and go, and noise."""
    out, state = [], seed
    for i in range(count):
        x = 0
        for k, (period, gate) in enumerate([(11, 3001), (29, 4507), (37, 2203), (53, 5701), (71, 7001), (90, 1709)]):
            if (i // gate + k + seed) % 3 != 0:
                x += 3000 if (i // period) % 2 == 0 else -3000
        state = (state * 1664525 + 1013904223) % 2**32
        out.append(x + (state >> 16) % 1311 - 655)
    return out


SOUND = sound(70000)


def noise(seed: int, parts: list) -> list[int]:
    """As make_vad.py makes it: noise, loud or quiet."""
    out = []
    for ms, loud in parts:
        size = 8000 if loud else 40
        for _ in range(ms * 16):
            seed = (seed * 1664525 + 1013904223) % 2**32
            out.append((seed >> 8) % (2 * size + 1) - size)
    return out


def spans_of(one: dict) -> list[list[int]]:
    """What FunASR found in the whole sound by the fixed rules, in ms."""
    answer = next(a for a in one["answers"] if a["chunk_ms"] == 60000 and not a["dynamic"])
    return [span for call in answer["spans"] for span in call]


# Sounds for FSMN-VAD, and where somebody speaks in them.
SOUNDS = [(noise(one["seed"], one["parts"]), spans_of(one)) for one in json.loads((VAD / "sounds.json").read_text())]


def stretch(samples: list[int], span: list[int]) -> list[int]:
    return samples[span[0] * 16:span[1] * 16]


def pcm(count: int) -> bytes:
    return struct.pack(f"<{count}h", *SOUND[:count])


def letters(text: str) -> str:
    """Without what pieces of words, spaces, marks and capitals do to a text."""
    return "".join(c for c in text.replace("@@", "").lower() if c not in " ，。？、,.?")


def expected(case: dict) -> str:
    ids = [i for step in case["steps"] for i in step if 2 < i < len(TOKENS) - 1]
    return letters("".join(TOKENS[i] for i in ids))


def where(server, path: str) -> str:
    return f"ws://127.0.0.1:{server.port}{path}"


@dataclasses.dataclass(frozen=True)
class Protocol:
    """A client's side of one protocol, of sound at 16 kHz in 16 bits."""
    name: str
    path: str
    begin: Callable[[float], list]        # messages before the sound, of its rate
    sound: Callable[[bytes], str | bytes]
    end: str
    text: Callable[[list[dict]], str]     # of all answers
    is_last: Callable[[dict], bool]
    fault: Callable[[dict], str | None]   # of an answer: what was wrong; None: nothing


def fault_of_realtime(m: dict) -> str | None:
    return m["error"]["message"] if "error" in m else None


FUNASR = Protocol(
    "funasr", "/funasr",
    lambda rate: [json.dumps({"mode": "online", "chunk_size": [5, 10, 5], "encoder_chunk_look_back": 4,
                              "decoder_chunk_look_back": 0, "is_speaking": True, "audio_fs": rate})],
    lambda data: data, json.dumps({"is_speaking": False}),
    lambda got: "".join(m["text"] for m in got), lambda m: m["is_final"] is True, lambda m: m.get("error"))
CLIENT = Protocol(
    "ws", "/ws/me",
    lambda rate: [json.dumps({"type": "start_recording", "format": "int16", "sample_rate": rate})],
    lambda data: json.dumps({"type": "audio_chunk", "data": base64.b64encode(data).decode()}),
    json.dumps({"type": "stop_recording"}),
    lambda got: "".join(m["text"] for m in got if m["type"] == "recognition_result"),
    lambda m: m.get("code") == "SESSION_STOPPED", lambda m: m["message"] if m["type"] == "error" else None)
VOSK = Protocol(
    "vosk", "/vosk",
    lambda rate: [json.dumps({"config": {"sample_rate": rate}})],
    lambda data: data, '{"eof" : 1}',
    lambda got: " ".join(m["text"] for m in got if "text" in m),
    lambda m: False,  # it closes
    lambda m: m.get("error"))
REALTIME = Protocol(
    "realtime", "/v1/realtime?intent=transcription",
    lambda rate: [json.dumps({"type": "session.update", "session": {"type": "transcription", "audio": {"input": {
        "format": {"type": "audio/pcm", "rate": rate}, "turn_detection": None}}}})],
    lambda data: json.dumps({"type": "input_audio_buffer.append", "audio": base64.b64encode(data).decode()}),
    json.dumps({"type": "input_audio_buffer.commit"}),
    lambda got: "".join(m["transcript"] for m in got if m["type"].endswith("transcription.completed")),
    lambda m: m["type"].endswith("transcription.completed"), fault_of_realtime)
PROTOCOLS = [FUNASR, CLIENT, VOSK, REALTIME]


def connect(server, protocol: Protocol, **kw):
    return websockets.connect(where(server, protocol.path), ping_interval=None, open_timeout=LIMIT_S, max_size=None,
                              **kw)


async def answers(ws, protocol: Protocol, got: list | None = None) -> list[dict]:
    """Up to the last one, a fault, or the end of the socket."""
    got = [] if got is None else got
    while True:
        try:
            got.append(json.loads(await asyncio.wait_for(ws.recv(), LIMIT_S)))
        except websockets.ConnectionClosed:
            return got
        if protocol.is_last(got[-1]) or protocol.fault(got[-1]):
            return got


async def speak(server, protocol: Protocol, data: bytes, cuts: Sequence[int] = (), rate: float = 16000) -> list[dict]:
    """One utterance; its answers."""
    ends = [*cuts, len(data)]
    pieces = [data[begin:end] for begin, end in zip([0, *ends], ends) if end > begin]
    async with connect(server, protocol) as ws:
        try:
            for message in [*protocol.begin(rate), *map(protocol.sound, pieces), protocol.end]:
                await ws.send(message)
        except websockets.ConnectionClosed:
            pass  # why, it has been told
        return await answers(ws, protocol)


async def hear_rightly(server, protocol: Protocol, case: dict, cuts: Sequence[int] = ()) -> None:
    got = await speak(server, protocol, pcm(case["samples"]), cuts)
    assert letters(protocol.text(got)) == expected(case), (protocol.name, case["samples"], cuts, got)


async def funasr(server, data: bytes, cuts: list[int], **terms) -> list[dict]:
    """One utterance; its messages up to the final one."""
    async with websockets.connect(where(server, "/funasr"), subprotocols=["binary"], ping_interval=None) as ws:
        assert ws.subprotocol == "binary"
        await ws.send(json.dumps({"wav_name": "w", "is_speaking": True, "wav_format": "pcm", "chunk_interval": 10, **terms}))
        begin = 0
        for cut in [*cuts, len(data)]:
            if cut > begin:
                await ws.send(data[begin:cut])
                begin = cut
        await ws.send(json.dumps({"is_speaking": False}))
        got = []
        while True:
            got.append(json.loads(await asyncio.wait_for(ws.recv(), 60)))
            if got[-1]["is_final"]:
                return got
