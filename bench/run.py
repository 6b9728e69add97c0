#!/usr/bin/env python3
"""Runs the benchmarks, each next to its limit in the same run, and appends tables to bench/RESULTS.md.

    bench/run.sh BUILD_FOLDER [--quick] [--only overhead,throughput,..] [--results FILE]

Standard library only (and the end-to-end tests' driver, which starts the server). The load generator is
`troupe bench`. Nothing is pinned: generator and server share the cores, as in every figure given.
"""
from __future__ import annotations

import argparse
import datetime
import json
import os
import pathlib
import random
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent
sys.path.insert(0, str(ROOT / "tests/e2e"))
sys.dont_write_bytecode = True


def parse_arguments() -> argparse.Namespace:
    p = argparse.ArgumentParser()
    p.add_argument("build", type=pathlib.Path)
    p.add_argument("--quick", action="store_true", help="a few minutes: shorter and fewer rounds")
    p.add_argument("--only", default="", help="comma-separated names")
    p.add_argument("--results", type=pathlib.Path, default=HERE / "RESULTS.md")
    return p.parse_args()


ARGS = parse_arguments()
BUILD = ARGS.build.resolve()
os.environ["TROUPE_BINARY"] = str(BUILD / "troupe")
os.environ.setdefault("TROUPE_TESTSERVER", str(BUILD / "tests/support/troupe_testserver"))

import checkpoints  # noqa: E402
import driver  # noqa: E402
from driver import Server  # noqa: E402

QUICK = ARGS.quick
SECONDS = 2.0 if QUICK else 5.0
ROUNDS = 2 if QUICK else 3
WORK = pathlib.Path(tempfile.mkdtemp(prefix="troupe-bench-"))
MODELS = pathlib.Path(tempfile.gettempdir()) / "troupe-bench-models"


# --- tools --------------------------------------------------------------------------------------

class Run:
    """What the load generator said of one run. Times in microseconds."""

    def __init__(self, raw: dict):
        self.raw = raw
        latency = raw["latency_ms"]
        self.rate = float(raw["requests_per_second"])
        self.p50, self.p99 = 1000 * latency["p50"], 1000 * latency["p99"]
        self.longest = 1000 * raw["longest_wait_ms"]  # of any connection, unanswered requests included
        self.errors = int(raw["failed"])
        self.client_us = float(raw["client_cpu_us_per_request"])


def generate(url: str, *, concurrency: int, seconds: float | None = None, requests: int | None = None,
             text: str | None = None, texts: pathlib.Path | None = None, rate: float | None = None,
             model: str | None = None, warmup_s: float = 0.2) -> Run:
    command = [str(BUILD / "troupe"), "bench", url, "--concurrency", str(concurrency), "--json"]
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
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr or done.stdout}")
    return Run(json.loads(done.stdout))


def bare_limit(shape: str, kind: str, work: str) -> dict:
    done = subprocess.run([str(BUILD / "bench/bare_limit"), f"--shape={shape}", f"--type={kind}", f"--work={work}",
                           f"--seconds={SECONDS / 4}", f"--rounds={ROUNDS}", f"--folder={WORK}"],
                          capture_output=True, text=True, timeout=600)
    if done.returncode != 0:
        raise RuntimeError(done.stderr)
    return json.loads(done.stdout)


def start(name: str, registry: dict, settings: dict | None = None, *, test: bool = False, ready_s: float = 120) -> Server:
    """A server as a user gets it: precision, slots and threads as it measures them."""
    base = {"precision": "auto", "compute_slots": 0, "threads_per_slot": 0, "memory_limit_mb": 8192,
            "prediction_cache_mb": 0, "data_dir": str(MODELS / "data"), "log_level": "warn"}
    return Server(WORK / name, registry, {**base, **(settings or {})}, ready_s=ready_s,
                  binary=driver.TESTSERVER if test else driver.BINARY)


