#!/usr/bin/env python3
"""Small files of torch.save and what torch finds in them: tests/fixtures/inference/torch_files/ (committed)."""
import argparse
import collections
import io
import json
import pathlib
import sys

import torch

ROOT = pathlib.Path(__file__).resolve().parents[1] / "fixtures" / "inference" / "torch_files"
STORED = {torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16", torch.float64: "F64",
          torch.int64: "I64", torch.int32: "I32", torch.int16: "I16", torch.int8: "I8", torch.uint8: "U8",
          torch.bool: "BOOL", torch.complex64: "C64", torch.uint16: "U16", torch.float8_e4m3fn: "F8_E4M3"}


def numbers(*shape, dtype=torch.float32, start=0.0):
    count = int(torch.tensor(shape).prod()) if shape else 1
    return (torch.arange(count, dtype=torch.float32) / 4 + start).to(dtype).reshape(shape)


def data_of(tensor):
    return bytes(tensor.detach().contiguous().flatten().view(torch.uint8).tolist()).hex()


def found_in(state):
    return {name: {"dtype": STORED[t.dtype], "shape": list(t.shape), "data": data_of(t)}
            for name, t in state.items() if isinstance(t, torch.Tensor)}


def write(name, value, **options):
    path = ROOT / name
    path.parent.mkdir(parents=True, exist_ok=True)
    # Keys of the older form are addresses: a file that says the same stays as it is.
    if path.exists() and options.get("_use_new_zipfile_serialization") is False:
        if found_in(torch.load(path, weights_only=True)) == found_in(value):
            return
    buffer = io.BytesIO()  # else the archive's folder has the file's name
    torch.save(value, buffer, **options)
    path.write_bytes(buffer.getvalue())


class Small(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.embeddings = torch.nn.Embedding(5, 4)
        self.norm = torch.nn.LayerNorm(4)
        self.classifier = torch.nn.Linear(4, 3)
        self.register_buffer("position_ids", torch.arange(6).expand((1, -1)))
        with torch.no_grad():
            for i, p in enumerate(self.parameters()):
                p.copy_(numbers(*p.shape, start=float(i)))


def small(dtype=torch.float32):
    return Small().to(dtype).state_dict()  # an OrderedDict with the attribute _metadata


def views():
    """Parts of storages, in their order and not."""
    table = numbers(8, 6)
    return {"whole": table, "row": table[3], "rows": table[2:5], "columns": table[:, 1:4], "transposed": table.t(),
            "part_transposed": table[1:5, 2:5].t(), "repeated": table[2].expand(3, 6),
            "repeated_columns": table[0, :3].unsqueeze(1).expand(3, 5), "in_the_middle": numbers(4, 3).t().reshape(3, 1, 4),
            "transposed_in_the_middle": numbers(4, 3).t().unsqueeze(1), "one": table[2, 3], "none": table[:0],
            "ones_with_odd_strides": torch.as_strided(table, (1, 6, 1), (77, 1, 13), 6)}


def tied():
    weight = numbers(5, 4)
    return {"embeddings.weight": weight, "decoder.weight": weight, "bias": numbers(5, start=9.0)}


def parameters():
    with_attribute = torch.nn.Parameter(numbers(2, start=3.0))
    with_attribute.mark = "x"
    tensor_with_attribute = numbers(2, start=5.0)
    tensor_with_attribute.mark = {"y": 1}
    return {"a": torch.nn.Parameter(numbers(2, 3)), "b": torch.nn.Parameter(numbers(3, start=1.0), requires_grad=False),
            "c": with_attribute, "d": tensor_with_attribute}


def types():
    made = {STORED[t]: numbers(2, 2, dtype=t) for t in STORED if t not in (torch.uint16, torch.bool)}
    made["U16"] = numbers(2, 2, dtype=torch.int32).to(torch.uint16)
    made["BOOL"] = torch.tensor([[True, False], [False, True]])
    return made


def with_others():
    """What training scripts put beside the weights."""
    return collections.OrderedDict(
        w=numbers(2, 2), epoch=3, loss=0.25, best=True, nothing=None, name="x" * 300, big=1 << 70, negative=-(1 << 40),
        shape=torch.Size([2, 3]), device=torch.device("cpu"), dtype=torch.float16, steps=[1, (2, 3), {"a": {4, 5}}],
        seen=collections.Counter("aab"), raw=b"\x00\xff", b=numbers(2))


def main():
    older = {"_use_new_zipfile_serialization": False}
    read = {"zip_fp32.bin": (small(), {}), "zip_fp16.bin": (small(torch.float16), {}),
            "zip_bf16.bin": (small(torch.bfloat16), {}), "zip_protocol_4.bin": (small(), {"pickle_protocol": 4}),
            "zip_protocol_5.bin": (small(), {"pickle_protocol": 5}), "legacy_fp32.bin": (small(), older),
            "legacy_bf16.bin": (small(torch.bfloat16), older), "legacy_views.bin": (views(), older),
            "zip_views.bin": (views(), {}), "zip_tied.bin": (tied(), {}), "legacy_tied.bin": (tied(), older),
            "zip_parameters.bin": (parameters(), {}), "legacy_parameters.bin": (parameters(), older),
            "zip_types.bin": (types(), {}), "zip_with_others.bin": (with_others(), {}),
            "zip_with_others_protocol_5.bin": (with_others(), {"pickle_protocol": 5})}
    expected = {}
    for name, (state, options) in read.items():
        write(name, state, **options)
        # Only of protocol 2 does torch read the weights alone.
        expected[name] = found_in(torch.load(ROOT / name, weights_only="pickle_protocol" not in options))

    state = small()
    shards = {"pytorch_model-00001-of-00002.bin": dict(list(state.items())[::2]),
              "pytorch_model-00002-of-00002.bin": dict(list(state.items())[1::2])}
    for name, part in shards.items():
        write(f"sharded/{name}", part)
    (ROOT / "sharded" / "pytorch_model.bin.index.json").write_text(json.dumps(
        {"metadata": {}, "weight_map": {key: name for name, part in shards.items() for key in part}}))
    expected["sharded"] = found_in(state)
    (ROOT / "expected.json").write_text(json.dumps(expected, indent=0))

    # What is not read.
    write("no_sparse.bin", {"a": numbers(2), "sparse": torch.eye(3).to_sparse()})
    write("no_quantized.bin", {"a": numbers(2), "quantized": torch.quantize_per_tensor(numbers(4), 0.25, 2, torch.qint8)})
    write("no_meta.bin", {"a": numbers(2), "meta": torch.empty(2, device="meta")})
    write("no_permuted.bin", {"a": numbers(2), "permuted": numbers(2, 3, 4).permute(2, 0, 1)})
    write("no_conjugated.bin", {"conjugated": torch.tensor([1 + 2j]).conj()})
    write("no_nested.bin", {"epoch": 3, "state_dict": small(), "optimizer": {}})
    write("no_namespace.bin", {"w": numbers(2), "args": argparse.Namespace(lr=0.1)})
    write("no_module.bin", torch.nn.Linear(2, 2))
    write("no_tensor.bin", numbers(2))
    program = io.BytesIO()
    torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), program)
    (ROOT / "no_program.bin").write_bytes(program.getvalue())
    print("torch_files", sum(f.stat().st_size for f in ROOT.rglob("*") if f.is_file()) // 1024, "KiB", file=sys.stderr)


main()
