"""Who is compared on live speech: FunASR's own Python runtime, and the bare products of the same shapes; both by
bench/speech_peer.py in an environment of its own."""
from __future__ import annotations

import pathlib
from contextlib import ExitStack

from lines import LineProcess
from speech_load import FOLDER, Setting
from tools import cores

HERE = pathlib.Path(__file__).resolve().parent


class Peer(LineProcess):
    def __init__(self, python: str):
        super().__init__([python, str(HERE / "speech_peer.py"), str(FOLDER)], "speech_peer.log")

    def receive(self) -> dict:
        answer = super().receive()
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return answer


class Others:
    """A process for each core: as many single-threaded streams as its users would run."""

    def __init__(self, python: str, stack: ExitStack):
        self.peers = [stack.enter_context(Peer(python)) for _ in range(cores())]
        self.plans = {"1 stream, 1 thread": (1, 1), f"1 stream, {cores()} threads": (1, cores()), f"{cores()} streams, 1 thread each": (cores(), 1)}
        self.best: dict[Setting, str] = {}

    def first(self) -> Peer:
        return self.peers[0]

    def hear(self, setting: Setting, plan: str, seconds: float) -> float:
        """Seconds of sound a second and core in use."""
        streams, threads = self.plans[plan]
        for p in self.peers[:streams]:
            p.send("hear", terms=setting.terms, threads=threads, seconds=seconds)
        return sum(p.receive()["rate"] for p in self.peers[:streams]) / (streams * threads)

    def best_rate(self, setting: Setting, seconds: float) -> float:
        """By the plan that was best when all were tried."""
        if setting not in self.best:
            rates = {plan: self.hear(setting, plan, seconds) for plan in self.plans}
            self.best[setting] = max(rates, key=rates.get)
            print(f"    FunASR, {setting.name}, streams a core: " + ", ".join(f"{plan} {rate:.2f}" for plan, rate in rates.items()), flush=True)
            return rates[self.best[setting]]
        return self.hear(setting, self.best[setting], seconds)

    def bound(self, precision: str, setting: Setting, rows: float, tokens_per_s: float, seconds: float) -> tuple[float, float]:
        """Seconds of sound a second, were there nothing but the products of batches of so many steps, a batch a core; GFLOP/s."""
        found = self.first().ask("products", precision=precision, lines=round(rows * setting.window),
                                 tokens=round(rows * setting.chunk_s * tokens_per_s), slots=cores(), seconds=seconds)
        return found["passes"] * rows * setting.chunk_s, found["gflops"]
