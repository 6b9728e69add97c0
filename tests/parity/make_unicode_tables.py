#!/usr/bin/env python3
"""Asks the `tokenizers` library how it classifies every code point and writes inference/text/unicode_tables.inc.

Its Unicode tables are of several, older versions than utf8proc's, so the answers are recorded, not derived.
"""
import ctypes
import pathlib

from tokenizers.normalizers import NFD, BertNormalizer, StripAccents
from tokenizers.pre_tokenizers import BertPreTokenizer, Whitespace

utf8proc = ctypes.CDLL("libutf8proc.so.2")
utf8proc.utf8proc_tolower.restype = ctypes.c_int32
off = dict(clean_text=False, handle_chinese_chars=False, strip_accents=False, lowercase=False)
clean = BertNormalizer(**{**off, "clean_text": True})
strip = BertNormalizer(**{**off, "strip_accents": True})
lower = BertNormalizer(**{**off, "lowercase": True})
nfd, bert, words = NFD(), BertPreTokenizer(), Whitespace()

accents = StripAccents()

removed, marks, all_marks, ordered, punctuation, word, lowered = [], [], [], [], [], [], []
for code in range(1, 0x110000):
    if 0xD800 <= code <= 0xDFFF:
        continue
    c = chr(code)
    if clean.normalize_str(f"a{c}b") == "ab":
        removed.append(code)
    if nfd.normalize_str(c) == c and strip.normalize_str(c) == "":
        marks.append(code)
    if accents.normalize_str(c) == "":
        all_marks.append(code)
    # Does it have a combining class? Then it changes places with a mark of class 1 or of class 230.
    if nfd.normalize_str(c) == c and (nfd.normalize_str(c + "\u0334") != c + "\u0334" or nfd.normalize_str("\u0301" + c) != "\u0301" + c):
        ordered.append(code)
    if [piece for piece, _ in bert.pre_tokenize_str(f"a{c}b")] == ["a", c, "b"]:
        punctuation.append(code)
    if len(words.pre_tokenize_str(f"a{c}b")) == 1:
        word.append(code)
    low = lower.normalize_str(c)
    if low != chr(utf8proc.utf8proc_tolower(code)):
        assert len(low) <= 2
        lowered.append((code, ord(low[0]), ord(low[1]) if len(low) == 2 else 0))


def ranges(codes):
    out = []
    for code in codes:
        if out and out[-1][1] == code - 1:
            out[-1][1] = code
        else:
            out.append([code, code])
    return out


def table(kind, name, rows):
    cells = ["{" + ", ".join(f"0x{v:x}" for v in row) + "}," for row in rows]
    lines, line = [], "   "
    for cell in cells:
        if len(line) + len(cell) + 1 > 104:
            lines.append(line)
            line = "   "
        line += " " + cell
    lines.append(line)
    return f"constexpr {kind} {name}[] = {{\n" + "\n".join(lines) + "\n};\n"


target = pathlib.Path(__file__).resolve().parents[2] / "inference" / "text" / "unicode_tables.inc"
target.write_text(
    "// Made by tests/parity/make_unicode_tables.py from the `tokenizers` library: do not edit.\n"
    + table("code_range", "removed_ranges", ranges(removed))
    + table("code_range", "nonspacing_ranges", ranges(marks))
    + table("code_range", "mark_ranges", ranges(all_marks))
    + table("code_range", "ordered_ranges", ranges(ordered))
    + table("code_range", "punctuation_ranges", ranges(punctuation))
    + table("code_range", "word_ranges", ranges(word))
    + "// Where the lower case is not utf8proc's: the code point, its one or two replacements.\n"
    + table("lower_exception", "lower_exceptions", lowered))
