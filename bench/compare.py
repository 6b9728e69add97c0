"""What users would take instead: ONNX Runtime, OpenVINO and PyTorch on the same model, beside bare LibTorch and our HTTP."""
from __future__ import annotations

import json
import pathlib
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

from bare import FULL_BATCH, TOKENS, BareLimit
from driver import Server
from sweep import CHOICE, load, serve
from tables import Table, fmt, median
from tools import MODELS, SETTINGS, SHAPES, checkpoint, cores, generate, texts_file

HERE = pathlib.Path(__file__).resolve().parent
ENVIRONMENT = [str(HERE.parent / "scripts/python-environment.sh"), "parity"]
ENGINES = {"onnxruntime": "ONNX Runtime", "openvino": "OpenVINO", "torch": "PyTorch"}
OTHERS = (("onnxruntime", "fp32"), ("onnxruntime", "int8"), ("openvino", "fp32"), ("openvino", "bf16"), ("torch", "fp32"))
# The largest difference of a probability from PyTorch's in fp32; beyond it another thing was computed.
TOLERANCE = {"fp32": 1e-3, "bf16": 0.1, "int8": 0.25}


class Peers:
    """bench/peers.py in its own Python."""

    def __init__(self, python: str, shape: str):
        self.process = subprocess.Popen(
            [python, str(HERE / "peers.py"), str(checkpoint(shape, **SHAPES[shape])), str(MODELS / f"{shape}-onnx"),
             str(texts_file("sweep", [TOKENS] * 2048)), str(cores())],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=open(SETTINGS.work / "peers.log", "a"), text=True)

    def __enter__(self) -> "Peers":
        return self

    def __exit__(self, *_) -> None:
        self.process.stdin.close()
        self.process.wait(60)

    def ask(self, do: str, **more) -> dict:
        print(json.dumps({"do": do, **more}), file=self.process.stdin, flush=True)
        line = self.process.stdout.readline()
        if not line:
            log = (SETTINGS.work / "peers.log").read_text().strip().splitlines()
            raise RuntimeError(f"peers.py ended with {self.process.wait()}: {log[-1] if log else ''}")
        return json.loads(line)


class Contender:
    """One row: how it is measured, and what was found round by round."""

    def __init__(self, name: str, precision: str, lone: Callable[[], float], full: Callable[[], dict[str, float]], answers: str):
        self.name, self.precision, self.lone, self.full, self.answers = name, precision, lone, full, answers
        self.lone_ms: list[float] = []
        self.rates: dict[str, list[float]] = {}

    def round(self) -> None:
        self.lone_ms.append(self.lone())
        for plan, rate in self.full().items():
            self.rates.setdefault(plan, []).append(rate)

    def best(self) -> tuple[str, float]:
        return max(((plan, median(rates)) for plan, rates in self.rates.items()), key=lambda found: found[1])


def agreement(precision: str, difference: float, labels: float) -> str:
    told = f"within {difference:.1g}" + (f", {100 * labels:.0f} % of the labels" if labels < 1 else "")
    return told if difference <= TOLERANCE[precision] else f"**differs** by {difference:.2g}, {100 * labels:.0f} % of the labels"


def our_agreement(server: Server, shape: str, precision: str, expected: list[list[float]]) -> str:
    """Over HTTP, of the same texts, against PyTorch's answers."""
    texts = texts_file("sweep", [TOKENS] * 2048).read_text().splitlines()[:len(expected)]
    with ThreadPoolExecutor(8) as pool:
        found = [list(a.json()["probabilities"].values()) for a in pool.map(lambda text: server.predict(text, shape), texts)]
    difference = max(abs(x - y) for f, e in zip(found, expected) for x, y in zip(f, e))
    labels = sum(f.index(max(f)) == e.index(max(e)) for f, e in zip(found, expected)) / len(expected)
    return agreement(precision, difference, labels)


def full_seconds(batch_s: float) -> float:
    return max(1.0, 2 * batch_s)


