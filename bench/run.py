#!/usr/bin/env python3
"""Runs the benchmarks, each next to its limit in the same run, and appends tables to bench/RESULTS.md.

    bench/run.sh BUILD_FOLDER [--quick] [--only overhead,throughput,..] [--results FILE] [--troupe PROGRAM]
                 [--models 6x384,..] [--precisions fp32,..] [--counts 1,8,..] [--longest-batch-s 5]
                 [--speech-precisions fp32,..]

The line before the last is for `sweep`, `pair`, `peers` and `footprint`. Standard library only (and the end-to-end tests' driver, which
starts the server). The load generator is `troupe bench`. Nothing is pinned: generator and server share the cores, as in
every figure given.
"""
from __future__ import annotations

import argparse
import datetime
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time

import catalog
import compare
import footprint
import pair
import peer_models
import pulls
import pulls_beside
import residency
import silent
import speech
import speech_load
import speed
import store
import sweep
import tokenizing
from driver import Server
from tables import Table
from tools import SETTINGS, machine

HERE = pathlib.Path(__file__).resolve().parent

# By name, in the order of the report. Each gives a table, or several one after another.
BENCHMARKS = {f.__name__: f for f in (speed.overhead, speed.throughput, speed.mixed, speed.interference, residency.load,
                                      residency.memory, speed.growth, sweep.sweep, pair.pair, compare.peers,
                                      footprint.footprint, tokenizing.tokenizers, pulls.pulls, pulls_beside.beside_pulls,
                                      store.store, catalog.catalog, speech.speech, silent.silent)}


def names_of(known):
    """A comma-separated option, each part one of `known`."""
    def parse(text: str) -> list[str]:
        parts = [part for part in text.split(",") if part]
        for part in parts:
            if part not in known:
                raise argparse.ArgumentTypeError(f"no {part!r}; there are {', '.join(known)}")
        return parts
    return parse


def counts_of(text: str) -> list[int]:
    counts = sorted({int(part) for part in text.split(",") if part})
    if not counts or counts[0] < 1 or counts[-1] > 1024:
        raise argparse.ArgumentTypeError("numbers of clients from 1 to 1024")
    return counts


def parse_arguments() -> argparse.Namespace:
    p = argparse.ArgumentParser()
    p.add_argument("build", type=pathlib.Path, help="build folder: the load generator, the limits, the server")
    p.add_argument("--troupe", type=pathlib.Path, help="measure this server instead of the build folder's")
    p.add_argument("--quick", action="store_true", help="a few minutes: shorter and fewer rounds")
    p.add_argument("--only", type=names_of(BENCHMARKS), default=[], help="comma-separated names")
    p.add_argument("--results", type=pathlib.Path, default=HERE / "RESULTS.md")
    p.add_argument("--models", type=names_of(peer_models.NAMES), default=[],
                   help="of sweep, peers and footprint; a sweep has BERT's shapes alone")
    p.add_argument("--precisions", type=names_of(sweep.PRECISIONS), default=list(sweep.PRECISIONS), help="of sweep and peers")
    p.add_argument("--speech-precisions", type=names_of(speech_load.PRECISIONS), default=list(speech_load.PRECISIONS), help="of speech")
    p.add_argument("--counts", type=counts_of, default=[], help="numbers of clients of the sweep, instead of all")
    p.add_argument("--longest-batch-s", type=float, default=sweep.LONGEST_BATCH_S,
                   help="a precision whose full batch takes longer is left out of sweep and pair, and told [%(default)s]")
    return p.parse_args()


def command_line() -> str:
    options = sys.argv[2:]
    return "make bench" + (f' ARGS="{" ".join(options)}"' if options else "")


def main() -> int:
    arguments = parse_arguments()
    SETTINGS.build = arguments.build.resolve()
    SETTINGS.troupe = (arguments.troupe or SETTINGS.build / "troupe").resolve()
    SETTINGS.quick = arguments.quick
    sweep.CHOICE.take(arguments)
    speech.CHOSEN = arguments.speech_precisions
    names = arguments.only or list(BENCHMARKS)
    version = subprocess.run([str(SETTINGS.troupe), "version"], capture_output=True, text=True).stdout.strip().splitlines()
    # Of the binary that is measured, which may be older than the working tree.
    built = re.search(r"\(([^)]*)\)", version[0]) if version else None
    commit = built.group(1) if built else "unknown commit"
    if not arguments.results.exists():
        arguments.results.write_text("# Results\n\nWritten by `make bench` (bench/run.py), newest last. Every figure stands next to "
                                     "its limit, measured in the same run; server and load generator share the cores.\n")

    def append(text: str) -> None:  # as they come: a run that is ended leaves what it has
        with open(arguments.results, "a") as file:
            file.write("\n" + text)

    append(f"## {datetime.datetime.now(datetime.timezone.utc):%Y-%m-%d %H:%M} UTC, {commit}\n\n`{command_line()}` on {machine()}. "
           + "; ".join(" ".join(line.split()) for line in version[:4]) + ".\n")
    failed = []
    for name in names:
        print(f"== {name}", flush=True)
        begin, busy = time.monotonic(), os.getloadavg()[0]
        try:
            found = BENCHMARKS[name]()
            for table in [found] if isinstance(found, Table) else found:
                append(table.markdown())
        except Exception as e:  # noqa: BLE001 - the others still run
            failed.append(name)
            append(f"### {name}: not measured\n\n{type(e).__name__}: {str(e)[:400]}\n")
            print(f"    {type(e).__name__}: {e}", file=sys.stderr, flush=True)
            for server in list(Server.live):
                server.stop()
        took = time.monotonic() - begin
        append(f"Took {took:.0f} s; the machine's load average before it was {busy:.1f}"
               + (": others were at work.\n" if busy > 0.7 and name == names[0] else ".\n"))
        print(f"   ({took:.0f} s)", flush=True)
    shutil.rmtree(SETTINGS.work, ignore_errors=True)
    print(f"written to {arguments.results}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
