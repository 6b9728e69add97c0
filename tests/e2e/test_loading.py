"""Loads: coalesced, apart from resident models, re-validated; instances; the prediction cache."""
import concurrent.futures
import json
import os
import shutil
import signal
import time

import pytest

import checkpoints
from driver import SLOW, Load, check_envelope, metric_sum


@pytest.mark.asan
def test_loads_are_coalesced(serve, testserver, artifact):
    """Requests and loads that meet share one load."""
    server = serve({"m": {"path": artifact("test:slowload:500")}}, binary=testserver)
    before = server.json("/test/counters")["loads"]
    calls = [lambda n=n: server.predict(f"t {n}", "m").status_code for n in range(24)]
    calls += [lambda: server.post("/models/m/load").status_code] * 8
    assert set(server.many(calls, 32)) == {200}
    assert server.json("/test/counters")["loads"] - before == 1
    m = server.model("m")["performance_metrics"]
    assert m["cache_misses"] + m["cache_hits"] == 24 and m["cache_misses"] >= 1


def test_load_does_not_delay_a_resident_model(serve, testserver, artifact, tiny):
    server = serve({"r": {"path": str(tiny), "preload": True}, "slow": {"path": artifact("test:slowload:3000")}},
                   binary=testserver)

    def ask(n: int):
        a = server.predict(f"t {n}", "r")
        return a.status_code == 200, a.text[:200]

    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        loading = pool.submit(server.post, "/models/slow/load")
        with Load(ask, 2) as load:
            load.wait(100)
        assert not loading.done(), "the load was over before the requests"
        assert loading.result().status_code == 200
    assert not load.errors
    assert max(load.times_s) < 1 * SLOW


def test_a_request_leaves_a_slow_load_at_its_deadline(serve, testserver, artifact):
    server = serve({"slow": {"path": artifact("test:slowload:4000")}}, binary=testserver)
    begin = time.monotonic()
    check_envelope(server.predict("x", "slow", timeout=0.5), 504, "DEADLINE_EXCEEDED")
    assert time.monotonic() - begin < 1.5 * SLOW
    server.until(lambda: server.model("slow")["loaded"])  # the load went on
    assert server.predict("x", "slow").json()["cache_hit"] is True


def test_load_waiters_are_bounded(serve, testserver, artifact):
    server = serve({"slow": {"path": artifact("test:slowload:2000")}}, {"max_load_waiters": 4}, binary=testserver)
    statuses = server.many([lambda n=n: server.predict(f"t {n}", "slow").status_code for n in range(16)], 16)
    assert set(statuses) == {200, 429} and statuses.count(200) >= 4


def test_unload_during_a_load(serve, testserver, artifact):
    server = serve({"slow": {"path": artifact("test:slowload:3000")}}, binary=testserver)
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        loading = pool.submit(server.post, "/models/slow/load")
        asking = pool.submit(server.predict, "x", "slow")
        server.until(lambda: server.model("slow")["state"] == "loading")
        time.sleep(0.3)
        answer = server.post("/models/slow/unload")
        assert answer.status_code in (200, 409), answer.text
        if answer.status_code == 200:
            assert loading.result().status_code in (200, 409), loading.result().text
            assert asking.result().status_code in (200, 409, 503), asking.result().text
    server.until(lambda: server.predict("x", "slow").status_code == 200, 30)


@pytest.mark.asan
def test_reload_on_artifact_change(serve, tmp_path):
    """A preloaded model past its TTL is re-validated and replaced without an outage."""
    one = checkpoints.write_bert(tmp_path / "one", hidden=16, layers=1, heads=2, positions=64, seed=1)
    two = checkpoints.write_bert(tmp_path / "two", hidden=16, layers=1, heads=2, positions=64, seed=2)
    live = tmp_path / "live"
    shutil.copytree(one, live)
    shape = checkpoints.Bert(hidden=16, layers=1, heads=2, positions=64)
    old, new = (checkpoints.reference(f, shape, "hello") for f in (one, two))
    server = serve({"m": {"path": str(live), "preload": True, "cache_ttl": 1}},
                   {"cleanup_interval": 1, "prediction_cache_mb": 32})

    def probabilities(cached=False):
        return list(server.predict("hello", "m", cached=cached).json()["probabilities"].values())

    assert probabilities(True) == pytest.approx(old, abs=1e-3)
    assert probabilities(True) == pytest.approx(old, abs=1e-3)
    shutil.copyfile(two / "model.safetensors", live / "next")
    os.replace(live / "next", live / "model.safetensors")

    seen = []

    def changed():
        a = server.predict("hello", "m")
        assert a.status_code == 200, a.text
        seen.append(list(a.json()["probabilities"].values()))
        time.sleep(1.3)  # idle for longer than its TTL
        return seen[-1] == pytest.approx(new, abs=1e-3)

    server.until(changed, 30)
    for p in seen:  # the old one or the new one, nothing between
        assert p == pytest.approx(old, abs=1e-3) or p == pytest.approx(new, abs=1e-3)
    assert probabilities(True) == pytest.approx(new, abs=1e-3)  # the prediction cache knows the version
    # A broken successor leaves the one that serves.
    (live / "model.safetensors.tmp").write_bytes(b"broken")
    os.replace(live / "model.safetensors.tmp", live / "model.safetensors")
    end = time.monotonic() + 5
    while time.monotonic() < end:
        assert probabilities() == pytest.approx(new, abs=1e-3)
        time.sleep(1.2)


