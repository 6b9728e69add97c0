"""The catalog while its tiers fail: no request fails while any tier can answer, none waits longer than Redis' timeout, the
state is told, and it recovers without help."""
import concurrent.futures
import json
import socket
import sqlite3
import threading
import time

import pytest

from catalog import ADMIN, listed, model, redis_up, settings, stats, sync, tier
from driver import SLOW, check_envelope, free_port
from services import Postgres, Redis, until

PATHS = ("/catalog/models", "/catalog/models?gateway=groq", "/catalog/unique", "/catalog/stats", "/catalog/models/groq/own",
         "/catalog/pricing/groq/own")


def all_answer(server, limit_s: float = 1.0) -> None:
    for path in PATHS:
        started = time.monotonic()
        assert server.get(path).status_code == 200
        assert time.monotonic() - started < limit_s * SLOW, path


def redis_down(server) -> None:
    until(lambda: server.get("/catalog/stats").status_code == 200 and not stats(server)["redis_available"], why="Redis is still used")


@pytest.fixture
def warm(serve, two, redis):
    server = serve(settings=settings(two), env={"REDIS_URL": redis.url})
    redis_up(server)
    sync(server)
    for path in PATHS * 2:
        server.json(path)
    return server


def test_redis_killed_and_back(warm, redis):
    redis.stop()
    for _ in range(3):
        all_answer(warm)
    redis_down(warm)
    assert tier(warm, "/catalog/models") == ("HIT", "local")
    assert warm.json("/health")["catalog"]["redis"] == "down" and warm.json("/health")["status"] == "healthy"
    assert warm.metrics()["troupe_catalog_redis_up"] == 0
    redis.start()
    redis_up(warm)
    all_answer(warm)
    sync(warm)
    warm.json("/catalog/models")
    assert tier(warm, "/catalog/models") == ("HIT", "redis")
    assert warm.metrics()["troupe_catalog_redis_up"] == 1


def test_redis_stopped(warm, two, redis):
    redis.pause()
    for _ in range(3):
        all_answer(warm)
    redis_down(warm)
    # Nothing waits any more.
    started = time.monotonic()
    for _ in range(100):
        assert warm.get("/catalog/models").status_code == 200
    assert time.monotonic() - started < 3 * SLOW
    # What it misses meanwhile is made up before it is read again.
    two[1].write([model("groq/changed")])
    sync(warm, "groq")
    assert listed(warm, "?gateway=groq") == ["groq/changed"]
    redis.proceed()
    redis_up(warm)
    assert listed(warm, "?gateway=groq") == ["groq/changed"]
    check_envelope(warm.get("/catalog/models/groq/own"), 404)
    assert redis.cli("EXISTS", "models:model:groq/own") == "0"


def test_redis_slow(warm, redis):
    """Every command takes 200 ms, twice the timeout."""
    stop = threading.Event()

    def slow():
        while not stop.is_set():
            redis.cli("DEBUG", "SLEEP", "0.2")
    thread = threading.Thread(target=slow)
    thread.start()
    try:
        for _ in range(5):
            all_answer(warm)
    finally:
        stop.set()
        thread.join()
    redis_up(warm)


def test_redis_that_talks_rubbish(serve, two):
    with socket.create_server(("127.0.0.1", 0)) as fake:
        port = fake.getsockname()[1]

        def talk():
            while True:
                try:
                    peer, _ = fake.accept()
                except OSError:
                    return
                with peer:
                    try:
                        while peer.recv(65536):
                            peer.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n$99999999999\r\n")
                    except OSError:
                        pass
        threading.Thread(target=talk, daemon=True).start()
        server = serve(settings=settings(two), env={"REDIS_URL": f"redis://127.0.0.1:{port}"})
        sync(server)
        for _ in range(3):
            all_answer(server)
        assert server.json("/health")["catalog"]["redis"] == "down"


