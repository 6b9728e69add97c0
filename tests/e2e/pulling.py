"""What the tests of downloads have in common: servers whose sources are stand-ins, downloads and how they end."""
from __future__ import annotations

import hashlib
import json
import os
import pathlib
import re
import struct

import requests

import checkpoints
from driver import Server, quote
from stand_in_hub import Hub

STATES = ["pending", "downloading", "completed", "failed", "cancelled"]
ENDED = {"completed", "failed", "cancelled"}
TEXT = "hello ab cd"
# Nothing is tried for long; a test that waits for the real values would take minutes.
QUICK = {"download_retries": 1, "download_stall_s": 1}


def environment(folder: pathlib.Path, hub: Hub | None = None, **more: str) -> dict[str, str]:
    """Nothing of the machine's own hub folders, tokens, keys and proxies; empty counts as unset."""
    folder.mkdir(parents=True, exist_ok=True)
    out = {name: "" for name in (
        "HF_TOKEN", "HF_HUB_OFFLINE", "HF_HUB_CACHE", "HUGGING_FACE_HUB_TOKEN", "TORCHVISION_BASE_URL",
        "PYTORCH_HUB_BASE_URL", "TORCHAUDIO_BASE_URL", "AWS_ENDPOINT_URL", "AWS_REGION", "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "http_proxy", "https_proxy", "all_proxy", "no_proxy",
        "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")}
    # Where no hub is meant to be asked, a port that nothing listens on.
    out.update(HF_HOME=str(folder / "hf-home"), HF_ENDPOINT=hub.url if hub else "http://127.0.0.1:9")
    return {**out, **more}


def start(serve, folder: pathlib.Path, hub: Hub | None = None, settings: dict | None = None,
          registry: dict | None = None, env: dict | None = None, **kw) -> Server:
    return serve(registry or {}, {**QUICK, **(settings or {})}, env=environment(folder, hub, **(env or {})), **kw)


def again(server: Server, sig: int) -> None:
    """Ends the process, and starts another."""
    server.stop(sig)
    restart(server)


def restart(server: Server) -> None:
    """Starts one that has ended; waits until this one is ready."""
    at = server.log_position()
    server.start(ready_s=0)
    server.wait_log(r"\bready on http", 60, at)


def store_of(server: Server) -> pathlib.Path:
    return pathlib.Path(server.settings.get("cache_directory") or pathlib.Path(server.settings["data_dir"]) / "models")


# -- asking --

def ask(server: Server, name: str, model_id: str, source: str = "huggingface", headers: dict | None = None,
        **more) -> requests.Response:
    return server.post("/models/download", json={"source": source, "model_id": model_id, "name": name, **more},
                       headers=headers or {})


def begin(server: Server, name: str, model_id: str, source: str = "huggingface", **more) -> str:
    """Starts a download; gives its id."""
    answer = ask(server, name, model_id, source, **more)
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body["success"] is True and body["model_name"] == name, body
    assert re.fullmatch(r"[0-9a-f]{8}", body["download_id"]), body
    return body["download_id"]


def told(server: Server, download_id: str) -> dict:
    """Its status, once, in the form that the document gives it."""
    body = server.json(f"/models/download/status/{download_id}")
    assert body["download_id"] == download_id and body["status"] in STATES, body
    assert isinstance(body["progress"], (int, float)) and 0 <= body["progress"] <= 100, body
    assert body["eta"] is None or body["eta"] >= 0, body
    assert isinstance(body["message"], str), body
    assert isinstance(body["bytes_done"], int) and body["bytes_done"] >= 0, body
    assert body["bytes_total"] is None or body["bytes_total"] >= body["bytes_done"], body
    assert body["speed_mb_s"] is None or body["speed_mb_s"] >= 0, body
    if body["status"] == "completed":
        assert body["progress"] == 100 and body["eta"] is None, body
    if body["status"] in ENDED:
        assert body["message"], body
    return body


def follow(server: Server, download_id: str, limit_s: float = 40) -> list[dict]:
    """All that polling saw until the end: progress does not fall, and no state comes back."""
    seen: list[dict] = []

    def step() -> bool:
        now = told(server, download_id)
        if seen:
            assert now["progress"] >= seen[-1]["progress"], (seen[-1], now)
            assert STATES.index(now["status"]) >= STATES.index(seen[-1]["status"]), (seen[-1], now)
        seen.append(now)
        return now["status"] in ENDED

    server.until(step, limit_s)
    return seen


def ended(server: Server, download_id: str, how: str = "completed", limit_s: float = 40) -> dict:
    """Its last status, which must be `how`."""
    last = server.until(lambda: (now := told(server, download_id))["status"] in ENDED and now, limit_s)
    assert last["status"] == how, last
    return last


