"""The protocols of live speech beside FunASR's, as their own clients speak them: vosk-server's (/vosk) and OpenAI's
Realtime API for transcription (/v1/realtime), the latter also through the real `openai` package (text_clients.py)."""
from __future__ import annotations

import asyncio
import base64
import json
import os
import pathlib
import random
import struct
import subprocess
import time

import pytest
import websockets

from driver import SLOW, metric_sum
from live_speech import (FUNASR, LIMIT_S, MODELS, PROTOCOLS, REALTIME, SOUND, USUAL, VOSK, answers, connect, expected,
                         hear_rightly, letters, pcm, speak, where)

LONGEST = max(USUAL, key=lambda c: c["samples"])


@pytest.fixture(scope="module")
def server(serve_module):
    return serve_module(MODELS)


def at_rate(rate: int, count: int) -> list[int]:
    """The sound at another rate, crudely: the nearest sample."""
    return [SOUND[min(int(i * 16000 / rate), len(SOUND) - 1)] for i in range(count * rate // 16000)]


@pytest.mark.asan
@pytest.mark.parametrize("protocol", PROTOCOLS, ids=lambda p: p.name)
def test_hears_what_funasr_hears_however_the_sound_is_cut(server, protocol):
    seed = random.randrange(2**32)
    print("seed", seed)
    rnd = random.Random(seed)
    for case in rnd.sample(USUAL, 4):
        # Of /ws, a chunk is a whole number of samples.
        cuts = sorted(rnd.randrange(case["samples"] + 1) * 2 + (protocol.name != "ws") for _ in range(rnd.randrange(7)))
        asyncio.run(hear_rightly(server, protocol, case, [c for c in cuts if c < 2 * case["samples"]]))
    server.until(lambda: metric_sum(server.metrics(), "troupe_sessions_open") == 0)


def test_many_of_all_protocols_at_once(server):
    async def all_of_them():
        await asyncio.gather(*(hear_rightly(server, p, c) for c in USUAL[-4:] for p in PROTOCOLS for _ in range(2)))

    asyncio.run(all_of_them())
    server.until(lambda: metric_sum(server.metrics(), "troupe_sessions_open") == 0)


# -- vosk --

async def one_by_one(server, data: bytes, rate: int, **config) -> list[dict]:
    """As vosk-server's test.py: the next piece goes out when the last one is answered."""
    got = []
    async with connect(server, VOSK) as ws:
        await ws.send(json.dumps({"config": {"sample_rate": rate, **config}}))
        for begin in range(0, len(data), rate * 2 // 5):
            await ws.send(data[begin:begin + rate * 2 // 5])
            got.append(json.loads(await asyncio.wait_for(ws.recv(), LIMIT_S)))
        # It was taken, and is heard in its time: a message without sound asks what is recognised by now.
        end = time.monotonic() + LIMIT_S
        while not any(m.get("partial") or m.get("text") or "alternatives" in m for m in got) and time.monotonic() < end:
            await ws.send(b"")
            got.append(json.loads(await asyncio.wait_for(ws.recv(), LIMIT_S)))
        await ws.send('{"eof" : 1}')
        got.append(json.loads(await asyncio.wait_for(ws.recv(), LIMIT_S)))
        with pytest.raises(websockets.ConnectionClosedOK):
            await asyncio.wait_for(ws.recv(), LIMIT_S)
    return got


@pytest.mark.asan
def test_vosk_answers_each_message(server):
    got = asyncio.run(one_by_one(server, pcm(LONGEST["samples"]), 16000))
    assert all(("partial" in m) != ("text" in m) for m in got)
    assert "text" in got[-1]
    assert letters(VOSK.text(got)) == expected(LONGEST)
    words = [w for m in got for w in m.get("result", [])]
    assert letters("".join(w["word"] for w in words)) == expected(LONGEST)
    assert all(w["conf"] is None and 0 <= w["start"] <= w["end"] <= LONGEST["samples"] / 16000 + 0.1 for w in words)
    assert [w["start"] for w in words] == sorted(w["start"] for w in words)
    assert any(m.get("partial") or m.get("text") for m in got[:-1]), "a sentence is told while it is spoken"
    for before, after in zip(got, got[1:]):
        if "partial" in before and "partial" in after:
            assert after["partial"].startswith(before["partial"]), "the whole sentence so far"


def test_vosk_terms(server):
    plain = asyncio.run(one_by_one(server, pcm(30000), 16000, words=0))
    assert all("result" not in m for m in plain) and letters(VOSK.text(plain))
    listed = asyncio.run(one_by_one(server, pcm(30000), 16000, max_alternatives=2, phrase_list=["one two", "[unk]"]))
    assert len(listed[-1]["alternatives"]) == 1 and listed[-1]["alternatives"][0]["confidence"] is None
    slow = asyncio.run(one_by_one(server, struct.pack(f"<{len(s := at_rate(8000, 60000))}h", *s), 8000))
    assert letters(VOSK.text(slow))


def test_vosk_a_reader_that_does_not_wait(server):
    """node's client: sends a file as it is, header and all, and waits for the end of the socket."""
    data = pcm(LONGEST["samples"])
    form = struct.pack("<IHHIIHH", 16, 1, 1, 16000, 32000, 2, 16)
    sizes = struct.pack("<I", 36 + len(data)), struct.pack("<I", len(data))
    whole = b"RIFF" + sizes[0] + b"WAVEfmt " + form + b"data" + sizes[1] + data

    async def talk():
        got = []
        async with connect(server, VOSK) as ws:
            for begin in range(0, len(whole), 65536):
                await ws.send(whole[begin:begin + 65536])
            await ws.send('{"eof" : 1}')
            async for message in ws:
                got.append(json.loads(message))
        return got

    got = asyncio.run(talk())
    assert len(got) == -(-len(whole) // 65536) + 1
    assert letters(VOSK.text(got)) == expected(LONGEST)


def test_vosk_reset(server):
    async def talk():
        texts = []
        async with connect(server, VOSK) as ws:
            await ws.send('{"config" : {"sample_rate" : 16000}}')
            for end in ('{"reset" : 1}', '{"reset" : 1}', '{"eof" : 1}'):
                await ws.send(pcm(30000))
                await ws.send(end)
                first = json.loads(await asyncio.wait_for(ws.recv(), LIMIT_S))
                last = json.loads(await asyncio.wait_for(ws.recv(), LIMIT_S))
                texts.append(letters(VOSK.text([first, last])))
        return texts

    texts = asyncio.run(talk())
    assert texts[0] and len(set(texts)) == 1


# -- OpenAI's Realtime API --

def realtime_session(**audio_input) -> str:
    return json.dumps({"type": "session.update", "session": {"type": "transcription", "audio": {"input": audio_input}}})


def appended(data: bytes, piece: int = 19200) -> list[str]:
    return [REALTIME.sound(data[i:i + piece]) for i in range(0, len(data), piece)]


async def until_type(ws, kind: str, got: list[dict]) -> dict:
    while True:
        got.append(json.loads(await asyncio.wait_for(ws.recv(), LIMIT_S)))
        if got[-1]["type"] == kind:
            return got[-1]


COMPLETED = "conversation.item.input_audio_transcription.completed"
DELTA = "conversation.item.input_audio_transcription.delta"


@pytest.mark.asan
def test_realtime_what_is_committed_is_an_item(server):
    async def talk():
        got = []
        async with connect(server, REALTIME) as ws:
            assert (await until_type(ws, "session.created", got))["session"]["type"] == "transcription"
            await ws.send(realtime_session(format={"type": "audio/pcm", "rate": 16000}, turn_detection=None))
            updated = await until_type(ws, "session.updated", got)
            assert updated["session"]["audio"]["input"]["turn_detection"] is None
            for _ in range(2):
                for message in appended(pcm(LONGEST["samples"])):
                    await ws.send(message)
                await ws.send('{"type": "input_audio_buffer.commit"}')
                await until_type(ws, COMPLETED, got)
        return got

    got = asyncio.run(talk())
    done = [m for m in got if m["type"] == COMPLETED]
    assert [letters(m["transcript"]) for m in done] == [expected(LONGEST)] * 2
    assert all(m["usage"] == {"type": "duration", "seconds": LONGEST["samples"] / 16000} for m in done)
    assert any(c in "，。？、,.?" for c in done[0]["transcript"]), "marks"
    for m in done:
        deltas = "".join(d["delta"] for d in got if d["type"] == DELTA and d["item_id"] == m["item_id"])
        assert letters(deltas) == expected(LONGEST)
    kinds = [m["type"] for m in got]
    assert kinds.count("input_audio_buffer.committed") == kinds.count("conversation.item.added") == 2
    second = [m for m in got if m["type"] == "input_audio_buffer.committed"][1]
    assert second["previous_item_id"] == done[0]["item_id"] and second["item_id"] == done[1]["item_id"]
    assert len({m["event_id"] for m in got}) == len(got)


def test_realtime_sentences_are_items(server):
    """By server_vad: nothing commits. The sentences are those of FunASR's two passes."""
    data = pcm(LONGEST["samples"]) + bytes(2 * 16000 * 30)

    async def by_turns():
        got = []
        async with connect(server, REALTIME) as ws:
            await ws.send(realtime_session(format={"type": "audio/pcm", "rate": 16000}))
            for message in appended(data):
                await ws.send(message)
            await until_type(ws, COMPLETED, got)
        return got

    async def by_funasr():
        async with connect(server, FUNASR) as ws:
            await ws.send(FUNASR.begin(16000)[0].replace('"online"', '"2pass"'))
            for begin in range(0, len(data), 1 << 16):
                await ws.send(data[begin:begin + (1 << 16)])
            while (m := json.loads(await asyncio.wait_for(ws.recv(), LIMIT_S)))["mode"] != "2pass-offline":
                pass
            return m["text"]

    got = asyncio.run(by_turns())
    done = got[-1]
    assert done["transcript"].strip() == asyncio.run(by_funasr()).strip() != ""
    of_it = [m for m in got if m.get("item_id") == done["item_id"]]
    assert letters("".join(m["delta"] for m in of_it if m["type"] == DELTA)) == letters(done["transcript"])
    kinds = [m["type"].removeprefix("input_audio_buffer.") for m in of_it if m["type"] != DELTA]
    assert kinds == ["speech_started", "speech_stopped", "committed", COMPLETED]
    started, stopped = of_it[0]["audio_start_ms"], next(m["audio_end_ms"] for m in of_it if "audio_end_ms" in m)
    assert 0 <= started < stopped <= len(data) / 32
    server.until(lambda: metric_sum(server.metrics(), "troupe_sessions_open") == 0)


@pytest.mark.parametrize("form", [{"type": "audio/pcm", "rate": 24000}, {"type": "audio/pcm"}, {"type": "audio/pcmu"},
                                  {"type": "audio/pcma"}], ids=["pcm24k", "pcm", "mulaw", "alaw"])
def test_realtime_formats(server, form):
    rate = 24000 if form["type"] == "audio/pcm" else 8000
    samples = at_rate(rate, 60000)
    if form["type"] == "audio/pcm":
        data = struct.pack(f"<{len(samples)}h", *samples)
    else:
        audioop = pytest.importorskip("audioop")
        encode = audioop.lin2ulaw if form["type"] == "audio/pcmu" else audioop.lin2alaw
        data = encode(struct.pack(f"<{len(samples)}h", *samples), 2)

    async def talk():
        got = []
        async with connect(server, REALTIME) as ws:
            await ws.send(realtime_session(format=form, turn_detection=None))
            for message in appended(data):
                await ws.send(message)
            await ws.send('{"type": "input_audio_buffer.commit"}')
            return await until_type(ws, COMPLETED, got)

    done = asyncio.run(talk())
    assert letters(done["transcript"]) and done["usage"]["seconds"] == pytest.approx(60000 / 16000, abs=0.001)


@pytest.mark.asan
def test_realtime_refuses_by_name_and_goes_on(server):
    wrong = [({"type": "response.create", "event_id": "mine"}, "response.create"),
             ({"type": "conversation.item.create", "item": {}}, "conversation.item.create"),
             ({"type": "session.update", "session": {"type": "realtime"}}, "session.type"),
             ({"type": "session.update", "session": {"tools": []}}, "session.tools"),
             ({"type": "session.update", "session": {"audio": {"input": {"turn_detection": {"type": "semantic_vad"}}}}},
              "turn_detection.type"),
             ({"type": "input_audio_buffer.commit"}, "empty"), ({"type": "input_audio_buffer.append"}, "audio"),
             ({"type": "session.update", "session": {"input_audio_format": "opus"}}, "input_audio_format")]

    async def talk():
        async with connect(server, REALTIME) as ws:
            await until_type(ws, "session.created", [])
            for event, named in wrong:
                await ws.send(json.dumps(event))
                m = json.loads(await asyncio.wait_for(ws.recv(), LIMIT_S))
                assert m["type"] == "error" and named in m["error"]["message"], (event, m)
                assert m["error"]["event_id"] == event.get("event_id")
            await ws.send(realtime_session(transcription={"model": "nobody"}))
            await until_type(ws, "session.updated", [])
            await ws.send(REALTIME.sound(pcm(9600)))
            m = json.loads(await asyncio.wait_for(ws.recv(), LIMIT_S))
            assert m["error"]["code"] == "model_not_found", m
            await ws.send(realtime_session(transcription={"model": "streaming_asr"}))
            await until_type(ws, "session.updated", [])
            for message in REALTIME.begin(16000):
                await ws.send(message)
            await ws.send(REALTIME.sound(pcm(LONGEST["samples"])))
            await ws.send(REALTIME.end)
            got = await answers(ws, REALTIME)
            assert letters(REALTIME.text(got)) == expected(LONGEST)

    asyncio.run(talk())


def test_realtime_the_beta(server):
    async def talk():
        got = []
        async with connect(server, REALTIME, extra_headers={"OpenAI-Beta": "realtime=v1"}) as ws:
            created = await until_type(ws, "transcription_session.created", got)
            assert created["session"]["input_audio_format"] == "pcm16"
            await ws.send(json.dumps({"type": "transcription_session.update", "session": {
                "input_audio_format": "pcm16", "turn_detection": None,
                "input_audio_transcription": {"model": "streaming_asr", "language": "zh"},
                "input_audio_noise_reduction": {"type": "near_field"}}}))
            updated = await until_type(ws, "transcription_session.updated", got)
            assert updated["session"]["turn_detection"] is None
            assert updated["session"]["input_audio_noise_reduction"] is None, "none is done"
            for message in appended(struct.pack(f"<{len(s := at_rate(24000, 60000))}h", *s)):
                await ws.send(message)
            await ws.send('{"type": "input_audio_buffer.commit"}')
            await until_type(ws, COMPLETED, got)
        return got

    got = asyncio.run(talk())
    kinds = [m["type"] for m in got]
    assert "conversation.item.created" in kinds and "conversation.item.added" not in kinds
    assert letters(got[-1]["transcript"])


def test_another_intent_is_refused(server):
    async def refused():
        with pytest.raises(websockets.InvalidStatusCode) as told:
            await websockets.connect(where(server, "/v1/realtime?intent=conversation"))
        return told.value.status_code

    assert asyncio.run(refused()) == 400


@pytest.mark.parametrize("client", ["openai_realtime", "openai_beta_realtime"])
def test_the_openai_package(server, text_clients, client, tmp_path):
    sound = tmp_path / "sound.pcm"
    samples = at_rate(24000, 60000)
    sound.write_bytes(struct.pack(f"<{len(samples)}h", *samples))
    told = {"client": client, "ws": f"ws://127.0.0.1:{server.port}/v1", "url": server.url, "model": "streaming_asr",
            "sound": str(sound)}
    env = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")} | {"NO_PROXY": "*"}
    done = subprocess.run([text_clients, str(pathlib.Path(__file__).parent / "text_clients.py"), json.dumps(told)],
                          capture_output=True, text=True, timeout=120 * SLOW, env=env)
    assert done.returncode == 0, done.stderr
    got = json.loads(done.stdout)
    plain = asyncio.run(speak(server, REALTIME, sound.read_bytes(), rate=24000))
    assert letters(got["transcript"]) == letters(REALTIME.text(plain)) != ""
    assert letters("".join(got["deltas"])) == letters(got["transcript"])
    assert got["classes"][COMPLETED] == "ConversationItemInputAudioTranscriptionCompletedEvent"
    assert got["classes"][DELTA] == "ConversationItemInputAudioTranscriptionDeltaEvent"
    assert got["refused"] == ["unknown_event", "mine"]
    assert got["session"]["model"] == "streaming_asr" and got["session"]["turn_detection"] is None
