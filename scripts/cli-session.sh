#!/usr/bin/env bash
# cli-session.sh [BINARY]: the session that docs/cli.md shows, from a real run: a tiny checkpoint, a stand-in for the hub
# that has it, a server. Prints it; the docs have what it printed between their markers (tests/e2e/test_cli.py compares).
# --write puts it there.
set -euo pipefail
cd "$(dirname "$0")/.."
write=
if [ "${1:-}" = --write ]; then write=1; shift; fi
binary=$(realpath "${1:-build/release/troupe}")

PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=tests/e2e WRITE=$write BINARY=$binary exec python3 - <<'PYTHON'
import os, pathlib, re, signal, subprocess, sys, tempfile

import checkpoints
from driver import free_port
from pulling import environment
from stand_in_hub import Hub

commands = [
    "troupe pull acme/tiny-classifier --name tiny",
    "troupe ls",
    "troupe show tiny",
    "troupe predict --server {server} --model tiny 'hello there'",
    "troupe ps",
    "troupe pull acme/tiny-classifier --name tiny",
    "troupe unload tiny",
    "troupe pull acme/no-such-model",
    "troupe rm tiny",
    "troupe load tiny",
    "# without a server: the store on the disk",
    "troupe pull acme/tiny-classifier",
    "troupe cp acme/tiny-classifier second",
    "troupe ls",
    "troupe store verify",
    "troupe rm acme/tiny-classifier second",
    "troupe ps",
]


def run(folder: pathlib.Path, hub: Hub) -> str:
    binary = os.environ["BINARY"]
    (folder / "bin").mkdir()
    (folder / "bin/troupe").symlink_to(binary)
    port = free_port()
    env = {k: v for k, v in os.environ.items() if not k.startswith("TROUPE_")}
    env |= environment(folder / "env", hub)
    env |= {"PATH": f"{folder}/bin:{env['PATH']}", "TROUPE_DATA_DIR": str(folder / "data"), "LC_ALL": "C.UTF-8",
            "TROUPE_SERVER": f"http://127.0.0.1:{port}", "TERM": "dumb"}
    (folder / "models.json").write_text('{"models": {}}')
    server = subprocess.Popen([binary, "serve", "--port", str(port), "--models-file", str(folder / "models.json"),
                               "--precision", "fp32", "--compute-slots", "1", "--threads-per-slot", "1",
                               "--log-format", "human"], env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                              text=True)
    try:
        for line in server.stdout:
            if "ready on http" in line:
                break
        else:
            sys.exit("cli-session: the server did not start")
        out = ""
        for command in commands:
            if command.startswith("#"):
                server.send_signal(signal.SIGTERM)
                server.wait(60)
                env["TROUPE_SERVER"] = "none"
                out += command + "\n"
                continue
            command = command.format(server=env["TROUPE_SERVER"])
            done = subprocess.run(command, shell=True, env=env, cwd=folder, text=True, stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE)
            # How far it was at what moment differs from run to run.
            told = "".join(line for line in done.stderr.splitlines(True)
                           if line.startswith(("troupe:", "  ")))
            out += f"$ {command}\n{done.stdout}{told}"
            if done.returncode:
                out += f"[exit {done.returncode}]\n"
        return out.replace(str(folder), "/srv").replace(env["HF_ENDPOINT"], "https://huggingface.co").replace(
            f"127.0.0.1:{port}", "127.0.0.1:8000")
    finally:
        if server.poll() is None:
            server.kill()
            server.wait()


with tempfile.TemporaryDirectory() as folder, Hub() as hub:
    folder = pathlib.Path(folder)
    shape = checkpoints.Bert(hidden=16, layers=2, heads=4, positions=64)
    hub.add("acme/tiny-classifier", checkpoints.write_bert(folder / "checkpoint", shape),
            pipeline_tag="text-classification", tags=["bert"])
    session = run(folder, hub)

if os.environ["WRITE"]:
    docs = pathlib.Path("docs/cli.md")
    text = docs.read_text()
    begin, end = "<!-- session -->\n```console\n", "```\n<!-- /session -->"
    head, rest = text.split(begin)
    docs.write_text(head + begin + session + end + rest.split(end)[1])
else:
    sys.stdout.write(session)
PYTHON
