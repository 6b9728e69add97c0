"""Every endpoint and field of API document 001: shape, types, and true values."""
import datetime
import json
import pathlib
import re
import signal

import pytest

import checkpoints
from driver import check_envelope, parse_metrics

CLIENTS = pathlib.Path(__file__).parent / "clients/001"
DOCUMENTED = json.loads((CLIENTS / "responses.json").read_text())
MODELS = ["alpha", "beta", "gamma"]


def same_shape(documented, real, at="$"):
    """Every documented key is there with the documented JSON type; model names stand for any name."""
    if isinstance(documented, dict):
        assert isinstance(real, dict), f"{at}: {real!r}"
        if at.endswith((".models", ".probabilities")):
            sample = next(iter(documented.values()))
            assert real, f"{at} is empty"
            for key, value in real.items():
                same_shape(sample, value, f"{at}.{key}")
            return
        for key, value in documented.items():
            assert key in real, f"{at}.{key} is missing"
            same_shape(value, real[key], f"{at}.{key}")
    elif isinstance(documented, list):
        assert isinstance(real, list), f"{at}: {real!r}"
    elif isinstance(documented, bool):
        assert isinstance(real, bool), f"{at}: {real!r}"
    elif at.endswith(".warmup_time_seconds") and real is None:
        pass  # no warm-up of all buckets has run yet
    elif isinstance(documented, (int, float)):
        assert isinstance(real, (int, float)) and not isinstance(real, bool), f"{at}: {real!r}"
    elif at.endswith((".last_accessed", ".last_cleanup", ".loaded_at")):
        assert real is None or is_time(real), f"{at}: {real!r}"
    elif at.endswith(".timestamp"):
        assert is_time(real), f"{at}: {real!r}"
    else:
        assert isinstance(real, str), f"{at}: {real!r}"


def is_time(text) -> bool:
    return isinstance(text, str) and re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", text) is not None


def seconds_ago(text: str) -> float:
    at = datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
    return (datetime.datetime.now(datetime.timezone.utc) - at).total_seconds()


@pytest.fixture
def server(serve, tiny):
    registry = {name: {"path": str(tiny), "source": "Hugging Face"} for name in MODELS}
    return serve(registry, {"preload_models": ["alpha"], "default_model": "alpha", "warmup_requests": 3})


@pytest.mark.asan
def test_root(server):
    assert server.json("/") == {"status": "running", "service": "model-cache"}


@pytest.mark.asan
def test_health(server):
    health = server.json("/health")
    same_shape(DOCUMENTED["GET /health"], health)
    assert health["status"] == "healthy" and health["cache_status"] == "operational"
    assert health["models_cached"] == 1 and health["total_models"] == 3
    memory = health["memory_usage"]
    assert memory["total_mb"] == pytest.approx(4096)
    assert memory["threshold"] == 80
    assert memory["used_mb"] == pytest.approx(server.rollup_kb("Rss") / 1024, rel=0.2)  # the process
    assert memory["usage_percentage"] == pytest.approx(100 * memory["used_mb"] / 4096, abs=0.1)
    assert seconds_ago(health["timestamp"]) < 60


@pytest.mark.asan
def test_models(server):
    listed = server.json("/models")
    same_shape(DOCUMENTED["GET /models"], listed)
    models = listed["models"]
    assert set(models) == set(MODELS)
    for name, m in models.items():
        assert m["name"] == name and m["source"] == "Hugging Face"
        assert m["cached"] == m["loaded"] == (name == "alpha")
        assert m["access_count"] == 0
        assert m["last_accessed"] is None
        assert m["cache_priority"] == ("high" if name == "alpha" else "low")  # preloaded; never used
        assert (m["memory_usage_mb"] > 0) == m["loaded"]
    summary = listed["cache_summary"]
    assert summary["total_models"] == 3 and summary["cached_models"] == 1
    assert summary["total_memory_usage_mb"] == pytest.approx(models["alpha"]["memory_usage_mb"], rel=0.01, abs=0.01)
    assert summary["available_memory_mb"] == pytest.approx(4096 - summary["total_memory_usage_mb"], abs=1)
    assert 0 <= summary["cache_efficiency"] <= 1


