"""What the recognizer is trained with: data/*.npz in batches, and what the predictor and decoder are to make of them."""
import collections

import numpy
import torch
import torch.nn.functional as F

import features

SPIKE = 1.5  # frames on either side of a word's end that its sum is spread over
NEAR = 4.0  # frames from a word's end that are counted as the word's
FRAME_MS, CENTRE_MS, EARLY_MS = 60.0, 12.5, 30.0
BLANK = 0

Batch = collections.namedtuple("Batch", "x chunks rest weights near label words word_count")


class Recordings:
    def __init__(self, path, most=None):
        data = numpy.load(path)
        self.banks = torch.from_numpy(data["banks"])
        self.lengths, self.samples, self.counts = (data[n][:most] for n in ("lengths", "samples", "counts"))
        self.words, self.starts, self.ends = data["words"], data["starts"], data["ends"]
        self.bank_at = numpy.concatenate([[0], numpy.cumsum(self.lengths)])
        self.word_at = numpy.concatenate([[0], numpy.cumsum(self.counts)])
        self.steps = [features.steps_of(int(n)) for n in self.samples]

    def __len__(self):
        return len(self.lengths)

    def frames(self, i):
        return features.CHUNK * self.steps[i][0] + self.steps[i][1]

    def stacked(self, i, disturb=None):
        bank = self.banks[self.bank_at[i]:self.bank_at[i + 1]].float()
        return features.stacked(disturb(bank) if disturb else bank, self.frames(i))

    def targets(self, i):
        """Of each frame: how much of a token it holds, which word of the utterance ends near it (-1: none), and the id
        of the word that is being said (BLANK: none)."""
        count, at = self.frames(i), slice(self.word_at[i], self.word_at[i + 1])
        ids, frame = self.words[at].astype(numpy.int64), numpy.arange(count)
        weights, near, label = numpy.zeros(count), numpy.full(count, -1), numpy.full(count, BLANK)
        if len(ids) == 0 or count == 0:
            return weights, near, label, ids
        to_frame = lambda s, early: (s * 1000 - CENTRE_MS - early) / FRAME_MS
        ends = numpy.clip(to_frame(self.ends[at], EARLY_MS), 0, count - 1)
        rise = numpy.maximum(0, 1 - numpy.abs(frame[None] - ends[:, None]) / SPIKE)
        weights = (rise / rise.sum(1, keepdims=True)).sum(0)
        distance = numpy.abs(frame[None] - ends[:, None])
        near = numpy.where(distance.min(0) <= NEAR, distance.argmin(0), -1)
        for word, begin, end in zip(ids, to_frame(self.starts[at], 0), to_frame(self.ends[at], 0)):
            label[(frame >= begin) & (frame < end)] = word
        return weights, near, label, ids

    def normalisation(self, count=1500):
        """(shift, scale) of am.mvn."""
        some = torch.cat([self.stacked(i) for i in range(0, len(self), max(1, len(self) // count))])
        return -some.mean(0), 1 / some.std(0)

    def batch(self, indices, shift, scale, disturb=None):
        rows, targets = [self.stacked(i, disturb) for i in indices], [self.targets(i) for i in indices]
        longest = max(1, max(len(r) for r in rows))
        fill = lambda parts, value, to: torch.stack([F.pad(torch.as_tensor(p), (0, to - len(p)), value=value) for p in parts])
        x = torch.stack([F.pad((r + shift) * scale, (0, 0, 0, longest - len(r))) for r in rows])
        chunks, rest = (torch.tensor([self.steps[i][n] for i in indices]) for n in (0, 1))
        words = max(1, max(len(t[3]) for t in targets))
        return Batch(x, chunks, rest, fill([t[0] for t in targets], 0.0, longest).float(),
                     fill([t[1] for t in targets], -1, longest), fill([t[2] for t in targets], BLANK, longest),
                     fill([t[3] for t in targets], BLANK, words), torch.tensor([len(t[3]) for t in targets]))


class Disturb:
    """Level, and bands and times that are missing."""

    def __init__(self, rng):
        self.rng = rng

    def __call__(self, bank):
        bank = (bank + self.rng.uniform(-1.0, 1.0)).clamp(min=features.FLOOR)
        mean = bank.mean()
        if self.rng.random() < 0.4:
            at, width = self.rng.randrange(features.MELS), self.rng.randint(2, 12)
            bank[:, at:at + width] = mean
        if self.rng.random() < 0.3 and len(bank) > 20:
            at, width = self.rng.randrange(len(bank)), self.rng.randint(2, 7)
            bank[at:at + width] = mean
        return bank


def batches(recordings, windows_most, rng):
    """Forever: utterances of like length, so many windows together."""
    while True:
        order = sorted(range(len(recordings)), key=lambda i: recordings.frames(i) * rng.uniform(0.85, 1.15))
        made, at = [], 0
        while at < len(order):
            end, longest = at, 1
            while end < len(order):
                longest = max(longest, recordings.steps[order[end]][0] + 1)
                if longest * (end - at + 1) > windows_most:
                    break
                end += 1
            made.append(order[at:max(end, at + 1)])
            at = max(end, at + 1)
        rng.shuffle(made)
        yield from made
