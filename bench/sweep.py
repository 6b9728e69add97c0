"""Every number of clients: what a server gives of what the machine could give at the batch size that so many clients
allow. A benchmark at one number of clients measures one accident, and so does one start of the server."""
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from bare import FULL_BATCH, TOKENS, BareLimit
from driver import Server
from rules import LEAST, judge_counts, judge_starts, natural_batches
from tables import Table, fmt, median
from tools import SETTINGS, SHAPES, Run, checkpoint, cores, generate_patiently, precision_of, start, texts_file

PRECISIONS = ("fp32", "bf16")
COUNTS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 31, 32, 33, 48, 64, 128, 256)
START_COUNTS = (1, 8, 31, 32, 33, 64)
QUICK_COUNTS = (1, 8, 32, 33)
STARTS = 3
LONGEST_BATCH_S = 5.0
SPREAD = 0.1  # of the shares of a point's rounds, beyond which more rounds are made


@dataclass
class Choice:
    """What of it is run: all, or what the command line names."""

    models: list[str] = field(default_factory=list)
    precisions: list[str] = field(default_factory=lambda: list(PRECISIONS))
    counts: list[int] = field(default_factory=list)
    longest_batch_s: float = LONGEST_BATCH_S

    def take(self, arguments) -> None:
        self.models, self.precisions = arguments.models, arguments.precisions
        self.counts, self.longest_batch_s = arguments.counts, arguments.longest_batch_s

    def models_of(self, known) -> list[str]:
        """Of those that a benchmark knows."""
        return [model for model in self.models or known if model in known]

    def of(self, usual: tuple[int, ...], again: tuple[int, ...]) -> tuple[list[int], list[int]]:
        """Numbers of clients: at the first start, and at the others."""
        first = self.counts or [c for c in usual if not SETTINGS.quick or c in QUICK_COUNTS]
        return first, [c for c in again if c in first]


CHOICE = Choice()


@dataclass
class Windows:
    """How often and how long: at least ten batches and two seconds in all, in short windows that alternate."""

    rounds: int
    bare: dict  # of BareLimit.measure
    served_s: float
    warmup_s: float

    @staticmethod
    def of(batch_s: float) -> "Windows":
        if batch_s > 0.8:
            return Windows(2, dict(seconds=0.0, least=1), 3 * batch_s, batch_s)
        return Windows(3, dict(seconds=0.5, least=2), max(1.0, 4 * batch_s), max(0.2, batch_s))


    def more(self, shares: list[float]) -> bool:
        """Whether another round is due: where a neighbour was at work and rounds differ, up to twice as many are made."""
        if len(shares) < self.rounds:
            return True
        return len(shares) < 2 * self.rounds and max(shares) - min(shares) > SPREAD * median(shares)


@dataclass
class Point:
    clients: int
    batch: int
    bare: float
    served: float
    share: float
    p50_ms: float
    errors: int

    def told(self) -> str:
        return f"{self.served:.1f} of {self.bare:.1f} texts/s, {self.share:.2f}"


def serve(name: str, shapes: list[str], precision: str) -> Server:
    """One start, warmed up."""
    server = start(name, {shape: {"path": str(checkpoint(shape, **SHAPES[shape])), "preload": True} for shape in shapes},
                   {"precision": precision})
    for shape in shapes:
        server.json(f"/models/{shape}/warmup", "POST", timeout=300)
        if (found := precision_of(server, shape)) != precision:
            server.stop()
            raise RuntimeError(f"{shape} is served in {found} although {precision} was asked for")
    return server


def load(server: Server, shape: str, clients: int, seconds: float, warmup_s: float) -> dict:
    """The load generator's options."""
    return dict(url=f"{server.url}/predict", concurrency=clients, seconds=seconds, warmup_s=warmup_s, model=shape,
                texts=texts_file("sweep", [TOKENS] * 2048), no_cache=True)


