#!/usr/bin/env python3
"""Ids that the `tokenizers` library gives for a corpus made to find differences:
tests/fixtures/inference/tokenizer/."""
import json
import pathlib
import random
import struct
import unicodedata
import zlib

from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers, processors

ROOT = pathlib.Path(__file__).resolve().parents[1] / "fixtures" / "inference" / "tokenizer"
ROOT.mkdir(parents=True, exist_ok=True)
rng = random.Random(20240601)

WORDS = """the quick brown fox jumps over lazy dog unaffable playing antidisestablishmentarianism naive cafe resume
facade uber strasse istanbul hello world token izer ization prompt injection ignore previous instructions system
straße İstanbul ΣΊΣΥΦΟΣ Ёлка ﬁre 漢字 日本語 한국어 हिन्दी ไทย עברית عربى Việt ångström e\u0301 o\u0308 Å \u212b""".split()
ALPHABETS = [(0x20, 0x7e), (0xa0, 0xff), (0x100, 0x24f), (0x300, 0x36f), (0x370, 0x3ff), (0x400, 0x4ff), (0x590, 0x5ff),
             (0x600, 0x6ff), (0x900, 0x97f), (0xe00, 0xe7f), (0x1100, 0x11ff), (0x1e00, 0x1eff), (0x2000, 0x206f),
             (0x2100, 0x214f), (0x3000, 0x30ff), (0x4e00, 0x9fff), (0xac00, 0xd7a3), (0xf900, 0xfaff), (0xfe00, 0xfe0f),
             (0xff00, 0xffef), (0x1d400, 0x1d7ff), (0x1f300, 0x1faff), (0x20000, 0x2a6df), (0x1, 0x1f), (0x80, 0x9f),
             (0x1, 0x10ffff), (0x2f800, 0x2fa1f), (0x1ab0, 0x1aff), (0x10a00, 0x11fff)]
SPECIALS = ["[CLS]", "[SEP]", "[MASK]", "[UNK]", "[PAD]", "[mask]", "[ MASK ]", "[MASK", "MASK]", "<extra>", "Extra Word",
            "extra word", "wörd", "solo", "left", "right"]


def character():
    low, high = rng.choice(ALPHABETS)
    while True:
        c = rng.randint(low, high)
        if not 0xd800 <= c <= 0xdfff:
            return chr(c)


def word():
    kind = rng.random()
    if kind < 0.45:
        w = rng.choice(WORDS)
        return "".join(c.upper() if rng.random() < 0.2 else c for c in w)
    if kind < 0.55:
        return rng.choice(SPECIALS)
    if kind < 0.8:
        low, high = rng.choice(ALPHABETS)
        return "".join(chr(rng.randint(low, high)) for _ in range(rng.randint(1, 8))
                       ).encode("utf-8", "ignore").decode()
    if kind < 0.82:
        return rng.choice("aé漢") * rng.randint(90, 130)
    return "".join(character() for _ in range(rng.randint(1, 6)))


def text():
    separators = [" ", "", "  ", "\t", "\n", "\u00a0", "\u3000", "\u200b", "\u2028", ", ", "-", "'", "…"]
    return "".join(word() + rng.choice(separators) for _ in range(rng.randint(1, 16)))


def corpus(count):
    out = ["a", " ", "\u0000", "[MASK]", "[CLS][SEP]", "x[MASK]y", "  [MASK]  ", "İ", "ß", "ﬀ", "\u0301", "a\u0301\u0323b",
           "a\u0323\u0301b", "\ufffd", "\u1734", "\U00011938", "e" * 100, "e" * 101, "é" * 100, "##ing", "don't", "$1,000.50"]
    for t in list(out):
        out.append(unicodedata.normalize("NFC", t) + "!")
    while len(out) < count:
        out.append(text())
    return [t for t in out if t]


def vocabulary():
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    seen = set(tokens)
    norm = [normalizers.BertNormalizer(lowercase=True), normalizers.BertNormalizer(lowercase=False)]
    pre = pre_tokenizers.BertPreTokenizer()
    vocab_rng = random.Random(5)
    for t in corpus(400):
        for n in norm:
            for piece, _ in pre.pre_tokenize_str(n.normalize_str(t)):
                size = vocab_rng.randint(1, 4)
                for candidate in (piece[:1], piece[:size], "##" + piece[1:1 + size], "##" + piece[-1:], piece if len(piece) < 12 else ""):
                    if candidate and candidate != "##" and candidate not in seen and vocab_rng.random() < 0.6:
                        seen.add(candidate)
                        tokens.append(candidate)
    for c in range(33, 127):
        for candidate in (chr(c), "##" + chr(c)):
            if candidate not in seen and not chr(c).isdigit():
                seen.add(candidate)
                tokens.append(candidate)
    return tokens


VOCABULARY = vocabulary()


def build(normalizer, pre_tokenizer, template=True, added=False):
    t = Tokenizer(models.WordPiece({w: i for i, w in enumerate(VOCABULARY)}, unk_token="[UNK]", max_input_chars_per_word=100))
    t.normalizer = normalizer
    t.pre_tokenizer = pre_tokenizer
    if template:
        t.post_processor = processors.TemplateProcessing(
            single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    else:
        t.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    t.add_special_tokens(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"])
    if added:
        t.add_special_tokens([AddedToken("<extra>", lstrip=True, rstrip=True)])
        t.add_tokens([AddedToken("Extra Word", normalized=True), AddedToken("solo", single_word=True, normalized=False),
                      AddedToken("wörd", normalized=True), AddedToken("left", lstrip=True, normalized=True),
                      AddedToken("right", rstrip=True, normalized=False)])
    return t


bert = normalizers.BertNormalizer
variants = {
    "uncased": build(bert(lowercase=True), pre_tokenizers.BertPreTokenizer()),
    "cased": build(bert(lowercase=False), pre_tokenizers.BertPreTokenizer(), template=False),
    "accents_kept": build(bert(lowercase=True, strip_accents=False, handle_chinese_chars=False), pre_tokenizers.BertPreTokenizer()),
    "unclean": build(bert(lowercase=False, strip_accents=True, clean_text=False), pre_tokenizers.BertPreTokenizer()),
    "added": build(bert(lowercase=True), pre_tokenizers.BertPreTokenizer(), added=True),
    "sequence": build(normalizers.Sequence([normalizers.NFD(), normalizers.StripAccents(), normalizers.Lowercase()]),
                      pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.BertPreTokenizer()])),
    "whitespace": build(None, pre_tokenizers.Whitespace()),
    "whitespace_split": build(normalizers.Lowercase(), pre_tokenizers.WhitespaceSplit()),
}
TEXTS = corpus(1200)
for name, t in variants.items():
    document = json.loads(t.to_str())
    # One vocabulary for all: the test puts it in.
    document["model"]["vocab"] = {}
    (ROOT / f"{name}.json").write_text(json.dumps(document, ensure_ascii=False))



def blob(path, data):
    path.write_bytes(zlib.compress(data, 9))


# Length-prefixed records, compressed: u32 count, then each a u32 length and its bytes.
def records(items):
    return struct.pack("<I", len(items)) + b"".join(struct.pack("<I", len(i)) + i for i in items)


blob(ROOT / "vocabulary.z", "\n".join(VOCABULARY).encode())
blob(ROOT / "texts.z", records([t.encode() for t in TEXTS]))
for name, t in variants.items():
    blob(ROOT / f"{name}.ids.z", records([struct.pack(f"<{len(i)}i", *i) for i in (e.ids for e in t.encode_batch(TEXTS))]))
