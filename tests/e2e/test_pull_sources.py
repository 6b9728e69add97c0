"""Where models come from: tokens and gated models, the hub's own cache folder, published weights, plain addresses,
S3, folders of this machine, speech models. And where they may not come from."""
import hashlib
import io
import json
import pathlib
import re
import zipfile

import pytest

from driver import TORCHSCRIPT, check_envelope
from pulling import (ask, begin, cache_info, check_answers, check_failed, check_nothing_left, check_store, contents,
                     ended, fails, find, info, pull, sha, speech, start, store_of, vocoder, write_hub_cache)
from stand_in import Content, flipped

ADMIN = "the-admin-key-of-the-tests"
AUTHORIZED = {"Authorization": f"Bearer {ADMIN}"}
ECHO = TORCHSCRIPT / "echo.pt"


def path_of(server, name: str, file: str) -> pathlib.Path:
    """Where the store has a file of a model."""
    manifest = check_store(server)[name]
    return store_of(server) / name / f"@{manifest['snapshot'].removeprefix('@')}" / file


# -- tokens --

@pytest.fixture
def gated(hub, tiny):
    hub.add("org/gated", tiny, gated="manual")
    hub.add("org/private", tiny, private=True)
    hub.token("hf_good", "org/gated")
    hub.token("hf_other")
    return hub


@pytest.mark.asan
@pytest.mark.parametrize("redirects", ["absolute", "chain"])
def test_gated_and_private_with_a_token(serve, gated, tiny, tiny_shape, tmp_path, redirects):
    gated.redirects = redirects
    server = start(serve, tmp_path / "env", gated, env={"HF_TOKEN": "hf_good"})
    for name in ("gated", "private"):
        pull(server, name, f"org/{name}")
        check_answers(server, name, tiny, tiny_shape)
    # The token goes to the hub, and nowhere else.
    assert all(a.authorization == "Bearer hf_good" for a in gated.asked(origin="hub"))
    assert gated.asked(origin="cdn") and all(a.authorization is None for a in gated.asked(origin="cdn"))
    assert all("hf_good" not in a.path for a in gated.asked())
    everything = server.log(500) + json.dumps(info(server, "gated")) + server.get("/metrics").text
    assert "hf_good" not in everything
    assert not any(b"hf_good" in p.read_bytes() for p in server.folder.rglob("*") if p.is_file())


def test_the_token_does_not_follow_redirects(serve, gated, files, tiny, tmp_path):
    """The hub itself sends elsewhere: to another origin the token does not go, whatever it is asked for there."""
    server = start(serve, tmp_path / "env", gated, env={"HF_TOKEN": "hf_good"})
    weights = files.put("model.safetensors", tiny / "model.safetensors")
    gated.fault("org/gated/model.safetensors", "resolve", redirect=weights)
    gated.fault("org/private", "api", redirect=files.put("about.json", b"{}"))
    begin(server, "gated", "org/gated")
    fails(server, "private", "org/private")
    server.until(lambda: len(files.asked()) >= 2)
    assert all(a.authorization is None for a in files.asked())


@pytest.mark.parametrize("token, says", [("", r"HF_TOKEN|token"), ("hf_other", r"(?i)access|gated|ask|not in the"),
                                         ("hf_wrong", r"(?i)token|credential|401")])
def test_gated_without(serve, gated, tmp_path, token, says):
    server = start(serve, tmp_path / "env", gated, env={"HF_TOKEN": token})
    why = fails(server, "gated", "org/gated")
    assert re.search(says, why) and "org/gated" in why and (not token or token not in why), why
    check_nothing_left(server, "gated")


def test_private_and_missing_without_a_token(serve, gated, tmp_path):
    """The hub does not tell which: both are said to be possible."""
    server = start(serve, tmp_path / "env", gated)
    for name in ("org/private", "org/nothing"):
        why = fails(server, "m", name)
        assert name in why and re.search(r"(?i)not found|no such|private|HF_TOKEN|token", why), why


# -- the hub's own cache folder --

