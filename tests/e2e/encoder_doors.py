"""Asks a server what transformers was asked (encoders.py), through each door, and says where the answers differ."""
from __future__ import annotations

import base64
import json
import math
import struct

from driver import Server, quote
from encoders import Checkpoint, differences, short

FRESH = {"Cache-Control": "no-cache"}
TOGETHER = 16
# Those whose rows say what was cut.
TELL_CUT = ("classify", "entities", "fill", "zero_shot", "embed")


def grouped(rows: list[dict]) -> list[tuple[dict, list[dict]]]:
    """Rows by their parameters; pairs apart from texts."""
    out: dict[str, tuple[dict, list[dict]]] = {}
    for row in rows:
        key = json.dumps([row["parameters"], isinstance(row["ask"], str)], sort_keys=True)
        out.setdefault(key, (row["parameters"], []))[1].append(row)
    return list(out.values())


def filled(rows: list[dict]) -> list[dict]:
    """A batch of them, some more than once."""
    return (rows * (TOGETHER // len(rows) + 1))[:TOGETHER] if len(rows) > 3 else rows


def unit(vector: list[float]) -> list[float]:
    length = math.sqrt(sum(v * v for v in vector))
    return [v / length for v in vector]


def normalized(rows: list[dict]) -> list[dict]:
    """A checkpoint that names no activation of its own ranks raw in sentence-transformers; a server does where it is
    asked to."""
    by_sigmoid = {row["ask"]["query"]: row["answer"] for row in rows if row["parameters"] == {"raw_scores": False}}
    return [row if row["parameters"] else {**row, "answer": by_sigmoid[row["ask"]["query"]]} for row in rows]


class Doors:
    """One checkpoint on one server. Each door gives the differences, a line each."""

    NAMES = ("alone", "list", "beside", "predict", "predict_batch", "field")

    def __init__(self, server: Server, checkpoint: Checkpoint):
        self.server, self.checkpoint, self.rows = server, checkpoint, checkpoint.rows
        if checkpoint.name.endswith("-identity"):
            self.rows = {**self.rows, "rank": normalized(self.rows["rank"])}

    def ask(self, door: str) -> list[str]:
        return getattr(self, door)()

    def post(self, path: str, body: dict) -> tuple[object, dict, str]:
        """The answer, the headers, and what went wrong."""
        answer = self.server.post(path, json=body, headers=FRESH)
        if answer.status_code != 200:
            return None, {}, f"{path}: {answer.status_code} {short(answer.text, 400)}"
        return answer.json(), answer.headers, ""

    def compare(self, path: str, body: dict, want, at: str, cut: bool | None = None) -> list[str]:
        got, headers, problem = self.post(path, body)
        if problem:
            return [f"{at}: {problem}"]
        out = differences(got, want, at)
        if cut is not None and ("X-Truncated" in headers) is not cut:
            out.append(f"{at}: X-Truncated is {headers.get('X-Truncated')}, cut {cut}")
        return out

    def questions(self) -> list[tuple[str, dict]]:
        """All that have the inference form."""
        return [(kind, row) for kind, rows in self.rows.items() if kind not in ("tokens", "tokenize") for row in rows]

    # -- POST /models/NAME --

    def one(self, kind: str, row: dict) -> list[str]:
        body = {"inputs": row["ask"], "parameters": row["parameters"]}
        # Wrapped once more, as the hub's clients expect.
        want = [row["answer"]] if kind == "classify" else row["answer"]
        cut = row.get("truncated", False) if kind in TELL_CUT and "stride" not in row["parameters"] else None
        return self.compare(f"/models/{self.checkpoint.name}", body, want, f"{kind} {short(body, 120)}", cut)

    def alone(self) -> list[str]:
        return [line for kind, row in self.questions() for line in self.one(kind, row)]

    def beside(self) -> list[str]:
        """All at the same time: batches of what is longer and shorter."""
        calls = [lambda kind=kind, row=row: self.one(kind, row) for kind, row in self.questions()]
        return [line for lines in self.server.many(calls) for line in lines]

    def list(self) -> list[str]:
        out = []
        for kind, rows in self.rows.items():
            if kind in ("tokens", "tokenize", "rank", "similarity"):
                continue
            for parameters, group in grouped(rows):
                group = filled(group)
                body = {"inputs": [row["ask"] for row in group], "parameters": parameters}
                out += self.compare(f"/models/{self.checkpoint.name}", body, [row["answer"] for row in group],
                                    f"{kind} list of {len(group)} {short(parameters)}")
        return out

    # -- document 001 --

    def in_001(self, kind: str, row: dict) -> dict:
        """A row's answer in the words of /predict."""
        answer = row["answer"]
        if kind == "classify":
            return {"prediction": answer[0]["label"], "confidence": answer[0]["score"],
                    "probabilities": {a["label"]: a["score"] for a in answer}}
        if kind == "zero_shot":
            return {"labels": [a["label"] for a in answer], "scores": [a["score"] for a in answer]}
        return {{"entities": "entities", "fill": "predictions", "embed": "embedding", "rank": "ranking"}[kind]: answer}

    def predict(self) -> list[str]:
        out = []
        for kind, row in self.questions():
            if kind == "similarity":
                continue
            ask = row["ask"]
            if isinstance(ask, dict):
                ask = {"text": ask.get("text", ask.get("query")), **{k: v for k, v in ask.items() if k != "query"}}
            body = {"model_name": self.checkpoint.name, "parameters": row["parameters"],
                    **(ask if isinstance(ask, dict) else {"text": ask})}
            want = {**self.in_001(kind, row), "model_used": self.checkpoint.name}
            if kind in TELL_CUT and row.get("truncated"):
                want["truncated"] = True
            out += self.compare("/predict", body, want, f"{kind} {short(body, 120)}")
        return out

    def predict_batch(self) -> list[str]:
        out = []
        for kind, rows in self.rows.items():
            if kind in ("tokens", "tokenize", "rank", "similarity"):
                continue
            for parameters, group in grouped(rows):
                group = filled(group)
                body = {"model_name": self.checkpoint.name, "inputs": [row["ask"] for row in group],
                        "parameters": parameters}
                want = {"results": [self.in_001(kind, row) for row in group], "batch_summary": {
                    "total_texts": len(group), "successful_predictions": len(group), "failed_predictions": 0}}
                out += self.compare("/predict/batch", body, want, f"{kind} batch of {len(group)} {short(parameters)}")
        return out

    # -- the field's own routes --

    def field(self) -> list[str]:
        by_kind = {"tokenize": self.tei_tokenize, "classify": self.tei_predict, "rank": self.rerank,
                   "embed": self.embeddings, "tokens": self.tei_embed_all, "similarity": self.tei_similarity}
        return [line for kind, rows in self.rows.items() if kind in by_kind and rows for line in by_kind[kind](rows)]

    def tei_tokenize(self, rows: list[dict]) -> list[str]:
        body = {"inputs": [row["ask"] for row in rows], "model": self.checkpoint.name}
        got, _, problem = self.post("/tei/tokenize", body)
        if problem:
            return [f"tokenize: {problem}"]
        ids = [[token["id"] for token in text] for text in got]
        return [f"tokenize {row['ask']!r}: {i} instead of {row['answer']}" for row, i in zip(rows, ids)
                if i != row["answer"]]

    def tei_predict(self, rows: list[dict]) -> list[str]:
        out, model = [], {"model": self.checkpoint.name}
        for row in rows:
            if row["parameters"] not in ({}, {"function_to_apply": "none"}):
                continue
            ask = row["ask"] if isinstance(row["ask"], str) else [row["ask"]["text"], row["ask"]["text_pair"]]
            raw = {"raw_scores": True} if row["parameters"] else {}
            out += self.compare("/tei/predict", {"inputs": ask, **raw, **model}, row["answer"],
                                f"/tei/predict {short(ask, 80)}")
        plain = [row for row in rows if not row["parameters"]]
        lists = [[row["ask"]] if isinstance(row["ask"], str) else [row["ask"]["text"], row["ask"]["text_pair"]]
                 for row in plain]
        return out + self.compare("/tei/predict", {"inputs": lists, **model}, [row["answer"] for row in plain],
                                  "/tei/predict list")

    def rerank(self, rows: list[dict]) -> list[str]:
        out, model = [], {"model": self.checkpoint.name}
        for row in rows:
            out += self.compare("/tei/rerank", {**row["ask"], **row["parameters"], **model}, row["answer"],
                                f"/tei/rerank {short(row['parameters'])}")
            if row["parameters"]:
                continue
            body = {"query": row["ask"]["query"], "documents": row["ask"]["texts"], **model}
            want = [{"index": a["index"], "relevance_score": a["score"]} for a in row["answer"]]
            out += self.compare("/v1/rerank", body, {"results": want}, "/v1/rerank")
            out += self.compare("/v1/rerank", {**body, "top_n": 2}, {"results": want[:2]}, "/v1/rerank top_n")
        return out

    def embeddings(self, rows: list[dict]) -> list[str]:
        out, model = [], {"model": self.checkpoint.name}
        for parameters, group in grouped(rows):
            texts, want = [row["ask"] for row in group], [row["answer"] for row in group]
            if set(parameters) <= {"dimensions"}:
                data = {"data": [{"index": n, "embedding": vector} for n, vector in enumerate(want)]}
                body = {"encoding_format": "float", **parameters, **model}
                out += self.compare("/v1/embeddings", {"input": texts, **body}, data,
                                    f"/v1/embeddings list {short(parameters)}")
                out += self.compare("/v1/embeddings", {"input": texts[0], **body}, {"data": data["data"][:1]},
                                    "/v1/embeddings one")
                out += self.base64_embeddings(texts, want, parameters)
            # TEI normalizes unless it is told not to.
            if "normalize" not in parameters:
                out += self.compare("/tei/embed", {"inputs": texts, **parameters, **model}, [unit(v) for v in want],
                                    f"/tei/embed list {short(parameters)}")
                out += self.compare("/tei/embed", {"inputs": texts[0], **parameters, **model}, [unit(want[0])],
                                    f"/tei/embed one {short(parameters)}")
        if self.checkpoint.name.endswith("-embed"):  # ids as they come, without prompts and case
            ids = [row["answer"] for row in self.rows["tokenize"]]
            of_text = {row["ask"]: row["answer"] for row in rows if not row["parameters"]}
            want = [of_text[row["ask"]] for row in self.rows["tokenize"]]
            out += self.compare("/v1/embeddings", {"input": ids, "encoding_format": "float", **model},
                                {"data": [{"embedding": vector} for vector in want],
                                 "usage": {"prompt_tokens": sum(map(len, ids)), "total_tokens": sum(map(len, ids))}},
                                "/v1/embeddings ids")
        return out

    def base64_embeddings(self, texts: list[str], want: list[list[float]], parameters: dict) -> list[str]:
        body = {"input": texts, "encoding_format": "base64", "model": self.checkpoint.name, **parameters}
        got, _, problem = self.post("/v1/embeddings", body)
        if problem:
            return [f"/v1/embeddings base64: {problem}"]
        raw = [base64.b64decode(one["embedding"]) for one in got["data"]]
        vectors = [list(struct.unpack(f"<{len(r) // 4}f", r)) for r in raw]
        return differences(vectors, want, "/v1/embeddings base64")

    def tei_embed_all(self, rows: list[dict]) -> list[str]:
        body = {"inputs": [row["ask"] for row in rows], "model": self.checkpoint.name}
        return self.compare("/tei/embed_all", body, [row["answer"] for row in rows], "/tei/embed_all")

    def tei_similarity(self, rows: list[dict]) -> list[str]:
        return [line for row in rows for line in self.compare(
            "/tei/similarity", {"inputs": row["ask"], "model": self.checkpoint.name}, row["answer"], "/tei/similarity")]


def registry_of(checkpoints: list[Checkpoint]) -> dict:
    """Without a task: the checkpoint says it."""
    return {checkpoint.name: {"path": str(checkpoint.folder)} for checkpoint in checkpoints}


def task_of(server: Server, checkpoint: Checkpoint) -> str:
    server.load(checkpoint.name)
    return server.json(f"/models/{quote(checkpoint.name)}")["model_info"]["task"]
