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
