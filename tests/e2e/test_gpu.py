"""A GPU computes: the same answers as the CPU, its memory in the ledger and back after an unload. Where there is no GPU,
or the program's LibTorch has no CUDA libraries (TROUPE_GPU=1 make build), only the first test runs."""
import functools
import random
import shutil
import subprocess

import pytest

import checkpoints
from driver import BINARY, TORCHSCRIPT, Server

MIB = 1 << 20


def used_mb() -> int:
    """The GPU's memory in use, by whomever."""
    told = subprocess.run(["nvidia-smi", "--query-gpu=memory.used", "--format=csv,noheader,nounits", "-i", "0"],
                          capture_output=True, text=True, timeout=60)
    return int(told.stdout.split()[0])


@functools.cache
def has_gpu() -> bool:
    return shutil.which("nvidia-smi") is not None and subprocess.run(["nvidia-smi", "-L"], capture_output=True).stdout != b""


gpu = pytest.mark.skipif(not has_gpu(), reason="no GPU here")


@pytest.mark.skipif(has_gpu(), reason="a GPU is here")
def test_without_a_gpu_the_start_is_refused(tmp_path):
    ended = subprocess.run([str(BINARY), "serve", "--device", "cuda", "--port", "0", "--data-dir", str(tmp_path)],
                           capture_output=True, text=True, timeout=60)
    assert ended.returncode == 1
    assert "the device cuda is not available here" in ended.stderr


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gpu")
    return {"small": checkpoints.write_bert(folder / "small", hidden=128, layers=4, heads=4, vocabulary=8192,
                                            positions=512, seed=2),
            "big": checkpoints.write_bert(folder / "big", **checkpoints.BERT_12X768)}


def texts(count: int, seed: int, longest: int = 200) -> list[str]:
    rng = random.Random(seed)
    return [checkpoints.words_text(rng.randint(3, longest), n, 8192) for n in range(count)]


def answers(server: Server, all_texts: list[str], model: str) -> list[dict]:
    results = server.json("/predict/batch", "POST", json={"inputs": all_texts, "model_name": model})["results"]
    return [r["probabilities"] for r in results]


def furthest(a: list[dict], b: list[dict]) -> float:
    return max(abs(x[k] - y[k]) for x, y in zip(a, b) for k in x)


@gpu
@pytest.mark.parametrize("precision, tolerance", [("fp32", 1e-3), ("bf16", 2e-2)])
def test_answers_are_the_cpus_and_padding_changes_nothing(serve, models, precision, tolerance):
    registry = {"m": {"path": str(models["small"]), "preload": True}}
    all_texts = texts(64, 5)
    expected = answers(serve(registry, {"device": "cpu", "precision": "fp32"}), all_texts, "m")
    server = serve(registry, {"device": "cuda", "precision": precision}, ready_s=180)
    assert server.model("m")["model_info"]["device"] == "cuda"
    assert server.model("m")["model_info"]["precision"] == precision
    batched = answers(server, all_texts, "m")
    alone = [server.predict(t, "m").json()["probabilities"] for t in all_texts]
    assert furthest(batched, expected) < tolerance
    assert furthest(alone, batched) < tolerance
    assert len({tuple(p.values()) for p in batched}) == len(batched), "the texts are told apart"
    # Under concurrency each answer is its own request's.
    calls = [lambda t=t: server.predict(t, "m").json()["probabilities"] for t in all_texts * 4]
    assert furthest(server.many(calls, 32), alone * 4) < tolerance


@gpu
def test_a_new_shape_costs_no_compilation(serve, models):
    server = serve({"m": {"path": str(models["small"]), "preload": True}}, {"device": "cuda", "precision": "bf16"}, ready_s=180)
    server.predict("first", "m")
    slowest_ms = max(r["processing_time_ms"] for n in range(1, 40)
                     for r in server.json("/predict/batch", "POST", json={"inputs": texts(n, n), "model_name": "m"})["results"])
    assert slowest_ms < 200, "a kernel that is compiled for each shape takes 300 to 600 ms"


@gpu
def test_torchscript_on_the_gpu(serve):
    registry = {"linear": {"path": str(TORCHSCRIPT / "linear.pt"), "preload": True,
                           "inputs": [{"name": "x", "dtype": "float32", "shape": [4]}]}}
    server = serve(registry, {"device": "cuda"}, ready_s=180)
    assert server.tensor([1, 2, 3, 4], "linear").json()["outputs"] == [10, 21, 32]
    assert server.tensor([[1, 2, 3, 4], [0, 0, 0, 1]], "linear").json()["results"][1]["outputs"] == [1, 3, 5]


@gpu
def test_the_budget_is_the_gpus_and_its_memory_comes_back(serve, models):
    server = serve({"small": {"path": str(models["small"]), "preload": True}, "big": {"path": str(models["big"])}},
                   {"device": "cuda", "memory_limit_mb": 0, "precision": "fp32"}, ready_s=180)
    total = subprocess.run(["nvidia-smi", "--query-gpu=memory.total", "--format=csv,noheader,nounits", "-i", "0"],
                           capture_output=True, text=True).stdout.split()[0]
    budget_mb = server.metrics()["troupe_memory_budget_bytes"] / MIB
    assert 0.7 * int(total) < budget_mb < 0.85 * int(total)
    assert server.predict("warm", "big").status_code == 200
    server.unload("big")
    before = used_mb()
    for _ in range(5):
        server.load("big")
        assert used_mb() - before > 300, "435 MB of weights are on the GPU"
        assert server.model("big")["memory_usage_mb"] > 400, "and in the ledger"
        server.unload("big")
        assert abs(used_mb() - before) < 64, "the answer to an unload comes when the memory is back"
    assert server.predict("still here", "small").status_code == 200


@gpu
def test_models_that_do_not_fit_together_take_turns(serve, models):
    server = serve({name: {"path": str(models["big"])} for name in ("a", "b")},
                   {"device": "cuda", "precision": "fp32", "memory_limit_mb": 700, "min_resident_ms": 0}, ready_s=180)
    for name in ("a", "b", "a", "b"):
        assert server.predict("whose turn", name).status_code == 200
        assert server.resident() == {name}
