"""The catalog of document 004 at 500,000 models of 40 providers: syncs, cached pages beside a FastAPI and redis-py server, misses, a
stampede, hit rate and memory."""
from __future__ import annotations

import json
import os
import pathlib
import random
import re
import shutil
import signal
import subprocess
import threading
import time

import requests

from tools import SETTINGS, python_of  # first: it finds the tests' modules

from driver import Server, free_port
from services import Postgres, Redis, listens, until
from tables import Table, fmt, median, verdict

HERE = pathlib.Path(__file__).resolve().parent
PROVIDERS, MODELS = 40, 500_000
KEY = "the-admin-key-of-the-benchmarks"
ADMIN = {"Authorization": f"Bearer {KEY}"}
PAGE = "/catalog/models?gateway={}&limit=20&offset={}"
REPORT = """
done = function(summary, latency, requests)
  io.write(string.format('{"requests":%d,"seconds":%.6f,"p50":%d,"p99":%d,"errors":%d}\\n', summary.requests,
    summary.duration / 1e6, latency:percentile(50), latency:percentile(99),
    summary.errors.status + summary.errors.connect + summary.errors.read + summary.errors.timeout))
end
"""


def name_of(provider: int) -> str:
    return ("openrouter", "anthropic", "openai", "groq", "together", "fireworks")[provider] if provider < 6 else f"provider-{provider:02}"


