"""Who stays in memory: each test fails when its policy is switched off."""
import concurrent.futures
import signal
import threading
import time

import pytest

from driver import SLOW, Load, check_envelope

MB = 20  # size of the models here, on disk
# All of memory_limit_mb may be used, models may go at once, no periodic scans.
ROOMY = {"max_memory_usage": 1.0, "memory_threshold": 1.0, "min_resident_ms": 0, "cleanup_interval": 3600,
         "prediction_cache_mb": 0}


@pytest.fixture
def models(sized):
    """models("a", b={"priority": "high"}): registry entries of distinct models of MB each."""
    def make(*names: str, **more: dict) -> dict:
        entries = {name: {} for name in names} | more
        return {name: {"path": str(sized(MB, seed)), **options}
                for seed, (name, options) in enumerate(entries.items(), 1)}

    return make


def limit(count: float, **more) -> dict:
    """Settings with room for `count` models."""
    return {**ROOMY, "memory_limit_mb": int(MB * count), **more}


def use(server, *names: str) -> None:
    for name in names:
        answer = server.predict("hello", name)
        assert answer.status_code == 200, answer.text


@pytest.mark.asan
def test_least_recently_used_goes_first(serve, models):
    server = serve(models(a={"priority": "low"}, b={"priority": "low"}, c={"priority": "low"},
                          d={"priority": "low"}), limit(3.5))
    use(server, "a", "b", "c", "a")
    assert server.resident() == {"a", "b", "c"}
    use(server, "d")
    assert server.resident() == {"a", "c", "d"}  # b was used least recently, not a
    used = server.stats()["cache_stats"]["memory_usage"]["used_mb"]
    assert used <= MB * 3.5


def test_priority_comes_before_recency(serve, models):
    server = serve(models(low={"priority": "low"}, medium={"priority": "medium"}, high={"priority": "high"},
                          new={"priority": "high"}, newer={"priority": "high"}), limit(3.5))
    use(server, "high", "medium", "low")  # low is the most recent
    use(server, "new")
    assert server.resident() == {"high", "medium", "new"}
    use(server, "newer")
    assert server.resident() == {"high", "new", "newer"}


def test_only_as_many_as_needed(serve, models, sized):
    registry = models(a={"priority": "low"}, b={"priority": "low"}, c={"priority": "low"})
    registry["big"] = {"path": str(sized(2 * MB, 9)), "priority": "low"}
    server = serve(registry, limit(3.5))
    use(server, "a", "b", "c")
    use(server, "big")
    assert server.resident() == {"c", "big"}
    # What eviction gave back is counted when it is back, which was before the load began.
    assert server.stats()["system_stats"]["memory_cleanup_mb"] == pytest.approx(2 * MB, rel=0.1)


def test_pinned_stays(serve, models):
    server = serve(models(pin={"pinned": True, "priority": "low"}, a={"priority": "high"},
                          b={"priority": "high"}), limit(2.5))
    use(server, "pin", "a", "b")
    assert server.resident() == {"pin", "b"}


def test_nothing_may_go(serve, models):
    """All that is resident is pinned: 503, and nothing is lost."""
    server = serve(models(p={"pinned": True}, q={"pinned": True}, a={}), limit(2.5))
    use(server, "p", "q")
    check_envelope(server.predict("x", "a", timeout=3), 503, "INSUFFICIENT_MEMORY")
    check_envelope(server.post("/models/a/load"), 503, "INSUFFICIENT_MEMORY")
    assert server.resident() == {"p", "q"}


def one_artifact(sized, **more: dict) -> dict:
    path = str(sized(MB, 1))
    return {"fp32": {"path": path, "precision": "fp32", **more}, "bf16": {"path": path, "precision": "bf16"},
            "again": {"path": path, "precision": "fp32"}}


def used_mb(server) -> float:
    return server.stats()["cache_stats"]["memory_usage"]["used_mb"]


def test_another_precision_of_an_artifact_needs_its_own_memory(serve, sized):
    server = serve(one_artifact(sized), limit(1.25))  # room for fp32 or bf16 (half as large), not for both
    use(server, "fp32")
    assert used_mb(server) > MB * 0.75
    use(server, "bf16")
    assert server.resident() == {"bf16"}
    assert used_mb(server) <= MB * 1.25
    use(server, "fp32")
    assert server.resident() == {"fp32"}
    assert used_mb(server) <= MB * 1.25


