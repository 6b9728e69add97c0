"""What is told of models that were pulled, and what manages them: /models, /models/available, /models/managed,
/models/cache/info, /models/download/{name}/info, /models/manage. The numbers add up."""
import re
import threading

import pytest

from driver import Load, check_envelope
from pulling import (QUICK, TEXT, ask, begin, cache_info, check_answers, check_failed, check_store, close, ended,
                     environment, fails, find, info, pull, relabelled, speech, start, store_of)

MIB = 1024 * 1024


@pytest.fixture(scope="module")
def server(serve_module, hub_module, tmp_path_factory, tiny):
    """One of the operator's, one loaded, one not, one that speaks and cannot be served."""
    hub_module.add("org/tiny", tiny, pipeline_tag="text-classification", tags=["bert", "tiny"])
    hub_module.add("org/other", relabelled(tiny, list("abcde")))
    hub_module.add("org/speech", speech(tiny), pipeline_tag="text-to-speech", tags=["tts"])
    server = serve_module({"theirs": {"path": str(tiny), "preload": True, "task": "text-classification"}}, QUICK,
                          env=environment(tmp_path_factory.mktemp("env"), hub_module))
    pull(server, "loaded", "org/tiny")
    pull(server, "idle", "org/other", load=False)
    pull(server, "speaks", "org/speech")
    server.until(lambda: "loaded" in server.resident())
    return server


@pytest.mark.asan
def test_cache_info(server):
    body = cache_info(server)
    assert body["models"] == sorted(["idle", "loaded", "speaks"]), body
    manifests = check_store(server)
    bytes_of = {name: sum(f["size_bytes"] for f in m["files"]) for name, m in manifests.items()}
    close(body["total_size_mb"], sum(bytes_of.values()) / MIB)
    tts = body["tts_specific"]
    assert [(m["name"], m["source"], m["task"], m["tags"]) for m in tts["tts_models"]] == \
        [("speaks", "huggingface", "text-to-speech", ["tts"])]
    close(tts["tts_total_size_mb"], bytes_of["speaks"] / MIB)
    assert body["cache_directory"] == str(store_of(server))
    assert body["cache_optimization"]["auto_cleanup"] is False  # no store_limit_gb
    assert find(body, "partial_size_mb") == 0


def test_an_empty_cache(serve, tmp_path):
    body = cache_info(start(serve, tmp_path / "env"))
    assert body["models"] == [] and body["total_models"] == 0 and body["total_size_mb"] == 0, body
    assert body["tts_specific"]["tts_percentage"] == 0, body


def test_info(server, hub_module):
    for name, repository in (("loaded", "org/tiny"), ("idle", "org/other"), ("speaks", "org/speech")):
        body = info(server, name)
        manifest = check_store(server)[name]
        assert body["status"] == "completed" and body["source"] == "huggingface", body
        close(body["size_mb"], sum(f["size_bytes"] for f in manifest["files"]) / MIB)
        assert body["version"] == hub_module.repositories[repository].refs["main"], body
    assert info(server, "loaded")["task"] == "text-classification"
    assert info(server, "speaks")["servable"] is False and info(server, "loaded")["servable"] is not False
    total = sum(info(server, name)["size_mb"] for name in cache_info(server)["models"])
    close(total, cache_info(server)["total_size_mb"])


@pytest.mark.asan
def test_managed(server, tiny_shape):
    body = server.json("/models/managed")
    rows = {m["name"]: m for m in body["downloaded_models"]}
    assert set(rows) == {"loaded", "idle", "speaks"}, rows
    for row in rows.values():
        for name, kind in (("loaded", bool), ("is_tts", bool), ("optimized", bool), ("memory_usage", dict)):
            assert isinstance(row[name], kind), (name, row)
        for name in ("allocated_mb", "reserved_mb"):
            assert row["memory_usage"][name] >= 0, row
        assert row["memory_usage"]["reserved_mb"] >= row["memory_usage"]["allocated_mb"], row
        assert (row["memory_usage"]["allocated_mb"] > 0) == row["loaded"], row
    assert rows["loaded"]["loaded"] and rows["loaded"]["device"] == "cpu", rows
    assert rows["loaded"]["parameters"] == tiny_shape.parameters(), rows
    assert not rows["idle"]["loaded"] and rows["speaks"]["is_tts"] and not rows["idle"]["is_tts"], rows
    tts, others = body["categories"]["tts_models"], body["categories"]["other_models"]
    assert [m["name"] for m in tts] == ["speaks"] and {m["name"] for m in others} == {"loaded", "idle", "theirs"}, body
    assert all(m["is_tts"] for m in tts) and not any(m["is_tts"] for m in others)
    # All that is registered counts, the operator's as well.
    assert body["total_models"] == len(tts) + len(others) == 4, body
    summary = body["summary"]
    assert summary["total_loaded"] == sum(m["loaded"] for m in tts + others) == 2, body
    assert summary["tts_models_count"] == len(tts) and summary["total_parameters"] >= 2 * tiny_shape.parameters(), body
    assert summary["optimized_count"] >= sum(m["optimized"] for m in rows.values()), body


