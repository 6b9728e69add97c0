"""How much of the machine's speed arrives: overhead, throughput, interference, growth."""
from __future__ import annotations

import random
import shutil
import threading

import driver
from driver import Server
from tables import Table, fmt, median, verdict
from tools import SETTINGS, SHAPES, Run, bare_limit, checkpoint, generate, precision_of, start, texts_file

# --- 1. overhead --------------------------------------------------------------------------------

def overhead() -> Table:
    t = Table("1. Overhead: an echo model through the whole path against the same server answering directly",
              "what", "direct (limit)", "echo model", "difference", "target", "")
    artifact = SETTINGS.work / "test:echo.pt"
    shutil.copyfile(driver.TORCHSCRIPT / "echo.pt", artifact)
    server = start("overhead", {"echo": {"path": str(artifact), "preload": True}}, test=True)
    try:
        direct, echo = f"{server.url}/bench/direct", f"{server.url}/predict"
        text = "an echo of some thirty bytes .."

        def pair(concurrency: int, seconds: float):
            generate(direct, concurrency=concurrency, seconds=0.5, text=text)
            generate(echo, concurrency=concurrency, seconds=0.5, text=text, model="echo")
            out = []
            for _ in range(SETTINGS.rounds + 2):
                out.append((generate(direct, concurrency=concurrency, seconds=seconds, text=text),
                            generate(echo, concurrency=concurrency, seconds=seconds, text=text, model="echo")))
            return out

        rounds = pair(1, SETTINGS.seconds / 2)
        for name, target in (("p50", 60), ("p99", 200)):
            d, e = (median([getattr(r[k], name) for r in rounds]) for k in (0, 1))
            t.row(f"{name} at concurrency 1, us", d, e, e - d, f"at most {target} us", verdict(e - d <= target))
        rounds = pair(128, SETTINGS.seconds / 2)
        d, e = (median([r[k].rate for r in rounds]) for k in (0, 1))
        t.row("requests/s at concurrency 128", d, e, f"{100 * e / d:.0f} %", "at least 60 %", verdict(e >= 0.6 * d))
        d, e = (median([r[k].p99 for r in rounds]) for k in (0, 1))
        t.row("p99 at concurrency 128, us", d, e, e - d, "", "")
        errors = sum(r[k].errors for r in rounds for k in (0, 1))
        t.note(f"Medians of {SETTINGS.rounds + 2} alternating rounds; {errors} errors. Aim: 60,000 requests/s.")
    finally:
        server.stop()
    return t


# --- 2 and 3. throughput ------------------------------------------------------------------------

def against_bare(t: Table, shape: str, work: str, lengths: list[int], target: float, concurrency: int) -> None:
    folder = checkpoint(shape, **SHAPES[shape])
    texts = texts_file(f"{shape}-{work.replace(':', '-')}", lengths)
    server = start(f"throughput-{shape}-{work.split(':')[0]}", {"m": {"path": str(folder), "preload": True}})
    try:
        url = f"{server.url}/predict"
        kind = precision_of(server, "m")
        generate(url, concurrency=concurrency, seconds=SETTINGS.seconds / 2, texts=texts, model="m")
        bare, served, errors = [], [], 0
        best = ""
        for _ in range(SETTINGS.rounds):  # in turn: a neighbour's load hits both
            limit = bare_limit(shape, kind, work)
            best = limit["best"]
            bare.append(limit["rate"])
            # Two batches of the large model, 64 texts, end every half second: the pipeline is full before counting
            # begins, and the window is long beside that.
            window = 15 if shape == "12x768" else 2 * SETTINGS.seconds
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
            for _ in range(2 * SETTINGS.rounds):
                quiet.append(generate(url, seconds=SETTINGS.seconds, **kw, **more))
                stop.clear()
                thread = threading.Thread(target=loop)
                thread.start()
                loaded.append(generate(url, seconds=SETTINGS.seconds, **kw, **more))
                stop.set()
                thread.join()
                errors += quiet[-1].errors + loaded[-1].errors
            for name, label in (("p50", "p50, us"), ("p99", "p99, us"), ("longest", "longest wait, us")):
                q, w = median([getattr(r, name) for r in quiet]), median([getattr(r, name) for r in loaded])
                bounded = name != "p50"
                t.row(f"{case}: {label}", q, w, f"{w / q:.2f}", "at most 1.10" if bounded else "",
                      verdict(w <= 1.1 * q) if bounded else "")
            t.note(f"{case}: {2 * SETTINGS.rounds} alternating rounds of {SETTINGS.seconds:g} s, {loads[0]} loads and unloads of the 12x768 "
                   f"model in all, {errors} errors.")
    finally:
        stop.set()
        server.stop()
    return t


# --- 7. growth ----------------------------------------------------------------------------------

def growth() -> Table:
    t = Table("7. Growth: registered models and concurrent clients", "models", "clients", "requests/s", "p50, us",
              "p99, us", "rate against one model")
    artifact = SETTINGS.work / "test:echo.pt"
    shutil.copyfile(driver.TORCHSCRIPT / "echo.pt", artifact)
    text = "an echo of some thirty bytes .."

    def with_models(count: int) -> Server:
        registry = {f"m{n:05}": {"path": str(artifact)} for n in range(count)}
        registry["m00000"]["preload"] = True
        return start(f"growth{count}", registry, test=True)

    def ask(server: Server, clients: int) -> Run:
        return generate(f"{server.url}/predict", concurrency=clients, seconds=SETTINGS.seconds / 2, text=text, model="m00000")

    def row(count: int, clients: int, runs: list[Run], share: str) -> None:
        rate, p50, p99 = (median([getattr(r, k) for r in runs]) for k in ("rate", "p50", "p99"))
        errors = sum(r.errors for r in runs)
        t.row(fmt(count), fmt(clients), rate, p50, p99, share + (f" ({errors} errors)" if errors else ""))

    base = with_models(1)
    try:
        for clients in (1, 16, 128, 1024):
            row(1, clients, [ask(base, clients) for _ in range(SETTINGS.rounds)], "")
        for count in (100, 1000, 10_000):
            server = with_models(count)
            try:  # in turn: a neighbour's load hits both
                for clients in ((1, 16, 128, 1024) if count == 10_000 else (16,)):
                    pairs = [(ask(base, clients), ask(server, clients)) for _ in range(SETTINGS.rounds)]
                    row(count, clients, [p[1] for p in pairs], f"{median([p[1].rate / p[0].rate for p in pairs]):.2f}")
            finally:
                server.stop()
    finally:
        base.stop()
    t.note("Cost a request should stay flat: the last column is against the server with one model, asked in turn.")
    return t
