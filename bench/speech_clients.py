#!/usr/bin/env python3
"""Many clients of a live session at once, in one process that takes little of the cores: FunASR's WebSocket protocol over
plain sockets, frames by hand with a mask of zeros, as large as asked for. Standard library only; bench/speech_load.py
drives it.

    speech_clients.py PORT SOUND_FILE

A JSON line in, a JSON line out, until its input ends:

    {"do": "open", "count": 64, "terms": {..}, "every_ms": 0, "path": "/funasr"}   each sends 20 ms of sound: its session is open, no step runs
    {"do": "pace", "who": 64, "seconds": 10, "settle_s": 1.2, "message_ms": 600, "zeros_from": null, "at_once": null,
     "turn_messages": null}
        in real time: all of the first `who`; from number `zeros_from` on they send digital silence. With `at_once` so many speak at a
        time, `turn_messages` each, then others in turn
    {"do": "rush", "first": 0, "who": 64, "seconds": 6, "settle_s": 1, "chunks": null}   sessions from number `first` to `who`, as fast
        as answers come, two chunks ahead; until each has sent so many `chunks`, or so many seconds
    {"do": "utter", "who": 8, "sound_s": 30}   -> {"texts": [..]}   each session's whole sound, to its end
    {"do": "close"}

Steps answer in the order of their chunks, and every step of the benchmark's checkpoint says something: the k-th text of a
session is the answer to its k-th chunk. Latency is from the moment that the message with the chunk's last sample was
handed to the socket. A chunk without an answer counts with the time that it has waited at the end.
"""
from __future__ import annotations

import collections
import heapq
import json
import random
import selectors
import sys
import time

from speech_session import FIRST_SAMPLES, RATE, Session

QUIET_S = 4.0  # nobody answers for so long: what is missing will not come
SPACED_S = 0.02  # answers closer than this are of one batch
AHEAD = 2  # chunks that a session in a hurry has under way


def share(values: list[float], part: float) -> float:
    return sorted(values)[min(len(values) - 1, int(part * len(values)))] if values else 0.0


