"""The process: signals, configuration, the other commands."""
import concurrent.futures
import ctypes
import json
import os
import pathlib
import platform
import re
import signal
import struct
import subprocess
import time

import pytest

from driver import BINARY, SLOW, Raw, Server, check_envelope, free_port

SYS_SCHED_GETATTR = 315  # x86-64


def troupe(*args: str, env: dict | None = None, timeout: float = 60, **kw) -> subprocess.CompletedProcess:
    clean = {k: v for k, v in os.environ.items() if not k.startswith("TROUPE_")}
    return subprocess.run([str(BINARY), *args], capture_output=True, text=True, timeout=timeout * SLOW,
                          env={**clean, **(env or {})}, **kw)


def turns_of_threads(pid: int) -> dict[str, tuple[int, int]]:
    """name -> (nice, turn in ns; 0 where the kernel tells none), of each thread, by sched_getattr(2)."""
    found = {}
    for thread in pathlib.Path(f"/proc/{pid}/task").iterdir():
        raw = ctypes.create_string_buffer(48)
        if ctypes.CDLL(None).syscall(SYS_SCHED_GETATTR, int(thread.name), raw, 48, 0) != 0:
            continue  # it has ended
        _, _, _, nice, _, turn_ns, _, _ = struct.unpack("IIQiIQQQ", raw.raw)
        found[(thread / "comm").read_text().strip()] = (nice, turn_ns)
    return found


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the system call's number")
def test_threads_that_others_wait_for_come_before_loads(serve, tiny):
    server = serve({"a": {"path": str(tiny), "preload": True}, "b": {"path": str(tiny)}})
    server.load("b")  # beside a resident model: the gentle loader has worked
    found = turns_of_threads(server.process.pid)
    nice = {name: n for name, (n, _) in found.items()}
    assert nice["loader-gentle"] == 10
    assert nice["slot-0"] == nice["io"] == nice["caf.multiplexer"] == nice["reclaimer"] == 0
    turn = {name: t for name, (_, t) in found.items()}
    if turn["slot-0"] == 0:
        pytest.skip("this kernel has no turns of threads' own (Linux before 6.12)")
    assert turn["io"] == turn["caf.multiplexer"] == 100_000
    assert turn["io"] < turn["slot-0"] < turn["loader-gentle"]
    assert turn["loader-gentle"] == turn["reclaimer"] == 100_000_000


@pytest.mark.asan
def test_sighup_reloads_the_registry(serve, tiny):
    server = serve({"a": {"path": str(tiny), "preload": True}})
    server.write_registry({"a": {"path": str(tiny), "preload": True}, "b": {"path": str(tiny)}})
    server.process.send_signal(signal.SIGHUP)
    server.until(lambda: set(server.models()) == {"a", "b"})
    assert server.predict("x", "b").status_code == 200
    # A bad file leaves the old one in force, with a clear message.
    for bad, word in (('{"models": {"a": ', "models.json"), ('{"models": {"a": {"path": 1}}}', "path"),
                      ('{"models": {"../x": {"path": "y"}}}', "../x"), ('{"models": {"a": {"pth": "y"}}}', "pth"),
                      ('{"models": {"health": {"path": "y"}}}', "health")):
        at = server.log_position()
        server.registry_file.write_text(bad)
        server.process.send_signal(signal.SIGHUP)
        server.wait_log(rf"models\.json:\d+.*{re.escape(word)}|{re.escape(word)}.*models\.json:\d+|{re.escape(word)}",
                        20 * SLOW, at)
        assert set(server.models()) == {"a", "b"}
        assert server.predict("x", "a").status_code == 200
    # A model that goes from the registry is unloaded and unknown; what it did stays counted.
    counted = server.stats()["cache_stats"]["performance"]
    server.write_registry({"a": {"path": str(tiny), "preload": True}})
    server.process.send_signal(signal.SIGHUP)
    server.until(lambda: set(server.models()) == {"a"})
    check_envelope(server.predict("x", "b"), 404, "MODEL_NOT_FOUND")
    assert server.stats()["cache_stats"]["performance"] == counted
    assert server.stats()["system_stats"]["memory_cleanup_mb"] == 0, "nothing was evicted"


def test_sighup_under_load(serve, tiny):
    server = serve({"a": {"path": str(tiny), "preload": True}})
    for n in range(5):
        server.write_registry({"a": {"path": str(tiny), "preload": True}, f"b{n}": {"path": str(tiny)}})
        calls = [lambda k=k: server.predict(f"x {k}", "a").status_code for k in range(50)]
        server.process.send_signal(signal.SIGHUP)
        assert set(server.many(calls)) == {200}
    server.until(lambda: set(server.models()) == {"a", "b4"})


