"""Live speech with voice activity and a second pass, through the real binary: what FunASR's own models made of the same
sounds (tests/fixtures/speech/), and what a recogniser hears that is given the stretch alone."""
from __future__ import annotations

import asyncio
import json
import random
import re
import struct

import pytest
import websockets

from driver import metric_sum
from live_speech import (OFFLINE, SOUNDS, SPEECH, STREAMING, STREAMING_MODEL, VAD_MODEL, WHOLE_MODEL, funasr, letters,
                         noise, sound, stretch, where)
from sound_files import wav

TOKENS = json.loads((OFFLINE / "tokens.json").read_text())
WHOLE = [c for c in json.loads((OFFLINE / "expected.json").read_text())["cases"] if c["samples"] >= 16000]
LIVE = json.loads((STREAMING / "expected.json").read_text())["cases"]
MARKS = "，。？、,.?"


def punctuation(kind: str) -> dict:
    return {"path": str(SPEECH / "punctuation" / kind), "task": "punctuation-restoration", "precision": "fp32"}


@pytest.fixture(scope="module")
def full(serve_module):
    """All four models."""
    return serve_module({"streaming_asr": STREAMING_MODEL, "offline_asr": WHOLE_MODEL, "vad": VAD_MODEL,
                         "punctuation": punctuation("offline")})


@pytest.fixture(scope="module")
def plain(serve_module):
    """No voice activity, no marks."""
    return serve_module({"streaming_asr": STREAMING_MODEL, "offline_asr": WHOLE_MODEL})


@pytest.fixture(scope="module")
def voiced(serve_module):
    """No second pass."""
    return serve_module({"streaming_asr": STREAMING_MODEL, "vad": VAD_MODEL, "punctuation": punctuation("streaming")})


def pcm(samples: list[int]) -> bytes:
    return struct.pack(f"<{len(samples)}h", *samples)


def said(server, samples: list[int], mode: str, cuts: list[int] = ()) -> list[dict]:
    return asyncio.run(funasr(server, pcm(samples), list(cuts), mode=mode, chunk_size=[5, 10, 5]))


def texts(got: list[dict], mode: str) -> list[str]:
    return [letters("".join(c for c in m["text"] if c not in MARKS)) for m in got if m["mode"] == mode and m["text"]]


@pytest.mark.asan
def test_a_second_pass_hears_what_funasrs_offline_model_hears(plain):
    everything = sound(128000, 5)
    for case in WHOLE:
        samples = everything[case["begin"]:case["begin"] + case["samples"]]
        reference = letters("".join(TOKENS[i] for i in case["ids"] if 2 < i < len(TOKENS) - 1))
        for mode in ("offline", "2pass"):
            got = said(plain, samples, mode)
            if mode == "offline":
                assert all(m["mode"] == "offline" for m in got), got
            sentences = texts(got, "offline" if mode == "offline" else "2pass-offline")
            assert sentences == ([reference] if reference else []), (case, mode, got)


@pytest.mark.asan
def test_what_is_spoken_alone_is_recognised_in_both_passes(full, plain):
    """Increments are what the streaming model hears of the span alone, sentences what the offline model does."""
    rnd = random.Random(3)
    sentences = 0
    for samples, spans in SOUNDS:
        size = 2 * len(samples)
        got = said(full, samples, "2pass", sorted(rnd.randrange(size + 1) for _ in range(rnd.randrange(6))))
        online = ["".join(texts(said(plain, stretch(samples, span), "online"), "online")) for span in spans]
        assert "".join(texts(got, "2pass-online")) == "".join(online), spans
        again = [t for span in spans for t in texts(said(plain, stretch(samples, span), "offline"), "offline")]
        assert texts(got, "2pass-offline") == again, (spans, got)
        assert got[-1]["is_final"] and got[-1]["mode"] == "2pass-offline"
        sentences += len(again)
        whole = said(full, samples, "offline")
        assert texts(whole, "offline") == again
        assert {m["mode"] for m in whole} == {"offline"}
    assert sentences > 3


