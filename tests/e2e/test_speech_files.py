"""Files in FunASR's protocol, as its clients send them (html5's file mode, the Python and C++ clients' "others"): what
is heard is what the routes of recordings hear of the same file."""
from __future__ import annotations

import asyncio
import json
import random

import pytest
import websockets

from driver import metric_sum
from live_speech import LIMIT_S, OFFLINE, SPEECH, STREAMING, connect, funasr, letters, pcm, sound, where, FUNASR
from sound_files import encoded, wav

WHOLE = sound(128000, 5)
MODELS = {
    "streaming_asr": {"path": str(STREAMING), "task": "automatic-speech-recognition", "precision": "fp32"},
    "offline_asr": {"path": str(OFFLINE), "task": "automatic-speech-recognition", "precision": "fp32"},
    "punctuation": {"path": str(SPEECH / "punctuation" / "offline"), "task": "punctuation-restoration",
                    "precision": "fp32"},
}


@pytest.fixture(scope="module")
def server(serve_module):
    return serve_module(MODELS)


def send(server, file: bytes, wav_format: str, mode: str = "offline", step: int = 960) -> list[dict]:
    return asyncio.run(funasr(server, file, list(range(step, len(file), step)), mode=mode, wav_format=wav_format))


def failure(server, messages: list, limit_s: float = LIMIT_S) -> tuple[dict, int]:
    """What is told of what cannot be heard, and the code of the close."""
    async def talk():
        async with connect(server, FUNASR) as ws:
            try:
                for m in messages:
                    await ws.send(m if isinstance(m, bytes) else json.dumps(m))
            except websockets.ConnectionClosed:
                pass
            got = json.loads(await asyncio.wait_for(ws.recv(), limit_s))
            await asyncio.wait_for(ws.wait_closed(), limit_s)
            return got, ws.close_code

    got, code = asyncio.run(talk())
    assert got["is_end"] is True and got["is_final"] is False and got["text"] == ""
    return got, code


BEGIN = {"mode": "offline", "wav_format": "mp3", "is_speaking": True}
END = {"is_speaking": False}


@pytest.mark.asan
@pytest.mark.parametrize("kind,wav_format", [("mp3", "mp3"), ("flac", "flac"), ("vorbis", "ogg"), ("opus", "others"),
                                             ("wav", "wav"), ("wavf32", "others")])
def test_every_container_is_heard_as_a_recording(server, tmp_path, kind, wav_format):
    file = encoded(WHOLE, kind, tmp_path, channels=2)
    want = server.post("/transcribe", files={"file": file}).json()
    assert want["text"]
    for mode, told in (("offline", "offline"), ("2pass", "2pass-offline")):
        got = send(server, file, wav_format, mode)
        assert {m["mode"] for m in got} == {told}
        assert [m["text"].strip() for m in got] == [s["text"] for s in want["sentences"]]
        assert [m["is_final"] for m in got] == [False] * (len(got) - 1) + [True]
        assert [m["stamp_sents"][0]["start"] for m in got] == [round(1000 * s["start"]) for s in want["segments"]]


def test_the_next_utterance_may_be_samples(server, tmp_path):
    async def talk() -> list[str]:
        async with connect(server, FUNASR) as ws:
            texts = []
            for form, data in (("mp3", encoded(WHOLE, "mp3", tmp_path)), ("pcm", pcm(60000)), ("wav", wav(WHOLE))):
                await ws.send(json.dumps({**BEGIN, "wav_format": form}))
                await ws.send(data)
                await ws.send(json.dumps(END))
                text = ""
                while True:
                    m = json.loads(await asyncio.wait_for(ws.recv(), LIMIT_S))
                    text += m["text"]
                    if m["is_final"]:
                        break
                texts.append(letters(text))
            return texts

    assert all(asyncio.run(talk()))


@pytest.mark.asan
def test_samples_for_a_model_of_whole_sounds(serve, tmp_path):
    """As FunASR's server for files hears them: only an offline model is there."""
    server = serve({name: MODELS[name] for name in ("offline_asr", "punctuation")})
    want = server.post("/transcribe", files={"file": wav(WHOLE)}).json()
    data = b"".join(s.to_bytes(2, "little", signed=True) for s in WHOLE)
    for sent in (data, wav(WHOLE)):
        got = send(server, sent, "pcm")
        assert [m["text"].strip() for m in got] == [s["text"] for s in want["sentences"]]
        assert [m["is_final"] for m in got] == [False] * (len(got) - 1) + [True]
    got, code = failure(server, [{**BEGIN, "mode": "online", "wav_format": "pcm"}, data[:9600]])
    assert got["error"] and code != 1000


