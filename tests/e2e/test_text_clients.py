"""Vectors and re-ranking as the field's own clients ask for them, unchanged (text_clients.py), in an environment of their
own: `scripts/python-environment.sh text-clients` makes it. Each client's answers are held against plain requests, and
those against each other."""
import base64
import json
import math
import os
import pathlib
import struct
import subprocess

import pytest

import checkpoints
from driver import SLOW, free_port

TEXTS = ["aa bb cc dd", "ab cd ef", "zz yy", "aa bb cc"]
QUERY = "aa bb"
CLOSE = 1e-5


def folder_of(name: str, at: pathlib.Path) -> pathlib.Path:
    """A random model, or the one that TROUPE_TEXT_<NAME> names."""
    given = os.environ.get(f"TROUPE_TEXT_{name.upper()}")
    if given:
        return pathlib.Path(given)
    kind = {"embedder": checkpoints.BareBert, "ranker": checkpoints.RankingBert, "classifier": checkpoints.Bert}[name]
    return checkpoints.write_bert(at / name, kind(hidden=32, layers=2, heads=4, positions=64, seed=len(name)))


@pytest.fixture(scope="module")
def doors(serve_module, tmp_path_factory):
    """The server; its usual listener and the one that speaks TEI."""
    at, tei = tmp_path_factory.mktemp("text"), free_port()
    usual = free_port()
    registry = {name: {"path": str(folder_of(name, at))} for name in ("embedder", "ranker", "classifier")}
    for name, task in (("embedder", "feature-extraction"), ("ranker", "text-ranking"),
                       ("classifier", "text-classification")):
        registry[name]["task"] = task
    server = serve_module(registry, {"default_model": "embedder", "listeners": [
        {"host": "127.0.0.1", "port": usual}, {"host": "127.0.0.1", "port": tei, "dialect": "tei"}]}, port=usual)
    return server, f"http://127.0.0.1:{tei}"


def post(server, path: str, body, status: int = 200):
    answer = server.post(path, json=body)
    assert answer.status_code == status, answer.text
    return answer.json()


def close(a, b) -> bool:
    if isinstance(a, list):
        return len(a) == len(b) and all(close(x, y) for x, y in zip(a, b))
    return a == pytest.approx(b, abs=CLOSE)


def length(vector) -> float:
    return math.sqrt(sum(x * x for x in vector))


@pytest.fixture
def run(doors, text_clients):
    server, tei = doors

    def run(client: str) -> dict:
        told = {"client": client, "url": server.url, "tei": tei, "texts": TEXTS, "query": QUERY, "ids": [2, 110, 3],
                "embedder": "embedder", "ranker": "ranker", "classifier": "classifier"}
        env = {k: v for k, v in os.environ.items() if not k.endswith("_proxy")} | {"NO_PROXY": "*"}
        done = subprocess.run([text_clients, str(pathlib.Path(__file__).parent / "text_clients.py"), json.dumps(told)],
                              capture_output=True, text=True, timeout=120 * SLOW, env=env)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


@pytest.fixture
def vectors(doors) -> list[list[float]]:
    """Of TEXTS, as the checkpoint says."""
    return [d["embedding"] for d in post(doors[0], "/v1/embeddings", {"model": "embedder", "input": TEXTS})["data"]]


@pytest.fixture
def units(doors) -> list[list[float]]:
    """Normalized."""
    return post(doors[0], "/tei/embed", {"inputs": TEXTS})


@pytest.fixture
def ranks(doors) -> list[dict]:
    return post(doors[0], "/tei/rerank", {"query": QUERY, "texts": TEXTS})


# -- plain requests --

@pytest.mark.asan
def test_vectors(doors, vectors, units):
    server, _ = doors
    assert all(length(v) == pytest.approx(1, abs=CLOSE) for v in units)
    assert close([[x / length(v) for x in v] for v in vectors], units)
    packed = post(server, "/v1/embeddings", {"input": TEXTS, "encoding_format": "base64"})["data"]
    assert close([list(struct.unpack(f"<{len(vectors[0])}f", base64.b64decode(p["embedding"]))) for p in packed], vectors)
    alone = post(server, "/tei/embed", {"inputs": TEXTS[0]})
    assert close(alone, units[:1])
    tokens = post(server, "/tei/embed_all", {"inputs": TEXTS})
    assert all(len(v) == len(vectors[0]) for text in tokens for v in text)
    similar = post(server, "/tei/similarity", {"inputs": {"source_sentence": TEXTS[0], "sentences": TEXTS[1:]}})
    assert close(similar, [sum(a * b for a, b in zip(units[0], u)) for u in units[1:]])
    answer = post(server, "/v1/embeddings", {"input": TEXTS})
    assert answer["usage"]["prompt_tokens"] == sum(len(t) for t in tokens)


