"""Real services for tests: redis-server, PostgreSQL, Prometheus. Children of the test, on loopback, gone with it."""
from __future__ import annotations

import glob
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import time

from driver import SLOW, free_port


def until(what, limit_s: float = 30, why: str = "it did not happen"):
    """Asks again until it is true; gives that answer."""
    end = time.monotonic() + limit_s * SLOW
    while True:
        if answer := what():
            return answer
        assert time.monotonic() < end, why
        time.sleep(0.02)


def listens(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), 0.5):
            return True
    except OSError:
        return False


class Service:
    """A child process with a folder; pause() and proceed() stop and continue it."""

    process: subprocess.Popen | None = None

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def pause(self) -> None:
        self.signal(signal.SIGSTOP)

    def proceed(self) -> None:
        self.signal(signal.SIGCONT)

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


class Redis(Service):
    def __init__(self, folder: pathlib.Path, *arguments: str, port: int | None = None):
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.arguments, self.port = folder, arguments, port or free_port()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    def start(self) -> None:
        self.process = subprocess.Popen(
            ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no",
             "--dir", str(self.folder), *self.arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until(lambda: listens(self.port), why="redis-server does not listen")

    def cli(self, *words: str, password: str | None = None) -> str:
        given = ["--pass", password, "--no-auth-warning"] if password else []
        done = subprocess.run(["redis-cli", "-p", str(self.port), *given, *words], capture_output=True, text=True, timeout=30)
        return done.stdout.rstrip("\n")

    def keys(self, pattern: str = "models:*") -> set[str]:
        return {k for k in self.cli("--scan", "--pattern", pattern).splitlines() if k}


class Postgres(Service):
    """A cluster of its own; as root, run by the package's user."""

    def __init__(self, folder: pathlib.Path):
        found = sorted(glob.glob("/usr/lib/postgresql/*/bin"))
        self.binaries = pathlib.Path(found[-1]) if found else None
        self.folder, self.port = folder, free_port()
        self.as_user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.geteuid() == 0 else []

    @property
    def url(self) -> str:
        return f"postgresql://troupe:secret@127.0.0.1:{self.port}/catalog"

    def run(self, *words: str) -> None:
        done = subprocess.run([*self.as_user, *words], capture_output=True, text=True, cwd="/")
        assert done.returncode == 0, f"{words}: {done.stdout}\n{done.stderr}"

    def psql(self, statement: str, database: str = "catalog") -> str:
        done = subprocess.run(["psql", "-X", "-A", "-t", "-h", "127.0.0.1", "-p", str(self.port), "-U", "postgres", "-d", database,
                               "-c", statement], capture_output=True, text=True, cwd="/", env={**os.environ, "PGPASSWORD": "x"})
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def start(self) -> None:
        fresh = not (self.folder / "data").exists()
        if fresh:
            self.folder.mkdir(parents=True, exist_ok=True)
            # Every folder above must let the package's user through.
            for above in [self.folder, *self.folder.parents]:
                if above.stat().st_uid == os.geteuid() and not above.stat().st_mode & 0o001:
                    above.chmod(above.stat().st_mode | 0o011)
            if self.as_user:
                shutil.chown(self.folder, "postgres", "postgres")
            self.run(str(self.binaries / "initdb"), "-D", str(self.folder / "data"), "-U", "postgres", "-A", "trust", "-E", "UTF8",
                     "--no-sync", "--locale=C")
        self.process = subprocess.Popen(
            [*self.as_user, str(self.binaries / "postgres"), "-D", str(self.folder / "data"), "-p", str(self.port), "-k",
             str(self.folder), "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off", "-c", "max_connections=50"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/")
        until(self.answers, why="PostgreSQL does not answer")
        if fresh:
            self.psql("CREATE ROLE troupe LOGIN PASSWORD 'secret'", "postgres")
            self.psql("CREATE DATABASE catalog OWNER troupe", "postgres")

    def answers(self) -> bool:
        done = subprocess.run([str(self.binaries / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)])
        return done.returncode == 0

    def stop(self) -> None:
        """As a power cut: the postmaster and all of its children."""
        if self.process is not None:
            children = subprocess.run(["pgrep", "-P", str(self.process.pid)], capture_output=True, text=True).stdout.split()
            self.process.kill()
            for child in children:
                try:
                    os.kill(int(child), signal.SIGKILL)
                except ProcessLookupError:
                    pass
            self.process.wait()
            self.process = None
            (self.folder / "data" / "postmaster.pid").unlink(missing_ok=True)


class Prometheus(Service):
    """Scrapes one target every second."""

    def __init__(self, folder: pathlib.Path, target: str):
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.port = folder, free_port()
        (folder / "prometheus.yml").write_text(
            "global: {scrape_interval: 1s, evaluation_interval: 1s}\n"
            f"scrape_configs: [{{job_name: troupe, static_configs: [{{targets: ['{target}']}}]}}]\n")

    def start(self) -> None:
        self.process = subprocess.Popen(
            ["prometheus", f"--config.file={self.folder}/prometheus.yml", f"--storage.tsdb.path={self.folder}/data",
             f"--web.listen-address=127.0.0.1:{self.port}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until(lambda: listens(self.port), why="Prometheus does not listen")
