"""Document 004: the catalog's routes over a real Redis, SQLite and PostgreSQL; what is cached, for how long, and that the
counts add up."""
import gzip
import json
import random
import shutil
import subprocess
import urllib.parse

import pytest

from catalog import ADMIN, Listing, listed, model, redis_up, settings, stats, sync, tier
from driver import SLOW, check_envelope
from services import until


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request):
    """The setting of each database."""
    if request.param == "sqlite":
        return {}
    return {"database_url": request.getfixturevalue("empty_postgres").url}


@pytest.mark.asan
def test_a_server_with_neither_redis_nor_postgresql(serve, tiny):
    server = serve({"org/tiny": {"path": str(tiny), "task": "text-classification", "description": "Small"}})
    assert until(lambda: listed(server)) == ["org/tiny"]
    row = server.json("/catalog/models")["data"][0]
    assert row["provider"] == "local" and row["task"] == "text-classification" and row["description"] == "Small"
    assert server.json("/catalog/stats")["total_models"] == 1
    assert server.json("/health")["catalog"] == {"redis": "off", "listener": "off", "database": "up"}


@pytest.mark.asan
def test_every_route(serve, two, database):
    server = serve(settings=settings(two, **database))
    done = sync(server)
    assert done["success"] and [(p["provider"], p["models"], p["added"]) for p in done["providers"]] == [
        ("openrouter", 3, 3), ("groq", 2, 2)]

    page = server.json("/catalog/models")
    assert {k: page[k] for k in ("total", "returned", "offset", "limit", "has_more", "next_offset")} == {
        "total": 5, "returned": 5, "offset": 0, "limit": 100, "has_more": False, "next_offset": None}
    assert [(m["id"], m["provider"]) for m in page["data"]] == [
        ("deepseek/deepseek-r1:free", "openrouter"), ("groq/own", "groq"), ("meta/llama-3-8b", "groq"),
        ("meta/llama-3-8b", "openrouter"), ("openai/gpt", "openrouter")]
    assert page["data"][0]["pricing"] == {"prompt": 0, "completion": 0}
    assert page["data"][4]["pricing"] == {"prompt": None, "completion": None}

    assert listed(server, "?gateway=groq") == ["groq/own", "meta/llama-3-8b"]
    assert server.json("/catalog/models?gateway=nobody")["data"] == []
    assert listed(server, "?search=LLAMA%208b") == ["meta/llama-3-8b"] * 2
    assert listed(server, "?sort=price") == ["deepseek/deepseek-r1:free", "meta/llama-3-8b", "meta/llama-3-8b", "groq/own", "openai/gpt"]
    assert listed(server, "?max_price=0.0000002") == ["deepseek/deepseek-r1:free", "meta/llama-3-8b", "meta/llama-3-8b"]
    assert listed(server, "?min_context_length=100000") == ["openai/gpt"]

    unique = server.json("/catalog/unique")
    assert unique["total"] == 4
    assert {m["id"]: m for m in unique["data"]}["meta/llama-3-8b"] == {
        "id": "meta/llama-3-8b", "name": "Llama 3 8B", "providers": ["groq", "openrouter"], "provider_count": 2,
        "cheapest_provider": "groq", "cheapest_prompt_price": 1e-7}
    assert {m["id"]: m["cheapest_provider"] for m in unique["data"]}["openai/gpt"] is None

    one = server.json("/catalog/models/deepseek/deepseek-r1:free")
    assert one["name"] == "DeepSeek R1" and one["provider_count"] == 1
    assert server.json("/catalog/models/" + urllib.parse.quote("deepseek/deepseek-r1:free", safe="")) == one
    assert server.json("/catalog/pricing/meta/llama-3-8b")["prompt"] == 1e-7
    check_envelope(server.get("/catalog/models/meta/none"), 404, "MODEL_NOT_FOUND")
    check_envelope(server.get("/catalog/pricing/meta/none"), 404, "MODEL_NOT_FOUND")

    numbers = server.json("/catalog/stats")
    assert (numbers["total_models"], numbers["unique_models"], numbers["total_providers"]) == (5, 4, 2)
    assert (numbers["priced_models"], numbers["free_models"]) == (4, 1)
    facts = {p["name"]: p for p in server.json("/catalog/providers")["data"]}
    assert facts["groq"]["models"] == 2 and facts["groq"]["synced_at"] and facts["groq"]["last_error"] is None
    detail = server.json("/catalog/providers/groq?limit=1")
    assert detail["provider"]["models"] == 2 and detail["returned"] == 1 and detail["has_more"]
    assert server.json("/catalog/providers/nobody")["provider"] is None