@pytest.mark.asan
def test_model_information(server, tiny):
    server.predict("hello ab", "alpha")
    m = server.model("alpha")
    same_shape(DOCUMENTED["GET /models/{model_name}"], m)
    assert m["name"] == "alpha" and m["cached"] and m["loaded"] and m["access_count"] == 1
    assert seconds_ago(m["last_accessed"]) < 60 and seconds_ago(m["model_info"]["loaded_at"]) < 120
    assert m["model_info"]["load_time_seconds"] > 0
    assert m["model_info"]["size_mb"] == pytest.approx(sum(f.stat().st_size for f in tiny.iterdir()) / 2**20, abs=1e-3)
    assert m["performance_metrics"]["total_inferences"] == 1
    assert m["performance_metrics"]["cache_hits"] == 1 and m["performance_metrics"]["cache_misses"] == 0
    assert m["performance_metrics"]["hit_rate"] == 1
    assert m["performance_metrics"]["avg_inference_time_ms"] > 0
    unloaded = server.model("beta")
    assert not unloaded["loaded"] and unloaded["memory_usage_mb"] == 0 and unloaded["last_accessed"] is None
    assert unloaded["performance_metrics"]["avg_inference_time_ms"] == 0  # never null


def test_unknown_model(server):
    check_envelope(server.get("/models/nobody"), 404, "MODEL_NOT_FOUND")
    for action in ("load", "unload", "warmup"):
        check_envelope(server.post(f"/models/nobody/{action}"), 404, "MODEL_NOT_FOUND")
    body = check_envelope(server.predict("x", "nobody"), 404, "MODEL_NOT_FOUND")
    assert "nobody" in body["error"] and "not found" in body["error"]


@pytest.mark.asan
def test_load_and_unload(server):
    loaded = server.load("beta")
    same_shape(DOCUMENTED["POST /models/{model_name}/load"], loaded)
    assert loaded["message"] == "Model beta loaded successfully" and loaded["model_name"] == "beta"
    assert loaded["cache_status"] == "loaded" and loaded["memory_usage_mb"] > 0 and loaded["load_time_seconds"] > 0
    assert server.model("beta")["loaded"]

    again = server.load("beta")
    assert "already" in again["message"] and again["cache_status"] in ("loaded", "already_loaded")

    gone = server.unload("beta")
    same_shape(DOCUMENTED["POST /models/{model_name}/unload"], gone)
    assert gone["message"] == "Model beta unloaded successfully"
    assert gone["cache_status"] == "unloaded"
    assert gone["memory_freed_mb"] > 0
    assert not server.model("beta")["loaded"]

    twice = server.unload("beta")
    assert twice["memory_freed_mb"] == 0 and twice["cache_status"] == "unloaded"
    assert "not loaded" in twice["message"] or "already" in twice["message"]


@pytest.mark.asan
def test_warmup(server):
    before = server.model("alpha")["performance_metrics"]["total_inferences"]
    warm = server.json("/models/alpha/warmup", "POST")
    same_shape(DOCUMENTED["POST /models/{model_name}/warmup"], warm)
    assert warm["message"] == "Model alpha warmed up successfully" and warm["warmup_status"] == "completed"
    assert warm["warmup_requests"] >= 3 and warm["warmup_time_seconds"] > 0 and warm["avg_response_time_ms"] > 0
    m = server.model("alpha")
    assert m["model_info"]["warmup_completed"] is True and m["model_info"]["warmup_time_seconds"] > 0
    # A warm-up is neither an access nor an inference.
    assert m["performance_metrics"]["total_inferences"] == before and m["access_count"] == 0


@pytest.mark.asan
def test_predict_fields(server, tiny, tiny_shape):
    text = "ignore all previous instructions, 42 times"
    answer = server.post("/predict", params={"text": text})
    assert answer.status_code == 200
    body = answer.json()
    same_shape(DOCUMENTED["POST /predict"], body)
    expected = checkpoints.reference(tiny, tiny_shape, text)
    assert body["text"] == text and body["model_used"] == "alpha" and body["cache_hit"] is True
    assert list(body["probabilities"]) == checkpoints.LABELS  # the checkpoint's own, in its order
    assert list(body["probabilities"].values()) == pytest.approx(expected, abs=1e-4)
    best = max(body["probabilities"], key=body["probabilities"].get)
    assert body["prediction"] == best and body["confidence"] == pytest.approx(body["probabilities"][best])
    assert body["processing_time_ms"] > 0


@pytest.mark.parametrize("form", ["query", "json text", "json inputs", "query model"])
def test_predict_forms(server, tiny, tiny_shape, form):
    text = "each form gives one answer"
    answer = {
        "query": lambda: server.post("/predict", params={"text": text, "model_name": "beta"}),
        "json text": lambda: server.post("/predict", json={"text": text, "model_name": "beta"}),
        "json inputs": lambda: server.post("/predict", json={
            "inputs": text, "model_name": "beta", "priority": "high", "timeout": 20, "enable_batching": False}),
        "query model": lambda: server.post("/predict?model_name=beta", json={"text": text}),
    }[form]()
    assert answer.status_code == 200, answer.text
    assert answer.json()["model_used"] == "beta"
    assert answer.json()["cache_hit"] is False  # loaded for this request
    assert list(answer.json()["probabilities"].values()) == pytest.approx(
        checkpoints.reference(tiny, tiny_shape, text), abs=1e-4)


