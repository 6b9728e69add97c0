"""16: a thousand live sessions of which few speak: what silence costs, and whether those who speak notice it."""
from __future__ import annotations

import time

from rules import HELD_P99_MS, judge_held
from speech_load import STATELESS, Served, checkpoint
from tables import Table, fmt
from tools import SETTINGS, cores, has_bf16

SESSIONS, SPEAKING = 1000, 16
TURN_MESSAGES = 3  # of 600 ms, until another one speaks
SETTLE_S = 1.2
JOIN_EVERY_MS = 5


def row(t: Table, what: str, served: Served, sessions: int, found: dict, cpu: float) -> None:
    v = judge_held(found["p99_ms"], found["drift_ms"], found["missing"] + found["lost_speakers"])
    t.row(what, fmt(sessions), fmt(found["chunks"]), found["p50_ms"], found["p99_ms"], fmt(cpu, 3), fmt(found["cpu"] / cores(), 3),
          served.private_mib(), v.text)
    reasons: dict[str, int] = {}
    for why, count in found["lost"].items():  # of "why: what exactly"
        reasons[why.split(":")[0]] = reasons.get(why.split(":")[0], 0) + count
    for why, count in reasons.items():
        t.note(f"{what}: {count} sessions were refused or ended: {why}.")


def paced(served: Served, who: int, seconds: float, **how) -> tuple[dict, float]:
    """What the clients say, and the server's share of all cores."""
    before, begin = served.cpu_s(), time.monotonic()
    found = served.clients.ask("pace", who=who, seconds=seconds, settle_s=SETTLE_S, **how)
    return found, (served.cpu_s() - before) / (time.monotonic() - begin) / cores()


def silent() -> Table:
    checkpoint()
    precision, seconds = "bf16" if has_bf16() else "fp32", 6.0 if SETTINGS.quick else 15.0
    t = Table(f"16. {SESSIONS:,} live sessions on {cores()} cores, {SPEAKING} of which speak: {precision}, {STATELESS.name}", "what", "sessions",
              "chunks heard of", "p50, ms", "p99, ms", "server, of the cores", "clients, of the cores", "private, MiB", "")
    with Served("silent-few", precision, STATELESS, SPEAKING) as served:
        row(t, f"{SPEAKING} alone", served, SPEAKING, *paced(served, SPEAKING, seconds))
    with Served("silent", precision, STATELESS, SESSIONS) as served:
        before, begin = served.cpu_s(), time.monotonic()
        time.sleep(3.0 if SETTINGS.quick else 8.0)
        idle = (served.cpu_s() - before) / (time.monotonic() - begin) / cores()
        t.row("nobody speaks", fmt(SESSIONS), "", "", "", fmt(idle, 4), "", served.private_mib(), "")
        row(t, f"{SPEAKING} at a time, in turn", served, SESSIONS,
            *paced(served, SESSIONS, seconds, at_once=SPEAKING, turn_messages=TURN_MESSAGES))
    with Served("silent-zeros", precision, STATELESS, SPEAKING, as_shipped=True) as served:
        served.clients.ask("pace", who=SPEAKING, seconds=3, settle_s=0)  # what a step costs is known
        welcome = served.open(SESSIONS - SPEAKING, JOIN_EVERY_MS)
        found = paced(served, SESSIONS, seconds, zeros_from=SPEAKING)
        row(t, f"{SPEAKING} speak, {welcome - SPEAKING} more send digital silence", served, welcome, *found)
        t.note(f"Digital silence: {SESSIONS - SPEAKING} more ask to be opened, one each {JOIN_EVERY_MS} ms, with the settings as they are shipped; "
               f"{welcome - SPEAKING} were. They send zeros in real time, which are sound like any other.")
    t.note(f"In turn: one speaks {TURN_MESSAGES} chunks of 600 ms, then another; the others are open, with their state, and send nothing. Held is a "
           f"p99 below {HELD_P99_MS:g} ms of those who speak, and none of them lost.")
    return t
