#!/usr/bin/env python3
"""Generates the training, development and held-out sets from the grammar in grammar/.

Every template belongs to a family ("## name" in the grammar files). Whole families go to
exactly one split (train, dev, heldout); so do the families of code payloads. Sentences that
a template embeds (a quoted attack, a harmless sentence around an attack) are drawn from the
families of the same split. check_splits() fails the run when two splits share a family, a
template or a near-copy of one, or a generated text, and when a generated text comes near
a hand-written one (wild.tsv); main() drops such texts first.

Deterministic: the same seed gives the same files.
"""
import argparse
import collections
import json
import pathlib
import random
import re
import sys

HERE = pathlib.Path(__file__).resolve().parent
LABELS = ["prompt_injection", "jailbreak", "system_extraction", "code_injection", "benign"]
SPLITS = ["train", "dev", "heldout"]
FRACTION = {"dev": 0.10, "heldout": 0.20}
SIZES = {
    "train": {"prompt_injection": 4800, "jailbreak": 4400, "system_extraction": 4400,
              "code_injection": 4400, "benign": 10500},
    "dev": {label: 200 for label in LABELS} | {"benign": 400},
    "heldout": {label: 300 for label in LABELS} | {"benign": 600},
}
NEAR_WILD = 0.6  # word-set Jaccard similarity to a hand-written text above which a generated one is dropped
NEAR_COPY = 0.5  # Jaccard similarity of word bigrams above which two templates count as one

SHORT = {"pi": "prompt_injection", "jb": "jailbreak", "se": "system_extraction"}
PAYLOAD_KINDS = {
    "sql": ["sql"], "xss": ["xss"], "sh": ["sh", "win"], "exec": ["sh", "win", "py", "php", "js"],
    "code": ["py", "js", "ssti"], "ssti": ["ssti"], "path": ["path"], "jndi": ["jndi"],
    "nosql": ["nosql", "ldap", "gql"], "php": ["php"], "xml": ["xml"], "csv": ["csv", "crlf"],
    "deser": ["deser"], "net": ["ssrf", "xss"], "py": ["py"], "js": ["js"],
}


class Missing(Exception):
    """This split has no family that could fill a slot."""


def choose_alternative(text, rng, opening, closing, bar, slot_open, slot_close, lookup):
    """Expands one template: groups of alternatives and slots."""

    def parse(i, stop):
        branches, out = [], []
        while i < len(text):
            c = text[i]
            if c == opening:
                inner, i = parse(i + 1, closing)
                if inner is None:
                    out.append(lambda: opening)
                elif len(inner) == 1:  # no bar inside: ordinary parentheses
                    out.append(lambda b=inner[0]: opening + join(b) + closing)
                else:
                    out.append(lambda bs=inner: join(rng.choice(bs)))
                continue
            if stop and c == closing:
                branches.append(out)
                return branches, i + 1
            if stop and c == bar:
                branches.append(out)
                out = []
                i += 1
                continue
            if c == slot_open:
                m = re.match(r"([a-z_0-9]+)" + re.escape(slot_close), text[i + 1:])
                if m and lookup(m.group(1), True):
                    out.append(lambda n=m.group(1): lookup(n, False))
                    i += 1 + m.end()
                    continue
            out.append(lambda ch=c: ch)
            i += 1
        if stop:
            raise ValueError(f"unbalanced group in template: {text}")
        branches.append(out)
        return branches, i

    def join(parts):
        return "".join(p() for p in parts)

    branches, _ = parse(0, None)
    return join(branches[0])


def read_families(path):
    families, pinned, weight, name = collections.OrderedDict(), set(), {}, None
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            fields = line[3:].split()
            name = fields[0]
            if name in families:
                raise ValueError(f"{path.name}: family {name} appears twice")
            families[name] = []
            if "!train" in fields[1:]:
                pinned.add(name)
            weight[name] = next((int(f[2:]) for f in fields[1:] if f.startswith("!x")), 1)
        elif line.strip() and not line.startswith("# ") and name:
            families[name].append(line)
    return families, pinned, weight


