"""bench/bare_batches: the bare limit at a batch size, asked for between two measurements of a server."""
from __future__ import annotations

import json
import subprocess

from tools import SETTINGS, cores

TOKENS = 32  # of a text
FULL_BATCH = 32  # texts: the batch limits are 64 items and 1,024 tokens


class BareLimit:
    """The process, with one model's weights and kernels ready."""

    def __init__(self, shape: str, precision: str):
        self.shape, self.precision = shape, precision
        self.process = subprocess.Popen(
            [str(SETTINGS.build / "bench/bare_batches"), f"--shape={shape}", f"--type={precision}", f"--folder={SETTINGS.work}"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.kernels = self._line()["kernels"]
        self._best: dict[tuple[int, int], str] = {}

    def __enter__(self) -> "BareLimit":
        return self

    def __exit__(self, *_) -> None:
        self.process.stdin.close()
        self.process.wait(60)

    def _line(self) -> dict:
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"bare_batches ended with {self.process.wait()}")
        return json.loads(line)

    def _ask(self, kernel: str, batches: list[int], threads: int, seconds: float, least: int) -> dict:
        print(kernel, ",".join(map(str, batches)), TOKENS, threads, seconds, least, file=self.process.stdin, flush=True)
        return self._line()

    def measure(self, batches: list[int], seconds: float, *, threads: int = 1, least: int = 2) -> dict:
        """A slot for each batch: `rate`, texts/s of all together, and `batch_ms`, through the kernel that is fastest about
        that size. At least so many batches a slot."""
        size = max(n for n in (1, 4, 16, FULL_BATCH) if n <= max(batches))
        if (size, threads) not in self._best:
            tried = {k: self._ask(k, [size] * len(batches), threads, 0.3, 1)["rate"] for k in self.kernels}
            self._best[size, threads] = max(tried, key=tried.get)
        return self._ask(self._best[size, threads], batches, threads, seconds, least)

    def left_out(self, longest_batch_s: float) -> str | None:
        """Why this model is not measured in this precision: it would take hours, and nobody would serve it so."""
        if not self.kernels:
            return f"{self.shape} {self.precision} is **left out**: none of LibTorch's kernels for it runs on this CPU."
        found = self.measure([FULL_BATCH] * cores(), 0.2, least=1)
        took_s = found["batch_ms"] / 1000
        if took_s <= longest_batch_s:
            return None
        return (f"{self.shape} {self.precision} is **left out**: bare LibTorch takes {took_s:.1f} s for a batch of {FULL_BATCH} texts on "
                f"this CPU ({found['rate']:.1f} texts/s), and the bound is {longest_batch_s:g} s (--longest-batch-s).")
