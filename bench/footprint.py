"""10b: what each architecture costs to load and to keep: weights are mapped from the store and cost no private bytes."""
from __future__ import annotations

import time

import peer_models
from contenders import work_texts
from driver import Server
from residency import read_time_ms
from sweep import CHOICE
from tables import Table, fmt, median
from tools import SETTINGS, start

PRECISIONS = ("fp32", "int8")


def private_mib(server: Server) -> float:
    """RssAnon of the process: what is no file's."""
    return next(int(line.split()[1]) for line in open(f"/proc/{server.process.pid}/status") if line.startswith("RssAnon:")) / 1024


def answers(server: Server, name: str, texts: list[str]) -> None:
    for text in texts:
        answer = server.predict(text, name)
        assert answer.status_code == 200, answer.text[:200]


def of_model(server: Server, name: str, texts: list[str]) -> tuple[float, list[float], list[float], list[float]]:
    """The first load, ms; then of each round: to resident, ms; private MiB that the load added; the same with answers."""
    begin = time.perf_counter()
    server.json(f"/models/{name}/load", "POST", timeout=600)
    first = 1000 * (time.perf_counter() - begin)
    answers(server, name, texts)  # kernels and arenas are the process's own: they stay
    loads, added, with_answers = [], [], []
    for _ in range(SETTINGS.rounds):
        server.unload(name)
        time.sleep(1.5)  # the heap is trimmed a second after
        base = private_mib(server)
        begin = time.perf_counter()
        server.load(name)
        loads.append(1000 * (time.perf_counter() - begin))
        added.append(private_mib(server) - base)
        answers(server, name, texts)
        with_answers.append(private_mib(server) - base)
    server.unload(name)
    return first, loads, added, with_answers


def footprint() -> Table:
    t = Table("10b. Load and memory: from a warm page cache, one model at a time", "model", "precision", "file of weights (fp32), MiB",
              "read() of it (limit), ms", "POST load to resident, ms", "private, MiB", "after 32 answers, MiB", "of the file")
    texts = work_texts("even").read_text().splitlines()[:32]
    models = {name: peer_models.folder_of(name) for name in CHOICE.models_of(peer_models.NAMES)}
    for precision in PRECISIONS:
        server = start(f"footprint-{precision}", {name: {"path": str(folder)} for name, folder in models.items()},
                       {"precision": precision, "precision_tolerance": 1.0, "min_resident_ms": 0, "warmup_requests": 0,
                        "load_timeout_ms": 600_000, "request_timeout_ms": 600_000})
        try:
            firsts = []
            for name, folder in models.items():
                file = folder / "model.safetensors"
                read = median([read_time_ms(file) for _ in range(3)])
                first, loads, added, with_answers = of_model(server, name, texts)
                firsts.append(f"{name} {first:,.0f}")
                size = file.stat().st_size / 2**20
                t.row(name, precision, size, read, median(loads), fmt(median(added), 1), fmt(median(with_answers), 1),
                      f"{100 * median(with_answers) / size:.1f} %")
            t.note(f"{precision}: the first load in this process, ms: {', '.join(firsts)}"
                   + (": it fills the store where that has no ready copy, and measures fp32 beside." if precision != "fp32" else "."))
        finally:
            server.stop()
    t.note(f"Medians of {SETTINGS.rounds} loads after a first one, whose kernels and arenas stay in the process. Private: what RssAnon "
           "grew by; mapped weights are not in it.")
    return t