def served(server: Server, shape: str, precision: str, batch_s: float, expected: list[list[float]]) -> Contender:
    clients = 2 * cores() * FULL_BATCH

    def full() -> dict[str, float]:
        run = generate(**load(server, shape, clients, max(1.0, 3 * batch_s), batch_s))
        return {f"{clients} clients": run.rate}

    return Contender("troupe over HTTP", precision, lambda: generate(**load(server, shape, 1, 1.0, 0.2)).p50 / 1000, full,
                     our_agreement(server, shape, precision, expected))


def alone(bare: BareLimit, batch_s: float) -> Contender:
    n, full = cores(), full_seconds(batch_s)
    plans = {f"1x{n}": ([FULL_BATCH], n), f"{n}x1": ([FULL_BATCH] * n, 1)}
    return Contender("bare LibTorch", bare.precision, lambda: bare.measure([1], 1.0, threads=n)["batch_ms"],
                     lambda: {plan: bare.measure(batches, full, threads=t)["rate"] for plan, (batches, t) in plans.items()},
                     "random weights of its own")


def others(peers: Peers, batch_s: float) -> tuple[list[Contender], list[str]]:
    """Those that run here; and of the rest, why not."""
    found, notes = [], []
    for engine, precision in OTHERS:
        if precision != "int8" and precision not in CHOICE.precisions:
            continue
        key = {"engine": engine, "precision": precision}
        made = peers.ask("prepare", **key)
        if not made["ok"]:
            notes.append(f"{ENGINES[engine]} {precision} is left out: {made['why']}.")
            continue
        found.append(Contender(
            ENGINES[engine], precision, lambda key=key: peers.ask("lone", seconds=1.0, **key)["p50_ms"],
            lambda key=key: peers.ask("full", rows=FULL_BATCH, seconds=full_seconds(batch_s), **key)["rates"],
            agreement(precision, made["difference"], made["labels"])))
    return found, notes


def compare(shape: str, python: str) -> Table:
    t = Table(f"10. What users would take instead: {shape}, texts of {TOKENS} tokens, {cores()} threads", "engine", "precision",
              "a lone text, p50 ms", "full batches, texts/s", "best as", "answers against PyTorch's in fp32")
    with ExitStack() as stack:
        peers = stack.enter_context(Peers(python, shape))
        expected = peers.ask("probabilities")["probabilities"]
        contenders, notes, slowest_s = [], [], 0.0
        for precision in CHOICE.precisions:
            bare = stack.enter_context(BareLimit(shape, precision))
            if why := bare.left_out(CHOICE.longest_batch_s):
                notes.append(f"Of bare LibTorch and troupe, {why}")
                continue
            batch_s = bare.measure([FULL_BATCH] * cores(), 0.2, least=1)["batch_ms"] / 1000
            slowest_s = max(slowest_s, batch_s)
            server = serve(f"compare-{shape}-{precision}", [shape], precision)
            stack.callback(server.stop)
            contenders += [served(server, shape, precision, batch_s, expected), alone(bare, batch_s)]
        found, why_not = others(peers, slowest_s)
        contenders += found
        for n in range(SETTINGS.rounds):  # in turn: a neighbour's load hits all
            for c in contenders:
                c.round()
                print(f"    round {n + 1}: {c.name} {c.precision} {c.lone_ms[-1]:.2f} ms", flush=True)
        versions = peers.ask("versions")
    for c in contenders:
        plan, rate = c.best()
        t.row(c.name, c.precision, fmt(median(c.lone_ms), 2), rate, plan, c.answers)
    t.note(f"Medians of {SETTINGS.rounds} rounds in turn. Batches of {FULL_BATCH} texts, none padded; best of one stream with all threads "
           "and of a stream a thread (streams x threads). A lone text has all threads, over HTTP what the server gives it.")
    t.note(", ".join(f"{name} {version}" for name, version in versions.items()) + ". int8: weights by output row, activations quantized "
           "as they come (quantize_dynamic).")
    for line in notes + why_not:
        t.note(line)
    return t


def peers() -> Iterator[Table]:
    found = subprocess.run([*ENVIRONMENT, "--if-there"], capture_output=True, text=True)
    if found.returncode != 0:
        t = Table("10. What users would take instead: not measured")
        t.note("The Python environment of scripts/parity.txt is missing: `make parity` makes it (some 5 GB).")
        yield t
        return
    for shape in CHOICE.models:
        yield compare(shape, found.stdout.strip())
