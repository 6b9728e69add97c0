"""How fast an artifact comes into the store, beside what people do by hand, and what memory that takes."""
from __future__ import annotations

import os
import pathlib
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from artifacts import LARGE, MB, add, address, environment, memory_mib, pull_through, run, server_environment
from stand_in_hub import Hub
from tables import Table, fmt, median, verdict
from tools import SETTINGS, start

HERE = pathlib.Path(__file__).resolve().parent
ENVIRONMENT = [str(HERE.parent / "scripts/python-environment.sh"), "stand-ins"]
LINES = {"1 Gbit/s": 125 * MB, "as fast as it goes": 0}
LEAST = 0.9  # of the rate of curl, sha256sum and sync
MORE_MIB = 16  # that a pull of eight times the size may take more: lists and buffers, not content
BY_HAND, HUB, PULL, SERVER = "curl, sha256sum, sync", "huggingface_hub", "troupe pull", "troupe serve, over HTTP"
SNAPSHOT = "import sys; from huggingface_hub import snapshot_download; snapshot_download(sys.argv[1])"


@dataclass
class Once:
    """One pull."""

    seconds: float
    peak_mib: float = 0  # VmHWM of the process that pulled
    growth_mib: float = 0  # of that, what a server did not have before
    line_s: float = 0  # of curl, sha256sum and sync: what curl took


class Ways:
    """How an artifact is had, each time into a folder that is new."""

    def __init__(self, hub: Hub):
        self.hub = hub
        found = subprocess.run([*ENVIRONMENT, "--if-there"], capture_output=True, text=True)
        self.python = found.stdout.strip() if found.returncode == 0 else None
        self.all: dict[str, Callable[[str, pathlib.Path], Once]] = {BY_HAND: self.by_hand}
        if self.python:
            self.all[HUB] = self.hub_client
        self.all |= {PULL: self.pull, SERVER: self.server}

    def once(self, how: str, model_id: str) -> Once:
        folder = SETTINGS.work / "pull"
        folder.mkdir()
        os.sync()  # what the last one has left to write is not this one's
        try:
            return self.all[how](model_id, folder)
        finally:
            shutil.rmtree(folder)

    def by_hand(self, model_id: str, folder: pathlib.Path) -> Once:
        script = 'curl -sfL -w "%{time_total}\\n" -o "$1" "$2" && sha256sum "$1" && sync "$1"'
        ran = run(["sh", "-c", script, "sh", str(folder / LARGE), address(self.hub, model_id)], environment(self.hub))
        return Once(ran.seconds, line_s=float(ran.out.split()[0]))

    def hub_client(self, model_id: str, folder: pathlib.Path) -> Once:
        return Once(run([self.python, "-c", SNAPSHOT, model_id], environment(
            self.hub, HF_HOME=str(folder), HF_HUB_DISABLE_XET="1", HF_HUB_DISABLE_TELEMETRY="1",
            HF_HUB_DISABLE_PROGRESS_BARS="1")).seconds)

    def pull(self, model_id: str, folder: pathlib.Path) -> Once:
        ran = run([str(SETTINGS.troupe), "pull", model_id, "--server", "none", "--data-dir", str(folder)], environment(self.hub))
        return Once(ran.seconds, ran.peak_mib)

    def server(self, model_id: str, folder: pathlib.Path) -> Once:
        server = start("pulls", {}, {"data_dir": str(folder)}, env=server_environment(self.hub))
        try:
            server.get("/models")  # the client is connected
            process = server.process.pid
            pathlib.Path(f"/proc/{process}/clear_refs").write_text("5")  # VmHWM begins anew
            before = memory_mib(process, "VmRSS")
            begin = time.perf_counter()
            how = pull_through(server, "random", model_id)
            seconds = time.perf_counter() - begin
            if how != "completed":
                raise RuntimeError(f"the server's pull is {how}: {server.log(5)}")
            peak = memory_mib(process, "VmHWM")
            return Once(seconds, peak, peak - before)
        finally:
            server.stop()


def measure(ways: Ways, line: str, model_id: str) -> list[dict[str, Once]]:
    rounds = []
    for n in range(SETTINGS.rounds):  # in turn: a neighbour's load hits all
        rounds.append({how: ways.once(how, model_id) for how in ways.all})
        print(f"    {line}, round {n + 1}: " + ", ".join(f"{how} {once.seconds:.2f} s" for how, once in rounds[-1].items()), flush=True)
    return rounds


def rates(t: Table, line: str, megabytes: int, rounds: list[dict[str, Once]]) -> None:
    t.row(line, "curl alone", median([megabytes / r[BY_HAND].line_s for r in rounds]), "1 (limit)", "", "", "")
    for how in rounds[0]:
        of_line, of_hand = (median([seconds(r[BY_HAND]) / r[how].seconds for r in rounds])
                            for seconds in (lambda once: once.line_s, lambda once: once.seconds))
        ours = how in (PULL, SERVER)
        t.row(line, how, median([megabytes / r[how].seconds for r in rounds]), fmt(of_line, 2), fmt(of_hand, 2),
              f"at least {LEAST}" if ours else "", verdict(of_hand >= LEAST) if ours else "")


def memory(ways: Ways, megabytes: int, model_id: str, whole: list[dict[str, Once]]) -> Table:
    eighth = megabytes // 8
    t = Table("11. Memory of a pull: flat with size", "what, MiB", f"{eighth} MB (limit)", f"{megabytes:,} MB", "more", "target", "")
    small_id = add(ways.hub, eighth)
    small = [{how: ways.once(how, small_id) for how in (PULL, SERVER)} for _ in range(SETTINGS.rounds)]
    for what, how, figure in (("`troupe pull`: VmHWM", PULL, "peak_mib"), ("`troupe serve`: VmHWM while it pulls", SERVER, "peak_mib"),
                              ("of that, growth over what was resident before", SERVER, "growth_mib")):
        few, many = (max(getattr(r[how], figure) for r in rounds) for rounds in (small, whole))
        t.row(what, few, many, many - few, f"at most {MORE_MIB}", verdict(many - few <= MORE_MIB))
    t.note(f"The most of {SETTINGS.rounds} pulls each, as fast as they go. A process that pulls has LibTorch's libraries mapped.")
    return t


def pulls() -> Iterator[Table]:
    megabytes = 200 if SETTINGS.quick else 2000
    with Hub() as hub:
        ways, model_id = Ways(hub), add(hub, megabytes)
        t = Table(f"11. Pulls: {megabytes:,} MB from a hub on this machine", "line", "with", "MB/s", "of curl alone",
                  "of curl, sha256sum, sync", "target", "")
        for line, rate in LINES.items():
            hub.rate(rate)
            rounds = measure(ways, line, model_id)
            rates(t, line, megabytes, rounds)
        t.note(f"Medians of {SETTINGS.rounds} rounds in turn, each into a new store; shares are of the same round. Whole programs, from "
               "start to end: `troupe pull` and huggingface_hub load their libraries in that time, a server has them.")
        t.note("curl alone only fetches: one connection, no digest, nothing synced. huggingface_hub neither compares digests nor syncs."
               if ways.python else "huggingface_hub is not measured: `scripts/python-environment.sh stand-ins` makes its environment.")
        t.note("The hub is a Python process that sends with sendfile; it and who downloads share the cores.")
        yield t
        yield memory(ways, megabytes, model_id, rounds)
        if hub.problems:
            raise RuntimeError(hub.problems[0])
