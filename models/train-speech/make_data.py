#!/usr/bin/env python3
"""Speaks sentences of the grammar and keeps what models are trained and judged with, in data/:

    train.npz     filter banks of training voices and sentences, the words and when each was said
    dev.npz       the same of a few sentences that are not trained on, to watch the training
    heldout.npz   recordings of sentences that no model was trained on, by voices of four groups (voices.GROUPS)

Everything follows from --seed.
"""
import argparse
import collections
import dataclasses
import pathlib
import random
import time

import numpy

import espeak
import features
import sounds
import voices
from grammar import Grammar

HERE = pathlib.Path(__file__).parent
SECONDS_MAX = 14
SNR_DB = {"clean": None, "20 dB": 20, "10 dB": 10, "5 dB": 5}


@dataclasses.dataclass
class Recording:
    pcm: numpy.ndarray
    sentences: list
    spans: list  # (start, end) of each word, in seconds
    voice: str = ""
    about: str = ""


def spoken(rng, sentences, voice, pauses):
    """The sentences in one voice, `pauses` seconds apart."""
    how, parts, spans, at = voices.manner(rng), [], [], 0.0
    for i, s in enumerate(sentences):
        text = s.spoken if rng.random() < 0.75 else " ".join(s.words)  # marks change the melody
        wave, said = espeak.say(voice, text, how)
        ends = [min(e, after) for (_, e), (after, _) in zip(said, said[1:])] + [said[-1][1]]
        spans += [(at + b, at + e) for (b, _), e in zip(said, ends)]
        parts.append(wave)
        if i + 1 < len(sentences):
            parts.append(sounds.silence(pauses[i]))
        at += (len(wave) + (len(parts[-1]) if i + 1 < len(sentences) else 0)) / espeak.RATE
    return numpy.concatenate(parts), spans


def record(rng, sentences, voice, snr_db, before, after):
    wave, spans = spoken(rng, sentences, voice, [rng.choice([0.15, 0.3, 0.5, 0.8, 1.1, 1.6, 2.5]) * rng.uniform(0.8, 1.2)
                                                 for _ in sentences])
    wave = numpy.concatenate([sounds.silence(before), wave, sounds.silence(after)])
    noisy = sounds.recorded(numpy.random.default_rng(rng.getrandbits(32)), wave, snr_db)
    offset = int(before * espeak.RATE) / espeak.RATE
    return Recording(sounds.pcm(noisy), sentences, [(b + offset, e + offset) for b, e in spans], voice)


def nothing(rng):
    made = sounds.no_speech(numpy.random.default_rng(rng.getrandbits(32)), int(rng.uniform(0.3, 8) * espeak.RATE))
    return Recording(sounds.pcm(made), [], [], about="no speech")


def training(grammar, split, count, rng):
    uses = collections.Counter()
    while count > 0:
        if rng.random() < 0.07:
            yield nothing(rng)
        else:
            several = rng.choices([1, 2, 3], [0.68, 0.25, 0.07])[0]
            said = [grammar.salad(rng) if rng.random() < 0.15 else grammar.of_split(split, rng, uses)
                    for _ in range(several)]
            snr = None if rng.random() < 0.2 else rng.uniform(3, 40)
            before = rng.choice([0, 0.05, 0.2, 0.5, 1, 2]) * rng.uniform(0.7, 1.3)
            after = rng.choice([0, 0.1, 0.3, 0.6, 1.2]) * rng.uniform(0.7, 1.3)
            made = record(rng, said, voices.pick(rng), snr, before, after)
            if len(made.pcm) > SECONDS_MAX * espeak.RATE:
                continue
            yield made
        count -= 1


def held_out(grammar, each, rng):
    """`each` recordings of each group at each level of noise, and as many again without speech."""
    uses = collections.Counter()
    for group in voices.GROUPS:
        for level, snr in SNR_DB.items():
            for i in range(each):
                said = [grammar.of_split("heldout", rng, uses) for _ in range(2 if i % 4 == 3 else 1)]
                made = record(rng, said, voices.pick(rng, group), snr, rng.uniform(0, 1), rng.uniform(0.1, 0.8))
                made.about = group + ", " + level
                yield made
    for _ in range(4 * each):
        yield nothing(rng)


def write_training(path, grammar, count, rng):  # the split is the file's name
    banks, lengths, samples, words, starts, ends, counts = [], [], [], [], [], [], []
    ids = {t: i for i, t in enumerate(grammar.tokens)}
    for made in training(grammar, path.stem, count, rng):
        bank = features.filter_bank(made.pcm)
        banks.append(bank.numpy().astype(numpy.float16))
        lengths.append(len(bank))
        samples.append(len(made.pcm))
        said = [w for s in made.sentences for w in s.words]
        words += [ids[w] for w in said]
        starts += [b for b, _ in made.spans]
        ends += [e for _, e in made.spans]
        counts.append(len(said))
    numpy.savez(path, banks=numpy.concatenate(banks), lengths=numpy.array(lengths), samples=numpy.array(samples),
                words=numpy.array(words, numpy.int16), starts=numpy.array(starts, numpy.float32),
                ends=numpy.array(ends, numpy.float32), counts=numpy.array(counts))
    return sum(samples) / espeak.RATE


def write_held_out(path, grammar, each, rng):
    made = list(held_out(grammar, each, rng))
    numpy.savez(path, pcm=numpy.concatenate([m.pcm for m in made]), samples=numpy.array([len(m.pcm) for m in made]),
                texts=numpy.array([" ".join(s.shown for s in m.sentences) for m in made]),
                words=numpy.array([" ".join(w for s in m.sentences for w in s.words) for m in made]),
                sentences=numpy.array([len(m.sentences) for m in made]), voices=numpy.array([m.voice for m in made]),
                about=numpy.array([m.about for m in made]))
    return sum(len(m.pcm) for m in made) / espeak.RATE


def main():
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--count", type=int, default=16000, help="recordings to train with")
    asked.add_argument("--each", type=int, default=40, help="held-out recordings a group and level of noise")
    asked.add_argument("--seed", type=int, default=12)
    asked.add_argument("--into", type=pathlib.Path, default=HERE / "data")
    a = asked.parse_args()
    a.into.mkdir(parents=True, exist_ok=True)
    grammar = Grammar()
    for name, write, count, seed in (("heldout", write_held_out, a.each, a.seed + 1),
                                     ("dev", write_training, 300, a.seed + 2), ("train", write_training, a.count, a.seed)):
        began = time.time()
        seconds = write(a.into / f"{name}.npz", grammar, count, random.Random(seed))
        print(f"{name}: {seconds / 3600:.2f} h of sound in {time.time() - began:.0f} s", flush=True)


if __name__ == "__main__":
    main()
