"""A clock that jumps, by years, in both directions: while a download runs, and between two starts."""
import os
import pathlib
import re
import signal
import time

import pytest

from driver import SANITIZED
from pulling import (again, begin, cache_info, check_answers, check_store, ended, fails, info, partial_bytes, pull,
                     restart, start, store_of, told)

WEIGHTS = "model.safetensors"
YEARS = 10
LIBRARIES = [f"/usr/{folder}/faketime/libfaketimeMT.so.1" for folder in (
    "lib/x86_64-linux-gnu", "lib/aarch64-linux-gnu", "lib", "lib64")]


class Clock:
    """The time of day as a process sees it; what counts seconds goes on undisturbed, as it does on a real machine."""

    def __init__(self, folder: pathlib.Path, library: str):
        self.file = folder / "clock"
        self.env = {"LD_PRELOAD": library, "FAKETIME_TIMESTAMP_FILE": str(self.file), "FAKETIME_NO_CACHE": "1",
                    "FAKETIME_DONT_FAKE_MONOTONIC": "1", "NO_FAKE_STAT": "1"}
        self.jump(0)

    def jump(self, years: int) -> None:
        self.file.write_text(f"{years:+d}y\n" if years else "+0\n")


@pytest.fixture
def clock(tmp_path) -> Clock:
    found = [p for p in (os.environ.get("TROUPE_FAKETIME", ""), *LIBRARIES) if p and pathlib.Path(p).exists()]
    if not found or SANITIZED:
        pytest.skip("needs libfaketime (package faketime; or TROUPE_FAKETIME names it), and no sanitizer")
    return Clock(tmp_path, found[0])


def year(text: str) -> int:
    return int(text[:4])


@pytest.mark.parametrize("years", [YEARS, -YEARS])
def test_the_clock_jumps_under_way(serve, hub, tiny, tiny_shape, small, clock, tmp_path, years):
    """Neither given up nor told wrong: time that passes is not the time of day."""
    hub.add("org/tiny", tiny)
    hub.add("org/small", small)
    server = start(serve, tmp_path / "env", hub, {"download_stall_s": 20}, env=clock.env)
    pull(server, "tiny", "org/tiny")
    assert year(info(server, "tiny")["downloaded_at"]) == time.gmtime().tm_year
    size = (small / WEIGHTS).stat().st_size
    hold = hub.fault(f"org/small/{WEIGHTS}", stall_after=size // 2)
    hub.rate(10_000_000)
    download = begin(server, "small", "org/small", load=False)
    assert hold.reached.wait(20)
    before = told(server, download)
    clock.jump(years)
    now = told(server, download)
    assert year(now["timestamp"]) - time.gmtime().tm_year in (years, years - 1, years + 1), "the clock has not jumped"
    assert now["status"] == "downloading" and now["progress"] >= before["progress"], now
    hold.release()
    last = ended(server, download)
    assert last["status"] == "completed" and len(hub.asked(f"org/small/{WEIGHTS}", "body", method="GET")) == 1
    check_answers(server, "tiny", tiny, tiny_shape)
    assert set(check_store(server)) == {"tiny", "small"}
    # And back again: what was asked stays known.
    clock.jump(0)
    assert told(server, download)["status"] == "completed"
    server.json("/models/download/tiny", "DELETE")
    pull(server, "tiny", "org/tiny")


@pytest.mark.parametrize("years", [YEARS, -YEARS])
def test_the_clock_jumps_between_two_starts(serve, hub, tiny, small, clock, tmp_path, years):
    """Models stay; what is kept of a download goes on, or has become too old; nothing of it is in the way."""
    hub.add("org/tiny", tiny)
    hub.add("org/small", small)
    server = start(serve, tmp_path / "env", hub, env=clock.env)
    pull(server, "tiny", "org/tiny")
    hub.cut_off(f"org/small/{WEIGHTS}", 3_000_000)
    ended(server, begin(server, "small", "org/small"), "failed")
    hub.mend()
    server.stop()
    clock.jump(years)
    restart(server)
    assert set(server.models()) == {"tiny"} and server.predict("hello", "tiny").status_code == 200
    hub.forget()
    pull(server, "small", "org/small")
    if years < 0:
        assert hub.asked(f"org/small/{WEIGHTS}", "body")[0].range, "it is not older than it was"
    clock.jump(0)
    again(server, signal.SIGTERM)
    assert set(check_store(server)) == set(server.models()) == {"tiny", "small"}
    assert partial_bytes(server) == 0


def test_the_least_recently_used_is_found_across_jumps(serve, hub, tiny, sized, clock, tmp_path):
    """The order of uses is the clock's, and so it may be wrong; never is a model lost that there is room for."""
    for n in range(3):
        hub.add(f"org/m{n}", sized(6, seed=n + 1))
    size = sum(p.stat().st_size for p in sized(6).iterdir())
    server = start(serve, tmp_path / "env", hub, {"store_limit_gb": round(2.5 * size / 2**30, 6)}, env=clock.env)
    for n, years in enumerate((YEARS, -YEARS, 0)):
        clock.jump(years)
        pull(server, f"m{n}", f"org/m{n}", load=False)
    server.until(lambda: len(cache_info(server)["models"]) == 2)
    assert "m2" in cache_info(server)["models"], "what has just come was removed"
    check_store(server)


def test_a_retry_that_is_named_by_date(serve, hub, tiny, tiny_shape, clock, tmp_path):
    """Retry-After with a date, by a server whose clock is another: neither for ever, nor refused for good."""
    hub.add("org/tiny", tiny)
    server = start(serve, tmp_path / "env", hub, env=clock.env)
    when = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(time.time() + 1))
    clock.jump(YEARS)
    hub.fault(f"org/tiny/{WEIGHTS}", status=503, headers={"Retry-After": when}, times=1)
    pull(server, "ahead", "org/tiny")
    check_answers(server, "ahead", tiny, tiny_shape)
    server.json("/models/download/ahead", "DELETE")
    clock.jump(-YEARS)
    hub.fault(f"org/tiny/{WEIGHTS}", status=503, headers={"Retry-After": when}, times=1)
    why = fails(server, "behind", "org/tiny")
    assert re.search(r"503.*left alone", why), why
    pull(server, "behind", "org/tiny")