@pytest.mark.asan
def test_offline_from_the_hubs_cache(serve, hub, tiny, tiny_shape, tmp_path):
    root = write_hub_cache(tmp_path / "cache", "org/tiny", contents(tiny))
    server = start(serve, tmp_path / "env", hub, env={"HF_HUB_OFFLINE": "1", "HF_HUB_CACHE": str(tmp_path / "cache")})
    pull(server, "mine", "org/tiny")
    check_answers(server, "mine", tiny, tiny_shape)
    assert info(server, "mine")["version"] == "a" * 40
    assert not hub.asked()
    # A copy: what others do to theirs does not reach a model that is served from a mapping.
    theirs = root / "blobs" / sha(tiny / "model.safetensors")
    assert path_of(server, "mine", "model.safetensors").stat().st_ino != theirs.stat().st_ino
    with open(theirs, "r+b") as file:
        file.truncate(100)
    check_answers(server, "mine", tiny, tiny_shape, "other words")
    check_store(server)
    why = fails(server, "other", "org/other")
    assert "HF_HUB_OFFLINE" in why, why
    assert not hub.asked()


def test_no_second_download_of_what_the_hubs_cache_has(serve, hub, tiny, tiny_shape, tmp_path):
    commit = hub.add("org/tiny", tiny).refs["main"]
    write_hub_cache(tmp_path / "cache", "org/tiny", contents(tiny), commit)
    server = start(serve, tmp_path / "env", hub, env={"HF_HUB_CACHE": str(tmp_path / "cache")})
    pull(server, "mine", "org/tiny")
    check_answers(server, "mine", tiny, tiny_shape)
    assert not hub.asked("model.safetensors", "body")


def test_a_damaged_cache_of_the_hub(serve, hub, tiny, tiny_shape, tmp_path):
    """Its content is judged as any other: what is wrong there is fetched."""
    commit = hub.add("org/tiny", tiny).refs["main"]
    root = write_hub_cache(tmp_path / "cache", "org/tiny", contents(tiny), commit)
    weights = root / "blobs" / sha(tiny / "model.safetensors")
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    server = start(serve, tmp_path / "env", hub, env={"HF_HUB_CACHE": str(tmp_path / "cache")})
    pull(server, "mine", "org/tiny")
    check_answers(server, "mine", tiny, tiny_shape)
    assert hub.asked("model.safetensors", "body")


# -- published weights --

