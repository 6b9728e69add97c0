"""Models that are registered while the server runs: kept through ends of all kinds, beside the operator's file."""
import json
import os
import pathlib
import random
import signal
import subprocess
import threading
import time

import pytest

from driver import SLOW, check_envelope, quote

ROUNDS = int(os.environ.get("TROUPE_KILLS", "8"))


def register(server, name: str, entry: dict, status: int = 200) -> str:
    answer = server.post(f"/test/register/{quote(name)}", data=json.dumps(entry))
    assert answer.status_code == status, answer.text
    return answer.json().get("outcome")


def unregister(server, name: str, status: int = 200) -> None:
    answer = server.post(f"/test/unregister/{quote(name)}")
    assert answer.status_code == status, answer.text


def again(server, sig: int = signal.SIGKILL) -> None:
    """Ends the process, and starts another."""
    server.stop(sig)
    at = server.log_position()
    server.start(ready_s=0)
    server.wait_log(r"\bready on http", 60 * SLOW, at)


def kept(server) -> pathlib.Path:
    return pathlib.Path(server.settings["data_dir"]) / "registered.json"


def test_kept_across_restarts(serve, testserver, tiny):
    server = serve({"theirs": {"path": str(tiny)}}, binary=testserver)
    assert not kept(server).exists()
    assert register(server, "org/ours", {"path": str(tiny), "max_length": 16}) == "created"
    assert register(server, "org/ours", {"path": str(tiny), "max_length": 16}) == "unchanged"
    assert server.predict("hello", "org/ours").status_code == 200
    assert server.predict("hello").json()["model_used"] == "theirs"
    for end in (signal.SIGTERM, signal.SIGKILL):
        again(server, end)
        assert set(server.models()) == {"theirs", "org/ours"}
        assert server.predict("hello", "org/ours").status_code == 200
    metrics = server.metrics()
    assert metrics['troupe_registered_models{origin="models_file"}'] == 1
    assert metrics['troupe_registered_models{origin="run_time"}'] == 1

    unregister(server, "org/ours")
    check_envelope(server.predict("hello", "org/ours"), 404, "MODEL_NOT_FOUND")
    unregister(server, "org/ours", 404)
    server.until(lambda: "org/ours" not in server.get("/metrics").text)
    again(server)
    assert set(server.models()) == {"theirs"}


def test_replaced_under_load(serve, testserver, tiny):
    """Not one request fails while the entry changes, and what is resident in the end is the last one."""
    server = serve({}, binary=testserver)
    labels = [["a", "b", "c", "d", "e"], ["v", "w", "x", "y", "z"]]
    register(server, "m", {"path": str(tiny), "labels": labels[0]})
    stop, problems = threading.Event(), []

    def ask():
        while not stop.is_set():
            answer = server.predict("hello", "m")
            if answer.status_code != 200 or list(answer.json()["probabilities"]) not in labels:
                problems.append(answer.text)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for t in threads:
        t.start()
    for n in range(1, 13):
        assert register(server, "m", {"path": str(tiny), "labels": labels[n % 2]}) == "replaced"
        server.load("m")
        assert list(server.predict("hello", "m").json()["probabilities"]) == labels[n % 2]
    stop.set()
    for t in threads:
        t.join()
    assert not problems, problems[:3]
    unregister(server, "m")
    server.until(lambda: server.stats()["cache_stats"]["memory_usage"]["used_mb"] == 0)


def test_the_operators_file_wins(serve, testserver, tiny):
    server = serve({"theirs": {"path": str(tiny)}}, binary=testserver)
    register(server, "theirs", {"path": str(tiny)}, 409)
    unregister(server, "theirs", 409)
    register(server, "m", {"path": str(tiny), "max_length": 16})
    server.write_registry({"theirs": {"path": str(tiny)}, "m": {"path": str(tiny), "description": "the operator's"}})
    at = server.log_position()
    server.process.send_signal(signal.SIGHUP)
    server.wait_log(r"model m stands in .*models\.json and, registered at run time, in .*registered\.json", start=at)
    server.until(lambda: server.model("m")["model_info"]["description"] == "the operator's")
    unregister(server, "m", 409)
    again(server)
    assert server.model("m")["model_info"]["description"] == "the operator's"


@pytest.mark.parametrize("name, entry, status, message", [
    ("metrics", {"path": "/m"}, 400, "Reserved model name"),
    ("m", {"path": "relative"}, 400, "not absolute"),
    ("m", {"path": "/m", "max_batch_items": 0}, 400, "max_batch_items"),
])
def test_refused_by_name(serve, testserver, name, entry, status, message):
    server = serve({}, binary=testserver)
    answer = server.post(f"/test/register/{name}", data=json.dumps(entry))
    assert message in check_envelope(answer, status, "BAD_REQUEST")["message"] + answer.text
    assert server.models() == {} and not kept(server).exists()


def test_a_full_disk(serve, testserver, tiny, tmp_path):
    if os.geteuid() != 0:
        pytest.skip("needs root for a small tmpfs")
    mount = tmp_path / "data"
    mount.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(mount)], capture_output=True).returncode:
        pytest.skip("no tmpfs here")
    try:
        server = serve({}, {"data_dir": str(mount), "cache_directory": str(tmp_path / "store")}, binary=testserver)
        register(server, "a", {"path": str(tiny)})
        with open(mount / "filler", "wb", buffering=0) as filler:
            with pytest.raises(OSError):
                while True:
                    filler.write(b"x" * 4096)
        answer = server.post("/test/register/b", data=json.dumps({"path": str(tiny)}))
        assert "No space left on device" in check_envelope(answer, 503, "UNAVAILABLE")["detail"]
        unregister(server, "a", 503)
        assert set(server.models()) == {"a"}
        assert server.predict("hello", "a").status_code == 200
        os.truncate(mount / "filler", 0)
        register(server, "b", {"path": str(tiny)})
        again(server)
        assert set(server.models()) == {"a", "b"}
        assert server.stop() == 0
    finally:
        subprocess.run(["umount", "-l", str(mount)], capture_output=True)


