#!/usr/bin/env python3
"""Compares troupe's tokenizers with transformers' AutoTokenizer over many made-up texts: ids, types, places, words, special
tokens, cuts, pairs, windows, decoding. fuzz_tokenizers.py PROGRAM [--count 200000] [--seed N] [--only NAME..]; PROGRAM is
build/release/tests/inference/troupe_tokenize. Exits 1 where anything differs."""
import argparse
import os
import pathlib
import struct
import subprocess
import sys
import tempfile
import time

os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
sys.path.insert(0, str(pathlib.Path(__file__).parent))
import tokenizer_families as made
from transformers import AutoTokenizer

CHUNK = 5000


def run(program, folder, texts, *command):
    """What the program writes: a record of bytes for each answer."""
    given = b"".join(struct.pack("<I", len(t)) + t for t in (t.encode() for t in texts))
    done = subprocess.run([program, str(folder), *map(str, command)], input=given, capture_output=True)
    if done.returncode:
        sys.exit(f"{folder}: {done.stderr.decode()}")
    out, at = [], 0
    while at < len(done.stdout):
        size = struct.unpack_from("<I", done.stdout, at)[0]
        out.append(done.stdout[at + 4:at + 4 + size])
        at += 4 + size
    return out


def rows(record):
    """Each: truncated, ids, types, places, words, special; a text: it was refused."""
    if record[:4] == b"\xff\xff\xff\xff":
        return record[4:].decode()
    numbers, at, out = struct.unpack(f"<{len(record) // 4}i", record), 0, []
    while at < len(numbers):
        row, at = [numbers[at]], at + 1
        for _ in range(5):
            n = numbers[at]
            row.append(list(numbers[at + 1:at + 1 + n]))
            at += 1 + n
        out.append(row)
    return out


def of_encoding(e, details=True):
    flat = [n for o in e.offsets for n in o] if details else []
    return [e.ids, e.type_ids, flat, [-1 if w is None else w for w in e.word_ids] if details else [], e.special_tokens_mask if details else []]


def same(row, e, details=True, pair=False):
    want = of_encoding(e, details)
    got = row[1:]
    if not pair and not got[1]:
        got = [got[0], [0] * len(got[0]), *got[2:]]
    return got == want


class comparison:
    def __init__(self, program, name, folder):
        self.program, self.name, self.folder = program, name, folder
        self.theirs = AutoTokenizer.from_pretrained(folder)
        self.backend = self.theirs._tokenizer
        self.wrong, self.count = 0, 0

    def tell(self, what, text, got, want):
        self.wrong += 1
        if self.wrong < 6:
            print(f"differs: {self.folder.name} {what} {text!r}\n  ours   {got}\n  theirs {want}")

    def details(self, texts):
        self.backend.no_truncation(), self.backend.no_padding()
        for text, record, e in zip(texts, run(self.program, self.folder, texts, "details"), self.backend.encode_batch(texts)):
            self.count += 1
            got = rows(record)
            if not e.ids:
                if isinstance(got, str):
                    continue
            if isinstance(got, str) or not same(got[0], e):
                self.tell("details", text, got if isinstance(got, str) else got[0][1:], of_encoding(e))
        # Without details another way may be taken.
        for text, record, e in zip(texts, run(self.program, self.folder, texts, "ids", 1_000_000, int(self.theirs.truncation_side == "left"), 0),
                                   self.backend.encode_batch(texts)):
            got = rows(record)
            if e.ids and (isinstance(got, str) or not same(got[0], e, False)):
                self.tell("ids", text, got, e.ids)

    def cuts(self, texts, length, left):
        self.backend.enable_truncation(length, direction="left" if left else "right")
        for text, record, e in zip(texts, run(self.program, self.folder, texts, "ids", length, int(left), 0), self.backend.encode_batch(texts)):
            got = rows(record)
            if e.ids and (isinstance(got, str) or not same(got[0], e, False) or got[0][0] != bool(e.overflowing)):
                self.tell(f"cut at {length} left {left}", text, got, e.ids)

    def pairs(self, texts, length, left, first):
        if not self.backend.num_special_tokens_to_add(True):
            return
        self.backend.enable_truncation(length, strategy="only_first" if first else "longest_first", direction="left" if left else "right")
        for i, record in zip(range(0, len(texts) - 1, 2), run(self.program, self.folder, texts[:len(texts) // 2 * 2], "pairs", length, int(left), int(first))):
            got = rows(record)
            try:
                e = self.backend.encode(texts[i], texts[i + 1])
            except Exception:
                e = None
            if (e is None) != isinstance(got, str) or (e and not same(got[0], e, False, True)):
                self.tell(f"pair at {length} left {left} first {first}", texts[i:i + 2], got, e and e.ids)

    def windows(self, texts, length, stride):
        self.backend.enable_truncation(length, stride=stride)
        for text, record, e in zip(texts, run(self.program, self.folder, texts, "windows", length, stride), self.backend.encode_batch(texts)):
            got, want = rows(record), [e, *e.overflowing]
            if not e.ids:
                continue
            if isinstance(got, str) or len(got) != len(want) or not all(same(g, w) for g, w in zip(got, want)):
                self.tell(f"windows of {length} by {stride}", text, got, [w.ids for w in want])

    def decoding(self, texts):
        self.backend.no_truncation()
        for skip in (0, 1):
            records = run(self.program, self.folder, texts, "decode", skip)
            for text, e, decoded, joined in zip(texts, self.backend.encode_batch(texts), records[::2], records[1::2]):
                if not e.ids:
                    continue
                want = self.theirs.decode(e.ids, skip_special_tokens=bool(skip)), self.theirs.convert_tokens_to_string(self.theirs.convert_ids_to_tokens(e.ids))
                if (decoded.decode(), joined.decode()) != want:
                    self.tell(f"decoded, skip {skip}", text, (decoded.decode(), joined.decode()), want)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("program")
    p.add_argument("--count", type=int, default=200_000)
    p.add_argument("--seed", type=int, default=int(time.time()))
    p.add_argument("--only", nargs="*")
    p.add_argument("--folder", help="another folder, compared as it is", nargs="*")
    a = p.parse_args()
    print(f"seed {a.seed}")
    wrong = 0
    with tempfile.TemporaryDirectory() as root:
        all_folders = {f: [pathlib.Path(f)] for f in a.folder} if a.folder else made.families(root, real_map=True)
        for name, folders in all_folders.items():
            if a.only and name not in a.only:
                continue
            for folder in folders:
                start, source = time.time(), made.texts_of(a.seed)
                c = comparison(a.program, name, folder)
                # The other form of a folder gives the same ids: fewer texts show it.
                count = a.count if folder == folders[0] else a.count // 10
                while c.count < count:
                    texts = [source.text() for _ in range(min(CHUNK, count - c.count))]
                    texts[:len(made.FIXED)] = made.FIXED[:len(texts)]
                    c.details(texts)
                    some = texts[:max(50, len(texts) // 10)]
                    rng = source.rng
                    for left in (False, True):
                        c.cuts(some, rng.randint(5, 20), left)
                        for first in (False, True):
                            c.pairs(some, rng.randint(8, 40), left, first)
                    length = rng.randint(8, 24)
                    c.windows(some, length, rng.randint(0, length - 6))
                    c.decoding(some)
                print(f"{folder.name}: {c.count} texts, {c.wrong} differ, {time.time() - start:.0f} s", flush=True)
                wrong += c.wrong
    sys.exit(wrong > 0)


main()
