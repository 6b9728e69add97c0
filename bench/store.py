"""What it costs to tell of a store that has many models."""
from __future__ import annotations

import json
import os
import pathlib
import subprocess
import time
from collections.abc import Callable

import checkpoints
from driver import Server
from tables import Table, fmt, median, verdict
from tools import SETTINGS, start

COUNT = 1000
TIMES = 20
MOST_MS = 100  # more than with an empty store: what people take for at once
ADMIN = "the-admin-key-of-the-benchmarks"


def folders(at: pathlib.Path) -> list[pathlib.Path]:
    """Checkpoints that differ by their config.json; the rest are links to one."""
    model = checkpoints.Bert()
    one = checkpoints.write_bert(at / "one", model)
    out = []
    for n in range(COUNT):
        folder = at / f"m{n:04}"
        folder.mkdir()
        for name in ("model.safetensors", "tokenizer.json", "tokenizer_config.json"):
            os.link(one / name, folder / name)
        (folder / "config.json").write_text(json.dumps({**model.config(), "number": n}))
        out.append(folder)
    return out


def fill(server: Server, from_here: list[pathlib.Path]) -> float:
    """Imports all; gives the seconds it took."""
    begin = time.monotonic()
    for folder in from_here:
        answer = server.post("/models/download", headers={"Authorization": f"Bearer {ADMIN}"}, json={
            "source": "local", "model_id": str(folder), "name": folder.name, "load": False})
        assert answer.status_code == 200, answer.text
    server.until(lambda: server.metrics()["troupe_store_models"] >= COUNT, 300, 0.1)
    return time.monotonic() - begin


def p99(times: list[float]) -> float:
    """Of 20 the longest."""
    return sorted(times)[min(len(times) - 1, int(0.99 * len(times)))]


def asked(server: Server, path: str) -> Callable[[], None]:
    def ask() -> None:
        assert server.get(path).status_code == 200

    return ask


def listed(*where: str) -> Callable[[], None]:
    env = {k: v for k, v in os.environ.items() if not k.startswith("TROUPE_")}

    def ls() -> None:
        subprocess.run([str(SETTINGS.troupe), "ls", *where], env=env, check=True, stdout=subprocess.DEVNULL)

    return ls


def store() -> Table:
    t = Table(f"13. A store of {COUNT:,} models", "what", "empty, ms: median, p99 (limit)", "full, ms: median, p99", "difference",
              "target", "")
    servers = {name: start(f"store-{name}", {}, {"data_dir": str(SETTINGS.work / f"store-{name}" / "data"), "max_downloads": 4,
                                                 "max_waiting_downloads": COUNT}, env={"ADMIN_API_KEY": ADMIN})
               for name in ("empty", "full")}
    try:
        source = SETTINGS.work / "store-source"
        source.mkdir()
        took_s = fill(servers["full"], folders(source))
        with_disk = {name: ["--server", "none", "--data-dir", server.settings["data_dir"]] for name, server in servers.items()}
        for what, ways in (
                ("GET /models", {name: asked(s, "/models") for name, s in servers.items()}),
                ("GET /models/managed", {name: asked(s, "/models/managed") for name, s in servers.items()}),
                ("`troupe ls`, of a server", {name: listed("--server", s.url) for name, s in servers.items()}),
                ("`troupe ls`, of the disk", {name: listed(*where) for name, where in with_disk.items()})):
            times: dict[str, list[float]] = {name: [] for name in ways}
            for _ in range(TIMES + 1):
                for name, do in ways.items():  # in turn: a neighbour's load hits both
                    begin = time.perf_counter()
                    do()
                    times[name].append(1000 * (time.perf_counter() - begin))
            empty, full = (times[name][1:] for name in ("empty", "full"))  # the first ones connect, and read files
            more = median(full) - median(empty)
            t.row(what, f"{fmt(median(empty), 1)}, {fmt(p99(empty), 1)}", f"{fmt(median(full), 1)}, {fmt(p99(full), 1)}", more,
                  f"at most {MOST_MS} ms", verdict(more <= MOST_MS))
        size = len(servers["full"].get("/models/managed").content)
        t.note(f"{TIMES} of each, the two in turn; p99 is the longest. `troupe ls` of an empty store is a process that starts. The models are "
               f"small checkpoints that differ by their config.json, imported from folders in {took_s:.0f} s; GET /models/managed is "
               f"{size / 1000:,.0f} kB.")
    finally:
        for server in servers.values():
            server.stop()
    return t
