"""Who is compared on one model: troupe over HTTP, and the engines that bench/peers.py runs; each measured round by round."""
from __future__ import annotations

import json
import pathlib
import random
import re
import statistics
import time

import driver
import peer_models
from lines import LineProcess
from tables import median
from tools import MODELS, SETTINGS, cores, generate, start, texts_file

HERE = pathlib.Path(__file__).resolve().parent
WORKS = {"even": "texts of 32 tokens", "mixed": "texts of 8 to 256 tokens"}
LENGTHS = list(range(8, 257, 8))  # of mixed texts: each batch of 32 has each of them once, in an order of its own
SIZES = (8, 32)  # rows of a batch
THE_CLIENTS = 32  # whom the server is also asked by, whatever the engines' batches are
LONE = 16  # texts that are asked one after another, the same for all
AGAIN_S = 2.5  # what takes longer is measured once, and as it did best with smaller batches
PATIENCE_MS = 600_000  # the last of 64 clients waits for all others


def work_texts(work: str) -> pathlib.Path:
    if work == "even":
        return texts_file(work, [32] * 2048)
    rng = random.Random(7)
    return texts_file(work, [n for _ in range(64) for n in rng.sample(LENGTHS, len(LENGTHS))])


class Refused(Exception):
    """It does not run here; says why."""


class Contender:
    """One row. `loads` are what it is measured under, beside lone texts: batches of so many rows, or clients."""

    loads: tuple = SIZES

    def __init__(self, name: str, precision: str, differences: dict[str, dict]):
        self.name, self.precision, self.differences = name, precision, differences
        self.lone_ms: dict[str, list[tuple[float, ...]]] = {work: [] for work in WORKS}
        self.rates: dict[tuple, dict[str, list[float]]] = {}
        self.took_s: dict[tuple, float] = {}
        self.plan_before: str | None = None

    def lone(self, work: str) -> tuple[float, ...]:
        raise NotImplementedError

    def plans(self, load) -> list[str]:
        raise NotImplementedError

    def rate(self, work: str, load, plan: str) -> float:
        raise NotImplementedError

    def stop(self) -> None:
        pass

    def best(self, work: str, load) -> tuple[str, float] | None:
        found = self.rates.get((work, load))
        return max(((plan, median(rates)) for plan, rates in found.items()), key=lambda x: x[1]) if found else None

    def round(self) -> float:
        """Seconds that it took."""
        first = time.monotonic()
        for work in WORKS:
            if self.took_s.get(("lone", work), 0) < AGAIN_S:
                begin = time.monotonic()
                self.lone_ms[work].append(self.lone(work))
                self.took_s["lone", work] = time.monotonic() - begin
            for load in self.loads:
                if self.took_s.get((work, load), 0) < AGAIN_S:
                    self._measure(work, load)
        return time.monotonic() - first

    def _measure(self, work: str, load) -> None:
        best = self.best(work, load)
        order = sorted(self.plans(load), key=lambda plan: plan != self.plan_before) if best is None else [best[0]]
        for plan in order:
            begin = time.monotonic()
            self.rates.setdefault((work, load), {}).setdefault(plan, []).append(self.rate(work, load, plan))
            took = self.took_s[work, load] = time.monotonic() - begin
            if took > AGAIN_S:
                break
        self.plan_before = self.best(work, load)[0]


def window_s() -> float:
    return 0.5 if SETTINGS.quick else 0.8


# --- the server -----------------------------------------------------------------------------------

