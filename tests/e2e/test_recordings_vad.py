"""Whole recordings where a model for voice activity is registered: what it says is spoken is recognised, nothing else.
The references are what FunASR found in the same sounds (tests/fixtures/speech/vad/), and what the recogniser hears of
those stretches alone."""
from __future__ import annotations

import json
import threading

import pytest

from command_line import Cli
from driver import SLOW, TESTSERVER, Raw, check_envelope, metric_sum
from live_speech import SOUNDS, STREAMING_MODEL, VAD_MODEL, WHOLE_MODEL, letters, noise, stretch
from sound_files import wav

HEARERS = {"streaming_asr": STREAMING_MODEL, "offline_asr": WHOLE_MODEL}


@pytest.fixture(scope="module")
def voiced(serve_module):
    return serve_module({**HEARERS, "vad": VAD_MODEL})


@pytest.fixture(scope="module")
def plain(serve_module):
    """Hears everything it is given."""
    return serve_module(HEARERS)


def transcribed(server, samples: list[int], status: int = 200, **fields) -> dict:
    answer = server.post("/transcribe", files={"file": ("a.wav", wav(samples))}, data=fields)
    assert answer.status_code == status, answer.text[:500]
    return answer.json()


def tokens(got: dict) -> list[dict]:
    return [t for s in got["sentences"] for t in s["tokens"]]


def asked(server, model: str) -> int:
    """How often that model was asked."""
    return server.json("/model/info")["available_models"][model]["total_requests"]


@pytest.mark.asan
def test_spans_are_heard_alone_at_their_times(voiced, plain):
    heard = 0
    for samples, spans in SOUNDS:
        got = transcribed(voiced, samples)
        assert got["duration"] == pytest.approx(len(samples) / 16000, abs=1e-3)
        want = []
        for begin_ms, end_ms in spans:
            alone = transcribed(plain, stretch(samples, [begin_ms, end_ms]))
            want += [(t["id"], begin_ms / 1000 + t["start"], begin_ms / 1000 + t["end"]) for t in tokens(alone)]
        assert [t["id"] for t in tokens(got)] == [w[0] for w in want], spans
        for t, (_, begin_s, end_s) in zip(tokens(got), want):
            assert (t["start"], t["end"]) == pytest.approx((begin_s, end_s), abs=1e-3)
        heard += len(want)
    assert heard > 20


def test_a_fed_models_sentences_are_the_spans(voiced, plain):
    """It hears through a live session, which has the same model."""
    several = noise(31, [[300, False], [900, True], [1500, False], [700, True], [1500, False], [800, True]])
    assert len(transcribed(voiced, several)["sentences"]) == 3
    sentences = 0
    for samples, spans in SOUNDS:
        got = transcribed(voiced, samples, model="streaming_asr")
        alone = [letters(transcribed(plain, stretch(samples, s), model="streaming_asr")["text"]) for s in spans]
        assert [letters(s["text"]) for s in got["sentences"]] == [t for t in alone if t], spans
        sentences += len(got["sentences"])
    assert sentences > 3


@pytest.mark.asan
@pytest.mark.parametrize("sound", [noise(7, [[20000, False]]), [0] * (600 * 16000),
                                   noise(8, [[3000, False], [10, True], [3000, False]]), [0], noise(9, [[20, True]])],
                         ids=["quiet", "ten minutes of nothing", "a burst of 10 ms", "one sample", "less than a frame"])
def test_where_nobody_speaks_the_recogniser_is_not_asked(voiced, sound):
    before = asked(voiced, "offline_asr")
    got = transcribed(voiced, sound)
    assert got["text"] == "" and got["sentences"] == [] and got["segments"] == []
    assert got["duration"] == pytest.approx(len(sound) / 16000, abs=1e-3)
    assert asked(voiced, "offline_asr") == before
    assert got["processing_time"] < 20 * SLOW


def test_speech_that_never_pauses(voiced):
    samples = noise(12, [[2000, False], [95000, True]])
    before = asked(voiced, "offline_asr")
    got = transcribed(voiced, samples)
    # 60 s are the most that the model tells as one, 30 s that the recogniser is given.
    assert asked(voiced, "offline_asr") - before >= 4
    begins = [t["start"] for t in tokens(got)]
    assert begins == sorted(begins) and begins[0] > 1.5 and begins[-1] > 90
    assert max(b - a for a, b in zip(begins, begins[1:])) < 5, "no part of it is left out"


def test_silence_between_is_skipped(voiced):
    """A long recording that is mostly silent."""
    parts = [part for _ in range(6) for part in ([20000, False], [1500, True])]
    samples = noise(13, parts)
    got = transcribed(voiced, samples)
    times = [t["start"] for t in tokens(got)]
    assert times == sorted(times)
    # What is spoken begins 20 s into each round of 21.5; the model's begin is up to 0.4 s before, its end 0.1 s behind.
    rounds = [divmod(t - 19.5, 21.5) for t in times]
    assert {n for n, _ in rounds} == set(range(6)), "each is heard"
    assert all(s <= 2.2 for _, s in rounds), times


