"""Whole recordings over HTTP through the real binary, against what FunASR heard of the same sound
(tests/fixtures/speech/); OpenAI's own client against /v1/audio/transcriptions (text_clients.py)."""
from __future__ import annotations

import base64
import json
import os
import pathlib
import random
import re
import subprocess
import threading
import time

import pytest

from driver import FIXTURES, ROOT, SLOW, Raw, check_envelope, metric_sum
from sound_files import encoded, stretched, wav
from live_speech import CASES, SOUND, expected, letters, sound

SPEECH = FIXTURES / "speech"
OFFLINE = SPEECH / "paraformer_offline"
TOKENS = json.loads((OFFLINE / "tokens.json").read_text())
WHOLE = sound(128000, 5)
WHOLE_CASES = json.loads((OFFLINE / "expected.json").read_text())["cases"]
LONGEST = max(WHOLE_CASES, key=lambda c: c["samples"])
MARKS = "，。？、,.?"
# As sessions hear where nobody says otherwise.
FED_CASE = max((c for c in CASES if c["chunk_size"] == [5, 10, 5] and c["encoder"] == 4 and c["decoder"] == 0),
               key=lambda c: c["samples"])


def said(ids: list[int]) -> str:
    return letters("".join(TOKENS[i] for i in ids if 2 < i < len(TOKENS) - 1))


def plain(text: str) -> str:
    return letters("".join(c for c in text if c not in MARKS))


def cut(case: dict) -> list[int]:
    return WHOLE[case["begin"]:case["begin"] + case["samples"]]


@pytest.fixture(scope="module")
def server(serve_module):
    return serve_module({
        "streaming_asr": {"path": str(SPEECH / "paraformer_streaming"), "task": "automatic-speech-recognition",
                          "precision": "fp32", "language": "zh"},
        "offline_asr": {"path": str(OFFLINE), "task": "automatic-speech-recognition", "precision": "fp32"},
        "punctuation": {"path": str(SPEECH / "punctuation" / "offline"), "task": "punctuation-restoration",
                        "precision": "fp32"},
    })


def send(server, path: str, file: bytes, status: int = 200, **fields) -> dict:
    answer = server.post(path, files={"file": ("a.wav", file)}, data=fields)
    assert answer.status_code == status, answer.text[:500]
    return answer.json()


@pytest.mark.asan
def test_a_whole_model_hears_what_funasr_hears(server):
    for case in WHOLE_CASES:
        got = send(server, "/recognize", wav(cut(case)))
        assert got["success"] is True and plain(got["text"]) == said(case["ids"]), case
        assert got["duration"] == pytest.approx(case["samples"] / 16000, abs=1e-3)
        assert got["metadata"]["model"] == "offline_asr" and got["metadata"]["format"] == "WAV"
        assert got["processing_time"] > 0
        for segment in got["segments"]:
            assert 0 <= segment["start"] <= segment["end"] <= got["duration"] + 0.1
            assert segment["confidence"] is None
    assert any(c in MARKS for c in got["text"]) or not got["text"]


@pytest.mark.asan
def test_a_fed_model_hears_what_funasr_hears(server):
    file = wav(SOUND[:FED_CASE["samples"]])
    got = send(server, "/recognize", file, model="streaming_asr")
    assert plain(got["text"]) == expected(FED_CASE)
    assert got["metadata"]["model"] == "streaming_asr" and got["metadata"]["punctuated"] is True
    bare = send(server, "/recognize", file, model="streaming_asr", punctuate="false")
    assert letters(bare["text"]) == expected(FED_CASE) and bare["metadata"]["punctuated"] is False
    server.until(lambda: metric_sum(server.metrics(), "troupe_sessions_open") == 0)


def test_transcribe_tells_every_token_with_its_times(server):
    got = send(server, "/transcribe", wav(cut(LONGEST)), hotwords="one two")
    assert [t["id"] for s in got["sentences"] for t in s["tokens"]] == [
        i for i in LONGEST["ids"] if 2 < i < len(TOKENS) - 1]
    assert [s["text"] for s in got["sentences"]] == [s["text"] for s in got["segments"]]
    times = [x for s in got["sentences"] for t in s["tokens"] for x in (t["start"], t["end"])]
    assert times == sorted(times)
    assert got["metadata"]["hotwords_used"] is False


