"""Loads, unloads, warm-ups, cleanups and requests from all sides while the registry changes and SIGHUPs rain: every answer
is right for a registration that was in force during its request, and in the end nothing is left in the ledger.

TROUPE_STORM_S: how long (60 s); TROUPE_STORM_SEED: to repeat one (the seed is printed)."""
import dataclasses
import json
import os
import random
import signal
import threading
import time

import pytest

import checkpoints
from driver import SLOW, metric_sum, quote

SECONDS = float(os.environ.get("TROUPE_STORM_S", "60"))
NAMES = ["a", "b", "c", "org/d"]
LENGTHS = [0, 6, 16]  # 0: the checkpoint's own
LABELS = [None, ["one", "two", "three", "four", "five"], ["v", "w", "x", "y", "z"]]
TEXTS = [checkpoints.words_text(n, seed=n) for n in (4, 7, 12, 20, 30)]
SHAPE = checkpoints.Bert(hidden=16, layers=1, heads=2, positions=64)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("storm")
    return [checkpoints.write_bert(root / f"m{seed}", dataclasses.replace(SHAPE, seed=seed)) for seed in (1, 2, 3)]


@dataclasses.dataclass(frozen=True)
class Variant:
    """What a registration says, as far as answers show it."""
    folder: int
    length: int
    labels: int

    def entry(self, folders, note: str) -> dict:
        out = {"path": str(folders[self.folder]), "description": note}
        if self.length:
            out["max_length"] = self.length
        if LABELS[self.labels]:
            out["labels"] = LABELS[self.labels]
        return out


BROKEN = "broken"  # a folder that is not there


class Answers:
    """What is right, computed independently."""

    def __init__(self, folders):
        self.folders, self.known, self.lock = folders, {}, threading.Lock()

    def right(self, v: Variant, text: str) -> list[float]:
        key = (v.folder, v.length, text)
        with self.lock:
            if key not in self.known:
                shape = dataclasses.replace(SHAPE, positions=v.length or SHAPE.positions)
                self.known[key] = checkpoints.reference(self.folders[v.folder], shape, text)
            return self.known[key]

    def fits(self, v: Variant, text: str, probabilities: dict) -> bool:
        labels = LABELS[v.labels]
        if labels and list(probabilities) != labels or not labels and set(probabilities) & {"one", "v"}:
            return False
        return list(probabilities.values()) == pytest.approx(self.right(v, text), abs=2e-3)


class History:
    """The registrations of each model, in the order in which they were written; None: it was not registered."""

    def __init__(self):
        self.lock = threading.Lock()
        self.written = {name: [] for name in NAMES}   # (time, what)
        self.settled = {name: [(0.0, 0)] for name in NAMES}  # from when on nothing before that index answers

    def write(self, registry: dict) -> None:
        with self.lock:
            for name in NAMES:
                self.written[name].append((time.monotonic(), registry.get(name)))

    def settle(self, name: str, index: int, at: float) -> None:
        with self.lock:
            self.settled[name].append((at, index))

    def possible(self, name: str, begin: float, end: float) -> list:
        with self.lock:
            first = max(index for at, index in self.settled[name] if at <= begin)
            return [what for at, what in self.written[name][first:] if at <= end]


