"""Sentences of grammar.txt, their words and marks, and which of them no model is trained on."""
import dataclasses
import pathlib
import random
import re
import zlib

MARKS = {"": "_", ",": "，", ".": "。", "?": "？"}
SPECIAL_FIRST, SPECIAL_LAST = ["<blank>", "<s>", "</s>"], ["<unk>"]
HELD_OUT_PERCENT, DEVELOPMENT_PERCENT = 12, 3


@dataclasses.dataclass(frozen=True)
class Sentence:
    words: tuple  # as they are to be shown
    marks: tuple  # behind each word: "" , . ?

    @property
    def spoken(self):  # with marks: a synthesiser hears them
        return " ".join(w + m for w, m in zip(self.words, self.marks))

    @property
    def shown(self):  # with a capital at its begin
        text = self.spoken
        return text[0].upper() + text[1:]


def split_of(words):
    """Which words are said together decides: `heldout`, `dev` or `train`."""
    share = zlib.crc32(" ".join(words).lower().encode()) % 100
    if share < HELD_OUT_PERCENT:
        return "heldout"
    return "dev" if share < HELD_OUT_PERCENT + DEVELOPMENT_PERCENT else "train"


class Grammar:
    def __init__(self, path=pathlib.Path(__file__).with_name("grammar.txt")):
        self.lists, self.templates = {}, []
        for line in path.read_text().splitlines():
            if not line.strip() or line.startswith("#"):
                continue
            if line.startswith(">"):
                shares, template = re.fullmatch(r">\s*(?:\*(\d+)\s+)?(.*)", line).groups()
                self.templates += [template] * int(shares or 1)
            else:
                name, entries = line.split(":", 1)
                self.lists[name] = [e.strip().replace("\\,", ",") for e in re.split(r"(?<!\\),", entries)]
        self.vocabulary = self._vocabulary()

    def sentence(self, rng):
        return self._made(self._expand(rng.choice(self.templates), rng))

    def of_split(self, split, rng, uses):
        """A sentence of the split; the one of four whose rarest word was used least in `uses`, a Counter."""
        found = []
        while len(found) < 4:
            s = self.sentence(rng)
            if split_of(s.words) == split:
                found.append(s)
        best = min(found, key=lambda s: min(uses[w] for w in s.words))
        uses.update(best.words)
        return best

    def salad(self, rng):
        """Words in no order at all, so that a word is known by its sound."""
        words = [rng.choice(self.vocabulary) for _ in range(rng.randint(1, 6))]
        apart = [w for i, w in enumerate(words) if i == 0 or len(w) > 1 or len(words[i - 1]) > 1]
        return Sentence(tuple(apart), ("",) * (len(apart) - 1) + (".",))

    @property
    def tokens(self):
        return SPECIAL_FIRST + self.vocabulary + SPECIAL_LAST

    def _expand(self, template, rng):
        while (at := template.rfind("{")) >= 0:  # the innermost of the last ones
            end = template.index("}", at)
            inside = template[at + 1:end]
            options = self.lists[inside] if inside in self.lists else inside.split("|")
            template = template[:at] + rng.choice(options) + template[end + 1:]
        return template

    @staticmethod
    def _made(text):
        text = re.sub(r"\s+([,.?])", r"\1", text)
        parts = [re.fullmatch(r"(.*?)([,.?]?)", w).groups() for w in text.split()]
        return Sentence(tuple(p[0] for p in parts), tuple(p[1] for p in parts))

    def _vocabulary(self):
        text = " ".join(self.templates + [e for entries in self.lists.values() for e in entries])
        names = set(self.lists)
        for name in names:
            text = text.replace("{" + name + "}", " ")
        return sorted({w for w in re.split(r"[^A-Za-z']+", text) if w}, key=lambda w: (w.lower(), w))


if __name__ == "__main__":
    g, rng = Grammar(), random.Random(1)
    print(len(g.vocabulary), "words:", *g.vocabulary)
    for _ in range(20):
        s = g.sentence(rng)
        print(split_of(s.words), "|", s.shown)