def test_another_precision_of_a_pinned_artifact_is_refused(serve, sized):
    server = serve(one_artifact(sized, pinned=True), limit(1.25))
    use(server, "fp32")
    check_envelope(server.post("/models/bf16/load"), 503, "INSUFFICIENT_MEMORY")
    assert server.resident() == {"fp32"}


def test_an_artifact_registered_twice_is_mapped_once(serve, sized):
    server = serve(one_artifact(sized), limit(1.25))
    use(server, "fp32")
    before = used_mb(server)
    use(server, "again")
    assert server.resident() == {"fp32", "again"}
    assert before < used_mb(server) < before * 1.1  # what each has for itself is counted


@pytest.mark.asan
def test_larger_than_the_budget(serve, models, sized):
    registry = models("a")
    registry["huge"] = {"path": str(sized(3 * MB, 9))}
    server = serve(registry, limit(2.5))
    use(server, "a")
    begin = time.monotonic()
    body = check_envelope(server.predict("x", "huge"), 503, "INSUFFICIENT_MEMORY")
    assert time.monotonic() - begin < 5 * SLOW  # told at once, not at the deadline
    assert any(c.isdigit() for c in body["detail"]), body  # says how much it needs
    assert server.resident() == {"a"}, "a load that cannot succeed evicted a model"


def test_max_models(serve, models):
    server = serve(models("a", "b", "c"), {**ROOMY, "max_models": 2})
    use(server, "a", "b", "c")
    assert len(server.resident()) == 2 and "c" in server.resident()


def test_busy_is_spared(serve, testserver, artifact):
    """An idle model goes although a busy one was used less recently."""
    registry = {name: {"path": artifact(f"test:sleep:{ms}"), "priority": "low"}
                for name, ms in (("busy", 2000), ("idle", 1))}
    registry["new"] = {"path": artifact("test:echo"), "priority": "low"}
    server = serve(registry, {**ROOMY, "max_models": 2, "max_eviction_wait_ms": 60000}, binary=testserver)
    server.load("busy")
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        slow = pool.submit(server.predict, "x", "busy")
        server.until(lambda: server.metrics() and server.model("busy")["access_count"] >= 1)
        use(server, "idle")
        use(server, "new")
        assert server.resident() == {"busy", "new"}
        assert slow.result().status_code == 200


def test_sparing_the_just_loaded_does_not_turn_the_order_round(serve, models):
    """Of two that were loaded within a second the first, just used, stays; both priorities follow from use."""
    for options in ({"priority": "low"}, {}):
        server = serve(models(a=options, b=options, c=options), limit(2.5, min_resident_ms=1000))
        use(server, "a", "b", "a")
        use(server, "c")
        assert server.resident() == {"a", "c"}


def test_a_cleanup_that_spared_all_says_so(serve, models):
    server = serve(models("a", p={"pinned": True}), {**limit(3), "memory_threshold": 0.5, "min_resident_ms": 600000})
    use(server, "a", "p")
    body = server.json("/cleanup", "POST")
    assert body["cleanup_summary"]["cleanup_reason"] == "all_spared"
    assert body["cleanup_summary"]["models_unloaded"] == 0 and body["cleanup_summary"]["models_affected"] == []
    assert server.stats()["system_stats"]["cleanup_count"] == 0
    assert server.resident() == {"a", "p"}


def test_threshold_beside_a_limit(serve, models):
    """memory_threshold is a share of what max_memory_usage is a share of: 0.4 of 0.6 is two thirds of the limit."""
    server = serve(models("a", "b", "c"), {**limit(4), "max_memory_usage": 0.6, "memory_threshold": 0.4})
    use(server, "a", "b", "c")
    body = server.json("/cleanup", "POST")
    assert body["cleanup_summary"]["models_affected"] == ["a"]
    assert body["memory_usage"]["after_mb"] <= 2.7 * MB
    assert body["cleanup_summary"]["cleanup_reason"] == "memory_threshold_exceeded"


def test_what_has_expired_is_told(serve, models):
    server = serve(models(a={"cache_ttl": 1}), {**ROOMY, "cleanup_interval": 3600})
    assert server.stats()["system_stats"]["last_cleanup_reason"] is None
    reasons = set()
    use(server, "a")

    def gone():
        reasons.add(server.json("/cleanup", "POST")["cleanup_summary"]["cleanup_reason"])
        return not server.resident()

    server.until(gone)
    assert reasons <= {"not_needed", "ttl_expired"}
    stats = server.stats()["system_stats"]
    assert stats["last_cleanup_reason"] == "ttl_expired" and stats["cleanup_count"] == 1


