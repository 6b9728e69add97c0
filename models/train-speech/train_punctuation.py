#!/usr/bin/env python3
"""Trains the CT-Punc on the grammar's sentences, several in a row, and keeps its weights in data/punctuation.pt.

Words are dropped and exchanged as a recognizer would, and texts end anywhere, since the server asks in pieces of 20 words.
"""
import argparse
import math
import pathlib
import random
import time

import torch
import torch.nn.functional as F
from torch import nn

from grammar import MARKS, Grammar, split_of
from network import Encoder, Shape, positions

HERE = pathlib.Path(__file__).parent
PUNC_LIST = ["<unk>", *MARKS.values(), "、"]
MARK_IDS = {mark: PUNC_LIST.index(name) for mark, name in MARKS.items()}
IGNORED = 0


class Punctuator(nn.Module):
    """FunASR's CTTransformer under its names."""

    def __init__(self, shape: Shape, dropout=0.1):
        super().__init__()
        self.embed = nn.Embedding(shape.vocabulary, shape.size)
        self.encoder = Encoder(shape.size, shape, dropout)
        self.decoder = nn.Linear(shape.size, len(PUNC_LIST))

    def forward(self, ids, valid):
        """`ids`, `valid` [B, N] -> [B, N, marks]"""
        x = self.embed(ids) * math.sqrt(self.embed.embedding_dim)
        x = x + positions(torch.ones(len(ids), dtype=torch.long), ids.shape[1], x.shape[-1])
        return self.decoder(self.encoder(x, valid[..., None].float(), None, valid[:, None]))


def text(grammar, rng):
    """Words and marks of sentences in a row, as a recognizer hears them and up to where it has come."""
    words, marks = [], []
    for _ in range(rng.choice([1, 1, 2, 2, 3, 4, 5, 6])):
        while split_of((s := grammar.sentence(rng)).words) != "train":
            pass
        for word, mark in zip(s.words, s.marks):
            if rng.random() < 0.03 and not mark:
                continue
            words.append(rng.choice(grammar.vocabulary) if rng.random() < 0.03 else word)
            marks.append(MARK_IDS[mark])
    end = rng.randint(1, len(words)) if rng.random() < 0.25 else len(words)
    return words[:end], marks[:end]


def batch(ids_of, texts, rng=None):
    unknown = lambda w: 0 if rng and rng.random() < 0.02 else ids_of.get(w.lower(), 0)
    longest = max(len(w) for w, _ in texts)
    fill = lambda rows, value: torch.tensor([[*r, *[value] * (longest - len(r))] for r in rows])
    return (fill([[unknown(w) for w in words] for words, _ in texts], 0), fill([m for _, m in texts], IGNORED),
            fill([[True] * len(w) for w, _ in texts], False))


def main():
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--steps", type=int, default=2500)
    asked.add_argument("--rate", type=float, default=3e-3)
    asked.add_argument("--seed", type=int, default=12)
    asked.add_argument("--data", type=pathlib.Path, default=HERE / "data")
    a = asked.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(a.seed)
    rng, grammar = random.Random(a.seed), Grammar()
    tokens = ["<unk>", "<s>", "</s>"] + sorted({w.lower() for w in grammar.vocabulary})
    ids_of = {t: i for i, t in enumerate(tokens)}
    shape = Shape(size=64, heads=4, inner=256, blocks=2, decoder_blocks=0, vocabulary=len(tokens))
    model = Punctuator(shape)
    optimizer = torch.optim.AdamW(model.parameters(), lr=a.rate, betas=(0.9, 0.98), weight_decay=0.01)
    print(sum(p.numel() for p in model.parameters()), "parameters", flush=True)
    lately, began = 0.0, time.time()
    for step in range(1, a.steps + 1):
        for group in optimizer.param_groups:
            group["lr"] = a.rate * min(step / 100, 1 - step / a.steps + 0.005)
        ids, marks, valid = batch(ids_of, [text(grammar, rng) for _ in range(32)], rng)
        loss = F.cross_entropy(model(ids, valid).transpose(1, 2), marks, ignore_index=IGNORED, label_smoothing=0.02)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        lately += loss.item()
        if step % 250 == 0:
            print(f"{step:6} loss {lately / 250:.4f}  {time.time() - began:.0f} s", flush=True)
            lately = 0.0
    torch.save({"model": model.state_dict(), "shape": vars(shape), "tokens": tokens}, a.data / "punctuation.pt")


if __name__ == "__main__":
    main()
