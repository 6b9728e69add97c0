"""API document 003: its example clients, unchanged, on its own port; loads, reloads and unloads of speech models."""
import concurrent.futures
import pathlib
import re
import socket
import subprocess
import threading
import time

import pytest
import requests

from driver import SLOW, Load, check_envelope

CLIENTS = pathlib.Path(__file__).parent / "clients/003"
ASR = {"task": "automatic-speech-recognition", "display_name": "A recognizer", "description": "Hears Chinese",
       "version": "1.2.7", "provider": "FunASR", "language": "Chinese (Mandarin)",
       "capabilities": ["streaming", "real-time"]}
PUNCTUATION = {"task": "punctuation-restoration"}


# -- the document's clients --

def block(name: str) -> str:
    return (CLIENTS / f"{name}.py").read_text()


def imports(text: str) -> str:
    return "".join(re.findall(r"^(?:import|from) .*\n", text, re.M))


def methods(text: str) -> str:
    """Of the block's ModelManager: what stands between its first line and the usage example."""
    return text.partition("class ModelManager:\n")[2].partition("\n# Usage example")[0] + "\n"


def program(name: str) -> str:
    """A block of the document as it is, with the earlier blocks' methods where it says "(previous methods)"."""
    text, before = block(name), {"info": [], "load": ["info"], "unload": ["info", "load"]}[name]
    previous = "".join(methods(block(b)).replace("    # ... (previous methods)\n", "") for b in before)
    assert ("    # ... (previous methods)\n" in text) == bool(before)
    head = "".join(imports(block(b)) for b in before)
    return head + text.replace("    # ... (previous methods)\n", previous)


def run(name: str) -> list[str]:
    done = subprocess.run(["/usr/bin/python3", "-c", program(name)], capture_output=True, text=True,
                          timeout=120 * SLOW)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def classes(text: str) -> dict:
    """What a block defines, without its usage example."""
    made = {"__name__": "client"}
    exec(compile(text.partition("# Usage example")[0], "client", "exec"), made)
    return made


@pytest.fixture
def documented(serve, testserver, artifact, tiny):
    """A server on the document's port with its two models, and one that is no speech model."""
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if s.connect_ex(("127.0.0.1", 8000)) == 0:
            pytest.skip("port 8000 is taken")
    return serve({"streaming_asr": {"path": artifact("test:slowload:400"), **ASR},
                  "punctuation": {"path": artifact("test:echo"), **PUNCTUATION},
                  "classifier": {"path": str(tiny), "preload": True}}, port=8000, binary=testserver)


def test_info_client(documented):
    assert run("info") == ["Models available: ['punctuation', 'streaming_asr']",
                           "❌ ASR model not ready: Unloaded models: streaming_asr"]
    documented.load("streaming_asr")
    assert run("info")[1] == "✅ ASR model is ready for transcription"


def test_load_client(documented):
    said = run("load")
    assert said[:3] == ["Loading model streaming_asr...", "Model loading initiated: streaming_asr",
                        "Model streaming_asr still loading..."], said
    assert "ASR model is ready for use" in said and "✅ streaming_asr loaded successfully" in said
    assert "✅ Model streaming_asr already loaded" in said and "✅ punctuation loaded successfully" in said
    assert documented.resident() == {"streaming_asr", "punctuation", "classifier"}


def test_unload_client(documented):
    documented.load("streaming_asr")
    documented.load("punctuation")
    memory = documented.models()["punctuation"]["memory_usage_mb"]
    said = run("unload")
    assert re.fullmatch(r"✅ Model punctuation unloaded, freed [\d.]+MB", said[0]), said
    assert float(re.search(r"[\d.]+(?=MB)", said[0])[0]) == pytest.approx(memory)
    assert said[1:] == ["Memory optimization completed, unloaded 0 models"]
    assert documented.resident() == {"streaming_asr", "classifier"}


def test_production_client(documented, capsys):
    made = classes(program("unload"))
    production = classes(block("production"))["ProductionModelManager"]

    class Manager(production, made["ModelManager"]):
        """The document's class calls methods that its other one has."""

    manager = Manager()
    assert manager.startup_initialization()
    documented.until(lambda: "streaming_asr" in documented.resident())
    manager.start_monitoring()
    time.sleep(0.5)
    manager.monitoring_active = False
    manager.graceful_shutdown()
    assert documented.resident() == {"classifier"}
    said = capsys.readouterr().out
    assert "Model monitoring error" not in said and "CRITICAL" not in said and "Unload failed" not in said, said
    assert "✅ Model streaming_asr unloaded, freed " in said and "✅ Model shutdown completed" in said


