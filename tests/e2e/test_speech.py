"""Live speech through the real binary: FunASR's protocol and /ws/{client_id}, against what FunASR itself heard."""
from __future__ import annotations

import asyncio
import base64
import json
import random
import struct

import pytest
import websockets

from driver import metric_sum
from live_speech import CASES, MODELS, SOUND, expected, funasr, letters, pcm, where


@pytest.fixture(scope="module")
def server(serve_module):
    return serve_module(MODELS)


def hear(server, case: dict, cuts: list[int], mode: str = "online") -> list[dict]:
    return asyncio.run(funasr(server, pcm(case["samples"]), cuts, mode=mode, chunk_size=case["chunk_size"],
                              encoder_chunk_look_back=case["encoder"], decoder_chunk_look_back=case["decoder"]))


@pytest.mark.asan
def test_hears_what_funasr_hears_however_the_sound_is_cut(server):
    seed = random.randrange(2**32)
    print("seed", seed)
    rnd = random.Random(seed)
    for case in rnd.sample(CASES, 12):
        size = 2 * case["samples"]
        cuts = sorted(rnd.randrange(size + 1) for _ in range(rnd.randrange(9)))
        got = hear(server, case, cuts)
        assert letters("".join(m["text"] for m in got)) == expected(case), (case, cuts)
        assert all(m["mode"] == "online" and m["wav_name"] == "w" for m in got)
        assert [m["is_final"] for m in got] == [False] * (len(got) - 1) + [True]
        assert got[-1]["is_end"] is True


def test_many_at_once_hear_what_each_hears_alone(server):
    cases = [c for c in CASES if c["samples"] > 20000][:40]

    async def all_of_them():
        return await asyncio.gather(*(
            funasr(server, pcm(c["samples"]), [1001], mode="online", chunk_size=c["chunk_size"],
                   encoder_chunk_look_back=c["encoder"], decoder_chunk_look_back=c["decoder"]) for c in cases))

    for case, got in zip(cases, asyncio.run(all_of_them())):
        assert letters("".join(m["text"] for m in got)) == expected(case), case
    server.until(lambda: metric_sum(server.metrics(), "troupe_sessions_open") == 0)


def test_two_passes_replace_increments_by_a_sentence_with_marks(server):
    case = max(CASES, key=lambda c: len(expected(c)))
    got = hear(server, case, [], mode="2pass")
    online = [m["text"] for m in got if m["mode"] == "2pass-online"]
    whole = [m for m in got if m["mode"] == "2pass-offline" and m["text"]]
    assert letters("".join(online)) == expected(case)
    assert whole and got[-1]["mode"] == "2pass-offline"
    marks = "，。？、,.?"
    text = "".join(m["text"] for m in whole)
    assert letters("".join(c for c in text if c not in marks)) == expected(case)
    assert any(c in marks for c in text), text


def test_no_sound_is_no_text(server):
    got = asyncio.run(funasr(server, b"", [], mode="2pass", chunk_size="5,10,5"))
    assert [m["text"] for m in got] == [""] and got[0]["is_end"] is True


def test_the_socket_stays_open_for_the_next_utterance(server):
    async def two():
        async with websockets.connect(where(server, "/funasr"), ping_interval=None) as ws:
            texts = []
            for _ in range(2):
                await ws.send(json.dumps({"mode": "online", "chunk_size": [5, 10, 5], "is_speaking": True}))
                await ws.send(pcm(30000))
                await ws.send(json.dumps({"is_speaking": False, "is_end": True}))
                text = ""
                while True:
                    got = json.loads(await asyncio.wait_for(ws.recv(), 60))
                    text += got["text"]
                    if got["is_final"]:
                        break
                texts.append(text)
            return texts

    first, second = asyncio.run(two())
    assert first and first == second


def test_a_client_that_vanishes_costs_its_own_session_alone(server):
    async def leave():
        ws = await websockets.connect(where(server, "/funasr"), ping_interval=None)
        await ws.send(json.dumps({"mode": "online", "is_speaking": True}))
        await ws.send(pcm(30000))
        ws.transport.abort()

    case = CASES[-1]
    asyncio.run(leave())
    assert letters("".join(m["text"] for m in hear(server, case, []))) == expected(case)
    server.until(lambda: metric_sum(server.metrics(), "troupe_sessions_open") == 0)


@pytest.mark.asan
def test_what_is_wrong_is_told_and_the_next_one_is_served(server):
    async def wrong(first: str) -> dict:
        async with websockets.connect(where(server, "/funasr"), ping_interval=None) as ws:
            await ws.send(first)
            await ws.send(pcm(960))
            return json.loads(await asyncio.wait_for(ws.recv(), 30))

    for first in ['{"chunk_size": [0, 0, 0]}', "{", "[" * 100000, '{"mode": "sideways"}', '{"audio_fs": 1e400}',
                  '{"wav_format": "mp3", "mode": "online"}']:
        got = asyncio.run(wrong(first))
        assert got["error"] and got["is_end"] is True and got["is_final"] is False, (first[:40], got)
    case = CASES[-1]
    assert letters("".join(m["text"] for m in hear(server, case, []))) == expected(case)


def test_counters_are_the_models_own_and_a_model_that_left_is_loaded_again(server):
    hear(server, CASES[-1], [])
    server.unload("streaming_asr")
    assert "streaming_asr" not in server.resident()
    hear(server, CASES[-1], [])
    assert "streaming_asr" in server.resident()
    info = server.json("/model/info")["available_models"]["streaming_asr"]
    assert info["loaded"] is True and info["total_requests"] >= 2


def test_the_other_protocol(server):
    async def talk() -> list[dict]:
        async with websockets.connect(where(server, "/ws/me"), ping_interval=None) as ws:
            await ws.send(json.dumps({"type": "start_recording"}))
            data = struct.pack("<30000f", *(s / 32768 for s in SOUND[:30000]))
            for begin in range(0, len(data), 38400):
                await ws.send(json.dumps({"type": "audio_chunk",
                                          "data": base64.b64encode(data[begin:begin + 38400]).decode()}))
            await ws.send(json.dumps({"type": "stop_recording"}))
            got = []
            while True:
                got.append(json.loads(await asyncio.wait_for(ws.recv(), 60)))
                if got[-1].get("code") == "SESSION_STOPPED":
                    return got

    got = asyncio.run(talk())
    assert any(m.get("code") == "SESSION_STARTED" for m in got)
    results = [m for m in got if m["type"] == "recognition_result"]
    assert results and results[-1]["is_final"] is True
    assert any(m["text"] for m in results)