@pytest.mark.asan
def test_what_is_wrong_is_told(server, tmp_path):
    flac = encoded(WHOLE, "flac", tmp_path)
    for file, why in ((b"\0\0\0\x18ftypM4A " + bytes(100), "M4A"), (b"<html>", "HTML"), (wav([]), "no sound"),
                      (flac[:len(flac) // 2], "FLAC"), (wav(WHOLE)[:5000], "truncated")):
        got, code = failure(server, [BEGIN, file, END])
        assert why in got["error"], got
        assert code == 1008 and got["mode"] == "offline"
    got, code = failure(server, [{**BEGIN, "mode": "online"}, flac])
    assert "wav_format: found 'mp3'" in got["error"] and code == 1008
    rnd = random.Random(5)
    for kind in ("mp3", "vorbis"):
        broken = bytearray(encoded(WHOLE[:32000], kind, tmp_path))
        for _ in range(10):
            broken[rnd.randrange(3000)] = rnd.randrange(256)
        assert asyncio.run(first_of(server, bytes(broken)))  # text, or what is wrong
    assert send(server, wav(WHOLE), "wav")[-1]["is_final"]


async def first_of(server, file: bytes) -> dict:
    async with connect(server, FUNASR) as ws:
        for m in (json.dumps(BEGIN), file, json.dumps(END)):
            await ws.send(m)
        return json.loads(await asyncio.wait_for(ws.recv(), LIMIT_S))


def test_limits(serve, tmp_path):
    server = serve(MODELS, {"max_upload_bytes": 500_000, "live_idle_timeout_ms": 1000, "max_body_bytes": 1 << 20,
                            "max_body_budget_mb": 4})
    got, code = failure(server, [BEGIN, *[bytes(100_000)] * 6, END])
    assert "max_upload_bytes" in got["error"] and code == 1009

    async def never_ends() -> int:
        async with connect(server, FUNASR) as ws:
            await ws.send(json.dumps(BEGIN))
            await ws.send(bytes(100_000))
            await asyncio.wait_for(ws.wait_closed(), LIMIT_S)
            return ws.close_code

    assert asyncio.run(never_ends()) == 1008, "its pongs do not keep what it sent"

    async def crowd() -> list[dict]:
        """More than there is memory for: who comes late is refused, the others are heard."""
        sockets = [await connect(server, FUNASR) for _ in range(8)]
        for ws in sockets:
            await ws.send(json.dumps(BEGIN))
            await ws.send(wav(WHOLE[:8000]))
        got = []
        for ws in sockets:
            try:
                await ws.send(json.dumps(END))
            except websockets.ConnectionClosed:
                pass
        for ws in sockets:
            got.append(json.loads(await asyncio.wait_for(ws.recv(), LIMIT_S)))
            await ws.close()
        return got

    got = asyncio.run(crowd())
    refused = [m for m in got if "max_body_budget_mb" in m.get("error", "")]
    assert refused and len(refused) <= 5, got
    assert all("error" not in m for m in got if m not in refused)
    server.until(lambda: server.metrics()["troupe_http_body_bytes"] == 0)


def test_a_client_that_vanishes_costs_its_own_file_alone(server):
    async def leave(end: bool) -> None:
        ws = await connect(server, FUNASR)
        await ws.send(json.dumps(BEGIN))
        file = wav(WHOLE * 20)
        for begin in range(0, len(file), 200_000):
            await ws.send(file[begin:begin + 200_000])
        if end:
            await ws.send(json.dumps(END))
        ws.transport.abort()

    for end in (False, True):
        asyncio.run(leave(end))
    server.until(lambda: server.metrics()["troupe_recordings_running"] == 0)
    server.until(lambda: server.metrics()["troupe_http_body_bytes"] == 0)
    server.until(lambda: metric_sum(server.metrics(), "troupe_sessions_open") == 0)
    assert send(server, wav(WHOLE), "wav")[-1]["is_final"]
