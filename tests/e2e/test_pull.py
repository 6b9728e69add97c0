"""Pulled by name: from POST /models/download to an answer (document 002)."""
import itertools
import json
import os
import random
import re
import signal
import threading
import time

import pytest

from driver import check_envelope, quote
from pulling import (ENDED, TEXT, again, ask, begin, cache_info, check_answers, check_failed, check_nothing_left,
                     check_store, contents, ended, fails, follow, info, partial_bytes, pull, relabelled, sharded, start,
                     store_of, told)

SOURCES = "pytorch_hub, torchvision, huggingface, url, tts_auto"


@pytest.fixture
def server(serve, hub, tiny, tmp_path):
    hub.add("org/tiny", tiny, pipeline_tag="text-classification", tags=["bert"])
    return start(serve, tmp_path / "env", hub)


@pytest.mark.asan
def test_pulled_loaded_and_served(server, hub, tiny, tiny_shape):
    answer = ask(server, "mine", "org/tiny", task="text-classification")
    assert answer.status_code == 200, answer.text
    started = answer.json()
    assert started["success"] is True and started["message"] == "Started downloading model 'mine'", started
    assert started["model_name"] == "mine" and started["model_id"] == "org/tiny", started
    assert started["source"] == "huggingface" and started["status"] in ("pending", "downloading"), started
    assert isinstance(started["estimated_time"], str) and started["estimated_time"], started
    download = started["download_info"]
    assert download["download_id"] == started["download_id"] and re.fullmatch("[0-9a-f]{8}", download["download_id"])
    for name in ("model_type", "description", "estimated_size_mb", "supports_voice_cloning", "vocoder_included",
                 "vocoder_models"):
        assert name in download, download
    assert download["vocoder_included"] is False and download["vocoder_models"] == [], download

    last = follow(server, started["download_id"])[-1]
    assert last["status"] == "completed" and "completed" in last["message"].lower(), last
    assert last["bytes_done"] == last["bytes_total"] >= (tiny / "model.safetensors").stat().st_size
    server.until(lambda: "mine" in server.resident())
    check_answers(server, "mine", tiny, tiny_shape)
    # What is asked stays known.
    assert told(server, started["download_id"])["status"] == "completed"
    assert check_store(server)["mine"]["source"] == "huggingface"
    assert partial_bytes(server) == 0


@pytest.mark.asan
def test_kept_across_restarts(server, hub, tiny, tiny_shape):
    pull(server, "org/tiny", "org/tiny")
    hub.forget()
    for end in (signal.SIGTERM, signal.SIGKILL):
        again(server, end)
        assert set(server.models()) == {"org/tiny"} and cache_info(server)["models"] == ["org/tiny"]
        check_answers(server, "org/tiny", tiny, tiny_shape)
    assert not hub.asked(), "it was asked for again"
    assert info(server, "org/tiny")["status"] == "completed"