@pytest.mark.asan
def test_ranks(doors, ranks):
    server, tei = doors
    assert sorted(r["index"] for r in ranks) == list(range(len(TEXTS)))
    assert [r["score"] for r in ranks] == sorted((r["score"] for r in ranks), reverse=True)
    answer = post(server, "/v1/rerank", {"query": QUERY, "documents": TEXTS, "top_n": 3})
    assert [r["index"] for r in answer["results"]] == [r["index"] for r in ranks[:3]]
    assert close([r["relevance_score"] for r in answer["results"]], [r["score"] for r in ranks[:3]])
    assert [r["document"]["text"] for r in answer["results"]] == [TEXTS[r["index"]] for r in ranks[:3]]
    raw = post(server, "/tei/rerank", {"query": QUERY, "texts": TEXTS, "raw_scores": True, "return_text": True})
    assert close([1 / (1 + math.exp(-r["score"])) for r in raw], [r["score"] for r in ranks])
    assert [r["text"] for r in raw] == [TEXTS[r["index"]] for r in ranks]


@pytest.mark.asan
def test_labels(doors):
    server, _ = doors
    one = post(server, "/tei/predict", {"inputs": TEXTS[0]})
    assert [p["label"] for p in one] and sum(p["score"] for p in one) == pytest.approx(1, abs=CLOSE)
    assert [p["score"] for p in one] == sorted((p["score"] for p in one), reverse=True)
    many = post(server, "/tei/predict", {"inputs": [[TEXTS[0]], [TEXTS[1], TEXTS[2]]]})
    assert len(many) == 2 and close([p["score"] for p in many[0]], [p["score"] for p in one])


@pytest.mark.asan
def test_tokens_there_and_back(doors):
    server, _ = doors
    text = "Ab cd, é!"
    (tokens,) = post(server, "/tei/tokenize", {"inputs": text})
    assert tokens[0] == {"id": 2, "text": "[CLS]", "special": True, "start": None, "stop": None}
    for token in tokens[1:-1]:
        assert not token["special"] and text[token["start"]:token["stop"]] == token["text"], token
    ids = [t["id"] for t in tokens]
    assert ids[0] == 2 and ids[-1] == 3
    assert post(server, "/tei/decode", {"ids": [2, *ids[1:3], 3]}) == ["ab cd"]
    assert post(server, "/tei/decode", {"ids": [[2, *ids[1:2], 3]], "skip_special_tokens": False}) == ["[CLS] ab [SEP]"]
    plain = post(server, "/tei/tokenize", {"inputs": [text], "add_special_tokens": False})[0]
    assert [t["id"] for t in plain] == ids[1:-1]
    vectors = post(server, "/tei/embed_all", {"inputs": TEXTS})
    assert [len(v) for v in vectors] == [len(t) for t in post(server, "/tei/tokenize", {"inputs": TEXTS})]
    # A model that is not in memory is loaded for it; a long text is read whole.
    server.unload("classifier")
    (long,) = post(server, "/tei/tokenize", {"inputs": "ab " * 20000, "model": "classifier"})
    assert len(long) == 20002
    assert "classifier" in server.resident()


def test_too_long_is_cut_and_told_or_refused(doors):
    server, _ = doors
    long = "ab " * 200
    for path, body in (("/tei/embed", {"inputs": [long, "ab"]}), ("/v1/embeddings", {"input": [long, "ab"]}),
                       ("/tei/rerank", {"query": "ab", "texts": [long]})):
        answer = server.post(path, json=body)
        assert answer.status_code == 200 and answer.headers["X-Truncated"] == "true", answer.text
        assert server.post(path, json={**body, "truncate": False}).status_code == 422
    assert post(server, "/v1/embeddings", {"input": long})["truncated"] is True


@pytest.mark.asan
def test_the_dialect_at_the_root(doors, units):
    server, tei = doors
    ask = server.session.post
    assert close(ask(f"{tei}/embed", json={"inputs": TEXTS}, timeout=30).json(), units)
    assert close(ask(f"{tei}/", json={"inputs": TEXTS, "normalize": True}, timeout=30).json(), units)
    refused = ask(f"{tei}/embed", json={"inputs": []}, timeout=30)
    assert refused.status_code == 400 and refused.json()["error_type"] == "Empty"
    assert server.post("/embed", json={"inputs": "x"}).status_code == 404


