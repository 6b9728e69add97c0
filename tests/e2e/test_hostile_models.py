"""Hostile and broken artifacts: a clear error, and the process goes on."""
import json
import os
import pathlib
import shutil
import struct
import subprocess
import threading
import time

import pytest

import checkpoints
from driver import TORCHSCRIPT, Load, check_envelope


def read_header(raw: bytes) -> tuple[dict, bytes]:
    (size,) = struct.unpack("<Q", raw[:8])
    return json.loads(raw[8:8 + size]), raw[8 + size:]


def rebuilt(header: dict, data: bytes) -> bytes:
    return checkpoints.safetensors_header(header) + data


WORD = "bert.embeddings.word_embeddings.weight"
BIAS = "classifier.bias"


def overlapping(header, data):
    header[BIAS]["data_offsets"] = [0, 20]
    return rebuilt(header, data)


def outside(header, data):
    header[BIAS]["data_offsets"] = [len(data), len(data) + 20]
    return rebuilt(header, data)


def backwards(header, data):
    a, b = header[WORD]["data_offsets"]
    header[WORD]["data_offsets"] = [b, a]
    return rebuilt(header, data)


def huge_offsets(header, data):
    header[BIAS]["data_offsets"] = [2**63 - 20, 2**63]
    return rebuilt(header, data)


def wrapping_offsets(header, data):
    header[BIAS]["data_offsets"] = [2**64 - 20, 0]
    return rebuilt(header, data)


def negative_offsets(header, data):
    header[BIAS]["data_offsets"] = [-20, 0]
    return rebuilt(header, data)


def huge_shape(header, data):
    header[WORD]["shape"] = [2**32, 2**32]
    return rebuilt(header, data)


def negative_shape(header, data):
    header[WORD]["shape"] = [-1024, -16]
    return rebuilt(header, data)


def transposed(header, data):
    header[WORD]["shape"] = header[WORD]["shape"][::-1]
    return rebuilt(header, data)


def size_mismatch(header, data):
    header[BIAS]["shape"] = [7]
    return rebuilt(header, data)


def other_dtype(header, data):
    header[BIAS]["dtype"] = "I8"
    return rebuilt(header, data)


def unknown_dtype(header, data):
    header[BIAS]["dtype"] = "Q7"
    return rebuilt(header, data)


def missing_tensor(header, data):
    header["other"] = header.pop(BIAS)
    return rebuilt(header, data)


def types_confused(header, data):
    header[BIAS]["data_offsets"] = "all"
    return rebuilt(header, data)


def many_tensors(header, data):
    header.update({f"x{n}": {"dtype": "F32", "shape": [], "data_offsets": [0, 4]} for n in range(300_000)})
    return rebuilt(header, data)


FILES = {
    "empty": lambda raw: b"",
    "seven bytes": lambda raw: raw[:7],
    "only the length": lambda raw: raw[:8],
    "cut in the header": lambda raw: raw[:200],
    "cut in the data": lambda raw: raw[:-1000],
    "header of 2^63 bytes": lambda raw: struct.pack("<Q", 2**63) + raw[8:],
    "header of 2^64-1 bytes": lambda raw: struct.pack("<Q", 2**64 - 1) + raw[8:],
    "header as long as the file": lambda raw: struct.pack("<Q", len(raw) - 8) + raw[8:],
    "header is no JSON": lambda raw: struct.pack("<Q", 16) + b"{not json at all" + raw,
    "header is a list": lambda raw: struct.pack("<Q", 8) + b"[1,2,3] " + raw,
    "deep header": lambda raw: struct.pack("<Q", 200_000) + b"[" * 200_000,
    "not safetensors": lambda raw: b"PK\x03\x04" + os.urandom(5000),
    **{f.__name__.replace("_", " "): (lambda raw, f=f: f(*read_header(raw))) for f in (
        overlapping, outside, backwards, huge_offsets, wrapping_offsets, negative_offsets, huge_shape, negative_shape,
        transposed, size_mismatch, other_dtype, unknown_dtype, missing_tensor, types_confused, many_tensors)},
}


