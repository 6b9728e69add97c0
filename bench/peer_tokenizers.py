#!/usr/bin/env python3
"""Ours and Python's `tokenizers` on the same texts and folders, one thread each. Needs the environment of scripts/parity.txt;
bench/tokenizing.py drives it.

    peer_tokenizers.py TROUPE_TOKENIZE ROUNDS SECONDS

A line of JSON for each folder and length: microseconds a text of each, medians of rounds in turn.
"""
from __future__ import annotations

import json
import os
import pathlib
import re
import statistics
import struct
import subprocess
import sys
import tempfile
import time

os.environ["TOKENIZERS_PARALLELISM"] = "false"
ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests/parity"))

import tokenizer_families as made  # noqa: E402
from tokenizers import Tokenizer, __version__ as version, models, normalizers, pre_tokenizers, trainers  # noqa: E402

# Prose that is there and what goes with it. The families' own tiny vocabularies would cut every word into letters.
PROSE = [line for file in sorted((ROOT / "docs").glob("*.md")) for line in file.read_text().splitlines() if line]
CODE = [line for file in sorted(ROOT.glob("*/**/*.hpp")) if "build" not in file.parts for line in file.read_text().splitlines() if line]
VOCABULARY = 8000
LENGTHS, COUNT = (32, 256), 500


def word_pieces(specials: list[str]) -> str:
    t = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    t.normalizer, t.pre_tokenizer = normalizers.BertNormalizer(lowercase=True), pre_tokenizers.BertPreTokenizer()
    t.train_from_iterator(made.CORPUS, trainers.WordPieceTrainer(vocab_size=VOCABULARY, special_tokens=specials, show_progress=False))
    return "".join(word + "\n" for word, _ in sorted(t.get_vocab().items(), key=lambda pair: pair[1]))


def folders(root: pathlib.Path):
    """Of the kinds that are measured, as tests/parity/ makes them: name, kind, folder."""
    made.CORPUS = PROSE + CODE

    def one(name: str, kind: str, config: dict, files: dict) -> tuple[str, str, pathlib.Path]:
        return name, kind, made.both_forms(root, name, name, config, files)[0]

    yield one("bert", "WordPiece", {"tokenizer_class": "BertTokenizer"},
              {"vocab.txt": word_pieces(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"])})
    vocab, merges = made.byte_level_bpe(VOCABULARY, ["<mask>"], ["<s>", "<pad>", "</s>", "<unk>"])
    yield one("roberta", "byte-level BPE", {"tokenizer_class": "RobertaTokenizer"},
              {"vocab.json": vocab, "merges.txt": "#version: 0.2\n" + "\n".join(merges) + "\n"})
    yield one("xlm-roberta", "unigram", {"tokenizer_class": "XLMRobertaTokenizer"},
              {"sentencepiece.bpe.model": made.spm(VOCABULARY, real_map=True)})
    yield one("deberta-v2", "unigram", {"tokenizer_class": "DebertaV2Tokenizer"},
              {"spm.model": made.spm(VOCABULARY, real_map=True, pad_id=0, bos_id=1, eos_id=2, unk_id=3, pad_piece="[PAD]",
                                     bos_piece="[CLS]", eos_piece="[SEP]", unk_piece="[UNK]")})


def texts_of(tokenizer: Tokenizer, tokens: int) -> list[str]:
    """Pieces of the prose of so many tokens, the two at their ends counted."""
    words = " ".join(PROSE).split()
    out: list[str] = []
    at = 0
    while len(out) < COUNT:
        text = " ".join(words[at:at + 2 * tokens])
        out.append(text[:tokenizer.encode(text).offsets[tokens - 2][1]])
        at += len(out[-1].split())
        if at + 2 * tokens > len(words):
            at = len(out) % 97  # again, shifted
    return out


def ours_us(program: str, folder: pathlib.Path, texts: list[str], seconds: float) -> float:
    """It times itself: reading the folder and the texts is not in it."""
    given = b"".join(struct.pack("<I", len(t)) + t for t in (t.encode() for t in texts))

    def run(count: int) -> float:
        done = subprocess.run([program, str(folder), "time", str(count)], input=given, capture_output=True, check=True)
        return float(re.search(rb"ids ([\d.]+) us", done.stderr).group(1))
    return run(max(1, round(seconds / (len(texts) * run(1) / 1e6))))


def theirs_us(encode, texts: list[str], seconds: float) -> float:
    begin, done = time.perf_counter(), 0
    while done == 0 or time.perf_counter() - begin < seconds:
        encode(texts)
        done += len(texts)
    return 1e6 * (time.perf_counter() - begin) / done


def main() -> int:
    program, rounds, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
    with tempfile.TemporaryDirectory() as root:
        for name, kind, folder in folders(pathlib.Path(root)):
            tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
            tokenizer.no_truncation(), tokenizer.no_padding()
            for tokens in LENGTHS:
                texts = texts_of(tokenizer, tokens)
                found: dict[str, list[float]] = {"ours": [], "encode_batch": [], "encode_batch_fast": []}
                for _ in range(rounds):
                    found["ours"].append(ours_us(program, folder, texts, seconds))
                    found["encode_batch"].append(theirs_us(tokenizer.encode_batch, texts, seconds))
                    found["encode_batch_fast"].append(theirs_us(tokenizer.encode_batch_fast, texts, seconds))
                print(json.dumps({
                    "folder": name, "kind": kind, "version": version, "texts": len(texts), "vocabulary": tokenizer.get_vocab_size(),
                    "tokens": statistics.mean(len(e.ids) for e in tokenizer.encode_batch(texts)),
                    "bytes": statistics.mean(len(t.encode()) for t in texts),
                    **{who: statistics.median(us) for who, us in found.items()}}), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
