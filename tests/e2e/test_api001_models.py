"""The four models of API document 001, each of its own architecture with random weights: the document's requests in its
own forms, against transformers' answers (tests/parity/make_api001.py and make_encoders.py)."""
import json

import pytest

from driver import FIXTURES, quote
from encoders import DOCUMENT_001, differences

EXPECTED = json.loads((FIXTURES / "encoders/api001.json").read_text())
NAMES = list(DOCUMENT_001)
FRESH = {"Cache-Control": "no-cache"}


@pytest.fixture(scope="module")
def server(serve_module, document_001):
    registry = {name: {"path": str(c.folder), "source": "Hugging Face"} for name, c in document_001.items()}
    return serve_module(registry, {"preload_models": NAMES[:2], "default_model": NAMES[0]})


def check(got: dict, probabilities: dict, name: str) -> None:
    best = max(probabilities, key=probabilities.get)
    want = {"prediction": best, "confidence": probabilities[best], "probabilities": probabilities, "model_used": name}
    lines = differences(got, want, name)
    assert not lines, "\n".join(lines)
    assert set(got["probabilities"]) == set(probabilities)


def known(checkpoint) -> dict[str, dict]:
    """More texts and their probabilities: those of the checkpoint's own references that are asked as they are."""
    return {row["ask"]: {a["label"]: a["score"] for a in row["answer"]} for row in checkpoint.rows["classify"]
            if isinstance(row["ask"], str) and not row["parameters"]}


def test_each_name_is_another_architecture(server):
    listed = server.json("/models")
    assert set(listed["models"]) == set(NAMES) and listed["cache_summary"]["total_models"] == 4
    for name in NAMES:
        server.load(name)
        info = server.model(name)
        assert info["model_info"]["architecture"] == EXPECTED[name]["architecture"]
        assert info["name"] == name and info["cached"] and info["loaded"] and info["source"] == "Hugging Face"
        assert server.json("/models")["models"][name]["memory_usage_mb"] > 0
    kinds = {EXPECTED[name]["architecture"] for name in NAMES}
    assert kinds == {f"{kind}ForSequenceClassification" for kind in ("DebertaV2", "Roberta", "Bert", "DistilBert")}


@pytest.mark.asan
@pytest.mark.parametrize("name", NAMES)
def test_predict(server, document_001, name):
    for text, probabilities in {**EXPECTED[name]["answers"], **known(document_001[name])}.items():
        by_query = server.json(f"/predict?text={quote(text)}&model_name={name}", "POST", headers=FRESH)
        check(by_query, probabilities, name)
        assert by_query["text"] == text and by_query["processing_time_ms"] > 0
        check(server.predict(text, name).json(), probabilities, name)


def test_the_default_is_the_document_s(server):
    for text, probabilities in EXPECTED[NAMES[0]]["answers"].items():
        check(server.json(f"/predict?text={quote(text)}", "POST", headers=FRESH), probabilities, NAMES[0])


@pytest.mark.asan
@pytest.mark.parametrize("name", NAMES)
def test_batch(server, document_001, name):
    asked = {**EXPECTED[name]["answers"], **known(document_001[name])}
    got = server.json("/predict/batch", "POST", json={"model_name": name, "inputs": list(asked)}, headers=FRESH)
    assert len(got["results"]) == len(asked)
    for one, (text, probabilities) in zip(got["results"], asked.items()):
        check(one, probabilities, name)
        assert one["text"] == text
    summary = got["batch_summary"]
    assert summary["successful_predictions"] == summary["total_texts"] == len(asked)
    assert summary["failed_predictions"] == 0 and summary["model_used"] == name
    alone = server.json(f"/predict/batch?model_name={name}", "POST", json=list(asked)[:2], headers=FRESH)
    for one, probabilities in zip(alone["results"], asked.values()):
        check(one, probabilities, name)


@pytest.mark.parametrize("name", NAMES)
def test_life(server, name):
    """Warmed up, unloaded, loaded by the next request: the answers stay."""
    assert server.json(f"/models/{name}/warmup", "POST")["warmup_status"] == "completed"
    server.unload(name)
    assert not server.model(name)["loaded"]
    text, probabilities = next(iter(EXPECTED[name]["answers"].items()))
    again = server.predict(text, name).json()
    check(again, probabilities, name)
    assert again["cache_hit"] is False and server.model(name)["loaded"]
