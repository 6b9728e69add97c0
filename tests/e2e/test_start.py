"""Start-up where the surroundings are poor: limits on threads, early signals, no working directory, no HOME."""
import os
import pathlib
import re
import shutil
import signal
import subprocess
import time

import pytest

from driver import BINARY, SLOW, Server, free_port
from test_process import troupe


@pytest.fixture
def prepared(tmp_path, tiny):
    """A server's folder without its process."""
    return Server(tmp_path / "s", {"a": {"path": str(tiny), "preload": True}}, start=False)


def holds_sighup(pid: int) -> bool:
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"^SigBlk:\s*(\w+)", status, re.M)[1], 16) >> (signal.SIGHUP - 1) & 1 == 1


def test_sighup_is_held_from_before_the_libraries_start(prepared, tiny, monkeypatch):
    """Before main, and thus before the process starts itself once more with the environment that OpenMP wants."""
    monkeypatch.delenv("GOMP_SPINCOUNT", raising=False)
    server = prepared.start(ready_s=0)
    pid, sent, restarted = server.process.pid, False, False
    while not (sent and restarted):
        restarted = b"GOMP_SPINCOUNT=" in pathlib.Path(f"/proc/{pid}/environ").read_bytes()
        held = holds_sighup(pid)
        assert held or not restarted, "not held by the image that serves"
        if held and not sent:
            server.write_registry({"a": {"path": str(tiny), "preload": True}, "b": {"path": str(tiny)}})
            server.process.send_signal(signal.SIGHUP)
            sent = True
    server.wait_log(r"\bready on http")
    server.until(lambda: set(server.models()) == {"a", "b"})  # and it is honoured
    assert server.stop() == 0


@pytest.mark.parametrize("delay_ms", [0, 100, 300, 600])
def test_an_early_sighup_waits(prepared, tiny, delay_ms):
    server = prepared.start(ready_s=0)
    server.until(lambda: holds_sighup(server.process.pid), every_s=0.001)
    time.sleep(delay_ms / 1000)
    server.write_registry({"a": {"path": str(tiny), "preload": True}, "b": {"path": str(tiny)}})
    server.process.send_signal(signal.SIGHUP)
    server.wait_log(r"\bready on http")
    server.until(lambda: set(server.models()) == {"a", "b"})
    assert server.stop() == 0


def as_nobody(limit: int | str) -> list[str]:
    if os.geteuid() == 0:  # root is bound by no such limit
        if not (shutil.which("setpriv") and shutil.which("prlimit")):
            pytest.skip("no setpriv and prlimit here")
        caps = "+dac_read_search,+dac_override"  # the build may lie where only root can read
        return ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", f"--inh-caps={caps}",
                f"--ambient-caps={caps}", "prlimit", f"--nproc={limit}"]
    if not shutil.which("prlimit"):
        pytest.skip("no prlimit here")
    return ["prlimit", f"--nproc={limit}"]


def test_a_limit_on_threads_is_told(tmp_path, prepared):
    """Whatever the limit: the server says which it is and ends with 1, or it serves."""
    probe = subprocess.run([*as_nobody(1000), str(BINARY), "version"], capture_output=True, text=True)
    if probe.returncode != 0:
        pytest.skip(f"another user cannot run the binary here: {probe.stderr[:200]}")
    settings = ["serve", "--port", str(free_port()), "--memory-limit-mb", "64", "--precision", "fp32",
                "--data-dir", str(tmp_path / "unwritable"), "--models-file", "/dev/null"]
    registry = tmp_path / "none.json"
    registry.write_text('{"models": {}}')
    settings[-1] = str(registry)
    for folder in (tmp_path, *tmp_path.parents):
        if folder.stat().st_uid == os.geteuid() and str(folder) not in ("/", "/tmp"):
            folder.chmod(folder.stat().st_mode | 0o755)
    told = 0
    for limit in (1, 2, 3, 4, 6, 8, 10, 12, 14, 16, 18, 24, 64):
        process = subprocess.Popen([*as_nobody(limit), str(BINARY), *settings], stdout=subprocess.PIPE,
                                   stderr=subprocess.STDOUT, text=True, cwd="/")
        lines = []
        for line in process.stdout:
            lines.append(line)
            if "ready on http" in line:
                process.send_signal(signal.SIGTERM)
        text = "".join(lines)
        status = process.wait(30 * SLOW)
        if "ready on http" in text:
            assert status == 0, (limit, text)
            continue
        told += 1
        assert status == 1, (limit, status, text)
        assert re.search(r"cannot start \d+ threads, only \d+: Resource temporarily unavailable", text), (limit, text)
        assert f"this user may have {limit} (ulimit -u" in text, (limit, text)
    assert told >= 3, "no limit was too low"
    # A soft limit is raised as far as the user may.
    done = subprocess.Popen([*as_nobody("4:4000"), str(BINARY), *settings], stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, text=True, cwd="/")
    lines = []
    for line in done.stdout:
        lines.append(line)
        if "ready on http" in line:
            done.send_signal(signal.SIGTERM)
    assert done.wait(30 * SLOW) == 0 and "ready on http" in "".join(lines), "".join(lines)


