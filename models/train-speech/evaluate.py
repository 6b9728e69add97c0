#!/usr/bin/env python3
"""Judges the published models by what the server hears of held-out recordings, and writes REPORT.md, report.json and the
samples beside the models. Nothing here is trained with; TROUPE_BINARY names the server, else build/release/troupe."""
import collections
import difflib
import json
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile
import wave

import numpy
import torch

import espeak
import features
import recordings
import report
import served
import train_recognizer
import voices
from grammar import Grammar, split_of
from make_data import SNR_DB
from network import Paraformer, Shape, Terms

HERE = pathlib.Path(__file__).parent
MODELS = HERE.parent / "speech-demo"
FIRST = next(iter(served.CHUNKS))
SAMPLE_BYTES_MAX = 150_000


class HeldOut:
    def __init__(self, path):
        data = numpy.load(path)
        at = numpy.concatenate([[0], numpy.cumsum(data["samples"])])
        pcm = data["pcm"]  # once: the file is read at each asking
        self.pcm = [pcm[b:e] for b, e in zip(at, at[1:])]
        self.words = [w.split() for w in data["words"]]
        self.texts, self.voices, self.about = (data[n].tolist() for n in ("texts", "voices", "about"))
        self.speech = [i for i, a in enumerate(self.about) if a != "no speech"]
        self.silent = [i for i, a in enumerate(self.about) if a == "no speech"]


def errors(heard, said):
    """(edits, words said) over many."""
    return sum(train_recognizer.edits(h, s) for h, s in zip(heard, said)), sum(map(len, said))


def rate(heard, said):
    wrong, of = errors(heard, said)
    return wrong / max(1, of)


def differences(heard, said):
    """The commonest: words put for others, left out, put in."""
    kinds = {"put for another": collections.Counter(), "left out": collections.Counter(), "put in": collections.Counter()}
    for h, s in zip(heard, said):
        for what, a, b, c, d in difflib.SequenceMatcher(None, s, h, autojunk=False).get_opcodes():
            if what == "replace" and b - a == d - c:
                kinds["put for another"].update(f"{x} -> {y}" for x, y in zip(s[a:b], h[c:d]))
            elif what != "equal":
                kinds["left out"].update(s[a:b])
                kinds["put in"].update(h[c:d])
    return {k: c.most_common(12) for k, c in kinds.items()}


def recognition(server, held):
    said, out = [held.words[i] for i in held.speech], {}
    for name, terms in served.CHUNKS.items():
        heard = [t.split() for t in server.hear([held.pcm[i] for i in held.speech], terms)]
        out[name] = {"wer": rate(heard, said), "exact": sum(h == s for h, s in zip(heard, said)) / len(said)}
        if name == FIRST:
            cell = lambda want: [(h, s) for h, s, i in zip(heard, said, held.speech) if want(held.about[i])]
            out["groups"] = {g: {lv: rate(*zip(*cell(lambda a: a == f"{g}, {lv}"))) for lv in SNR_DB} for g in voices.GROUPS}
            out["levels"] = {lv: rate(*zip(*cell(lambda a: a.endswith(", " + lv)))) for lv in SNR_DB}
            out["differences"], out["heard"] = differences(heard, said), heard
            out["words"], out["recordings"] = sum(map(len, said)), len(said)
    return out


def nothing_said(server, held):
    heard = [t.split() for t in server.hear([held.pcm[i] for i in held.silent], served.CHUNKS[FIRST])]
    minutes = sum(len(held.pcm[i]) for i in held.silent) / espeak.RATE / 60
    return {"recordings": len(heard), "with_words": sum(map(bool, heard)), "words_a_minute": sum(map(len, heard)) / minutes}


def another_synthesiser(server, count=80):
    """What the server hears of flite's voices; None where it is not installed."""
    if not shutil.which("flite"):
        return None
    grammar, rng, said, pcm, names = Grammar(), random.Random(7), [], [], ["slt", "rms", "awb", "kal16"]
    with tempfile.TemporaryDirectory() as folder:
        for i in range(count):
            s = grammar.of_split("heldout", rng, collections.Counter())
            file = pathlib.Path(folder) / "said.wav"
            subprocess.run(["flite", "-voice", names[i % 4], "-t", s.spoken, "-o", file], check=True)
            with wave.open(str(file)) as f:
                pcm.append(numpy.frombuffer(f.readframes(f.getnframes()), "<i2"))
            said.append(list(s.words))
    heard = [t.split() for t in server.hear(pcm, served.CHUNKS[FIRST])]
    return {"recordings": count, "voices": names, "wer": {n: rate(heard[k::4], said[k::4]) for k, n in enumerate(names)}}


