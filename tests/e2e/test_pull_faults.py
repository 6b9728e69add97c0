"""What goes wrong on the way: it passes, and the download goes on where it was; or it fails with a reason that names
it, and leaves nothing that looks like a model."""
import dataclasses
import itertools
import json
import pathlib
import re
import signal

import pytest

import checkpoints
import stand_in
from driver import metric_sum
from pulling import (QUICK, begin, cache_info, check_answers, check_nothing_left, check_store, contents, ended,
                     environment, fails, find, info, partial_bytes, pull, reason, relabelled, restart, settled, start,
                     store_of, told)
from stand_in import cut, flipped, longer

WEIGHTS = "model.safetensors"
numbers = itertools.count()


@pytest.fixture(scope="module")
def shared(serve_module, hub_module, tmp_path_factory):
    """One server for all faults: none of them costs another anything."""
    env = environment(tmp_path_factory.mktemp("env"), hub_module)
    theirs = checkpoints.write_bert(tmp_path_factory.mktemp("models") / "theirs", hidden=16, heads=4)
    return serve_module({"theirs": {"path": str(theirs), "preload": True}}, {**QUICK, "prediction_cache_mb": 0},
                        env=env)


# Weights that no store has seen: what it has of another model, it does not fetch again.

@pytest.fixture
def tiny(hub_module, tiny_shape, tmp_path, number):
    shape = dataclasses.replace(tiny_shape, seed=1000 + number)
    folder = checkpoints.write_bert(tmp_path / "tiny", shape)
    hub_module.add("org/tiny", folder)
    return folder


@pytest.fixture
def small(hub_module, tmp_path, number):
    """Some 8 MB."""
    folder = checkpoints.write_bert(tmp_path / "small", hidden=128, layers=4, heads=4, vocabulary=8192, positions=512,
                                    seed=1000 + number)
    hub_module.add("org/small", folder)
    return folder


@pytest.fixture
def hub(hub_module):
    yield hub_module
    hub_module.mend()
    hub_module.forget()
    hub_module.rate(0)
    hub_module.redirects = "absolute"


@pytest.fixture
def server(shared, hub, tiny):
    yield shared
    assert shared.predict("hello", "theirs").status_code == 200


@pytest.fixture
def number() -> int:
    return next(numbers)


@pytest.fixture
def name(number) -> str:
    return f"m{number}"


# What does not pass: target, what is wrong, what the reason must name, whether content is to be thrown away.
FOR_GOOD = {
    "drops": (WEIGHTS, dict(drop_after=60_000, times=1), r"connection|closed|drop|cut|reset|ended|short|bytes", False),
    "resets": (WEIGHTS, dict(drop_after=60_000, times=1, reset=True), r"connection|closed|drop|cut|reset|ended|bytes", False),
    "drops-at-once": (WEIGHTS, dict(drop_after=0), r"connection|closed|drop|cut|reset|ended|bytes|empty", False),
    "stalls": (WEIGHTS, dict(stall_after=60_000, times=1), r"stall|stood still|stands still|slow|no bytes|timed? ?out", False),
    "stalls-at-once": (WEIGHTS, dict(stall_after=0), r"stall|still|slow|no bytes|timed? ?out", False),
    "truncated": (WEIGHTS, dict(alter=cut(10)), r"length|bytes|size|short", True),
    "empty": (WEIGHTS, dict(alter=lambda data: b""), r"length|bytes|size|short|empty", True),
    "too-long": (WEIGHTS, dict(alter=longer(10)), r"length|bytes|size|long|more|larger", True),
    "wrong-hash": (WEIGHTS, dict(alter=flipped(70_000)), r"sha-?256|hash|digest", True),
    "wrong-hash-small": ("config.json", dict(alter=longer(1)), r"length|bytes|size|long|hash|digest|more|larger", True),
    "401": (WEIGHTS, dict(status=401), r"401|token|may not|refus", False),
    "403": (WEIGHTS, dict(status=403), r"403|forbid|may not|refus", False),
    "404": (WEIGHTS, dict(status=404), r"404|not found|no such|not there|is gone", False),
    "410": (WEIGHTS, dict(status=410), r"410|not found|no such|not there|is gone", False),
    "416": (WEIGHTS, dict(status=416), r"416|range", False),
    "429": (WEIGHTS, dict(status=429), r"429|too many", False),
    "429-later": (WEIGHTS, dict(status=429, headers={"Retry-After": "86400"}), r"429|too many|retry-after|86400",
                  False),
    "500": (WEIGHTS, dict(status=500), r"500", False),
    "503": (WEIGHTS, dict(status=503), r"503", False),
    "418": (WEIGHTS, dict(status=418), r"418", False),
    "204": (WEIGHTS, dict(status=204), r"204|length|size|bytes|empty", False),
    "loop": (WEIGHTS, dict(redirect=""), r"redirect", False),
    "to-file": (WEIGHTS, dict(redirect="file:///etc/passwd"), r"redirect|file:|scheme|http", False),
    "to-gopher": (WEIGHTS, dict(redirect="gopher://127.0.0.1/x"), r"redirect|gopher|scheme|http", False),
    "to-nowhere": (WEIGHTS, dict(redirect="http://"), r"redirect|address|url|host|location", False),
    "to-no-such-name": (WEIGHTS, dict(redirect="http://nothing.invalid/x"), r"nothing\.invalid|resolv|name", False),
    "to-credentials": (WEIGHTS, dict(redirect="http://user:hunter2@127.0.0.1:9/x"),
                       r"credential|user|redirect|reach|connect", False),
}


