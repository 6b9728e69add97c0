"""The artifact store, whatever happens to it: full disks, limits, kills, two processes, others' hands in it."""
import json
import os
import random
import signal
import subprocess
import threading
import time

import pytest

from command_line import DONE, FAILED, NOT_FOUND, Cli
from driver import SLOW, until
from pulling import (again, begin, cache_info, check_answers, check_models, check_nothing_left, check_store, contents,
                     ended, fails, find, info, partial_bytes, pull, relabelled, restart, start, store_of, told)

ROUNDS = int(os.environ.get("TROUPE_KILLS", "8"))


def test_content_is_there_once(serve, hub, tiny, tmp_path):
    """Two models of the same weights: one blob, counted once on the disk and whole in each model."""
    hub.add("org/a", tiny)
    hub.add("org/b", relabelled(tiny, list("vwxyz")))
    server = start(serve, tmp_path / "env", hub)
    pull(server, "a", "org/a")
    one = server.metrics()["troupe_store_size_bytes"]
    pull(server, "b", "org/b")
    weights = (tiny / "model.safetensors").stat().st_size
    assert server.metrics()["troupe_store_size_bytes"] - one < weights / 10
    manifests = check_store(server)
    assert set(manifests) == {"a", "b"}
    server.json("/models/download/a", "DELETE")
    assert set(check_store(server)) == {"b"}
    assert set(server.predict("hello", "b").json()["probabilities"]) == set("vwxyz")


# -- room --

@pytest.mark.asan
def test_a_full_disk(serve, hub, tiny, tiny_shape, sized, tmpfs, tmp_path):
    """What does not fit is refused before its first byte, and says how much is missing; what fits still comes."""
    hub.add("org/tiny", tiny)
    hub.add("org/large", sized(12))
    disk = tmpfs(8)
    server = start(serve, tmp_path / "env", hub, env={"TROUPE_CACHE_DIRECTORY": str(disk)})
    server.settings["cache_directory"] = str(disk)  # for store_of()
    pull(server, "tiny", "org/tiny")
    why = fails(server, "large", "org/large")
    assert "space" in why or "room" in why or "full" in why, why
    assert not hub.asked("org/large/model.safetensors", "body"), "it was begun although there is no room"
    check_nothing_left(server, "large")
    check_answers(server, "tiny", tiny, tiny_shape)
    pull(server, "again", "org/tiny")


def test_a_disk_that_fills_under_way(serve, hub, tiny, small, tmpfs, tmp_path):
    hub.add("org/tiny", tiny)
    hub.add("org/small", small)
    disk = tmpfs(24)
    server = start(serve, tmp_path / "env", hub, {"cache_directory": str(disk)})
    hold = hub.fault("org/small/model.safetensors", stall_after=1_000_000)
    download = begin(server, "small", "org/small")
    assert hold.reached.wait(20)
    with open(disk / "filler", "wb", buffering=0) as filler:
        with pytest.raises(OSError):
            while True:
                filler.write(b"x" * 65536)
    hold.release()
    last = ended(server, download, "failed")
    assert "space" in str(last) or "room" in str(last), last
    (disk / "filler").unlink()
    check_nothing_left(server, "small")
    pull(server, "small", "org/small")


def test_a_store_that_may_not_be_written(serve, hub, tiny, tmpfs, tmp_path):
    """Told where somebody asks; the rest of the server goes on."""
    hub.add("org/tiny", tiny)
    disk = tmpfs(8)
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True, capture_output=True)
    server = start(serve, tmp_path / "env", hub, {"cache_directory": str(disk / "store")},
                   registry={"theirs": {"path": str(tiny), "preload": True}})
    answer = server.post("/models/download", json={"source": "huggingface", "model_id": "org/tiny", "name": "mine"})
    if answer.status_code == 200:
        assert "ead-only" in str(ended(server, answer.json()["download_id"], "failed"))
    else:
        assert answer.status_code == 503 and "ead-only" in answer.text, answer.text
    assert server.predict("hello", "theirs").status_code == 200