class Grammar:
    def __init__(self, seed):
        folder = HERE / "grammar"
        self.words = {}
        for line in (folder / "words.txt").read_text(encoding="utf-8").splitlines():
            if line.strip() and not line.startswith("#"):
                name, items = line.split(":", 1)
                self.words[name.strip()] = [i.strip() for i in items.split(";") if i.strip()]
        self.code_words = {}
        self.payload_families = collections.OrderedDict()
        name = None
        for line in (folder / "payloads.txt").read_text(encoding="utf-8").splitlines():
            if line.startswith("@"):
                if m := re.match(r"@([a-z]+): (.*)", line):
                    self.code_words[m.group(1)] = m.group(2).split("¦")
                    continue
            if line.startswith("## "):
                name = line[3:].strip()
                self.payload_families[name] = []
            elif line.strip() and not line.startswith("# ") and name:
                self.payload_families[name].append(line)
        self.families, self.pinned, self.weight = {}, {}, {}
        for label in LABELS:
            self.families[label], self.pinned[label], self.weight[label] = read_families(folder / f"{label}.txt")
        self.assign(random.Random(seed))

    def assign(self, rng):
        self.split_of = {}
        for label in LABELS:
            free = [f for f in self.families[label] if f not in self.pinned[label]]
            rng.shuffle(free)
            total = len(self.families[label])
            heldout, dev = round(total * FRACTION["heldout"]), round(total * FRACTION["dev"])
            for i, f in enumerate(free):
                self.split_of[f] = "heldout" if i < heldout else "dev" if i < heldout + dev else "train"
            for f in self.pinned[label]:
                self.split_of[f] = "train"
        self.payload_split = {}
        kinds = collections.OrderedDict()
        for f in self.payload_families:
            kinds.setdefault(f.split(".")[0], []).append(f)
        for names in kinds.values():
            names = list(names)
            rng.shuffle(names)
            heldout = max(1, round(len(names) * FRACTION["heldout"])) if len(names) > 1 else 0
            dev = max(1, round(len(names) * FRACTION["dev"])) if len(names) > 3 else 0
            for i, f in enumerate(names):
                self.payload_split[f] = ("heldout" if i < heldout else
                                         "dev" if i < heldout + dev else "train")
        self.plain_benign = {
            s: [f for f, ts in self.families["benign"].items() if self.split_of[f] == s
                and not any(re.search(r"\{(benign_sentence|attack_|payload)", t) for t in ts)]
            for s in SPLITS}

    def of_split(self, label, split):
        return [f for f in self.families[label] if self.split_of[f] == split]

    def payload(self, kinds, split, rng):
        families = [f for f, s in self.payload_split.items()
                    if s == split and (kinds is None or f.split(".")[0] in kinds)]
        if not families:
            raise Missing()
        template = rng.choice(self.payload_families[rng.choice(families)])

        def lookup(name, ask):
            if ask:
                return name in self.code_words
            return self.code(rng.choice(self.code_words[name]), rng)
        return choose_alternative(template, rng, "«", "»", "¦", "‹", "›", lookup)

    def code(self, text, rng):
        def lookup(name, ask):
            return name in self.code_words if ask else self.code(rng.choice(self.code_words[name]), rng)
        return choose_alternative(text, rng, "«", "»", "¦", "‹", "›", lookup)

    def slot(self, name, split, rng):
        if name in self.words:
            return self.expand(rng.choice(self.words[name]), split, rng)
        if name == "payload":
            return self.payload(None, split, rng)
        if name.startswith("payload_"):
            return self.payload(PAYLOAD_KINDS[name[8:]], split, rng)
        if name == "benign_sentence":
            return self.sentence(rng.choice(self.plain_benign[split]), "benign", split, rng)
        if name.startswith("attack_"):
            label = SHORT.get(name[7:]) or rng.choice(list(SHORT.values()))
            options = [f for f in self.of_split(label, split)
                       if not any("{benign_sentence}" in t for t in self.families[label][f])]
            return self.sentence(rng.choice(options), label, split, rng)
        raise KeyError(name)

    def known(self, name):
        return (name in self.words or name in ("payload", "benign_sentence")
                or name.startswith("payload_") or name.startswith("attack_"))

    def expand(self, template, split, rng):
        def lookup(name, ask):
            return self.known(name) if ask else self.slot(name, split, rng)
        text = choose_alternative(template, rng, "(", ")", "|", "{", "}", lookup)
        return text.replace("\\n", "\n")

    def sentence(self, family, label, split, rng):
        text = self.expand(rng.choice(self.families[label][family]), split, rng)
        return re.sub(r" {2,}", " ", text).strip()


# --- noise ---------------------------------------------------------------------------------

SYLLABLES = "ba be bi bo ka ke ki ko la le li lo ma me mi mo na ne ni no ra re ri ro sa se si so " \
            "ta te ti to va ve vi vo da de du fa fo gu ha hi jo pe pu qui sha tri ster ing er ton ly".split()


def made_up(rng):
    return "".join(rng.choice(SYLLABLES) for _ in range(rng.randint(2, 4)))


