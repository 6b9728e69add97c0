"""Fixtures: checkpoints made once a session, servers that are stopped and checked at the end."""
from __future__ import annotations

import itertools
import os
import pathlib
import shutil
import signal
import stat
import subprocess

import pytest

import checkpoints
from catalog import Listing, model
from driver import BINARY, FIXTURES, ROOT, TESTSERVER, TORCHSCRIPT, Server, have
from encoders import DOCUMENT_001, Checkpoint, assemble, unpack
from services import Postgres, Redis
from stand_in_hub import Files, Hub
from stand_in_s3 import S3


def pytest_configure(config):
    config.addinivalue_line("markers", "asan: also run against the sanitized build")


def pytest_sessionstart(session):
    if not BINARY.exists() and not session.config.option.collectonly:
        pytest.exit(f"no server at {BINARY}: build it, or set TROUPE_BINARY", 2)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    if report.failed:
        for server in Server.live:
            report.sections.append((f"server on port {server.port}", server.log(60)))


def finish(server: Server) -> None:
    """At the end of each test: the process is alive and ends with 0 on SIGTERM."""
    if server not in Server.live:
        return
    alive = server.alive()
    code = server.process.returncode
    status = server.stop(signal.SIGTERM)
    assert alive, f"the server had ended with {code}\n{server.log(60)}"
    assert status == 0, f"exit status {status} on SIGTERM\n{server.log(60)}"


class Factory:
    def __init__(self, folder: pathlib.Path):
        self.folder, self.made, self.numbers = folder, [], itertools.count()

    def __call__(self, registry: dict | None = None, settings: dict | None = None, **kw) -> Server:
        server = Server(self.folder / f"server{next(self.numbers)}", registry, settings, **kw)
        self.made.append(server)
        return server

    def finish(self) -> None:
        problems = []
        for server in self.made:
            try:
                finish(server)
            except AssertionError as e:
                problems.append(str(e))
        assert not problems, "\n".join(problems)


@pytest.fixture
def serve(tmp_path):
    """serve(registry, settings): a server for one test."""
    factory = Factory(tmp_path)
    yield factory
    factory.finish()


@pytest.fixture(scope="module")
def serve_module(tmp_path_factory):
    """The same for all tests of a file."""
    factory = Factory(tmp_path_factory.mktemp("servers"))
    yield factory
    factory.finish()


@pytest.fixture(scope="session")
def testserver() -> pathlib.Path:
    if not TESTSERVER.exists():
        pytest.skip(f"no test server at {TESTSERVER}")
    return TESTSERVER


@pytest.fixture(scope="session")
def text_clients() -> str:
    """The Python of OpenAI's and others' clients (scripts/text-clients.txt)."""
    done = subprocess.run([str(ROOT / "scripts/python-environment.sh"), "text-clients", "--if-there"],
                          capture_output=True, text=True)
    if done.returncode != 0:
        pytest.skip("the clients are not installed: scripts/python-environment.sh text-clients")
    return done.stdout.strip()


@pytest.fixture
def artifact(tmp_path):
    """artifact("test:echo"): the path of a test model (tests/support/test_models.hpp)."""
    def make(name: str) -> str:
        path = tmp_path / f"{name}.pt"
        shutil.copyfile(TORCHSCRIPT / "echo.pt", path)
        return str(path)

    return make


@pytest.fixture(scope="session")
def tiny_shape() -> checkpoints.Bert:
    return checkpoints.Bert(hidden=16, layers=2, heads=4, positions=64)


@pytest.fixture(scope="session")
def tiny(tmp_path_factory, tiny_shape) -> pathlib.Path:
    """A checkpoint that answers in microseconds (its answers are known: checkpoints.reference)."""
    return checkpoints.write_bert(tmp_path_factory.mktemp("models") / "tiny", tiny_shape)


@pytest.fixture(scope="session")
def document_001(tmp_path_factory) -> dict[str, Checkpoint]:
    """The models of API document 001 by name, each of its own architecture."""
    unpacked, models = tmp_path_factory.mktemp("unpacked"), tmp_path_factory.mktemp("models")
    made = {c.name: c for family in {family for family, _ in DOCUMENT_001.values()}
            for c in assemble(unpack(FIXTURES / "encoders" / f"{family}.tar.xz", unpacked), models)}
    return {name: made["-".join(of)] for name, of in DOCUMENT_001.items()}


@pytest.fixture(scope="session")
def small(tmp_path_factory) -> pathlib.Path:
    """Some 8 MB."""
    return checkpoints.write_bert(tmp_path_factory.mktemp("models") / "small", hidden=128, layers=4,
                                  heads=4, vocabulary=8192, positions=512, seed=2)