def test_models(server):
    body = server.json("/models")
    assert body["success"] is True and re.fullmatch(r"\d{4}-.*Z", body["timestamp"]), body
    assert body["total_models"] == len(body["available_models"]) == len(body["models_info"]) == 4, body
    assert set(body["available_models"]) == {"theirs", "loaded", "idle", "speaks"}
    for name, about in body["models_info"].items():
        for key, kind in (("display_name", str), ("category", str), ("enabled", bool), ("tts_enabled", bool)):
            assert isinstance(about[key], kind), (name, key, about)
        assert "task" in about
    assert body["models_info"]["speaks"]["tts_enabled"] is True and body["models_info"]["speaks"]["category"] == "audio"
    assert body["models_info"]["loaded"]["task"] == "text-classification"
    special = body["specialized_models"]
    assert special["tts_models"] == ["speaks"] and {"loaded", "theirs"} <= set(special["text_classification"]), special
    assert special["stt_models"] == [] and special["image_classification"] == [], special
    audio = body["audio_models"]
    assert audio["tts_detailed"]["speaks"]["type"] == "huggingface", audio
    assert audio["tts_detailed"]["speaks"]["model_name"] == "org/speech" and "description" in \
        audio["tts_detailed"]["speaks"], audio
    assert audio["loaded_audio_models"] == [], audio
    # Document 001's fields stand beside them.
    assert set(body["models"]) == set(body["available_models"]) and body["cache_summary"], body


# -- /models/available --

@pytest.mark.asan
def test_available(server):
    body = server.json("/models/available")
    listed = body["available_models"]
    assert body["total_available"] == len(listed) >= 6, body
    for name, entry in listed.items():
        assert entry["name"] == name and isinstance(entry["tags"], list), entry
        assert entry["source"] in ("huggingface", "pytorch_hub", "torchvision", "torchaudio", "url", "tts_auto"), entry
        assert entry["model_id"] and entry["task"] and entry["description"], entry
        assert entry["size_mb"] is None or entry["size_mb"] > 0, entry
        if entry["task"] == "text-to-speech":
            features = entry["tts_features"]
            assert features["supports_tts"] is True and features["quality"] and features["speed"], entry
    assert listed["speecht5_tts"]["model_id"] == "microsoft/speecht5_tts", listed["speecht5_tts"]
    assert listed["speecht5_tts"]["tts_features"]["vocoder_required"] is True
    assert listed["bark_tts"]["model_id"] == "suno/bark"
    assert listed["bark_tts"]["tts_features"]["supports_voice_cloning"] is True
    assert listed["bark_tts"]["tts_features"]["supports_emotions"] is True
    named = {"bart_large_tts", "bart_base_tts", "tacotron2_tts", "vall_e_x", "resnet50", "bert_base"}
    assert named <= set(listed), named - set(listed)
    tts, general = body["categories"]["tts_models"], body["categories"]["general_models"]
    assert not set(tts) & set(general) and set(tts) | set(general) == set(listed), body["categories"]
    assert set(body["popular_tts_models"]) <= set(tts) and body["popular_tts_models"], body
    advice = body["download_recommendations"]
    assert set(advice) >= {"beginners", "advanced", "fast_setup", "highest_quality"}
    for names in advice.values():
        assert names and set(names) <= set(tts), advice


def test_available_that_need_a_word(server):
    """Experimental and large ones: the error says which flag is missing."""
    listed = server.json("/models/available")["available_models"]
    marked = 0
    for name, entry in listed.items():
        for mark, flag in (("experimental", "experimental"), ("large", "enable_large_model")):
            if entry.get(mark):
                marked += 1
                others = {f: True for m, f in (("experimental", "experimental"), ("large", "enable_large_model"))
                          if m != mark}
                body = check_failed(ask(server, name, entry["model_id"], entry["source"], **others), 400)
                assert flag in body["message"] + body["detail"], body
    assert marked, "document 002 lists an experimental one"


