"""10c: tokenizers, ours and Python's, one thread each."""
from __future__ import annotations

import json
import pathlib
import subprocess

from tables import Table, fmt
from tools import NO_PARITY, SETTINGS, parity_python

HERE = pathlib.Path(__file__).resolve().parent


def program() -> pathlib.Path | None:
    """Built with the tests: beside the server that is measured, else in the build folder."""
    for folder in (SETTINGS.troupe.parent, SETTINGS.build):
        if (file := folder / "tests/inference/troupe_tokenize").exists():
            return file
    return None


def tokenizers() -> Table:
    t = Table("10c. Tokenizers: texts a second on one thread", "tokenizer", "folder", "tokens", "bytes a text", "ours",
              "tokenizers: encode_batch", "encode_batch_fast", "ours by encode_batch")
    python, ours = parity_python(), program()
    if python is None or ours is None:
        t.note(NO_PARITY if python is None else "Not measured: troupe_tokenize of tests/inference/ is not built.")
        return t
    done = subprocess.run([python, str(HERE / "peer_tokenizers.py"), str(ours), str(SETTINGS.rounds),
                           "0.15" if SETTINGS.quick else "0.3"], capture_output=True, text=True, timeout=600)
    if done.returncode != 0:
        raise RuntimeError(done.stderr.strip().splitlines()[-1])
    found = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    for f in found:
        t.row(f["kind"], f["folder"], fmt(f["tokens"], 1), f["bytes"],
              *(fmt(1e6 / f[who]) for who in ("ours", "encode_batch", "encode_batch_fast")), fmt(f["encode_batch"] / f["ours"], 2))
    sizes = [f["vocabulary"] for f in found]
    t.note(f"Medians of {SETTINGS.rounds} rounds in turn over {found[0]['texts']} texts, pieces of docs/; vocabularies of {min(sizes):,} "
           f"to {max(sizes):,} entries, trained on docs/ and the headers. Ours gives ids and types (`troupe_tokenize time`); encode_batch "
           f"of Python's `tokenizers` {found[0]['version']} (TOKENIZERS_PARALLELISM=false) also gives places in the text, "
           "encode_batch_fast none.")
    return t
