"""Killed, or failed by the system, at every single step: strace ends `troupe` at its n-th call of a kind, or has that
call fail. Whatever it was doing, the store is whole afterwards, and the same command gets it done."""
import pathlib
import re
import signal
import subprocess

import pytest

from command_line import DONE, FAILED, Cli
from driver import SANITIZED, have
from pulling import check_models, check_store, contents, relabelled

STEPS_MAX = 60  # of one kind, in one thread
STRIDE = 3 if SANITIZED else 1


@pytest.fixture(scope="session")
def tracer(tmp_path_factory) -> None:
    if not have("strace"):
        pytest.skip("no strace")
    done = subprocess.run(["strace", "-f", "-o", "/dev/null", "-e", "trace=none", "true"], capture_output=True,
                          text=True)
    if done.returncode:
        pytest.skip(f"nothing may be traced here: {done.stderr.strip()}")


class Steps:
    """`troupe` on a store of its own, hit at a step."""

    def __init__(self, folder: pathlib.Path, hub, binary: pathlib.Path):
        self.cli, self.store = Cli(folder, hub), folder / "data/models"
        self.cli.binary = binary

    def hit(self, calls: str, how: str, n: int, *args: str) -> subprocess.CompletedProcess:
        cli = self.cli
        cli.before = ["strace", "-f", "-qq", "-o", str(cli.folder / "trace"), "-e", f"trace={calls}",
                      "-e", f"inject={calls}:{how}:when={n}"]
        try:
            return cli.run(*args)
        finally:
            cli.before = []

    def was_hit(self) -> bool:
        return bool(re.search(r"\(INJECTED\)|killed by SIGKILL", (self.cli.folder / "trace").read_text()))

    def whole(self, *allowed: set[str]) -> set[str]:
        """What is listed is one of these, and as it was written."""
        names = set(check_models(self.store))
        assert names in allowed, (names, allowed)
        return names


@pytest.fixture
def steps(tracer, tmp_path, hub, tiny, bound):
    hub.add("org/first", relabelled(tiny, list("abcde")))
    weights = contents(tiny)["model.safetensors"][:-1] + b"\1"  # others than the first one's
    hub.add("org/tiny", {**relabelled(tiny, list("vwxyz")), "model.safetensors": weights})
    steps = Steps(tmp_path, hub, bound)
    steps.cli("pull", "org/first")  # the store is there, so that the steps are the pull's own
    return steps


# Calls that change what is on the disk.
CHANGES = ["mkdir,mkdirat", "rename,renameat,renameat2", "link,linkat", "unlink,unlinkat,rmdir", "fsync,fdatasync"]
CAN_FAIL = ["mkdir,mkdirat", "rename,renameat,renameat2", "link,linkat", "fsync,fdatasync", "pwrite64"]


def at_each(steps: Steps, calls: str, how: str, *args: str):
    """Hits each step in turn, until there is none more; gives how it ended each time."""
    for n in range(1, STEPS_MAX, STRIDE):
        done = steps.hit(calls, how, n, *args)
        if not steps.was_hit():
            assert done.returncode == DONE, done
            return
        yield done
    pytest.fail(f"more than {STEPS_MAX} {calls}")


@pytest.mark.parametrize("calls", CHANGES)
def test_a_pull_killed_at_each_step(steps, calls):
    ends = 0
    for done in at_each(steps, calls, "signal=KILL", "pull", "org/tiny"):
        assert done.returncode in (-signal.SIGKILL, 128 + signal.SIGKILL), done
        steps.whole({"org/first"}, {"org/first", "org/tiny"})
        steps.cli("pull", "org/tiny")
        assert set(check_store(steps.store)) == {"org/first", "org/tiny"}
        steps.cli("rm", "org/tiny")
        ends += 1
    assert ends > 0, "no step was hit"
    assert set(check_store(steps.store)) == {"org/first", "org/tiny"}


@pytest.mark.parametrize("calls", CHANGES)
def test_a_removal_killed_at_each_step(steps, calls):
    steps.cli("pull", "org/tiny")
    for done in at_each(steps, calls, "signal=KILL", "rm", "org/tiny"):
        assert done.returncode in (-signal.SIGKILL, 128 + signal.SIGKILL), done
        if "org/tiny" in steps.whole({"org/first"}, {"org/first", "org/tiny"}):
            steps.cli("rm", "org/tiny")
        steps.cli("pull", "org/tiny")
        assert set(check_store(steps.store)) == {"org/first", "org/tiny"}
    assert set(check_store(steps.store)) == {"org/first"}


@pytest.mark.parametrize("calls", ["rename,renameat,renameat2", "unlink,unlinkat,rmdir"])
def test_an_update_killed_at_each_step(steps, hub, tiny, calls):
    """The old one or the new one, each whole; never none, never a mixture."""
    steps.cli("pull", "org/tiny")
    labels = ["vwxyz", "abcde"]
    n = 0
    while n < STEPS_MAX:
        n += 1
        old = steps.cli.json("show", "org/tiny")["id"]
        hub.push("org/tiny", relabelled(tiny, list(labels[n % 2])))
        done = steps.hit(calls, "signal=KILL", n, "pull", "org/tiny")
        hit = steps.was_hit()
        assert done.returncode in ((-signal.SIGKILL, 128 + signal.SIGKILL) if hit else (DONE,)), done
        steps.whole({"org/first", "org/tiny"})
        between = steps.cli.json("show", "org/tiny")["id"]
        steps.cli("pull", "org/tiny")
        new = steps.cli.json("show", "org/tiny")["id"]
        assert between in (old, new) and old != new, (old, between, new)
        check_store(steps.store)
        if not hit:
            return
    pytest.fail(f"more than {STEPS_MAX} {calls}")


@pytest.mark.parametrize("calls", CAN_FAIL)
def test_a_pull_whose_disk_fails_at_each_step(steps, calls):
    """It fails, and says of what; or does without. The store is whole, and the next try works."""
    for done in at_each(steps, calls, "error=ENOSPC", "pull", "org/tiny"):
        assert done.returncode in (DONE, FAILED), done
        if done.returncode == FAILED:
            assert re.search(r"(?i)space", done.stderr), done.stderr
        names = steps.whole({"org/first"}, {"org/first", "org/tiny"})
        if calls != "fsync,fdatasync":  # the last of them comes after the commit
            assert ("org/tiny" in names) == (done.returncode == DONE), (names, done)
        steps.cli("pull", "org/tiny")
        assert set(check_store(steps.store)) == {"org/first", "org/tiny"}
        steps.cli("rm", "org/tiny")


def test_the_first_start_of_a_store_killed_at_each_step(tracer, tmp_path, hub, tiny, bound):
    """Of a store that is not there yet."""
    hub.add("org/tiny", tiny)
    for n in range(1, STEPS_MAX, STRIDE):
        folder = tmp_path / str(n)
        folder.mkdir()
        steps = Steps(folder, hub, bound)
        steps.hit("mkdir,mkdirat", "signal=KILL", n, "pull", "org/tiny")
        if not steps.was_hit():
            return
        steps.cli("pull", "org/tiny")
        assert set(check_store(steps.store)) == {"org/tiny"}
    pytest.fail(f"more than {STEPS_MAX} folders")