# -- /models/manage --

def manage(server, action: str, name: str, status: int = 200, **more):
    query = "&".join(f"{k}={v}" for k, v in {"action": action, "model_name": name, **more}.items())
    answer = server.post(f"/models/manage?{query}")
    if status != 200:
        return check_failed(answer, status)
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body["success"] is True and body["action"] == action and body["model_name"] == name, body
    return body


@pytest.mark.asan
def test_optimize(serve, hub, tiny, tiny_shape, tmp_path):
    hub.add("org/tiny", tiny)
    server = start(serve, tmp_path / "env", hub, {"precision": "bf16"})
    pull(server, "mine", "org/tiny", load=False)
    body = manage(server, "optimize", "mine")
    assert body["message"] == "Model 'mine' optimized successfully" and body["ready_size_mb"] > 0, body
    before, after, gained = (body[k] for k in ("before", "after", "gained"))
    for key in ("first_answer_ms", "weights_mb", "private_memory_mb"):
        assert gained[key] == pytest.approx(before[key] - after[key], abs=1e-3), body
    assert before["first_answer_ms"] > 0 < after["first_answer_ms"] and after["weights_mb"] == body["ready_size_mb"], body
    assert gained["private_memory_mb"] > 0, body
    assert not server.resident(), "it is measured, not served"
    assert server.json("/models/managed")["downloaded_models"][0]["optimized"] is True
    again = manage(server, "optimize", "mine")
    assert again["message"] == "Model 'mine' is optimized already: there was nothing to gain", again
    assert again["after"]["first_answer_ms"] > 0, again
    assert server.predict(TEXT, "mine").status_code == 200
    # What was written goes with the model.
    server.json("/models/download/mine", "DELETE")
    left = [p for p in store_of(server).rglob("*") if p.is_file() and p.name != "lock" and "tmp" not in p.parts]
    assert not left, left


@pytest.mark.asan
def test_update_swaps_under_load(serve, hub, tiny, tmp_path):
    """The old one serves until the new one is ready; not one request fails."""
    labels = [list("abcde"), list("vwxyz")]
    hub.add("org/m", relabelled(tiny, labels[0]))
    server = start(serve, tmp_path / "env", hub)
    pull(server, "mine", "org/m")
    first = info(server, "mine")["version"]

    def one(n: int):
        answer = server.predict(f"text {n}", "mine")
        return answer.status_code == 200 and list(answer.json()["probabilities"]) in labels, answer.text

    with Load(one, 4) as load:
        load.wait(20)
        for n in (1, 2, 3):
            commit = hub.push("org/m", relabelled(tiny, labels[n % 2]))
            body = manage(server, "update", "mine")
            ended(server, body["download_id"])
            assert info(server, "mine")["version"] == commit != first
            server.until(lambda: list(server.predict(TEXT, "mine").json()["probabilities"]) == labels[n % 2])
        load.wait(20)
    assert not load.errors, load.errors[:3]
    # The old snapshots are gone when nobody serves them any more.
    server.until(lambda: len([p for p in (store_of(server) / "mine").iterdir() if p.name.startswith("@") and p.is_dir()]) == 1)
    check_store(server)


def test_update_of_what_is_new_already(serve, hub, tiny, tiny_shape, tmp_path):
    hub.add("org/tiny", tiny)
    server = start(serve, tmp_path / "env", hub)
    pull(server, "mine", "org/tiny")
    hub.forget()
    ended(server, manage(server, "update", "mine")["download_id"])
    assert not hub.asked("model.safetensors", "body"), "what has not changed is not fetched"
    check_answers(server, "mine", tiny, tiny_shape)


def test_an_update_that_fails(serve, hub, tiny, tiny_shape, tmp_path):
    """The old one stays, whole, and serves; a later one works."""
    hub.add("org/tiny", tiny)
    server = start(serve, tmp_path / "env", hub)
    pull(server, "mine", "org/tiny")
    version = info(server, "mine")["version"]
    hub.push("org/tiny", {**relabelled(tiny, list("vwxyz")), "tokenizer_config.json": b"{}"})
    hub.fault("config.json", status=500)
    ended(server, manage(server, "update", "mine")["download_id"], "failed")
    assert info(server, "mine")["version"] == version and cache_info(server)["models"] == ["mine"]
    check_answers(server, "mine", tiny, tiny_shape)
    check_store(server)
    hub.mend()
    ended(server, manage(server, "update", "mine")["download_id"])
    server.until(lambda: list(server.predict(TEXT, "mine").json()["probabilities"]) == list("vwxyz"))


