"""What a resident model's clients notice of downloads."""
from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import checkpoints
from artifacts import MB, add, address, environment, pull_through, remove, server_environment
from driver import Server
from page_cache import cached_mib, cached_share, mapped_by
from pulling import store_of
from stand_in_hub import Hub
from tables import Table, fmt, median, verdict
from tools import SETTINGS, SHAPES, Run, checkpoint, generate, start, texts_file

EACH = 50  # MB/s of each of two pulls
MOST = 1.1  # times what it is in the quiet


def resident(name: str, hub: Hub, **settings) -> Server:
    """A server of its own store, with a 6x384 that stays."""
    path = str(checkpoint("6x384", **SHAPES["6x384"]))
    return start(name, {"resident": {"path": path, "preload": True, "pinned": True}},
                 {"data_dir": str(SETTINGS.work / name / "data"), "keep_partial_s": 0, **settings}, env=server_environment(hub))


class Pulls:
    """Two pulls at a time while it is open, one after another: each is synced and published, then removed."""

    def __init__(self, server: Server, model_ids: list[str]):
        self.server, self.model_ids = server, model_ids
        self.problems: list[str] = []
        self.done = 0
        self.bytes = self.seconds = 0.0

    def _keep(self, name: str, model_id: str, stop: threading.Event) -> None:
        try:
            while not stop.is_set():
                how = pull_through(self.server, name, model_id)
                if how == "completed":
                    self.done += 1
                    remove(self.server, name)
                elif not stop.is_set():
                    self.problems.append(f"{name}: {how}")
                    return
        except Exception as e:  # noqa: BLE001 - told at the end
            self.problems.append(repr(e))

    def _fetched(self) -> float:
        return self.server.metrics()["troupe_download_bytes_total"]

    @contextmanager
    def going(self) -> Iterator[None]:
        stop, names = threading.Event(), [f"beside{n}" for n in range(len(self.model_ids))]
        threads = [threading.Thread(target=self._keep, args=(n, m, stop)) for n, m in zip(names, self.model_ids)]
        before, begin = self._fetched(), time.monotonic()
        for x in threads:
            x.start()
        try:
            yield
        finally:
            self.bytes += self._fetched() - before
            self.seconds += time.monotonic() - begin
            stop.set()
            while any(x.is_alive() for x in threads):  # one may just have begun anew
                for name in names:
                    remove(self.server, name)
                time.sleep(0.05)


@contextmanager
def curls(hub: Hub, model_ids: list[str]) -> Iterator[None]:
    """The same bytes at the same rate by two curls, written and synced, with no digest: what the machine itself takes."""
    script = 'while :; do curl -sfL --limit-rate "$1" -o "$2" "$3"; sync "$2"; done'
    processes = [subprocess.Popen(["sh", "-c", script, "sh", str(EACH * MB), str(SETTINGS.work / f"curl{n}"), address(hub, m)],
                                  env=environment(hub), start_new_session=True) for n, m in enumerate(model_ids)]
    try:
        yield
    finally:
        for process in processes:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def windows(t: Table, case: str, ask, pulls: Pulls, hub: Hub) -> None:
    """Quiet, pulls, quiet, curls, over and over: each is held against the quiet on its two sides."""
    quiet: list[Run] = [ask()]
    pulled: list[Run] = []
    curled: list[Run] = []
    for _ in range(2 * SETTINGS.rounds):
        with pulls.going():
            pulled.append(ask())
        quiet.append(ask())
        with curls(hub, pulls.model_ids):
            curled.append(ask())
        quiet.append(ask())
    for name, bounded in (("p50", False), ("p99", True), ("longest", False)):
        q, p, c = ([getattr(r, name) for r in runs] for runs in (quiet, pulled, curled))
        beside_pulls = median([x / ((q[2 * n] + q[2 * n + 1]) / 2) for n, x in enumerate(p)])
        beside_curls = median([x / ((q[2 * n + 1] + q[2 * n + 2]) / 2) for n, x in enumerate(c)])
        label = "longest wait" if name == "longest" else name
        t.row(f"{case}: {label}, us", f"{median(q):,.0f} ({min(q):,.0f} to {max(q):,.0f})", f"{median(c):,.0f}", f"{median(p):,.0f}",
              fmt(beside_curls, 2), fmt(beside_pulls, 2), f"at most {MOST:.2f}" if bounded else "",
              verdict(beside_pulls <= MOST) if bounded else "")
    errors = sum(r.errors for r in quiet + pulled + curled)
    t.note(f"{case}: {len(pulled)} windows of {SETTINGS.seconds:g} s with pulls, {errors} errors.")