def test_each_route_answers_as_described(doors):
    server, _ = doors
    pair = {"source_sentence": "aa", "sentences": ["bb"]}
    bodies = {"/v1/embeddings": {"input": "aa"}, "/v1/rerank": {"query": "aa", "documents": ["bb"]},
              "/tei/embed": {"inputs": "aa"}, "/tei/embed_all": {"inputs": "aa"}, "/tei/similarity": {"inputs": pair},
              "/tei/rerank": {"query": "aa", "texts": ["bb"]}, "/tei/predict": {"inputs": "aa"},
              "/tei/tokenize": {"inputs": "aa"}, "/tei/decode": {"ids": [2]}}
    asked = set()
    for path, methods in server.json("/openapi.json")["paths"].items():
        if not path.startswith(("/v1/", "/tei/")):
            continue
        for method, operation in methods.items():
            if "101" in operation["responses"]:  # test_speech_protocols
                continue
            answer = server.request(method.upper(), path.replace("{model_name}", "embedder"), json=bodies.get(path))
            assert answer.status_code == 200, f"{method} {path}: {answer.text}"
            assert answer.headers["Content-Type"].split(";")[0] in operation["responses"]["200"]["content"], path
            asked.add(path)
    assert asked >= bodies.keys()


# -- the clients --

def test_openai(run, vectors):
    got = run("openai_client")
    assert set(got["models"]) == {"embedder", "ranker", "classifier"} and got["model"]["id"] == "embedder"
    assert got["name"] == "embedder" and got["tokens"] > 0
    assert close(got["vectors"], vectors)
    for name in ("floats", "later"):
        assert close(got[name], vectors[0]), name
    assert close(got["short"], vectors[0][:8]), "the checkpoint does not normalize"
    assert len(got["ids"]) == len(vectors[0])
    assert got["refused"] == {
        "empty text": ["UnprocessableEntityError", 422, "unprocessable", "input[1]", "invalid_request_error"],
        "empty list": ["BadRequestError", 400, "bad_request", "input", "invalid_request_error"],
        "unknown model": ["NotFoundError", 404, "model_not_found", "model", "invalid_request_error"],
        "another task": ["UnprocessableEntityError", 422, "unprocessable", None, "invalid_request_error"],
        "unknown one": ["NotFoundError", 404, "model_not_found", "model", "invalid_request_error"],
        "another path": ["NotFoundError", 404, "unknown_url", None, "invalid_request_error"],
    }


def test_langchain_openai(run, vectors):
    got = run("langchain_openai")
    assert close(got["documents"], vectors) and close(got["query"], vectors[0])


def test_langchain_huggingface(run, units):
    for name, got in run("langchain_huggingface").items():
        assert close(got["documents"], units) and close(got["query"], units[0]), name


def test_langchain_jina(run, ranks):
    got = run("langchain_community")
    assert [r["index"] for r in got["rerank"]] == [r["index"] for r in ranks]
    assert close([r["relevance_score"] for r in got["rerank"]], [r["score"] for r in ranks])
    assert got["kept"] == [TEXTS[r["index"]] for r in ranks[:2]]


def test_llama_index(run, units, ranks):
    for name, got in run("llama_index").items():
        assert close(got["documents"], units) and close(got["query"], units[0]), name
        assert [text for text, _ in got["ranked"]] == [TEXTS[r["index"]] for r in ranks[:3]], name
        assert close([score for _, score in got["ranked"]], [r["score"] for r in ranks[:3]]), name


def test_huggingface_hub(run, units):
    got = run("huggingface_hub")
    assert close(got["many"], units) and close(got["root"], units)
    assert close(got["one"] if not isinstance(got["one"][0], list) else got["one"][0], units[0])
    assert all(len(v) == 8 for v in got["base64"])
    assert close(got["similar"], [sum(a * b for a, b in zip(units[0], u)) for u in units[1:]])
    assert got["labels"] and got["health"] is True
    assert got["info"]["model_id"] == "embedder" and got["info"]["auto_truncate"] is True


def test_cohere(run, ranks):
    got = run("cohere")
    assert [r[0] for r in got["results"]] == [r["index"] for r in ranks[:2]]
    assert close([r[1] for r in got["results"]], [r["score"] for r in ranks[:2]])
    assert [r[2] for r in got["results"]] == [TEXTS[r["index"]] for r in ranks[:2]]
    assert got["tokens"] > 0 and got["id"]