def test_redis_with_passwords(serve, two, tmp_path):
    with Redis(tmp_path / "redis", "--requirepass", "p@ss/word") as redis:
        good = serve(settings=settings(two), env={"REDIS_URL": f"redis://:p%40ss%2Fword@127.0.0.1:{redis.port}"})
        redis_up(good)
        redis.cli("ACL", "SETUSER", "catalog", "on", ">other", "~models:*", "&models:*", "+@all", password="p@ss/word")
        limited = serve(settings=settings(two), env={"REDIS_URL": f"redis://catalog:other@127.0.0.1:{redis.port}"})
        redis_up(limited)
        sync(limited)
        limited.json("/catalog/models")
        assert tier(limited, "/catalog/models") == ("HIT", "redis")
        wrong = serve(settings=settings(two), env={"REDIS_URL": f"redis://:wrong-secret@127.0.0.1:{redis.port}"})
        sync(wrong)
        all_answer(wrong)
        until(lambda: "WRONGPASS" in (stats(wrong)["redis"]["error"] or ""))
        assert "wrong-secret" not in wrong.log(500)


def test_redis_whose_user_may_not_listen(serve, two, tmp_path):
    with Redis(tmp_path / "redis") as redis:
        redis.cli("ACL", "SETUSER", "deaf", "on", ">other", "~models:*", "&models:*", "+@all", "-subscribe")
        hears = serve(settings=settings(two), env={"REDIS_URL": redis.url})
        deaf = serve(settings=settings(two), env={"REDIS_URL": f"redis://deaf:other@127.0.0.1:{redis.port}"})
        redis_up(hears)
        redis_up(deaf)
        until(lambda: "NOPERM" in (stats(deaf)["redis"]["listener_error"] or ""))
        assert stats(deaf)["redis"]["listener"] == "down" and stats(deaf)["redis_available"]
        assert deaf.json("/health")["catalog"]["listener"] == "down"
        assert deaf.metrics()["troupe_catalog_redis_listener_up"] == 0
        until(lambda: stats(hears)["redis"]["listener"] == "up")
        time.sleep(2)
        assert deaf.log(500).count("NOPERM") == 1


def test_redis_full(serve, two, tmp_path):
    with Redis(tmp_path / "redis", "--maxmemory", "900kb", "--maxmemory-policy", "noeviction") as redis:
        server = serve(settings=settings(two), env={"REDIS_URL": redis.url})
        sync(server)
        for _ in range(3):
            all_answer(server)
        assert tier(server, "/catalog/models")[0] == "HIT"


def test_redis_never_there(serve, two):
    server = serve(settings=settings(two), env={"REDIS_URL": f"redis://127.0.0.1:{free_port()}"})
    sync(server)
    all_answer(server)
    assert tier(server, "/catalog/models") == ("HIT", "local")


def test_a_redis_url_that_is_none(serve, two):
    server = serve(settings=settings(two), env={"REDIS_URL": "http://user:hidden-word@127.0.0.1:6379"})
    sync(server)
    all_answer(server)
    assert server.json("/health")["catalog"]["redis"] == "off"
    assert "redis_url" in server.log(500) and "hidden-word" not in server.log(500)


def test_postgresql_killed_and_back(serve, two, redis, tmp_path):
    database = Postgres(tmp_path / "postgres")
    if database.binaries is None:
        pytest.skip("no PostgreSQL here")
    with database:
        server = serve(settings=settings(two, database_url=database.url), env={"REDIS_URL": redis.url})
        redis_up(server)
        sync(server)
        for path in PATHS:
            server.json(path)
        database.stop()
        all_answer(server)
        # Not cached: it cannot be known. What memory had before an invalidation is better than nothing.
        answer = server.get("/catalog/models/never/asked", timeout=30)
        assert answer.status_code == 503 and answer.json()["code"] == "UNAVAILABLE"
        server.json("/api/system/cache/clear?gateway=groq", "POST", headers=ADMIN)
        assert tier(server, "/catalog/models?gateway=groq")[0] == "STALE"
        failed = sync(server)
        assert not failed["success"] and "secret" not in json.dumps(failed)
        assert server.json("/health")["catalog"]["database"] == "down"
        database.start()
        until(lambda: server.get("/catalog/models/never/asked").status_code == 404)
        assert sync(server)["success"]
        assert server.json("/health")["catalog"]["database"] == "up"