def test_a_signature_of_another_time(serve, s3, tiny, tiny_shape, clock, tmp_path):
    """S3 refuses it, which is told; with the right time it comes."""
    s3.key("AKIDEXAMPLE", "secret")
    s3.add("bucket", tiny, "tiny/")
    server = start(serve, tmp_path / "env", env={
        **clock.env, "ADMIN_API_KEY": "k" * 20, "AWS_ENDPOINT_URL": s3.url, "AWS_REGION": s3.region,
        "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret"})
    headers = {"Authorization": "Bearer " + "k" * 20}
    clock.jump(YEARS)
    why = fails(server, "mine", "s3://bucket/tiny", "s3", headers=headers)
    assert re.search(r"(?i)time|clock|skew", why), why
    clock.jump(0)
    pull(server, "mine", "s3://bucket/tiny", "s3", headers=headers)
    check_answers(server, "mine", tiny, tiny_shape)


@pytest.mark.parametrize("years", [YEARS, -YEARS])
def test_files_of_another_time(serve, hub, tiny, small, tmp_path, years):
    """As a clock that was wrong has left them: all times of the store's files, in the future or long ago."""
    hub.add("org/tiny", tiny)
    hub.add("org/small", small)
    server = start(serve, tmp_path / "env", hub)
    pull(server, "tiny", "org/tiny")
    hub.cut_off(f"org/small/{WEIGHTS}", 3_000_000)
    ended(server, begin(server, "small", "org/small"), "failed")
    hub.mend()
    server.stop()
    at = time.time() + years * 365 * 86400
    for path in store_of(server).rglob("*"):
        os.utime(path, (at, at), follow_symlinks=False)
    restart(server)
    assert set(server.models()) == {"tiny"} and server.predict("hello", "tiny").status_code == 200
    pull(server, "small", "org/small")
    assert set(check_store(server)) == {"tiny", "small"}