@pytest.fixture(scope="session")
def sized(tmp_path_factory):
    """sized(mb, seed): a checkpoint of about that many MB that is still quick to run."""
    made: dict = {}
    folder = tmp_path_factory.mktemp("sized")

    def make(mb: int, seed: int = 1) -> pathlib.Path:
        if (mb, seed) not in made:
            # A wide inner layer: megabytes of weights, one small matrix product, a small vocabulary.
            intermediate = max(1024, (mb * 1024 * 1024 - 3_000_000) // (4 * 2 * 256))
            made[mb, seed] = checkpoints.write_bert(folder / f"m{mb}_{seed}", hidden=256, layers=1, heads=4,
                                                    intermediate=intermediate, positions=64, seed=seed)
        return made[mb, seed]

    return make


def standing_in(stand_in):
    """Closes it at the end, and tells what went wrong in it."""
    with stand_in:
        yield stand_in
    assert not stand_in.problems, "\n".join(stand_in.problems)


@pytest.fixture
def hub():
    """A Hugging Face hub of one's own (stand_in_hub.py)."""
    yield from standing_in(Hub())


@pytest.fixture(scope="module")
def hub_module():
    yield from standing_in(Hub())


@pytest.fixture
def files():
    """Published weights and plain files."""
    yield from standing_in(Files())


@pytest.fixture
def s3():
    yield from standing_in(S3(page=3))


# -- the catalog --

@pytest.fixture(scope="session")
def postgres(tmp_path_factory):
    server = Postgres(tmp_path_factory.mktemp("postgres"))
    if server.binaries is None:
        pytest.skip("no PostgreSQL here")
    with server:
        yield server


@pytest.fixture
def redis(tmp_path):
    if not shutil.which("redis-server"):
        pytest.skip("no redis-server here")
    with Redis(tmp_path / "redis") as server:
        yield server


@pytest.fixture
def empty_postgres(postgres):
    postgres.psql("DROP SCHEMA public CASCADE; CREATE SCHEMA public AUTHORIZATION troupe")
    return postgres


@pytest.fixture
def two(tmp_path):
    """Two providers that share a model."""
    return [Listing(tmp_path, "openrouter", [model("deepseek/deepseek-r1:free", "0", "0", name="DeepSeek R1"),
                                             model("meta/llama-3-8b", "0.0000002", "0.0000004", name="Llama 3 8B"),
                                             model("openai/gpt", None, None, name="GPT", context_length=128000)]),
            Listing(tmp_path, "groq", [model("meta/llama-3-8b", "0.0000001", "0.0000001", name="Llama 3 8B"),
                                       model("groq/own", "0.000003", "0.000004", name="Own")])]


# -- the machine --

@pytest.fixture
def tmpfs(tmp_path):
    """tmpfs(mb): a file system of that size."""
    mounted = []

    def make(mb: int) -> pathlib.Path:
        if os.geteuid() != 0:
            pytest.skip("needs root for a small tmpfs")
        at = tmp_path / f"disk{len(mounted)}"
        at.mkdir()
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={mb}m", "none", str(at)], capture_output=True)
        if done.returncode:
            pytest.skip(f"no tmpfs here: {done.stderr.decode(errors='replace').strip()}")
        mounted.append(at)
        return at

    yield make
    for at in mounted:
        subprocess.run(["umount", "-l", str(at)], capture_output=True)


@pytest.fixture
def bound(tmp_path) -> pathlib.Path:
    """troupe without root's right to pass over permissions."""
    if os.geteuid() != 0:
        return BINARY
    if not have("setpriv"):
        pytest.skip("needs setpriv, to give up root's rights")
    rights = "-dac_override,-dac_read_search,-fowner"
    give_up = ["setpriv", f"--bounding-set={rights}", f"--inh-caps={rights}", "--"]
    probe = tmp_path / "probe"
    probe.mkdir(mode=0o555)
    done = subprocess.run([*give_up, "touch", str(probe / "x")], capture_output=True, text=True)
    if "ermission denied" not in done.stderr:
        pytest.skip(f"root's rights cannot be given up here: {done.stderr.strip() or 'they are still there'}")
    script = tmp_path / "bound.sh"
    script.write_text(f"#!/bin/sh\nexec {' '.join(give_up)} {BINARY} \"$@\"\n")
    script.chmod(0o755)
    return script


@pytest.fixture
def modes():
    """modes(path, mode) until the end of the test."""
    changed = []

    def change(path: pathlib.Path, mode: int) -> None:
        changed.append((path, stat.S_IMODE(path.stat().st_mode)))
        path.chmod(mode)

    yield change
    for path, mode in reversed(changed):
        if path.exists():
            path.chmod(mode)
