#!/usr/bin/env python3
"""FunASR's own Python runtime on the benchmark's checkpoint, one stream at a time, and the bare products of its shapes.
Needs the environment of scripts/parity-speech.txt; bench/speech_others.py drives it.

    speech_peer.py FOLDER

A JSON line in, a JSON line out, until its input ends. `terms` is {"chunk_size": [0, 10, 5], "encoder_chunk_look_back": 4,
"decoder_chunk_look_back": 1}:

    {"do": "hear", "terms": .., "threads": 1, "seconds": 3}      -> {"rate": .., "steps": ..}   seconds of sound a second
    {"do": "utter", "terms": .., "who": 2, "sound_s": 30}         -> {"texts": [..]}            as bench/speech_clients.py's
    {"do": "cache", "terms": ..}                                  -> {"bytes": ..}              of a session that is heard
    {"do": "products", "precision": "fp32", "lines": .., "tokens": .., "slots": 2, "seconds": 2}
        -> {"passes": .., "gflops": .., "kernels": {..}}   passes: the products of a batch, so many times a second
    {"do": "versions"}                                            -> {"funasr": .., "torch": ..}
"""
from __future__ import annotations

import json
import logging
import os
import pathlib
import sys
import time
from importlib import metadata

import numpy
import torch

import speech_products
from speech_session import APART_SAMPLES, RATE

FRAME = 960  # samples of an encoder's frame
SETTLED_STEPS = 6  # after which a look back of four chunks is full


def quiet_front_end() -> None:
    """Without dither: the class's default is noise, and generate() sets it again whatever the model's own says."""
    import funasr.frontends.wav_frontend as wav_frontend
    fbank = wav_frontend.kaldi.fbank
    wav_frontend.kaldi.fbank = lambda *a, **k: fbank(*a, **{**k, "dither": 0.0})


class FunAsr:
    """As its users run it: AutoModel.generate, a chunk a call, over a cache of the caller's."""

    def __init__(self, folder: pathlib.Path):
        from funasr import AutoModel
        quiet_front_end()
        logging.disable(logging.WARNING)
        self.auto = AutoModel(model=str(folder), device="cpu", ncpu=1, disable_update=True, disable_pbar=True)
        self.wave = numpy.frombuffer((folder / "sound.pcm").read_bytes(), dtype="<i2").astype("float32") / 32768

    def step(self, terms: dict, cache: dict, at: int) -> str:
        """The text of the chunk that begins with this sample of the sound."""
        size = terms["chunk_size"][1] * FRAME
        with torch.inference_mode():
            found = self.auto.generate(input=self.wave[at:at + size], cache=cache, is_final=False, **terms)
        return found[0]["text"] if found else ""

    def steps(self, terms: dict, sound_s: float) -> list[str]:
        """What each step says."""
        cache, size = {}, terms["chunk_size"][1] * FRAME
        return [self.step(terms, cache, n * size) for n in range(int(sound_s * RATE) // size)]

    def utter(self, terms: dict, who: int, sound_s: float) -> list[str]:
        texts = []
        for n in range(who):
            piece = self.wave[n * APART_SAMPLES:n * APART_SAMPLES + int(sound_s * RATE)]
            with torch.inference_mode():
                texts.append(self.auto.generate(input=piece, cache={}, is_final=True, **terms)[0]["text"])
        return texts

    def hear(self, terms: dict, threads: int, seconds: float) -> dict:
        self.auto.kwargs["ncpu"] = threads
        torch.set_num_threads(threads)
        cache, size, steps = {}, terms["chunk_size"][1] * FRAME, 0
        begin = time.perf_counter()
        while steps <= SETTLED_STEPS or time.perf_counter() - begin < seconds:
            if steps == SETTLED_STEPS:
                begin = time.perf_counter()
            self.step(terms, cache, steps * size % (len(self.wave) - size))
            steps += 1
        took = time.perf_counter() - begin
        return {"rate": (steps - SETTLED_STEPS) * size / RATE / took, "steps": steps - SETTLED_STEPS,
                "threads": torch.get_num_threads()}

    def cache_bytes(self, terms: dict) -> int:
        cache, size = {}, terms["chunk_size"][1] * FRAME
        for n in range(SETTLED_STEPS):
            self.step(terms, cache, n * size)
        return bytes_of(cache)


def bytes_of(what) -> int:
    if isinstance(what, torch.Tensor):
        return what.numel() * what.element_size()
    if isinstance(what, numpy.ndarray):
        return what.nbytes
    if isinstance(what, dict):
        return sum(map(bytes_of, what.values()))
    return sum(map(bytes_of, what)) if isinstance(what, (list, tuple)) else 0


class Peer:
    def __init__(self, folder: pathlib.Path):
        self.folder, self.funasr, self.products = folder, None, None

    def answer(self, ask: dict) -> dict:
        if ask["do"] == "versions":
            return {name: metadata.version(name) for name in ("funasr", "torch")}
        if ask["do"] == "products":
            if self.products is None:
                self.products = speech_products.Products()
            return self.products.measure(*(ask[key] for key in ("precision", "lines", "tokens", "slots", "seconds")))
        if self.funasr is None:
            self.funasr = FunAsr(self.folder)
        if ask["do"] == "hear":
            return self.funasr.hear(ask["terms"], ask["threads"], ask["seconds"])
        if ask["do"] == "utter":
            return {"texts": self.funasr.utter(ask["terms"], ask["who"], ask["sound_s"])}
        return {"bytes": self.funasr.cache_bytes(ask["terms"])}


def main() -> int:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # libraries print; answers have the stream to themselves
    peer = Peer(pathlib.Path(sys.argv[1]))
    for line in sys.stdin:
        try:
            answer = peer.answer(json.loads(line))
        except Exception as e:  # noqa: BLE001 - told to who asked
            answer = {"error": f"{type(e).__name__}: {' '.join(str(e).split())[:300]}"}
        print(json.dumps(answer), file=answers, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