@pytest.mark.asan
def test_the_limit(serve, hub, small, tmp_path):
    """Over store_limit_gb the least recently used goes, never one that is in memory; what can never fit is refused."""
    size = sum(len(c) for c in contents(small).values())
    weights = contents(small)
    for n in range(5):  # weights of their own: the last bytes of the last tensor differ
        hub.add(f"org/m{n}", {**weights, "model.safetensors": weights["model.safetensors"][:-4] + bytes([n, 0, 0, 0])})
    limit = (3 * size + size // 2) / 2**30
    server = start(serve, tmp_path / "env", hub, env={"TROUPE_STORE_LIMIT_GB": f"{limit:.6f}"})
    assert cache_info(server)["cache_optimization"]["auto_cleanup"] is True
    pull(server, "m0", "org/m0")  # loaded
    for n in (1, 2, 3):
        pull(server, f"m{n}", f"org/m{n}", load=False)
    server.until(lambda: set(cache_info(server)["models"]) == {"m0", "m2", "m3"})
    server.until(lambda: set(server.models()) == {"m0", "m2", "m3"})
    # Used lately: the other one goes.
    assert server.predict("hello", "m2").status_code == 200
    server.unload("m2")
    pull(server, "m4", "org/m4", load=False)
    server.until(lambda: set(cache_info(server)["models"]) == {"m0", "m2", "m4"})
    check_store(server)
    assert cache_info(server)["total_size_mb"] * 2**20 <= limit * 2**30
    assert server.predict("hello", "m0").status_code == 200


def test_a_model_over_the_limit(serve, hub, tiny, small, tmp_path):
    hub.add("org/tiny", tiny)
    hub.add("org/small", small)
    server = start(serve, tmp_path / "env", hub, env={"TROUPE_STORE_LIMIT_GB": "0.004"})
    pull(server, "tiny", "org/tiny")
    why = fails(server, "small", "org/small")
    assert "store_limit_gb" in why, why
    assert cache_info(server)["models"] == ["tiny"], "nothing had to go for what never fits"
    check_nothing_left(server, "small")


# -- ends of all kinds --

class Hand(threading.Thread):
    """Pulls, updates and removes its own names until the server dies."""

    def __init__(self, server, number: int, seed: int):
        super().__init__(daemon=True)
        self.server, self.random, self.stop = server, random.Random(seed), threading.Event()
        self.names = [f"h{number}-{n}" for n in range(2)]
        self.problems: list[str] = []

    def run(self) -> None:
        while not self.stop.is_set():
            name = self.random.choice(self.names)
            try:
                kind = self.random.random()
                if kind < 0.6:
                    answer = self.server.post("/models/download", json={
                        "source": "huggingface", "model_id": f"org/m{self.random.randrange(3)}", "name": name,
                        "load": self.random.random() < 0.3})
                elif kind < 0.8:
                    answer = self.server.request("DELETE", f"/models/download/{name}")
                else:
                    answer = self.server.post(f"/models/manage?action=update&model_name={name}")
                if answer.status_code >= 500:
                    self.problems.append(answer.text)
                self.stop.wait(self.random.uniform(0, 0.1))
            except Exception:  # noqa: BLE001 - the process was killed
                return


@pytest.mark.asan
def test_killed_at_any_moment(serve, hub, tiny, tmp_path):
    """Whatever was under way, the store is whole after the start, what is listed can be served, and no byte leaks."""
    seed = int(os.environ.get("TROUPE_KILL_SEED", random.randrange(1 << 31)))
    print(f"TROUPE_KILL_SEED={seed}", flush=True)
    rng = random.Random(seed)
    for n in range(3):
        hub.add(f"org/m{n}", relabelled(tiny, [f"{n}{c}" for c in "abcde"]))
    server = start(serve, tmp_path / "env", hub, {"max_downloads": 3})
    models = 0
    for _ in range(ROUNDS):
        hub.rate(rng.choice([0, 0, 2_000_000]))
        if rng.random() < 0.3:
            hub.push(f"org/m{rng.randrange(3)}", relabelled(tiny, [f"{rng.randrange(100)}{c}" for c in "abcde"]))
        hands = [Hand(server, n, rng.randrange(1 << 31)) for n in range(3)]
        for h in hands:
            h.start()
        time.sleep(rng.uniform(0.05, 0.8))
        server.process.send_signal(signal.SIGKILL)
        for h in hands:
            h.stop.set()
            h.join(60 * SLOW)
            assert not h.problems, h.problems[:3]
        again(server, signal.SIGKILL)
        manifests = check_store(server)
        assert set(cache_info(server)["models"]) == set(manifests), f"seed {seed}"
        server.until(lambda: set(server.models()) == set(manifests), 20)  # what was published is registered at the start
        for name in manifests:
            assert server.predict("hello", name).status_code == 200, f"seed {seed}: {name}"
        models += len(manifests)
    assert models > 0
    hub.rate(0)
    for name in list(server.models()):
        server.json(f"/models/download/{name}", "DELETE")
    for name in (f"h{a}-{b}" for a in range(3) for b in range(2)):
        server.request("DELETE", f"/models/download/{name}")  # what was kept of downloads that never ended
    assert server.models() == {} and check_store(server) == {}
    left = {str(p.relative_to(store_of(server))): p.stat().st_size for p in (store_of(server) / ".store").rglob("*")
            if p.is_file()}
    assert sum(left.values()) < 10_000 and partial_bytes(server) == 0, left


def test_leftovers_go_at_the_start(serve, hub, tiny, tmp_path):
    hub.add("org/tiny", tiny)
    server = start(serve, tmp_path / "env", hub)
    pull(server, "mine", "org/tiny")
    server.stop()
    root = store_of(server)
    odd = [root / ".store/blobs" / ("f" * 64), root / ".store/tmp/x/file", root / "gone/@0123456789abcdef/config.json",
           root / "mine/@ffffffffffffffff/config.json"]
    for path in odd:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"left by a crash")
    restart(server)
    server.until(lambda: not odd[0].exists())
    assert not [p for p in odd if p.exists()]
    assert set(check_store(server)) == {"mine"}
    assert server.predict("hello", "mine").status_code == 200