def test_pages_by_offset_and_by_cursor(serve, tmp_path, database):
    seed = random.randrange(1 << 30)
    print(f"seed {seed}")
    rng = random.Random(seed)
    many = [model(f"v{rng.randrange(40)}/m{i:04}", rng.choice([None, "0", f"{rng.randrange(1, 9)}e-7"]),
                  context_length=rng.choice([None, 4096, 8192, 131072])) for i in range(523)]
    server = serve(settings=settings([Listing(tmp_path, "many", many)], **database))
    sync(server)
    for sort in ("id", "price", "context_length"):
        by_cursor, by_offset, cursor, offset = [], [], "", 0
        while cursor is not None:
            page = server.json(f"/catalog/models?limit=50&sort={sort}" + (f"&cursor={cursor}" if cursor else ""))
            by_cursor += [m["id"] for m in page["data"]]
            cursor = page["next_cursor"]
        while offset is not None:
            page = server.json(f"/catalog/models?limit=50&sort={sort}&offset={offset}")
            by_offset += [m["id"] for m in page["data"]]
            offset = page["next_offset"]
        assert by_cursor == by_offset and sorted(by_cursor) == sorted(m["id"] for m in many)
    prices = [m["pricing"]["prompt"] for m in server.json("/catalog/models?sort=price&limit=1000")["data"]]
    known = [p for p in prices if p is not None]
    assert known == sorted(known) and prices == known + [None] * (len(prices) - len(known))


@pytest.mark.asan
def test_the_documents_keys_and_times(serve, two, redis):
    server = serve(settings=settings(two), env={"REDIS_URL": redis.url, "MODEL_CACHE_TTL": "777"})
    redis_up(server)
    sync(server)
    for path in ("/catalog/models", "/catalog/models?gateway=openrouter", "/catalog/unique", "/catalog/stats",
                 "/catalog/models/openai/gpt", "/catalog/pricing/openai/gpt"):
        assert tier(server, path) == ("MISS", "database")
        assert tier(server, path) == ("HIT", "redis")
    times = {"models:catalog:full": 777, "models:provider:openrouter": 1800, "models:gateway:openrouter": 1800, "models:unique": 1800,
             "models:stats": 777, "models:model:openai/gpt": 3600, "models:pricing:openai/gpt": 3600}
    until(lambda: times.keys() <= redis.keys(), why=f"{sorted(redis.keys())}")
    for key, ttl in times.items():
        assert ttl - 20 <= int(redis.cli("TTL", key)) <= ttl, key
    # What Python readers find.
    assert [m["id"] for m in json.loads(redis.cli("GET", "models:provider:openrouter"))] == [
        "deepseek/deepseek-r1:free", "meta/llama-3-8b", "openai/gpt"]
    assert redis.cli("GET", "models:gateway:openrouter") == redis.cli("GET", "models:provider:openrouter")
    assert len(json.loads(redis.cli("GET", "models:catalog:full"))) == 5
    unique = json.loads(redis.cli("GET", "models:unique"))
    assert {m["name"]: m["provider_count"] for m in unique}["Llama 3 8B"] == 2
    assert json.loads(redis.cli("GET", "models:stats"))["total_models"] == 5
    assert json.loads(redis.cli("GET", "models:model:openai/gpt"))["id"] == "openai/gpt"


def test_the_counts_add_up(serve, two, redis):
    server = serve(settings=settings(two), env={"REDIS_URL": redis.url})
    redis_up(server)
    sync(server)
    before = stats(server)
    for _ in range(10):
        server.json("/catalog/stats")
    for _ in range(5):
        server.json("/catalog/models/groq/own")
    server.get("/catalog/models/none")
    now = stats(server)
    grown = {k: now[k] - before[k] for k in ("hits", "misses", "sets", "errors", "invalidations", "total_requests")}
    assert grown == {"hits": 13, "misses": 3, "sets": 2, "errors": 0, "invalidations": 0, "total_requests": 16}
    assert now["hit_rate_percent"] == pytest.approx(100 * now["hits"] / now["total_requests"], abs=1e-5)
    server.json("/api/system/cache/clear?gateway=groq", "POST", headers=ADMIN)
    assert stats(server)["invalidations"] - now["invalidations"] == 4
    metrics = server.metrics()
    for name, field in (("hits", "hits"), ("misses", "misses"), ("sets", "sets"), ("invalidations", "invalidations")):
        total = sum(v for k, v in metrics.items() if k.startswith(f"model_cache_{name}_total"))
        assert total == stats(server)[field]
    assert metrics['model_cache_ttl_seconds{cache="provider"}'] == 1800
    assert metrics['model_cache_size_bytes{tier="local"}'] == stats(server)["local"]["size_bytes"]


