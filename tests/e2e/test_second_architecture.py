"""An architecture and a task that only the tests know of, from a folder to an answer: the tables take them."""
import array
import json
import math
import random

import pytest

from checkpoints import safetensors_header
from driver import check_envelope

HIDDEN, HEADS = 8, 2
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "b", "c", "d"]


@pytest.fixture
def weights():
    rng = random.Random(5)
    shapes = {"attention.bias": [3 * HIDDEN], "attention.weight": [3 * HIDDEN, HIDDEN],
              "embeddings.weight": [len(WORDS), HIDDEN]}
    return {name: (shape, [rng.gauss(0, 1) for _ in range(math.prod(shape))]) for name, shape in shapes.items()}


@pytest.fixture
def folder(tmp_path, weights):
    path = tmp_path / "tiny"
    path.mkdir()
    entries, data = {}, b""
    for name, (shape, values) in weights.items():
        piece = array.array("f", values).tobytes()
        entries[name] = {"dtype": "F32", "shape": shape, "data_offsets": [len(data), len(data) + len(piece)]}
        data += piece
    (path / "model.safetensors").write_bytes(safetensors_header(entries) + data)
    (path / "config.json").write_text(json.dumps({
        "architectures": ["TinyAttention"], "vocab_size": len(WORDS), "hidden_size": HIDDEN,
        "num_attention_heads": HEADS, "max_position_embeddings": 16}))
    (path / "vocab.txt").write_text("\n".join(WORDS) + "\n")
    return path


def expected(weights, text: str) -> list[float]:
    """Attention by its definition, then the mean over the tokens."""
    (_, bias), (_, matrix), (_, embeddings) = (weights[n] for n in ("attention.bias", "attention.weight",
                                                                     "embeddings.weight"))
    ids = [2] + [WORDS.index(w) for w in text.split()] + [3]
    rows = [[bias[o] + sum(matrix[o * HIDDEN + i] * embeddings[t * HIDDEN + i] for i in range(HIDDEN))
             for o in range(3 * HIDDEN)] for t in ids]
    width, mean = HIDDEN // HEADS, [0.0] * HIDDEN
    for at in range(0, HIDDEN, width):
        for query in rows:
            scores = [math.exp(sum(query[at + i] * key[HIDDEN + at + i] for i in range(width)) / math.sqrt(width))
                      for key in rows]
            for score, row in zip(scores, rows):
                for i in range(width):
                    mean[at + i] += score / sum(scores) * row[2 * HIDDEN + at + i] / len(rows)
    return mean


def test_its_vectors_come_through_document_001s_door(serve, testserver, folder, weights):
    server = serve({"tiny": {"path": str(folder)}}, binary=testserver)
    texts = ["a", "b c d", "d d a b c a", "c b"]
    for text in texts:
        answer = server.json("/predict", "POST", json={"text": text, "model_name": "tiny"})
        assert answer["embedding"] == pytest.approx(expected(weights, text), abs=1e-4)
        assert "prediction" not in answer
    together = server.json("/predict/batch", "POST", json={"inputs": texts, "model_name": "tiny"})
    for text, result in zip(texts, together["results"]):
        assert result["embedding"] == pytest.approx(expected(weights, text), abs=1e-4)
    assert server.model("tiny")["task"] == "feature-extraction"


def test_a_task_that_the_class_does_not_do_is_refused(serve, testserver, folder):
    server = serve({"tiny": {"path": str(folder), "task": "text-classification"}}, binary=testserver)
    error = check_envelope(server.post("/predict", json={"text": "a", "model_name": "tiny"}), 422)
    assert "feature-extraction" in error["detail"]