def test_old_partial_bytes_go(serve, hub, small, tmp_path):
    """After keep_partial_s."""
    hub.add("org/small", small)
    hub.cut_off("model.safetensors", 2_000_000)
    server = start(serve, tmp_path / "env", hub, {"keep_partial_s": 3600})
    ended(server, begin(server, "small", "org/small"), "failed")
    kept = partial_bytes(server)
    assert kept > 0
    again(server, signal.SIGTERM)
    assert partial_bytes(server) == kept
    long_ago = time.time() - 7200
    for path in sorted((store_of(server) / ".store/partial").rglob("*"), reverse=True):
        os.utime(path, (long_ago, long_ago))
    again(server, signal.SIGTERM)
    server.until(lambda: partial_bytes(server) == 0)


# -- others --

@pytest.mark.asan
def test_two_servers_on_one_store(serve, hub, tiny, small, tmp_path):
    """They pull and remove the same models, and do not break each other's."""
    hub.add("org/tiny", tiny)
    hub.add("org/small", small)
    shared = {"cache_directory": str(tmp_path / "store")}
    one, other = (start(serve, tmp_path / f"env{n}", hub, shared) for n in range(2))
    ids = one.many([lambda s=s, n=n: (s, begin(s, f"m{n}", "org/tiny")) for s in (one, other) for n in range(4)], 8)
    for server, download in ids:
        ended(server, download)
    assert set(check_store(one)) == {"m0", "m1", "m2", "m3"}
    for server in (one, other):
        for n in range(4):
            assert server.predict("hello", f"m{n}").status_code == 200
    # The same large one by both at once: fetched by one of them, or resumed by the other.
    hub.rate(30_000_000)
    ids = [(s, begin(s, "small", "org/small", load=False)) for s in (one, other)]
    for server, download in ids:
        ended(server, download)
    sent = sum(a.sent for a in hub.asked("org/small/model.safetensors", "body"))
    assert sent < 1.5 * (small / "model.safetensors").stat().st_size, "it came twice"
    # One removes what the other serves: whoever has it in memory goes on.
    one.json("/models/download/m0", "DELETE")
    assert other.predict("hello", "m0").status_code in (200, 404)
    check_store(one)
    both = one.many([lambda s=s, n=n: s.request("DELETE", f"/models/download/m{n}").status_code
                     for s in (one, other) for n in range(1, 4)], 6)
    assert set(both) <= {200, 404}, both
    check_store(one)


