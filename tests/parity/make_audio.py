#!/usr/bin/env python3
"""What torchaudio's kaldi.fbank and FunASR's front-ends make of a sound: tests/fixtures/speech/audio/.

Numbers are little-endian, row after row: .s16, .f32. `lfr.json` has rows as the indices of the frames that they are
made of."""
import json
import pathlib
import random
import sys

import numpy as np
import torch
import torchaudio.compliance.kaldi as kaldi
from funasr.frontends import wav_frontend
from funasr.frontends.wav_frontend import WavFrontend, WavFrontendOnline

ROOT = pathlib.Path(__file__).resolve().parents[1] / "fixtures" / "speech" / "audio"
RATE = 16000
SETTINGS = dict(fs=RATE, window="hamming", n_mels=80, frame_length=25, frame_shift=10)


def sound():
    """1.5 s: a voice-like sweep, exact silence, the least noise that 16 bits have, a clipped tone, a constant."""
    rng = np.random.default_rng(5)
    t = np.arange(int(RATE * .6)) / RATE
    phase = 2 * np.pi * np.cumsum(110 + 60 * np.sin(2 * np.pi * 1.7 * t)) / RATE
    voice = sum(np.sin(k * phase) / k for k in range(1, 40)) * (.5 + .5 * np.sin(2 * np.pi * 4 * t)) * 3500
    voice = voice + rng.normal(size=t.size) * 60
    loud = np.clip(60000 * np.sin(2 * np.pi * 997 * np.arange(int(RATE * .3)) / RATE), -32768, 32767)
    parts = [voice, np.zeros(int(RATE * .15)), rng.integers(-1, 2, int(RATE * .2)), loud,
             rng.normal(size=int(RATE * .2)) * 4000 + 9000, np.full(857, 512)]
    return np.rint(np.concatenate(parts)).astype("<i2")


def without_dither():
    """generate() and the like set the front-end's own dither again: it is forced where it is used."""
    fbank = kaldi.fbank
    wav_frontend.kaldi.fbank = lambda *args, **named: fbank(*args, **{**named, "dither": 0.0})


def write_mvn(path, width):
    rng = np.random.default_rng(6)
    row = lambda values: "<LearnRateCoef> 0 [ " + " ".join(f"{v:.6g}" for v in values) + " ]"
    path.write_text("\n".join([
        "<Nnet> ", f"<Splice> {width} {width}", "[ 0 ]", f"<AddShift> {width} {width} ", row(rng.normal(-11, 2, width)),
        f"<Rescale> {width} {width} ", row(rng.uniform(.1, .3, width)), "</Nnet> "]) + "\n")


def online(front, samples, pieces):
    """Features of the pieces, one tensor a call; the last call is final."""
    cache, at, out = {}, 0, []
    for i, size in enumerate(pieces):
        piece = samples[at:at + size][None]
        at += size
        feats, _ = front(piece, torch.tensor([size]), cache=cache, is_final=i + 1 == len(pieces))
        out.append(feats[0] if feats.ndim == 3 else torch.empty(0, front.output_size()))
    assert at == len(samples)
    return out


class Ramp(WavFrontendOnline):
    """Frames come as they are given, one number each."""

    def forward_fbank(self, input, input_lengths, cache=None, **kwargs):
        if input.shape[1] == 0:
            return torch.empty(0), torch.empty(0), torch.empty(0)
        return torch.zeros(1, 400 + 160 * (input.shape[1] - 1)), input[:, :, None], torch.tensor([input.shape[1]])


def lfr_cases():
    rng = random.Random(7)
    cases = []
    for m, n in [(7, 6), (5, 1), (1, 1), (3, 2), (4, 3), (2, 1), (6, 6), (2, 3)]:
        for count in [1, 2, 3, 4, 5, 6, 7, 8, 12, 13, 61]:
            ramp = torch.arange(count, dtype=torch.float32)[:, None]
            rows = wav_frontend.apply_lfr(ramp, m, n).int().tolist() if (m, n) != (1, 1) else ramp.int().tolist()
            case = dict(m=m, n=n, count=count, rows=rows)
            if n < m:  # elsewhere the streaming one keeps a frame too many, or fails
                pieces, left = [], count
                while left:
                    pieces.append(min(left, rng.randint(1, 9)))
                    left -= pieces[-1]
                if rng.random() < .5:
                    pieces.append(0)
                got = online(Ramp(lfr_m=m, lfr_n=n), ramp[:, 0], pieces)
                assert torch.cat([g.reshape(-1, m) for g in got]).int().tolist() == rows, (m, n, pieces)
                case.update(pieces=pieces, given=[len(g) for g in got])
            cases.append(case)
    return cases


def main():
    ROOT.mkdir(parents=True, exist_ok=True)
    without_dither()
    pcm = sound()
    (ROOT / "sound.s16").write_bytes(pcm.tobytes())
    samples = torch.from_numpy(pcm.astype(np.float32) / 32768)

    asked = dict(num_mel_bins=80, frame_length=25, frame_shift=10, energy_floor=0.0, window_type="hamming",
                 sample_frequency=RATE, snip_edges=True)
    banks = kaldi.fbank(samples[None] * 32768, **asked)
    (ROOT / "fbank.f32").write_bytes(banks.numpy().astype("<f4").tobytes())
    asked.update(num_mel_bins=23, frame_length=32, frame_shift=16, sample_frequency=8000)
    (ROOT / "fbank_8k.f32").write_bytes(kaldi.fbank(samples[None] * 32768, **asked).numpy().astype("<f4").tobytes())

    write_mvn(ROOT / "am.mvn", 560)
    settings = dict(SETTINGS, cmvn_file=str(ROOT / "am.mvn"), lfr_m=7, lfr_n=6)
    whole, _ = WavFrontend(**settings)(samples[None], torch.tensor([len(samples)]))
    (ROOT / "features.f32").write_bytes(whole[0].numpy().astype("<f4").tobytes())

    rng = random.Random(8)
    streams = []
    vad = WavFrontendOnline(**SETTINGS, lfr_m=5, lfr_n=1)
    for front, reference in [(WavFrontendOnline(**settings), whole[0]), (vad, None)]:
        for chunk in [9600, 960, 160, 401, None]:
            pieces, left = [], len(samples)
            while left:
                pieces.append(min(left, chunk or rng.randint(1, 4000)))
                left -= pieces[-1]
            got = online(front, samples, pieces)
            if reference is not None:
                print(chunk, "online to offline:", (torch.cat(got) - reference).abs().max().item(), file=sys.stderr)
            streams.append(dict(m=front.lfr_m, n=front.lfr_n, pieces=pieces, given=[len(g) for g in got]))
    (ROOT / "streams.json").write_text(json.dumps(streams))
    (ROOT / "lfr.json").write_text(json.dumps(lfr_cases()))
    print(sum(f.stat().st_size for f in ROOT.iterdir()) // 1024, "KiB", file=sys.stderr)


main()