class Clients:
    def __init__(self, port: int, sound: bytes):
        self.port, self.sound = port, sound
        self.sessions: list[Session] = []
        self.selector = selectors.DefaultSelector()
        self.random = random.Random(7)
        self.chunk = 9600

    def open(self, count: int, terms: dict, every_ms: float = 0, path: str = "/funasr") -> dict:
        self.chunk = terms["chunk_size"][1] * RATE * 60 // 1000
        for _ in range(count):
            self.sessions.append(Session(self.port, len(self.sessions), self.sound, self.chunk, terms, path, self.selector))
            self.sessions[-1].speak(FIRST_SAMPLES, time.monotonic())
            end = time.monotonic() + every_ms / 1000
            self.listen(0)
            while every_ms and (left := end - time.monotonic()) > 0:
                self.listen(left)
        return {"open": sum(s.lost is None for s in self.sessions)}

    def close(self) -> dict:
        for s in self.sessions:
            s.close()
        self.sessions = []
        return {}

    def listen(self, wait_s: float) -> list[Session]:
        """Who was answered."""
        told = []
        for key, events in self.selector.select(max(0.0, wait_s)):
            if events & selectors.EVENT_WRITE:
                key.data.flush()
            if events & selectors.EVENT_READ and key.data.hear(time.monotonic()):
                told.append(key.data)
        return told

    def drain(self, some: list[Session]) -> int:
        """Waits for what is under way; the number of answers that did not come."""
        last = time.monotonic()
        while any(s.under_way() for s in some) and time.monotonic() - last < QUIET_S:
            if self.listen(0.1):
                last = time.monotonic()
        missing = sum(s.under_way() for s in some)
        for s in some:
            s.settle(time.monotonic())
        return missing

    def pace(self, who: int, seconds: float, settle_s: float, message_ms: float = 600, zeros_from: int | None = None,
             at_once: int | None = None, turn_messages: int | None = None) -> dict:
        some = self.sessions[:who]
        for s in some:
            s.zeros = zeros_from is not None and s.number >= zeros_from
        message = int(RATE * message_ms / 1000)
        begin, cpu = time.monotonic(), time.process_time()
        waiting = collections.deque(some)
        due: list[tuple[float, int, Session, int]] = []  # when, order, who, messages of its turn that are left
        for _ in range(at_once or len(some)):
            heapq.heappush(due, (begin + self.random.random() * message_ms / 1000, len(due), waiting.popleft(), turn_messages or 1 << 30))
        end, lag, order = begin + settle_s + seconds, 0.0, len(due)
        while (now := time.monotonic()) < end:
            if due and due[0][0] <= now:
                at, _, one, left = heapq.heappop(due)
                lag = max(lag, now - at)
                if one.lost is None:
                    one.speak(min(message, one.to_boundary()), now)
                if left == 1:
                    waiting.append(one)
                    one, left = waiting.popleft(), (turn_messages or 0) + 1
                if one.lost is None or at_once:
                    order += 1
                    heapq.heappush(due, (at + message_ms / 1000, order, one, left - 1))
                continue
            self.listen(min(end, due[0][0] if due else end) - now)
        used, took = time.process_time() - cpu, time.monotonic() - begin
        speakers = [s for s in some if not s.zeros]
        missing = self.drain(speakers)
        self.drain([s for s in some if s.zeros])
        return {**self.latencies(speakers, begin + settle_s, end), "missing": missing, "lag_ms": 1000 * lag,
                "cpu": used / took, "lost_speakers": sum(s.lost is not None for s in speakers), **self.losses(some)}

    def rush(self, who: int, seconds: float, settle_s: float, chunks: int | None = None, first: int = 0) -> dict:
        some = self.sessions[first:who]
        begin, cpu = time.monotonic(), time.process_time()
        end, last = begin + settle_s + seconds, begin
        goal = {s.number: len(s.sent) + chunks if chunks else 1 << 60 for s in some}

        def go_on(s: Session) -> None:
            while s.lost is None and s.under_way() < AHEAD and len(s.sent) < goal[s.number]:
                s.speak(s.to_boundary(), time.monotonic())

        for s in some:
            go_on(s)
        while (now := time.monotonic()) < end and any(s.lost is None and len(s.sent) < goal[s.number] for s in some):
            told = self.listen(0.1)
            for s in told:
                go_on(s)
            last = now if told else last
            if now - last > QUIET_S:
                break
        used, took = time.process_time() - cpu, time.monotonic() - begin
        missing = self.drain(some)
        return {"rate": self.answer_rate(some, begin + settle_s, begin + took), "missing": missing, "cpu": used / took,
                "tokens_per_s": self.tokens_per_s(some, begin), **self.losses(some)}

    def utter(self, who: int, sound_s: float) -> dict:
        some, count = self.sessions[:who], int(sound_s * RATE)
        while any(s.lost is None and s.position < count for s in some):
            for s in some:
                if s.lost is None and s.position < count and not s.outgoing:
                    s.speak(min(s.to_boundary(), count - s.position), time.monotonic())
            self.listen(0.01)
        for s in some:
            s.finish()
        last = time.monotonic()
        while any(s.lost is None and not s.ended for s in some) and time.monotonic() - last < QUIET_S:
            if self.listen(0.1):
                last = time.monotonic()
        return {"texts": ["".join(text for _, text in s.got) if s.ended else None for s in some], **self.losses(some)}

    def answer_rate(self, some: list[Session], begin: float, end: float) -> float:
        """Seconds of sound answered a second: of the batches between the first and the last that came in this time."""
        times = sorted(at for s in some for at, _ in s.got if begin <= at <= end)
        later = [t for t in times if t - times[0] > SPACED_S] if times else []
        return len(later) * self.chunk / RATE / (times[-1] - times[0]) if later else 0.0

    def latencies(self, some: list[Session], begin: float, end: float) -> dict:
        pairs = sorted((sent, got[0] - sent) for s in some for sent, got in zip(s.sent, s.got) if begin <= sent <= end)
        waits = [wait for _, wait in pairs]
        third = len(waits) // 3
        drift = share(waits[-third:], 0.5) - share(waits[:third], 0.5) if third else 0.0
        return {"chunks": len(waits), "p50_ms": 1000 * share(waits, 0.5), "p99_ms": 1000 * share(waits, 0.99),
                "longest_ms": 1000 * max(waits, default=0.0), "drift_ms": 1000 * drift,
                "tokens_per_s": self.tokens_per_s(some, begin)}

    def tokens_per_s(self, some: list[Session], begin: float) -> float:
        texts = [text for s in some for at, text in s.got if at >= begin]
        return sum(map(len, texts)) / (len(texts) * self.chunk / RATE) if texts else 0.0

    @staticmethod
    def losses(some: list[Session]) -> dict:
        return {"lost": dict(collections.Counter(s.lost for s in some if s.lost is not None))}

    def answer(self, ask: dict) -> dict:
        do = ask.pop("do")
        return {"open": self.open, "pace": self.pace, "rush": self.rush, "utter": self.utter, "close": self.close}[do](**ask)


def main() -> int:
    clients = Clients(int(sys.argv[1]), open(sys.argv[2], "rb").read())
    for line in sys.stdin:
        print(json.dumps(clients.answer(json.loads(line))), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