def checkpoint(name: str, **shape) -> pathlib.Path:
    """Written once a machine; other runs find it."""
    folder = MODELS / name
    model = checkpoints.Bert(**shape)
    file = folder / "model.safetensors"
    if not file.exists() or file.stat().st_size < model.size_bytes():
        checkpoints.write_bert(folder, model)
    return folder


def texts_file(name: str, lengths: list[int]) -> pathlib.Path:
    """A text a line, each of so many tokens."""
    file = WORK / f"{name}.txt"
    file.write_text("".join(checkpoints.words_text(n, seed, 30522) + "\n" for seed, n in enumerate(lengths)))
    return file


def precision_of(server: Server, model: str) -> str:
    info = server.model(model)
    found = json.dumps(info)
    return "bf16" if '"bf16"' in found else "fp32"


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
        out = [f"### {self.title}", "", "| " + " | ".join(self.columns) + " |", "|" + "---|" * len(self.columns)]
        out += ["| " + " | ".join(r) + " |" for r in self.rows]
        if self.notes:
            out += [""] + self.notes
        return "\n".join(out) + "\n"


def verdict(ok: bool) -> str:
    return "met" if ok else "**missed**"


# --- 1. overhead --------------------------------------------------------------------------------

def overhead() -> Table:
    t = Table("1. Overhead: an echo model through the whole path against the same server answering directly",
              "what", "direct (limit)", "echo model", "difference", "target", "")
    artifact = WORK / "test:echo.pt"
    shutil.copyfile(driver.TORCHSCRIPT / "echo.pt", artifact)
    server = start("overhead", {"echo": {"path": str(artifact), "preload": True}}, test=True)
    try:
        direct, echo = f"{server.url}/bench/direct", f"{server.url}/predict"
        text = "an echo of some thirty bytes .."

        def pair(concurrency: int, seconds: float):
            generate(direct, concurrency=concurrency, seconds=0.5, text=text)
            generate(echo, concurrency=concurrency, seconds=0.5, text=text, model="echo")
            out = []
            for _ in range(ROUNDS + 2):
                out.append((generate(direct, concurrency=concurrency, seconds=seconds, text=text),
                            generate(echo, concurrency=concurrency, seconds=seconds, text=text, model="echo")))
            return out

        rounds = pair(1, SECONDS / 2)
        for name, target in (("p50", 60), ("p99", 200)):
            d, e = (median([getattr(r[k], name) for r in rounds]) for k in (0, 1))
            t.row(f"{name} at concurrency 1, us", d, e, e - d, f"at most {target} us", verdict(e - d <= target))
        rounds = pair(128, SECONDS / 2)
        d, e = (median([r[k].rate for r in rounds]) for k in (0, 1))
        t.row("requests/s at concurrency 128", d, e, f"{100 * e / d:.0f} %", "at least 60 %", verdict(e >= 0.6 * d))
        d, e = (median([r[k].p99 for r in rounds]) for k in (0, 1))
        t.row("p99 at concurrency 128, us", d, e, e - d, "", "")
        errors = sum(r[k].errors for r in rounds for k in (0, 1))
        t.note(f"Medians of {ROUNDS + 2} alternating rounds; {errors} errors. Aim: 60,000 requests/s.")
    finally:
        server.stop()
    return t


# --- 2 and 3. throughput ------------------------------------------------------------------------

SHAPES = {"6x384": checkpoints.BERT_6X384, "12x768": checkpoints.BERT_12X768}


