#!/usr/bin/env python3
"""held_out.py [FAMILY ..] [--seed N] [--keep FOLDER] [--committed]: makes encoders of other seeds and sizes than the
committed ones, asks them other texts, serves them with build/release/troupe (TROUPE_BINARY) and compares as
tests/e2e/test_encoders.py does: nothing may be fitted to what is committed. Prints each checkpoint and door that
differ; ends with 1 then. --committed: the committed ones, all differences in one list.

    "$(scripts/python-environment.sh parity)" tests/parity/held_out.py --seed 7
"""
from __future__ import annotations

import argparse
import collections
import pathlib
import random
import signal
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "e2e")]

from driver import FIXTURES, Server  # noqa: E402
from encoder_doors import Doors, registry_of, task_of  # noqa: E402
from encoders import Checkpoint, assemble, unpack  # noqa: E402


def other_size(seed: int):
    """Another size for each seed; heads of another width than the committed ones."""
    from encoder_models import Size
    rng = random.Random(seed)
    heads, width = rng.choice([(6, 8), (3, 16), (2, 24), (5, 12), (4, 16)])
    return Size(hidden=heads * width, layers=rng.choice([1, 3]), heads=heads, inner=rng.choice([40, 96, 130]),
                words=rng.randrange(360, 640), positions=rng.randrange(56, 97, 8), seed=seed, spread=0.22)


def made(families: list[str], seed: int, folder: pathlib.Path) -> list[Checkpoint]:
    import encoder_texts
    import torch
    from make_encoders import PLANS, make_family
    torch.set_num_threads(1)
    out = []
    for n, family in enumerate(families or PLANS):
        size = other_size(seed + n)
        encoder_texts.vary(seed + n)
        print(f"{family}: {size}", flush=True)
        out += assemble(make_family(family, folder / "made", size), folder / "models")
    return out


def committed(families: list[str], folder: pathlib.Path) -> list[Checkpoint]:
    archives = sorted((FIXTURES / "encoders").glob("*.tar.xz"))
    return [c for archive in archives if not families or archive.name.split(".")[0] in families
            for c in assemble(unpack(archive, folder / "made"), folder / "models")]


def compare(checkpoints: list[Checkpoint], folder: pathlib.Path, shown: int) -> int:
    server = Server(folder / "server", registry_of(checkpoints), {"max_models": len(checkpoints)})
    differ = collections.Counter()
    try:
        for checkpoint in checkpoints:
            try:
                task = task_of(server, checkpoint)
            except AssertionError as e:
                differ["load"] += 1
                print(f"{checkpoint.name}: not loaded: {str(e)[:500]}", flush=True)
                continue
            if task != checkpoint.task:
                differ["task"] += 1
                print(f"{checkpoint.name}: task {task} instead of {checkpoint.task}", flush=True)
            for door in Doors.NAMES:
                if lines := Doors(server, checkpoint).ask(door):
                    differ[door] += 1
                    print(f"{checkpoint.name} {door}: {len(lines)} differences", *lines[:shown], sep="\n    ", flush=True)
    finally:
        server.stop(signal.SIGTERM)
    print(f"{len(checkpoints)} checkpoints, {sum(differ.values())} checkpoint-door pairs differ: {dict(differ)}")
    return 1 if differ else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("families", nargs="*")
    parser.add_argument("--seed", type=int, default=1000)
    parser.add_argument("--keep", type=pathlib.Path)
    parser.add_argument("--committed", action="store_true")
    parser.add_argument("--shown", type=int, default=3)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.keep or pathlib.Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        all_of = committed(given.families, folder) if given.committed else made(given.families, given.seed, folder)
        return compare(all_of, folder, given.shown)


if __name__ == "__main__":
    sys.exit(main())
