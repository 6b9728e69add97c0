#!/usr/bin/env python3
"""A small random FSMN-VAD checkpoint and what funasr makes of sounds: tests/fixtures/speech/vad/.

model/ has the publisher's files (model.pt, config.yaml, am.mvn). sounds.json: spans of sounds that the tests make
again from their seeds (a linear congruential generator), whole and in chunks, under both rules. endpoints.json: spans
of made-up probabilities of silence.
"""
import json
import math
import pathlib
import random
import shutil
import sys

import numpy
import torch
import yaml
from funasr import AutoModel
from funasr.models.fsmn_vad_streaming.model import DEFAULT_SILENCE_SCHEDULE

ROOT = pathlib.Path(__file__).resolve().parents[1] / "fixtures" / "speech" / "vad"
RATE = 16000
NETWORK = {"input_dim": 400, "input_affine_dim": 8, "fsmn_layers": 2, "linear_dim": 12, "proj_dim": 6, "lorder": 20,
           "rorder": 0, "lstride": 1, "rstride": 0, "output_affine_dim": 8, "output_dim": 5}
RULES = {"sample_rate": RATE, "detect_mode": 1, "snr_mode": 0, "max_end_silence_time": 800,
         "max_start_silence_time": 3000, "do_start_point_detection": True, "do_end_point_detection": True,
         "window_size_ms": 200, "sil_to_speech_time_thres": 150, "speech_to_sil_time_thres": 150,
         "speech_2_noise_ratio": 1.0, "do_extend": 1, "lookback_time_start_point": 200,
         "lookahead_time_end_point": 100, "max_single_segment_time": 60000, "snr_thres": -100.0,
         "noise_frame_num_used_for_snr": 100, "decibel_thres": -100.0, "speech_noise_thres": 0.6,
         "fe_prior_thres": 0.0001, "silence_pdf_num": 1, "sil_pdf_ids": [0], "speech_noise_thresh_low": -0.1,
         "speech_noise_thresh_high": 0.3, "output_frame_probs": False, "frame_in_ms": 10, "frame_length_ms": 25}
FRONT = {"fs": RATE, "window": "hamming", "n_mels": 80, "frame_length": 25, "frame_shift": 10, "dither": 0.0,
         "lfr_m": 5, "lfr_n": 1}


class Noise:
    def __init__(self, seed):
        self.state = seed

    def next(self, n):
        self.state = (self.state * 1664525 + 1013904223) % 2**32
        return (self.state >> 8) % n


