#!/usr/bin/env python3
"""What AutoTokenizer gives for small tokenizers of each kind, in both forms of their files:
tests/fixtures/inference/tokenizers.z, JSON under zlib. Needs transformers, tokenizers and sentencepiece, no PyTorch."""
import base64
import json
import pathlib
import sys
import tempfile
import zlib

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import tokenizer_families as made
from transformers import AutoTokenizer

OUT = pathlib.Path(__file__).resolve().parents[1] / "fixtures" / "inference" / "tokenizers.z"
COUNT, LENGTH, PAIR, WINDOW, STRIDE = 160, 9, 24, 12, 3
source = made.texts_of(20261127)
TEXTS = made.FIXED + [source.text()[:160] for _ in range(COUNT - len(made.FIXED))]


def details(e):
    return {"ids": e.ids, "types": e.type_ids, "places": [n for o in e.offsets for n in o], "words": [-1 if w is None else w for w in e.word_ids],
            "special": e.special_tokens_mask}


def expected(t):
    b = t._tokenizer
    b.no_truncation(), b.no_padding()
    out = {"texts": [details(e) for e in b.encode_batch(TEXTS)],
           "specials": [getattr(t, n + "_token_id") for n in ("unk", "cls", "sep", "pad", "mask")]}
    out["decoded"] = [t.decode(e["ids"], skip_special_tokens=bool(i % 2)) for i, e in enumerate(out["texts"])]
    out["joined"] = [t.convert_tokens_to_string(t.convert_ids_to_tokens(e["ids"])) for e in out["texts"][:40]]
    out["left"] = t.truncation_side == "left"
    for side in ("right", "left"):
        b.enable_truncation(LENGTH, direction=side)
        out["cut " + side] = [e.ids for e in b.encode_batch(TEXTS[:80])]
    b.enable_truncation(PAIR)
    if b.num_special_tokens_to_add(True):
        out["pairs"] = [{"ids": e.ids, "types": e.type_ids} for e in b.encode_batch(list(zip(TEXTS[0:120:2], TEXTS[1:120:2])))]
    b.enable_truncation(WINDOW, stride=STRIDE)
    out["windows"] = [[details(w) for w in (e, *e.overflowing)] for e in b.encode_batch(TEXTS[-20:])]
    return out


def main():
    tokenizers = []
    with tempfile.TemporaryDirectory() as root:
        for name, folders in made.families(root).items():
            forms = []
            for folder in folders:
                answers = expected(AutoTokenizer.from_pretrained(folder))
                if not forms:
                    first = answers
                elif answers != first:
                    print(f"{name}: the two forms differ: {[k for k in first if first[k] != answers[k]]}")
                files = {}
                for file in sorted(folder.iterdir()):
                    data = file.read_bytes()
                    files[file.name] = {"base64": base64.b64encode(data).decode()} if file.suffix == ".model" else data.decode()
                forms.append({"files": files, **({} if answers == first else {"answers": answers})})
            tokenizers.append({"name": name, "answers": first, "forms": forms})
    text = json.dumps({"texts": TEXTS, "length": LENGTH, "pair": PAIR, "window": WINDOW, "stride": STRIDE, "tokenizers": tokenizers}, ensure_ascii=False, separators=(",", ":"))
    OUT.write_bytes(zlib.compress(text.encode(), 9))
    print(f"{OUT.name}: {len(tokenizers)} tokenizers, {OUT.stat().st_size} bytes of {len(text)}")


main()