def heard_in_training(held, data):
    """What training's own computation, in fp32, hears of the speech."""
    kept = torch.load(data / "recognizer.pt", weights_only=True)
    model = Paraformer(Shape(**kept["shape"]))
    model.load_state_dict(kept["model"])
    out = []
    for i in held.speech:
        chunks, rest = features.steps_of(len(held.pcm[i]))
        x = features.stacked(features.filter_bank(held.pcm[i]), chunks * features.CHUNK + rest)
        batch = recordings.Batch(((x + kept["shift"]) * kept["scale"])[None], torch.tensor([chunks]),
                                       torch.tensor([rest]), *[None] * 5)
        out.append([kept["tokens"][j] for j in train_recognizer.heard(model, batch, Terms(5, 5, 4, 0))[0]])
    return out


def texts_of(grammar, rng, count):
    """Held-out sentences, several in a row: (words, marks)."""
    for _ in range(count):
        words, marks = [], []
        for _ in range(rng.choice([1, 1, 2, 3, 4])):
            while split_of((s := grammar.sentence(rng)).words) != "heldout":
                pass
            words += s.words
            marks += s.marks
        yield words, marks


def punctuation(server):
    """Precision, recall and F1 of each mark on texts without recognition errors."""
    right, given, true, whole, count = (collections.Counter(), collections.Counter(), collections.Counter(), 0, 400)
    for words, marks in texts_of(Grammar(), random.Random(99), count):
        answer = server.punctuated(" ".join(words))["output"].split()
        got = [w[-1] if w[-1] in ",.?" else "" for w in answer]
        whole += got == list(marks)
        given.update(got)
        true.update(marks)
        right.update(g for g, m in zip(got, marks) if g == m)
    score = lambda m: {"precision": right[m] / max(1, given[m]), "recall": right[m] / max(1, true[m]), "marks": true[m],
                       "f1": 2 * right[m] / max(1, given[m] + true[m])}
    return {"texts": count, "whole": whole / count, "marks": {m: score(m) for m in (",", ".", "?")}}


def end_to_end(server, held):
    out = {}
    for level in SNR_DB:
        which = [i for i in held.speech if held.about[i].endswith(", " + level)]
        heard = server.hear([held.pcm[i] for i in which], served.CHUNKS[FIRST], "2pass")
        out[level] = sum(h == held.texts[i] for h, i in zip(heard, which)) / len(which)
    return out


def write_samples(server, held, trained, folder):
    """Three noisy recordings of voices or an accent that were not trained on, which server and training's computation hear right:
    they are there to work on every machine, and chosen for it."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    index, wanted = [], {"sentence": lambda ends, words: ends == "." and words >= 7,
                         "question": lambda ends, words: ends == "?" and words >= 6,
                         "two-sentences": lambda ends, words: len(ends) == 2 and words >= 7}
    for name, fits in wanted.items():
        for i, alone in zip(held.speech, trained):
            ends, level = "".join(c for c in held.texts[i] if c in ".?"), held.about[i].split(", ")[1]
            if held.about[i].startswith("voices of training") or level not in ("20 dB", "10 dB"):
                continue
            if not fits(ends, len(held.words[i])) or len(held.pcm[i]) * 2 + 44 > SAMPLE_BYTES_MAX:
                continue
            if alone != held.words[i] or held.voices[i] in [s["voice"] for s in index]:
                continue
            if any(server.hear([held.pcm[i]], t, "2pass")[0] != held.texts[i] for t in served.CHUNKS.values()):
                continue
            with wave.open(str(folder / f"{name}.wav"), "wb") as f:
                f.setnchannels(1), f.setsampwidth(2), f.setframerate(espeak.RATE)
                f.writeframes(held.pcm[i].astype("<i2").tobytes())
            index.append({"file": f"{name}.wav", "text": held.texts[i], "voice": held.voices[i], "noise": level})
            break
        else:
            print(f"no sample for {name}: none was heard right", file=sys.stderr)
    (folder / "samples.json").write_text(json.dumps(index, indent=1) + "\n")
    return index


def main():
    torch.set_num_threads(1)
    data, models = HERE / "data", MODELS
    held = HeldOut(data / "heldout.npz")
    trained = heard_in_training(held, data)
    with served.serving(models) as server:
        found = {"load_ms": server.loaded_ms(), "recognition": recognition(server, held),
                 "no_speech": nothing_said(server, held),
                 "another_synthesiser": another_synthesiser(server), "punctuation": punctuation(server),
                 "end_to_end": end_to_end(server, held), "samples": write_samples(server, held, trained, models / "samples")}
    found["agreement"] = sum(a == b for a, b in zip(trained, found["recognition"].pop("heard"))) / len(trained)
    found["bytes"] = {n: sum(p.stat().st_size for p in (models / n).iterdir()) for n in ("streaming_asr", "punctuation")}
    found["vocabulary"] = len(Grammar().vocabulary)
    (models / "report.json").write_text(json.dumps(found, indent=1) + "\n")
    (models / "REPORT.md").write_text(report.written(found))
    print(report.written(found))


if __name__ == "__main__":
    main()