def settled(server: Server, download_id: str, limit_s: float = 40) -> dict:
    """Its last status, where both ends are right."""
    last = server.until(lambda: (now := told(server, download_id))["status"] in ENDED and now, limit_s)
    assert last["status"] in ("completed", "failed"), last
    return last


def pull(server: Server, name: str, model_id: str, source: str = "huggingface", **more) -> dict:
    return ended(server, begin(server, name, model_id, source, **more))


def reason(body: dict) -> str:
    """Why a download failed, or a request was refused: all that it says."""
    return " | ".join(str(body[k]) for k in ("message", "error", "detail", "reason") if body.get(k))


def fails(server: Server, name: str, model_id: str, source: str = "huggingface", **more) -> str:
    """It is refused at once, or its download fails: why."""
    answer = ask(server, name, model_id, source, **more)
    if answer.status_code != 200:
        assert 400 <= answer.status_code < 500, answer.text
        return reason(check_failed(answer, answer.status_code))
    last = ended(server, answer.json()["download_id"], "failed")
    assert reason(last), last
    return reason(last)


def check_failed(answer: requests.Response, status: int, **said) -> dict:
    """The envelope in document 002's wording; `said` are fields that must be just so."""
    assert answer.status_code == status, f"{answer.status_code} instead of {status}: {answer.text[:500]}"
    body = answer.json()
    assert body["success"] is False and body["status"] == "failed", body
    for name in ("message", "error", "code", "error_code", "detail", "details"):
        assert isinstance(body[name], str), (name, body)
    assert body["message"] and body["error"] and body["code"] == body["error_code"], body
    for name, value in said.items():
        assert body[name] == value, body
    return body


def info(server: Server, name: str) -> dict:
    """What is told of a model; both forms of it agree."""
    body = server.json(f"/models/download/{quote(name)}/info")
    for key in ("name", "version", "size_mb", "status", "source", "task"):
        assert key in body and body[key] == body["info"][key], (key, body)
    assert body["name"] == name and body["status"] in STATES, body
    return body


def cache_info(server: Server) -> dict:
    """/models/cache/info, with what always holds for it."""
    body = server.json("/models/cache/info")
    assert pathlib.Path(body["cache_directory"]).is_absolute(), body
    assert body["total_models"] == len(body["models"]) == len(set(body["models"])), body
    assert all(isinstance(name, str) for name in body["models"]), body
    tts = body["tts_specific"]
    assert tts["tts_models_count"] == len(tts["tts_models"]), tts
    assert {m["name"] for m in tts["tts_models"]} <= set(body["models"]), body
    close(tts["tts_total_size_mb"], sum(m["size_mb"] for m in tts["tts_models"]))
    share = 100 * tts["tts_total_size_mb"] / body["total_size_mb"] if body["total_size_mb"] else 0
    assert abs(tts["tts_percentage"] - share) < 0.06, body
    optimization = body["cache_optimization"]
    assert 0 <= optimization["cache_hit_rate"] <= 1, body
    assert optimization["optimization_enabled"] is True and isinstance(optimization["auto_cleanup"], bool), body
    return body


def close(a: float, b: float) -> None:
    assert abs(a - b) <= 1e-3 + 1e-6 * abs(b), (a, b)


def find(value, key: str):
    """The first field of that name, wherever it stands; None: there is none."""
    if isinstance(value, dict):
        if key in value:
            return value[key]
        value = list(value.values())
    if isinstance(value, list):
        for inner in value:
            if (found := find(inner, key)) is not None:
                return found
    return None


# -- what is right --

def check_answers(server: Server, name: str, folder: pathlib.Path, shape: checkpoints.Bert, text: str = TEXT) -> None:
    """The model answers as its checkpoint says (for small ones: plain Python computes it)."""
    answer = server.predict(text, name)
    assert answer.status_code == 200, answer.text
    given = answer.json()["probabilities"]
    assert list(given) and set(given) == set(shape.labels), given
    for label, expected in zip(shape.labels, checkpoints.reference(folder, shape, text)):
        assert abs(given[label] - expected) < 2e-4, (label, given, expected)


def check_nothing_left(server: Server, name: str) -> None:
    """Nothing looks like a model of that name, and what bytes there are lie in the store's partial/."""
    assert name not in server.models(), server.models()
    body = cache_info(server)
    assert name not in body["models"], body
    check_store(server)
    assert not (store_of(server) / name).exists()


def check_store(server: Server | pathlib.Path) -> dict[str, dict]:
    """Reads the store (a server's, or at a path) as docs/artifacts.md says it lies there: every model is whole, no blob
    is nobody's, nothing lies about. Gives the manifests by name."""
    root = server if isinstance(server, pathlib.Path) else store_of(server)
    manifests = check_models(root)
    linked = {sha(p) for name in manifests for snapshot in (root / name).glob("@*") for p in snapshot.rglob("*")
              if p.is_file()}
    linked |= {p.name for p in (root / ".store/partial").glob("*/@whole/*")}  # kept for a resume
    blobs = {p.name for p in (root / ".store/blobs").iterdir()} if (root / ".store/blobs").exists() else set()
    assert blobs == linked, (blobs - linked, linked - blobs)
    known = {name.split("/")[0] for name in manifests}
    odd = {p.name for p in root.iterdir() if not p.name.startswith(".")} - known if root.exists() else set()
    assert not odd, odd
    return manifests