@pytest.mark.asan
def test_every_container_rate_and_channel_count(server, tmp_path):
    want = send(server, "/recognize", wav(WHOLE))
    for kind, exact in [("wav", True), ("wav24", True), ("wavf32", True), ("flac", True), ("vorbis", False),
                        ("opus", False), ("mp3", False)]:
        for channels in (1, 2):
            got = send(server, "/recognize", encoded(WHOLE, kind, tmp_path, channels=channels))
            assert got["metadata"]["channels"] == channels
            assert got["duration"] == pytest.approx(8, abs=0.15), kind
            assert got["metadata"]["format"] == {"flac": "FLAC", "vorbis": "Ogg", "opus": "Ogg", "mp3": "MP3"}.get(kind, "WAV")
            if exact:
                assert got["text"] == want["text"], kind
    for rate in (8000, 44100, 48000):
        for channels in (1, 2):
            got = send(server, "/recognize", encoded(stretched(WHOLE, rate), "wav", tmp_path, rate, channels))
            assert got["metadata"]["sample_rate"] == rate and got["duration"] == pytest.approx(8, abs=0.05)
            assert got["text"]


def test_the_file_alone_and_in_json(server):
    file = wav(cut(LONGEST))
    want = send(server, "/transcribe", file)["sentences"]
    for kind in ("audio/wav", "application/octet-stream", "audio/x-wav; codecs=1"):
        answer = server.post("/transcribe?model=offline_asr", data=file, headers={"Content-Type": kind})
        assert answer.json()["sentences"] == want
    answer = server.post("/transcribe", json={"audio": base64.b64encode(file).decode(), "punctuate": True})
    assert answer.json()["sentences"] == want
    chunks = (file[i:i + 5000] for i in range(0, len(file), 5000))
    answer = server.post("/transcribe", data=chunks, headers={"Content-Type": "audio/wav"})
    assert answer.json()["sentences"] == want, "chunked"


def test_a_long_recording_is_cut_where_it_is_quiet(server):
    quiet = [0] * 8000
    long = (WHOLE + quiet) * 9  # 76 s
    got = send(server, "/transcribe", wav(long))
    assert got["duration"] == pytest.approx(76.5)
    assert len(got["sentences"]) >= 3
    starts = [s["start"] for s in got["sentences"]]
    assert starts == sorted(starts) and starts[-1] > 50
    assert got["sentences"][-1]["end"] <= 76.6


def test_many_at_once(server):
    files = [(wav(cut(c)), said(c["ids"])) for c in WHOLE_CASES] * 4
    got = server.many([lambda f=f: send(server, "/recognize", f) for f, _ in files])
    assert [plain(g["text"]) for g in got] == [text for _, text in files]
    after = server.metrics()
    assert after["troupe_recordings_running"] == 0 and after["troupe_recordings_waiting"] == 0
    assert metric_sum(after, "troupe_recordings_sound_seconds_total") > 0