def test_monitoring_client(documented):
    pytest.importorskip("psutil")
    monitor = classes(block("monitor"))["ModelPerformanceMonitor"](classes(block("info"))["ModelManager"]())
    documented.load("punctuation")
    thread = threading.Thread(target=monitor.start_metrics_collection, args=(0.3,), daemon=True)
    thread.start()
    documented.until(lambda: monitor.metrics_history["metrics"])
    for n in range(3):
        assert documented.predict(f"text {n}", "punctuation").status_code == 200
    documented.until(lambda: monitor.metrics_history["metrics"][-1]["models"]["punctuation"]["total_requests"] == 3)
    monitor.collection_active = False
    thread.join(10)
    last = monitor.metrics_history["metrics"][-1]["models"]
    assert set(last) == {"punctuation"}, "what is loaded, of speech models"
    assert last["punctuation"]["success_rate"] == 1.0 and last["punctuation"]["uptime_hours"] > 0
    # Before its first request a model has no rate: the client takes its own default.
    assert monitor.metrics_history["metrics"][0]["models"]["punctuation"]["success_rate"] == 0.0
    report = monitor.get_performance_report()
    assert "Model punctuation:\n" in report and "Request Growth: 3\n" in report


# -- what the routes do --

def info(server, **asked) -> dict:
    return server.json("/model/info", "POST", json=asked) if asked else server.json("/model/info")


def model(server, name: str, **asked) -> dict:
    return info(server, **asked)["available_models"][name]


def load(server, name: str, status: int = 200, **fields) -> dict:
    return server.json("/model/load", "POST", status, json={"model_type": name, **fields})


@pytest.mark.asan
def test_a_load_that_nobody_waits_for(serve, testserver, artifact):
    server = serve({"asr": {"path": artifact("test:slowload:1500"), **ASR}}, binary=testserver)
    before = model(server, "asr")
    assert before["loaded"] is before["loading"] is False and before["load_id"] is None
    begin = time.monotonic()
    started = load(server, "asr")
    assert time.monotonic() - begin < 1 * SLOW
    assert started["async"] is True and started["current_status"] == "loading" and started["load_id"]
    assert isinstance(started["estimated_load_time"], int)
    during = model(server, "asr")
    assert during["loading"] is True and during["loaded"] is False and during["load_id"] == started["load_id"]
    server.until(lambda: not model(server, "asr")["loading"])
    after = model(server, "asr")
    assert after["loaded"] is True and after["load_time_ms"] >= 1500 and "load_error" not in after
    again = load(server, "asr")
    assert again["current_status"] == "loaded" and again["load_id"] == started["load_id"]
    server.unload("asr")
    assert load(server, "asr")["estimated_load_time"] == pytest.approx(after["load_time_ms"], abs=1), "as the last time"


@pytest.mark.asan
def test_a_load_that_is_waited_for(serve, testserver, artifact):
    server = serve({"asr": {"path": artifact("test:slowload:1500"), **ASR}}, binary=testserver)
    begin = time.monotonic()
    check_envelope(server.post("/model/load", json={"model_type": "asr", "async_load": False, "timeout": 0.3}), 504,
                   "DEADLINE_EXCEEDED")
    assert time.monotonic() - begin < 1 * SLOW and model(server, "asr")["loading"] is True
    done = load(server, "asr", async_load=False)  # the same load, which has gone on
    assert done["status"] == "loaded" and done["model_version"] == "1.2.7" and done["load_time_ms"] >= 1500
    assert done["memory_usage_mb"] == model(server, "asr")["memory_usage_mb"] > 0
    assert server.json("/test/counters")["loads"] == 1


def test_a_reload_replaces_without_an_outage(serve, testserver, artifact):
    server = serve({"asr": {"path": artifact("test:slowload:700"), "preload": True, **ASR}}, binary=testserver)
    before = server.json("/test/counters")["loads"]
    first = model(server, "asr")["load_id"]
    with Load(lambda n: ((a := server.predict(f"t {n}", "asr")).status_code == 200, a.text[:200]), 2) as asking:
        asking.wait(10)
        done = load(server, "asr", async_load=False, force_reload=True)
        asking.wait(10)
    assert not asking.errors
    assert done["message"] == "Model loaded successfully"
    assert server.json("/test/counters")["loads"] - before == 1
    started = load(server, "asr", force_reload=True)
    assert started["load_id"] not in (first, None)
    during = model(server, "asr")
    assert during["loaded"] is during["loading"] is True
    server.until(lambda: not model(server, "asr")["loading"])
    assert server.json("/test/counters")["loads"] - before == 2