def without_working_directory(tmp_path, *args: str) -> list[str]:
    gone = tmp_path / "gone"
    gone.mkdir()
    quoted = " ".join(f"'{a}'" for a in (str(BINARY), *args))
    return ["sh", "-c", f"cd '{gone}' && rmdir '{gone}' && exec {quoted}"]


@pytest.mark.asan
def test_a_deleted_working_directory_does_not_matter(tmp_path, prepared):
    process = subprocess.Popen(without_working_directory(tmp_path, "serve", "--config", str(prepared.config_file)),
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    lines = []
    for line in process.stdout:
        lines.append(line)
        if "ready on http" in line:
            assert prepared.predict("x", "a").status_code == 200
            process.send_signal(signal.SIGTERM)
    assert process.wait(30 * SLOW) == 0, "".join(lines)
    assert "ready on http" in "".join(lines)


@pytest.mark.asan
def test_a_relative_path_needs_a_working_directory(tmp_path):
    done = subprocess.run(without_working_directory(tmp_path, "serve", "--models-file", "models.json"),
                          capture_output=True, text=True, timeout=60 * SLOW)
    assert done.returncode == 2, done.stderr
    assert "--models-file" in done.stderr and "models.json" in done.stderr and "working directory" in done.stderr
    assert "absolute path" in done.stderr


def test_without_home(tmp_path, tiny):
    """What is kept lies under /var/lib/troupe then; where that cannot be written to, the server says so and serves."""
    env = {k: v for k, v in os.environ.items() if k not in ("HOME", "XDG_DATA_HOME") and not k.startswith("TROUPE_")}
    done = subprocess.run([str(BINARY), "config"], env=env, capture_output=True, text=True, timeout=60 * SLOW)
    assert done.returncode == 0, done.stderr
    assert re.search(r"^data_dir +/var/lib/troupe ", done.stdout, re.M)
    done = subprocess.run([str(BINARY), "config"], env={**env, "HOME": "relative"}, capture_output=True, text=True,
                          timeout=60 * SLOW)
    assert re.search(r"^data_dir +/var/lib/troupe ", done.stdout, re.M)
    blocked = tmp_path / "file"
    blocked.write_text("no folder")
    server = Server(tmp_path / "s", {"a": {"path": str(tiny), "preload": True}}, {"data_dir": str(blocked / "data")})
    try:
        assert re.search(r"warn.*file/data cannot be written to", server.log(100), re.I), server.log(100)
        assert server.predict("x", "a").status_code == 200
    finally:
        assert server.stop() == 0
    server = Server(tmp_path / "s2", {"a": {"path": str(tiny), "preload": True}}, {"cache_directory": str(blocked / "store")})
    try:
        assert re.search(r"file/store cannot be written to .* Name another folder with cache_directory", server.log(100))
    finally:
        assert server.stop() == 0


def test_unknown_commands():
    done = troupe("srve")
    assert done.returncode == 2
    assert "unknown command srve" in done.stderr and "did you mean serve?" in done.stderr
    for args in (["foo"], ["foo", "--port", "1"], []):
        done = troupe(*args)
        assert done.returncode == 2
        for command in ("serve", "predict", "bench", "config", "version"):
            assert command in done.stderr
    assert "unknown command foo" in troupe("foo").stderr


@pytest.mark.parametrize("keys", [",", " , ", " "])
def test_keys_that_are_none_are_refused(keys):
    done = troupe("serve", "--port", str(free_port()), env={"API_KEYS": keys})
    assert done.returncode == 2
    assert "API_KEYS" in done.stderr and "key" in done.stderr


@pytest.mark.asan
def test_ipv6_addresses(tmp_path, tiny):
    import socket
    try:
        with socket.socket(socket.AF_INET6) as s:
            s.bind(("::1", 0))
    except OSError:
        pytest.skip("no IPv6 here")
    registry = tmp_path / "m.json"
    registry.write_text('{"models": {}}')
    for host in ("[::1]", "::1"):
        port = free_port()
        process = subprocess.Popen([str(BINARY), "serve", "--host", host, "--port", str(port), "--models-file",
                                    str(registry), "--data-dir", str(tmp_path / "d"), "--log-format", "human"],
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        lines = []
        for line in process.stdout:
            lines.append(line)
            if "ready on http" in line:
                process.send_signal(signal.SIGTERM)
        assert process.wait(30 * SLOW) == 0, "".join(lines)
        text = "".join(lines)
        assert f"listening on [::1]:{port}\n" in text, text
        assert f"ready on http://[::1]:{port} " in text, text
    done = troupe("serve", "--host", "localhost:80")
    assert done.returncode == 2 and "--host" in done.stderr
