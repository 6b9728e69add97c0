#!/usr/bin/env python3
"""Trains the streaming Paraformer on data/train.npz and keeps its weights in data/recognizer.pt.

Trained as it is served: in windows, with what a session remembers, tokens fired by the predictor's own sums. The
synthesiser tells when each word is said, so the predictor is taught where a word ends (a sum of one around it), and the
decoder to say the word that is ending where a token fires, or <blank> (which is never shown) where none is.
"""
import argparse
import copy
import itertools
import math
import pathlib
import random
import time

import numpy
import torch
import torch.nn.functional as F

from grammar import Grammar
from network import Paraformer, Shape, Terms, integrate
from recordings import BLANK, Disturb, Recordings, batches

HERE = pathlib.Path(__file__).parent
TERMS = [Terms(5, 5, 4, 0), Terms(5, 5, 4, 0), Terms(0, 5, 4, 1), Terms(0, 5, 4, 0), Terms(5, 5, 0, 0), Terms(5, 5, 4, 1)]
# The frames before the first sum to this: a token then fires in the middle of a word's rise, and small errors of the
# sums neither lose a word nor say it twice.
HEAD_START = 0.35


def flat_own(model, batch, terms, first=None):
    """Hidden frames [B, S, D] and logits [B, S] of all windows one after another, which of them count, and their frames."""
    w, h = model.encode(batch.x, batch.chunks, batch.rest, terms, first)
    logits = model.predictor(h).flatten(1)
    return w, h, logits, w.own.flatten(1), w.frame.flatten()


def tokens_of(model, w, h, alphas, batch, start):
    """What fires, and in which window: embeddings [B, N, D], windows [B, N], places among the frames [B, N], counts."""
    flat = torch.cat([h.flatten(1, 2), h.new_zeros(len(h), 1, h.shape[-1])], 1)
    tail = alphas.new_full((len(h), 1), model.TAIL)
    vectors, place, fired = integrate(torch.cat([alphas, tail], 1), flat, start)
    at_tail = place == alphas.shape[1]
    window = torch.where(at_tail, batch.chunks[:, None], place // h.shape[2])
    return vectors, window, place, fired


def losses(model, head, batch, terms, taught, jitter, first):
    w, h, logits, own, frame = flat_own(model, batch, terms, first)
    inside = frame.clamp(0, batch.weights.shape[1] - 1)
    gather = lambda t: t[:, inside]
    target = torch.where(frame < 0, HEAD_START / terms.ahead, gather(batch.weights)) * own
    near = torch.where(own & (frame >= 0), gather(batch.near), -1)

    raw = torch.sigmoid(logits.float()) - model.NOISE_THRESHOLD
    alphas = raw.clamp(min=0) * own
    error = torch.where(target > 0, raw - target, raw.clamp(min=0)) * own
    words = batch.word_count.sum().clamp(min=1)
    by_word = lambda t: torch.zeros(len(h), batch.words.shape[1]).scatter_add(1, near.clamp(min=0), t * (near >= 0))
    astray = (alphas * (own & (near < 0) & (frame >= 0))).sum()
    loss_alpha = ((error**2).sum() + (by_word(alphas - target)**2).sum() + ((alphas - target).sum(1)**2).sum() + astray) / words

    label = torch.where(own & (frame >= 0), gather(batch.label), -1)
    known = label >= 0
    loss_frame = F.cross_entropy(head(h.flatten(1, 2)[known]), label[known], label_smoothing=0.05)

    used = torch.where(taught[:, None], target, alphas.detach())
    vectors, window, place, fired = tokens_of(model, w, h, used, batch, jitter)
    out = model.decode(vectors, window, h, w.valid, terms)
    wanted, weight = wanted_tokens(batch, target, place, fired)
    each = F.cross_entropy(out.transpose(1, 2), wanted, reduction="none", label_smoothing=0.05)
    loss_word = (each * weight).sum() / weight.sum().clamp(min=1)
    right = ((out.argmax(-1) == wanted) & (weight == 1)).sum() / (weight == 1).sum().clamp(min=1)
    return loss_alpha, loss_frame, loss_word, right


def wanted_tokens(batch, target, place, fired):
    """The word that each token is to be, by how many words have ended where it fires (a sum passes a whole number up to
    half a word before that of the targets does), the first time, else BLANK; and how much it counts."""
    ended = torch.cumsum(target, 1)
    ended = torch.cat([ended, ended[:, -1:]], 1)  # the tail
    word = (ended.gather(1, place) - 0.25).round().long() - 1
    again = torch.cat([torch.zeros_like(word[:, :1], dtype=torch.bool), word[:, 1:] == word[:, :-1]], 1)
    said = (word >= 0) & (word < batch.word_count[:, None]) & ~again
    wanted = torch.where(said, batch.words.gather(1, word.clamp(0, batch.words.shape[1] - 1)), BLANK)
    there = torch.arange(place.shape[1]) < fired[:, None]
    return wanted, torch.where(said, 1.0, 0.3) * there


@torch.no_grad()
def heard(model, batch, terms):
    """Ids of each utterance, as a stream gives them."""
    model.eval()
    w, h, logits, own, _ = flat_own(model, batch, terms)
    alphas = (torch.sigmoid(logits.float()) - model.NOISE_THRESHOLD).clamp(min=0) * own
    vectors, window, _, fired = tokens_of(model, w, h, alphas, batch, torch.zeros(len(h), 1))
    best = model.decode(vectors, window, h, w.valid, terms).argmax(-1)
    return [[i for i in row[:n].tolist() if i > 2] for row, n in zip(best, fired)]


def edits(a, b):
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        last, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            last, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, last + (x != y))
    return row[-1]