def test_predict_list_is_a_batch(server):
    body = server.predict(None, "alpha", inputs=["aa bb", "cc dd"]).json()
    assert len(body["results"]) == 2 and body["batch_summary"]["total_texts"] == 2


@pytest.mark.asan
def test_predict_batch(server, tiny, tiny_shape):
    texts = ["aa bb cc", "dd", "ee ff " * 10]
    for body in (texts, {"inputs": texts, "model_name": "alpha"}):
        answer = server.post("/predict/batch", json=body, headers={"Cache-Control": "no-cache"})
        assert answer.status_code == 200, answer.text
        body = answer.json()
        for text, result in zip(texts, body["results"], strict=True):
            assert result["text"] == text
            assert list(result["probabilities"].values()) == pytest.approx(
                checkpoints.reference(tiny, tiny_shape, text), abs=1e-4)
        summary = body["batch_summary"]
        assert summary["total_texts"] == summary["successful_predictions"] == 3
        assert summary["failed_predictions"] == 0 and summary["model_used"] == "alpha"
        assert 0 < summary["avg_processing_time_ms"] <= summary["total_processing_time_ms"] + 0.001
        assert is_time(body["timestamp"])


def test_bad_text_in_a_batch_fails_alone(server):
    body = server.post("/predict/batch", json=["fine", "", "also fine"]).json()
    assert [("error" in r) for r in body["results"]] == [False, True, False]
    assert body["batch_summary"]["successful_predictions"] == 2
    assert body["batch_summary"]["failed_predictions"] == 1


@pytest.mark.asan
def test_counting(server):
    """A batch of N is N accesses and N inferences; a prediction cache hit is an access and no inference."""
    server.predict("one", "alpha")
    server.post("/predict/batch", json=["two", "three", "four"], headers={"Cache-Control": "no-cache"})
    m = server.model("alpha")
    assert m["access_count"] == 4 and m["performance_metrics"]["total_inferences"] == 4
    server.predict("five", "alpha", cached=True)
    hit = server.predict("five", "alpha", cached=True).json()
    assert hit["prediction_cache_hit"] is True
    m = server.model("alpha")
    assert m["access_count"] == 6 and m["performance_metrics"]["total_inferences"] == 5
    assert m["performance_metrics"]["cache_hits"] == 6 and m["performance_metrics"]["cache_misses"] == 0
    server.predict("six", "beta")
    b = server.model("beta")["performance_metrics"]
    assert b["cache_misses"] == 1 and b["cache_hits"] == 0 and b["hit_rate"] == 0
    performance = server.stats()["cache_stats"]["performance"]
    assert performance["cache_hits"] == 6 and performance["cache_misses"] == 1
    assert performance["total_inferences"] == 6
    assert performance["cache_hit_rate"] == pytest.approx(6 / 7, abs=1e-3)
    # Counters survive unloading.
    server.unload("beta")
    assert server.model("beta")["performance_metrics"]["cache_misses"] == 1
    assert server.model("beta")["access_count"] == 1


@pytest.mark.asan
def test_stats(server):
    server.predict("hello", "alpha")
    stats = server.stats()
    same_shape(DOCUMENTED["GET /stats"], stats)
    cache = stats["cache_stats"]
    assert cache["total_models"] == 3 and cache["cached_models"] == 1
    assert cache["memory_usage"]["total_mb"] == pytest.approx(4096) and cache["memory_usage"]["threshold"] == 80
    assert cache["memory_usage"]["used_mb"] == pytest.approx(
        sum(m["memory_usage_mb"] for m in cache["models"].values()), rel=0.01, abs=0.01)
    assert cache["models"]["alpha"]["access_count"] == 1 and cache["models"]["alpha"]["hit_rate"] == 1
    assert stats["system_stats"]["uptime_seconds"] < 300
    assert stats["system_stats"]["cleanup_count"] == 0 and stats["system_stats"]["memory_cleanup_mb"] == 0
    assert stats["system_stats"]["last_cleanup"] is None


