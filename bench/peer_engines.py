"""PyTorch, ONNX Runtime and OpenVINO as their users run them: functions from ids and mask, padded, to logits."""
from __future__ import annotations

import pathlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

import peer_exports

Compute = Callable[[np.ndarray, np.ndarray], np.ndarray]


@dataclass
class Engine:
    """`latency` computes with all threads; `streams` are functions that may run at the same time, each on one thread.
    `computes_in` is what the engine says that it computes in."""

    computes_in: str
    latency: Compute
    streams: list[Compute]

    def plans(self, threads: int) -> dict[str, list[Compute]]:
        """By streams x threads."""
        return {f"1x{threads}": [self.latency], **({f"{len(self.streams)}x1": self.streams} if self.streams else {})}


class NotHere(Exception):
    """The engine does not compute in this precision on this CPU, or it is measured already."""


def make_torch(folder: pathlib.Path, exports: pathlib.Path, precision: str, threads: int) -> Engine:
    model = peer_exports.torch_model(folder)
    torch.set_num_threads(threads)

    def logits(ids: np.ndarray, mask: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return model(input_ids=torch.from_numpy(ids), attention_mask=torch.from_numpy(mask)).logits.numpy()
    return Engine("fp32", logits, [])


def make_onnxruntime(folder: pathlib.Path, exports: pathlib.Path, precision: str, threads: int) -> Engine:
    import onnxruntime as ort

    file = (peer_exports.int8 if precision == "int8" else peer_exports.onnx)(folder, exports)

    def session(count: int) -> Compute:
        options = ort.SessionOptions()
        options.intra_op_num_threads = count
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
        one = ort.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
        return lambda ids, mask: one.run(None, {"input_ids": ids, "attention_mask": mask})[0]
    return Engine(precision, session(threads), [session(1)] * threads)  # of one thread: that which calls it


def make_openvino(folder: pathlib.Path, exports: pathlib.Path, precision: str, threads: int) -> Engine:
    import openvino as ov

    core = ov.Core()
    model = core.read_model(str(peer_exports.onnx(folder, exports)))
    hint = {} if precision == "own choice" else {"INFERENCE_PRECISION_HINT": ov.Type.f32}

    def compiled(streams: int, performance: str):
        return core.compile_model(model, "CPU", {"PERFORMANCE_HINT": performance, "NUM_STREAMS": streams,
                                                 "INFERENCE_NUM_THREADS": threads, **hint})

    def request(of) -> Compute:
        one = of.create_infer_request()
        return lambda ids, mask: one.infer({"input_ids": ids, "attention_mask": mask}, share_inputs=True)[0].copy()

    alone = compiled(1, "LATENCY")
    used = {"f32": "fp32", "f16": "fp16"}.get(name := alone.get_property("INFERENCE_PRECISION_HINT").get_type_name(), name)
    if precision == "fp32" and used != "fp32":
        raise NotHere(f"it computes in {used} when fp32 is asked for")
    together = compiled(threads, "THROUGHPUT")
    return Engine(used, request(alone), [request(together) for _ in range(threads)])


MAKERS = {"torch": make_torch, "onnxruntime": make_onnxruntime, "openvino": make_openvino}
