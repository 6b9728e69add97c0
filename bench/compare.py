"""10: what users would take instead: ONNX Runtime, OpenVINO and PyTorch on the same model, beside our HTTP."""
from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import peer_models
from contenders import AGAIN_S, LONE, SIZES, THE_CLIENTS, WORKS, Contender, Engine, Peers, Refused, Troupe
from sweep import CHOICE
from tables import Table, fmt, median
from tools import NO_PARITY, SETTINGS, cores, has_bf16, parity_python

OTHERS = (("onnxruntime", "ONNX Runtime", "fp32"), ("onnxruntime", "ONNX Runtime", "int8"), ("openvino", "OpenVINO", "own choice"),
          ("openvino", "OpenVINO", "fp32"), ("torch", "PyTorch", "fp32"))
# The largest difference of a probability from PyTorch's in fp32; beyond it another thing was computed.
TOLERANCE = {"fp32": 1e-3, "bf16": 0.1, "int8": 0.25}


def agreement(computes_in: str, difference: dict) -> str:
    most, labels = difference["most"], difference["labels"]
    told = f"within {most:.1g}" + (f", {100 * labels:.0f} % of the labels" if labels < 1 else "")
    return told if most <= TOLERANCE.get(computes_in, 0.1) else f"**differs** by {most:.2g}, {100 * labels:.0f} % of the labels"


def contenders(model: str, peers: Peers, stack: ExitStack) -> tuple[list[Contender], list[str]]:
    """Those that run here; and of the rest, why not."""
    found: list[Contender] = []
    notes: list[str] = []

    def add(name: str, make) -> None:
        try:
            found.append(make())
            stack.callback(found[-1].stop)
        except Refused as e:
            notes.append(f"{name} is left out: {e}.")

    expected = peers.ask("reference")
    for precision in (*CHOICE.precisions, "int8"):
        if precision == "bf16" and not has_bf16():
            notes.append("troupe bf16 is left out: this CPU does not compute in it.")
            continue
        add(f"troupe {precision}", lambda: Troupe(model, precision, expected))
    for engine, name, precision in OTHERS:
        own = next((c for c in found if c.name == name and c.precision == f"own choice: {precision}"), None)
        if own:  # the same again
            own.precision += ", and by hint"
            continue
        add(f"{name} {precision}", lambda: Engine(peers, engine, name, precision))
    return found, notes


def table_of(title: str, work: str, found: list[Contender]) -> Table:
    t = Table(title, "engine", "precision", "a lone text, p50 ms", "the same over HTTP, p50 ms",
              *(f"batches of {rows}, texts/s" for rows in SIZES), f"{THE_CLIENTS} clients, texts/s", "batches as",
              "answers against PyTorch's in fp32")
    for c in found:
        lone = [fmt(median(times), 2) for times in zip(*c.lone_ms[work])]
        batches = [c.best(work, rows) for rows in SIZES]
        clients = c.best(work, "clients")
        computes_in = c.computes_in if isinstance(c, Engine) else c.precision
        t.row(c.name, c.precision, *lone, *[""] * (2 - len(lone)), *(fmt(rate, 1) for _, rate in batches),
              fmt(clients[1], 1) if clients else "", ", ".join(dict.fromkeys(plan for plan, _ in batches)),
              agreement(computes_in, c.differences[work]))
    return t


def compare(model: str, python: str) -> Iterator[Table]:
    with ExitStack() as stack:
        peers = stack.enter_context(Peers(python, model))
        found, notes = contenders(model, peers, stack)
        for n in range(SETTINGS.rounds):  # in turn: a neighbour's load hits all
            for c in found:
                took = c.round()
                print(f"    round {n + 1}: {c.name} {c.precision} {c.lone_ms['even'][-1][0]:.2f} ms ({took:.0f} s)", flush=True)
        versions = peers.ask("versions")
    for work, told in WORKS.items():
        t = table_of(f"10. What users would take instead: {model}, {told}, {cores()} threads", work, found)
        if work == list(WORKS)[-1]:
            add_notes(t, found, notes, versions)
        yield t


def add_notes(t: Table, found: list[Contender], notes: list[str], versions: dict[str, str]) -> None:
    t.note(f"Both tables: medians of {SETTINGS.rounds} rounds in turn; what takes more than {AGAIN_S:g} s was measured once. A lone text: "
           f"{LONE} one after another, the same for all; of troupe `infer` of Server-Timing, and what a client sees on an open connection. "
           "Batches: in the order that texts come, padded to the longest, with a mask; the better of one stream with all threads and of a "
           "stream a thread (streams x threads). troupe is asked the same texts by as many clients as two streams' batches have rows, and "
           "tokenizes them, which the engines need not.")
    t.note(", ".join(f"{name} {version}" for name, version in versions.items()) + ". ONNX Runtime's int8: quantize_dynamic, weights by "
           "output row, activations as they come. Random weights.")
    for c in found:
        if isinstance(c, Troupe):
            if c.errors:
                t.note(f"troupe {c.precision}: **{c.errors} requests failed**.")
            if c.measured:
                t.note(f"troupe {c.precision}, `precisions_measured`: " + ", ".join(
                    f"{m['precision']} {m['texts_per_second']:.4g} texts/s, differs by {m['difference']:.2g}" for m in c.measured) + ".")
    for line in notes:
        t.note(line)


def peers() -> Iterator[Table]:
    python = parity_python()
    if python is None:
        t = Table("10. What users would take instead: not measured")
        t.note(NO_PARITY)
        yield t
        return
    for model in CHOICE.models_of(peer_models.NAMES):
        yield from compare(model, python)
