"""What models cost to load, and what memory they leave behind."""
from __future__ import annotations

import json
import pathlib
import random
import threading
import time

import checkpoints
import driver
from driver import Server
from tables import Table, median, verdict
from tools import SETTINGS, SHAPES, checkpoint, generate, start, texts_file

QUIET_S = 5  # what batches left behind has been given back by then

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
        for _ in range(3 + SETTINGS.rounds):
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
    for n in range(2 + SETTINGS.rounds):
        port = driver.free_port()
        begin = time.perf_counter()
        server = Server(SETTINGS.work / f"start{n}", registry, {
            "precision": "auto", "compute_slots": 0, "threads_per_slot": 0, "data_dir": str(SETTINGS.data_dir),
            "log_level": "warn"}, binary=SETTINGS.troupe, port=port, ready_s=0)
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
            if n == 1 + SETTINGS.rounds:  # every number of tokens and of texts: kernels are kept for each
                rng = random.Random(7)
                texts = texts_file("memory-mixed", [rng.randint(8, 256) for _ in range(1024)])
                for clients in (16, 128):
                    generate(f"{server.url}/predict", concurrency=clients, seconds=2 * SETTINGS.seconds, texts=texts, model="m")
                mixed_rss, mixed_pss = server.rollup_kb("Rss") / 1024, server.rollup_kb("Pss") / 1024
                time.sleep(QUIET_S)
                quiet_rss, quiet_pss = server.rollup_kb("Rss") / 1024, server.rollup_kb("Pss") / 1024
        finally:
            server.stop()
    t.row("process start to first answer, s", "", f"{median(begin_times):.2f}", "at most 0.7 s",
          verdict(median(begin_times) <= 0.7))
    t.row("resident memory with a 6x384 served, MiB", f"{(folder / 'model.safetensors').stat().st_size / 2**20:.0f} (file, fp32)",
          f"{rss:.0f} RSS, {pss:.0f} PSS", "at most 300 MiB", verdict(rss <= 300))
    t.row("the same after 8 to 256 tokens, 16 and 128 clients, MiB", "", f"{mixed_rss:.0f} RSS, {mixed_pss:.0f} PSS",
          "at most 300 MiB", verdict(mixed_rss <= 300))
    t.row(f"and {QUIET_S} s later, MiB", "", f"{quiet_rss:.0f} RSS, {quiet_pss:.0f} PSS", "at most 300 MiB", verdict(quiet_rss <= 300))
    return t


# --- 6. memory ----------------------------------------------------------------------------------

def memory() -> Table:
    t = Table("6. Memory: 32 models, load and unload cycles each", "what", "baseline (limit)", "after", "difference",
              "target", "")
    cycles, count = (32 if SETTINGS.quick else 1024), 32
    limit_s = 60 if SETTINGS.quick else 900
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