def test_the_documents_log_lines(serve, two, redis):
    server = serve(settings=settings(two, log_level="debug"), env={"REDIS_URL": redis.url})
    redis_up(server)
    sync(server, "openrouter")
    for path in ("/catalog/models", "/catalog/models", "/catalog/unique", "/catalog/models?gateway=openrouter"):
        server.json(path)
    for line in ("Cache HIT: Full model catalog", "Cache MISS: Unique models", r"Cache SET: Gateway catalog for openrouter \(3 models, TTL: 1800s\)",
                 "Cache INVALIDATE: Gateway catalog for openrouter"):
        server.wait_log(line, 10)


@pytest.mark.asan
def test_what_a_sync_changes_is_seen_at_once(serve, two, redis, database):
    server = serve(settings=settings(two, **database), env={"REDIS_URL": redis.url})
    redis_up(server)
    sync(server)
    paths = ("/catalog/models", "/catalog/models?gateway=groq", "/catalog/unique", "/catalog/stats", "/catalog/models/groq/own",
             "/catalog/pricing/groq/own", "/catalog/providers", "/catalog/providers/groq")
    for path in paths * 2:
        server.json(path)
    two[1].write([model("groq/own", "0.000001", name="Own, cheaper"), model("groq/new")])
    done = sync(server, "groq")["providers"][0]
    assert (done["added"], done["changed"], done["removed"]) == (1, 1, 1)
    assert listed(server, "?gateway=groq") == ["groq/new", "groq/own"]
    assert "groq/new" in listed(server)
    assert server.json("/catalog/pricing/groq/own")["prompt"] == 1e-6
    assert server.json("/catalog/models/groq/own")["name"] == "Own, cheaper"
    assert {m["id"]: m["provider_count"] for m in server.json("/catalog/unique")["data"]}["meta/llama-3-8b"] == 1
    # The other provider's pages are still cached.
    server.json("/catalog/models?gateway=openrouter")
    sync(server, "groq")
    assert tier(server, "/catalog/models?gateway=openrouter")[0] == "HIT"


@pytest.mark.asan
def test_edits_by_hand_stay(serve, two, database):
    server = serve(settings=settings(two, **database))
    sync(server)
    server.json("/catalog/models/openai/gpt")
    done = server.json("/api/system/models/openai/gpt", "PUT", headers=ADMIN, json={"name": "GPT, ours", "pricing": {"prompt": 0.5}})
    assert done["providers"] == ["openrouter"]
    one = server.json("/catalog/models/openai/gpt")
    assert one["name"] == "GPT, ours" and one["pricing"]["prompt"] == 0.5 and one["offers"][0]["edited"] is True
    check_envelope(server.request("PUT", "/api/system/models/meta/llama-3-8b", headers=ADMIN, json={"name": "x"}), 400)
    server.json("/api/system/models/meta/llama-3-8b?gateway=groq", "DELETE", headers=ADMIN)
    server.json("/api/system/models/new/one", "PUT", headers=ADMIN, json={"name": "New"})
    check_envelope(server.request("DELETE", "/api/system/models/nothing", headers=ADMIN), 404)
    for _ in range(2):
        result = {p["provider"]: p for p in sync(server)["providers"]}
        assert result["openrouter"]["kept_edited"] == 1
        assert server.json("/catalog/models/openai/gpt")["name"] == "GPT, ours"
        assert server.json("/catalog/models/meta/llama-3-8b")["providers"] == ["openrouter"]
        assert server.json("/catalog/models/new/one")["provider"] == "manual"
    server.stop()
    at = server.log_position()
    server.start(ready_s=0)
    server.wait_log(r"\bready on http", 60 * SLOW, at)
    assert server.json("/catalog/models/openai/gpt")["name"] == "GPT, ours"
    assert server.json("/catalog/models/new/one")["provider"] == "manual"


def test_tags_and_encodings(serve, tmp_path):
    server = serve(settings=settings([Listing(tmp_path, "p", [model(f"vendor/model-{i}") for i in range(60)])]))
    sync(server)
    plain = server.get("/catalog/models", headers={"Accept-Encoding": "identity"})
    assert server.get("/catalog/models", headers={"If-None-Match": plain.headers["ETag"], "Accept-Encoding": "identity"}).status_code == 304
    raw = server.session.get(server.url + "/catalog/models", headers={"Accept-Encoding": "gzip"}, stream=True)
    assert raw.headers["Content-Encoding"] == "gzip" and raw.headers["ETag"] != plain.headers["ETag"]
    assert gzip.decompress(raw.raw.read(decode_content=False)) == plain.content
    zipped = server.session.get(server.url + "/catalog/models", headers={"Accept-Encoding": "zstd"}, stream=True)
    assert zipped.headers["Content-Encoding"] == "zstd"
    if shutil.which("zstd"):
        back = subprocess.run(["zstd", "-dc"], input=zipped.raw.read(decode_content=False), capture_output=True).stdout
        assert back == plain.content
    sync(server)
    assert server.get("/catalog/models", headers={"If-None-Match": plain.headers["ETag"], "Accept-Encoding": "identity"}).status_code == 304, \
        "nothing has changed"
    server.json("/api/system/models/x", "PUT", headers=ADMIN, json={})
    assert server.get("/catalog/models", headers={"If-None-Match": plain.headers["ETag"]}).status_code == 200