def sound(seed, parts):
    """[milliseconds, loud] after another: noise of 16 bits."""
    noise, out = Noise(seed), []
    for ms, loud in parts:
        size = 8000 if loud else 40
        out += [(noise.next(2 * size + 1) - size) / 32768 for _ in range(ms * RATE // 1000)]
    return numpy.array(out, dtype=numpy.float32)


def write_model(folder):
    folder.mkdir(parents=True)
    config = {"model": "FsmnVADStreaming", "model_conf": RULES, "encoder": "FSMN", "encoder_conf": NETWORK,
              "frontend": "WavFrontendOnline", "frontend_conf": FRONT}
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    g = torch.Generator().manual_seed(4)
    rand = lambda *shape, scale: torch.randn(*shape, generator=g) * scale
    n, state = NETWORK, {}

    def affine(name, rows, columns, bias=True):
        state[f"encoder.{name}.linear.weight"] = rand(rows, columns, scale=1 / columns**0.5)
        if bias:
            state[f"encoder.{name}.linear.bias"] = rand(rows, scale=0.2)

    affine("in_linear1", n["input_affine_dim"], n["input_dim"])
    affine("in_linear2", n["linear_dim"], n["input_affine_dim"])
    for i in range(n["fsmn_layers"]):
        affine(f"fsmn.{i}.linear", n["proj_dim"], n["linear_dim"], bias=False)
        state[f"encoder.fsmn.{i}.fsmn_block.conv_left.weight"] = rand(n["proj_dim"], 1, n["lorder"], 1, scale=0.15)
        affine(f"fsmn.{i}.affine", n["linear_dim"], n["proj_dim"])
    affine("out_linear1", n["output_affine_dim"], n["linear_dim"])
    affine("out_linear2", n["output_dim"], n["output_affine_dim"])
    torch.save(state, folder / "model.pt")
    row = lambda values: " ".join(f"{v:.4g}" for v in values)
    r = random.Random(2)
    (folder / "am.mvn").write_text(
        "<Nnet> \n<Splice> 400 400 \n[ 0 ]\n<AddShift> 400 400 \n<LearnRateCoef> 0 [ "
        + row([-12 + r.random() for _ in range(80)] * 5) + " ]\n<Rescale> 400 400 \n<LearnRateCoef> 0 [ "
        + row([0.2 + r.random() * 0.1 for _ in range(80)] * 5) + " ]\n</Nnet> \n")


def loaded(folder):
    auto = AutoModel(model=str(folder), device="cpu", disable_update=True, disable_pbar=True)
    return auto.model, auto.kwargs["frontend"]


def tune(folder):
    """The output for silence is turned and moved so that loud and quiet frames fall on both sides of the threshold; the
    others are equal."""
    state = torch.load(folder / "model.pt")
    weight, bias = state["encoder.out_linear2.linear.weight"], state["encoder.out_linear2.linear.bias"]
    weight[1:], bias[1:] = 0, 0
    torch.save(state, folder / "model.pt")
    model, front = loaded(folder)
    scores = watched(model)
    ask(model, front, sound(1, [(2000, False), (2000, True)]), chunk_size=60000, is_final=True)
    others = math.log(NETWORK["output_dim"] - 1)
    silence = torch.cat(scores, dim=1)[0, :, 0].logit() + others
    quiet, loud = silence[20:180].mean(), silence[220:380].mean()
    gain = 5 / (quiet - loud)
    weight[0] *= gain
    bias[0] = (bias[0] - (quiet + loud) / 2) * gain + others - 0.9
    torch.save(state, folder / "model.pt")


def watched(model):
    scores, forward = [], model.encoder.forward

    def watch(*args, **kwargs):
        scores.append(forward(*args, **kwargs))
        return scores[-1]

    model.encoder.forward = watch
    return scores


def ask(model, front, samples, cache=None, **more):
    got, _ = model.inference([torch.from_numpy(samples)], key=["k"], frontend=front, device="cpu",
                             cache={} if cache is None else cache, **more)
    return got[0]["value"]


def sounds(folder):
    """Spans, and how near a frame came to the threshold; frames that are told are kept for the shortest sound."""
    rng, out = random.Random(7), []
    for seed in range(10):
        parts = [(rng.choice([60, 130, 170, 300, 600, 900, 1500]), i % 2 == seed % 2) for i in range(rng.randint(2, 9))]
        if seed == 0:
            parts = [(700, False)]
        samples = sound(100 + seed, parts)
        one = {"seed": 100 + seed, "parts": parts, "answers": []}
        for chunk in (60000, 200, 60):
            for dynamic in (False, True):
                model, front = loaded(folder)
                scores, cache, spans = watched(model), {}, []
                more = {"chunk_size": chunk, "dynamic_silence": dynamic}
                size = chunk * RATE // 1000
                for at in range(0, len(samples), size):
                    last = at + size >= len(samples)
                    spans.append(ask(model, front, samples[at:at + size], cache, is_final=last,
                                     is_streaming_input=chunk < 60000, **more))
                p = torch.cat(scores, dim=1)[0, :, 0].double()
                margin = (1 - 2 * p - (0.5 if dynamic else 0.6)).abs().min().item()
                one["answers"].append({"chunk_ms": chunk, "dynamic": dynamic, "spans": spans, "frames": len(p)})
                if seed == 1 and chunk == 60000 and not dynamic:
                    one["silence"] = [round(x, 6) for x in p.tolist()[:60]]
                print(seed, chunk, dynamic, [s for s in spans if s][:6], "frames", len(p), "margin", margin,
                      "speech", (p < 0.2).float().mean().item(), file=sys.stderr)
                assert margin > 2e-5
        out.append(one)
    (ROOT / "sounds.json").write_text(json.dumps(out, separators=(",", ":")))


def endpoints(folder):
    """The state machine alone. Frames are runs of [count, thousandths of silence]."""
    rng, out = random.Random(23), []
    rules = [{}, {}, {"do_extend": 0}, {"max_end_silence_time": 300}, {"max_single_segment_time": 3000},
             {"window_size_ms": 100, "sil_to_speech_time_thres": 60, "speech_to_sil_time_thres": 40},
             {"lookback_time_start_point": 0, "lookahead_time_end_point": 300}, {"speech_noise_thres": 0.2}]
    for i in range(64):
        model, _ = loaded(folder)
        changed = rules[i % len(rules)]
        for key, value in changed.items():
            setattr(model.vad_opts, key, value)
        dynamic, whole = i % 3 == 2, i % 5 == 4
        chunk = 60000 if whole else rng.choice([20, 60, 100, 500])
        counts = [1, 2, 5, 12, 20, 40, 90, 200, 700 if i % 4 == 0 else 30]
        runs = [[rng.choice(counts), rng.choice([1, 50, 190, 210, 240, 260, 500, 900, 999])]
                for _ in range(rng.randint(1, 40))]
        frames = [p / 1000 for n, p in runs for _ in range(n)]
        cache = model.init_cache({})
        stats, accumulated, speaking, told = cache["stats"], 0, False, []
        size = chunk // 10
        for at in range(0, len(frames), size):
            part = frames[at:at + size]
            if dynamic:
                if stats.vad_state_machine.value == 2 or speaking:
                    accumulated, speaking = accumulated + chunk, True
                for limit, silence in DEFAULT_SILENCE_SCHEDULE:
                    if accumulated <= limit:
                        stats.max_end_sil_frame_cnt_thresh = max(silence - model.vad_opts.speech_to_sil_time_thres, 0)
                        stats.speech_noise_thres = 0.5
                        break
            scores = torch.tensor([[[p, 1 - p] for p in part]], dtype=torch.float64)
            model.encoder.forward = lambda feats, cache: scores
            waveform = torch.zeros(1, 160 * (len(part) - 1) + 400)
            got = model.forward(feats=torch.zeros(1, len(part), 400), waveform=waveform, cache=cache,
                                is_final=at + size >= len(frames), is_streaming_input=not whole)
            if got:
                accumulated, speaking = 0, False
                told.append([at // size, got[0]])
        out.append({"rules": changed, "dynamic": dynamic, "whole": whole, "chunk_ms": chunk, "runs": runs,
                    "told": told})
    print("endpoints", len(out), "with spans", sum(bool(o["told"]) for o in out), "spans",
          sum(len(s) for o in out for _, s in o["told"]), file=sys.stderr)
    (ROOT / "endpoints.json").write_text(json.dumps(out, separators=(",", ":")))


if __name__ == "__main__":
    torch.set_num_threads(1)
    shutil.rmtree(ROOT, ignore_errors=True)
    with torch.no_grad():
        write_model(ROOT / "model")
        tune(ROOT / "model")
        sounds(ROOT / "model")
        endpoints(ROOT / "model")