def against_bare(t: Table, shape: str, work: str, lengths: list[int], target: float, concurrency: int) -> None:
    folder = checkpoint(shape, **SHAPES[shape])
    texts = texts_file(f"{shape}-{work.replace(':', '-')}", lengths)
    server = start(f"throughput-{shape}-{work.split(':')[0]}", {"m": {"path": str(folder), "preload": True}})
    try:
        url = f"{server.url}/predict"
        kind = precision_of(server, "m")
        generate(url, concurrency=concurrency, seconds=SECONDS / 2, texts=texts, model="m")
        bare, served, errors = [], [], 0
        best = ""
        for _ in range(ROUNDS):  # in turn: a neighbour's load hits both
            limit = bare_limit(shape, kind, work)
            best = limit["best"]
            bare.append(limit["rate"])
            # Two batches of the large model, 64 texts, end every half second: the pipeline is full before counting
            # begins, and the window is long beside that.
            window = 15 if shape == "12x768" else 2 * SECONDS
            run = generate(url, concurrency=concurrency, seconds=window, texts=texts, model="m", warmup_s=2)
            served.append(run.rate)
            errors += run.errors
        share = median([s / b for s, b in zip(served, bare)])
        t.row(f"{shape} {kind}", median(bare), median(served), f"{100 * share:.0f} %", f"at least {100 * target:.0f} %",
              verdict(share >= target))
        t.note(f"{shape}: {concurrency} clients, {errors} errors; bare is best as {best} (kernel, slots x threads).")
    finally:
        server.stop()


def throughput() -> Table:
    t = Table("2. Throughput at 32 tokens against bare LibTorch running full batches", "model", "bare (limit), texts/s",
              "served, texts/s", "share", "target", "")
    for shape in SHAPES:
        against_bare(t, shape, "even:32x32", [32] * 2048, 0.95, 128)
    return t


def mixed() -> Table:
    t = Table("3. Mixed lengths, 8 to 256 tokens, against the bare, length-sorted optimum", "model",
              "bare (limit), texts/s", "served, texts/s", "share", "target", "")
    rng = random.Random(7)
    against_bare(t, "6x384", "mixed:8-256", [rng.randint(8, 256) for _ in range(1024)], 0.85, 128)
    return t


# --- 4. interference ----------------------------------------------------------------------------

def interference() -> Table:
    t = Table("4. Interference: a resident 6x384 while a 12x768 loads and evicts in a loop", "what", "quiet (limit)",
              "with loads", "ratio", "target", "")
    server = start("interference", {
        "resident": {"path": str(checkpoint("6x384", **SHAPES["6x384"])), "preload": True, "pinned": True},
        "big": {"path": str(checkpoint("12x768", **SHAPES["12x768"]))}}, {"min_resident_ms": 0})
    stop = threading.Event()
    loads = [0]

    def loop() -> None:
        while not stop.is_set():
            for action in ("load", "unload"):
                answer = server.post(f"/models/big/{action}")
                assert answer.status_code == 200, answer.text
            loads[0] += 1

    try:
        url = f"{server.url}/predict"
        texts = texts_file("interference", [32] * 512)
        server.load("big")  # the store is filled, the page cache is warm
        server.unload("big")
        kw = dict(texts=texts, model="resident")
        full = generate(url, seconds=1, concurrency=16, **kw).rate
        part = max(1.0, full * 0.3)  # a steady load that leaves room
        for case, more in ((f"{part:.0f}/s, 4 clients", dict(concurrency=4, rate=part)),
                           ("16 clients, as fast as answers come", dict(concurrency=16))):
            generate(url, seconds=1, **kw, **more)
            quiet, loaded, errors, loads[0] = [], [], 0, 0
            for _ in range(2 * ROUNDS):
                quiet.append(generate(url, seconds=SECONDS, **kw, **more))
                stop.clear()
                thread = threading.Thread(target=loop)
                thread.start()
                loaded.append(generate(url, seconds=SECONDS, **kw, **more))
                stop.set()
                thread.join()
                errors += quiet[-1].errors + loaded[-1].errors
            for name, label in (("p50", "p50, us"), ("p99", "p99, us"), ("longest", "longest wait, us")):
                q, w = median([getattr(r, name) for r in quiet]), median([getattr(r, name) for r in loaded])
                bounded = name != "p50"
                t.row(f"{case}: {label}", q, w, f"{w / q:.2f}", "at most 1.10" if bounded else "",
                      verdict(w <= 1.1 * q) if bounded else "")
            t.note(f"{case}: {2 * ROUNDS} alternating rounds of {SECONDS:g} s, {loads[0]} loads and unloads of the 12x768 "
                   f"model in all, {errors} errors.")
    finally:
        stop.set()
        server.stop()
    return t