def test_sigterm_finishes_what_is_in_flight(serve, testserver, artifact):
    server = serve({"m": {"path": artifact("test:sleep:1000"), "preload": True}}, binary=testserver)
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        inside = [pool.submit(server.predict, f"t {n}", "m") for n in range(4)]
        server.until(lambda: server.model("m")["access_count"] >= 4)
        server.process.send_signal(signal.SIGTERM)
        assert [f.result().status_code for f in inside] == [200] * 4
    assert server.stop(None) == 0


def test_sigterm_refuses_new_work(serve, testserver, artifact):
    server = serve({"m": {"path": artifact("test:sleep:1500"), "preload": True}}, binary=testserver)
    with Raw(server) as idle, concurrent.futures.ThreadPoolExecutor(1) as pool:
        idle.request("GET", "/health")
        assert idle.response()[0] == 200
        inside = pool.submit(server.predict, "t", "m")
        server.until(lambda: server.model("m")["access_count"] >= 1)
        server.process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        body = b'{"text": "late", "model_name": "m"}'
        try:
            idle.request("POST", "/predict", body)
            status, headers, _ = idle.response()
            assert status == 503
            assert headers.get("connection", "").lower() == "close"
        except ConnectionError:
            pass  # closed: refused as well
        assert inside.result().status_code == 200
    assert server.stop(None) == 0


def test_sigterm_grace_is_bounded(serve, testserver, artifact):
    server = serve({"m": {"path": artifact("test:sleep:60000"), "preload": True}},
                   {"shutdown_grace_ms": 500}, binary=testserver)
    with Raw(server) as raw:
        raw.request("POST", "/predict", b'{"text": "x", "model_name": "m"}')
        server.until(lambda: server.model("m")["access_count"] >= 1)
        begin = time.monotonic()
        server.stop(limit_s=10)
        assert time.monotonic() - begin < 5 * SLOW


@pytest.mark.asan
def test_sigint_ends_as_well(serve, tiny):
    server = serve({"a": {"path": str(tiny), "preload": True}})
    assert server.stop(signal.SIGINT) == 0


def test_sigterm_during_a_load(serve, testserver, artifact):
    server = serve({"m": {"path": artifact("test:slowload:20000")}}, binary=testserver)
    with Raw(server) as raw:
        raw.request("POST", "/models/m/load")
        time.sleep(0.5)
        begin = time.monotonic()
        assert server.stop(limit_s=15) == 0
        assert time.monotonic() - begin < 12 * SLOW


@pytest.mark.parametrize("text, words", [
    ('{"max_model": 3}', ["config.json:1", "max_model", "max_models"]),  # the nearest known one
    ('{\n  "max_models": "many"\n}', ["config.json:2", "max_models"]),
    ('{"max_memory_usage": 7}', ["config.json:1", "max_memory_usage"]),
    ('{"listeners": [{"host": "127.0.0.1", "port": 99999}]}', ["config.json:1", "port"]),
    ('{"log_level": "loud"}', ["log_level", "info"]),
    ('{"max_models": 3', ["config.json:1"]),
    ('[]', ["config.json"]),
    ('{"preload_models": ["../x"]}', ["preload_models"]),
])
def test_bad_settings_stop_the_start(tmp_path, text, words):
    file = tmp_path / "config.json"
    file.write_text(text)
    done = troupe("serve", "--config", str(file), "--port", str(free_port()))
    assert done.returncode not in (0, None) and done.returncode > 0
    for word in words:
        assert word in done.stdout + done.stderr, done.stdout + done.stderr


def test_bad_environment_and_command_line(tmp_path):
    done = troupe("serve", "--port", str(free_port()), env={"TROUPE_MAX_MODELS": "many", "HOME": str(tmp_path)})
    assert done.returncode > 0 and "TROUPE_MAX_MODELS" in done.stdout + done.stderr
    done = troupe("serve", "--max-models", "many")
    assert done.returncode > 0 and re.search("max.models", done.stdout + done.stderr)
    done = troupe("serve", "--no-such-option")
    assert done.returncode > 0