def test_warmup_runs_every_bucket(serve, testserver, artifact):
    server = serve({"m": {"path": artifact("test:echo"), "max_batch_items": 16}}, {"warmup_requests": 1},
                   binary=testserver)
    body = server.json("/models/m/warmup", "POST")  # loads it as well
    assert body["warmup_status"] == "completed" and body["warmup_requests"] >= 2
    counters = server.json("/test/counters")
    assert counters["largest_batch"] == 16
    assert server.model("m")["loaded"]


def test_auto_scaling(serve, testserver, artifact):
    """Instances grow with the queue and share the weights; `instances` shows it."""
    server = serve({"m": {"path": artifact("test:sleep:30"), "preload": True, "max_batch_items": 1}},
                   {"compute_slots": 2, "enable_auto_scaling": True}, binary=testserver)

    def instances() -> int:
        m = server.model("m")
        return m["instances"]

    assert instances() == 1
    used = server.stats()["cache_stats"]["memory_usage"]["used_mb"]

    def ask(n: int):
        a = server.predict(f"t {n}", "m")
        return a.status_code == 200, a.text[:200]

    with Load(ask, 8) as load:
        server.until(lambda: instances() == 2)
        load.wait(20)
    assert not load.errors
    assert server.stats()["cache_stats"]["memory_usage"]["used_mb"] == pytest.approx(used, abs=1)


def test_auto_scaling_off(serve, testserver, artifact):
    server = serve({"m": {"path": artifact("test:sleep:30"), "preload": True, "max_batch_items": 1}},
                   {"compute_slots": 2, "enable_auto_scaling": False}, binary=testserver)
    with Load(lambda n: (server.predict(f"t {n}", "m").status_code == 200, n), 8) as load:
        load.wait(40)
        m = server.model("m")
        assert m["instances"] == 1


@pytest.mark.asan
def test_prediction_cache(serve, tiny):
    server = serve({"m": {"path": str(tiny), "preload": True}, "n": {"path": str(tiny), "preload": True}})
    first = server.predict("the same", "m", cached=True).json()
    second = server.predict("the same", "m", cached=True).json()
    assert first["prediction_cache_hit"] is False and second["prediction_cache_hit"] is True
    assert first["probabilities"] == second["probabilities"]
    assert server.predict("the same", "n", cached=True).json()["prediction_cache_hit"] is False  # another model
    assert server.predict("the same ", "m", cached=True).json()["prediction_cache_hit"] is False  # another input
    assert server.predict("the same", "m").json()["prediction_cache_hit"] is False  # Cache-Control: no-cache
    batch = server.post("/predict/batch", json={"inputs": ["the same", "not yet"], "model_name": "m"}).json()
    assert [r["prediction_cache_hit"] for r in batch["results"]] == [True, False]


@pytest.mark.asan
@pytest.mark.parametrize("change", [{"max_length": 4}, {"precision": "bf16"}, {"labels": ["v", "w", "x", "y", "z"]}])
def test_prediction_cache_and_a_changed_registration(serve, tiny, change):
    """What was said under the old registration is not said under the new one."""
    entry = {"path": str(tiny), "preload": True}
    text = "one two three four five six seven"
    server = serve({"m": entry})

    def answer(cached):
        return server.predict(text, "m", cached=cached).json()["probabilities"]

    before = answer(True)
    assert answer(True) == before
    server.write_registry({"m": {**entry, **change}})
    start = server.log_position()
    server.process.send_signal(signal.SIGHUP)
    server.wait_log("model m has left memory", start=start)
    now = answer(False)
    assert now != before
    assert answer(True) == now
    server.unload("m")
    server.load("m")
    assert answer(True) == now