# --- 5. load ------------------------------------------------------------------------------------

def read_time_ms(file: pathlib.Path) -> float:
    buffer = bytearray(8 << 20)
    begin = time.perf_counter()
    with open(file, "rb", buffering=0) as f:
        while f.readinto(buffer):
            pass
    return 1000 * (time.perf_counter() - begin)


def load() -> Table:
    t = Table("5. Load: a 12x768 model from a warm page cache, and the process", "what", "limit", "measured", "target", "")
    folder = checkpoint("12x768", **SHAPES["12x768"])
    server = start("load", {"big": {"path": str(folder)}})
    try:
        text = checkpoints.words_text(16, 1, 30522)
        begin = time.perf_counter()
        assert server.predict(text, "big").status_code == 200
        first_ever = 1000 * (time.perf_counter() - begin)
        times, reads = [], []
        for _ in range(3 + ROUNDS):
            server.unload("big")
            reads.append(read_time_ms(folder / "model.safetensors"))
            begin = time.perf_counter()
            assert server.predict(text, "big").status_code == 200
            times.append(1000 * (time.perf_counter() - begin))
        t.row("12x768 to its first answer, ms", f"{median(reads):.0f} (read() of its bytes)", median(times),
              "at most 150 ms", verdict(median(times) <= 150))
        t.note(f"The first load ever, which fills the store, took {first_ever:.0f} ms.")
        loaded = server.rollup_kb("Pss") / 1024
        t.row("PSS with the 12x768, MiB", f"{(folder / 'model.safetensors').stat().st_size / 2**20:.0f} (file, fp32)",
              loaded, "", "")
    finally:
        server.stop()

    folder = checkpoint("6x384", **SHAPES["6x384"])
    registry = {"m": {"path": str(folder), "preload": True}}
    begin_times = []
    for n in range(2 + ROUNDS):
        port = driver.free_port()
        begin = time.perf_counter()
        server = Server(WORK / f"start{n}", registry, {
            "precision": "auto", "compute_slots": 0, "threads_per_slot": 0, "data_dir": str(MODELS / "data"),
            "log_level": "warn"}, port=port, ready_s=0)
        body = json.dumps({"text": "hello there"}).encode()
        try:
            while True:
                try:
                    with driver.Raw(port, timeout_s=60) as raw:
                        raw.request("POST", "/predict", body)
                        if raw.response()[0] == 200:
                            break
                except (ConnectionError, OSError):
                    time.sleep(0.002)
                if time.perf_counter() - begin > 60:
                    raise RuntimeError(server.log())
            if n > 0:  # the first one fills the store and measures the CPU
                begin_times.append(time.perf_counter() - begin)
            for k in range(50):
                server.predict(checkpoints.words_text(32, k, 30522), "m")
            rss, pss = server.rollup_kb("Rss") / 1024, server.rollup_kb("Pss") / 1024
            if n == 1 + ROUNDS:  # every number of tokens and of texts: kernels are kept for each
                rng = random.Random(7)
                texts = texts_file("memory-mixed", [rng.randint(8, 256) for _ in range(1024)])
                for clients in (16, 128):
                    generate(f"{server.url}/predict", concurrency=clients, seconds=2 * SECONDS, texts=texts, model="m")
                mixed_rss, mixed_pss = server.rollup_kb("Rss") / 1024, server.rollup_kb("Pss") / 1024
        finally:
            server.stop()
    t.row("process start to first answer, s", "", f"{median(begin_times):.2f}", "at most 0.7 s",
          verdict(median(begin_times) <= 0.7))
    t.row("resident memory with a 6x384 served, MiB", f"{(folder / 'model.safetensors').stat().st_size / 2**20:.0f} (file, fp32)",
          f"{rss:.0f} RSS, {pss:.0f} PSS", "at most 300 MiB", verdict(rss <= 300))
    t.row("the same after 8 to 256 tokens, 16 and 128 clients, MiB", "", f"{mixed_rss:.0f} RSS, {mixed_pss:.0f} PSS",
          "at most 300 MiB", verdict(mixed_rss <= 300))
    return t


