"""The random encoders of tests/fixtures/encoders/ (tests/parity/make_encoders.py): folders put together from an
archive, the questions with the answers of transformers and sentence-transformers, and how answers are compared."""
from __future__ import annotations

import json
import math
import pathlib
import shutil
import tarfile

RELATIVE, ABSOLUTE = 1e-4, 1e-5

# The names of API document 001, each with a random classifier of the architecture that it tells.
DOCUMENT_001 = {
    "deberta-v3-base_pretrained": ("deberta-v2", "nli"),
    "roberta-base_pretrained": ("roberta", "nli"),
    "bert-base-uncased_pretrained": ("bert", "nli"),
    "distilbert-base-uncased_pretrained": ("distilbert", "nli"),
}


class Checkpoint:
    """One folder as a model's directory, and its questions: rows of {"ask", .., "answer"} by kind."""

    def __init__(self, family: str, name: str, folder: pathlib.Path, told: dict):
        self.family, self.name, self.folder = family, f"{family}-{name}", folder
        self.task: str = told["task"]
        self.length: int = told["length"]
        self.rows: dict[str, list[dict]] = told["rows"]

    def __repr__(self) -> str:
        return self.name


def assemble(unpacked: pathlib.Path, into: pathlib.Path) -> list[Checkpoint]:
    """A family's archive, unpacked: its checkpoints, each laid from the folders it is made of."""
    family = unpacked.name
    out = []
    for name, layers in json.loads((unpacked / "checkpoints.json").read_text()).items():
        folder = into / f"{family}-{name}"
        for layer in layers:
            shutil.copytree(unpacked / layer, folder, dirs_exist_ok=True)
        told = json.loads((unpacked / "expected" / f"{name}.json").read_text())
        out.append(Checkpoint(family, name, folder, told))
    return out


def unpack(archive: pathlib.Path, into: pathlib.Path) -> pathlib.Path:
    with tarfile.open(archive) as tar:
        for member in tar:
            assert member.isfile() and not member.name.startswith("/") and ".." not in member.name, member.name
            target = into / member.name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(tar.extractfile(member).read())
    return into / archive.name.split(".")[0]


def names_in(archive: pathlib.Path) -> dict[str, list[str]]:
    """The checkpoints of an archive, and the kinds of questions of each, without unpacking it all."""
    family = archive.name.split(".")[0]
    with tarfile.open(archive) as tar:
        return json.load(tar.extractfile(f"{family}/kinds.json"))


def differences(got, want, at: str = "", relative: float = RELATIVE, absolute: float = ABSOLUTE) -> list[str]:
    """Where they differ, a line each: numbers by their distance, all else exactly."""
    if isinstance(want, bool) or want is None or isinstance(want, str):
        return [] if got == want and type(got) is type(want) else [f"{at}: {got!r} instead of {want!r}"]
    if isinstance(want, (int, float)):
        if isinstance(got, bool) or not isinstance(got, (int, float)) or not math.isfinite(got):
            return [f"{at}: {got!r} instead of {want!r}"]
        if isinstance(want, int):
            return [] if got == want else [f"{at}: {got!r} instead of {want!r}"]
        off = abs(got - want)
        return [] if off <= max(absolute, relative * abs(want)) else [f"{at}: {got!r} is {off:.2g} off {want!r}"]
    if isinstance(want, list):
        if not isinstance(got, list) or len(got) != len(want):
            return [f"{at}: {len(got) if isinstance(got, list) else type(got).__name__} instead of {len(want)} "
                    f"elements ({short(got)} / {short(want)})"]
        if want and all(isinstance(w, dict) and score_of(w) is not None for w in want):
            got = tied_as(got, want)
        if want and all(isinstance(w, float) for w in want):
            return vectors_differ(got, want, at, relative, absolute)
        return [line for n, (g, w) in enumerate(zip(got, want)) for line in differences(g, w, f"{at}[{n}]", relative,
                                                                                       absolute)]
    if not isinstance(got, dict):
        return [f"{at}: {short(got)} instead of {short(want)}"]
    if set(want) >= {"labels", "scores"} and set(got) >= {"labels", "scores"}:
        beside = lambda d: [{"label": name, "score": s} for name, s in zip(d["labels"], d["scores"])]
        got, want = ({**{k: v for k, v in d.items() if k not in ("labels", "scores")}, "ranking": beside(d)}
                     for d in (got, want))
    out = [f"{at}: has no {key!r}" for key in want if key not in got]
    return out + [line for key in want if key in got
                  for line in differences(got[key], want[key], f"{at}.{key}", relative, absolute)]


def score_of(one: dict) -> float | None:
    return one.get("score", one.get("relevance_score"))


def tied_as(got: list, want: list) -> list:
    """Those of equal score may stand in any order (texts that have the same tokens): in the order of `want`."""
    other = lambda one: {k: v for k, v in one.items() if k not in ("score", "relevance_score")}
    name = lambda one: json.dumps(other(one), sort_keys=True)
    out, begin = list(got), 0
    while begin < len(want):
        end = begin + 1
        while end < len(want) and abs(score_of(want[end]) - score_of(want[end - 1])) <= 1e-5 * abs(score_of(want[end])):
            end += 1
        order = {name(one): n for n, one in enumerate(want[begin:end])}
        if end - begin > 1 and all(isinstance(one, dict) for one in out[begin:end]):
            known = [{k: v for k, v in one.items() if k in want[begin]} for one in out[begin:end]]
            if {name(one) for one in known} == set(order):
                out[begin:end] = sorted(known, key=lambda one: order[name(one)])
        begin = end
    return out


def vectors_differ(got: list, want: list, at: str, relative: float, absolute: float) -> list[str]:
    """One line for all elements. A vector's elements are as exact as its largest."""
    if not all(isinstance(g, (int, float)) and math.isfinite(g) for g in got):
        return [f"{at}: {short(got)} instead of {short(want)}"]
    off = [abs(g - w) for g, w in zip(got, want)]
    limit = max(absolute, relative * max(map(abs, want)))
    if max(off) <= limit:
        return []
    worst = off.index(max(off))
    return [f"{at}: {sum(o > limit for o in off)} of {len(off)} numbers differ, the most at [{worst}]: "
            f"{got[worst]!r} is {off[worst]:.2g} off {want[worst]!r}"]


def short(value, limit: int = 160) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= limit else text[:limit] + ".."