@pytest.mark.asan
@pytest.mark.parametrize("case", FOR_GOOD)
def test_it_fails_by_name(server, hub, name, case):
    target, what, says, thrown_away = FOR_GOOD[case]
    fault = hub.fault("org/tiny/" + target, **what)
    if fault.times:  # and then no byte more: a resume gets no further
        hub.fault("org/tiny/" + target, **{**what, "times": None, **{k: 0 for k in what if k.endswith("_after")}})
    download = begin(server, name, "org/tiny")
    last = ended(server, download, "failed")
    assert fault.hits > 0
    assert re.search(says, reason(last), re.IGNORECASE), reason(last)
    assert target in str(last) or "org/tiny" in str(last), last  # of what it speaks
    assert "hunter2" not in str(last) and "hunter2" not in server.log(200)
    assert last["progress"] < 100, last
    check_nothing_left(server, name)
    told_now = info(server, name)
    assert told_now["status"] == "failed" and re.search(says, str(told_now), re.IGNORECASE), told_now
    if thrown_away:
        assert partial_bytes(server) < 40_000 or target != WEIGHTS, "content that is not what was told is not kept"
    # It is no obstacle: mended, the same name comes.
    hub.mend()
    pull(server, name, "org/tiny")
    server.json(f"/models/download/{name}", "DELETE")


@pytest.mark.parametrize("stage", ["api", "resolve"])
@pytest.mark.parametrize("status", [401, 403, 404, 429, 500, 503])
def test_the_hub_itself_fails(server, hub, name, stage, status):
    hub.fault("org/tiny" if stage == "api" else "org/tiny/*", stage, status=status)
    why = fails(server, name, "org/tiny")
    assert re.search(rf"{status}|token|not found|no such|too many|may not|gated|not there", why, re.IGNORECASE), why
    check_nothing_left(server, name)


NO_METADATA = {
    "nothing": b"", "half": b"{", "a-list": b"[]", "null": b"null", "siblings-a-number": b'{"siblings": 5}',
    "no-names": b'{"sha": 7, "siblings": [{}]}', "numbers-as-names": b'{"siblings": [{"rfilename": 5}]}',
    "a-page": b"<html>captive portal</html>", "deep": b"[" * 100_000, "deep-objects": b'{"a":' * 5000,
    "negative-size": b'{"sha":"%s","siblings":[{"rfilename":"model.safetensors","size":-1}]}' % (b"0" * 40),
}


@pytest.mark.parametrize("case", NO_METADATA)
def test_metadata_that_is_none(server, hub, files, name, case):
    """A hub that answers something else: a proxy's page, another version, somebody who means harm."""
    files.prefix = "/odd"
    hub.fault("org/tiny", "api", redirect=files.put("answer.json", NO_METADATA[case]))
    assert fails(server, name, "org/tiny")
    check_nothing_left(server, name)