def latency(hub: Hub) -> Table:
    t = Table(f"12. Beside pulls: a resident 6x384 while two artifacts come at {EACH} MB/s each", "what", "quiet (lowest to highest)",
              "with curls (limit)", "with pulls", "curls / quiet", "pulls / quiet", "target", "")
    each = round(0.8 * EACH * SETTINGS.seconds)  # a whole pull, to its publication, is in each window
    model_ids = [add(hub, each, name) for name in ("a", "b")]
    server = resident("beside", hub, download_rate_limit_mb_s=2 * EACH * MB / 2**20)
    try:
        url, texts = f"{server.url}/predict", texts_file("beside", [32] * 512)
        kw = dict(texts=texts, model="resident")
        full = generate(url, seconds=1, concurrency=16, **kw).rate
        part = max(1.0, full * 0.3)  # a steady load that leaves room
        pulls = Pulls(server, model_ids)
        for case, more in ((f"{part:.0f}/s, 4 clients", dict(concurrency=4, rate=part)),
                           ("16 clients, as fast as answers come", dict(concurrency=16))):
            windows(t, case, lambda: generate(url, seconds=SETTINGS.seconds, **kw, **more), pulls, hub)
        t.note(f"{pulls.done} pulls of {each} MB were completed in the windows, {pulls.bytes / pulls.seconds / MB:.0f} MB/s in all "
               f"(download_rate_limit_mb_s), {len(pulls.problems)} problems{': ' + pulls.problems[0] if pulls.problems else ''}.")
        t.note("Ratios: medians, each window against the mean of the quiet ones before and after it. The hub that sends is on this "
               "machine, too: two curls at the same rate, without digests, tell what that takes.")
    finally:
        server.stop()
    return t


def first_batches(hub: Hub) -> Table:
    """The page cache holds the resident model's weights, and what is pulled goes through it."""
    megabytes = 200 if SETTINGS.quick else 2000
    t = Table(f"12. The first answer after a pull of {megabytes:,} MB", "what", "after as long a rest (limit)", "after a pull", "ratio",
              "target", "")
    model_id = add(hub, megabytes)
    server = resident("after", hub)
    try:
        text = checkpoints.words_text(32, 1, 30522)

        def answer_ms() -> float:
            begin = time.perf_counter()
            assert server.predict(text, "resident").status_code == 200
            return 1000 * (time.perf_counter() - begin)

        for _ in range(50):
            answer_ms()
        weights = max(mapped_by(server.process.pid, "/.store/ready/"), key=lambda p: p.stat().st_size)
        rested, after, shares, kept, grown = [], [], [], [], []
        for _ in range(SETTINGS.rounds + 2):
            cached, begin = cached_mib(), time.monotonic()
            if (how := pull_through(server, "large", model_id)) != "completed":
                raise RuntimeError(f"the pull is {how}: {server.log(5)}")
            took_s = time.monotonic() - begin
            shares.append(cached_share(weights))
            after.append(answer_ms())
            (there,) = (store_of(server) / "large").glob("@*/model.safetensors")
            kept.append(cached_share(there))
            grown.append(cached_mib() - cached)
            remove(server, "large")
            time.sleep(took_s)
            rested.append(answer_ms())
        ratio = median([a / r for a, r in zip(after, rested)])
        t.row("first answer, ms", fmt(median(rested), 2), fmt(median(after), 2), fmt(ratio, 2), f"at most {MOST:.2f}",
              verdict(ratio <= MOST))
        t.row("the longest of them, ms", fmt(max(rested), 2), fmt(max(after), 2), "", "", "")
        t.row("the resident weights in the page cache", "100 %", f"{100 * min(shares):.1f} %", "", "100 %", verdict(min(shares) == 1))
        t.row("what was pulled in the page cache", "", f"{100 * median(kept):.0f} %", "", "", "")
        t.note(f"{len(after)} rounds, medians; weights: the least. Cached of the machine grew by {median(grown):,.0f} MiB with a pull.")
    finally:
        server.stop()
    return t


def beside_pulls() -> Iterator[Table]:
    with Hub() as hub:
        yield latency(hub)
        yield first_batches(hub)
        if hub.problems:
            raise RuntimeError(hub.problems[0])