def test_bad_registry_stops_the_start(tmp_path, tiny):
    for text, word in (('{"models": {"a": {"path": "x", "priority": "urgent"}}}', "priority"),
                       ('{"models": {"load": {"path": "x"}}}', "load"),
                       ('{"models": {"a": {"pathh": "x"}}}', "pathh"),
                       ('{"models": [', "models.json")):
        server = Server(tmp_path / word.replace(".", ""), {}, start=False)
        server.registry_file.write_text(text)
        done = troupe("serve", "--config", str(server.config_file))
        assert done.returncode > 0
        assert word in done.stdout + done.stderr, done.stdout + done.stderr


def test_missing_files(tmp_path):
    done = troupe("serve", "--config", str(tmp_path / "nothing.json"))
    assert done.returncode > 0 and "nothing.json" in done.stdout + done.stderr


def test_port_taken(serve, tiny, tmp_path):
    server = serve({"a": {"path": str(tiny)}})
    done = troupe("serve", "--config", str(server.config_file))
    assert done.returncode > 0
    assert str(server.port) in done.stdout + done.stderr


@pytest.mark.asan
def test_config_tells_sources(tmp_path):
    file = tmp_path / "config.json"
    file.write_text('{"max_models": 3, "cache_ttl": 60, "admin_api_key": "sesame-street"}')
    done = troupe("config", "--config", str(file), env={"TROUPE_MAX_MODELS": "5", "API_KEYS": "one-secret,other"})
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()

    def line(name: str) -> str:
        return next(x for x in lines if re.search(rf"\b{name}\b", x))

    assert re.search(r"\b5\b", line("max_models")) and "env" in line("max_models")  # environment over file
    assert "60" in line("cache_ttl") and "config.json:1" in line("cache_ttl")
    assert "default" in line("memory_threshold") and "0.7" in line("memory_threshold")
    assert "sesame-street" not in done.stdout and "one-secret" not in done.stdout  # secrets are not shown
    done = troupe("config", "--config", str(file), "--max-models", "7", env={"TROUPE_MAX_MODELS": "5"})
    if done.returncode == 0:  # command line over environment
        assert re.search(r"max_models.*\b7\b", done.stdout)


def test_version():
    for args in (["version"], ["--version"]):
        done = troupe(*args)
        assert done.returncode == 0, done.stderr
        assert re.search(r"\d+\.\d+", done.stdout)
    assert "CAF" in troupe("version").stdout


def test_help():
    done = troupe("--help")
    assert done.returncode == 0
    for command in ("serve", "predict", "bench", "version", "config"):
        assert command in done.stdout
    assert "--port" in troupe("serve", "--help").stdout


@pytest.mark.asan
def test_predict_command(serve, tmp_path, tiny):
    server = Server(tmp_path / "p", {"a": {"path": str(tiny), "preload": True}}, start=False)
    done = troupe("predict", "--config", str(server.config_file), "hello there")
    if done.returncode != 0:
        done = troupe("predict", "--config", str(server.config_file), "--model", "a", "hello there")
    assert done.returncode == 0, done.stderr + troupe("predict", "--help").stdout
    assert "benign" in done.stdout or "jailbreak" in done.stdout


def test_bench_command(serve, tiny):
    server = serve({"a": {"path": str(tiny), "preload": True}})
    done = troupe("bench", server.url, "--concurrency", "4", "--requests", "200", "--text", "hello there", "--json")
    assert done.returncode == 0, done.stderr + done.stdout
    assert re.search(r"p99", done.stdout)
    json.loads(done.stdout)


def test_json_logs(serve, tiny):
    server = serve({"a": {"path": str(tiny), "preload": True}}, {"log_format": "json", "access_log": True})
    server.predict("x", "a")
    assert server.stop() == 0
    lines = [x for x in server.log_file.read_text().splitlines() if x.strip()]
    assert len(lines) >= 3
    for line in lines:
        json.loads(line)


def test_no_model_at_all(serve):
    """An empty registry serves, and says what is wrong."""
    server = serve({})
    assert server.json("/models")["models"] == {}
    answer = server.predict("x")
    assert answer.status_code in (400, 404, 422, 503), answer.text
    check_envelope(answer, answer.status_code)


def test_preload_that_fails(serve, tiny, tmp_path):
    """The others are served; the failure is told."""
    server = serve({"good": {"path": str(tiny), "preload": True},
                    "bad": {"path": str(tmp_path / "missing"), "preload": True}})
    assert server.predict("x", "good").status_code == 200
    answer = server.predict("x", "bad")
    assert answer.status_code in (422, 503), answer.text
    assert "missing" in answer.text
    assert server.alive()
