"""What the benchmarks share: the programs that are measured and that measure, servers, checkpoints, texts."""
from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field

sys.dont_write_bytecode = True
ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests/e2e"))

import checkpoints  # noqa: E402
import driver  # noqa: E402
from driver import Server  # noqa: E402

MODELS = pathlib.Path(tempfile.gettempdir()) / "troupe-bench-models"
SHAPES = {"6x384": checkpoints.BERT_6X384, "12x768": checkpoints.BERT_12X768}
NO_PARITY = "The Python environment of scripts/parity.txt is missing: `make parity` makes it (some 5 GB)."


@dataclass
class Settings:
    """Of this run; bench/run.py fills it from its command line before anything is measured."""

    build: pathlib.Path = pathlib.Path("build/bench")  # the load generator and the limits
    troupe: pathlib.Path = pathlib.Path("build/bench/troupe")  # the server, which may be of another build
    quick: bool = False
    work: pathlib.Path = field(default_factory=lambda: pathlib.Path(tempfile.mkdtemp(prefix="troupe-bench-")))

    @property
    def seconds(self) -> float:
        return 2.0 if self.quick else 5.0

    @property
    def rounds(self) -> int:
        return 2 if self.quick else 3

    @property
    def data_dir(self) -> pathlib.Path:
        """Of the servers: stores of other builds may be laid out differently."""
        own = self.troupe == self.build / "troupe"
        return MODELS / ("data" if own else "data-" + str(self.troupe).strip("/").replace("/", "-"))


SETTINGS = Settings()


class Run:
    """What the load generator said of one run. Times in microseconds."""

    def __init__(self, raw: dict):
        self.raw = raw
        latency = raw["latency_ms"]
        self.rate = float(raw["requests_per_second"])
        if raw["loop"] == "closed" and latency["mean"] > 0:
            # A connection always waits for an answer, so this is exact. The quotient of answers and seconds is not: of a
            # window it leaves out what was asked before and counts the time until the last answer after it, which are
            # seconds with many clients of a slow model.
            self.rate = 1000 * raw["concurrency"] / latency["mean"]
        self.p50, self.p99 = 1000 * latency["p50"], 1000 * latency["p99"]
        self.longest = 1000 * raw["longest_wait_ms"]  # of any connection, unanswered requests included
        self.errors = int(raw["failed"])
        self.client_us = float(raw["client_cpu_us_per_request"])


def generator(url: str, *, concurrency: int, seconds: float | None = None, requests: int | None = None,
              text: str | None = None, texts: pathlib.Path | None = None, rate: float | None = None,
              model: str | None = None, warmup_s: float = 0.2, no_cache: bool = False, timeout_s: float | None = None) -> list[str]:
    """The load generator's command."""
    command = [str(SETTINGS.build / "troupe"), "bench", url, "--concurrency", str(concurrency), "--json"]
    if seconds is not None:
        command += ["--seconds", str(seconds), "--warmup", str(warmup_s)]
    if requests is not None:
        command += ["--requests", str(requests)]
    if text is not None:
        command += ["--text", text]
    if texts is not None:
        command += ["--texts", str(texts)]
    if rate is not None:
        command += ["--rate", str(rate)]
    if model is not None:
        command += ["--model", model]
    if no_cache:
        command += ["--no-cache"]
    if timeout_s is not None:
        command += ["--timeout", str(timeout_s)]
    return command


class NoAnswer(RuntimeError):
    """Nothing that was asked after the warm-up was answered in time to be counted."""


def generate(url: str, **load) -> Run:
    """Loads a server and waits; takes what `generator` takes."""
    command = generator(url, **load)
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    if done.returncode != 0:
        kind = NoAnswer if done.stdout.startswith("{") else RuntimeError
        raise kind(f"{' '.join(command)}: {done.stderr or done.stdout}")
    return Run(json.loads(done.stdout))


def generate_patiently(*, seconds: float, **load) -> Run:
    """In a longer window where the machine stood still in the first: everything that was asked had been asked before it."""
    try:
        return generate(seconds=seconds, **load)
    except NoAnswer:
        return generate(seconds=4 * seconds, **load)


def bare_limit(shape: str, kind: str, work: str) -> dict:
    done = subprocess.run([str(SETTINGS.build / "bench/bare_limit"), f"--shape={shape}", f"--type={kind}", f"--work={work}",
                           f"--seconds={SETTINGS.seconds / 4}", f"--rounds={SETTINGS.rounds}", f"--folder={SETTINGS.work}"],
                          capture_output=True, text=True, timeout=600)
    if done.returncode != 0:
        raise RuntimeError(done.stderr)
    return json.loads(done.stdout)


def testserver() -> pathlib.Path:
    return pathlib.Path(os.environ.get("TROUPE_TESTSERVER") or SETTINGS.build / "tests/support/troupe_testserver")


def start(name: str, registry: dict, settings: dict | None = None, *, test: bool = False, ready_s: float = 120,
          env: dict[str, str] | None = None) -> Server:
    """A server as a user gets it: precision, slots and threads as it measures them."""
    base = {"precision": "auto", "compute_slots": 0, "threads_per_slot": 0, "memory_limit_mb": 8192,
            "prediction_cache_mb": 0, "data_dir": str(SETTINGS.data_dir), "log_level": "warn"}
    return Server(SETTINGS.work / name, registry, {**base, **(settings or {})}, ready_s=ready_s, env=env,
                  binary=testserver() if test else SETTINGS.troupe)


def checkpoint(name: str, **shape) -> pathlib.Path:
    return written(name, checkpoints.Bert(**shape))


def written(name: str, model: checkpoints.Bert) -> pathlib.Path:
    """Once a machine; other runs find it."""
    folder = MODELS / name
    file = folder / "model.safetensors"
    if not file.exists() or file.stat().st_size < model.size_bytes():
        checkpoints.write_bert(folder, model)
    return folder


def texts_file(name: str, lengths: list[int]) -> pathlib.Path:
    """A text a line, each of so many tokens."""
    file = SETTINGS.work / f"{name}.txt"
    file.write_text("".join(checkpoints.words_text(n, seed, 30522) + "\n" for seed, n in enumerate(lengths)))
    return file


def precision_of(server: Server, model: str) -> str:
    return server.model(model)["model_info"]["precision"]


def cores() -> int:
    """Of this process: as many slots of one thread could be busy."""
    return len(os.sched_getaffinity(0))


def cpu_flags() -> set[str]:
    return set(next((line for line in open("/proc/cpuinfo") if line.startswith("flags")), "").split())


def has_bf16() -> bool:
    return bool(cpu_flags() & {"avx512_bf16", "amx_bf16"})


def python_of(environment: str) -> str | None:
    """The Python of an environment of scripts/python-environment.sh, where it is there."""
    found = subprocess.run([str(ROOT / "scripts/python-environment.sh"), environment, "--if-there"], capture_output=True, text=True)
    return found.stdout.strip() if found.returncode == 0 else None


def parity_python() -> str | None:
    """Of the environment that `make parity` makes."""
    return python_of("parity")


def machine() -> str:
    model = next((line.split(":", 1)[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), "?")
    isa = [f for f in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if f in cpu_flags()]
    total = next(int(line.split()[1]) for line in open("/proc/meminfo") if line.startswith("MemTotal")) / 2**20
    return f"{model} ({', '.join(isa) or 'no AVX2'}), {os.cpu_count()} cores, {total:.0f} GiB"