def test_a_hub_that_is_not_there(serve, tmp_path):
    server = start(serve, tmp_path / "env")
    why = fails(server, "mine", "org/tiny")
    assert re.search(r"127\.0\.0\.1:9|connect|reach", why), why
    check_nothing_left(server, "mine")


# What passes.
FOR_A_MOMENT = {
    "drop": dict(drop_after=60_000, times=1),
    "reset": dict(drop_after=60_000, times=1, reset=True),
    "stall": dict(stall_after=60_000, times=1),
    "408": dict(status=408, times=1),
    "429": dict(status=429, times=1),
    "500": dict(status=500, times=1),
    "502": dict(status=502, times=1),
    "503": dict(status=503, times=1),
    "504": dict(status=504, times=1),
}


@pytest.mark.asan
@pytest.mark.parametrize("case", FOR_A_MOMENT)
def test_it_passes(server, hub, tiny, tiny_shape, name, case):
    before = server.metrics()
    fault = hub.fault("org/tiny/" + WEIGHTS, **FOR_A_MOMENT[case])
    pull(server, name, "org/tiny")
    assert fault.hits == 1
    check_answers(server, name, tiny, tiny_shape)
    after = server.metrics()
    assert after["troupe_download_retries_total"] > before["troupe_download_retries_total"]
    if case == "stall":
        assert after["troupe_download_stalls_total"] > before["troupe_download_stalls_total"]


@pytest.mark.parametrize("stage", ["api", "resolve"])
def test_the_hub_fails_for_a_moment(server, hub, tiny, tiny_shape, name, stage):
    hub.fault("org/tiny" if stage == "api" else "org/tiny/*", stage, status=503, times=1)
    pull(server, name, "org/tiny")
    check_answers(server, name, tiny, tiny_shape)


def test_retry_after_is_obeyed(server, hub, name):
    hub.fault("org/tiny/" + WEIGHTS, status=503, headers={"Retry-After": "2"}, times=1)
    pull(server, name, "org/tiny")
    first, second = hub.asked("org/tiny/" + WEIGHTS, "body", method="GET")[:2]
    assert 1.9 < second.at - first.at < 10, second.at - first.at


# -- resuming --

