"""The stepping model: one shape for everything, proved over HTTP with server-sent events."""
import concurrent.futures
import json
import time

import pytest

from driver import SLOW, Raw, check_envelope


def events(raw: Raw):
    """(event, data) as they come."""
    status, headers = raw.head()
    assert status == 200, status
    assert headers["content-type"].startswith("text/event-stream")
    text = b""
    for chunk in raw.chunks():
        text += chunk
        while b"\n\n" in text:
            block, text = text.split(b"\n\n", 1)
            name, data = "message", []
            for line in block.decode().splitlines():
                if line.startswith("event:"):
                    name = line[6:].strip()
                elif line.startswith("data:"):
                    data.append(line[5:].strip())
            if data:
                yield name, json.loads("\n".join(data))


def ask(server, text, **more) -> Raw:
    raw = Raw(server, timeout_s=60)
    body = json.dumps({"text": text, "model_name": "s", "stream": True, **more}).encode()
    raw.request("POST", "/predict", body, {"Content-Type": "application/json", "Cache-Control": "no-cache"})
    return raw


@pytest.fixture
def server(serve, testserver, artifact):
    return serve({"s": {"path": artifact("test:step:10"), "preload": True}}, {"compute_slots": 1}, binary=testserver)


def counters(server) -> dict:
    return server.json("/test/counters")


@pytest.mark.asan
def test_pieces_come_one_by_one(server):
    with ask(server, "20 pieces") as raw:
        times, outputs, done = [], [], None
        for name, data in events(raw):
            if name == "done":
                done = data
            else:
                times.append(time.monotonic())
                outputs.append(data["output"])
                assert data["last"] == (len(outputs) == 20)
    assert outputs == [f"piece {n}" for n in range(20)]
    assert done is not None and done["model_used"] == "s"
    assert times[-1] - times[0] > 0.1, "all came at once"
    server.until(lambda: counters(server)["states_open"] == 0)


@pytest.mark.asan
def test_not_streamed(server):
    body = server.predict("3 pieces", "s").json()
    assert body["output"] == "piece 0piece 1piece 2"


@pytest.mark.asan
def test_steps_of_several_are_batched(server):
    """40 streams of 10 steps take far fewer batches than 400, and do not mix."""
    server.until(lambda: server.json("/models/s")["model_info"]["warmup_completed"], 30)  # its rows are steps, too
    before = counters(server)

    def run(n: int) -> list[str]:
        with ask(server, f"{5 + n % 10} for {n}") as raw:
            return [d["output"] for name, d in events(raw) if name == "message"]

    with concurrent.futures.ThreadPoolExecutor(40) as pool:
        results = list(pool.map(run, range(40)))
    for n, got in enumerate(results):
        assert got == [f"piece {k}" for k in range(5 + n % 10)]
    after = counters(server)
    steps = sum(5 + n % 10 for n in range(40))
    assert after["steps"] - before["steps"] == steps
    assert after["batches"] - before["batches"] < steps / 2
    server.until(lambda: counters(server)["states_open"] == 0)


@pytest.mark.asan
def test_client_that_leaves_a_stream(server):
    raw = ask(server, "100000 pieces")
    stream = events(raw)
    for _ in range(3):
        next(stream)
    raw.reset()
    server.until(lambda: counters(server)["states_open"] == 0, 10)
    steps = counters(server)["steps"]
    time.sleep(0.3)
    assert counters(server)["steps"] == steps, "it steps on for nobody"


@pytest.mark.asan
def test_deadline_of_a_stream(server):
    with ask(server, "100000 pieces", timeout=0.5) as raw:
        begin = time.monotonic()
        last = None
        for name, data in events(raw):
            last = name, data
        assert time.monotonic() - begin < 3 * SLOW
    assert last[0] == "error" and last[1]["code"] == "DEADLINE_EXCEEDED", last
    server.until(lambda: counters(server)["states_open"] == 0)


def test_bad_input_of_a_stream(server):
    with ask(server, "no number") as raw:
        status, _, body = raw.response()
        assert status == 422 and json.loads(body)["code"] == "UNPROCESSABLE"


def test_reader_that_is_slow(server):
    """It costs its own job only."""
    with ask(server, "100000 pieces"):
        for _ in range(5):
            assert server.predict("2 pieces", "s").status_code == 200


def test_model_killed_while_it_streams(server):
    with ask(server, "100000 pieces") as raw:
        stream = events(raw)
        for _ in range(3):
            next(stream)
        assert server.post("/test/kill/s").status_code == 200
        rest = list(stream)
        assert rest[-1][0] == "error", rest[-1]
    server.until(lambda: server.predict("2 x", "s").status_code == 200, 30)


@pytest.mark.asan
def test_unload_waits_for_streams_or_refuses(server):
    with ask(server, "50 pieces") as raw:
        stream = events(raw)
        next(stream)
        answer = server.post("/models/s/unload")
        assert answer.status_code in (200, 409), answer.text
        rest = list(stream)
        assert rest[-1][0] == "done", rest[-1]
    if answer.status_code == 409:
        check_envelope(answer, 409, "CONFLICT")
