"""The bare products of a batch of steps of the large Paraformer: every layer's own weights one after another, so that they
come from memory as they do when a model is served, each by the kernel of PyTorch's that is fastest for it. The limit of
what any engine could do of these shapes. For bench/speech_peer.py."""
from __future__ import annotations

import statistics
import threading
import time
from dataclasses import dataclass
from typing import Callable

import torch

Kernel = Callable[[torch.Tensor], torch.Tensor]


@dataclass(frozen=True)
class Shape:
    inner: int
    outer: int
    count: int  # layers that have it
    rows: str  # "lines": frames of the windows; "tokens": what fired
    always_fp32: bool = False


# The encoder's; the predictor's, which is a convolution over three frames and fp32 in every engine; the decoder's.
SHAPES = (Shape(560, 1536, 1, "lines"), Shape(512, 1536, 49, "lines"), Shape(512, 512, 50, "lines"),
          Shape(512, 2048, 50, "lines"), Shape(2048, 512, 50, "lines"), Shape(1536, 512, 1, "lines", True),
          Shape(512, 1024, 16, "lines"), Shape(512, 512, 32, "tokens"), Shape(512, 2048, 17, "tokens"),
          Shape(2048, 512, 17, "tokens"), Shape(512, 8404, 1, "tokens"))


def plain(weight: torch.Tensor, bias: torch.Tensor, rows: int) -> Kernel:
    return lambda x: torch.nn.functional.linear(x, weight, bias)


def onednn(weight: torch.Tensor, bias: torch.Tensor, rows: int) -> Kernel:
    packed = torch.ops.mkldnn._reorder_linear_weight(weight, rows)
    return lambda x: torch.ops.mkldnn._linear_pointwise(x, packed, bias, "none", [], "")


def mkl(weight: torch.Tensor, bias: torch.Tensor, rows: int) -> Kernel:
    packed = torch.ops.mkl._mkl_reorder_linear_weight(weight, rows)
    return lambda x: torch.ops.mkl._mkl_linear(x, packed, weight, bias, rows)


def fbgemm(weight: torch.Tensor, bias: torch.Tensor, rows: int) -> Kernel:
    torch.backends.quantized.engine = "fbgemm"
    scales = weight.abs().amax(1).double() / 127
    eight = torch.quantize_per_channel(weight, scales, torch.zeros_like(scales, dtype=torch.long), 0, torch.qint8)
    packed = torch.ops.quantized.linear_prepack(eight, bias)
    return lambda x: torch.ops.quantized.linear_dynamic(x, packed, False)


def onednn_int8(weight: torch.Tensor, bias: torch.Tensor, rows: int) -> Kernel:
    """The product alone, of numbers that are int8 already."""
    scales = weight.abs().amax(1) / 127
    packed = torch.ops.onednn.qlinear_prepack((weight / scales[:, None]).round().to(torch.int8), [rows, weight.shape[1]])
    zeros = torch.zeros(weight.shape[0], dtype=torch.long)
    return lambda x: torch.ops.onednn.qlinear_pointwise(x, 0.05, 128, packed, scales, zeros, bias, 1.0, 0, torch.float32,
                                                        "none", [], "")


KERNELS: dict[str, dict[str, Callable]] = {"fp32": {"plain": plain, "onednn": onednn, "mkl": mkl},
                                           "bf16": {"onednn": onednn, "plain": plain},
                                           "int8": {"onednn": onednn_int8, "fbgemm": fbgemm}}


def input_of(precision: str, kernel: str, rows: int, width: int) -> torch.Tensor:
    x = torch.randn(rows, width)
    if precision == "bf16":
        return x.bfloat16()
    return (x * 20 + 128).clamp(0, 255).to(torch.uint8) if (precision, kernel) == ("int8", "onednn") else x


class Layers:
    """A shape's layers in one kernel's layout."""

    def __init__(self, weights: list[torch.Tensor], precision: str, kernel: str, rows: int):
        dtype = torch.bfloat16 if precision == "bf16" else torch.float32
        bias = torch.zeros(len(weights[0]), dtype=dtype)
        self.run = [KERNELS[precision][kernel](w.to(dtype), bias, rows) for w in weights]
        self.x = input_of(precision, kernel, rows, weights[0].shape[1])

    def pass_s(self) -> float:
        begin = time.perf_counter()
        for one in self.run:
            one(self.x)
        return time.perf_counter() - begin


def together(slots: int, work: Callable[[int], None]) -> None:
    """A thread for each slot; products leave Python's lock. None computes on more than one thread."""
    failed: list[BaseException] = []

    def run(n: int) -> None:
        torch.set_num_threads(1)
        try:
            with torch.inference_mode():
                work(n)
        except BaseException as e:  # noqa: BLE001 - told to who asked
            failed.append(e)

    threads = [threading.Thread(target=run, args=(n,)) for n in range(slots)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    if failed:
        raise failed[0]


class Products:
    def __init__(self):
        torch.manual_seed(7)
        self.weights = [[torch.empty(s.outer, s.inner).uniform_(-0.05, 0.05) for _ in range(s.count)] for s in SHAPES]

    def measure(self, precision: str, lines: int, tokens: int, slots: int, seconds: float) -> dict:
        """Passes over all layers that so many slots make in a second together, each shape at its fastest kernel's median."""
        rows = {"lines": max(1, lines), "tokens": max(1, tokens)}
        times, why_not = {}, {}
        for kernel in KERNELS[precision]:
            try:
                times[kernel] = self._times(precision, kernel, rows, slots, seconds / len(KERNELS[precision]))
            except Exception as e:  # noqa: BLE001 - another kernel may be there
                why_not[kernel] = f"{type(e).__name__}: {str(e)[:200]}"
        if not times:
            raise RuntimeError(f"no kernel for {precision}: {why_not}")
        total, flops, chosen = 0.0, 0.0, dict(why_not)
        for n, shape in enumerate(SHAPES):
            best = min(times, key=lambda kernel: times[kernel][n])
            total += times[best][n]
            flops += 2.0 * shape.inner * shape.outer * shape.count * rows[shape.rows]
            chosen[f"{shape.inner}x{shape.outer} of {rows[shape.rows]}"] = "fp32" if shape.always_fp32 else best
        return {"passes": slots / total, "gflops": slots * flops / total / 1e9, "kernels": chosen}

    def _times(self, precision: str, kernel: str, rows: dict[str, int], slots: int, seconds: float) -> list[float]:
        """Of each shape's layers, the median over passes through all."""
        torch.set_num_threads(1)
        with torch.inference_mode():
            layers = [self._layers(n, precision, kernel, rows[s.rows]) for n, s in enumerate(SHAPES)]
            for one in layers:
                one.pass_s()
        found: list[list[float]] = [[] for _ in layers]

        def work(_slot: int) -> None:
            end, once = time.perf_counter() + seconds, False
            while not once or time.perf_counter() < end:
                for n, one in enumerate(layers):
                    found[n].append(one.pass_s())
                once = True

        together(slots, work)
        return [statistics.median(times) for times in found]

    def _layers(self, n: int, precision: str, kernel: str, rows: int) -> Layers:
        if SHAPES[n].always_fp32:
            precision, kernel = "fp32", "plain"
        return Layers(self.weights[n], precision, kernel, rows)