class Storm:
    def __init__(self, server, answers: Answers, seed: int):
        self.server, self.answers, self.seed = server, answers, seed
        self.history, self.stop, self.problems = History(), threading.Event(), []
        self.done = {"answers": 0, "refusals": 0, "orders": 0, "registries": 0, "settled": 0}
        self.lock = threading.Lock()

    def count(self, what: str) -> None:
        with self.lock:
            self.done[what] += 1

    def problem(self, text: str) -> None:
        with self.lock:
            self.problems.append(text)

    # -- the registry --

    def install(self, registry: dict, signals: int = 1) -> None:
        """Writes it, and has it read; which of the registries of a storm are read nobody knows but of the last."""
        with self.history.lock:
            number = len(self.history.written[NAMES[0]])
        self.history.write(registry)
        entries = {}
        for name, what in registry.items():
            note = f"v{number}"
            entries[name] = ({"path": str(self.answers.folders[0]) + "-gone", "description": note} if what == BROKEN
                             else what.entry(self.answers.folders, note))
        fresh = self.server.registry_file.with_suffix(".new")
        fresh.write_text(json.dumps({"models": entries}))
        os.replace(fresh, self.server.registry_file)
        for _ in range(signals):
            self.server.process.send_signal(signal.SIGHUP)
        self.count("registries")
        self.number = number

    def in_force(self, name: str) -> bool:
        answer = self.server.get(f"/models/{quote(name)}")
        return answer.status_code == 200 and answer.json()["model_info"]["description"] == f"v{self.number}"

    def random_registry(self, rng: random.Random) -> dict:
        out = {}
        for name in NAMES:
            chance = rng.random()
            if chance < 0.1:
                continue
            out[name] = BROKEN if chance < 0.15 else Variant(rng.randrange(3), rng.choice(LENGTHS), rng.randrange(3))
        return out

    def operator(self) -> None:
        rng = random.Random(self.seed)
        while not self.stop.is_set():
            for _ in range(rng.choice([1, 1, 2, 8])):
                registry = self.random_registry(rng)
                self.install(registry, rng.choice([1, 1, 5]))
            served = [name for name, what in registry.items() if what != BROKEN]
            if served and rng.random() < 0.7:
                name = rng.choice(served)
                self.server.until(lambda: self.in_force(name), 30)
                # The load is answered when what is resident is what the registry says now.
                answer = self.server.post(f"/models/{quote(name)}/load")
                if answer.status_code == 200:
                    self.history.settle(name, self.number, time.monotonic())
                    self.count("settled")
                elif answer.status_code not in (409, 504):  # unloaded meanwhile
                    self.problem(f"load of {name}: {answer.status_code} {answer.text[:300]}")
            self.stop.wait(rng.random() * 0.3)

    # -- everybody else --

    def client(self, number: int) -> None:
        rng = random.Random(self.seed * 1000 + number)
        while not self.stop.is_set():
            name, texts = rng.choice(NAMES), [rng.choice(TEXTS) for _ in range(rng.choice([1, 1, 3]))]
            cached, begin = rng.random() < 0.7, time.monotonic()
            if len(texts) == 1:
                answer = self.server.predict(texts[0], name, cached=cached)
            else:
                answer = self.server.predict(None, name, cached=cached, inputs=texts)
            possible = self.history.possible(name, begin, time.monotonic())
            if answer.status_code == 200:
                results = answer.json()["results"] if len(texts) > 1 else [answer.json()]
                self.check(name, texts, results, possible)
            else:
                self.check_refusal(name, answer, possible)

    def check(self, name: str, texts: list[str], results: list[dict], possible: list) -> None:
        self.count("answers")
        variants = [v for v in possible if isinstance(v, Variant)]
        # All of one request come from one model.
        if not any(all("probabilities" in r and self.answers.fits(v, t, r["probabilities"])
                       for t, r in zip(texts, results)) for v in variants):
            self.problem(f"{name}: {texts} gave {results}; right would be one of {variants}")

    def check_refusal(self, name: str, answer, possible: list) -> None:
        self.count("refusals")
        why = answer.json()["code"]
        fine = (answer.status_code == 404 and None in possible
                or answer.status_code == 409  # unloaded while it waited
                or answer.status_code in (500, 503) and BROKEN in possible
                or answer.status_code == 503 and why == "UNAVAILABLE")
        if not fine:
            self.problem(f"{name}: {answer.status_code} {answer.text[:400]}; registrations {possible}")

    def order(self, number: int) -> None:
        rng = random.Random(self.seed * 1000 + number)
        while not self.stop.is_set():
            name, begin = rng.choice(NAMES), time.monotonic()
            what = rng.choice(["load", "load", "unload", "warmup", "cleanup"])
            path = "/cleanup" if what == "cleanup" else f"/models/{quote(name)}/{what}"
            calls = [lambda: self.server.post(path)] * rng.choice([1, 2, 4])  # at once
            for answer in self.server.many(calls, 4):
                self.count("orders")
                if answer.status_code == 200:
                    continue
                self.check_refusal(name, answer, self.history.possible(name, begin, time.monotonic()))
            self.stop.wait(rng.random() * 0.05)

    def guarded(self, run, *arguments):
        def go():
            try:
                run(*arguments)
            except Exception as e:  # noqa: BLE001 - every failure is a finding
                self.problem(repr(e))
                self.stop.set()
        return threading.Thread(target=go, daemon=True)


def test_storm(serve, folders):
    seed = int(os.environ.get("TROUPE_STORM_SEED", random.randrange(1 << 31)))
    print(f"TROUPE_STORM_SEED={seed}", flush=True)
    answers = Answers(folders)
    server = serve({}, {"max_models": 3, "min_resident_ms": 20, "max_eviction_wait_ms": 50, "prediction_cache_mb": 8,
                        "restart_backoff_max_ms": 200})
    storm = Storm(server, answers, seed)
    first = {name: Variant(n % 3, 0, 0) for n, name in enumerate(NAMES)}
    storm.install(first)
    server.until(lambda: storm.in_force(NAMES[-1]))
    threads = [storm.guarded(storm.operator)]
    threads += [storm.guarded(storm.client, n) for n in range(1, 5)]
    threads += [storm.guarded(storm.order, n) for n in range(5, 8)]
    for t in threads:
        t.start()
    storm.stop.wait(SECONDS)
    storm.stop.set()
    for t in threads:
        t.join(60 * SLOW)
    print(storm.done)
    assert not any(t.is_alive() for t in threads)
    assert not storm.problems, f"seed {seed}: {len(storm.problems)} problems, first: {storm.problems[:3]}"
    assert storm.done["answers"] > 20 and storm.done["settled"] > 0

    # The last word of the registry is what is served, and all that was loaded comes back.
    last = {name: Variant((n + 1) % 3, LENGTHS[n % 3], n % 3) for n, name in enumerate(NAMES)}
    storm.install(last)
    for name in NAMES:
        server.until(lambda: storm.in_force(name))
    for _ in range(2):
        for name in NAMES:
            server.load(name)
            for text in TEXTS:
                for cached in (True, True, False):
                    answer = server.predict(text, name, cached=cached)
                    assert answer.status_code == 200, answer.text
                    assert answers.fits(last[name], text, answer.json()["probabilities"]), (name, text, answer.text)
        for name in NAMES:
            server.unload(name)
        server.until(lambda: not server.resident())
        stats = server.stats()
        assert stats["cache_stats"]["memory_usage"]["used_mb"] == 0
        assert stats["system_stats"]["reserved_mb"] == stats["system_stats"]["draining_mb"] == 0
        metrics = server.metrics()
        assert metric_sum(metrics, "troupe_model_instances") == metric_sum(metrics, "troupe_queue_items") == 0
        assert metrics["troupe_load_waiters"] == metrics["troupe_in_flight_items"] == 0
