"""Two models under load at the same time: as many clients for each."""
from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

from bare import FULL_BATCH, BareLimit
from driver import Server
from rules import natural_batches
from sweep import CHOICE, Windows, count_verdicts, left_out, load, over_starts, starts_table
from tables import Table, fmt, median
from tools import SHAPES, Run, cores, generate_patiently, generator

COUNTS, START_COUNTS = (1, 8, 32, 64), (8, 32)  # clients of each model


@dataclass
class Measured:
    """One of the two models, with the other one under load."""

    bare: float
    served: float
    p50_ms: float


@dataclass
class PairPoint:
    clients: int
    batch: int
    models: dict[str, Measured]
    share: float  # both models' shares of their own limits together: 1 where no core waits and nothing is lost
    errors: int

    def told(self) -> str:
        return ", ".join(f"{name} {m.served:.1f} of {m.bare:.1f} texts/s" for name, m in self.models.items()) + f", {self.share:.2f}"


def settle(server: Server) -> None:
    """Until no slot runs a batch any more: what a client that is gone had asked for may still be running."""
    server.until(lambda: server.metrics()["troupe_compute_slots_busy"] == 0, limit_s=60, every_s=0.02)


def beside(server: Server, shape: str, other: str, clients: int, seconds: float, warmup_s: float) -> Run:
    """Loads one model while as many clients load the other, from before it until after it."""
    background = subprocess.Popen(generator(**load(server, other, clients, 600, 0)), stdout=subprocess.DEVNULL)
    try:
        return generate_patiently(**load(server, shape, clients, seconds, warmup_s))
    finally:
        background.terminate()
        background.wait(60)
        settle(server)


def measure(server: Server, bares: dict[str, BareLimit], clients: int) -> PairPoint:
    busy = min(2 * clients, cores())  # slots that both models together keep busy
    batches = natural_batches(max(clients, busy), busy, FULL_BATCH)
    # The slower model's batches: the other one's wait for them.
    w = Windows.of(max(b.measure(batches, 0.2, least=1)["batch_ms"] for b in bares.values()) / 1000)
    rounds: list[dict[str, Measured]] = []
    shares: list[float] = []
    errors = 0
    while w.more(shares):
        rounds.append({})
        for shape, other in (list(bares), list(bares)[::-1]):
            before = bares[shape].measure(batches, **w.bare)["rate"]
            run = beside(server, shape, other, clients, w.served_s, 2 * w.warmup_s)
            limit = 0.5 * (before + bares[shape].measure(batches, **w.bare)["rate"])
            rounds[-1][shape] = Measured(limit, run.rate, run.p50 / 1000)
            errors += run.errors
        shares.append(sum(m.served / m.bare for m in rounds[-1].values()))
    models = {shape: Measured(*(median([getattr(r[shape], what) for r in rounds]) for what in ("bare", "served", "p50_ms")))
              for shape in bares}
    return PairPoint(clients, batches[0], models, median(shares), errors)


def counts_table(title: str, points: list[PairPoint]) -> Table:
    names = list(points[0].models)
    t = Table(title, "clients of each", "batch", *(f"{n}: {what}" for n in names for what in ("bare, texts/s", "served, texts/s", "p50, ms")),
              "shares together", "")
    texts, all_of_them = count_verdicts(points)
    for p, text in zip(points, texts):
        t.row(fmt(p.clients), fmt(p.batch), *(x for m in p.models.values() for x in (m.bare, m.served, m.p50_ms)), fmt(p.share, 2), text)
    t.note("Each model is measured while as many clients keep the other busy; its bare limit is alone, on the cores that both keep busy.")
    t.note(all_of_them)
    return t


def pair() -> Iterator[Table]:
    usual, again = CHOICE.of(COUNTS, START_COUNTS)
    for precision in CHOICE.precisions:
        title = f"9. Two models under load: {' and '.join(SHAPES)} {precision}"
        with ExitStack() as stack:
            bares = {shape: stack.enter_context(BareLimit(shape, precision)) for shape in SHAPES}
            if why := [w for b in bares.values() if (w := b.left_out(CHOICE.longest_batch_s))]:
                yield left_out(title, why)
                continue
            starts, slots = over_starts(f"pair-{precision}", list(SHAPES), precision, usual, again,
                                        lambda server, clients: measure(server, bares, clients))
        yield counts_table(title, list(starts[0].values()))
        if len(starts) > 1:
            yield starts_table(f"{title}, {len(starts)} starts of the server", starts, slots)
