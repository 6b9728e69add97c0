"""A server of live sessions under load: the checkpoint, the settings, the clients."""
from __future__ import annotations

import json
import pathlib
import subprocess
import sys
import time
from dataclasses import dataclass

from driver import Server, metric_sum
from footprint import private_mib
from lines import LineProcess
from tools import MODELS, SETTINGS, cores, python_of, start

HERE = pathlib.Path(__file__).resolve().parent
FOLDER = MODELS / "paraformer-50x512"
NO_FUNASR = "FunASR's environment is missing: `scripts/python-environment.sh parity-speech` makes it (some 5 GB)."
FRAME_S = 0.06
PRECISIONS = ("fp32", "int8", "bf16")
NEVER_S = 3600
WARM_COUNTS = (1, 4, 16, 32)


@dataclass(frozen=True)
class Setting:
    """What clients ask for."""

    left: int
    chunk: int
    ahead: int
    encoder_back: int
    decoder_back: int

    @property
    def name(self) -> str:
        return f"[{self.left},{self.chunk},{self.ahead}], look back {self.encoder_back}/{self.decoder_back}"

    @property
    def terms(self) -> dict:
        return {"chunk_size": [self.left, self.chunk, self.ahead], "encoder_chunk_look_back": self.encoder_back,
                "decoder_chunk_look_back": self.decoder_back}

    @property
    def window(self) -> int:
        return self.left + self.chunk + self.ahead

    @property
    def chunk_s(self) -> float:
        return self.chunk * FRAME_S


USUAL = Setting(0, 10, 5, 4, 1)  # of FunASR's own examples
WIDE = Setting(5, 10, 5, 4, 1)  # of its server
STATELESS = Setting(5, 10, 5, 0, 0)


def checkpoint() -> dict:
    """Made once a machine; what is known of it."""
    facts = FOLDER / "facts.json"
    if not facts.exists():
        python = python_of("parity-speech")
        if python is None:
            raise RuntimeError(NO_FUNASR)
        subprocess.run([python, "-B", str(HERE / "speech_checkpoint.py"), str(FOLDER)], check=True, timeout=900,
                       stdout=subprocess.DEVNULL, stderr=open(SETTINGS.work / "checkpoint.log", "a"))
    return json.loads(facts.read_text())


def model_entry(folder: pathlib.Path, precision: str) -> dict:
    return {"path": str(folder), "task": "automatic-speech-recognition", "precision": precision, "preload": True}


def clients(server: Server, sound: pathlib.Path = FOLDER / "sound.pcm") -> LineProcess:
    return LineProcess([sys.executable, str(HERE / "speech_clients.py"), str(server.port), str(sound)], "clients.log")


class Served:
    """A fresh server and `count` sessions in it. They are opened before anything was heard, when nothing is known that
    could refuse one, and are kept from one measurement to the next: what the cores hold is measured, not what the
    admission believes. `as_shipped`: with the usual share of the cores, for what it does."""

    def __init__(self, name: str, precision: str, setting: Setting, count: int, *, as_shipped: bool = False, warm: bool = True):
        self.setting, self.count = setting, count
        self.server = start(name, {"streaming_asr": model_entry(FOLDER, precision)},
                            {"precision_tolerance": 1.0, "max_sessions": 4096, "session_idle_timeout_s": NEVER_S,
                             "live_idle_timeout_ms": 1000 * NEVER_S, "memory_limit_mb": 14336, "load_timeout_ms": 600_000,
                             **({} if as_shipped else {"session_compute_share": 1})}, ready_s=300)
        self.clients = None
        try:
            self.server.until(lambda: "streaming_asr" in self.server.resident(), limit_s=300)
            self.clients = clients(self.server)
            if count:
                self.open(count)
            if warm:
                for some in WARM_COUNTS:
                    self.clients.ask("rush", who=min(some, count), seconds=3, settle_s=0, chunks=1)
        except BaseException:
            self.__exit__()
            raise

    def __enter__(self) -> "Served":
        return self

    def __exit__(self, *_) -> None:
        if self.clients:
            self.clients.__exit__()
        self.server.stop()

    def open(self, count: int, every_ms: float = 0) -> int:
        """How many are open when all have asked."""
        asked = self.asked() + count
        self.clients.ask("open", count=count, terms=self.setting.terms, every_ms=every_ms)
        end = time.monotonic() + 10
        while self.asked() < asked and time.monotonic() < end:
            time.sleep(0.05)
        return round(self.metric("troupe_sessions_opened_total") - self.metric("troupe_sessions_failed_total"))

    def asked(self) -> int:
        metrics = self.server.metrics()
        return round(sum(metric_sum(metrics, f"troupe_sessions_{what}_total") for what in ("opened", "refused")))

    def metric(self, name: str) -> float:
        return metric_sum(self.server.metrics(), name)

    def batches(self) -> tuple[float, float]:
        """Batches and steps so far."""
        metrics = self.server.metrics()
        return metric_sum(metrics, "troupe_batch_items_count"), metric_sum(metrics, "troupe_batch_items_sum")

    def cpu_s(self) -> float:
        """That the server has used."""
        fields = open(f"/proc/{self.server.process.pid}/stat").read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / 100

    def private_mib(self) -> float:
        return private_mib(self.server)


def rush(served: Served, who: int, seconds: float) -> tuple[dict, float]:
    """What the clients say, and the steps of a batch."""
    count, items = served.batches()
    found = served.clients.ask("rush", who=who, seconds=seconds, settle_s=1.0)
    later_count, later_items = served.batches()
    return found, (later_items - items) / max(1.0, later_count - count)


def a_core(rate: float) -> float:
    return rate / cores()
