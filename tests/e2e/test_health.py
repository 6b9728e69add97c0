"""What load balancers and orchestrators see: the status of /health, /health/live and /health/ready."""
import signal

import pytest

from driver import Raw, check_envelope

PROBES = ("/health", "/health/live", "/health/ready")


def statuses(server) -> tuple[int, int, int]:
    return tuple(server.get(path).status_code for path in PROBES)


def test_starting_is_503_until_all_preloads_are_there(serve, testserver, artifact):
    server = serve({"slow": {"path": artifact("test:slowload:1500"), "preload": True},
                    "later": {"path": artifact("test:slowload:1501")}}, binary=testserver, ready_s=0)
    server.wait_log(r"listening on 127\.0\.0\.1:")
    assert statuses(server) == (503, 200, 503)
    body = server.json("/health", status=503)
    assert body["status"] == "starting" and body["ready"] is False
    assert [m["model"] for m in body["missing"]] == ["slow"]
    server.wait_log(r"\bready on http")
    assert statuses(server) == (200, 200, 200)
    assert server.json("/health")["status"] == "healthy"
    # A load of another model, an unload and its reload are no second start.
    with Raw(server) as loading:
        loading.request("POST", "/models/later/load")
        server.until(lambda: server.model("later")["state"] == "loading")
        assert statuses(server) == (200, 200, 200)
        assert loading.response()[0] == 200
    server.unload("slow")
    assert statuses(server) == (200, 200, 200)
    with Raw(server) as loading:
        loading.request("POST", "/models/slow/load")
        server.until(lambda: server.model("slow")["state"] == "loading")
        assert statuses(server) == (200, 200, 200)
        assert loading.response()[0] == 200


@pytest.mark.asan
def test_a_failed_preload_degrades_until_it_is_there(serve, tiny, tmp_path):
    place = tmp_path / "comes-later"
    server = serve({"good": {"path": str(tiny), "preload": True}, "bad": {"path": str(place), "preload": True}})
    assert statuses(server) == (200, 200, 503)
    body = server.json("/health")
    assert body["status"] == "degraded" and body["ready"] is False
    assert [m["model"] for m in body["missing"]] == ["bad"]
    assert "bad" in body["reason"] and body["missing"][0]["reason"] in body["reason"]
    assert server.predict("x", "good").status_code == 200
    place.symlink_to(tiny)
    server.until(lambda: server.json("/health")["status"] == "healthy")  # by itself
    assert statuses(server) == (200, 200, 200)
    body = server.json("/health")
    assert body["status"] == "healthy" and "missing" not in body and "reason" not in body


@pytest.mark.asan
def test_the_operator_may_allow_degraded(serve, tiny):
    server = serve({"good": {"path": str(tiny)}}, {"preload_models": ["good", "typo"], "ready_when_degraded": True})
    assert statuses(server) == (200, 200, 200)
    body = server.json("/health/ready")
    assert body["status"] == "degraded" and body["ready"] is True
    assert body["missing"] == [{"model": "typo", "reason": "it is not in the registry"}]


def test_a_preload_that_sighup_brings(serve, tiny, tmp_path):
    registry = {"a": {"path": str(tiny), "preload": True}}
    server = serve(registry)
    server.write_registry({**registry, "b": {"path": str(tmp_path / "missing"), "preload": True}})
    server.process.send_signal(signal.SIGHUP)
    server.until(lambda: server.json("/health")["status"] == "degraded")
    assert statuses(server) == (200, 200, 503)
    server.write_registry(registry)
    server.process.send_signal(signal.SIGHUP)
    server.until(lambda: statuses(server) == (200, 200, 200))


def test_draining_is_503(serve, testserver, artifact):
    server = serve({"m": {"path": artifact("test:sleep:1500"), "preload": True}}, binary=testserver)
    with Raw(server) as probe, Raw(server) as work:
        probe.request("GET", "/")
        assert probe.response()[0] == 200
        work.request("POST", "/predict", b'{"text": "x", "model_name": "m"}')
        server.until(lambda: server.model("m")["access_count"] >= 1)
        server.process.send_signal(signal.SIGTERM)
        server.wait_log("SIGTERM: finishing")
        probe.request("GET", "/health")
        status, headers, body = probe.response()
        assert status == 503 and headers["retry-after"] == "1" and b'"draining"' in body
        assert work.response()[0] == 200
    assert server.stop(None) == 0


@pytest.mark.asan
def test_probes_need_no_key_and_answer_head(serve, tiny):
    server = serve({"m": {"path": str(tiny), "preload": True}}, env={"API_KEYS": "secret"})
    for path in PROBES:
        assert server.get(path).status_code == 200
        head = server.request("HEAD", path)
        assert head.status_code == 200 and head.content == b"" and int(head.headers["Content-Length"]) > 0
    check_envelope(server.get("/models"), 401)
    check_envelope(server.get("/health/other"), 401)
