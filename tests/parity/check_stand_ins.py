#!/usr/bin/env python3
"""check_stand_ins.py: shows that the stand-ins of tests/e2e/ speak as what they stand for: the hub's own client
(huggingface_hub) and boto3 download from them. Ends with 1 where one of them is not served as by the real server.

scripts/parity.sh runs it; alone: "$(scripts/python-environment.sh stand-ins)" tests/parity/check_stand_ins.py
"""
import hashlib
import os
import pathlib
import random
import shutil
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))

from stand_in_hub import Hub  # noqa: E402
from stand_in_s3 import S3  # noqa: E402

hub = Hub()
folder = pathlib.Path(tempfile.mkdtemp(prefix="stand-ins-"))
# Read by the client when it is imported.
os.environ.update(HF_ENDPOINT=hub.url, HF_HOME=str(folder / "home"), HF_HUB_DISABLE_XET="1",
                  HF_HUB_DISABLE_TELEMETRY="1", HF_HUB_DISABLE_PROGRESS_BARS="1", AWS_EC2_METADATA_DISABLED="true",
                  no_proxy="127.0.0.1")
for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_HUB_OFFLINE"):
    os.environ.pop(name, None)

import boto3  # noqa: E402
import botocore  # noqa: E402
import huggingface_hub  # noqa: E402
from botocore.config import Config  # noqa: E402
from botocore.exceptions import ClientError  # noqa: E402
from huggingface_hub import HfApi, errors, hf_hub_download, snapshot_download  # noqa: E402

rng = random.Random(1)
WEIGHTS = rng.randbytes(3_000_000)
FILES = {
    "config.json": b'{"architectures": ["BertForSequenceClassification"]}\n' * 40,
    "model.safetensors": WEIGHTS,
    "1_Pooling/config.json": b"{}",
    "name with space, é.txt": b"odd, and allowed",
}


def same(path: str | pathlib.Path, content: bytes) -> None:
    assert hashlib.sha256(pathlib.Path(path).read_bytes()).digest() == hashlib.sha256(content).digest(), path


def raises(kind, call, text: str = "") -> None:
    try:
        call()
    except kind as e:
        assert text in str(e), e
        return
    raise AssertionError(f"{kind.__name__} was not raised")


def a_cache() -> str:
    return tempfile.mkdtemp(dir=folder)


def hub_snapshot() -> None:
    """All files, by every kind of redirect; the cache's layout is what the client makes of commit and ETag."""
    commit = hub.add("org/name", FILES, pipeline_tag="text-classification", tags=["bert"]).refs["main"]
    for hub.redirects in ("absolute", "chain", "none"):
        at = pathlib.Path(snapshot_download("org/name", cache_dir=a_cache()))
        assert at.name == commit
        for path, content in FILES.items():
            same(at / path, content)
        blob = (at / "model.safetensors").resolve()
        assert blob.name == hashlib.sha256(WEIGHTS).hexdigest(), blob
    hub.redirects = "absolute"


def hub_chunked_store() -> None:
    hub.chunked_store = True
    same(hf_hub_download("org/name", "model.safetensors", cache_dir=a_cache()), WEIGHTS)
    hub.chunked_store = False


def hub_metadata() -> None:
    api = HfApi()
    info = api.model_info("org/name", files_metadata=True)
    assert info.sha == hub.repositories["org/name"].refs["main"] and info.pipeline_tag == "text-classification"
    rows = {s.rfilename: s for s in info.siblings}
    assert set(rows) == set(FILES)
    assert rows["model.safetensors"].lfs.sha256 == hashlib.sha256(WEIGHTS).hexdigest()
    assert rows["model.safetensors"].size == len(WEIGHTS) and rows["config.json"].lfs is None
    assert api.model_info("org/name").siblings[0].size is None
    tree = {f.path: f for f in api.list_repo_tree("org/name", recursive=True)}
    assert tree["config.json"].blob_id == rows["config.json"].blob_id
    assert [b.name for b in api.list_repo_refs("org/name").branches] == ["main"]
    url = huggingface_hub.hf_hub_url("org/name", "model.safetensors")
    told = huggingface_hub.get_hf_file_metadata(url)
    assert told.commit_hash == info.sha and told.size == len(WEIGHTS)
    assert told.etag == hashlib.sha256(WEIGHTS).hexdigest() and told.location.startswith(hub.cdn.url)


def hub_many_files() -> None:
    files = {f"part-{n:04}.json": b"%d" % n for n in range(1100)}
    hub.add("org/many", files)
    assert len(list(HfApi().list_repo_tree("org/many", recursive=True))) == 1100