def test_a_broken_file(serve, testserver, tiny):
    """The server starts, says what is missing, and keeps the file."""
    server = serve({}, binary=testserver)
    register(server, "good", {"path": str(tiny)})
    server.stop()
    text = kept(server).read_text()
    broken = json.loads(text)
    broken["models"]["of-a-later-version"] = {"path": str(tiny), "shiny": True}
    kept(server).write_text(json.dumps(broken))
    again(server, signal.SIGTERM)
    assert set(server.models()) == {"good"}
    health = server.json("/health")
    assert health["status"] == "healthy" and health["ready"]
    assert "shiny" in health["warnings"][0] and "registered.json.broken-1" in health["warnings"][0]
    aside = kept(server).with_name("registered.json.broken-1")
    assert json.loads(aside.read_text()) == broken
    # The operator mends it and has it read.
    mended = json.loads(aside.read_text())
    del mended["models"]["of-a-later-version"]["shiny"]
    kept(server).write_text(json.dumps(mended))
    server.process.send_signal(signal.SIGHUP)
    server.until(lambda: set(server.models()) == {"good", "of-a-later-version"})
    assert "warnings" not in server.json("/health")


def test_two_servers_on_one_data_dir(serve, testserver, tiny, tmp_path):
    shared = {"data_dir": str(tmp_path / "shared")}
    one, other = serve({}, shared, binary=testserver), serve({}, shared, binary=testserver)
    register(one, "a", {"path": str(tiny)})
    register(other, "b", {"path": str(tiny)})
    assert set(other.models()) == {"a", "b"}
    unregister(one, "a")
    assert set(one.models()) == {"b"}
    again(other)
    assert set(other.models()) == {"b"}


class Client(threading.Thread):
    """Registers and removes its own names; knows what each must be: as answered last, or as it asks just now."""

    def __init__(self, server, number: int, seed: int, path: str, possible: dict):
        super().__init__(daemon=True)
        self.server, self.path, self.possible = server, path, possible
        self.names = [f"c{number}-{n}" for n in range(4)]
        self.random, self.stop, self.problems = random.Random(seed), threading.Event(), []

    def run(self) -> None:
        while not self.stop.is_set():
            name = self.random.choice(self.names)
            length = None if self.random.random() < 0.3 else self.random.randrange(1, 60)
            before = self.possible[name][-1]
            self.possible[name] = [before, length]
            try:
                if length is None:
                    answer = self.server.post(f"/test/unregister/{name}")
                    fine = answer.status_code == (404 if before is None else 200)
                else:
                    entry = json.dumps({"path": self.path, "max_length": length})
                    answer = self.server.post(f"/test/register/{name}", data=entry)
                    fine = answer.status_code == 200
            except Exception:  # noqa: BLE001 - the process was killed: nobody knows
                return
            if not fine:
                self.problems.append(f"{name} {before} -> {length}: {answer.status_code} {answer.text}")
            self.possible[name] = [length]


def test_killed_at_any_moment(serve, testserver, tiny):
    """What was answered as done is there after kill -9; what was not may be, or may not."""
    seed = int(os.environ.get("TROUPE_KILL_SEED", random.randrange(1 << 31)))
    print(f"TROUPE_KILL_SEED={seed}", flush=True)
    rng = random.Random(seed)
    server = serve({}, binary=testserver)
    possible = {f"c{c}-{n}": [None] for c in range(4) for n in range(4)}
    answered = 0
    for _ in range(ROUNDS):
        clients = [Client(server, c, rng.randrange(1 << 31), str(tiny), possible) for c in range(4)]
        for c in clients:
            c.start()
        time.sleep(rng.uniform(0.05, 0.6))
        server.process.send_signal(signal.SIGKILL)
        for c in clients:
            c.stop.set()
            c.join(60 * SLOW)
            assert not c.problems, c.problems[:3]
        again(server)
        entries = json.loads(kept(server).read_text())["models"] if kept(server).exists() else {}
        assert set(server.models()) == set(entries)
        for name, may_be in possible.items():
            is_now = entries.get(name, {}).get("max_length")
            assert is_now in may_be, f"seed {seed}: {name} is {is_now}, not one of {may_be}"
            answered += len(may_be) == 1 and may_be[0] is not None
            possible[name] = [is_now]
        assert not list(kept(server).parent.glob("registered.json.broken-*"))
    assert answered > 0
    # What the killed ones left goes with the next change.
    register(server, "last", {"path": str(tiny)})
    assert not list(kept(server).parent.glob("registered.json.*.tmp"))


def test_a_thousand_at_once(serve, testserver, tiny):
    """A storm costs a few writes, and those who are served meanwhile nothing that they notice."""
    server = serve({"m": {"path": str(tiny), "preload": True}}, binary=testserver)
    names = [f"org{n % 7}/model-{n}" for n in range(1000)]
    begin = time.monotonic()
    answers = server.many([lambda name=name: register(server, name, {"path": str(tiny)}) for name in names], 32)
    took = time.monotonic() - begin
    print(f"1000 registrations in {took:.2f} s")
    assert set(answers) == {"created"}
    assert len(server.models()) == 1001
    assert server.predict("hello").json()["model_used"] == "m"
    server.many([lambda name=name: unregister(server, name) for name in names], 32)
    assert set(server.models()) == {"m"}
    again(server)
    assert set(server.models()) == {"m"}
