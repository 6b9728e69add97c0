#!/usr/bin/env python3
"""Other engines on the same checkpoint: PyTorch, ONNX Runtime and OpenVINO. Needs the environment of scripts/parity.txt;
bench/compare.py drives it.

    peers.py CHECKPOINT_FOLDER EXPORT_FOLDER THREADS WORK=TEXTS_FILE..

A JSON line in, a JSON line out, until its input ends:

    {"do": "reference"}        -> {"even": [[..], ..], ..}   by work, PyTorch's probabilities in fp32 of the first texts, unpadded
    {"do": "prepare", "engine": "onnxruntime", "precision": "int8"}
                               -> {"ok": true, "computes_in": .., "plans": [..], "differences": {"even": {"most": .., "labels": ..}, ..}}
    {"do": "lone", "engine": .., "precision": .., "work": .., "count": 16, "seconds": 1}   -> {"p50_ms": ..}
    {"do": "full", .., "plan": "2x1", "rows": 32, "seconds": 1}                             -> {"rate": ..}
    {"do": "versions"}         -> {"onnxruntime": "..", ..}

`most` is the largest difference of a probability from the reference's; `labels` the share of texts whose label is the same. A
plan is streams x threads. What an engine cannot do it says: {"ok": false, "why": ..}.
"""
from __future__ import annotations

import json
import os
import pathlib
import statistics
import sys
import threading
import time
from importlib import metadata

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("OPENVINO_TELEMETRY", "0")

import numpy as np  # noqa: E402
import torch  # noqa: E402
from tokenizers import Tokenizer  # noqa: E402

from peer_engines import MAKERS, Compute, Engine, NotHere  # noqa: E402
from peer_exports import torch_model  # noqa: E402

# Texts whose answers are compared, in one batch, which warms an engine up. Few of mixed lengths: a batch takes seconds.
CHECKED = {"even": 32, "mixed": 8}


def softmax(logits: np.ndarray) -> np.ndarray:
    e = np.exp(logits - logits.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


class Texts:
    """As ids; batches are padded to their longest, in the order that texts come."""

    def __init__(self, folder: pathlib.Path, file: pathlib.Path):
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.ids = [tokenizer.encode(line).ids for line in file.read_text().splitlines() if line]

    def batch(self, rows: int, at: int = 0) -> tuple[np.ndarray, np.ndarray]:
        some = [self.ids[n % len(self.ids)] for n in range(at, at + rows)]
        ids = np.zeros((rows, max(map(len, some))), dtype=np.int64)
        mask = np.zeros_like(ids)
        for row, one in enumerate(some):
            ids[row, :len(one)], mask[row, :len(one)] = one, 1
        return ids, mask

    def unpadded(self, count: int) -> list[list[list[int]]]:
        """The first texts in as few batches as need no padding: one, or each text alone."""
        some = self.ids[:count]
        return [some] if len(set(map(len, some))) == 1 else [[one] for one in some]


def lone_p50_ms(engine: Engine, texts: Texts, count: int, seconds: float) -> float:
    """Of the same texts for whoever is measured, as often as they fit."""
    times, end = [], time.perf_counter() + seconds
    while not times or time.perf_counter() < end:
        for n in range(count):
            batch = texts.batch(1, n)
            begin = time.perf_counter()
            engine.latency(*batch)
            times.append(time.perf_counter() - begin)
    return 1000 * statistics.median(times)


def texts_per_second(functions: list[Compute], texts: Texts, rows: int, seconds: float) -> float:
    """Each function on a thread of its own, batch after batch, for so long and one batch at least."""
    rates = [0.0] * len(functions)

    def run(n: int) -> None:
        begin, done = time.perf_counter(), 0
        while done < 1 or time.perf_counter() - begin < seconds:
            functions[n](*texts.batch(rows, (n + done * len(functions)) * rows))
            done += 1
        rates[n] = done * rows / (time.perf_counter() - begin)

    if len(functions) == 1:
        run(0)
    else:
        threads = [threading.Thread(target=run, args=(n,)) for n in range(len(functions))]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
    return sum(rates)


class Peers:
    def __init__(self, folder: pathlib.Path, exports: pathlib.Path, threads: int, files: dict[str, pathlib.Path]):
        self.folder, self.exports, self.threads = folder, exports, threads
        self.works = {work: Texts(folder, file) for work, file in files.items()}
        self.engines: dict[tuple[str, str], Engine] = {}
        torch.set_num_threads(1)  # OpenMP's threads wait for each other by spinning, which takes seconds beside a neighbour
        model = torch_model(folder)
        with torch.inference_mode():
            self.expected = {work: softmax(np.concatenate([model(input_ids=torch.tensor(ids)).logits.numpy()
                                                           for ids in texts.unpadded(CHECKED[work])]))
                             for work, texts in self.works.items()}

    def difference(self, engine: Engine, work: str) -> dict:
        found, expected = softmax(engine.latency(*self.works[work].batch(CHECKED[work]))), self.expected[work]
        return {"most": float(np.abs(found - expected).max()),
                "labels": float((found.argmax(axis=1) == expected.argmax(axis=1)).mean())}

    def prepare(self, engine: str, precision: str) -> dict:
        try:
            made = MAKERS[engine](self.folder, self.exports, precision, self.threads)
            differences = {work: self.difference(made, work) for work in self.works}
            for one in made.streams:
                one(*self.works["even"].batch(2))
        except NotHere as e:
            return {"ok": False, "why": str(e)}
        except Exception as e:  # noqa: BLE001 - what an engine cannot do is a finding
            return {"ok": False, "why": f"{type(e).__name__}: {' '.join(str(e).split())[:300]}"}
        self.engines[engine, precision] = made
        return {"ok": True, "computes_in": made.computes_in, "plans": list(made.plans(self.threads)), "differences": differences}

    def answer(self, ask: dict) -> dict:
        if ask["do"] == "reference":
            return {work: rows.tolist() for work, rows in self.expected.items()}
        if ask["do"] == "versions":
            return {name: metadata.version(name) for name in ("onnxruntime", "openvino", "torch", "transformers")}
        if ask["do"] == "prepare":
            return self.prepare(ask["engine"], ask["precision"])
        engine, texts = self.engines[ask["engine"], ask["precision"]], self.works[ask["work"]]
        if ask["do"] == "lone":
            return {"p50_ms": lone_p50_ms(engine, texts, ask["count"], ask["seconds"])}
        return {"rate": texts_per_second(engine.plans(self.threads)[ask["plan"]], texts, ask["rows"], ask["seconds"])}


def main() -> int:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # libraries print; answers have the stream to themselves
    files = {work: pathlib.Path(file) for work, file in (pair.split("=", 1) for pair in sys.argv[4:])}
    peers = Peers(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), int(sys.argv[3]), files)
    for line in sys.stdin:
        print(json.dumps(peers.answer(json.loads(line))), file=answers, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