# --- 6. memory ----------------------------------------------------------------------------------

def memory() -> Table:
    t = Table("6. Memory: 32 models, load and unload cycles each", "what", "baseline (limit)", "after", "difference",
              "target", "")
    cycles, count = (32 if QUICK else 1024), 32
    limit_s = 60 if QUICK else 900
    registry = {}
    for n in range(count):
        folder = checkpoint(f"cycle{n}", hidden=64, layers=2, heads=4, vocabulary=8192, positions=128, seed=n)
        registry[f"m{n}"] = {"path": str(folder)}
    server = start("memory", registry, {"max_models": count, "min_resident_ms": 0})
    done = [0] * count
    problems: list[str] = []
    end = [0.0]

    def cycle(first: int, workers: int, wanted: int) -> None:
        while time.monotonic() < end[0]:
            left = [n for n in range(first, count, workers) if done[n] < wanted]
            if not left:
                return
            for n in left:
                for action in ("load", "unload"):
                    answer = server.post(f"/models/m{n}/{action}")
                    if answer.status_code != 200:
                        problems.append(answer.text[:200])
                if done[n] % 16 == 0:  # and some really run
                    if server.predict("hello there", f"m{n}").status_code != 200:
                        problems.append("predict")
                    server.post(f"/models/m{n}/unload")
                done[n] += 1

    def run(wanted: int) -> None:
        threads = [threading.Thread(target=cycle, args=(k, 4, wanted)) for k in range(4)]
        for x in threads:
            x.start()
        for x in threads:
            x.join()

    try:
        end[0] = time.monotonic() + limit_s
        for n in range(4):  # every bucket, on every slot: kernels are prepared
            server.post(f"/models/m{n}/warmup")
        run(8)  # arenas, threads and caches are there
        time.sleep(1.5)  # the heap is trimmed a second after
        base = server.rollup_kb("Pss") / 1024
        begin = time.monotonic()
        run(cycles)
        took = time.monotonic() - begin
        time.sleep(1.5)
        after = server.rollup_kb("Pss") / 1024
        used = server.stats()["cache_stats"]["memory_usage"]["used_mb"]
        change = 100 * (after - base) / base
        t.row("PSS with no model loaded, MiB", base, after, f"{change:+.1f} %", "within 5 %", verdict(abs(change) <= 5))
        t.row("ledger, MiB", "0", f"{used:g}", "", "exactly 0", verdict(used == 0))
        t.note(f"{min(done)} to {max(done)} cycles a model (of {cycles}), 4 clients, {sum(done) / max(took, 1e-9):.0f} cycles/s, "
               f"{len(problems)} problems{': ' + problems[0] if problems else ''}.")
    finally:
        server.stop()
    return t


# --- 7. growth ----------------------------------------------------------------------------------

def growth() -> Table:
    t = Table("7. Growth: registered models and concurrent clients", "models", "clients", "requests/s", "p50, us",
              "p99, us", "rate against one model")
    artifact = WORK / "test:echo.pt"
    shutil.copyfile(driver.TORCHSCRIPT / "echo.pt", artifact)
    text = "an echo of some thirty bytes .."

    def with_models(count: int) -> Server:
        registry = {f"m{n:05}": {"path": str(artifact)} for n in range(count)}
        registry["m00000"]["preload"] = True
        return start(f"growth{count}", registry, test=True)

    def ask(server: Server, clients: int) -> Run:
        return generate(f"{server.url}/predict", concurrency=clients, seconds=SECONDS / 2, text=text, model="m00000")

    def row(count: int, clients: int, runs: list[Run], share: str) -> None:
        rate, p50, p99 = (median([getattr(r, k) for r in runs]) for k in ("rate", "p50", "p99"))
        errors = sum(r.errors for r in runs)
        t.row(fmt(count), fmt(clients), rate, p50, p99, share + (f" ({errors} errors)" if errors else ""))

    base = with_models(1)
    try:
        for clients in (1, 16, 128, 1024):
            row(1, clients, [ask(base, clients) for _ in range(ROUNDS)], "")
        for count in (100, 1000, 10_000):
            server = with_models(count)
            try:  # in turn: a neighbour's load hits both
                for clients in ((1, 16, 128, 1024) if count == 10_000 else (16,)):
                    pairs = [(ask(base, clients), ask(server, clients)) for _ in range(ROUNDS)]
                    row(count, clients, [p[1] for p in pairs], f"{median([p[1].rate / p[0].rate for p in pairs]):.2f}")
            finally:
                server.stop()
    finally:
        base.stop()
    t.note("Cost a request should stay flat: the last column is against the server with one model, asked in turn.")
    return t