def test_progress_is_true(server, hub, small):
    """Held half way: the bytes, the share of them and the state are told as they are."""
    hub.add("org/small", small)
    size = (small / "model.safetensors").stat().st_size
    hold = hub.fault("model.safetensors", stall_after=size // 2)
    hub.rate(20_000_000)
    download = begin(server, "small", "org/small")
    assert hold.reached.wait(20)
    # Less than a second (download_stall_s): it is not to be given up.
    half = server.until(lambda: (now := told(server, download))["bytes_done"] >= size // 2 and now)
    assert half["status"] == "downloading" and half["bytes_total"] >= size, half
    assert abs(half["progress"] - 100 * half["bytes_done"] / half["bytes_total"]) < 0.2 and half["progress"] < 75, half
    assert info(server, "small")["status"] == "downloading"
    hold.release()
    seen = follow(server, download)
    assert seen[-1]["status"] == "completed"
    assert len({now["progress"] for now in seen}) > 3, "it went in leaps"
    assert any(now["eta"] is not None and now["speed_mb_s"] for now in seen), seen
    metrics = server.metrics()
    assert metrics["troupe_download_bytes_total"] >= size
    assert metrics['troupe_downloads_total{status="completed"}'] == 1
    assert metrics["troupe_store_size_bytes"] == sum(
        p.stat().st_size for p in (store_of(server) / ".store/blobs").iterdir())


def test_load_false(server, hub, tiny, tiny_shape):
    pull(server, "mine", "org/tiny", load=False)
    assert server.resident() == set() and "mine" in server.models()
    check_answers(server, "mine", tiny, tiny_shape)  # on demand


def test_too_large_for_memory_stays_registered(serve, hub, sized, tmp_path):
    hub.add("org/large", sized(40))
    server = start(serve, tmp_path / "env", hub, {"memory_limit_mb": 20})
    last = pull(server, "large", "org/large")
    assert "large" in server.models() and server.resident() == set()
    assert re.search(r"(?i)memory|fit", json.dumps(last)), last


def test_already_exists(serve, hub, tiny, tmp_path):
    hub.add("org/tiny", tiny)
    server = start(serve, tmp_path / "env", hub, registry={"theirs": {"path": str(tiny)}})
    first = begin(server, "mine", "org/tiny")
    ended(server, first)
    hub.forget()
    for name in ("mine", "theirs"):
        body = ask(server, name, "org/tiny").json()
        assert body["success"] is True and body["status"] == "already_exists", body
        assert body["message"] == f"Model '{name}' already exists and is ready to use", body
        assert re.fullmatch(r"[0-9a-f]{8}", body["download_id"]), body
        assert told(server, body["download_id"])["status"] == "completed"
    assert not hub.asked()
    assert cache_info(server)["cache_optimization"]["cache_hit_rate"] > 0


@pytest.mark.asan
def test_two_of_one_name_share_one(server, hub):
    hold = hub.fault("model.safetensors", stall_after=1000)
    answers = server.many([lambda: ask(server, "mine", "org/tiny") for _ in range(8)], 8)
    assert all(a.status_code == 200 for a in answers), [a.text for a in answers]
    ids = {a.json()["download_id"] for a in answers}
    assert len(ids) == 1, ids
    hold.release()
    ended(server, ids.pop())
    assert len(hub.asked("model.safetensors", "body", method="GET")) == 1


def test_they_wait_for_their_turn(serve, hub, tiny, tmp_path):
    for n in range(3):
        hub.add(f"org/m{n}", relabelled(tiny, [f"{n}{c}" for c in "abcde"]))
    server = start(serve, tmp_path / "env", hub, {"max_downloads": 1, "max_waiting_downloads": 1})
    hold = hub.fault("org/m0/model.safetensors", stall_after=1000)
    first, second = begin(server, "m0", "org/m0"), begin(server, "m1", "org/m1")
    assert hold.reached.wait(20)
    assert told(server, second)["status"] == "pending" and told(server, first)["status"] == "downloading"
    full = check_failed(ask(server, "m2", "org/m2"), 429)
    assert "wait" in full["message"] + full["detail"], full
    hold.release()
    ended(server, first)
    ended(server, second)
    pull(server, "m2", "org/m2")
    assert hub.bodies_most <= 8


# -- server-sent events --

def events(server, download_id: str):
    """(event, data) as they come."""
    with server.get(f"/models/download/status/{download_id}/events", stream=True, timeout=30) as answer:
        assert answer.status_code == 200, answer.text
        assert answer.headers["Content-Type"].startswith("text/event-stream"), answer.headers
        kind, data = "message", []
        for line in answer.iter_lines(1, decode_unicode=True):
            if line.startswith("event:"):
                kind = line[6:].strip()
            elif line.startswith("data:"):
                data.append(line[5:].strip())
            elif line == "" and data:
                yield kind, json.loads("\n".join(data))
                kind, data = "message", []


@pytest.mark.asan
def test_events(server, hub, small):
    hub.add("org/small", small)
    hub.rate(10_000_000)
    download = begin(server, "small", "org/small")
    seen = list(events(server, download))
    assert len(seen) > 2 and {kind for kind, _ in seen[:-1]} == {"progress"} and seen[-1][0] == "done", seen
    for (_, before), (_, after) in zip(seen, seen[1:]):
        assert after["progress"] >= before["progress"] and after["download_id"] == download
    assert seen[-1][1]["status"] == "completed" and seen[-1][1]["progress"] == 100
    # Of one that has ended: how.
    late = list(events(server, download))
    assert late[-1][0] == "done" and late[-1][1]["status"] == "completed", late


def test_events_are_bounded(server, hub, small):
    """At most ten a second, however many there are who look; one who leaves costs nothing."""
    hub.add("org/small", small)
    hub.rate(8_000_000)
    download = begin(server, "small", "org/small")
    seen: list[list] = [[] for _ in range(4)]
    threads = [threading.Thread(target=lambda n=n: seen[n].extend(events(server, download))) for n in range(4)]
    for t in threads:
        t.start()
    for kind, _ in events(server, download):
        assert kind in ("progress", "done")
        break  # left
    for t in threads:
        t.join(60)
    for one in seen:
        assert one[-1][1]["status"] == "completed" and len(one) < 60, len(one)


def test_events_of_nothing(server):
    check_failed(server.get("/models/download/status/00000000/events"), 404)


# -- DELETE --

@pytest.mark.asan
def test_remove_a_loaded_model(server, hub, tiny, tiny_shape):
    pull(server, "mine", "org/tiny")
    check_answers(server, "mine", tiny, tiny_shape)
    body = server.json("/models/download/mine", "DELETE")
    assert body["message"] == "Successfully removed model from cache: mine" and body["model_name"] == "mine", body
    check_envelope(server.predict(TEXT, "mine"), 404, "MODEL_NOT_FOUND")
    check_nothing_left(server, "mine")
    assert not list((store_of(server) / ".store/blobs").iterdir())
    server.until(lambda: server.stats()["cache_stats"]["memory_usage"]["used_mb"] == 0)
    check_failed(server.request("DELETE", "/models/download/mine"), 404,
                 message="Model not found in cache: mine", error="Model does not exist")
    again(server, signal.SIGTERM)
    assert server.models() == {}
    pull(server, "mine", "org/tiny")  # the name is free


@pytest.mark.asan
def test_remove_cancels(server, hub, small):
    hub.add("org/small", small)
    hold = hub.fault("model.safetensors", stall_after=2_000_000)
    download = begin(server, "small", "org/small")
    assert hold.reached.wait(20)
    body = server.json("/models/download/small", "DELETE")
    assert body["model_name"] == "small" and "cancel" in body["message"].lower(), body
    last = ended(server, download, "cancelled")
    assert last["progress"] < 100, last
    check_nothing_left(server, "small")
    assert partial_bytes(server) == 0, "bytes go with DELETE"
    server.until(lambda: hub.connections() == 0 or hub.line.bodies_now == 0)
    assert server.metrics()['troupe_downloads_total{status="cancelled"}'] == 1
    hub.mend()
    pull(server, "small", "org/small")


def test_remove_one_that_waits(serve, hub, tiny, tmp_path):
    hub.add("org/tiny", tiny)
    server = start(serve, tmp_path / "env", hub, {"max_downloads": 1})
    hold = hub.fault("model.safetensors", stall_after=1000)
    first, second = begin(server, "a", "org/tiny"), begin(server, "b", "org/tiny")
    assert hold.reached.wait(20)
    server.json("/models/download/b", "DELETE")
    ended(server, second, "cancelled")
    hold.release()
    ended(server, first)
    assert cache_info(server)["models"] == ["a"]


@pytest.mark.asan
@pytest.mark.parametrize("load", [True, False])
def test_remove_at_any_moment(server, load):
    """Also while it is put into the store, registered, loaded: it is gone then, or was not there yet and comes not
    after."""
    seed = int(os.environ.get("TROUPE_REMOVE_SEED", random.randrange(1 << 31)))
    print(f"TROUPE_REMOVE_SEED={seed}", flush=True)
    rng, seen = random.Random(seed), set()
    for n in range(100):
        download = begin(server, f"m{n}", "org/tiny", load=load)
        time.sleep(rng.uniform(0, 0.04))
        answer = server.request("DELETE", f"/models/download/m{n}")
        assert answer.status_code == 200, (n, answer.text)
        last = server.until(lambda: (now := told(server, download))["status"] in ENDED and now)
        seen.add(last["status"])
        assert server.models() == {}, (n, answer.text, last)
        check_envelope(server.predict(TEXT, f"m{n}"), 404, "MODEL_NOT_FOUND")
    assert check_store(server) == {} and seen <= {"cancelled", "completed"}, seen
    again(server, signal.SIGTERM)
    assert server.models() == {}
    pull(server, "m0", "org/tiny")


def test_the_operators_names_are_not_downloaded_over(serve, hub, tiny, tiny_shape, tmp_path):
    """Not by asking for another model of that name, nor by trying that again."""
    hub.add("org/other", relabelled(tiny, list("vwxyz")))
    server = start(serve, tmp_path / "env", hub, registry={"theirs": {"path": str(tiny)}})
    assert ask(server, "theirs", "org/other").json()["status"] == "already_exists"
    for query in ("retry_download", "retry_download&force_redownload=true", "update", "optimize"):
        answer = server.post(f"/models/manage?action={query}&model_name=theirs")
        assert answer.status_code in (404, 409), answer.text
        check_failed(answer, answer.status_code)
    assert not hub.asked() and cache_info(server)["models"] == []
    check_answers(server, "theirs", tiny, tiny_shape)


def test_the_operators_models_are_not_removed(serve, hub, tiny, tmp_path):
    server = start(serve, tmp_path / "env", hub, registry={"theirs": {"path": str(tiny)}})
    answer = server.request("DELETE", "/models/download/theirs")
    assert answer.status_code in (404, 409), answer.text
    check_failed(answer, answer.status_code)
    assert "theirs" in server.models() and (tiny / "model.safetensors").exists()


# -- what is refused --

GOOD = {"source": "huggingface", "model_id": "org/tiny", "name": "mine"}


def without(name: str) -> dict:
    return {k: v for k, v in GOOD.items() if k != name}


@pytest.mark.parametrize("body, says", [
    (without("source"), "source"),
    (without("model_id"), "model_id"),
    (without("name"), "name"),
    ({**GOOD, "source": 5}, "source"),
    ({**GOOD, "model_id": ["org/tiny"]}, "model_id"),
    ({**GOOD, "name": None}, "name"),
    ({**GOOD, "model_id": ""}, "model_id"),
    ({**GOOD, "include_vocoder": "yes"}, "include_vocoder"),
    ({**GOOD, "load": 1}, "load"),
    ({**GOOD, "model_id": "org/\n"}, "model_id"),
    ({**GOOD, "model_id": "x" * 10_000}, "model_id"),
    ([GOOD], "object"),
    ("mine", "object"),
], ids=itertools.count())
def test_bad_bodies(server, body, says):
    body = check_failed(server.post("/models/download", json=body), 400)
    assert says in body["message"] + body["detail"], body
    assert server.models() == {}


@pytest.mark.parametrize("text", [b"", b"{", b'{"source": "huggingface", "name": "a", "model_id": "b"', b"\xff\xfe",
                                  b'{"source": "huggingface",}', b"null"], ids=itertools.count())
def test_no_json(server, text):
    answer = server.post("/models/download", data=text, headers={"Content-Type": "application/json"})
    check_failed(answer, 400)


def test_invalid_source(server):
    body = check_failed(ask(server, "mine", "org/tiny", "invalid_source"), 400, error="Invalid source: invalid_source")
    assert body["message"].startswith(f"Invalid source. Must be one of: [{SOURCES}"), body


@pytest.mark.parametrize("name", [
    "", "..", "../up", "a/../b", "a/b/c", "/abs", "a//b", ".hidden", "-dash", "a b", "a\\b", "a%2Fb", "x" * 129, "é",
    "a..b", "metrics", "models", "available", "managed", "manage", "download", "cache", "org/load", "org/info",
    "org/status", "v1", "health",
])
def test_bad_names(server, name):
    check_failed(ask(server, name, "org/tiny"), 400)
    assert server.models() == {}


@pytest.mark.parametrize("model_id", ["../../etc/passwd", "org/../x", "org/na me", "a/b/c/d", "org/tiny?x=1", "org/#x",
                                      "http://127.0.0.1/x", "org\\tiny"])
def test_bad_ids_of_the_hub(server, hub, model_id):
    hub.forget()
    assert fails(server, "mine", model_id)
    assert all(".." not in a.path and "passwd" not in a.path for a in hub.asked())
    check_nothing_left(server, "mine")


def test_unknown_ids(server):
    for path in ("/models/download/status/00000000", "/models/download/status/abc12345", "/models/download/status/x",
                 "/models/download/status/" + "a" * 300):
        check_failed(server.get(path), 404)
    check_failed(server.get("/models/download/nothing/info"), 404, message="Model not found in cache: nothing",
                 error="Model does not exist")
    check_failed(server.request("DELETE", "/models/download/org%2Fnothing"), 404,
                 message="Model not found in cache: org/nothing", error="Model does not exist")


def test_methods(server):
    for method, path, allowed in (("GET", "/models/download", "POST"), ("PUT", "/models/cache/info", "GET"),
                                  ("POST", "/models/download/x", "DELETE"), ("GET", "/models/manage", "POST")):
        answer = server.request(method, path)
        assert answer.status_code == 405 and allowed in answer.headers["Allow"], (path, answer.text)


def test_keys_guard_the_routes(serve, hub, tiny, tmp_path):
    hub.add("org/tiny", tiny)
    server = start(serve, tmp_path / "env", hub, env={"API_KEYS": "open-sesame-1234"})
    for path in ("/models/cache/info", "/models/managed", "/models/available", "/models/download/status/00000000"):
        assert server.get(path).status_code == 401, path
    assert ask(server, "mine", "org/tiny").status_code == 401 and not hub.asked()
    answer = ask(server, "mine", "org/tiny", headers={"X-API-Key": "open-sesame-1234"})
    assert answer.status_code == 200, answer.text


# -- the hub's ways --

@pytest.mark.parametrize("redirects", ["absolute", "network", "chain", "none"])
def test_redirects(server, hub, tiny, tiny_shape, redirects):
    hub.redirects, hub.chunked_store = redirects, True
    pull(server, "mine", "org/tiny")
    check_answers(server, "mine", tiny, tiny_shape)


def test_names_with_an_organization(server, hub, tiny, tiny_shape):
    """Plain and as %2F."""
    pull(server, "org/mine", "org/tiny")
    for path in ("/models/download/org/mine/info", "/models/download/org%2Fmine/info"):
        assert server.json(path)["name"] == "org/mine"
    check_answers(server, "org/mine", tiny, tiny_shape)
    assert server.json("/models/download/org/mine", "DELETE")["model_name"] == "org/mine"
    assert server.models() == {} and not (store_of(server) / "org").exists()


def test_without_an_organization(server, hub, tiny, tiny_shape):
    hub.add("tiny-model", tiny)
    pull(server, "mine", "tiny-model")
    check_answers(server, "mine", tiny, tiny_shape)


def test_moved_on_the_hub(server, hub, tiny, tiny_shape):
    hub.add("org/old", tiny)
    hub.rename("org/old", "other/new")
    pull(server, "mine", "org/old")
    check_answers(server, "mine", tiny, tiny_shape)


def test_revisions(server, hub, tiny):
    labels = ["v", "w", "x", "y", "z"]
    first = hub.repositories["org/tiny"].refs["main"]
    hub.tag("org/tiny", "v1.0", first)
    second = hub.push("org/tiny", relabelled(tiny, labels))
    third = hub.push("org/tiny", relabelled(tiny, labels[::-1]), "pr/1")
    for name, revision, commit, expected in (("old", "v1.0", first, None), ("exact", first, first, None),
                                             ("new", None, second, labels), ("slash", "pr/1", third, labels[::-1])):
        more = {"revision": revision} if revision else {}
        pull(server, name, "org/tiny", **more)
        assert info(server, name)["version"] == commit, name
        given = server.predict(TEXT, name).json()["probabilities"]
        assert expected is None or set(given) == set(expected), (name, given)
    assert "nothing" in fails(server, "none", "org/tiny", revision="nothing")
    # The weights, which are the same, are there once.
    manifests = check_store(server)
    assert len({f["sha256"] for m in manifests.values() for f in m["files"] if f["path"] == "model.safetensors"}) == 1


def test_only_what_serving_needs(server, hub, tiny, tiny_shape):
    more = {name: b"not for us" * 1000 for name in (
        "pytorch_model.bin", "tf_model.h5", "flax_model.msgpack", "rust_model.ot", "onnx/model.onnx",
        "openvino/openvino_model.bin", "model.onnx", "training_args.bin", "optimizer.pt", "runs/events.1", "a.png")}
    hub.add("org/full", {**contents(tiny), **more})
    pull(server, "mine", "org/full")
    fetched = {a.target.removeprefix("org/full/") for a in hub.asked("org/full/*", "body", method="GET")}
    assert fetched >= {"config.json", "model.safetensors", "tokenizer.json"} and not fetched & set(more), fetched
    assert {f["path"] for f in check_store(server)["mine"]["files"]} == fetched
    check_answers(server, "mine", tiny, tiny_shape)


def test_sharded_weights(server, hub, tiny, tiny_shape):
    hub.add("org/sharded", sharded(tiny))
    pull(server, "mine", "org/sharded")
    check_answers(server, "mine", tiny, tiny_shape)


def test_nothing_to_serve(server, hub):
    hub.add("org/empty", {"README.md": b"# nothing"})
    hub.add("org/none", {})
    for name in ("org/empty", "org/none"):
        assert fails(server, "mine", name)
    check_nothing_left(server, "mine")


def test_many_at_once(server, hub, tiny):
    """Twenty, some of them the same: all are there in the end, and what they share once."""
    for n in range(5):
        hub.add(f"org/m{n}", relabelled(tiny, [f"{n}{c}" for c in "abcde"]))
    ids = server.many([lambda n=n: begin(server, f"m{n}", f"org/m{n % 5}", load=False) for n in range(20)], 8)
    for one in ids:
        assert ended(server, one)["status"] in ENDED
    assert set(cache_info(server)["models"]) == {f"m{n}" for n in range(20)}
    blobs = {p.name for p in (store_of(server) / ".store/blobs").iterdir()}
    files = [f["sha256"] for m in check_store(server).values() for f in m["files"]]
    assert set(files) == blobs and len(files) > 2 * len(blobs)
    server.many([lambda n=n: server.json(f"/models/download/{quote(f'm{n}')}", "DELETE") for n in range(20)], 8)
    assert server.models() == {} and not list((store_of(server) / ".store/blobs").iterdir())
