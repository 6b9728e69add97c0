#!/usr/bin/env python3
"""Writes the TorchScript fixtures of tests/fixtures/torchscript/ (needs torch; the results are committed).

    python tests/parity/make_torchscript.py [FOLDER]
"""
import pathlib
import sys

import torch
from torch import nn


class Echo(nn.Module):
    """y = x."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + 0


class Linear(nn.Module):
    """[n, 4] -> [n, 3], known weights: y[j] = sum(x) * (j + 1) + j."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(4, 3)
        with torch.no_grad():
            for j in range(3):
                self.linear.weight[j].fill_(float(j + 1))
                self.linear.bias[j] = float(j)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.linear(x)


class Throws(nn.Module):
    """Throws when any value is negative, else echoes: a batch fails for the one bad row in it."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if bool((x < 0).any()):
            raise ValueError("a negative value")
        return x + 0


class Hangs(nn.Module):
    """Never returns when any value is negative, else echoes."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        steps = 0
        while bool((x < 0).any()):
            steps += 1
        return x + 0


class FixedBatch(nn.Module):
    """Takes exactly one row: [1, 4] -> [1, 4]."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.reshape(1, 4) * 2


class Counter(nn.Module):
    """Adds the number of calls so far, kept in a buffer that forward changes."""

    def __init__(self):
        super().__init__()
        self.register_buffer("calls", torch.zeros(1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        return x + self.calls


class TwoInputs(nn.Module):
    """a + b."""

    def forward(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return a + b


MODELS = {
    "echo": Echo,
    "linear": Linear,
    "throws": Throws,
    "hangs": Hangs,
    "fixed_batch": FixedBatch,
    "counter": Counter,
    "two_inputs": TwoInputs,
}


def main() -> None:
    default = pathlib.Path(__file__).resolve().parent.parent / "fixtures" / "torchscript"
    folder = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else default
    folder.mkdir(parents=True, exist_ok=True)
    for name, kind in MODELS.items():
        scripted = torch.jit.script(kind().eval())
        scripted.save(str(folder / f"{name}.pt"))
        print(folder / f"{name}.pt")


if __name__ == "__main__":
    main()
