"""Faults under load cost only the one who asked for them."""
import concurrent.futures
import time

import pytest

from driver import SLOW, TORCHSCRIPT, Load, check_envelope

ROW = {"inputs": [{"name": "x", "dtype": "float32", "shape": [4]}]}


def good_load(server, model="good", threads=4):
    def ask(n: int):
        answer = server.predict(f"text {n}", model)
        return answer.status_code == 200, (answer.status_code, answer.text[:300])

    return Load(ask, threads)


@pytest.fixture
def torchscript():
    def entry(name: str, **more) -> dict:
        return {"path": str(TORCHSCRIPT / f"{name}.pt"), **ROW, **more}

    return entry


@pytest.mark.asan
def test_torchscript_that_throws(serve, tiny, torchscript):
    server = serve({"good": {"path": str(tiny), "preload": True}, "bad": torchscript("throws")})
    assert server.tensor([1.0, 2.0, 3.0, 4.0], "bad").status_code == 200
    with good_load(server) as load:
        for _ in range(20):
            answer = server.tensor([-1.0, 2.0, 3.0, 4.0], "bad")
            check_envelope(answer, 500, "MODEL_FAILED")
            assert "negative value" in answer.text  # what the model itself said
            assert server.tensor([1.0, 2.0, 3.0, 4.0], "bad").status_code == 200
        load.wait(20)
    assert not load.errors, load.errors[:3]


def test_throwing_row_costs_only_itself_in_a_batch(serve, testserver, artifact):
    """A batch that throws is run again row by row: the neighbours get their answers."""
    server = serve({"m": {"path": artifact("test:throw"), "preload": True}}, {"compute_slots": 1},
                   binary=testserver)
    calls = [lambda n=n: (n, server.predict("boom" if n % 10 == 0 else f"fine {n}", "m")) for n in range(100)]
    for n, answer in server.many(calls, 32):
        if n % 10 == 0:
            check_envelope(answer, 500, "MODEL_FAILED")
        else:
            assert answer.status_code == 200, answer.text


def test_torchscript_that_hangs(serve, tiny, torchscript):
    """The slot's thread is replaced, the model is reported failed, others go on."""
    server = serve({"good": {"path": str(tiny), "preload": True}, "bad": torchscript("hangs")},
                   {"slot_timeout_ms": 1000 * SLOW, "compute_slots": 2})
    assert server.tensor([1.0, 1.0, 1.0, 1.0], "bad").status_code == 200
    with good_load(server) as load:
        begin = time.monotonic()
        answer = server.tensor([-1.0, 1.0, 1.0, 1.0], "bad", timeout=20 * SLOW)
        check_envelope(answer, 500, "MODEL_FAILED")
        assert time.monotonic() - begin < 5 * SLOW  # the slot's limit, not the request's
        load.wait(50)
    assert not load.errors, load.errors[:3]
    assert "hung" in server.log(400) or "did not" in server.log(400)


def test_hangs_on_every_slot(serve, testserver, artifact):
    """Both slots hang at once: both are replaced; a test model's thread sleeps, so cores stay free."""
    server = serve({"good": {"path": artifact("test:echo"), "preload": True},
                    "h1": {"path": artifact("test:hang")}, "h2": {"path": artifact("test:hang")}},
                   {"slot_timeout_ms": 700 * SLOW, "compute_slots": 2}, binary=testserver)
    server.load("h1")
    server.load("h2")
    answers = server.many([lambda m=m: server.predict("hang now", m) for m in ("h1", "h2")])
    for answer in answers:
        check_envelope(answer, 500, "MODEL_FAILED")
    for n in range(20):
        assert server.predict(f"x {n}", "good").status_code == 200
    # The failed model comes back by itself or on the next request, after its back-off.
    server.until(lambda: server.predict("fine", "h1").status_code == 200, 20)


@pytest.mark.asan
def test_actor_killed(serve, testserver, artifact):
    """The others' requests succeed throughout; the killed one's are answered; it is restarted."""
    server = serve({"good": {"path": artifact("test:echo"), "preload": True},
                    "victim": {"path": artifact("test:sleep:50"), "preload": True}}, binary=testserver)
    with good_load(server) as load, concurrent.futures.ThreadPoolExecutor(8) as pool:
        for _ in range(5):
            waiting = [pool.submit(server.predict, f"w {n}", "victim") for n in range(8)]
            killed = server.post("/test/kill/victim")
            assert killed.status_code == 200, killed.text
            for answer in waiting:
                status = answer.result().status_code
                assert status in (200, 500, 503), answer.result().text
            server.until(lambda: server.predict("again", "victim").status_code == 200, 30)
        load.wait(20)
    assert not load.errors, load.errors[:3]


@pytest.mark.parametrize("name", ["badload", "fatload"])
def test_load_that_fails(serve, testserver, artifact, name):
    server = serve({"good": {"path": artifact("test:echo"), "preload": True},
                    "bad": {"path": artifact(f"test:{name}")}}, binary=testserver)
    with good_load(server) as load:
        for _ in range(3):
            check_envelope(server.post("/models/bad/load"), 503, "LOAD_FAILED")
            check_envelope(server.predict("x", "bad", timeout=5), 503)
        load.wait(20)
    assert not load.errors, load.errors[:3]
    assert not server.model("bad")["loaded"] and server.model("bad")["memory_usage_mb"] == 0