@pytest.fixture(scope="module")
def server(serve_module, tiny, tmp_path_factory):
    """One server with a good model and one of each bad kind."""
    folder = tmp_path_factory.mktemp("hostile")
    registry = {"good": {"path": str(tiny), "preload": True}}
    raw = (tiny / "model.safetensors").read_bytes()
    for name, make in FILES.items():
        at = folder / name.replace(" ", "_").replace("^", "")
        shutil.copytree(tiny, at)
        (at / "model.safetensors").write_bytes(make(raw))
        registry[at.name] = {"path": str(at)}
    for name, text in CONFIGS.items():
        at = folder / ("config_" + name.replace(" ", "_"))
        shutil.copytree(tiny, at)
        (at / "config.json").write_text(text(json.loads((at / "config.json").read_text())))
        registry[at.name] = {"path": str(at)}
    for name, text in TOKENIZERS.items():
        at = folder / ("tokenizer_" + name.replace(" ", "_"))
        shutil.copytree(tiny, at)
        (at / "tokenizer.json").write_text(text(json.loads((at / "tokenizer.json").read_text())))
        registry[at.name] = {"path": str(at)}
    bad_pt = folder / "bad.pt"
    bad_pt.write_bytes((TORCHSCRIPT / "echo.pt").read_bytes()[:900])
    no_pt = folder / "no.pt"
    no_pt.write_bytes(os.urandom(2000))
    registry |= {"cut_pt": {"path": str(bad_pt)}, "random_pt": {"path": str(no_pt)},
                 "missing": {"path": str(folder / "nothing")}, "a_folder_without": {"path": str(folder.parent)},
                 "a_device": {"path": "/dev/zero"}, "a_text_file": {"path": "/etc/hostname"}}
    return serve_module(registry, {"max_models": 100})


def changed(**values):
    return lambda config: json.dumps({**config, **values})


CONFIGS = {
    "empty": lambda c: "",
    "no json": lambda c: "{",
    "a list": lambda c: "[]",
    "deep": lambda c: "[" * 100_000,
    "heads do not divide": changed(num_attention_heads=5),
    "no heads": changed(num_attention_heads=0),
    "negative layers": changed(num_hidden_layers=-1),
    "huge layers": changed(num_hidden_layers=2**31),
    "huge hidden": changed(hidden_size=2**40),
    "more layers": changed(num_hidden_layers=3),
    "other hidden": changed(hidden_size=32),
    "more vocabulary": changed(vocab_size=10**9),
    "hidden is a string": changed(hidden_size="many"),
    "unknown architecture": changed(architectures=["LlamaForCausalLM"], model_type="llama"),
    "no positions": changed(max_position_embeddings=0),
    "more positions": changed(max_position_embeddings=10**6),
    "unknown activation": changed(hidden_act="sine"),
    "epsilon is a string": changed(layer_norm_eps="nan"),
    "labels of one name": changed(id2label={str(i): "same" for i in range(5)}),
}


def bigger_ids(tokenizer):
    tokenizer["model"]["vocab"]["hello"] = 10**6  # beyond the embedding table
    return json.dumps(tokenizer)


def negative_ids(tokenizer):
    tokenizer["model"]["vocab"]["hello"] = -5
    return json.dumps(tokenizer)


def no_unknown(tokenizer):
    del tokenizer["model"]["vocab"]["[UNK]"]
    return json.dumps(tokenizer)


TOKENIZERS = {
    "no json": lambda t: "{",
    "empty": lambda t: "{}",
    "other kind": lambda t: json.dumps({**t, "model": {"type": "Unigram", "vocab": []}}),
    "ids too big": bigger_ids,
    "negative ids": negative_ids,
    "no unknown": no_unknown,
}

BAD = ([n.replace(" ", "_").replace("^", "") for n in FILES] + ["config_" + n.replace(" ", "_") for n in CONFIGS]
       + ["tokenizer_" + n.replace(" ", "_") for n in TOKENIZERS]
       + ["cut_pt", "random_pt", "missing", "a_folder_without", "a_device", "a_text_file"])


@pytest.mark.asan
@pytest.mark.parametrize("name", BAD)
def test_bad_artifact(server, name):
    begin = time.monotonic()
    answer = server.post(f"/models/{name}/load")
    assert answer.status_code in (422, 503), f"{answer.status_code} {answer.text[:300]}"
    body = check_envelope(answer, answer.status_code)
    assert len(body["error"] + body["detail"]) > 20, "it does not say what is wrong"
    assert time.monotonic() - begin < 20
    again = server.predict("hello", name, timeout=10)
    assert again.status_code in (422, 503, 504), again.text[:300]
    assert server.alive()
    m = server.model(name)
    assert not m["loaded"] and m["memory_usage_mb"] == 0
    assert server.predict("hello", "good").status_code == 200