def test_without_a_second_pass_a_sentence_is_what_the_increments_were(voiced, plain):
    sentences = 0
    for samples, spans in SOUNDS:
        got = said(voiced, samples, "2pass")
        heard = [t for t in ("".join(texts(said(plain, stretch(samples, s), "online"), "online")) for s in spans) if t]
        assert texts(got, "2pass-offline") == heard, (spans, got)
        sentences += len(heard)
        if spans and len(samples) // 16 - spans[-1][1] < 500:  # ms: the end of the sound ended it, no silence did
            assert [m["text"] for m in got if m["text"]][-1][-1] in "。？"
    assert sentences > 3


def test_the_sentences_of_a_session_get_their_marks_knowing_those_before(voiced):
    """As FunASR's server asks its streaming model: with the cache of the session. Its C++ runtime ends the last one."""
    reference = json.loads((SPEECH / "punctuation" / "streaming" / "session.json").read_text())
    samples = [s for one, _ in SOUNDS for s in one]

    expected = [marked for _, marked, _ in reference]
    for _ in range(2):  # the second session knows nothing of the first
        *before, last = [m["text"] for m in said(voiced, samples, "2pass") if m["mode"] == "2pass-offline"]
        assert before == expected[:-1]
        assert last in (expected[-1] + "。", expected[-1] + "？")


def test_a_punctuation_model_that_was_loaded_anew_knows_nothing_of_the_session(voiced):
    reference = json.loads((SPEECH / "punctuation" / "streaming" / "session.json").read_text())
    samples = [s for one, _ in SOUNDS for s in one]
    told = [m for m in said(voiced, samples, "2pass") if m["mode"] == "2pass-offline"]
    first = 2  # sentences, which have ended a second before this sample
    until = 16 * (told[first - 1]["stamp_sents"][-1]["end"] + 1000)
    assert until < 16 * told[first]["stamp_sents"][-1]["end"]

    async def talk() -> list[str]:
        got = []

        async def hear(ws, over) -> None:
            while not over(got):
                got.append(json.loads(await asyncio.wait_for(ws.recv(), 60)))

        def sentences(messages: list[dict]) -> list[str]:
            return [m["text"] for m in messages if m["mode"] == "2pass-offline"]

        async with websockets.connect(where(voiced, "/funasr"), ping_interval=None) as ws:
            await ws.send(json.dumps({"mode": "2pass", "is_speaking": True}))
            await ws.send(pcm(samples[:until]))
            await hear(ws, lambda messages: len(sentences(messages)) == first)
            voiced.unload("punctuation")
            await ws.send(pcm(samples[until:]))
            await ws.send(json.dumps({"is_speaking": False}))
            await hear(ws, lambda messages: messages[-1]["is_final"])
        return sentences(got)

    got = asyncio.run(talk())
    assert got[:first] == [marked for _, marked, _ in reference[:first]]
    assert got[first] == reference[first][2] != reference[first][1]


def page_reads(m: dict) -> None:
    """As runtime/html5's handleWithTimestamp does: an IndexError is its TypeError."""
    if not m.get("timestamp") or not m["text"]:
        return
    times, at = json.loads(m["timestamp"]), 0
    for word in re.split("[。？，、?. ,]", m["text"]):
        if word:
            assert times[at][0] >= 0
            at += 1 if re.fullmatch("[a-zA-Z]+", word) else len(word)


def spoken(m: dict) -> list[list[int]]:
    """The times of a sentence's words, which both fields have."""
    times = [t for part in m["stamp_sents"] for t in part["ts_list"]]
    for part in m["stamp_sents"]:
        assert len(part["text_seg"].split()) == len(part["ts_list"]), part
        if part["ts_list"]:
            assert [part["start"], part["end"]] == [part["ts_list"][0][0], part["ts_list"][-1][1]]
    assert letters("".join(p["text_seg"] + p["punc"] for p in m["stamp_sents"])) == letters(m["text"])
    if "timestamp" in m:
        assert json.loads(m["timestamp"]) == times
    return times


