"""The shipped speech demo: its models, as the shipped registry names them, hear its held-out samples."""
from __future__ import annotations

import asyncio
import json
import random
import wave

import pytest
import websockets

from driver import ROOT

DEMO = ROOT / "models" / "speech-demo"
SAMPLES = json.loads((DEMO / "samples" / "samples.json").read_text())
MARKS = ",.?"
CHUNKS = [([5, 10, 5], 4, 0), ([0, 10, 5], 4, 1)]
NO_SOUND = bytes(2 * 3 * 16000)


@pytest.fixture(scope="module", params=["fp32", "auto"])
def server(request, serve_module):
    return serve_module(settings={"models_file": str(ROOT / "models" / "models.json"), "precision": request.param})


def pcm(name: str) -> bytes:
    with wave.open(str(DEMO / "samples" / name)) as f:
        assert (f.getnchannels(), f.getsampwidth(), f.getframerate()) == (1, 2, 16000)
        return f.readframes(f.getnframes())


def hear(server, data: bytes, mode: str, chunk_size, encoder: int, decoder: int) -> list[dict]:
    """One utterance, cut anywhere: its messages up to the final one."""
    async def talk() -> list[dict]:
        async with websockets.connect(f"ws://127.0.0.1:{server.port}/funasr", ping_interval=None) as ws:
            await ws.send(json.dumps({"mode": mode, "wav_name": "w", "is_speaking": True, "chunk_size": chunk_size,
                                      "encoder_chunk_look_back": encoder, "decoder_chunk_look_back": decoder}))
            begin = 0
            while begin < len(data):
                size = random.randrange(1, 30000)
                await ws.send(data[begin:begin + size])
                begin += size
            await ws.send(json.dumps({"is_speaking": False}))
            got = []
            while not got or not got[-1]["is_final"]:
                got.append(json.loads(await asyncio.wait_for(ws.recv(), 60)))
                assert "error" not in got[-1], got[-1]
            return got

    return asyncio.run(talk())


def words(text: str) -> list[str]:
    return [w.strip(MARKS).lower() for w in text.split()]


def test_there_are_samples_to_show():
    assert len(SAMPLES) >= 2
    assert all((DEMO / "samples" / s["file"]).stat().st_size < 150_000 for s in SAMPLES)
    assert sum(f.stat().st_size for f in DEMO.rglob("model.pt")) < 10_000_000


@pytest.mark.parametrize("chunks", CHUNKS, ids=lambda c: str(c[0]))
@pytest.mark.parametrize("sample", SAMPLES, ids=lambda s: s["file"])
def test_hears_the_samples(server, sample, chunks):
    got = hear(server, pcm(sample["file"]), "2pass", *chunks)
    increments = "".join(m["text"] for m in got if m["mode"] == "2pass-online")
    sentences = " ".join(m["text"].strip() for m in got if m["mode"] == "2pass-offline" and m["text"].strip())
    assert words(increments) == words(sample["text"])
    assert sentences == sample["text"]


def test_words_come_while_it_is_spoken(server):
    longest = max(SAMPLES, key=lambda s: (DEMO / "samples" / s["file"]).stat().st_size)
    got = hear(server, pcm(longest["file"]), "online", *CHUNKS[0])
    assert sum(bool(m["text"]) for m in got) > 1
    assert words("".join(m["text"] for m in got)) == words(longest["text"])


def test_silence_says_nothing(server):
    assert [m["text"] for m in hear(server, NO_SOUND, "2pass", *CHUNKS[0]) if m["text"]] == []


def test_document_003_knows_them(server):
    known = server.json("/model/info")["available_models"]
    assert {"streaming_asr", "punctuation"} <= set(known)
    assert known["streaming_asr"]["provider"] == "troupe"
    assert known["streaming_asr"]["capabilities"] == ["streaming", "real-time", "incremental"]
