"""A checkpoint as other engines take it: PyTorch's own model, ONNX of it, and that with int8 products. Each file is made once."""
from __future__ import annotations

import pathlib

import torch
from transformers import AutoModelForSequenceClassification


def torch_model(folder: pathlib.Path):
    """In fp32, with the attention that transformers chooses: sdpa where the architecture has it."""
    model, told = AutoModelForSequenceClassification.from_pretrained(folder, dtype=torch.float32, output_loading_info=True)
    wrong = [f"{what}: {names}" for what, names in told.items() if names]
    if wrong:  # a weight that were made up would make every comparison void
        raise RuntimeError(f"{folder}: {'; '.join(wrong)}")
    return model.eval()


def is_newer(file: pathlib.Path, source: pathlib.Path) -> bool:
    return file.exists() and file.stat().st_mtime >= source.stat().st_mtime


class Logits(torch.nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, input_ids, attention_mask):
        return self.model(input_ids=input_ids, attention_mask=attention_mask).logits


def onnx(folder: pathlib.Path, exports: pathlib.Path) -> pathlib.Path:
    """For any number of rows and tokens."""
    file = exports / "model.onnx"
    if is_newer(file, folder / "model.safetensors"):
        return file
    exports.mkdir(parents=True, exist_ok=True)
    ids, mask = torch.full((3, 37), 7), torch.ones(3, 37, dtype=torch.long)
    mask[1, 20:] = 0  # else a mask that hides nothing might be left out of the graph
    dims = {0: torch.export.Dim("rows", min=1, max=4096), 1: torch.export.Dim("tokens", min=2, max=512)}
    part = exports / "part.onnx"
    torch.onnx.export(Logits(torch_model(folder)).eval(), (ids, mask), str(part), dynamo=True, opset_version=20,
                      input_names=["input_ids", "attention_mask"], output_names=["logits"], dynamic_shapes=(dims, dims),
                      external_data=False, verbose=False)
    part.rename(file)  # last: only a whole export has the name
    return file


def has_vnni() -> bool:
    return any(word.endswith("_vnni") for line in open("/proc/cpuinfo") if line.startswith("flags") for word in line.split())


def int8(folder: pathlib.Path, exports: pathlib.Path) -> pathlib.Path:
    """With dynamically quantized products, weights by output row: of 7 bits where the CPU's 8-bit products saturate, as ONNX
    Runtime's documentation advises."""
    from onnxruntime.quantization import QuantType, quantize_dynamic
    from onnxruntime.quantization.shape_inference import quant_pre_process

    source, bits = onnx(folder, exports), 8 if has_vnni() else 7
    file = exports / f"int{bits}.onnx"
    if not is_newer(file, source):
        prepared, part = exports / "prepared.onnx", exports / "int-part.onnx"
        quant_pre_process(str(source), str(prepared), skip_symbolic_shape=True)
        quantize_dynamic(str(prepared), str(part), weight_type=QuantType.QInt8, per_channel=True, reduce_range=bits == 7,
                         op_types_to_quantize=["MatMul", "Gemm"])
        part.rename(file)
        prepared.unlink()
    return file