def test_sentences_tell_when_their_words_were_spoken(plain):
    everything = sound(128000, 5)
    listed = 0
    for case in WHOLE:
        samples = everything[case["begin"]:case["begin"] + case["samples"]]
        got = plain.post("/transcribe", files={"file": wav(samples)}).json()
        tokens = [t for s in got["sentences"] for t in s["tokens"]]
        for m in said(plain, samples, "offline"):
            page_reads(m)
            if not m["text"]:
                assert "stamp_sents" not in m
                continue
            times = spoken(m)
            assert {t[0] for t in times} <= {round(1000 * t["start"]) for t in tokens}
            assert {t[1] for t in times} <= {round(1000 * t["end"]) for t in tokens}
            assert times[0][0] == round(1000 * tokens[0]["start"]) and times[-1][1] == round(1000 * tokens[-1]["end"])
            listed += "timestamp" in m
    assert listed


def test_times_are_those_of_the_utterance(voiced, full):
    samples = [s for one, _ in SOUNDS for s in one]
    for server in (voiced, full):
        got = said(server, samples, "2pass")
        assert all("stamp_sents" not in m for m in got if m["mode"] == "2pass-online")
        whole = [m for m in got if m["mode"] == "2pass-offline" and m["text"]]
        times = [t for m in whole for t in spoken(m)]
        assert len(whole) > 3 and times == sorted(times)
        assert 0 <= times[0][0] and 10000 < times[-1][1] <= len(samples) / 16 + 1
        for m in whole:
            page_reads(m)


def test_online_hears_everything_as_funasr_does(full):
    for case in [c for c in LIVE if c["chunk_size"] == [5, 10, 5] and c["encoder"] == 4 and c["decoder"] == 0]:
        got = said(full, sound(case["samples"]), "online")
        ids = [i for step in case["steps"] for i in step if 2 < i < len(TOKENS) - 1]
        assert "".join(texts(got, "online")) == letters("".join(TOKENS[i] for i in ids)), case


def test_silence_costs_no_recogniser(full):
    before = full.metrics()
    got = said(full, noise(7, [[4000, False]]), "2pass")
    assert [m["text"] for m in got] == [""]
    after = full.metrics()

    def grew(name):
        return metric_sum(after, name) - metric_sum(before, name)

    assert grew("troupe_sessions_sound_seconds_total") == pytest.approx(4)
    assert grew("troupe_sessions_speech_seconds_total") == 0


def test_many_at_once_hear_what_each_hears_alone(full):
    alone = [said(full, samples, "2pass") for samples, _ in SOUNDS]

    async def all_of_them():
        return await asyncio.gather(*(funasr(full, pcm(samples), [4001], mode="2pass", chunk_size=[5, 10, 5])
                                      for samples, _ in SOUNDS for _ in range(3)))

    got = asyncio.run(all_of_them())
    for i, messages in enumerate(got):
        for mode in ("2pass-online", "2pass-offline"):
            assert "".join(texts(messages, mode)) == "".join(texts(alone[i // 3], mode))
    full.until(lambda: metric_sum(full.metrics(), "troupe_sessions_open") == 0)


def test_steps_count_in_their_models_success(full):
    samples, _ = next(s for s in SOUNDS if s[1])
    said(full, samples, "2pass")
    models = full.json("/model/info")["available_models"]
    for name in ("vad", "streaming_asr", "offline_asr"):
        assert models[name]["success_rate"] == 1, (name, models[name])


def test_a_model_that_hears_no_words_is_refused_by_name(full):
    async def ask() -> dict:
        async with websockets.connect(where(full, "/funasr?model=vad"), ping_interval=None) as ws:
            await ws.send(json.dumps({"mode": "2pass", "is_speaking": True}))
            await ws.send(pcm([0] * 960))
            return json.loads(await asyncio.wait_for(ws.recv(), 30))

    got = asyncio.run(ask())
    assert "vad" in got["error"] and "automatic-speech-recognition" in got["error"], got


def test_the_models_of_a_session_stay_while_it_lives(full):
    async def talk() -> None:
        async with websockets.connect(where(full, "/funasr"), ping_interval=None) as ws:
            await ws.send(json.dumps({"mode": "2pass", "is_speaking": True}))
            await ws.send(pcm(noise(1, [[600, True]])))
            full.until(lambda: metric_sum(full.metrics(), "troupe_sessions_open") == 1)
            assert {"vad", "streaming_asr"} <= set(full.resident())

    asyncio.run(talk())
    full.until(lambda: metric_sum(full.metrics(), "troupe_sessions_open") == 0)
