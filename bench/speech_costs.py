"""15c and 15d: what a live session costs in memory, and whether faster precisions say the same."""
from __future__ import annotations

import pathlib
import re
import time
import wave

from driver import ROOT
from rules import SAME_TOKENS, judge_least, judge_most, same_tokens
from speech_load import FOLDER, STATELESS, USUAL, Served, Setting, clients, model_entry
from speech_others import Others
from tables import Table, fmt
from tools import SETTINGS, start

SESSIONS = 64
OPENED_EVERY_MS = 150  # few at a time count as about to be fed: none is refused
AT_ONCE = 8  # are fed together
CHUNKS = 8  # after so many a look back is full
LOOKING_BACK_MB, STATELESS_MB = 12.5, 1.0
DEMO = ROOT / "models/speech-demo"


def feed(served: Served, first: int, last: int) -> None:
    """A few at a time: no step is so late that a session is asked to leave."""
    for some in range(first, last, AT_ONCE):
        found = served.clients.ask("rush", first=some, who=some + AT_ONCE, seconds=60, settle_s=0, chunks=CHUNKS)
        if found["lost"] or found["missing"]:
            raise RuntimeError(f"sessions were lost: {found}")


def session_mb(precision: str, setting: Setting) -> tuple[float, float, float]:
    """In 10^6 bytes, a session: what RssAnon and Rss grew by when more came and were heard, and what of it is still there
    when all have left."""
    def now() -> tuple[float, float]:
        time.sleep(2.5)  # the heap is trimmed a second after; who was fed before counts as busy for two
        return served.private_mib(), served.server.rollup_kb("Rss") / 1024

    with Served(f"speech-memory-{precision}-{setting.left}-{setting.encoder_back}", precision, setting, AT_ONCE) as served:
        feed(served, 0, AT_ONCE)  # what the process needs for a batch is its own; these stay, so that nothing is used again
        before = now()
        served.open(SESSIONS, OPENED_EVERY_MS)
        feed(served, AT_ONCE, AT_ONCE + SESSIONS)
        grown = now()
        served.clients.ask("close")
        served.server.until(lambda: served.metric("troupe_sessions_open") == 0, limit_s=10)
        left = now()
    mb = 2**20 / 1e6 / SESSIONS
    return mb * (grown[0] - before[0]), mb * (grown[1] - before[1]), mb * (left[0] - before[0])


def memory(precisions: list[str], others: Others) -> Table:
    t = Table(f"15c. Memory of a live session in the middle of its sound, MB ({SESSIONS} sessions)", "setting", "precision", "private", "Rss",
              "private, when all have left", "FunASR's cache", "target", "")
    for setting in (USUAL, STATELESS):
        cache = others.first().ask("cache", terms=setting.terms)["bytes"] / 1e6
        most = LOOKING_BACK_MB if setting.encoder_back else STATELESS_MB
        for precision in precisions[:1] if SETTINGS.quick else precisions:
            private, rss, left = session_mb(precision, setting)
            t.row(setting.name, precision, fmt(private, 2), fmt(rss, 2), fmt(left, 2), fmt(cache, 2), f"at most {most:g}", judge_most(private, most).text)
    t.note(f"Growth from a server of {AT_ONCE} sessions, which stay, to {SESSIONS} more that have heard {CHUNKS} chunks each, {AT_ONCE} at a time. "
           "FunASR's: the tensors of its cache.")
    return t


def tokens(text: str) -> list[str]:
    """Chinese characters one by one, other words whole."""
    return re.findall(r"[\u4e00-\u9fff]|[^\s\u4e00-\u9fff]+", text)


def utter(name: str, folder: pathlib.Path, sound: pathlib.Path, precision: str, who: int, sound_s: float) -> list[list[str]]:
    server = start(name, {"streaming_asr": model_entry(folder, precision)}, {"precision_tolerance": 1.0, "session_compute_share": 1},
                   ready_s=300)
    try:
        server.until(lambda: "streaming_asr" in server.resident(), limit_s=300)
        with clients(server, sound) as some:
            some.ask("open", count=who, terms=USUAL.terms)
            found = some.ask("utter", who=who, sound_s=sound_s)
    finally:
        server.stop()
    if found["lost"] or None in found["texts"]:
        raise RuntimeError(f"utterances without an end: {found['lost']}")
    return [tokens(text) for text in found["texts"]]


def same(expected: list[list[str]], found: list[list[str]]) -> float:
    """Over all utterances, by their tokens."""
    counts = [max(len(a), len(b)) for a, b in zip(expected, found)]
    return sum(same_tokens(a, b) * n for a, b, n in zip(expected, found, counts)) / max(1, sum(counts))


def demo_sound() -> tuple[pathlib.Path, float] | None:
    """The demo's samples one after another, and their seconds."""
    pcm = b""
    for file in sorted((DEMO / "samples").glob("*.wav")):
        with wave.open(str(file)) as w:
            if (w.getframerate(), w.getnchannels(), w.getsampwidth()) == (16000, 1, 2):
                pcm += w.readframes(w.getnframes()) + bytes(16000)
    if not pcm:
        return None
    path = SETTINGS.work / "demo.pcm"
    path.write_bytes(pcm)
    return path, len(pcm) / 32000


def agreement(precisions: list[str], others: Others) -> Table:
    t = Table("15d. The same tokens in another precision", "model", "precision", "tokens in fp32", "equal to fp32's", "target", "")
    who, sound_s = 8, 12.0 if SETTINGS.quick else 30.0
    works = [("random weights", FOLDER, FOLDER / "sound.pcm", who, sound_s)]
    if (demo := demo_sound()) and (DEMO / "streaming_asr").exists():
        works.append(("the demo's", DEMO / "streaming_asr", demo[0], who, demo[1]))
    for name, folder, sound, count, seconds in works:
        expected = utter(f"speech-tokens-{name.split()[0]}-fp32", folder, sound, "fp32", count, seconds)
        if folder == FOLDER:
            heard = [tokens(text) for text in others.first().ask("utter", terms=USUAL.terms, who=2, sound_s=sound_s)["texts"]]
            t.row(name, "FunASR, fp32", fmt(sum(map(len, expected[:2]))), f"{100 * same(expected[:2], heard):.2f} %", "", "")
        for precision in precisions:
            if precision == "fp32":
                continue
            found = utter(f"speech-tokens-{name.split()[0]}-{precision}", folder, sound, precision, count, seconds)
            share = same(expected, found)
            t.row(name, precision, fmt(sum(map(len, expected))), f"{100 * share:.2f} %", f"at least {100 * SAME_TOKENS:g} %",
                  judge_least(share, SAME_TOKENS).text)
    t.note(f"{USUAL.name}; equal: of the longer text's tokens, those that no edit changes. With random weights scores are near each other, and "
           "a token that fires a frame later than fp32's changes what the decoder hears: trained models agree better.")
    if len(works) < 2:
        t.note("The demo's model is not there: with random weights alone.")
    return t