def measure(server: Server, bare: BareLimit, shape: str, clients: int) -> Point:
    batches = natural_batches(clients, cores(), FULL_BATCH)
    first = bare.measure(batches, 0.2, least=1)  # chooses the kernel, fills caches, says how long a batch takes
    w = Windows.of(first["batch_ms"] / 1000)
    limits = [bare.measure(batches, **w.bare)["rate"]]
    runs: list[Run] = []
    shares: list[float] = []
    while w.more(shares):
        runs.append(generate_patiently(**load(server, shape, clients, w.served_s, w.warmup_s)))
        limits.append(bare.measure(batches, **w.bare)["rate"])
        shares.append(runs[-1].rate / (0.5 * (limits[-2] + limits[-1])))
    return Point(clients, batches[0], median(limits), median([r.rate for r in runs]), median(shares),
                 median([r.p50 for r in runs]) / 1000, sum(r.errors for r in runs))


def count_verdicts(points: list) -> tuple[list[str], str]:
    """A text for each point, and one for all. A point has `clients`, `share` and `errors`."""
    verdicts = judge_counts({p.clients: p.share for p in points}, cores())
    texts = [v.text + (f", {p.errors} errors" if p.errors else "") for p, v in zip(points, verdicts)]
    missed = [str(p.clients) for p, v in zip(points, verdicts) if v.missed or p.errors]
    return texts, (f"No count below {LEAST} of the best share at fewer clients, from {2 * cores()} clients on none below {LEAST} of the "
                   "limit: " + (f"**missed** at {', '.join(missed)}." if missed else "met.")
                   + f" The lowest share is {min(p.share for p in points):.2f}.")


def counts_table(title: str, points: list[Point]) -> Table:
    t = Table(title, "clients", "batch", "bare (limit), texts/s", "served, texts/s", "share", "p50, ms", "")
    texts, all_of_them = count_verdicts(points)
    for p, text in zip(points, texts):
        t.row(fmt(p.clients), fmt(p.batch), p.bare, p.served, fmt(p.share, 2), p.p50_ms, text)
    t.note(all_of_them)
    return t


def starts_table(title: str, starts: list[dict], slots: list[str]) -> Table:
    """Shares of the limit, by number of clients, of each start."""
    t = Table(title, "clients", *(f"start {n + 1}, share" for n in range(len(starts))), "lowest by highest", "")
    missed = []
    for clients in starts[-1]:
        points = [s[clients] for s in starts]
        v = judge_starts([p.share for p in points])
        errors = sum(p.errors for p in points)
        t.row(fmt(clients), *(fmt(p.share, 2) for p in points), fmt(v.value, 2), v.text + (f", {errors} errors" if errors else ""))
        missed += [str(clients)] if v.missed or errors else []
    t.note(f"No start below {LEAST} of another: " + (f"**missed** at {', '.join(missed)}." if missed else "met.")
           + f" Compute slots at each start: {', '.join(slots)}; start 1 is the one above.")
    return t


def over_starts(name: str, shapes: list[str], precision: str, usual: list[int], again: list[int], point) -> tuple[list[dict], list[str]]:
    """By number of clients, the points of the first start at the usual counts and of the others at those measured again;
    and the compute slots of each start."""
    starts, slots = [], []
    for n in range(1 if SETTINGS.quick else STARTS):
        counts = usual if n == 0 else again
        if not counts:
            break
        server = serve(f"{name}-{n}", shapes, precision)
        try:
            slots.append(f"{server.metrics()['troupe_compute_slots']:.0f}")
            starts.append({})
            for clients in counts:
                p = starts[-1][clients] = point(server, clients)
                print(f"    start {n + 1}, {clients} clients: {p.told()}", flush=True)
        finally:
            server.stop()
    return starts, slots


def left_out(title: str, why: list[str]) -> Table:
    t = Table(title)
    for line in why:
        t.note(line)
    return t


def sweep() -> Iterator[Table]:
    usual, again = CHOICE.of(COUNTS, START_COUNTS)
    for shape in CHOICE.models_of(SHAPES):
        for precision in CHOICE.precisions:
            title = f"8. Sweep: {shape} {precision}"
            with BareLimit(shape, precision) as bare:
                if why := bare.left_out(CHOICE.longest_batch_s):
                    yield left_out(title, [why])
                    continue
                starts, slots = over_starts(f"sweep-{shape}-{precision}", [shape], precision, usual, again,
                                            lambda server, clients: measure(server, bare, shape, clients))
            yield counts_table(f"{title}, against bare LibTorch at the batch size that so many clients allow", list(starts[0].values()))
            if len(starts) > 1:
                yield starts_table(f"{title}, {len(starts)} starts of the server", starts, slots)