def test_goes_on_where_it_was(server, hub, small, name):
    """A drop costs what had not come: the rest is asked for by range, and the hash says that it is right."""
    size = (small / WEIGHTS).stat().st_size
    hub.fault("org/small/" + WEIGHTS, drop_after=size // 2, times=1)
    pull(server, name, "org/small")
    first, second = hub.asked("org/small/" + WEIGHTS, "body", "cdn", "GET")
    begin_at = int(re.fullmatch(r"bytes=(\d+)-\d*", second.range)[1])
    assert first.sent == size // 2 and 0 < begin_at <= size // 2 and second.status == 206, (first, second)
    assert first.sent + second.sent <= size + 1_000_000
    assert second.headers.get("if-range") is None, "there is no ETag to go by"
    check_store(server)


def test_the_link_is_signed_anew(server, hub, small, name):
    """Links of the second origin age: a resume asks the hub for another."""
    hold = hub.fault("org/small/" + WEIGHTS, stall_after=2_000_000, drop_after=2_000_000, times=1)
    download = begin(server, name, "org/small")
    assert hold.reached.wait(20)
    hub.expire_links()
    hold.release()
    ended(server, download)
    assert len(hub.asked("org/small/" + WEIGHTS, "resolve", method="GET")) >= 2
    assert hub.asked("org/small/" + WEIGHTS, "body", "cdn")[-1].status == 206


def test_a_server_without_ranges(server, hub, tiny, tiny_shape, name):
    hub.fault("org/tiny/" + WEIGHTS, drop_after=60_000, times=1)
    hub.fault("org/tiny/" + WEIGHTS, ranges=False)
    pull(server, name, "org/tiny")
    check_answers(server, name, tiny, tiny_shape)


def test_resumed_content_that_is_wrong_starts_over(server, hub, small, name):
    """Its hash is wrong after a resume: fetched once more, whole."""
    hub.fault("org/small/" + WEIGHTS, drop_after=3_000_000, times=1)
    hub.fault("org/small/" + WEIGHTS, alter=flipped(5_000_000), times=1)
    before = server.metrics()["troupe_download_hash_faults_total"]
    pull(server, name, "org/small")
    bodies = hub.asked("org/small/" + WEIGHTS, "body", "cdn", "GET")
    assert len(bodies) == 3 and bodies[1].range and not (bodies[2].range or "").startswith("bytes=3"), bodies
    assert server.metrics()["troupe_download_hash_faults_total"] == before + 1
    check_store(server)


def test_compressed_although_nobody_asked(server, hub, tiny, tiny_shape, name):
    """Right in the end, or refused by name; never wrong bytes."""
    hub.fault("org/tiny/*", gzip=True)
    last = settled(server, begin(server, name, "org/tiny"))
    assert all(a.headers.get("accept-encoding", "identity") == "identity" for a in hub.asked(stage="body"))
    if last["status"] == "completed":
        check_answers(server, name, tiny, tiny_shape)
        check_store(server)
    else:
        assert re.search(r"gzip|encod|compress", reason(last), re.IGNORECASE), last
        check_nothing_left(server, name)


def test_the_repository_changes_under_way(server, hub, tiny, name):
    """What comes is of one commit."""
    old, new = list("abcde"), list("vwxyz")
    first = hub.add("org/moving", relabelled(tiny, old)).refs["main"]
    hold = hub.fault("org/moving/" + WEIGHTS, stall_after=1000, drop_after=1000, times=1)
    download = begin(server, name, "org/moving")
    assert hold.reached.wait(20)
    hub.push("org/moving", {**relabelled(tiny, new), WEIGHTS: b"\0" + contents(tiny)[WEIGHTS][1:]})
    hold.release()
    ended(server, download)
    assert info(server, name)["version"] == first
    assert set(server.predict("hello", name).json()["probabilities"]) == set(old)


def test_failed_and_tried_again(server, hub, small, name):
    """What has come is kept, told, and used by the next try."""
    hub.cut_off("org/small/" + WEIGHTS, 3_000_000)
    download = begin(server, name, "org/small", load=False)
    ended(server, download, "failed")
    check_nothing_left(server, name)
    kept = find(cache_info(server), "partial_size_mb")
    assert kept is not None and 1 < kept <= 10, kept
    hub.mend()
    hub.forget()
    body = server.json(f"/models/manage?action=retry_download&model_name={name}", "POST")
    assert body["success"] is True and body["action"] == "retry_download" and body["model_name"] == name, body
    ended(server, body["download_id"])
    assert hub.asked("org/small/" + WEIGHTS, "body", "cdn", "GET")[0].range, "it began anew"
    assert find(cache_info(server), "partial_size_mb") == 0
    assert name in server.models()


def test_what_is_kept_goes_with_delete(server, hub, small, name):
    hub.cut_off("org/small/" + WEIGHTS, 3_000_000)
    ended(server, begin(server, name, "org/small"), "failed")
    assert partial_bytes(server) > 0
    assert server.request("DELETE", f"/models/download/{name}").status_code == 200
    assert partial_bytes(server) == 0
    assert server.request("DELETE", f"/models/download/{name}").status_code == 404


@pytest.mark.asan
def test_killed_under_way(serve, hub, small, tmp_path):
    """kill -9 while it comes: after the start there is no model, and the next pull goes on from what is on the disk."""
    server = start(serve, tmp_path / "env", hub)
    hub.rate(1_000_000)
    download = begin(server, "small", "org/small")
    # What is whole is noted every few seconds.
    server.until(lambda: any((json.loads(p.read_text()).get("whole") or 0) > 1_000_000
                             for p in (store_of(server) / ".store/partial").rglob("*.state")))
    assert told(server, download)["status"] == "downloading"
    server.stop(signal.SIGKILL)
    hub.rate(0)
    hub.forget()
    restart(server)
    assert server.models() == {}
    check_nothing_left(server, "small")
    assert server.get(f"/models/download/status/{download}").status_code == 404  # of that process' life
    seen = pull(server, "small", "org/small")
    bodies = hub.asked("org/small/" + WEIGHTS, "body", "cdn", "GET")
    begin_at = int(re.fullmatch(r"bytes=(\d+)-\d*", bodies[0].range or "bytes=0-")[1])
    assert begin_at > 1_000_000, "it began anew"
    assert seen["bytes_done"] == seen["bytes_total"]
    check_store(server)


def test_ended_under_way(serve, hub, small, tmp_path):
    """SIGTERM does not wait for a download."""
    server = start(serve, tmp_path / "env", hub)
    hold = hub.fault("org/small/" + WEIGHTS, stall_after=2_000_000)
    begin(server, "small", "org/small")
    assert hold.reached.wait(20)
    assert server.stop(limit_s=15) == 0
    hub.mend()
    restart(server)
    pull(server, "small", "org/small")
    check_store(server)


@pytest.mark.asan
def test_slow_is_not_stalled(server, hub, name, monkeypatch):
    """A line that is thin and steady takes its time, and no second try."""
    monkeypatch.setattr(stand_in, "CHUNK", 2048)
    hub.rate(40_000)
    before = server.metrics()
    pull(server, name, "org/tiny")
    after = server.metrics()
    for metric in ("troupe_download_retries_total", "troupe_download_stalls_total"):
        assert after.get(metric, 0) == before.get(metric, 0), metric
    assert len(hub.asked("org/tiny/" + WEIGHTS, "body", method="GET")) == 1


def test_a_trickle_is_a_stall(server, hub, name, monkeypatch):
    """A few bytes a second for ever would hold a download for ever."""
    monkeypatch.setattr(stand_in, "CHUNK", 10)
    hub.rate(100)
    last = ended(server, begin(server, name, "org/tiny"), "failed")
    assert re.search(r"(?i)stall", reason(last)), last
    check_nothing_left(server, name)
    hub.rate(0)
    server.request("DELETE", f"/models/download/{name}")


def test_ranges_of_another_content_are_not_mixed_in(server, hub, small, name):
    """Who resumes gets a part of other bytes, of the right length, time and again: never is the mixture a model."""
    hub.fault("org/small/" + WEIGHTS, drop_after=3_000_000, times=1)
    hub.fault("org/small/" + WEIGHTS, alter=flipped(5_000_000))
    kept = partial_bytes(server)
    why = reason(ended(server, begin(server, name, "org/small"), "failed"))
    assert re.search(r"(?i)sha-?256|hash|digest", why), why
    check_nothing_left(server, name)
    assert partial_bytes(server) < kept + 1_000_000, "what was wrong is kept"
    hub.mend()
    pull(server, name, "org/small")


# -- only in chunks --

@pytest.mark.asan
@pytest.mark.parametrize("told_by", ["listing", "headers"])
def test_files_that_are_only_in_chunks(server, hub, tiny, name, told_by):
    """Refused with that reason before a byte of the model is fetched; with a digest they come as all others."""
    size = (tiny / WEIGHTS).stat().st_size
    hub.add("org/chunks", tiny)
    listed = {"size": size, "xetHash": "a" * 64} if told_by == "listing" else {"size": size}
    hub.repositories["org/chunks"].claims[WEIGHTS] = {"listed": listed}
    if told_by == "headers":
        hub.fault("org/chunks/" + WEIGHTS, "resolve", status=302, headers={
            "X-Xet-Hash": "a" * 64, "Location": f"{hub.url}/nothing", "X-Linked-Size": str(size)})
    kept = partial_bytes(server)
    why = fails(server, name, "org/chunks")
    assert re.search(r"(?i)chunk|xet", why) and WEIGHTS in why, why
    assert not hub.asked("org/chunks/*", "body"), "it was begun"
    check_nothing_left(server, name)
    assert partial_bytes(server) == kept
    hub.mend()
    hub.chunked_store = True
    hub.repositories["org/chunks"].claims.clear()
    pull(server, name, "org/chunks")
    hub.chunked_store = False


def test_archives_are_not_fetched(server, hub, tiny, tiny_shape, name):
    """Nothing is unpacked: archives beside a model are left, and alone they are none."""
    archives = {n: b"PK\3\4" * 1000 for n in (
        "model.zip", "model.tar.gz", "weights.tgz", "all.7z", "x.tar", "a.rar", "model.safetensors.zip",
        "pytorch_model.bin.gz", "archive.nemo")}
    hub.add("org/archives", archives)
    assert fails(server, name, "org/archives")
    hub.add("org/both", {**archives, **contents(tiny)})
    pull(server, name, "org/both")
    check_answers(server, name, tiny, tiny_shape)
    for repository in ("archives", "both"):
        assert not [a.target for a in hub.asked(f"org/{repository}/*", "body") if a.target.split("/")[-1] in archives]


# -- listings that mean harm --

ODD = {
    "up": "../evil.json", "up-and-down": "a/../../evil.json", "absolute": "/tmp/evil.json",
    "backslash": "..\\evil.json",
    "nul": "evil\0.json", "newline": "evil\n.json", "long": "e" * 300 + ".json", "at": "@0000/evil.json",
    "hidden": ".store/evil.json", "deep": "/".join(["evil"] * 40) + ".json", "dot": "./evil.json",
    "empty-part": "a//evil.json", "manifest": "manifest.json", "case": "CONFIG.json", "folder": "config.json/evil.json",
    "weights-up": "../evil.safetensors", "weights-absolute": "/tmp/evil.safetensors", "empty": "", "dots": "..",
    "percent": "%2e%2e/evil.json", "surrogate": "evil\ud800.json",
}
NOT_SO_ODD = {"manifest", "percent"}  # files as any other, in the model's own folder


@pytest.mark.asan
@pytest.mark.parametrize("case", ODD)
def test_odd_names_in_listings(server, hub, tiny, tiny_shape, name, case, tmp_path_factory):
    """Refused by name, or left out: never written anywhere."""
    evil = f"evil-{name}"
    hub.add("org/odd", tiny, odd_siblings=[ODD[case].replace("evil", evil)])
    last = settled(server, begin(server, name, "org/odd"))
    assert not pathlib.Path(f"/tmp/{evil}.json").exists() and not pathlib.Path(f"/tmp/{evil}.safetensors").exists()
    around = [p for p in server.folder.rglob("*") if p.is_file() and p.stat().st_size == 3 and p.read_bytes() == b"odd"]
    content = [store_of(server) / ".store" / part for part in ("blobs", "partial")]
    around = [p for p in around if not any(p.is_relative_to(at) for at in content)]
    if case in NOT_SO_ODD:
        around = [p for p in around if not p.match(f"models/{name}/@*/" + ODD[case].replace("evil", evil))]
    assert not around
    if last["status"] == "completed":
        check_answers(server, name, tiny, tiny_shape)
        check_store(server)
    else:
        assert re.search(r"(?i)name|file|path|case|alike|config|json|utf", reason(last)), last
        check_nothing_left(server, name)
    server.request("DELETE", f"/models/download/{name}")


@pytest.mark.parametrize("claim, says", [
    ({"size": 60_000_000_000}, r"chunk|xet|large|space|room|disk|told"),
    ({"size": 2**63}, r"large|space|size|room|disk|number|allowed"),
    ({"size": 5}, r"length|size|bytes|long|more|larger"),
    ({"size": 1_000_000}, r"length|size|bytes|short"),
    ({"sha256": "0" * 64}, r"sha-?256|hash|digest"),
    ({"sha256": "no digest"}, r"sha-?256|hash|digest"),
    ({"sha256": "../../../evil"}, r"sha-?256|hash|digest"),
])
def test_listings_that_are_wrong(server, hub, tiny, name, claim, says):
    hub.add("org/lies", tiny, claims={WEIGHTS: claim})
    why = fails(server, name, "org/lies")
    assert re.search(says, why, re.IGNORECASE), why
    check_nothing_left(server, name)


def test_a_listing_without_end(server, hub, tiny, name):
    hub.add("org/crowd", tiny, odd_siblings=[f"part-{n}.json" for n in range(150_000)])
    before = server.rollup_kb("Rss")
    last = settled(server, begin(server, name, "org/crowd"))
    if last["status"] == "failed":
        assert re.search(r"(?i)many|files|large|listing|limit", reason(last)), last
    assert server.rollup_kb("Rss") - before < 300_000


def test_weights_that_are_none(server, hub, tiny, name):
    """Whole, and of the right hash, and no checkpoint: it is there, and says why it is not served."""
    hub.add("org/junk", {**contents(tiny), WEIGHTS: b"no safetensors" * 1000})
    last = settled(server, begin(server, name, "org/junk"))
    if last["status"] == "completed":
        assert find(info(server, name), "servable") is False or find(last, "load_error"), last
        assert name not in server.resident()
    assert server.predict("hello", name).status_code >= 400
    assert metric_sum(server.metrics(), "troupe_downloads_total") > 0