def test_warming_and_clearing(serve, two, redis):
    server = serve(settings=settings(two), env={"REDIS_URL": redis.url})
    redis_up(server)
    sync(server)
    warmed = server.json("/api/system/cache/warm", "POST", headers=ADMIN)
    assert warmed["success"] and {"Full model catalog", "Unique models", "Gateway catalog for openrouter", "Gateway catalog for groq"} <= {
        e["cache"] for e in warmed["entries"]}
    until(lambda: {"models:catalog:full", "models:unique", "models:gateway:openrouter", "models:provider:groq"} <= redis.keys())
    assert tier(server, "/catalog/models?gateway=groq")[0] == "HIT"
    redis.cli("SET", "models:somebody", "else")
    redis.cli("SET", "unrelated", "x")
    server.json("/api/system/cache/clear", "POST", headers=ADMIN)
    assert redis.keys() - redis.keys("models:generation:*") == {"models:somebody"}, "what is not ours stays"
    assert redis.cli("GET", "unrelated") == "x"
    assert tier(server, "/catalog/models?gateway=groq") == ("MISS", "database")
    for path, method in (("/api/system/cache/warm", "POST"), ("/api/system/cache/clear", "POST"), ("/api/system/sync", "POST"),
                         ("/api/system/cache/stats", "GET"), ("/api/system/models/x", "DELETE")):
        check_envelope(server.request(method, path), 401)
        check_envelope(server.request(method, path, headers={"Authorization": "Bearer wrong"}), 403)


def test_warm_at_start(serve, two, redis):
    server = serve(settings=settings(two))
    sync(server)
    server.stop()
    warm = serve(settings={**settings(two), "data_dir": server.settings["data_dir"], "model_cache_warm_on_startup": True},
                 env={"REDIS_URL": redis.url})
    until(lambda: {"models:catalog:full", "models:unique", "models:provider:openrouter", "models:gateway:groq"} <= redis.keys())
    assert tier(warm, "/catalog/models") == ("HIT", "redis")


def test_disabled_goes_straight_to_the_database(serve, two, redis):
    server = serve(settings=settings(two), env={"REDIS_URL": redis.url, "MODEL_CACHE_ENABLED": "false"})
    sync(server)
    for _ in range(3):
        assert tier(server, "/catalog/models") == ("MISS", "database")
    assert redis.keys("models:page:*") == set() and redis.keys("models:catalog:*") == set()


def test_stale_while_one_refresh_runs(serve, two):
    server = serve(settings=settings(two, model_cache_ttl=1))
    sync(server)
    assert tier(server, "/catalog/stats")[0] == "MISS"
    until(lambda: tier(server, "/catalog/stats")[0] == "STALE")
    until(lambda: tier(server, "/catalog/stats")[0] == "HIT", why="the refresh has not come")
    assert stats(server)["misses"] == 1


def test_two_instances_on_one_redis_and_database(serve, two, redis, empty_postgres):
    both = [serve(settings=settings(two, database_url=empty_postgres.url), env={"REDIS_URL": redis.url}) for _ in range(2)]
    for server in both:
        redis_up(server)
    sync(both[0])
    assert tier(both[0], "/catalog/models?gateway=groq") == ("MISS", "database")
    assert tier(both[1], "/catalog/models?gateway=groq") == ("HIT", "redis")
    two[1].write([model("groq/changed")])
    sync(both[1], "groq")
    for server in both:
        assert listed(server, "?gateway=groq") == ["groq/changed"]
        assert "groq/changed" in listed(server)
    both[0].json("/api/system/models/groq/changed", "PUT", headers=ADMIN, json={"name": "By hand"})
    for server in both:
        assert server.json("/catalog/models/groq/changed")["name"] == "By hand"


def test_a_provider_that_is_configured_no_more(serve, two):
    server = serve(settings=settings(two))
    sync(server)
    server.json("/api/system/models/openai/gpt", "PUT", headers=ADMIN, json={"name": "By hand"})
    server.stop()
    fewer = serve(settings={**settings(two[1:]), "data_dir": server.settings["data_dir"]})
    until(lambda: listed(fewer) == ["groq/own", "meta/llama-3-8b", "openai/gpt"], why=str(listed(fewer)))
    check_envelope(fewer.post("/api/system/sync?provider=openrouter", headers=ADMIN), 404)