@pytest.mark.asan
def test_what_is_wrong_is_told(server, tmp_path):
    good = wav(cut(LONGEST))
    flac = encoded(WHOLE, "flac", tmp_path)

    def wrong(status: int, code: str, **kw) -> str:
        return check_envelope(server.post("/recognize", **kw), status, code)["details"]

    assert "truncated" in wrong(422, "UNPROCESSABLE", files={"file": good[:5000]})
    assert "FLAC" in wrong(422, "UNPROCESSABLE", files={"file": flac[:len(flac) // 2]})
    assert "M4A" in wrong(415, "UNSUPPORTED_FORMAT", files={"file": b"\0\0\0\x18ftypM4A " + bytes(100)})
    assert "HTML" in wrong(415, "UNSUPPORTED_FORMAT", files={"file": b"<html>"})
    assert "empty" in wrong(422, "UNPROCESSABLE", files={"file": b""})
    assert "no sound" in wrong(422, "UNPROCESSABLE", files={"file": wav([])})
    assert "'file'" in wrong(400, "BAD_REQUEST", files={"sound": good})
    assert "'file' is missing" in wrong(400, "BAD_REQUEST", files={"model": (None, "offline_asr")})
    assert "several" in wrong(400, "BAD_REQUEST", files=[("file", good), ("file", good)])
    assert "offline_asr" in wrong(404, "MODEL_NOT_FOUND", files={"file": good}, data={"model": "offline_as"})
    wrong(422, "UNPROCESSABLE", files={"file": good}, data={"model": "punctuation"})
    wrong(400, "BAD_REQUEST", files={"file": good}, data={"punctuate": "perhaps"})
    assert "normalisation" in wrong(422, "UNPROCESSABLE", files={"file": good}, data={"itn": "true"})
    wrong(415, "UNSUPPORTED_FORMAT", json="x", headers={"Content-Type": "text/plain"})
    wrong(400, "BAD_REQUEST", data=b"--x\nfile", headers={"Content-Type": "multipart/form-data; boundary=x"})
    wrong(400, "BAD_REQUEST", json={"audio": "?"})
    seed = random.randrange(2**32)
    print("seed", seed)
    rnd = random.Random(seed)
    for file in [good, flac, encoded(WHOLE[:32000], "vorbis", tmp_path), encoded(WHOLE[:32000], "opus", tmp_path),
                 encoded(WHOLE[:32000], "mp3", tmp_path)]:
        for _ in range(8):
            broken = bytearray(file)
            for _ in range(rnd.randrange(1, 20)):
                broken[rnd.randrange(min(len(broken), 3000))] = rnd.randrange(256)
            answer = server.post("/recognize", files={"file": bytes(broken)})
            assert answer.status_code in (200, 413, 415, 422), answer.text
    assert plain(send(server, "/recognize", good)["text"]) == said(LONGEST["ids"])


def test_punctuate(server):
    got = server.json("/punctuate", "POST", json={"text": "hello"})
    assert got["success"] is True and got["original_text"] == "hello" and got["text"] == got["punctuated_text"]
    assert plain(got["text"]) == "hello" and got["model"] == "punctuation"
    s = got["statistics"]
    assert s["original_length"] == 5 and s["punctuated_length"] == len(got["text"])
    assert s["marks_added"] == sum(c in MARKS for c in got["text"]) == sum(s["marks"].values())
    assert server.json("/punctuate", "POST", json={"text": "hello", "model": "punctuation"})["text"] == got["text"]
    check_envelope(server.post("/punctuate", json={"text": ""}), 422)
    check_envelope(server.post("/punctuate", json={"text": "a", "model": "nobody"}), 404)
    check_envelope(server.post("/punctuate", json={"text": "a", "model": "offline_asr"}), 422)


def test_a_hundred_megabytes_are_held_once(serve):
    server = serve({"offline_asr": {"path": str(OFFLINE), "task": "automatic-speech-recognition", "precision": "fp32"}})
    send(server, "/recognize", wav(WHOLE))
    # 32-bit numbers of eight channels at 192 kHz: as much as few seconds can be.
    rate, channels = 192000, 8
    frames = 100_000_000 // (4 * channels) - 100
    data = bytes(frames * 4 * channels)
    file = (b"RIFF" + (36 + len(data)).to_bytes(4, "little") + b"WAVEfmt " + (16).to_bytes(4, "little") +
            (3).to_bytes(2, "little") + channels.to_bytes(2, "little") + rate.to_bytes(4, "little") +
            (rate * channels * 4).to_bytes(4, "little") + (channels * 4).to_bytes(2, "little") +
            (32).to_bytes(2, "little") + b"data" + len(data).to_bytes(4, "little") + data)
    before, most, over = server.rollup_kb("Rss"), [0], threading.Event()

    def watch():
        while not over.is_set():
            most[0] = max(most[0], server.rollup_kb("Rss"))
            time.sleep(0.01)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        got = send(server, "/recognize", file)
    finally:
        over.set()
        watcher.join()
    assert got["duration"] == pytest.approx(frames / rate, abs=0.01)
    assert most[0] - before < 150 * 1024, f"{(most[0] - before) / 1024:.0f} MB more for a file of {len(file) >> 20} MB"
    answer = server.post("/recognize", data=bytes(110_000_000), headers={"Content-Type": "audio/wav"})
    body = check_envelope(answer, 413)
    assert "max_upload_bytes" in body["details"]
    server.until(lambda: server.metrics()["troupe_http_body_bytes"] == 0)


def test_limits(serve):
    server = serve({"offline_asr": {"path": str(OFFLINE), "task": "automatic-speech-recognition", "precision": "fp32"}},
                   {"max_upload_bytes": 500_000, "max_recording_s": 5})
    answer = server.post("/v1/audio/transcriptions", files={"file": bytes(600_000)})
    assert answer.status_code == 413 and "max_upload_bytes" in answer.json()["error"]["message"]
    check_envelope(server.post("/recognize", files={"file": wav(WHOLE)}), 413)
    assert send(server, "/recognize", wav(WHOLE[:64000]))["duration"] == pytest.approx(4)


def test_a_client_that_vanishes_costs_its_own_recording_alone(server):
    file = wav(WHOLE * 30)  # four minutes
    for model in ("offline_asr", "streaming_asr"):
        raw = Raw(server)
        raw.request("POST", f"/recognize?model={model}", file, {"Content-Type": "audio/wav"})
        server.until(lambda: server.metrics()["troupe_recordings_running"] == 1)
        raw.reset()
        server.until(lambda: server.metrics()["troupe_recordings_running"] == 0)
    server.until(lambda: metric_sum(server.metrics(), "troupe_sessions_open") == 0)
    assert plain(send(server, "/recognize", wav(cut(LONGEST)))["text"]) == said(LONGEST["ids"])


def test_the_end_of_the_server_ends_recordings(serve):
    server = serve({"streaming_asr": {"path": str(SPEECH / "paraformer_streaming"),
                                      "task": "automatic-speech-recognition", "precision": "fp32"}},
                   {"shutdown_grace_ms": 300})
    answers = []
    thread = threading.Thread(target=lambda: answers.append(
        server.post("/recognize", data=wav(WHOLE * 60), headers={"Content-Type": "audio/wav"})))
    thread.start()
    server.until(lambda: server.metrics()["troupe_recordings_running"] == 1)
    assert server.stop() == 0
    thread.join(30)
    assert not thread.is_alive()


def openai(server, file: bytes, **fields) -> dict:
    return send(server, "/v1/audio/transcriptions", file, **fields)


def test_openais_route(server):
    file = wav(cut(LONGEST))
    text = send(server, "/recognize", file)["text"]
    assert openai(server, file, model="offline_asr")["text"] == text
    verbose = openai(server, file, response_format="verbose_json",
                     **{"timestamp_granularities[]": ["word", "segment"]})
    assert verbose["text"] == text and verbose["duration"] == 8 and verbose["language"] is None
    assert letters("".join(w["word"] for w in verbose["words"])) == said(LONGEST["ids"])
    assert [i for s in verbose["segments"] for i in s["tokens"]] == [i for i in LONGEST["ids"] if 2 < i < len(TOKENS) - 1]
    fed = openai(server, file, model="streaming_asr", response_format="verbose_json")
    assert fed["language"] == "zh"
    srt = server.post("/v1/audio/transcriptions", files={"file": file}, data={"response_format": "srt"})
    cues = re.findall(r"^(\d+)\n(\d\d:\d\d:\d\d,\d{3}) --> (\d\d:\d\d:\d\d,\d{3})\n(.+)$", srt.text, re.M)
    assert [int(c[0]) for c in cues] == list(range(1, len(verbose["segments"]) + 1))
    assert [c[3] for c in cues] == [s["text"] for s in verbose["segments"]]
    refused = server.post("/v1/audio/transcriptions", files={"file": b"x"}).json()["error"]
    assert refused["type"] == "invalid_request_error" and refused["message"]


def test_openais_client(server, text_clients, tmp_path):
    file = tmp_path / "speech.wav"
    file.write_bytes(wav(cut(LONGEST)))
    told = {"client": "openai_transcriptions", "url": server.url, "file": str(file), "model": "offline_asr"}
    env = {k: v for k, v in os.environ.items() if not k.endswith("_proxy")} | {"NO_PROXY": "*"}
    done = subprocess.run([text_clients, str(pathlib.Path(ROOT) / "tests/e2e/text_clients.py"), json.dumps(told)],
                          capture_output=True, text=True, timeout=120 * SLOW, env=env)
    assert done.returncode == 0, done.stderr
    got = json.loads(done.stdout)
    text = send(server, "/recognize", file.read_bytes())["text"]
    assert got["json"] == text and got["text"] == text + "\n"
    assert got["srt"].startswith("1\n00:00:0") and got["vtt"].startswith("WEBVTT\n\n00:00:0")
    assert got["verbose"]["text"] == text and got["verbose"]["duration"] == 8
    assert got["verbose"]["words"] and got["verbose"]["segments"]
    assert "".join(got["deltas"]) == got["done"] == text
    assert got["refused"] == {"unknown model": ["NotFoundError", 404, "model_not_found"],
                              "no sound": ["UnprocessableEntityError", 422, "unprocessable"],
                              "no format": ["BadRequestError", 400, "bad_request"]}