def hub_revisions() -> None:
    repository = hub.repositories["org/name"]
    first = repository.refs["main"]
    hub.tag("org/name", "v1", first)
    second = hub.push("org/name", {"config.json": b"{}"})
    hub.push("org/name", {"config.json": b"[]"}, "pr/1")
    cache = a_cache()
    same(hf_hub_download("org/name", "config.json", cache_dir=cache), b"{}")
    same(hf_hub_download("org/name", "config.json", revision="v1", cache_dir=cache), FILES["config.json"])
    same(hf_hub_download("org/name", "config.json", revision=first, cache_dir=cache), FILES["config.json"])
    same(hf_hub_download("org/name", "config.json", revision="pr/1", cache_dir=cache), b"[]")
    assert (pathlib.Path(cache) / "models--org--name/refs/main").read_text() == second
    raises(errors.RevisionNotFoundError,
           lambda: hf_hub_download("org/name", "config.json", revision="v9", cache_dir=cache))
    raises(errors.EntryNotFoundError, lambda: hf_hub_download("org/name", "nothing.json", cache_dir=cache))
    repository.refs["main"] = first


def hub_resume() -> None:
    """The client goes on where the line dropped, with a range (from what it has written: pieces of 10 MB)."""
    large = rng.randbytes(25_000_000)
    hub.add("org/large", {"model.safetensors": large})
    fault = hub.fault("model.safetensors", drop_after=21_000_000, times=1)
    same(hf_hub_download("org/large", "model.safetensors", cache_dir=a_cache()), large)
    assert fault.hits == 1
    first, second = hub.asked("org/large/model.safetensors", "body", "cdn", "GET")
    assert first.range is None and first.sent == 21_000_000, first
    assert second.range == f"bytes={2 * 10 * 1024 * 1024}-" and second.status == 206, second
    hub.mend()


def hub_refusals() -> None:
    hub.add("org/private", FILES, private=True)
    hub.add("org/gated", FILES, gated="auto")
    good, other = hub.token("hf_good", "org/gated"), hub.token("hf_other")

    def pull(name: str, token: str | bool = False):
        return lambda: snapshot_download(name, token=token, cache_dir=a_cache())

    raises(errors.RepositoryNotFoundError, pull("org/private"))
    raises(errors.RepositoryNotFoundError, pull("org/nothing"))
    raises(errors.RepositoryNotFoundError, pull("org/nothing", good))
    raises(errors.GatedRepoError, pull("org/gated"))
    raises(errors.GatedRepoError, pull("org/gated", other))
    raises(errors.HfHubHTTPError, pull("org/name", "hf_wrong"), "Invalid credentials")
    for path, content in FILES.items():
        same(pathlib.Path(pull("org/private", other)()) / path, content)
    hub.forget()
    same(pathlib.Path(pull("org/gated", good)()) / "model.safetensors", WEIGHTS)
    assert all(a.authorization == "Bearer hf_good" for a in hub.asked(stage="resolve", origin="hub"))
    bodies = hub.asked(stage="body", origin="cdn")
    assert bodies and all(a.authorization is None and a.status == 200 for a in bodies)
    assert HfApi().whoami(token=good)["name"] == "tester"


def hub_faults() -> None:
    """The client notices what a fault is meant to be."""
    cases = {"status": dict(status=403), "short": dict(alter=lambda data: data[:-5])}
    for what in cases.values():
        hub.fault("model.safetensors", **what)
        raises((errors.HfHubHTTPError, OSError),
               lambda: hf_hub_download("org/name", "model.safetensors", cache_dir=a_cache()))
        hub.mend()
    # Ignoring the range, as some mirrors do: it starts over.
    hub.fault("model.safetensors", drop_after=1_000_000, times=1)
    hub.fault("model.safetensors", ranges=False)
    same(hf_hub_download("org/name", "model.safetensors", cache_dir=a_cache()), WEIGHTS)
    hub.mend()


def hub_moved() -> None:
    hub.add("old-name", {"config.json": b"{}"})
    hub.rename("old-name", "org/new-name")
    same(hf_hub_download("old-name", "config.json", cache_dir=a_cache()), b"{}")
    assert HfApi().model_info("old-name").id == "org/new-name"


def client(s3: S3, access: str = "AKIDEXAMPLE", secret: str = "secret/with+odd=signs", token: str | None = None,
           **more):
    return boto3.client("s3", endpoint_url=s3.url, region_name=s3.region, aws_access_key_id=access,
                        aws_secret_access_key=secret, aws_session_token=token,
                        config=Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}, **more))