def test_many_unloads_at_once_tell_the_bytes_once(serve, models):
    server = serve(models("a"), ROOMY)
    use(server, "a")
    used = server.stats()["cache_stats"]["memory_usage"]["used_mb"]
    freed = [a["memory_freed_mb"] for a in server.many([lambda: server.unload("a")] * 4, 4)]
    assert sorted(freed)[:3] == [0, 0, 0] and max(freed) == pytest.approx(used, rel=0.1)


def test_gauges_and_series_follow_the_model(serve, models):
    registry = models("a", "b")
    server = serve(registry, ROOMY)
    use(server, "a", "b")
    # The request may have run beside a batch of the warm-up.
    assert server.metrics()['troupe_model_instances{model="a"}'] in (1, 2)
    server.unload("a")
    metrics = server.metrics()
    assert metrics['troupe_model_instances{model="a"}'] == metrics['troupe_queue_items{model="a"}'] == 0
    assert metrics['troupe_model_instances{model="b"}'] in (1, 2)
    server.write_registry({"a": registry["a"]})
    server.process.send_signal(signal.SIGHUP)
    server.until(lambda: not any('model="b"' in series for series in server.metrics()))
    server.write_registry(registry)
    server.process.send_signal(signal.SIGHUP)
    server.until(lambda: "b" in server.models())
    use(server, "b")
    assert server.metrics()['troupe_request_duration_seconds_count{model="b"}'] == 1


def test_just_loaded_is_spared(serve, models):
    server = serve(models(a={"priority": "low"}, b={"priority": "low"}), limit(1.5, min_resident_ms=1500))
    use(server, "a")
    begin = time.monotonic()
    use(server, "b")
    assert time.monotonic() - begin > 0.7, "a just-loaded model was evicted at once"
    assert server.resident() == {"b"}


@pytest.mark.asan
def test_two_that_do_not_fit_together(serve, models):
    """Both under load: evictions, and no failed request."""
    server = serve(models("a", "b"), limit(1.5, min_resident_ms=100, max_eviction_wait_ms=100))

    def ask(n: int):
        answer = server.predict(f"text {n}", "ab"[n % 2], timeout=30 * SLOW)
        return answer.status_code in (200, 504), (answer.status_code, answer.text[:300])

    with Load(ask, 8) as load:
        load.wait(200, 120)
    assert not load.errors, load.errors[:3]
    misses = server.stats()["cache_stats"]["performance"]["cache_misses"]
    assert misses >= 4, "the two models never replaced each other"
    used = server.stats()["cache_stats"]["memory_usage"]["used_mb"]
    assert used <= MB * 1.5


def test_ttl(serve, models):
    registry = models(short={"cache_ttl": 1}, long={"cache_ttl": 3600}, kept={"cache_ttl": 1, "pinned": True},
                      forever={"cache_ttl": 0})
    server = serve(registry, {**ROOMY, "cleanup_interval": 1})
    use(server, "short", "long", "kept", "forever")
    server.until(lambda: "short" not in server.resident(), 15)
    assert server.resident() == {"long", "kept", "forever"}
    # A model in use does not expire.
    end = time.monotonic() + 3
    use(server, "short")
    while time.monotonic() < end:
        use(server, "short")
        assert "short" in server.resident()
        time.sleep(0.1)


def test_preloaded_is_not_expired(serve, models):
    server = serve(models(p={"cache_ttl": 1}, q={"cache_ttl": 1}),
                   {**ROOMY, "cleanup_interval": 1, "preload_models": ["p"]})
    use(server, "q")
    server.until(lambda: "q" not in server.resident(), 15)
    assert server.resident() == {"p"}