def word_error_rate(model, recordings, shift, scale, terms):
    wrong = said = 0
    for begin in range(0, len(recordings), 50):
        batch = recordings.batch(range(begin, min(begin + 50, len(recordings))), shift, scale)
        for ids, words, n in zip(heard(model, batch, terms), batch.words.tolist(), batch.word_count.tolist()):
            wrong += edits(ids, words[:n])
            said += n
    return wrong / said


def main():
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--steps", type=int, default=6000)
    asked.add_argument("--minutes", type=float, default=60, help="what comes first: so many steps, or minutes")
    asked.add_argument("--rate", type=float, default=2e-3)
    asked.add_argument("--windows", type=int, default=96, help="windows a batch")
    asked.add_argument("--resume", action="store_true", help="go on from data/recognizer.pt, with a rate that begins anew")
    asked.add_argument("--bf16", action="store_true", help="compute in bf16 where that is safe")
    asked.add_argument("--seed", type=int, default=12)
    asked.add_argument("--data", type=pathlib.Path, default=HERE / "data")
    asked.add_argument("--threads", type=int, default=1)
    asked.add_argument("--report-every", type=int, default=600)
    a = asked.parse_args()
    torch.set_num_threads(a.threads)
    torch.manual_seed(a.seed)
    rng = random.Random(a.seed)

    recordings, dev = Recordings(a.data / "train.npz"), Recordings(a.data / "dev.npz", most=150)
    shift, scale = recordings.normalisation()
    tokens = Grammar().tokens
    model = Paraformer(Shape(vocabulary=len(tokens)))
    torch.nn.init.constant_(model.predictor.cif_output.bias, -2.0)
    head = torch.nn.Linear(model.shape.size, len(tokens))
    if a.resume:
        kept = torch.load(a.data / "recognizer.pt", weights_only=True)
        model.load_state_dict(kept["model"])
        if "head" in kept:
            head.load_state_dict(kept["head"])
    mean = copy.deepcopy(model)
    trained = [*model.parameters(), *head.parameters()]
    optimizer = torch.optim.AdamW(trained, lr=a.rate, betas=(0.9, 0.98), weight_decay=0.01)
    print(sum(p.numel() for p in model.parameters()), "parameters", len(recordings), "recordings", flush=True)

    def keep():
        torch.save({"model": mean.state_dict(), "shape": vars(mean.shape), "shift": shift, "scale": scale, "tokens": tokens,
                    "head": head.state_dict()}, a.data / "recognizer.pt")

    seen, began = numpy.zeros(4), time.time()
    for step, indices in zip(itertools.count(1), batches(recordings, a.windows, rng)):
        done = min(1.0, max(step / a.steps, (time.time() - began) / 60 / a.minutes))
        for group in optimizer.param_groups:
            group["lr"] = a.rate * min(step / 200, 0.5 * (1 + math.cos(math.pi * done)) + 0.003)
        model.train()
        batch = recordings.batch(indices, shift, scale, Disturb(rng))
        count = len(indices)
        taught = torch.rand(count) < (0.15 if a.resume else max(0.15, 1 - done / 0.25))
        jitter = torch.where(torch.rand(count, 1) < 0.5, (torch.rand(count, 1) - 0.5) * 0.5, 0.0)
        first = torch.where(torch.rand(count) < 0.3, torch.randint(1, 3000, (count,)), 1)
        with torch.autocast("cpu", torch.bfloat16, enabled=a.bf16):
            alpha, frame, word, right = losses(model, head, batch, rng.choice(TERMS), taught, jitter, first)
        loss = alpha + 0.5 * frame + word
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 5.0)
        optimizer.step()
        share = max(0.003, 1 / step)
        with torch.no_grad():
            for to, of in zip(mean.parameters(), model.parameters()):
                to.lerp_(of, share)
        seen += [alpha.item(), frame.item(), word.item(), right.item()]
        if step % 100 == 0:
            print(f"{step:6} alpha {seen[0] / 100:.3f} frame {seen[1] / 100:.3f} word {seen[2] / 100:.3f} "
                  f"right {seen[3] / 100:.3f}  {(time.time() - began) / step:.3f} s a step", flush=True)
            seen[:] = 0
        if step % a.report_every == 0 or done == 1.0:
            rates = [word_error_rate(mean, dev, shift, scale, t) for t in (Terms(5, 5, 4, 0), Terms(0, 5, 4, 1))]
            print(f"{step:6} word error rate of dev: {rates[0]:.3f} [5,10,5], {rates[1]:.3f} [0,10,5]", flush=True)
            keep()
        if done == 1.0:
            break


if __name__ == "__main__":
    main()