def s3_list_and_get() -> None:
    files = {f"models/bert/part {n}+é~.bin": b"%d" % n for n in range(7)}
    files |= {"models/bert/deep/config.json": b"{}", "models/other.txt": b"x", "weights.safetensors": WEIGHTS}
    with S3(page=3) as s3:
        s3.key("AKIDEXAMPLE", "secret/with+odd=signs")
        s3.key("AKIDTEMPORARY", "another", "a-session-token")
        s3.add("bucket", files)
        for c in (client(s3), client(s3, "AKIDTEMPORARY", "another", "a-session-token")):
            pages = c.get_paginator("list_objects_v2").paginate(Bucket="bucket", Prefix="models/")
            rows = [row for page in pages for row in page.get("Contents", [])]
            assert [r["Key"] for r in rows] == sorted((k for k in files if k.startswith("models/")),
                                                      key=lambda k: k.encode()), rows
            assert all(r["Size"] == len(files[r["Key"]]) for r in rows)
            for key, content in files.items():
                assert c.get_object(Bucket="bucket", Key=key)["Body"].read() == content
            part = c.get_object(Bucket="bucket", Key="weights.safetensors", Range="bytes=10-19")
            assert part["Body"].read() == WEIGHTS[10:20] and part["ContentRange"] == f"bytes 10-19/{len(WEIGHTS)}"
            assert c.head_object(Bucket="bucket", Key="weights.safetensors")["ContentLength"] == len(WEIGHTS)
        pages = client(s3).get_paginator("list_objects_v2").paginate(Bucket="bucket", Delimiter="/")
        folders = [f["Prefix"] for page in pages for f in page.get("CommonPrefixes", [])]
        assert folders == ["models/"], folders
        at = folder / "weights"
        client(s3).download_file("bucket", "weights.safetensors", str(at))  # several ranges at once
        same(at, WEIGHTS)
        assert not s3.refused and not s3.problems, (s3.refused, s3.problems)


def s3_refusals() -> None:
    with S3() as s3:
        s3.key("AKIDEXAMPLE", "secret/with+odd=signs")
        s3.key("AKIDTEMPORARY", "another", "a-session-token")
        s3.add("bucket", {"key": b"x"})
        s3.add("open", {"key": b"open to all"}, public=True)
        from botocore import UNSIGNED

        def get(c, bucket: str = "bucket", key: str = "key"):
            return lambda: c.get_object(Bucket=bucket, Key=key)["Body"].read()

        raises(ClientError, get(client(s3, secret="wrong")), "SignatureDoesNotMatch")
        raises(ClientError, get(client(s3, access="AKIDNOBODY")), "InvalidAccessKeyId")
        raises(ClientError, get(client(s3, "AKIDTEMPORARY", "another", "an-old-token")), "InvalidToken")
        raises(ClientError, get(client(s3, signature_version=UNSIGNED)), "AccessDenied")
        raises(ClientError, get(client(s3), key="nothing"), "NoSuchKey")
        raises(ClientError, get(client(s3), bucket="nothing"), "NoSuchBucket")
        assert get(client(s3, signature_version=UNSIGNED), "open")() == b"open to all"
        other = S3(region="eu-central-1")
        with other:
            other.key("AKIDEXAMPLE", "secret/with+odd=signs")
            other.add("bucket", {"key": b"x"})
            elsewhere = boto3.client("s3", endpoint_url=other.url, region_name="us-east-1",
                                     aws_access_key_id="AKIDEXAMPLE", aws_secret_access_key="secret/with+odd=signs")
            raises(ClientError, get(elsewhere), "AuthorizationHeaderMalformed")


def main() -> int:
    print(f"huggingface_hub {huggingface_hub.__version__}, boto3 {boto3.__version__} (botocore {botocore.__version__})")
    checks = [hub_snapshot, hub_chunked_store, hub_metadata, hub_many_files, hub_revisions, hub_resume, hub_refusals,
              hub_faults, hub_moved, s3_list_and_get, s3_refusals]
    failed = 0
    for check in checks:
        try:
            check()
            assert not hub.problems, "\n".join(hub.problems)
            print(f"ok    {check.__name__}")
        except Exception as e:  # noqa: BLE001 - all are run
            failed += 1
            print(f"FAIL  {check.__name__}: {type(e).__name__}: {e}")
    hub.close()
    shutil.rmtree(folder)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