@pytest.mark.asan
def test_commands_on_one_store(hub, tiny, small, tmp_path):
    """Processes that pull and remove the same models at the same time: each ends well, and what is left is whole."""
    hub.add("org/tiny", tiny)
    hub.add("org/small", small)
    cli = Cli(tmp_path, hub)
    hub.rate(40_000_000)
    pulls = [cli.start("pull", "org/small") for _ in range(4)]
    for process in pulls:
        out, err = process.communicate(timeout=60 * SLOW)
        assert process.returncode == DONE, (out, err)
    assert sum(a.sent for a in hub.asked("org/small/model.safetensors", "body")) < \
        1.5 * (small / "model.safetensors").stat().st_size, "it came twice"
    hub.rate(0)
    for _ in range(3):
        commands = [["pull", "org/tiny"], ["rm", "org/tiny"], ["pull", "org/small"], ["rm", "org/small"],
                    ["cp", "org/tiny", "other"], ["rm", "other"], ["store", "gc"], ["store", "verify"]]
        random.shuffle(commands)
        processes = [(args, cli.start(*args)) for args in commands]
        for args, process in processes:
            out, err = process.communicate(timeout=60 * SLOW)
            may = {"pull": {DONE}, "rm": {DONE, NOT_FOUND}, "cp": {DONE, NOT_FOUND, FAILED}, "store": {DONE}}[args[0]]
            assert process.returncode in may, (args, process.returncode, out, err)
        check_models(tmp_path / "data/models")
        assert cli.json("store", "verify")["faults"] == []
    cli("pull", "org/tiny")
    assert "org/tiny" in check_store(tmp_path / "data/models")


@pytest.mark.asan
def test_a_command_killed_under_way_goes_on(hub, sized, tmp_path):
    """kill -9 of `troupe pull`: the next one asks for the rest by range."""
    hub.add("org/large", sized(24))
    cli, store = Cli(tmp_path, hub), tmp_path / "data/models"
    hub.rate(3_000_000)

    def kept() -> int:
        return max((json.loads(p.read_text()).get("whole", 0) for p in store.rglob("*.state")), default=0)

    process = cli.start("pull", "org/large")
    until(lambda: kept() > 2_000_000, 40 * SLOW)
    process.kill()
    process.communicate()
    hub.rate(0)
    hub.forget()
    before = kept()
    cli("pull", "org/large")
    first = hub.asked("org/large/model.safetensors", "body", "cdn", "GET")[0]
    assert first.range.startswith(f"bytes={before}-"), (first.range, before)
    assert set(check_store(store)) == {"org/large"}


def test_a_manifest_that_is_broken(serve, hub, tiny, tmp_path):
    """Left out, and told; the others are served, and a new pull mends it."""
    hub.add("org/tiny", tiny)
    server = start(serve, tmp_path / "env", hub)
    for name in ("good", "bad"):
        pull(server, name, "org/tiny")
    server.stop()
    manifest = store_of(server) / "bad/manifest.json"
    manifest.write_text(manifest.read_text()[:40])
    restart(server)
    assert "good" in cache_info(server)["models"] and server.predict("hello", "good").status_code == 200
    assert "manifest.json" in server.log(200)
    if "bad" in cache_info(server)["models"] or "bad" in server.models():
        server.request("DELETE", "/models/download/bad")
    pull(server, "bad", "org/tiny")
    assert json.loads(manifest.read_text())["files"] and server.predict("hello", "bad").status_code == 200
    assert set(check_store(server)) == {"good", "bad"}


def test_a_manifest_that_means_harm(serve, hub, tiny, tmp_path):
    """Paths out of the store, in a manifest that somebody wrote there, lead nowhere."""
    hub.add("org/tiny", tiny)
    server = start(serve, tmp_path / "env", hub)
    pull(server, "mine", "org/tiny")
    server.stop()
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "keep").write_text("mine")
    text = json.loads((store_of(server) / "mine/manifest.json").read_text())
    for snapshot, path in (("../../../outside", None), (text["snapshot"], "../../../../outside/keep")):
        evil = {**text, "snapshot": snapshot}
        if path:
            evil["files"] = [{**f, "path": path} for f in text["files"]]
        (store_of(server) / "mine/manifest.json").write_text(json.dumps(evil))
        restart(server)
        server.request("DELETE", "/models/download/mine")
        assert (outside / "keep").read_text() == "mine"
        assert server.stop() == 0
        (store_of(server) / "mine").mkdir(exist_ok=True)
    restart(server)


def test_kept_on_another_file_system(serve, hub, tiny, tiny_shape, tmpfs, tmp_path):
    """The store there, the source of a local import here: copied."""
    server = start(serve, tmp_path / "env", hub, {"cache_directory": str(tmpfs(16))}, env={"ADMIN_API_KEY": "k" * 20})
    answer = server.post("/models/download", json={"source": "local", "model_id": str(tiny), "name": "mine"},
                         headers={"Authorization": "Bearer " + "k" * 20})
    assert answer.status_code == 200, answer.text
    ended(server, answer.json()["download_id"])
    check_answers(server, "mine", tiny, tiny_shape)
    assert info(server, "mine")["status"] == "completed" and find(cache_info(server), "partial_size_mb") == 0
    assert told(server, answer.json()["download_id"])["status"] == "completed"