def check_models(root: pathlib.Path) -> dict[str, dict]:
    """Every model that is there is whole, every file of it a link to the blob of its digest; also of a store that a
    crash has left. Gives the manifests by name."""
    manifests = {}
    for path in sorted(root.glob("**/manifest.json")):
        if ".store" in path.parts or any(part.startswith("@") for part in path.relative_to(root).parts):
            continue
        manifest = json.loads(path.read_text())
        name = str(path.parent.relative_to(root))
        manifests[name] = manifest
        current = path.parent / f"@{manifest['snapshot'].removeprefix('@')}"
        assert current.is_dir(), f"{name} has a manifest and no snapshot"
        there = {str(p.relative_to(current)): p for p in current.rglob("*") if p.is_file()}
        assert set(there) == {f["path"] for f in manifest["files"]}, (name, set(there))
        for file in manifest["files"]:
            at = there[file["path"]]
            content = at.read_bytes()
            assert not at.is_symlink() and len(content) == file["size_bytes"], (name, file)
            assert hashlib.sha256(content).hexdigest() == file["sha256"], (name, file)
            assert os.path.samefile(root / ".store/blobs" / file["sha256"], at), (name, file)
    return manifests


def sha(path: pathlib.Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def partial_bytes(server: Server) -> int:
    """What is kept of contents for a resume."""
    folder = store_of(server) / ".store/partial"
    return sum(p.stat().st_size for p in folder.rglob("*") if p.is_file() and not p.name.endswith(".state"))


# -- checkpoints of other shapes --

def contents(folder: pathlib.Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def relabelled(folder: pathlib.Path, labels: list[str]) -> dict[str, bytes]:
    """The same checkpoint with other names of its labels."""
    out = contents(folder)
    config = json.loads(out["config.json"])
    config["id2label"] = {str(n): label for n, label in enumerate(labels)}
    config["label2id"] = {label: n for n, label in enumerate(labels)}
    out["config.json"] = json.dumps(config).encode()
    return out


def sharded(folder: pathlib.Path) -> dict[str, bytes]:
    """The same checkpoint, its weights in two files with an index."""
    out = contents(folder)
    raw = out.pop("model.safetensors")
    (size,) = struct.unpack("<Q", raw[:8])
    entries = json.loads(raw[8:8 + size])
    entries.pop("__metadata__", None)
    names, where = sorted(entries), {}
    for n, part in enumerate((names[::2], names[1::2]), 1):
        file = f"model-{n:05}-of-00002.safetensors"
        header, data = {"__metadata__": {"format": "pt"}}, b""
        for name in part:
            first, last = (8 + size + at for at in entries[name]["data_offsets"])
            header[name] = {**entries[name], "data_offsets": [len(data), len(data) + last - first]}
            data += raw[first:last]
            where[name] = file
        out[file] = checkpoints.safetensors_header(header) + data
    out["model.safetensors.index.json"] = json.dumps(
        {"metadata": {"total_size": len(raw) - 8 - size}, "weight_map": where}).encode()
    return out


def speech(folder: pathlib.Path) -> dict[str, bytes]:
    """What looks like a text-to-speech model, which cannot be served yet."""
    out = contents(folder)
    config = {"architectures": ["SpeechT5ForTextToSpeech"], "model_type": "speecht5", "hidden_size": 16}
    out["config.json"] = json.dumps(config).encode()
    return out


def vocoder(folder: pathlib.Path) -> dict[str, bytes]:
    return {"config.json": json.dumps({"architectures": ["SpeechT5HifiGan"], "model_type": "hifigan"}).encode(),
            "model.safetensors": (folder / "model.safetensors").read_bytes()}


def write_hub_cache(folder: pathlib.Path, name: str, files: dict[str, bytes], commit: str = "a" * 40) -> pathlib.Path:
    """As huggingface_hub leaves it: blobs, and snapshots of links to them."""
    root = folder / f"models--{name.replace('/', '--')}"
    (root / "refs").mkdir(parents=True)
    (root / "refs/main").write_text(commit)
    (root / "blobs").mkdir()
    for path, content in files.items():
        large = path.endswith(".safetensors")
        digest = hashlib.sha256(content) if large else hashlib.sha1(b"blob %d\0" % len(content) + content)
        blob = root / "blobs" / digest.hexdigest()
        blob.write_bytes(content)
        link = root / "snapshots" / commit / path
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(pathlib.Path(*[".."] * (2 + path.count("/"))) / "blobs" / blob.name)
    return root