def test_openai_and_recognize_say_the_same(voiced):
    samples = next(s for s, spans in SOUNDS if spans == [[580, 2930]])
    text = transcribed(voiced, samples)["text"]
    assert text
    for path in ("/recognize", "/v1/audio/transcriptions"):
        assert voiced.post(path, files={"file": ("a.wav", wav(samples))}).json()["text"] == text


def test_the_command_line_hears_the_same(voiced, tmp_path):
    samples = noise(31, [[300, False], [900, True], [1500, False], [700, True], [1500, False], [800, True]])
    (tmp_path / "a.wav").write_bytes(wav(samples))
    registry = tmp_path / "models.json"
    registry.write_text(json.dumps({"models": {"offline_asr": WHOLE_MODEL, "vad": VAD_MODEL}}))
    here = Cli(tmp_path, TROUPE_MODELS_FILE=str(registry), TROUPE_PRECISION="fp32")
    lines = here("transcribe", "a.wav", "--format", "json").stdout.splitlines()
    want = transcribed(voiced, samples)["sentences"]
    assert [json.loads(line)["text"] for line in lines] == [s["text"] for s in want] and len(want) == 3


def test_many_at_once_hear_what_each_hears_alone(voiced):
    alone = [transcribed(voiced, samples)["text"] for samples, _ in SOUNDS]
    got = voiced.many([lambda s=s: transcribed(voiced, s)["text"] for s, _ in SOUNDS * 3])
    assert got == alone * 3


def test_a_client_that_vanishes_leaves_nothing(voiced):
    file = wav(noise(14, [[500, True], [1500, False]]) * 150)  # five minutes
    raw = Raw(voiced)
    raw.request("POST", "/recognize", file, {"Content-Type": "audio/wav"})
    voiced.until(lambda: voiced.metrics()["troupe_recordings_running"] == 1)
    raw.reset()
    voiced.until(lambda: voiced.metrics()["troupe_recordings_running"] == 0)
    voiced.unload("vad")  # nobody is inside
    samples, spans = next(s for s in SOUNDS if s[1])
    assert tokens(transcribed(voiced, samples)), "and it is loaded again"


def test_a_model_that_is_killed_meanwhile_is_told(serve):
    server = serve({"offline_asr": WHOLE_MODEL, "vad": VAD_MODEL}, binary=TESTSERVER)
    minute = noise(15, [[500, True], [1500, False]]) * 30
    want = transcribed(server, minute)
    long, answers = wav(minute * 20), []
    thread = threading.Thread(target=lambda: answers.append(
        server.post("/recognize", data=long, headers={"Content-Type": "audio/wav"})))
    thread.start()
    server.until(lambda: metric_sum(server.metrics(), "troupe_recordings_running") == 1)
    server.until(lambda: asked(server, "vad") > 1 and server.post("/test/kill/vad").status_code == 200)
    thread.join(60 * SLOW)
    assert answers, "it is answered"
    body = check_envelope(answers[0], 503)
    assert "voice activity" in body["message"], body
    server.until(lambda: server.post("/transcribe", files={"file": ("a.wav", wav(minute))}).status_code == 200)
    assert transcribed(server, minute)["sentences"] == want["sentences"]


def test_the_end_of_the_server_ends_it(serve):
    server = serve({"offline_asr": WHOLE_MODEL, "vad": VAD_MODEL}, {"shutdown_grace_ms": 100})
    file = wav(noise(16, [[500, True], [1500, False]]) * 900)  # half an hour
    thread = threading.Thread(target=lambda: server.post("/recognize", data=file, headers={"Content-Type": "audio/wav"}))
    thread.start()
    server.until(lambda: server.metrics()["troupe_recordings_running"] == 1 and "vad" in server.resident())
    assert server.stop() == 0
    thread.join(30 * SLOW)
    assert not thread.is_alive()


def test_a_model_that_is_not_there_is_named(serve):
    server = serve({"offline_asr": WHOLE_MODEL, "vad": VAD_MODEL}, {"vad_model": "ears"})
    body = check_envelope(server.post("/recognize", files={"file": ("a.wav", wav(noise(1, [[500, True]])))}), 404)
    assert "voice activity" in body["message"] and "ears" in json.dumps(body), body


def test_a_model_that_does_something_else_is_named(serve):
    server = serve({"offline_asr": WHOLE_MODEL, "streaming_asr": STREAMING_MODEL}, {"vad_model": "streaming_asr"})
    body = check_envelope(server.post("/recognize", files={"file": ("a.wav", wav(noise(1, [[500, True]])))}), 422)
    assert "streaming_asr" in body["message"] and "voice-activity-detection" in body["message"], body