def test_all_bad_loads_together(server):
    """All of them at once beside a good model under load; nothing is left in the ledger."""
    def ask(n: int):
        a = server.predict(f"text {n}", "good")
        return a.status_code == 200, a.text[:200]

    with Load(ask, 2) as load:
        server.many([lambda n=n: server.post(f"/models/{n}/load") for n in BAD], 8)
    assert not load.errors, load.errors[:3]
    used = server.stats()["cache_stats"]["memory_usage"]["used_mb"]
    assert used == pytest.approx(server.model("good")["memory_usage_mb"], abs=0.01)


@pytest.mark.asan
def test_source_truncated_while_served(serve, tmp_path):
    """A mapped file that someone truncates kills a process: troupe maps only files of its own."""
    folder = checkpoints.write_bert(tmp_path / "victim", hidden=64, layers=2, heads=4, vocabulary=8192)
    server = serve({"v": {"path": str(folder), "preload": True}}, {"cleanup_interval": 3600})
    before = server.predict("hello there", "v").json()["probabilities"]
    file = folder / "model.safetensors"
    stop = threading.Event()

    def ask(n: int):
        a = server.predict(f"text {n}", "v")
        return a.status_code == 200, a.text[:200]

    with Load(ask, 2) as load:
        os.truncate(file, 1000)
        load.wait(20)
        os.truncate(file, 0)
        load.wait(20)
        file.unlink()
        load.wait(20)
    stop.set()
    assert not load.errors, load.errors[:3]
    assert server.predict("hello there", "v").json()["probabilities"] == pytest.approx(before, abs=1e-6)


def test_source_truncated_while_loading(serve, tmp_path):
    folder = checkpoints.write_bert(tmp_path / "victim", hidden=64, layers=1, heads=4, vocabulary=131072)
    good = (folder / "model.safetensors").read_bytes()
    server = serve({"v": {"path": str(folder)}})
    for cut in (0, 1000, len(good) // 2, len(good) - 1):
        thread = threading.Thread(target=lambda: server.post("/models/v/load"))
        thread.start()
        os.truncate(folder / "model.safetensors", cut)
        thread.join()
        assert server.alive()
        server.post("/models/v/unload")
        (folder / "model.safetensors").write_bytes(good)
    server.until(lambda: server.post("/models/v/load").status_code == 200, 60)
    assert server.predict("x", "v").status_code == 200


def test_store_disk_full(serve, tiny, small, tmp_path):
    """A full disk fails (or sidesteps) that load only; nothing half-written is served later."""
    if os.geteuid() != 0:
        pytest.skip("needs root for a small tmpfs")
    mount = tmp_path / "store"
    mount.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "none", str(mount)], capture_output=True).returncode:
        pytest.skip("no tmpfs here")
    try:
        server = serve({"good": {"path": str(tiny), "preload": True}, "big": {"path": str(small)}},
                       {"cache_directory": str(mount)})
        answer = server.post("/models/big/load")
        if answer.status_code != 200:  # else it went into private memory
            body = check_envelope(answer, answer.status_code)
            assert answer.status_code in (422, 503, 507)
            assert "space" in json.dumps(body), body
        assert server.predict("x", "good").status_code == 200
        if answer.status_code != 200:
            subprocess.run(["mount", "-o", "remount,size=200m", str(mount)], check=True)
            server.until(lambda: server.post("/models/big/load").status_code == 200, 60)
        assert server.predict("x", "big").status_code == 200
        assert server.stop() == 0
    finally:
        subprocess.run(["umount", "-l", str(mount)], capture_output=True)


def test_an_input_that_cannot_be_prepared(serve, testserver, artifact):
    """Whatever a model throws while it prepares an input fails that input alone: in place, on the pool, in a batch."""
    server = serve({"m": {"path": artifact("test:fatinput"), "preload": True}}, binary=testserver)
    for filler in ("", " and a long text" * 400):
        check_envelope(server.predict("fat" + filler, "m"), 503, "INSUFFICIENT_MEMORY")
        body = check_envelope(server.predict("odd" + filler, "m"), 500, "MODEL_FAILED")
        assert "could not prepare the input" in body["message"]
        assert server.predict("fine" + filler, "m").status_code == 200
        results = server.predict(None, "m", inputs=["fine" + filler, "fat" + filler, "fine too" + filler]).json()["results"]
        assert ["error" in r for r in results] == [False, True, False]
        assert results[1]["code"] == "INSUFFICIENT_MEMORY"
    assert server.model("m")["performance_metrics"]["failures"] == 6
    assert server.model("m")["restarts"] == 0