def test_cleanup_on_demand(serve, models):
    """Above the threshold /cleanup evicts until below it, and tells the truth."""
    registry = models(a={"priority": "low"}, b={"priority": "low"}, c={"priority": "high"})
    server = serve(registry, {**limit(4), "memory_threshold": 0.6})  # 2.4 models
    use(server, "a", "b", "c")
    before = server.stats()["cache_stats"]["memory_usage"]["used_mb"]
    body = server.json("/cleanup", "POST")
    assert body["cleanup_summary"]["models_affected"] == ["a"]
    assert body["cleanup_summary"]["models_unloaded"] == 1
    assert body["cleanup_summary"]["cleanup_reason"] == "memory_threshold_exceeded"
    memory = body["memory_usage"]
    assert memory["before_mb"] == pytest.approx(before, abs=1)
    assert memory["freed_mb"] == pytest.approx(memory["before_mb"] - memory["after_mb"], abs=0.01)
    assert memory["freed_mb"] == pytest.approx(body["cleanup_summary"]["memory_freed_mb"], abs=0.01)
    assert memory["freed_mb"] >= MB * 0.9
    assert server.resident() == {"b", "c"}
    stats = server.stats()["system_stats"]
    assert stats["cleanup_count"] == 1 and stats["last_cleanup"] is not None
    assert stats["memory_cleanup_mb"] == pytest.approx(memory["freed_mb"], abs=0.1)
    metrics = server.metrics()
    assert metrics["model_cache_cleanup_events_total"] == 1
    assert metrics["model_cache_memory_cleanup_mb"] == pytest.approx(memory["freed_mb"], abs=0.1)
    assert server.json("/health")["last_cleanup"] is not None


def test_cleanup_scan(serve, models):
    """The same by itself, every cleanup_interval."""
    server = serve(models("a", "b", "c"), {**limit(4), "memory_threshold": 0.6, "cleanup_interval": 1})
    use(server, "a", "b", "c")
    server.until(lambda: len(server.resident()) == 2, 10)
    assert server.stats()["system_stats"]["cleanup_count"] >= 1


def test_priority_from_use(serve, models):
    """Where the registry says nothing: never used is low, much used is not."""
    server = serve(models("hot", "cold", p={}), {**ROOMY, "preload_models": ["p"], "max_models": 10})
    server.load("cold")
    for _ in range(60):
        use(server, "hot")
    models_ = server.models()
    assert models_["cold"]["cache_priority"] == "low"
    assert models_["p"]["cache_priority"] == "high"
    assert models_["hot"]["cache_priority"] in ("medium", "high")


def test_unload_gives_the_memory_back(serve, models):
    """Unload answers after the memory is back, and says how much it was."""
    server = serve(models("a"), {**ROOMY, "compute_slots": 1})
    for _ in range(5):  # the slot and the loader have run every bucket: their kernels and arenas are there
        server.load("a")
        use(server, "a")
        server.post("/models/a/warmup")
        server.unload("a")
    base = server.rollup_kb("Pss")
    for _ in range(3):
        server.load("a")
        use(server, "a")
        loaded = server.rollup_kb("Pss")
        freed = server.unload("a")["memory_freed_mb"]
        assert server.stats()["cache_stats"]["memory_usage"]["used_mb"] == 0
        assert freed >= MB * 0.9
        assert server.rollup_kb("Pss") - base < 2048 + 0.02 * base, (base, loaded, server.rollup_kb("Pss"))


def test_unload_while_in_use(serve, testserver, artifact):
    """The request inside is finished (or refused clearly), never lost."""
    server = serve({"m": {"path": artifact("test:sleep:500")}}, ROOMY, binary=testserver)
    server.load("m")
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        slow = pool.submit(server.predict, "x", "m")
        server.until(lambda: server.model("m")["access_count"] >= 1)
        answer = server.post("/models/m/unload")
        assert answer.status_code in (200, 409), answer.text
        assert slow.result().status_code == 200
    if answer.status_code == 200:
        assert not server.model("m")["loaded"]


def test_ledger_is_exact_after_churn(serve, models):
    server = serve(models("a", "b", "c"), limit(2.5, min_resident_ms=0))
    stop = threading.Event()

    def churn(n: int) -> None:
        while not stop.is_set():
            name = "abc"[n % 3]
            server.post(f"/models/{name}/load")
            server.post(f"/models/{name}/unload")

    threads = [threading.Thread(target=churn, args=(n,)) for n in range(6)]
    for t in threads:
        t.start()
    time.sleep(3)
    stop.set()
    for t in threads:
        t.join(60)
    for name in "abc":
        server.post(f"/models/{name}/unload")
    server.until(lambda: not server.resident())
    memory = server.stats()["cache_stats"]["memory_usage"]
    assert memory["used_mb"] == 0
