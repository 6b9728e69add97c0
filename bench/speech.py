"""15: live speech beside FunASR's own Python runtime, on the same checkpoint, in turn: streams that a core holds in real
time, what it hears as fast as it can, and what the products of the same shapes allow."""
from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field

import speech_costs
from rules import HELD_P99_MS, OF_THE_PRODUCTS, TIMES_FUNASR, judge_held, judge_least, next_count
from speech_load import NO_FUNASR, PRECISIONS, STATELESS, USUAL, WIDE, Served, Setting, a_core, checkpoint, rush
from speech_others import Others
from tables import Table, fmt, median
from tools import SETTINGS, cores, has_bf16, python_of

LADDER = (1, 8, 32, 64, 128, 192, 256)
SESSIONS = 64  # that a server has open at least
HURRIES = (4, 8, 16, 32, 64, 128)  # sessions whose clients send as fast as answers come
SETTLE_S = 1.2
BETTER = 1.03  # more sessions than this gains nothing
CHOSEN: list[str] = list(PRECISIONS)  # bench/run.py fills it from its command line


@dataclass
class Point:
    sessions: int
    found: dict  # of the clients
    cpu: float  # of all cores, the server's
    held: bool
    told: str


@dataclass
class Measured:
    precision: str
    setting: Setting
    points: list[Point] = field(default_factory=list)
    small: Point | None = None  # the most that are held, in messages of 60 ms
    capacity: float = 0.0  # seconds of sound a second, the whole machine
    hurried: int = 0  # sessions that it was best with
    rows: float = 0.0  # of a batch then
    tokens_per_s: float = 0.0
    funasr: float = 0.0  # streams a core
    bound: float = 0.0
    gflops: float = 0.0

    @property
    def held(self) -> int:
        return max((p.sessions for p in self.points if p.held), default=0)

    @property
    def times_funasr(self) -> float:
        return a_core(self.held) / self.funasr


def window_s() -> float:
    return 4.0 if SETTINGS.quick else 8.0


def settings() -> list[Setting]:
    return [USUAL, STATELESS] if SETTINGS.quick else [USUAL, WIDE, STATELESS]


class Keeper:
    """A server with enough sessions, the same one as long as nobody is lost."""

    def __init__(self, m: Measured):
        self.m, self.starts, self.served = m, 0, None

    def __enter__(self) -> "Keeper":
        return self

    def __exit__(self, *_) -> None:
        self.drop()

    def drop(self) -> None:
        if self.served:
            self.served.__exit__()
        self.served = None

    def with_sessions(self, count: int) -> Served:
        if self.served and self.served.count < count:
            self.drop()
        if self.served is None:
            self.starts += 1
            s = self.m.setting
            self.served = Served(f"speech-{self.m.precision}-{s.left}-{s.encoder_back}-{self.starts}", self.m.precision, s, count)
        return self.served


def point(served: Served, sessions: int, message_ms: float = 600) -> Point:
    before, seconds = served.cpu_s(), window_s()
    found = served.clients.ask("pace", who=sessions, seconds=seconds, settle_s=SETTLE_S, message_ms=message_ms)
    cpu = (served.cpu_s() - before) / (seconds + SETTLE_S) / cores()
    v = judge_held(found["p99_ms"], found["drift_ms"], found["missing"] + sum(found["lost"].values()))
    told = v.text if message_ms == 600 else f"{v.text}, of {message_ms:g}-ms messages"
    print(f"    {sessions} sessions: p50 {found['p50_ms']:.0f}, p99 {found['p99_ms']:.0f} ms, drift {found['drift_ms']:.0f} ms, {told}; "
          f"server {cpu:.2f}, clients {found['cpu'] / cores():.3f} of the cores, at most {found['lag_ms']:.0f} ms behind; {found['lost']}",
          flush=True)
    return Point(sessions, found, cpu, not v.missed, told)


def climb(keeper: Keeper, m: Measured) -> None:
    ladder = tuple(n for n in LADDER if not SETTINGS.quick or n in (8, 32, 64, 128, 256))
    halvings = 1 if SETTINGS.quick else 2
    while (sessions := next_count({p.sessions: p.held for p in m.points}, ladder, halvings)) is not None:
        m.points.append(point(keeper.with_sessions(max(sessions, SESSIONS)), sessions))
        if m.points[-1].found["lost"] or m.points[-1].found["missing"]:
            keeper.drop()
    if m.setting == USUAL and m.held:
        m.small = point(keeper.with_sessions(max(m.held, SESSIONS)), m.held, 60)


def hurry(keeper: Keeper, m: Measured) -> None:
    counts = HURRIES[::2] if SETTINGS.quick else HURRIES
    for sessions in counts:
        found, rows = rush(keeper.with_sessions(max(sessions, SESSIONS)), sessions, 3.0 if SETTINGS.quick else 5.0)
        print(f"    {sessions} sessions in a hurry: {found['rate']:.1f} s of sound a second, {rows:.1f} steps a batch; clients "
              f"{found['cpu'] / cores():.3f} of the cores; {found['lost']}", flush=True)
        if found["lost"] or found["missing"]:
            keeper.drop()
            break
        better = found["rate"] > BETTER * m.capacity
        if found["rate"] > m.capacity:
            m.capacity, m.hurried, m.rows, m.tokens_per_s = found["rate"], sessions, rows, found["tokens_per_s"]
        if not better:
            break
    if not m.capacity:
        raise RuntimeError(f"{m.precision}, {m.setting.name}: the cores are too slow for {counts[0]} sessions in a hurry")


