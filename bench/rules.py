"""What a sweep must hold, as pure functions of the shares that were measured."""
from __future__ import annotations

from dataclasses import dataclass

LEAST = 0.9  # of the best share at fewer clients, of another start's share, of the bare limit


def natural_batches(clients: int, slots: int, limit: int) -> list[int]:
    """The batch of each slot that so many clients keep busy when they are dealt out evenly, the largest first."""
    busy = min(clients, slots)
    return [min(limit, clients // busy + (n < clients % busy)) for n in range(busy)]


@dataclass
class Verdict:
    missed: bool
    value: float
    text: str


def judge_counts(shares: dict[int, float], slots: int) -> list[Verdict]:
    """By number of clients, from few to many: none below the best share at fewer; from two a slot on none below the
    limit. `value` is the share as a part of the best at fewer clients."""
    out, best = [], 0.0
    for clients, share in sorted(shares.items()):
        of_best = share / best if best > 0 else 1.0
        faults = []
        if of_best < LEAST:
            faults.append(f"{of_best:.2f} of the best share at fewer clients")
        if clients >= 2 * slots and share < LEAST:
            faults.append(f"{share:.2f} of the limit")
        out.append(Verdict(bool(faults), of_best, "**missed**: " + ", ".join(faults) if faults else "met"))
        best = max(best, share)
    return out


def judge_starts(shares: list[float]) -> Verdict:
    """`value` is the lowest start's share as a part of the highest's."""
    value = min(shares) / max(shares) if max(shares) > 0 else 0.0
    return Verdict(value < LEAST, value, "met" if value >= LEAST else "**missed**")


# --- live speech ----------------------------------------------------------------------------------

HELD_P99_MS = 600.0
HELD_DRIFT_MS = 100.0  # of the median, from the first third of a window to the last: a queue that grows is not held
TIMES_FUNASR = {"fp32": 3.0, "int8": 5.0, "bf16": 10.0}  # streams a core
OF_THE_PRODUCTS = 0.8
SAME_TOKENS = 0.995


def judge_held(p99_ms: float, drift_ms: float, unanswered: int) -> Verdict:
    """Whether sessions are held in real time. `value` is the p99."""
    faults = []
    if p99_ms >= HELD_P99_MS:
        faults.append(f"p99 {p99_ms:.0f} ms")
    if drift_ms >= HELD_DRIFT_MS:
        faults.append(f"{drift_ms:.0f} ms later at the end")
    if unanswered:
        faults.append(f"{unanswered} without answer")
    return Verdict(bool(faults), p99_ms, "not held: " + ", ".join(faults) if faults else "held")


def judge_least(value: float, least: float) -> Verdict:
    return Verdict(value < least, value, "met" if value >= least else "**missed**")


def judge_most(value: float, most: float) -> Verdict:
    return Verdict(value > most, value, "met" if value <= most else "**missed**")


def next_count(held: dict[int, bool], ladder: tuple[int, ...], halvings: int) -> int | None:
    """The number of sessions to measure next: up the ladder until one is not held, then between it and the best."""
    failed = min((n for n, yes in held.items() if not yes), default=None)
    if failed is None:
        return next((n for n in ladder if n not in held), None)
    best = max((n for n, yes in held.items() if yes and n < failed), default=0)
    middle = (best + failed) // 2
    done = sum(n not in ladder for n in held)
    return middle if done < halvings and middle > best and failed - best > max(1, best // 16) else None


def same_tokens(expected: list[str], found: list[str]) -> float:
    """The share of tokens that are equal: of the longer one, without those that an edit changes."""
    row = list(range(len(found) + 1))
    for i, a in enumerate(expected):
        before, row[0] = row[0], i + 1
        for j, b in enumerate(found):
            before, row[j + 1] = row[j + 1], min(before + (a != b), row[j] + 1, row[j + 1] + 1)
    longest = max(len(expected), len(found))
    return 1 - row[-1] / longest if longest else 1.0