def test_a_load_that_fails(serve, testserver, artifact):
    server = serve({"asr": {"path": artifact("test:badload"), **ASR}}, binary=testserver)
    assert load(server, "asr")["current_status"] == "loading"
    server.until(lambda: not model(server, "asr")["loading"])
    failed = model(server, "asr")
    assert failed["loaded"] is False and "this model never loads" in failed["load_error"]
    body = check_envelope(server.post("/model/load", json={"model_type": "asr", "async_load": False}), 503,
                          "LOAD_FAILED")
    assert "this model never loads" in body["error"]


@pytest.mark.asan
def test_an_unload_calls_a_load_off(serve, testserver, artifact):
    server = serve({"asr": {"path": artifact("test:slowload:20000"), **ASR}}, binary=testserver)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        waits = pool.submit(server.post, "/model/load", json={"model_type": "asr", "async_load": False})
        server.until(lambda: model(server, "asr")["loading"])
        assert server.json("/model/unload/asr", "DELETE")["success"] is True
        check_envelope(waits.result(), 409, "CONFLICT")
    assert "called off" in model(server, "asr")["load_error"]
    again = server.json("/model/unload/asr", "POST")
    assert again["message"] == "Model is already unloaded" and again["memory_freed_mb"] == 0


@pytest.mark.asan
def test_counts_agree_with_document_001(serve, testserver, artifact):
    server = serve({"asr": {"path": artifact("test:throw"), **ASR}}, {"prediction_cache_mb": 8}, binary=testserver)
    assert "success_rate" not in model(server, "asr")
    for text in ("one", "two", "boom", "two"):
        server.predict(text, "asr", cached=True)
    check_envelope(server.predict("", "asr"), 422)
    now, plain = model(server, "asr", detailed=True, include_metrics=True), server.model("asr")
    assert now["success_rate"] == pytest.approx(0.75), now
    assert now["total_requests"] == plain["access_count"] == server.stats()["cache_stats"]["models"]["asr"]["access_count"]
    assert now["memory_usage_mb"] == plain["memory_usage_mb"] and now["last_used"] == plain["last_accessed"]
    assert now["load_time_ms"] == pytest.approx(plain["model_info"]["load_time_seconds"] * 1000, abs=1)
    assert now["model_info"] == plain["model_info"]
    assert now["metrics"]["performance"] == plain["performance_metrics"]
    assert 0 < now["uptime_hours"] < 1
    for key in ("display_name", "description", "version", "provider", "language", "capabilities"):
        assert now[key] == ASR[key]
    body = info(server)
    health = server.json("/health")
    assert body["model_cache"]["cache_hit_rate"] == pytest.approx(health["cache_hit_rate"])
    assert body["model_cache"]["cache_directory"] == server.json("/models/cache/info")["cache_directory"]
    assert body["system_info"]["uptime_hours"] == pytest.approx(health["uptime_seconds"] / 3600, abs=1 / 600)
    assert 0 < body["system_info"]["available_memory_gb"] <= body["system_info"]["total_memory_gb"]


@pytest.mark.asan
def test_all_and_unknown(serve, testserver, artifact, tiny):
    server = serve({"asr": {"path": artifact("test:echo"), **ASR},
                    "org/marks": {"path": artifact("test:sleep:1"), **PUNCTUATION},
                    "off": {"path": artifact("test:step"), "enabled": False, **ASR},
                    "classifier": {"path": str(tiny), "preload": True}}, binary=testserver)
    assert set(info(server)["available_models"]) == {"asr", "org/marks", "off"}
    done = load(server, "all", async_load=False)
    assert set(done["results"]) == {"asr", "org/marks"} and done["status"] == "loaded"
    assert done["memory_usage_mb"] == pytest.approx(sum(r["memory_usage_mb"] for r in done["results"].values()))
    assert server.json("/model/unload/org/marks", "DELETE")["models_remaining"] == ["asr"]
    started = load(server, "all")
    assert started["load_id"] and set(started["results"]) == {"asr", "org/marks"}
    server.until(lambda: {"asr", "org/marks"} <= server.resident())
    gone = server.json("/model/unload/all", "DELETE")
    assert set(gone["results"]) == {"asr", "org/marks"} and gone["models_remaining"] == []
    assert server.resident() == {"classifier"}, "never the others"
    for answer in (server.post("/model/load", json={"model_type": "classifier"}),
                   server.request("DELETE", "/model/unload/nobody")):
        body = check_envelope(answer, 404, "MODEL_NOT_FOUND")
        assert body["error"] == "Model not found" and body["available_models"] == ["asr", "org/marks"]
    check_envelope(server.post("/model/load", json={"model_type": "off"}), 409, "CONFLICT")
    check_envelope(server.post("/model/load", json={}), 400, "BAD_REQUEST")
    check_envelope(requests.get(server.url + "/model/load", timeout=10), 405, "METHOD_NOT_ALLOWED")