def measure(precision: str, setting: Setting, others: Others) -> Measured:
    m, seconds = Measured(precision, setting), 1.5 if SETTINGS.quick else 2.5
    with Keeper(m) as keeper:
        rates = [others.best_rate(setting, seconds)]
        hurry(keeper, m)
        rates.append(others.best_rate(setting, seconds))
        m.bound, m.gflops = others.bound(precision, setting, m.rows, m.tokens_per_s, 2.0 if SETTINGS.quick else 4.0)
        climb(keeper, m)
        rates.append(others.best_rate(setting, seconds))
    m.funasr = median(rates)
    return m


def points_table(m: Measured) -> Table:
    t = Table(f"15a. Live speech in real time: {m.precision}, {m.setting.name}", "sessions", "p50, ms", "p99, ms", "longest, ms", "chunks",
              "server, of the cores", "clients, of the cores", "")
    for p in sorted(m.points, key=lambda p: p.sessions) + ([m.small] if m.small else []):
        lost = "; ".join(f"{count} lost: {why}" for why, count in p.found["lost"].items())
        t.row(fmt(p.sessions), p.found["p50_ms"], p.found["p99_ms"], p.found["longest_ms"], fmt(p.found["chunks"]), fmt(p.cpu, 2),
              fmt(p.found["cpu"] / cores(), 3), p.told + (f" ({lost})" if lost else ""))
    return t


def summary(all_of_them: list[Measured], facts: dict, plans: dict) -> Table:
    t = Table(f"15b. Live speech beside FunASR, streams a core ({cores()} cores)", "precision", "setting", "FunASR", f"held, p99 < {HELD_P99_MS:g} ms",
              "times FunASR's", "target", "", "as fast as it can", "steps a batch", "products alone (limit)", "GFLOP/s of them", "share",
              "target", "")
    for m in all_of_them:
        times, least = m.times_funasr, TIMES_FUNASR[m.precision]
        share = m.capacity / m.bound
        t.row(m.precision, m.setting.name, fmt(m.funasr, 2), fmt(a_core(m.held), 1), fmt(times, 1), f"at least {least:g}",
              judge_least(times, least).text, fmt(a_core(m.capacity), 1), fmt(m.rows, 1), fmt(a_core(m.bound), 1), m.gflops, fmt(share, 2),
              f"at least {OF_THE_PRODUCTS:g}", judge_least(share, OF_THE_PRODUCTS).text)
    t.note(f"Held: every client sends 600 ms at a time as it is spoken, at moments of its own, {window_s():g} s a point; latency is from when a "
           "chunk's last sample was sent to its text. The queue must not grow meanwhile, and nobody be lost. Sessions are opened before "
           "anything was heard, so that none is refused: what the cores hold, not what the admission believes.")
    t.note("As fast as it can: clients have two chunks under way and send the next when one is answered; "
           + ", ".join(f"{m.hurried} sessions in {m.precision} {m.setting.name}" for m in all_of_them) + ".")
    t.note("FunASR: AutoModel.generate a chunk a call, fp32, without dither, median of three turns around troupe's. Of the ways to use the "
           "cores the best one a core counts: " + ", ".join(f"{s.name}: {plan}" for s, plan in plans.items()) + ".")
    t.note("Products alone: the linear layers of as large a batch, each layer's own weights, by the fastest of PyTorch's kernels for each "
           "shape, a batch on each core.")
    rates = ", ".join(f"{m.tokens_per_s:.1f}" for m in all_of_them)
    t.note(f"Random weights; cif_output's bias is {facts['bias']}, with which FunASR fires {facts['tokens_per_s']} tokens a second "
           f"(Mandarin has four to five) and {100 * facts['silent_steps']:.0f} % of the steps none; troupe fired {rates}.")
    return t


def not_measured(title: str, why: str) -> Table:
    t = Table(title)
    t.note(why)
    return t


def speech() -> Iterator[Table]:
    python = python_of("parity-speech")
    if python is None:
        yield not_measured("15. Live speech: not measured", NO_FUNASR)
        return
    facts, found = checkpoint(), []
    chosen = [p for p in CHOSEN if p != "bf16" or has_bf16()]
    with ExitStack() as stack:
        others = Others(python, stack)
        for precision in chosen:
            for setting in settings():
                print(f"  {precision}, {setting.name}", flush=True)
                found.append(measure(precision, setting, others))
                yield points_table(found[-1])
        t = summary(found, facts, others.best)
        if len(chosen) < len(CHOSEN):
            t.note("bf16 is left out: this CPU does not compute in it.")
        yield t
        yield speech_costs.memory(chosen, others)
        yield speech_costs.agreement(chosen, others)