def test_postgresql_that_comes_later(serve, two, tmp_path):
    database = Postgres(tmp_path / "postgres")
    if database.binaries is None:
        pytest.skip("no PostgreSQL here")
    server = serve(settings=settings(two, database_url=database.url))
    check_envelope(server.get("/catalog/models"), 503)
    with database:
        until(lambda: sync(server)["success"], why="the schema was never made")
        assert len(listed(server)) == 5


def test_sqlite_locked_by_another_process(warm):
    file = f"{warm.settings['data_dir']}/catalog.db"
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    try:
        # Readers go on beside a writer.
        warm.json("/api/system/cache/clear", "POST", headers=ADMIN)
        all_answer(warm, 8)
        # An edit waits a moment, then says so; a sync waits for its turn.
        with concurrent.futures.ThreadPoolExecutor() as pool:
            waiting = pool.submit(sync, warm)
            answer = warm.request("PUT", "/api/system/models/x", headers=ADMIN, json={})
            assert answer.status_code == 503 and "locked" in answer.text, answer.text
            assert not waiting.done()
            all_answer(warm, 8)
            other.execute("ROLLBACK")
            assert waiting.result()["success"]
    finally:
        other.close()
    warm.json("/api/system/models/x", "PUT", headers=ADMIN, json={})


def test_a_database_that_is_none(serve, two, tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "catalog.db").write_bytes(b"this is no database, and it is long enough to tell" * 100)
    server = serve(settings=settings(two, data_dir=str(folder)))
    check_envelope(server.get("/catalog/models"), 503)
    assert "catalog.db" in stats(server)["database"]["error"] and "catalog.db" in server.log(100)
    assert server.json("/health")["status"] == "healthy"


def test_a_stampede_asks_the_database_once(serve, two):
    server = serve(settings=settings(two))
    sync(server)
    before = server.metrics()["troupe_catalog_database_seconds_count"]
    with concurrent.futures.ThreadPoolExecutor(32) as pool:
        answers = list(pool.map(lambda _: server.get("/catalog/unique?limit=7").status_code, range(256)))
    assert answers == [200] * 256
    assert server.metrics()["troupe_catalog_database_seconds_count"] - before == 1


def test_instances_that_invalidate_each_other(serve, two, redis, empty_postgres):
    both = [serve(settings=settings(two, database_url=empty_postgres.url), env={"REDIS_URL": redis.url}) for _ in range(2)]
    for server in both:
        redis_up(server)
    sync(both[0])
    end = time.monotonic() + 3 * SLOW

    def storm(server):
        while time.monotonic() < end:
            assert server.post("/api/system/cache/clear?gateway=groq", headers=ADMIN).status_code == 200
    wrong = []

    def read(server):
        while time.monotonic() < end:
            answer = server.get("/catalog/models?gateway=groq")
            if answer.status_code != 200 or answer.json()["total"] != 2:
                wrong.append(answer.text)
    threads = [threading.Thread(target=f, args=(s,)) for s in both for f in (storm, read, read)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong, wrong[:3]
    both[0].json("/api/system/models/groq/own", "PUT", headers=ADMIN, json={"name": "After the storm"})
    for server in both:
        assert "After the storm" in server.get("/catalog/models?gateway=groq").text
        assert stats(server)["redis_available"]


def test_bad_requests(warm):
    for query in ("limit=0", "limit=1001", "limit=x", "offset=-1", "cursor=AAAA", "cursor=%2e%2e", "min_price=-1", "sort=x", "nonsense=1",
                  "search=" + "x" * 300):
        check_envelope(warm.get(f"/catalog/models?{query}"), 400)
    page = warm.json("/catalog/models?limit=1")
    cursor = page["next_cursor"]
    for i in range(0, len(cursor), 3):
        altered = cursor[:i] + ("A" if cursor[i] != "A" else "B") + cursor[i + 1:]
        check_envelope(warm.get(f"/catalog/models?limit=1&cursor={altered}"), 400)
    for text in ("' OR 1=1 --", '"; DROP TABLE catalog_offers; --', "a AND NOT b", "NEAR(a b)", "*", "%", "_", "\\", 'say "hi', "col:val", "(", "^x"):
        answer = warm.get("/catalog/models", params={"search": text})
        assert answer.status_code == 200 and answer.json()["total"] == 0, (text, answer.text)
    assert len(listed(warm)) == 5