def published(comment: bytes = b"0000348749b5") -> bytes:
    """A checkpoint in PyTorch's zip form. The comment at its end was searched for, so that the SHA-256 of the whole
    begins as the name of torchvision's published file says."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for name, content in (("archive/data.pkl", b"\x80\x02ccollections\nOrderedDict\n)R."),
                              ("archive/version", b"3\n")):
            archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), content)
        archive.comment = comment
    return out.getvalue()


ALEXNET = "alexnet-owt-7be5be79.pth"


@pytest.mark.asan
@pytest.mark.parametrize("source, setting", [("torchvision", "TORCHVISION_BASE_URL"),
                                             ("pytorch_hub", "PYTORCH_HUB_BASE_URL")])
def test_published_weights(serve, files, tmp_path, source, setting):
    """Whole and verified; not to be served yet, which is said where somebody asks."""
    data = published()
    assert hashlib.sha256(data).hexdigest().startswith("7be5be79")
    files.put(ALEXNET, data)
    server = start(serve, tmp_path / "env", env={setting: files.base})
    pull(server, "alexnet", "alexnet", source)
    assert [f["sha256"] for f in check_store(server)["alexnet"]["files"]] == [hashlib.sha256(data).hexdigest()]
    about = info(server, "alexnet")
    assert about["status"] == "completed" and about["source"] == source and about["servable"] is False, about
    assert about["reason"], about
    assert server.resident() == set()
    refused = check_envelope(server.post("/models/alexnet/load"), 422)
    assert about["reason"] in refused["message"] + refused["detail"], (about, refused)
    refused = check_failed(server.post("/models/manage?action=optimize&model_name=alexnet"), 422)
    assert about["reason"] in refused["message"] + refused["detail"], (about, refused)
    # The rest of the server goes on, also after a start.
    assert server.get("/health").status_code == 200


def test_published_weights_of_another_digest(serve, files, tmp_path):
    files.put(ALEXNET, published(b"0000348749b6"))
    server = start(serve, tmp_path / "env", env={"TORCHVISION_BASE_URL": files.base})
    why = fails(server, "alexnet", "alexnet", "torchvision")
    assert re.search(r"(?i)sha-?256|hash|digest", why) and "7be5be79" in why, why
    check_nothing_left(server, "alexnet")


def test_names_that_are_not_published(serve, files, tmp_path):
    server = start(serve, tmp_path / "env",
                   env={f"{s}_BASE_URL": files.base for s in ("TORCHVISION", "PYTORCH_HUB", "TORCHAUDIO")})
    for source in ("torchvision", "pytorch_hub", "torchaudio"):
        for name in ("resnet5000", "../alexnet", "alexnet?x", "http://127.0.0.1/x.pth"):
            why = fails(server, "m", name, source)
            assert re.search(r"(?i)resnet5000|name|known|model", why), why
    assert not files.asked()


def test_torchaudio(serve, files, tmp_path):
    """Tacotron2, whose published names have no digest."""
    content = Content(published())

    class Any(dict):
        def get(self, path, default=None):
            return content if "tacotron2" in path and path.endswith(".pth") else default

    files.files = Any()
    server = start(serve, tmp_path / "env", env={"TORCHAUDIO_BASE_URL": files.base})
    pull(server, "tacotron2_tts", "tacotron2", "torchaudio", task="text-to-speech")
    about = info(server, "tacotron2_tts")
    assert about["servable"] is False and about["task"] == "text-to-speech", about
    assert [m["name"] for m in cache_info(server)["tts_specific"]["tts_models"]] == ["tacotron2_tts"]


# -- plain addresses --

@pytest.mark.asan
@pytest.mark.parametrize("suffix", [".pt", ".pth", ".bin", ".safetensors"])
def test_a_plain_address(serve, files, tiny, tmp_path, suffix):
    source = ECHO if suffix != ".safetensors" else tiny / "model.safetensors"
    url = files.put(f"weights{suffix}", source)
    server = start(serve, tmp_path / "env", env={"TROUPE_ALLOW_PRIVATE_DOWNLOADS": "true"})
    pull(server, "mine", url, "url", load=False)
    files_of = check_store(server)["mine"]["files"]
    assert [f["sha256"] for f in files_of] == [sha(source)], files_of
    about = info(server, "mine")
    assert about["source"] == "url" and about["servable"] in (True, False, None), about
    assert about["servable"] is not False or about["reason"]


def test_a_plain_address_resumes_by_its_etag(serve, files, small, tmp_path):
    url = files.put("weights.safetensors", small / "model.safetensors")
    files.fault("weights.safetensors", drop_after=3_000_000, times=1)
    server = start(serve, tmp_path / "env", env={"TROUPE_ALLOW_PRIVATE_DOWNLOADS": "1"})
    pull(server, "mine", url, "url", load=False)
    resumed = [a for a in files.asked("*.safetensors", method="GET") if a.range and a.range[:8] != "bytes=0-"]
    second = resumed[0]
    assert second.headers["if-range"] == f'"{files.files["/models/weights.safetensors"].md5}"', second
    assert [f["sha256"] for f in check_store(server)["mine"]["files"]] == [sha(small / "model.safetensors")]


def test_a_plain_address_whose_content_changes(serve, files, small, sized, tmp_path):
    """Between the drop and the next try another file stands there: it is that one in the end, whole."""
    url = files.put("weights.safetensors", small / "model.safetensors")
    hold = files.fault("weights.safetensors", stall_after=3_000_000, drop_after=3_000_000, times=1)
    server = start(serve, tmp_path / "env", env={"TROUPE_ALLOW_PRIVATE_DOWNLOADS": "1"})
    download = begin(server, "mine", url, "url", load=False)
    assert hold.reached.wait(20)
    files.put("weights.safetensors", sized(12) / "model.safetensors")
    hold.release()
    last = server.until(lambda: (now := server.json(f"/models/download/status/{download}"))["status"] in
                        ("completed", "failed") and now)
    if last["status"] == "failed":  # it may say that it changed: the next try has it
        assert re.search(r"(?i)chang|etag|length|size", str(last)), last
        pull(server, "mine", url, "url", load=False)
    assert [f["sha256"] for f in check_store(server)["mine"]["files"]] == [sha(sized(12) / "model.safetensors")]


def test_a_range_of_a_changed_file_is_seen(serve, files, small, tmp_path):
    """A server that heeds no If-Range gives a part of another file: by its ETag it is begun anew, and is whole."""
    url = files.put("weights.safetensors", small / "model.safetensors")
    files.fault("weights.safetensors", drop_after=3_000_000, times=1)
    files.fault("weights.safetensors", alter=flipped(5_000_000), headers={"ETag": '"another"'}, if_range=False)
    server = start(serve, tmp_path / "env", env={"TROUPE_ALLOW_PRIVATE_DOWNLOADS": "1"})
    pull(server, "mine", url, "url", load=False)
    changed = hashlib.sha256(flipped(5_000_000)((small / "model.safetensors").read_bytes())).hexdigest()
    assert [f["sha256"] for f in check_store(server)["mine"]["files"]] == [changed]
    assert [a.status for a in files.asked("*.safetensors", method="GET")][1:3] == [206, 200]


@pytest.mark.parametrize("status, says", [(401, r"401|who asks|token"), (403, r"403|who asks|token"), (404, r"404"),
                                          (416, r"416"), (429, r"429"), (500, r"500"), (503, r"503")])
def test_a_plain_address_that_answers_no(serve, files, tmp_path, status, says):
    """Also where it sends elsewhere first."""
    url = files.put("m.pt", ECHO)
    files.fault("m.pt", status=status)
    files.put("first.pt", ECHO)
    files.fault("first.pt", redirect=url)
    server = start(serve, tmp_path / "env", env={"TROUPE_ALLOW_PRIVATE_DOWNLOADS": "1"})
    for address in (url, files.base + "/first.pt"):
        why = fails(server, "mine", address, "url")
        assert re.search(says, why), why
        check_nothing_left(server, "mine")
        assert len(files.asked("m.pt")) < 20, "it was asked for time and again"
    files.mend()
    pull(server, "mine", url, "url", load=False)


INSIDE = ["127.0.0.1", "localhost", "[::1]", "0.0.0.0", "0", "127.1", "2130706433", "0x7f000001", "0177.0.0.1",
          "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::]", "localhost.", "127.0.0.1.", "LOCALHOST"]
ELSEWHERE_INSIDE = ["10.0.0.1", "172.16.0.1", "192.168.0.1", "169.254.169.254", "100.64.0.1", "224.0.0.1", "[fe80::1]",
                    "[fc00::1]", "[ff02::1]", "[64:ff9b::7f00:1]", "255.255.255.255"]


@pytest.mark.asan
def test_addresses_inside_are_refused(serve, files, tmp_path):
    """However they are written, and before anything is sent there."""
    files.put("m.pt", ECHO)
    server = start(serve, tmp_path / "env")
    port = files.origin.port
    for host in INSIDE + ELSEWHERE_INSIDE:
        at = port if host in INSIDE else 9
        why = fails(server, "m", f"http://{host}:{at}/models/m.pt", "url")
        assert re.search(r"(?i)private|loopback|inside|address|not allowed|may not|allow_private|resolve|URL", why), \
            (host, why)
    assert not files.asked() and files.connections() == 0
    check_nothing_left(server, "m")
    why = fails(server, "m", f"http://127.0.0.1:{port}/models/m.pt", "url")
    assert "allow_private_downloads" in why, why
    assert server.metrics().get("troupe_download_bytes_total", 0) == 0


@pytest.mark.parametrize("address, says", [
    ("ftp://example.com/m.pt", r"http"), ("gopher://example.com/m.pt", r"http"),
    ("//example.com/m.pt", r"http|address|URL|admin key"),
    ("data:application/octet-stream,x.pt", r"http"), ("javascript:alert(1).pt", r"http"), ("http:///m.pt", r"host|URL"),
    ("http://user:hunter2@example.com/m.pt", r"credential|user|password"), ("example.com/m.pt", r"http|address|URL"),
    ("http://exa mple.com/m.pt", r"URL|address|space|host"), ("http://example.com:99999/m.pt", r"port|URL"),
    ("http://example.com/m.zip", r"\.safetensors|\.pth"), ("http://example.com/m.tar.gz", r"\.safetensors|\.pth"),
    ("http://example.com/m.tgz", r"\.safetensors|\.pth"), ("http://example.com/m.7z", r"\.safetensors|\.pth"),
    ("http://example.com/m.pkl", r"\.safetensors|\.pth"), ("http://example.com/m", r"\.safetensors|\.pth"),
    ("http://example.com/", r"\.safetensors|\.pth"), ("http://example.com/m.pt/", r"\.safetensors|\.pth"),
    ("http://example.com/m.zip?name=m.pt", r"\.safetensors|\.pth"),
    ("http://example.com/m.zip#m.pt", r"\.safetensors|\.pth"),
])
def test_addresses_that_are_refused(serve, tmp_path, address, says):
    server = start(serve, tmp_path / "env")
    why = fails(server, "m", address, "url")
    assert re.search(says, why), why
    assert "hunter2" not in why and "hunter2" not in server.log(200)
    check_nothing_left(server, "m")


def test_through_a_proxy(serve, files, tmp_path):
    """A proxy from the environment is asked for everything; it is the operator's, and trusted."""
    files.put("m.pt", ECHO)
    server = start(serve, tmp_path / "env", env={"http_proxy": files.origin.url})
    pull(server, "mine", "http://weights.example/models/m.pt", "url", load=False)
    assert [a.headers["host"] for a in files.asked("*.pt", method="GET")][0] == "weights.example"
    assert [f["sha256"] for f in check_store(server)["mine"]["files"]] == [sha(ECHO)]