class Troupe(Contender):
    """A server of its own for each precision; clients instead of batches: as many as two streams' rows."""

    loads = (*SIZES, "clients")

    def __init__(self, model: str, precision: str, expected: dict[str, list[list[float]]]):
        self.model, self.errors = model, 0
        # Random weights are sharper than trained ones: int8 would be refused.
        self.server = start(f"compare-{model}-{precision}", {model: {"path": str(peer_models.folder_of(model))}},
                            {"precision": precision, "precision_tolerance": 1.0, "request_timeout_ms": PATIENCE_MS,
                             "load_timeout_ms": PATIENCE_MS, "slot_timeout_ms": PATIENCE_MS})
        try:
            for step in ("load", "warmup"):
                answer = self.server.post(f"/models/{model}/{step}", timeout=PATIENCE_MS / 1000)
                if answer.status_code != 200:
                    raise Refused(answer.json().get("message", answer.text[:200]))
            self.measured = self.server.model(model)["model_info"]["precisions_measured"]
            super().__init__("troupe", precision, {work: self._difference(work, rows) for work, rows in expected.items()})
        except BaseException:
            self.server.stop()
            raise

    def stop(self) -> None:
        self.server.stop()

    def _difference(self, work: str, expected: list[list[float]]) -> dict:
        texts = work_texts(work).read_text().splitlines()[:len(expected)]
        found = [list(a.json()["probabilities"].values())
                 for a in self.server.many([lambda text=text: self.server.predict(text, self.model) for text in texts], 8)]
        return {"most": max(abs(x - y) for f, e in zip(found, expected) for x, y in zip(f, e)),
                "labels": statistics.mean(f.index(max(f)) == e.index(max(e)) for f, e in zip(found, expected))}

    def lone(self, work: str) -> tuple[float, ...]:
        """The median of `infer` in Server-Timing, and of whole requests on a connection that stays open."""
        bodies = [json.dumps({"text": text, "model_name": self.model}).encode()
                  for text in work_texts(work).read_text().splitlines()[:LONE]]
        infer, whole, end = [], [], time.perf_counter() + window_s() / 2
        with driver.Raw(self.server) as raw:
            while not whole or time.perf_counter() < end:
                for body in bodies:
                    begin = time.perf_counter()
                    raw.request("POST", "/predict", body, {"Content-Type": "application/json"})
                    status, headers, answer = raw.response()
                    whole.append(1000 * (time.perf_counter() - begin))
                    if status != 200:
                        raise RuntimeError(answer[:200].decode())
                    infer.append(float(re.search(r"infer;dur=([\d.]+)", headers["server-timing"]).group(1)))
        return median(infer), median(whole)

    def clients(self, load) -> int:
        return THE_CLIENTS if load == "clients" else 2 * load

    def plans(self, load) -> list[str]:
        return [f"{self.clients(load)} clients"]

    def rate(self, work: str, load, plan: str) -> float:
        clients, common = self.clients(load), dict(url=f"{self.server.url}/predict", model=self.model, texts=work_texts(work),
                                                   timeout_s=PATIENCE_MS / 1000)
        about = cores() * 1000 / self.lone_ms[work][-1][0]  # texts/s, until it is known
        if clients / about < window_s() / 2:
            run = generate(concurrency=clients, seconds=window_s(), warmup_s=window_s() / 4, **common)
            rate = run.rate
        else:  # as the engines begin and end: the first texts come when nothing runs, the last batch may be alone
            run = generate(concurrency=clients, requests=clients * max(1, round(2 * window_s() * about / clients)), **common)
            rate = float(run.raw["requests_per_second"])
        self.errors += run.errors
        return rate


# --- the engines ----------------------------------------------------------------------------------

class Peers(LineProcess):
    """bench/peers.py in its own Python."""

    def __init__(self, python: str, model: str):
        files = [f"{work}={work_texts(work)}" for work in WORKS]
        super().__init__([python, str(HERE / "peers.py"), str(peer_models.folder_of(model)), str(MODELS / f"{model}-onnx"), str(cores()),
                          *files], "peers.log")


class Engine(Contender):
    def __init__(self, peers: Peers, engine: str, name: str, precision: str):
        self.peers, self.key = peers, {"engine": engine, "precision": precision}
        made = peers.ask("prepare", **self.key)
        if not made["ok"]:
            raise Refused(made["why"])
        self.computes_in, self.known_plans = made["computes_in"], made["plans"]
        told = precision if precision == self.computes_in else f"{precision}: {self.computes_in}"
        super().__init__(name, told, made["differences"])

    def lone(self, work: str) -> tuple[float, ...]:
        return (self.peers.ask("lone", work=work, count=LONE, seconds=window_s() / 2, **self.key)["p50_ms"],)

    def plans(self, load) -> list[str]:
        return self.known_plans

    def rate(self, work: str, load, plan: str) -> float:
        return self.peers.ask("full", work=work, rows=load, plan=plan, seconds=window_s(), **self.key)["rate"]
