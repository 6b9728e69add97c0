#!/usr/bin/env python3
"""Other engines on the same BERT: PyTorch, ONNX Runtime and OpenVINO, as their users run them. Needs the environment of
scripts/parity.txt; bench/compare.py drives it.

    peers.py CHECKPOINT_FOLDER EXPORT_FOLDER TEXTS_FILE THREADS

A JSON line in, a JSON line out, until its input ends:

    {"do": "prepare", "engine": "onnxruntime", "precision": "fp32"}  -> {"ok": true, "difference": .., "labels": ..}
    {"do": "lone", "engine": .., "precision": .., "seconds": 1}      -> {"p50_ms": ..}
    {"do": "full", .., "rows": 32, "seconds": 1}                     -> {"rates": {"1x2": .., "2x1": ..}}
    {"do": "probabilities"}                                          -> {"probabilities": [[..], ..]}  by PyTorch in fp32, of the first texts
    {"do": "versions"}                                               -> {"onnxruntime": "..", ..}

`difference` is the largest of a probability from PyTorch's in fp32 over the first texts; `labels` the share of texts whose
label is the same. A plan is streams x threads. An engine that does not compute in the precision on this CPU says so:
{"ok": false, "why": ..}.
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
from transformers import BertForSequenceClassification  # noqa: E402

CHECKED = 64  # texts whose answers are compared


def softmax(logits: np.ndarray) -> np.ndarray:
    e = np.exp(logits - logits.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


class Work:
    """The checkpoint, and texts as ids."""

    def __init__(self, folder: pathlib.Path, exports: pathlib.Path, texts: pathlib.Path):
        self.folder, self.exports = folder, exports
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        ids = [tokenizer.encode(line).ids for line in texts.read_text().splitlines() if line]
        assert len({len(i) for i in ids}) == 1, "texts of one length"
        self.ids = np.array(ids, dtype=np.int64)

    def batch(self, rows: int, at: int = 0) -> np.ndarray:
        return self.ids[np.arange(at, at + rows) % len(self.ids)]

    def torch_model(self):
        return BertForSequenceClassification.from_pretrained(self.folder, dtype=torch.float32, attn_implementation="sdpa").eval()

    def onnx(self) -> pathlib.Path:
        """Exported once. The mask is all ones: no text is padded, here as in the server."""
        file = self.exports / "model.onnx"
        newest = (self.folder / "model.safetensors").stat().st_mtime
        if file.exists() and file.stat().st_mtime >= newest:
            return file
        self.exports.mkdir(parents=True, exist_ok=True)
        ids = torch.from_numpy(self.batch(2))

        class Logits(torch.nn.Module):
            def __init__(self, model):
                super().__init__()
                self.model = model

            def forward(self, input_ids, attention_mask):
                return self.model(input_ids=input_ids, attention_mask=attention_mask).logits

        dims = {0: torch.export.Dim("rows", min=1, max=4096), 1: torch.export.Dim("tokens", min=2, max=512)}
        part = self.exports / "part.onnx"
        torch.onnx.export(Logits(self.torch_model()).eval(), (ids, torch.ones_like(ids)), str(part), dynamo=True, opset_version=20,
                          input_names=["input_ids", "attention_mask"], output_names=["logits"], dynamic_shapes=(dims, dims),
                          external_data=False, verbose=False)
        part.rename(file)  # last: only a whole export has the name
        return file

    def int8(self) -> pathlib.Path:
        """The same with dynamically quantized products, weights by output row."""
        from onnxruntime.quantization import QuantType, quantize_dynamic
        from onnxruntime.quantization.shape_inference import quant_pre_process

        source, file = self.onnx(), self.exports / "int8.onnx"
        if not file.exists() or file.stat().st_mtime < source.stat().st_mtime:
            prepared, part = self.exports / "prepared.onnx", self.exports / "int8-part.onnx"
            quant_pre_process(str(source), str(prepared), skip_symbolic_shape=True)
            quantize_dynamic(str(prepared), str(part), weight_type=QuantType.QInt8, per_channel=True,
                             op_types_to_quantize=["MatMul", "Gemm"])
            part.rename(file)
            prepared.unlink()
        return file


# --- engines: logits of a batch, with one stream of all threads, and with one stream a thread -----

class Engine:
    """`latency` computes with all threads, `streams` has one function a thread that computes with that thread alone."""

    def __init__(self, latency, streams):
        self.latency, self.streams = latency, streams


class NotHere(Exception):
    """The engine does not compute in this precision on this CPU."""


def make_torch(work: Work, precision: str, threads: int) -> Engine:
    if precision == "int8":
        raise NotHere("not measured")
    model = work.torch_model()
    if precision == "bf16":
        model = model.to(torch.bfloat16)
    torch.set_num_threads(threads)

    def logits(ids: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return model(input_ids=torch.from_numpy(ids)).logits.float().numpy()
    return Engine(logits, [])


def make_onnxruntime(work: Work, precision: str, threads: int) -> Engine:
    import onnxruntime as ort

    if precision == "bf16":
        raise NotHere("its CPU provider has no bf16 kernels")
    file = work.int8() if precision == "int8" else work.onnx()

    def session(count: int):
        options = ort.SessionOptions()
        options.intra_op_num_threads = count
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
        one = ort.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
        return lambda ids: one.run(None, {"input_ids": ids, "attention_mask": np.ones_like(ids)})[0]
    return Engine(session(threads), [session(1) for _ in range(threads)])


def make_openvino(work: Work, precision: str, threads: int) -> Engine:
    import openvino as ov

    if precision == "int8":
        raise NotHere("not measured: needs NNCF and data to calibrate with")
    wanted = {"fp32": ov.Type.f32, "bf16": ov.Type.bf16}[precision]
    core = ov.Core()
    if precision == "bf16" and "BF16" not in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        raise NotHere("OpenVINO computes bf16 only where the CPU does")
    model = core.read_model(str(work.onnx()))

    def compiled(streams: int, hint: str):
        return core.compile_model(model, "CPU", {
            "PERFORMANCE_HINT": hint, "NUM_STREAMS": streams, "INFERENCE_NUM_THREADS": threads,
            "INFERENCE_PRECISION_HINT": wanted})

    def requests(of, count: int):
        used = of.get_property("INFERENCE_PRECISION_HINT")
        if used != wanted:
            raise NotHere(f"it computes in {used.get_type_name()} when {precision} is asked for")

        def one(request):
            return lambda ids: request.infer({"input_ids": ids, "attention_mask": np.ones_like(ids)},
                                             share_inputs=True)[0].copy()
        return [one(of.create_infer_request()) for _ in range(count)]
    return Engine(requests(compiled(1, "LATENCY"), 1)[0], requests(compiled(threads, "THROUGHPUT"), threads))


MAKERS = {"torch": make_torch, "onnxruntime": make_onnxruntime, "openvino": make_openvino}


# --- measuring ------------------------------------------------------------------------------------

def lone_p50_ms(engine: Engine, work: Work, seconds: float) -> float:
    times, end = [], time.perf_counter() + seconds
    while time.perf_counter() < end or len(times) < 5:
        ids = work.batch(1, len(times))
        begin = time.perf_counter()
        engine.latency(ids)
        times.append(time.perf_counter() - begin)
    return 1000 * statistics.median(times)


def texts_per_second(functions: list, work: Work, rows: int, seconds: float) -> float:
    """Each function on a thread of its own, batch after batch, for so long and two batches at least."""
    rates = [0.0] * len(functions)

    def run(n: int) -> None:
        begin, done = time.perf_counter(), 0
        while done < 2 or time.perf_counter() - begin < seconds:
            functions[n](work.batch(rows, (n + done) * rows))
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
    def __init__(self, work: Work, threads: int):
        self.work, self.threads = work, threads
        self.engines: dict[tuple[str, str], Engine] = {}
        torch.set_num_threads(threads)
        with torch.inference_mode():
            self.expected = softmax(work.torch_model()(input_ids=torch.from_numpy(work.batch(CHECKED))).logits.numpy())

    def prepare(self, engine: str, precision: str) -> dict:
        try:
            made = MAKERS[engine](self.work, precision, self.threads)
        except NotHere as e:
            return {"ok": False, "why": str(e)}
        found = softmax(made.latency(self.work.batch(CHECKED)))
        for one in made.streams:
            one(self.work.batch(2))
        self.engines[engine, precision] = made
        return {"ok": True, "difference": float(np.abs(found - self.expected).max()),
                "labels": float((found.argmax(axis=1) == self.expected.argmax(axis=1)).mean())}

    def answer(self, ask: dict) -> dict:
        if ask["do"] == "probabilities":
            return {"probabilities": self.expected.tolist()}
        if ask["do"] == "versions":
            return {name: metadata.version(name) for name in ("onnxruntime", "openvino", "torch", "transformers")}
        key = ask["engine"], ask["precision"]
        if ask["do"] == "prepare":
            return self.prepare(*key)
        engine = self.engines[key]
        if ask["do"] == "lone":
            return {"p50_ms": lone_p50_ms(engine, self.work, ask["seconds"])}
        plans = {f"1x{self.threads}": [engine.latency], f"{len(engine.streams)}x1": engine.streams}
        return {"rates": {plan: texts_per_second(functions, self.work, ask["rows"], ask["seconds"])
                          for plan, functions in plans.items() if functions}}


def main() -> int:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # libraries print; answers have the stream to themselves
    folder, exports, texts = map(pathlib.Path, sys.argv[1:4])
    peers = Peers(Work(folder, exports, texts), int(sys.argv[4]))
    for line in sys.stdin:
        print(json.dumps(peers.answer(json.loads(line))), file=answers, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
