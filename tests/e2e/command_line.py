"""troupe's command line, as one runs it."""
from __future__ import annotations

import json
import os
import pathlib
import re
import subprocess

from driver import BINARY, SLOW
from pulling import environment

DONE, FAILED, BAD_USAGE, NOT_FOUND, NO_SERVER, INTERRUPTED = 0, 1, 2, 3, 4, 130
CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f\x80-\x9f]")


class Cli:
    """troupe as one runs it; nothing of the machine's own."""

    def __init__(self, folder: pathlib.Path, hub=None, server=None, **env: str):
        self.folder, self.binary = folder, BINARY
        self.before: list[str] = []  # a program that runs it, with its arguments
        self.env = {k: v for k, v in os.environ.items() if not k.startswith("TROUPE_")}
        self.env.pop("API_KEYS", None)
        self.env.pop("ADMIN_API_KEY", None)
        self.env.update(environment(folder / "env", hub), TROUPE_DATA_DIR=str(folder / "data"),
                        TROUPE_SERVER=server.url if server else "none", TROUPE_DOWNLOAD_RETRIES="1", **env)

    def start(self, *args: str, **kw) -> subprocess.Popen:
        return subprocess.Popen([*self.before, str(self.binary), *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                text=True, env=self.env, cwd=self.folder, **kw)

    def run(self, *args: str, **kw) -> subprocess.CompletedProcess:
        """However it ends."""
        return subprocess.run([*self.before, str(self.binary), *args], capture_output=True, text=True, env=self.env,
                              cwd=self.folder, timeout=60 * SLOW, **kw)

    def __call__(self, *args: str, status: int = DONE, **kw) -> subprocess.CompletedProcess:
        done = self.run(*args, **kw)
        assert done.returncode == status, (args, done.returncode, done.stdout, done.stderr)
        assert not CONTROL.search(done.stdout + done.stderr), (args, done.stdout, done.stderr)
        return done

    def json(self, *args: str, status: int = DONE) -> dict:
        out = self(*args, "--json", status=status).stdout
        assert out.count("\n") == 1, out
        return json.loads(out)
