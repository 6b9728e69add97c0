"""A program that answers a line of JSON with one."""
from __future__ import annotations

import json
import pathlib
import subprocess

from tools import SETTINGS


class LineProcess:
    """Ends when its input does. What it says beside its answers goes to `log`, whose last line tells why it ended."""

    def __init__(self, command: list[str], log: str):
        self.log: pathlib.Path = SETTINGS.work / log
        self.name = pathlib.Path(command[1]).name
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=open(self.log, "a"), text=True)

    def __enter__(self) -> "LineProcess":
        return self

    def __exit__(self, *_) -> None:
        self.process.stdin.close()
        self.process.wait(60)

    def send(self, do: str, **more) -> None:
        print(json.dumps({"do": do, **more}), file=self.process.stdin, flush=True)

    def receive(self) -> dict:
        line = self.process.stdout.readline()
        if not line:
            told = self.log.read_text().strip().splitlines()
            raise RuntimeError(f"{self.name} ended with {self.process.wait()}: {told[-1] if told else ''}")
        return json.loads(line)

    def ask(self, do: str, **more) -> dict:
        self.send(do, **more)
        return self.receive()