def test_an_answer_from_the_prediction_cache_is_a_hit(serve, tiny):
    """A request that waits for its model is a miss, and has it run."""
    server = serve({"m": {"path": str(tiny)}})
    said = [server.predict("same", "m", cached=True).json() for _ in range(2)]
    server.unload("m")
    said += [server.predict("same", "m", cached=True).json() for _ in range(2)]
    assert [a["cache_hit"] for a in said] == [False, True, False, True]
    assert [a["prediction_cache_hit"] for a in said] == [False, True, False, True]
    assert len({json.dumps(a["probabilities"]) for a in said}) == 1
    counts = server.model("m")["performance_metrics"]
    assert (counts["cache_hits"], counts["cache_misses"], counts["total_inferences"]) == (2, 2, 2)


def test_prediction_cache_is_bounded(serve, tiny):
    server = serve({"m": {"path": str(tiny), "preload": True}}, {"prediction_cache_mb": 1})
    for n in range(200):
        assert server.post("/predict/batch", json=[f"{n} {k} " + "x" * 500 for k in range(30)]).status_code == 200
    held = next(float(line.split()[1]) for line in server.get("/metrics").text.splitlines()
                if line.startswith("troupe_prediction_cache_bytes "))
    assert 300_000 < held <= 1024 * 1024  # of more than 3 MB of texts
    assert server.predict("0 0 " + "x" * 500, "m", cached=True).status_code == 200


def test_prediction_cache_off(serve, tiny):
    server = serve({"m": {"path": str(tiny), "preload": True}}, {"prediction_cache_mb": 0})
    for _ in range(2):
        assert server.predict("the same", "m", cached=True).json()["prediction_cache_hit"] is False


def test_eviction_is_counted(serve, sized):
    server = serve({n: {"path": str(sized(20, s))} for s, n in enumerate("ab", 1)},
                   {"memory_limit_mb": 30, "max_memory_usage": 1.0, "memory_threshold": 1.0, "min_resident_ms": 0})
    for name in "abab":
        assert server.predict("x", name).status_code == 200
    metrics = server.metrics()
    evictions = [k for k in metrics if "evict" in k and not any(w in k for w in ("bucket", "sum", "count"))]
    assert evictions and sum(metrics[k] for k in evictions) >= 3, evictions
    assert any("load" in k and k.split("{")[0].endswith("_count") for k in metrics)
    assert metric_sum(metrics, "model_cache_cache_misses_total") == 4


def test_the_store_is_reused(serve, small, tmp_path):
    """A second start maps what the first has put into the store."""
    settings = {"data_dir": str(tmp_path / "shared-data")}
    server = serve({"m": {"path": str(small), "preload": True}}, settings)
    first = server.predict("hello", "m").json()["probabilities"]
    assert server.stop() == 0
    server = serve({"m": {"path": str(small), "preload": True}}, settings)
    assert server.predict("hello", "m").json()["probabilities"] == pytest.approx(first, abs=1e-6)


def test_two_servers_share_a_store(serve, small, tmp_path):
    settings = {"data_dir": str(tmp_path / "shared-data")}
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        servers = list(pool.map(lambda _: serve({"m": {"path": str(small), "preload": True}}, settings), range(2)))
    answers = [s.predict("hello", "m").json()["probabilities"] for s in servers]
    assert answers[0] == pytest.approx(answers[1], abs=1e-6)


def test_priority_of_a_request_is_accepted(serve, tiny):
    server = serve({"m": {"path": str(tiny), "preload": True}})
    for priority in ("low", "medium", "high"):
        assert server.predict("x", "m", priority=priority).status_code == 200


def test_default_precision_answers(serve, tiny, tiny_shape):
    """precision auto and measured slots: what a user gets."""
    server = serve({"m": {"path": str(tiny), "preload": True}},
                   {"precision": "auto", "compute_slots": 0, "threads_per_slot": 0})
    got = list(server.predict("hello ab", "m").json()["probabilities"].values())
    assert got == pytest.approx(checkpoints.reference(tiny, tiny_shape, "hello ab"), abs=2e-2)
    assert json.dumps(server.model("m"))