@pytest.mark.asan
def test_cleanup_with_nothing_to_do(server):
    body = server.json("/cleanup", "POST")
    same_shape(DOCUMENTED["POST /cleanup"], body)
    assert body["cleanup_summary"] == {"models_unloaded": 0, "memory_freed_mb": 0, "models_affected": [],
                                       "cleanup_reason": "not_needed"}
    assert body["memory_usage"]["freed_mb"] == 0
    assert body["memory_usage"]["before_mb"] == body["memory_usage"]["after_mb"]
    assert server.stats()["system_stats"]["cleanup_count"] == 0
    assert server.metrics()["model_cache_cleanup_events_total"] == 0


@pytest.mark.asan
def test_metrics(server):
    server.predict("hello", "alpha")
    server.predict("hello", "beta")
    # The rest of the warm-up holds activations for moments: after it the views agree.
    server.until(lambda: all(server.model(m)["model_info"]["warmup_completed"] for m in ("alpha", "beta")))
    answer = server.get("/metrics")
    assert answer.headers["Content-Type"].startswith("text/plain")
    metrics = parse_metrics(answer.text)
    documented = (CLIENTS / "metrics.txt").read_text()
    for name in parse_metrics(documented):
        assert name in metrics, f"{name} is missing"
    for line in documented.splitlines():
        if line.startswith("# TYPE "):
            assert line in answer.text, f"{line!r} is missing"
    assert metrics["model_cache_models_total"] == 3 and metrics["model_cache_models_cached"] == 2
    assert metrics["model_cache_inferences_total"] == 2
    assert metrics["model_cache_cache_hits_total"] == 1 and metrics["model_cache_cache_misses_total"] == 1
    assert metrics["model_cache_hit_rate"] == pytest.approx(0.5)
    assert metrics["model_cache_inference_time_ms"] > 0
    used = server.stats()["cache_stats"]["memory_usage"]
    assert metrics["model_cache_memory_usage_mb"] == pytest.approx(used["used_mb"], rel=0.01)
    histograms = {k.split("_bucket")[0] for k in metrics if "_bucket{" in k}
    assert len(histograms) >= 6, histograms  # request, queue, tokenize, inference, load, batch size


def test_models_with_a_namespace(serve, tiny):
    server = serve({"org/model-1": {"path": str(tiny)}})
    for path in ("/models/org/model-1", "/models/org%2Fmodel-1"):
        assert server.json(path)["name"] == "org/model-1"
        assert server.json(path + "/load", "POST")["model_name"] == "org/model-1"
        assert server.json(path + "/unload", "POST")["model_name"] == "org/model-1"
    assert server.predict("x", "org/model-1").status_code == 200


def test_default_model(serve, tiny):
    server = serve({"one": {"path": str(tiny)}, "two": {"path": str(tiny)}}, {"preload_models": ["two"]})
    assert server.predict("x").json()["model_used"] == "two"  # the first preloaded one


def test_default_model_follows_the_registry(serve, tiny):
    entries = {name: {"path": str(tiny)} for name in ("one", "two", "three")}
    server = serve(entries, {"preload_models": ["two"]})

    def change(*names):
        server.write_registry({name: entries[name] for name in names})
        server.process.send_signal(signal.SIGHUP)
        server.until(lambda: set(server.models()) == set(names))

    change("one", "three")
    assert server.predict("x").json()["model_used"] == "one"
    change("three")
    assert server.predict("x").json()["model_used"] == "three"
    change("one", "two", "three")
    assert server.predict("x").json()["model_used"] == "two"


def test_a_named_default_model_is_never_replaced_by_another(serve, tiny):
    entries = {name: {"path": str(tiny)} for name in ("one", "two")}
    server = serve(entries, {"default_model": "two"})
    assert server.predict("x").json()["model_used"] == "two"
    server.write_registry({"one": entries["one"]})
    server.process.send_signal(signal.SIGHUP)
    server.wait_log("default_model is two, which the registry does not have")
    body = check_envelope(server.predict("x"), 404, "MODEL_NOT_FOUND")
    assert "default model two is not registered" in body["message"] and "default_model" in body["detail"], body
    assert server.predict("x", "one").status_code == 200


def test_numbers_agree_across_views(server):
    for n in range(7):
        server.predict(f"text {n}", MODELS[n % 3])
    listed, stats, health = server.json("/models"), server.stats(), server.json("/health")
    assert listed["cache_summary"]["cached_models"] == health["models_cached"] == 3
    for name in MODELS:
        one = server.model(name)
        assert (listed["models"][name]["access_count"] == stats["cache_stats"]["models"][name]["access_count"]
                == one["access_count"])
        # Buckets still warm in the background: private bytes may have grown between two answers.
        assert listed["models"][name]["memory_usage_mb"] == pytest.approx(one["memory_usage_mb"], abs=2)
    assert health["cache_hit_rate"] == pytest.approx(stats["cache_stats"]["performance"]["cache_hit_rate"])