# -- the admin's: S3, this machine --

@pytest.mark.asan
def test_s3(serve, s3, tiny, tiny_shape, tmp_path):
    s3.key("AKIDEXAMPLE", "secret/with+odd=signs", "a-session-token")
    s3.add("bucket", tiny, "models/tiny model+é/")
    s3.add("bucket", {"models/other/config.json": b"{}"})
    server = start(serve, tmp_path / "env", env={
        "ADMIN_API_KEY": ADMIN, "AWS_ENDPOINT_URL": s3.url, "AWS_REGION": s3.region, "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "secret/with+odd=signs", "AWS_SESSION_TOKEN": "a-session-token"})
    answer = ask(server, "mine", "s3://bucket/models/tiny model+é", "s3", headers=AUTHORIZED)
    assert answer.status_code == 200, answer.text
    ended(server, answer.json()["download_id"])
    check_answers(server, "mine", tiny, tiny_shape)
    assert not s3.refused, s3.refused
    assert all("secret" not in a.path for a in s3.asked()) and "secret/with" not in server.log(500)
    assert not s3.asked("bucket/models/other*", "body")


def test_s3_unsigned(serve, s3, tiny, tiny_shape, tmp_path):
    s3.add("open", tiny, "tiny/", public=True)
    server = start(serve, tmp_path / "env", env={"ADMIN_API_KEY": ADMIN, "AWS_ENDPOINT_URL": s3.url})
    answer = ask(server, "mine", "s3://open/tiny", "s3", headers=AUTHORIZED)
    ended(server, answer.json()["download_id"])
    check_answers(server, "mine", tiny, tiny_shape)
    assert all(a.authorization is None for a in s3.asked())


@pytest.mark.parametrize("env, address, says", [
    ({"AWS_SECRET_ACCESS_KEY": "wrong"}, "s3://bucket/tiny", r"(?i)signature|key|403|may not"),
    ({"AWS_ACCESS_KEY_ID": "AKIDNOBODY"}, "s3://bucket/tiny", r"(?i)key|403|may not"),
    ({"AWS_REGION": "eu-central-1"}, "s3://bucket/tiny", r"(?i)region"),
    ({"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}, "s3://bucket/tiny", r"(?i)key|403|may not"),
    ({}, "s3://nothing/tiny", r"(?i)bucket|nothing"),
    ({}, "s3://bucket/nothing", r"(?i)nothing"),
    ({}, "s3://", r"(?i)bucket|s3://"),
    ({}, "s3:///tiny", r"(?i)bucket|s3://"),
    ({}, "s3://bucket/../tiny", r"(?i)\.\.|nothing|not there|name|s3://"),
])
def test_s3_that_does_not_come(serve, s3, tiny, tmp_path, env, address, says):
    s3.key("AKIDEXAMPLE", "secret")
    s3.add("bucket", tiny, "tiny/")
    server = start(serve, tmp_path / "env", env={
        "ADMIN_API_KEY": ADMIN, "AWS_ENDPOINT_URL": s3.url, "AWS_REGION": s3.region, "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "secret", **env})
    why = fails(server, "mine", address, "s3", headers=AUTHORIZED)
    assert re.search(says, why), why
    check_nothing_left(server, "mine")


@pytest.mark.asan
def test_a_folder_of_this_machine(serve, tiny, tiny_shape, tmp_path):
    """Copied, never linked: what others do to theirs afterwards does not reach us."""
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    for name, content in contents(tiny).items():
        (theirs / name).write_bytes(content)
    server = start(serve, tmp_path / "env", env={"ADMIN_API_KEY": ADMIN})
    answer = ask(server, "mine", str(theirs), "local", headers=AUTHORIZED)
    assert answer.status_code == 200, answer.text
    ended(server, answer.json()["download_id"])
    assert path_of(server, "mine", "model.safetensors").stat().st_ino != (theirs / "model.safetensors").stat().st_ino
    for file in theirs.iterdir():
        with open(file, "r+b") as f:
            f.truncate(10)
    check_answers(server, "mine", tiny, tiny_shape)
    check_store(server)
    answer = ask(server, "echo", str(ECHO), "local", headers=AUTHORIZED, load=False)
    ended(server, answer.json()["download_id"])
    assert [f["sha256"] for f in check_store(server)["echo"]["files"]] == [sha(ECHO)]


@pytest.mark.parametrize("path", ["/nothing/there", "relative/path", "/dev/zero", "/proc/self/mem", "/etc", "/", "~/x",
                                  "/dev/null", "/proc/self/fd"])
def test_folders_that_are_none(serve, tmp_path, path):
    server = start(serve, tmp_path / "env", env={"ADMIN_API_KEY": ADMIN})
    assert path.strip("~/") in fails(server, "mine", path, "local", headers=AUTHORIZED) or path == "/"
    check_nothing_left(server, "mine")


def test_links_out_of_a_folder(serve, tiny, tmp_path):
    """A link to somewhere else is not followed out of the folder unseen: it is content, or refused by name."""
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    for name, content in contents(tiny).items():
        (theirs / name).write_bytes(content)
    secret = tmp_path / "secret.json"
    secret.write_text('{"password": "hunter2"}')
    (theirs / "generation_config.json").symlink_to(secret)
    (theirs / "loop").symlink_to(theirs)
    server = start(serve, tmp_path / "env", env={"ADMIN_API_KEY": ADMIN})
    answer = ask(server, "mine", str(theirs), "local", headers=AUTHORIZED)
    server.until(lambda: server.json(f"/models/download/status/{answer.json()['download_id']}")["status"] in
                 ("completed", "failed"))
    for manifest in check_store(server).values():
        assert not [f for f in manifest["files"] if f["path"].startswith("loop/")], manifest
    assert not any(p.is_symlink() for p in store_of(server).rglob("*"))


@pytest.mark.asan
@pytest.mark.parametrize("source, address", [
    ("local", "FOLDER"), ("s3", "s3://bucket/tiny"), ("url", "file://FOLDER"), ("url", "FOLDER"),
    ("url", "s3://bucket/tiny"), ("huggingface", "s3://bucket/tiny"), ("local", "file://FOLDER"),
])
def test_the_admins_sources_need_the_key(serve, s3, tiny, tmp_path, source, address):
    s3.add("bucket", tiny, "tiny/", public=True)
    address = address.replace("FOLDER", str(tiny))
    for env, headers, status in (({}, {}, 403), ({"ADMIN_API_KEY": ADMIN}, {}, 401),
                                 ({"ADMIN_API_KEY": ADMIN}, {"Authorization": "Bearer wrong"}, 403)):
        server = start(serve, tmp_path / "env", env={"AWS_ENDPOINT_URL": s3.url, **env})
        answer = ask(server, "mine", address, source, headers=headers)
        assert answer.status_code in (status, 403), (env, headers, answer.text)
        body = check_failed(answer, answer.status_code)
        assert env or "ADMIN_API_KEY" in body["message"] + body["detail"], body
        check_nothing_left(server, "mine")
    assert not s3.asked()


# -- speech --

@pytest.fixture
def talking(hub, tiny):
    hub.add("microsoft/speecht5_tts", speech(tiny), pipeline_tag="text-to-speech", tags=["speecht5", "tts"])
    hub.add("microsoft/speecht5_hifigan", vocoder(tiny), pipeline_tag=None)
    return hub


def test_a_speech_model_and_its_vocoder(serve, talking, tmp_path):
    server = start(serve, tmp_path / "env", talking)
    answer = ask(server, "speecht5_tts", "microsoft/speecht5_tts", task="text-to-speech", include_vocoder=True,
                 vocoder_model="microsoft/speecht5_hifigan").json()
    assert answer["message"] == "Started downloading TTS model 'speecht5_tts'", answer
    assert answer["download_info"]["model_type"] == "tts", answer
    assert answer["download_info"]["vocoder_included"] is True, answer
    assert answer["download_info"]["vocoder_models"] == ["microsoft/speecht5_hifigan"], answer
    ended(server, answer["download_id"])
    server.until(lambda: "speecht5_tts_vocoder" in cache_info(server)["models"])
    about = info(server, "speecht5_tts")
    assert about["servable"] is False and about["reason"] and about["task"] == "text-to-speech", about
    told = {m["name"]: m for m in cache_info(server)["tts_specific"]["tts_models"]}
    assert told["speecht5_tts"]["source"] == "huggingface" and told["speecht5_tts"]["tags"] == ["speecht5", "tts"], told
    assert server.json("/models")["models_info"]["speecht5_tts"]["tts_enabled"] is True
    check_envelope(server.post("/models/speecht5_tts/load"), 422)


def test_a_vocoder_that_does_not_come(serve, talking, tmp_path):
    server = start(serve, tmp_path / "env", talking)
    pull(server, "speecht5_tts", "microsoft/speecht5_tts", include_vocoder=True, vocoder_model="org/nothing")
    assert cache_info(server)["models"] == ["speecht5_tts"]
    assert "speecht5_tts_vocoder" not in server.models()


def test_tts_auto(serve, talking, tmp_path):
    """The source that finds out by itself: task and vocoder."""
    server = start(serve, tmp_path / "env", talking)
    pull(server, "voice", "microsoft/speecht5_tts", "tts_auto")
    about = info(server, "voice")
    assert about["task"] == "text-to-speech", about
    assert "voice" in [m["name"] for m in cache_info(server)["tts_specific"]["tts_models"]]


def test_adapted_for_speech(serve, hub, tiny, tiny_shape, tmp_path):
    hub.add("facebook/bart-large", tiny)
    server = start(serve, tmp_path / "env", hub)
    pull(server, "bart_large_tts", "facebook/bart-large", task="text-generation", auto_convert_tts=True, load=False)
    tts = cache_info(server)["tts_specific"]
    assert [m["name"] for m in tts["tts_models"]] == ["bart_large_tts"] and tts["tts_percentage"] == 100, tts
    assert find(tts, "tts_adapted") is True, tts