def typo(text, rng):
    words = text.split(" ")
    at = [i for i, w in enumerate(words) if len(w) > 3 and w.isalpha()]
    for i in rng.sample(at, min(len(at), rng.randint(1, 2))):
        w, k = words[i], rng.randrange(1, len(words[i]) - 1)
        kind = rng.randrange(4)
        words[i] = (w[:k] + w[k + 1:] if kind == 0 else
                    w[:k] + w[k + 1] + w[k] + w[k + 2:] if kind == 1 else
                    w[:k] + w[k] + w[k:] if kind == 2 else
                    w[:k] + rng.choice("abcdefghijklmnoprstuvwy") + w[k + 1:])
    return " ".join(words)


BEFORE = ["Hi, ", "Hello! ", "Hey, ", "Please ", "OK, ", "So, ", "Quick question: ", "Thanks. ",
          "Dear assistant, ", "Good morning. ", "Well, ", "And ", "Also, ", "Hmm, ", "Listen, ", "- ", "> ", "Q: "]
AFTER = [" please", " thanks", " Thank you!", " ok?", " now", " :)", " Thanks in advance.", " asap", " lol",
         " It is urgent.", " Please be quick.", "!!", "...", " right?", " bye"]


def dress(text, label, split, grammar, rng):
    """Everyday noise around a sentence. Never changes its label."""
    if label != "code_injection" and rng.random() < 0.10:
        text = typo(text, rng)
    r = rng.random()
    if r < 0.10:
        text = rng.choice(BEFORE) + text
    elif r < 0.18:
        text = text + rng.choice(AFTER)
    if label != "code_injection":
        r = rng.random()
        if r < 0.30:
            text = text.rstrip(".?!")
        elif r < 0.50 and text[-1:].isalnum():
            text += rng.choice(".!.?" if label == "benign" else "..!.")
    r = rng.random()
    if r < 0.10:
        other = grammar.slot("benign_sentence", split, rng)
        end = "" if other[-1:] in ".?!" else rng.choice([".", ".", "\n", " -"])
        text = f"{other}{end} {text}" if rng.random() < 0.5 else f"{text}{rng.choice(['.', chr(10), ''])} {other}"
    elif r < 0.14:
        parts = [grammar.slot("benign_sentence", split, rng) + "." for _ in range(rng.randint(3, 9))]
        parts.insert(rng.randint(0, len(parts)), text + ".")
        text = " ".join(parts)
    if rng.random() < 0.25:
        text = rng.choice([str.upper, str.lower, str.capitalize, str.title])(text)
    elif text[:1].islower() and rng.random() < 0.5 and label != "code_injection":
        text = text[0].upper() + text[1:]
    return text


def generate(grammar, split, seed):
    rng = random.Random(f"{seed}/{split}")
    rows, seen = [], set()
    for label in LABELS:
        families = [f for f in grammar.of_split(label, split) for _ in range(grammar.weight[label][f])]
        want = SIZES[split][label]
        got = tries = 0
        while got < want and tries < want * 20:
            tries += 1
            family = families[tries % len(families)]
            if label == "benign" and split == "train" and rng.random() < 0.03:
                family = "noise"
                text = " ".join(made_up(rng) if rng.random() < 0.6 else
                                rng.choice(grammar.words[rng.choice(["topic", "food", "city", "animal", "thing"])])
                                for _ in range(rng.randint(1, 12)))
            else:
                try:
                    text = grammar.sentence(family, label, split, rng)
                except Missing:
                    continue
            text = dress(text, label, split, grammar, rng)
            key = normal(text)
            if key and key not in seen:
                seen.add(key)
                rows.append({"text": text, "label": label, "family": family})
                got += 1
    rng.shuffle(rows)
    return rows


# --- the checks ----------------------------------------------------------------------------

def normal(text):
    return " ".join(re.findall(r"\w+|[^\w\s]", text.lower()))


def near(text, wild):
    words = frozenset(normal(text).split())
    return any(len(words & w) > NEAR_WILD * len(words | w) for w in wild)


def bigrams(text, syntax="()|"):
    words = [w for w in re.findall(r"\{[a-z_0-9]+\}|‹[a-z]+›|\w+|[^\w\s]", text.lower()) if w not in syntax]
    return set(zip(["^"] + words, words + ["$"]))