@pytest.mark.asan
def test_first_run_that_hangs_or_has_no_memory(serve, testserver, artifact):
    """Costs that load only: the loader goes on, also where the load was called off meanwhile."""
    server = serve({"good": {"path": artifact("test:echo"), "preload": True}, "other": {"path": artifact("test:echo")},
                    "hangs": {"path": artifact("test:hangwarm")}, "fat": {"path": artifact("test:fatwarm")}},
                   {"slot_timeout_ms": 700 * SLOW}, binary=testserver)
    with good_load(server) as load:
        check_envelope(server.post("/models/hangs/load"), 503, "LOAD_FAILED")
        assert "did not finish its first run" in server.model("hangs")["last_error"]
        check_envelope(server.post("/models/fat/load"), 503, "INSUFFICIENT_MEMORY")
        server.load("other")
        server.unload("other")
        load.wait(20)
    assert not load.errors, load.errors[:3]


def test_first_run_that_hangs_is_left_when_it_is_called_off(serve, testserver, artifact):
    server = serve({"hangs": {"path": artifact("test:hangwarm")}, "other": {"path": artifact("test:echo")}},
                   {"slot_timeout_ms": 60_000}, binary=testserver)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        loading = pool.submit(server.post, "/models/hangs/load")
        server.wait_log("loading model hangs")
        answer = server.unload("hangs")
        assert "called off" in answer["message"] and answer["already_unloaded"] is False
        check_envelope(loading.result(), 409)
    assert server.unload("hangs")["already_unloaded"] is True
    server.load("other")  # as soon as the loader has left it: two seconds


def test_warmup_that_fails(serve, testserver, artifact):
    server = serve({"m": {"path": artifact("test:badwarm")}}, binary=testserver)
    answer = server.post("/models/m/warmup")
    assert answer.status_code in (500, 503), answer.text
    assert "warm" in answer.text
    assert server.model("m")["model_info"]["warmup_completed"] is False


@pytest.mark.asan
def test_torchscript_models(serve, torchscript):
    """Tensor in, tensor out; a fixed batch size; a buffer that forward changes."""
    server = serve({
        "linear": torchscript("linear"),
        "fixed": torchscript("fixed_batch", batching=False),
        "counter": torchscript("counter", max_instances=1),
    })
    assert values(server.tensor([1.0, 2.0, 3.0, 4.0], "linear")) == pytest.approx([10, 21, 32])
    answers = server.many([lambda n=n: (n, server.tensor([float(n)] * 4, "linear")) for n in range(64)])
    for n, answer in answers:
        assert values(answer) == pytest.approx([4 * n, 8 * n + 1, 12 * n + 2])
    for n, answer in server.many([lambda n=n: (n, server.tensor([float(n)] * 4, "fixed")) for n in range(16)]):
        assert values(answer) == pytest.approx([2 * n] * 4)
    first = values(server.tensor([0.0] * 4, "counter"))[0]
    second = values(server.tensor([0.0] * 4, "counter"))[0]
    assert second > first  # the instance keeps its own buffer


def values(answer) -> list[float]:
    """The numbers of a tensor answer, flat."""
    assert answer.status_code == 200, answer.text
    body = answer.json()
    for key in ("output", "outputs", "prediction", "result"):
        if key in body and body[key] is not None:
            return flatten(body[key])
    raise AssertionError(f"no output in {body}")


def flatten(value) -> list[float]:
    if isinstance(value, dict):
        return flatten(value.get("data", list(value.values())))
    if isinstance(value, list):
        return [x for v in value for x in flatten(v)]
    return [value]


def test_torchscript_wrong_shape(serve, torchscript):
    server = serve({"linear": torchscript("linear")})
    for bad in ([1.0, 2.0], [[[1.0] * 4]] * 2, ["a", "b", "c", "d"], [[1.0, 2.0], [3.0]], []):
        answer = server.tensor(bad, "linear")
        assert answer.status_code in (400, 422), answer.text
    assert server.tensor([1.0] * 4, "linear").status_code == 200


@pytest.mark.asan
def test_queue_is_bounded(serve, testserver, artifact):
    """429 at once with Retry-After; the admitted ones are answered."""
    server = serve({"m": {"path": artifact("test:sleep:200"), "preload": True, "max_queue_items": 4,
                          "max_batch_items": 1}}, {"compute_slots": 1, "max_instances": 1}, binary=testserver)
    answers = server.many([lambda n=n: server.predict(f"t {n}", "m") for n in range(32)], 32)
    statuses = [a.status_code for a in answers]
    assert set(statuses) == {200, 429}, statuses
    for a in answers:
        if a.status_code == 429:
            check_envelope(a, 429, "TOO_MANY_REQUESTS")
            assert int(a.headers["Retry-After"]) >= 1
            assert a.elapsed.total_seconds() < 1 * SLOW


@pytest.mark.asan
def test_deadline_on_time(serve, testserver, artifact):
    """504 when the deadline passes, not when the entry reaches the front."""
    server = serve({"m": {"path": artifact("test:sleep:3000"), "preload": True, "max_batch_items": 1}},
                   {"compute_slots": 1, "max_instances": 1}, binary=testserver)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        first = pool.submit(server.predict, "first", "m")
        server.until(lambda: server.model("m")["access_count"] >= 1)
        begin = time.monotonic()
        answer = server.predict("second", "m", timeout=0.5)
        took = time.monotonic() - begin
        check_envelope(answer, 504, "DEADLINE_EXCEEDED")
        assert 0.45 <= took < 1.2 * SLOW, took
        assert first.result().status_code == 200
