"""Tables of bench/RESULTS.md."""
from __future__ import annotations

import statistics


def median(values) -> float:
    return statistics.median(values)


def fmt(x, digits: int = 0) -> str:
    return x if isinstance(x, str) else f"{x:,.{digits}f}"


class Table:
    def __init__(self, title: str, *columns: str):
        self.title, self.columns, self.rows, self.notes = title, columns, [], []

    def row(self, *cells) -> None:
        self.rows.append([c if isinstance(c, str) else fmt(c, 1 if abs(c) < 100 else 0) for c in cells])
        print("   ", " | ".join(self.rows[-1]), flush=True)

    def note(self, text: str) -> None:
        self.notes.append(text)
        print("    ", text, flush=True)

    def markdown(self) -> str:
        out = [f"### {self.title}"]
        if self.columns:
            out += ["", "| " + " | ".join(self.columns) + " |", "|" + "---|" * len(self.columns)]
            out += ["| " + " | ".join(r) + " |" for r in self.rows]
        if self.notes:
            out += [""] + self.notes
        return "\n".join(out) + "\n"


def verdict(ok: bool) -> str:
    return "met" if ok else "**missed**"