def write_listings(folder: pathlib.Path, models: int) -> list[dict]:
    """A provider's models are partly others', too."""
    rng = random.Random(1)
    settings = []
    for p in range(PROVIDERS):
        rows = []
        for i in range(models // PROVIDERS):
            own = i % 5
            rows.append({"id": f"vendor-{rng.randrange(200):03}/model-{(0 if own else p) * 100_000 + i}-{rng.choice([1, 3, 8, 70])}b-instruct",
                         "name": f"Model {i} of {p} instruct", "created": 1_700_000_000 + i,
                         "description": "A model that answers questions, writes and summarises texts.",
                         "context_length": rng.choice([4096, 8192, 32768, 131072]), "task": "text-generation",
                         "pricing": {"prompt": f"{rng.randrange(1, 90)}e-8", "completion": f"{rng.randrange(1, 300)}e-8"}})
        path = folder / f"{name_of(p)}.json"
        path.write_text(json.dumps({"data": rows}))
        settings.append({"name": name_of(p), "type": "file", "path": str(path), "interval_s": 0})
    return settings


class Load:
    def __init__(self, url: str, connections: int, seconds: float):
        script = SETTINGS.work / "report.lua"
        script.write_text(REPORT)
        done = subprocess.run(["wrk", "-t", "1", "-c", str(connections), "-d", f"{max(1, round(seconds))}s", "-s", str(script), url],
                              capture_output=True, text=True, timeout=300)
        found = re.search(r"^\{.*\}$", done.stdout, re.MULTILINE)
        assert found, done.stdout + done.stderr
        raw = json.loads(found.group())
        self.rate, self.p50_ms, self.p99_ms = raw["requests"] / raw["seconds"], raw["p50"] / 1000, raw["p99"] / 1000
        self.errors = raw["errors"]


class Peer:
    """FastAPI on two workers, as many as there are cores."""

    def __init__(self, python: str, redis: Redis):
        self.port = free_port()
        self.process = subprocess.Popen([python, "-m", "uvicorn", "catalog_peer:app", "--port", str(self.port), "--workers", "2",
                                         "--no-access-log", "--log-level", "warning"], cwd=HERE,
                                        env={**os.environ, "REDIS_URL": redis.url, "PYTHONDONTWRITEBYTECODE": "1"}, start_new_session=True)
        until(lambda: listens(self.port), 60)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def stop(self) -> None:
        os.killpg(self.process.pid, signal.SIGTERM)
        self.process.wait()


def stats(server: Server) -> dict:
    return server.json("/api/system/cache/stats", headers=ADMIN)


def rss_mib(server: Server) -> float:
    return server.rollup_kb("Rss") / 1024


def full_sync(server: Server) -> tuple[float, list[float]]:
    """Seconds of it, and what readers waited meanwhile, in ms."""
    waits, stop = [], threading.Event()

    def read():
        session, n = requests.Session(), 0
        while not stop.is_set():
            begin = time.monotonic()
            assert session.get(server.url + PAGE.format(name_of(n % PROVIDERS), 20 * (n % 50))).status_code == 200
            waits.append(1000 * (time.monotonic() - begin))
            n += 1
            time.sleep(0.01)
    reader = threading.Thread(target=read)
    reader.start()
    begin = time.monotonic()
    done = server.json("/api/system/sync", "POST", headers=ADMIN, timeout=1200)
    took = time.monotonic() - begin
    stop.set()
    reader.join()
    assert done["success"], json.dumps(done)[:2000]
    return took, sorted(waits)


def serve(folder: pathlib.Path, providers: list[dict], **more) -> Server:
    env = {"REDIS_URL": more.pop("redis")} if "redis" in more else {}
    return Server(folder, {}, {"providers": providers, "admin_api_key": KEY, "data_dir": str(folder / "data"), "log_level": "warn",
                               "model_cache_warm_on_startup": False, **more}, binary=SETTINGS.troupe, env=env, ready_s=0)


def started(server: Server) -> Server:
    until(lambda: listens(server.port), 60)
    return server


def syncs(providers: list[dict], work: pathlib.Path, models: int) -> tuple[Table, Server]:
    table = Table(f"14. Catalog: {models:,} models of {PROVIDERS} providers are read while others read", "database", "first sync, s",
                  "again, nothing changed, s", "a page meanwhile, p50 ms", "p99 ms", "file, MiB", "target", "")
    postgres = Postgres(work / "postgres")
    kept = None
    for kind in ("sqlite", "postgresql") if postgres.binaries else ("sqlite",):
        more = {}
        if kind == "postgresql":
            postgres.start()
            more["database_url"] = postgres.url
        server = started(serve(work / kind, providers, **more))
        first, waits = full_sync(server)
        again, _ = full_sync(server)
        size = sum(f.stat().st_size for f in (work / kind / "data").glob("catalog.db*")) / 2**20 if kind == "sqlite" else 0
        table.row(kind, first, again, median(waits), waits[int(0.99 * len(waits))], fmt(size) if size else "", "under 60 s",
                  verdict(first < 60))
        misses(server, kind)
        server.stop()
        if kind == "sqlite":
            kept = server
        else:
            postgres.stop()
    table.note("Each provider's file is read by the server; every fifth model is offered by all providers.")
    return table, kept


MISSES = []


def misses(server: Server, kind: str) -> None:
    """What is not cached: questions that nobody has asked before."""
    rng = random.Random(2)

    def times(make, count: int) -> list[float]:
        out = []
        for _ in range(count):
            path = make()
            begin = time.monotonic()
            assert server.get(path).status_code == 200, path
            out.append(1000 * (time.monotonic() - begin))
        return sorted(out)
    for what, make in {
        "a page of a provider": lambda: PAGE.format(name_of(rng.randrange(PROVIDERS)), rng.randrange(1000)),
        "a page of all": lambda: f"/catalog/models?limit=20&offset={rng.randrange(1000)}",
        "a page far behind": lambda: f"/catalog/models?limit=20&offset={300_000 + rng.randrange(100_000)}",
        "a search": lambda: f"/catalog/models?limit=20&search=model-{rng.randrange(10_000)}",
        "a search that finds thousands": lambda: f"/catalog/models?limit=20&search=vendor-{rng.randrange(200):03}",
        "by price": lambda: f"/catalog/models?limit=20&sort=price&min_price={rng.randrange(1, 80)}e-8&offset={rng.randrange(100)}",
        "unique models": lambda: f"/catalog/unique?limit=20&offset={rng.randrange(1000)}",
    }.items():
        t = times(make, 10 if SETTINGS.quick else 30)
        MISSES.append((kind, what, median(t), t[int(0.9 * (len(t) - 1))]))


def hit_rate(server: Server) -> float:
    """The document's traffic: mostly the first pages of few gateways, some models, a sync now and then."""
    rng = random.Random(3)
    before = stats(server)
    for n in range(2000 if SETTINGS.quick else 6000):
        gateway = name_of(min(int(rng.expovariate(0.4)), PROVIDERS - 1))
        path = rng.choices([PAGE.format(gateway, 20 * min(int(rng.expovariate(0.7)), 50)), f"/catalog/models?limit=20&offset={20 * min(int(rng.expovariate(0.7)), 50)}",
                            "/catalog/stats", "/catalog/unique?limit=20", "/catalog/providers"], [60, 20, 5, 10, 5])[0]
        assert server.get(path).status_code == 200
        if n % 1500 == 1499:
            server.json(f"/api/system/sync?provider={gateway}", "POST", headers=ADMIN, timeout=600)
    now = stats(server)
    hits, total = now["hits"] - before["hits"], now["total_requests"] - before["total_requests"]
    return 100 * hits / total


def pages(server: Server, redis: Redis) -> Table:
    table = Table("14b. Cached pages of 20 models, beside FastAPI and redis-py", "from", "connections", "requests/s", "p50 ms", "p99 ms",
                  "FastAPI, requests/s", "times", "target", "")
    path = PAGE.format("openrouter", 40)
    body = server.get(path, headers={"Accept-Encoding": "identity"}).content
    redis.cli("SET", "peer:openrouter:20:40", body.decode())
    python = python_of("catalog-peer")
    peer = Peer(python, redis) if python else None
    targets = {"Redis": 25_000, "memory, Redis away": 50_000}
    try:
        if peer:
            assert requests.get(peer.url + path).content == body
        for tier, target in targets.items():
            if tier != "Redis":
                redis.stop()
                until(lambda: server.get(path).status_code == 200 and not stats(server)["redis_available"])
            for connections in (16, 256):
                ours, theirs = [], []
                for _ in range(SETTINGS.rounds):
                    ours.append(Load(server.url + path, connections, SETTINGS.seconds))
                    if peer and tier == "Redis":
                        theirs.append(Load(peer.url + path, connections, SETTINGS.seconds))
                assert sum(l.errors for l in ours) == 0
                rate, other = median([l.rate for l in ours]), median([l.rate for l in theirs]) if theirs else 0
                p99 = median([l.p99_ms for l in ours])
                table.row(tier, str(connections), rate, median([l.p50_ms for l in ours]), fmt(p99, 2), fmt(other) if other else "",
                          fmt(rate / other, 1) if other else "", f"{target:,}/s, p99 2 ms", verdict(rate >= target and p99 < 2))
    finally:
        if peer:
            peer.stop()
    table.note(f"{len(body):,} bytes; the generator (wrk, one thread), the server and Redis share the cores. Medians of {SETTINGS.rounds} rounds.")
    if not peer:
        table.note("FastAPI is missing: `scripts/python-environment.sh catalog-peer` makes its environment.")
    return table


def rest(server: Server, redis: Redis) -> Table:
    table = Table("14c. Catalog: the rest", "what", "measured", "target", "")
    empty = rss_mib(server)
    rate = hit_rate(server)
    table.row("hit rate under the document's traffic, %", rate, "over 90", verdict(rate > 90))
    server.get("/catalog/models?limit=1000")
    times = []
    for _ in range(20):
        begin = time.monotonic()
        assert len(server.get("/catalog/models?limit=1000").json()["data"]) == 1000
        times.append(1000 * (time.monotonic() - begin))
    table.row("1,000 models from the cache, parsed by the client, ms", median(times), "5 to 20", verdict(median(times) <= 20))
    for n in range(3000):
        server.get(PAGE.format(name_of(n % PROVIDERS), 20 * (n // PROVIDERS)))
    local = stats(server)["local"]
    table.row("entries in memory after 3,000 pages", local["entries"], "at most 500", verdict(local["entries"] <= 500))
    table.row("its bytes, MiB", local["size_bytes"] / 2**20, "at most 50", verdict(local["size_bytes"] <= 50 * 2**20))
    grown = rss_mib(server) - empty
    table.row("process, grown since the start by MiB", grown, "10 to 50", verdict(grown <= 50))
    server.json("/api/system/cache/clear", "POST", headers=ADMIN)
    before = server.metrics()["troupe_catalog_database_seconds_count"]
    stampede = Load(server.url + "/catalog/unique?limit=13", 256, 1)
    asked = server.metrics()["troupe_catalog_database_seconds_count"] - before
    table.row("256 clients on one cold page: readings of the database", asked, "1", verdict(asked == 1 and stampede.errors == 0))
    return table


def catalog():
    if not shutil.which("wrk") or not shutil.which("redis-server"):
        raise RuntimeError("wrk or redis-server is missing: scripts/setup-packages.sh bench")
    models = MODELS // 10 if SETTINGS.quick else MODELS
    work = SETTINGS.work / "catalog"
    (work / "listings").mkdir(parents=True)
    MISSES.clear()
    table, kept = syncs(write_listings(work / "listings", models), work, models)
    yield table
    found = Table("14a. Questions that are not cached", "database", "question", "p50 ms", "p90 ms")
    for row in MISSES:
        found.row(*row)
    yield found
    with Redis(work / "redis") as redis:
        server = started(serve(kept.folder, kept.settings["providers"], redis=redis.url))
        until(lambda: stats(server)["redis_available"])
        yield rest(server, redis)
        yield pages(server, redis)
        server.stop()
