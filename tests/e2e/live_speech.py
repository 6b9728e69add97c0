"""What tests of live speech share: sounds, FunASR's client side, the fixtures."""
from __future__ import annotations

import asyncio
import json

import websockets

from driver import FIXTURES

SPEECH = FIXTURES / "speech"
STREAMING = SPEECH / "paraformer_streaming"
OFFLINE = SPEECH / "paraformer_offline"
VAD = SPEECH / "vad"


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


def letters(text: str) -> str:
    """Without what pieces of words, spaces and capitals do to a text."""
    return text.replace("@@", "").replace(" ", "").lower()


def where(server, path: str) -> str:
    return f"ws://127.0.0.1:{server.port}{path}"


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