def test_an_update_that_cannot_be_loaded(serve, hub, tiny, tiny_shape, tmp_path):
    """The new revision is there and is none: the old one goes on serving."""
    hub.add("org/tiny", tiny)
    server = start(serve, tmp_path / "env", hub)
    pull(server, "mine", "org/tiny")
    check_answers(server, "mine", tiny, tiny_shape)
    hub.push("org/tiny", {**relabelled(tiny, list("vwxyz")), "model.safetensors": b"no weights" * 5000})
    download = manage(server, "update", "mine")["download_id"]
    server.until(lambda: server.json(f"/models/download/status/{download}")["status"] in ("completed", "failed"))
    check_answers(server, "mine", tiny, tiny_shape, "other words")


def test_retry_download(serve, hub, tiny, tiny_shape, tmp_path):
    hub.add("org/tiny", tiny)
    server = start(serve, tmp_path / "env", hub)
    hub.fault("model.safetensors", status=404)
    ended(server, begin(server, "mine", "org/tiny"), "failed")
    hub.mend()
    body = manage(server, "retry_download", "mine")
    ended(server, body["download_id"])
    check_answers(server, "mine", tiny, tiny_shape)
    # Of one that is there: only when it is meant.
    hub.forget()
    body = manage(server, "retry_download", "mine", force_redownload="true")
    ended(server, body["download_id"])
    assert hub.asked("model.safetensors", "body"), "it was to be fetched again"
    check_answers(server, "mine", tiny, tiny_shape)
    check_store(server)


@pytest.mark.parametrize("query, status, says", [
    ("", 400, "action"), ("?model_name=idle", 400, "action"), ("?action=optimize", 400, "model_name"),
    ("?action=explode&model_name=idle", 400, "optimize"), ("?action=optimize&model_name=../x", 400, "name"),
    ("?action=retry_download&model_name=idle&force_redownload=perhaps", 400, "force_redownload"),
    ("?action=optimize&model_name=nothing", 404, "nothing"), ("?action=update&model_name=nothing", 404, "nothing"),
    ("?action=retry_download&model_name=nothing", 404, "nothing"),
    ("?action=optimize&model_name=speaks", 422, "servable"),
])
def test_manage_refuses(server, query, status, says):
    body = check_failed(server.post("/models/manage" + query), status)
    if says == "servable":
        says = info(server, "speaks")["reason"]
    assert says in body["message"] + body["detail"] + body["error"], body


def test_what_cannot_be_served_says_so(server):
    why = info(server, "speaks")["reason"]
    body = check_envelope(server.post("/models/speaks/load"), 422)
    assert why in body["message"] + body["detail"], (why, body)
    assert server.predict(TEXT, "speaks").status_code == 422
    assert server.predict(TEXT, "loaded").status_code == 200


def test_views_while_downloads_run(serve, hub, tiny, tmp_path):
    """Every view answers, and adds up, at every moment of downloads and removals."""
    for n in range(6):
        hub.add(f"org/m{n}", relabelled(tiny, [f"{n}{c}" for c in "abcde"]))
    server = start(serve, tmp_path / "env", hub)
    stop, problems, looks = threading.Event(), [], [0]

    def look():
        while not stop.is_set():
            try:
                names = set(cache_info(server)["models"])
                managed = server.json("/models/managed")
                assert managed["summary"]["total_loaded"] <= managed["total_models"]
                for name in names:
                    if server.get(f"/models/download/{name}/info").status_code not in (200, 404):
                        problems.append(name)
                looks[0] += 1
            except Exception as e:  # noqa: BLE001 - every failure is a finding
                problems.append(repr(e))

    threads = [threading.Thread(target=look) for _ in range(2)]
    for t in threads:
        t.start()
    for _ in range(3):
        ids = [begin(server, f"m{n}", f"org/m{n}") for n in range(6)]
        for one in ids:
            ended(server, one)
        server.many([lambda n=n: server.json(f"/models/download/m{n}", "DELETE") for n in range(6)], 3)
    stop.set()
    for t in threads:
        t.join()
    assert not problems and looks[0] > 3, (problems[:3], looks)
    assert fails(server, "m0", "org/nothing")