# --- report -------------------------------------------------------------------------------------

BENCHMARKS = {f.__name__: f for f in (overhead, throughput, mixed, interference, load, memory, growth)}


def machine() -> str:
    model = next((line.split(":", 1)[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), "?")
    flags = next((line for line in open("/proc/cpuinfo") if line.startswith("flags")), "")
    isa = [f for f in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if f" {f}" in flags]
    total = next(int(line.split()[1]) for line in open("/proc/meminfo") if line.startswith("MemTotal")) / 2**20
    return f"{model} ({', '.join(isa) or 'no AVX2'}), {os.cpu_count()} cores, {total:.0f} GiB"


def main() -> int:
    names = [n for n in ARGS.only.split(",") if n] or list(BENCHMARKS)
    unknown = [n for n in names if n not in BENCHMARKS]
    if unknown:
        print(f"no such benchmark: {', '.join(unknown)}; there are {', '.join(BENCHMARKS)}", file=sys.stderr)
        return 2
    version = subprocess.run([str(BUILD / "troupe"), "version"], capture_output=True, text=True).stdout.strip().splitlines()
    # Of the binary that is measured, which may be older than the working tree.
    built = re.search(r"\(([^)]*)\)", version[0]) if version else None
    commit = built.group(1) if built else "unknown commit"
    options = (["--quick"] if QUICK else []) + ([f"--only {ARGS.only}"] if ARGS.only else [])
    command = "make bench" + (f' ARGS="{" ".join(options)}"' if options else "")
    if not ARGS.results.exists():
        ARGS.results.write_text("# Results\n\nWritten by `make bench` (bench/run.py), newest last. Every figure stands next to its "
                                "limit, measured in the same run; server and load generator share the cores.\n")

    def append(text: str) -> None:  # as they come: a run that is ended leaves what it has
        with open(ARGS.results, "a") as file:
            file.write("\n" + text)

    append(f"## {datetime.datetime.now(datetime.timezone.utc):%Y-%m-%d %H:%M} UTC, {commit}\n\n`{command}` on {machine()}. "
           + "; ".join(" ".join(line.split()) for line in version[:4]) + ".\n")
    failed = []
    for name in names:
        print(f"== {name}", flush=True)
        begin, busy = time.monotonic(), os.getloadavg()[0]
        try:
            section = BENCHMARKS[name]().markdown()
        except Exception as e:  # noqa: BLE001 - the others still run
            failed.append(name)
            section = f"### {name}: not measured\n\n{type(e).__name__}: {str(e)[:400]}\n"
            print(f"    {type(e).__name__}: {e}", file=sys.stderr, flush=True)
            for server in list(Server.live):
                server.stop()
        took = time.monotonic() - begin
        append(section + f"\nTook {took:.0f} s; the machine's load average before it was {busy:.1f}"
               + (": others were at work.\n" if busy > 0.7 and name == names[0] else ".\n"))
        print(f"   ({took:.0f} s)", flush=True)
    shutil.rmtree(WORK, ignore_errors=True)
    print(f"written to {ARGS.results}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