def check_splits(grammar, data, wild):
    """Returns the facts for the report; raises when the splits are not apart."""
    failures = []
    by_split = {s: [] for s in SPLITS}
    for label in LABELS:
        for family, templates in grammar.families[label].items():
            by_split[grammar.split_of[family]] += [(family, t) for t in templates]
    for family, templates in grammar.payload_families.items():
        by_split[grammar.payload_split[family]] += [("payload " + family, t) for t in templates]
    closest = (0.0, "", "")
    grams = {s: [(f, t, bigrams(t, "«»¦" if f.startswith("payload ") else "()|")) for f, t in by_split[s]]
             for s in SPLITS}
    for i, a in enumerate(SPLITS):
        for b in SPLITS[i + 1:]:
            shared = {f for f, _ in by_split[a]} & {f for f, _ in by_split[b]}
            if shared:
                failures.append(f"{a} and {b} share families: {sorted(shared)}")
            for fa, ta, ga in grams[a]:
                for fb, tb, gb in grams[b]:
                    s = len(ga & gb) / len(ga | gb)
                    if s > closest[0]:
                        closest = (s, ta, tb)
                    if s >= NEAR_COPY:
                        failures.append(f"near-copies across {a}/{b} ({s:.2f}):\n   {fa}: {ta}\n   {fb}: {tb}")
    texts = {s: {normal(r["text"]): r for r in data[s]} for s in SPLITS}
    for i, a in enumerate(SPLITS):
        for b in SPLITS[i + 1:]:
            for t in texts[a].keys() & texts[b].keys():
                failures.append(f"{a} and {b} share a text: {t!r}")
    seen_words, word_rows = {}, []
    for s in SPLITS:
        for t in texts[s]:
            word_rows.append(frozenset(t.split()))
    for row in wild:
        key = normal(row["text"])
        w = frozenset(key.split())
        best = max((len(w & o) / len(w | o) for o in word_rows), default=0.0)
        seen_words[key] = best
        if best > NEAR_WILD:
            failures.append(f"a generated text comes near a hand-written one ({best:.2f}): {key!r}")
    if failures:
        raise SystemExit("the splits are not apart:\n" + "\n".join(failures))
    similarities = sorted(seen_words.values())
    return {
        "families": {s: len({f for f, _ in by_split[s]}) for s in SPLITS},
        "templates": {s: len(by_split[s]) for s in SPLITS},
        "heldout_families": sorted(f for f, s in grammar.split_of.items() if s == "heldout"),
        "heldout_payload_families": sorted(f for f, s in grammar.payload_split.items() if s == "heldout"),
        "closest_templates": {"bigram_jaccard": round(closest[0], 3), "a": closest[1], "b": closest[2],
                              "limit": NEAR_COPY},
        "wild_nearest_generated": {
            "what": "word-set Jaccard similarity of each hand-written sentence to the nearest generated text",
            "median": round(similarities[len(similarities) // 2], 3), "max": round(similarities[-1], 3),
            "limit": NEAR_WILD},
    }


def read_wild():
    rows = []
    for n, line in enumerate((HERE / "wild.tsv").read_text(encoding="utf-8").splitlines(), 1):
        label, text = line.split("\t", 1)
        if label not in LABELS:
            raise SystemExit(f"wild.tsv:{n}: unknown label {label!r}")
        rows.append({"text": text, "label": label})
    counts = collections.Counter(r["label"] for r in rows)
    if len(rows) < 150 or any(counts[label] < 30 for label in LABELS):
        raise SystemExit(f"wild.tsv is too small: {counts}")
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=20)
    parser.add_argument("--out", type=pathlib.Path, default=HERE / "data")
    args = parser.parse_args()
    grammar = Grammar(args.seed)
    data = {split: generate(grammar, split, args.seed) for split in SPLITS}
    # A short text can come out of two unlike templates: the training side gives way.
    wild = [frozenset(normal(r["text"]).split()) for r in read_wild()]
    taken = set()
    for split in reversed(SPLITS):
        data[split] = [r for r in data[split] if normal(r["text"]) not in taken and not near(r["text"], wild)]
        taken |= {normal(r["text"]) for r in data[split]}
    facts = check_splits(grammar, data, read_wild())
    args.out.mkdir(parents=True, exist_ok=True)
    for split in SPLITS:
        with open(args.out / f"{split}.jsonl", "w", encoding="utf-8") as f:
            for row in data[split]:
                f.write(json.dumps(row, ensure_ascii=False) + "\n")
    facts["seed"] = args.seed
    facts["rows"] = {s: dict(collections.Counter(r["label"] for r in data[s])) for s in SPLITS}
    (args.out / "facts.json").write_text(json.dumps(facts, indent=1, ensure_ascii=False) + "\n")
    print(json.dumps({k: facts[k] for k in ("families", "templates", "rows", "wild_nearest_generated")}, indent=1))


if __name__ == "__main__":
    sys.exit(main())
