"""The disk under the store: full in every way, not to be written, another one than the source's."""
import os
import pathlib
import re
import shutil
import signal
import subprocess

import pytest

from command_line import FAILED, Cli
from pulling import (again, cache_info, check_answers, check_models, check_nothing_left, check_store, contents,
                     ended, fails, info, partial_bytes, pull, reason, relabelled, restart, start, store_of,
                     write_hub_cache)

WEIGHTS = "model.safetensors"
FULL = r"(?i)space|room|full"


def fill(disk: pathlib.Path) -> pathlib.Path:
    """Not a byte more goes onto it, until what is given is removed."""
    filler = disk / "filler"
    with open(filler, "ab", buffering=0) as file:
        for size in (1 << 20, 4096, 1):
            try:
                while True:
                    file.write(b"x" * size)
            except OSError:
                pass
    return filler


def other_weights(folder: pathlib.Path, number: int) -> dict[str, bytes]:
    """The checkpoint with weights that no other has."""
    files = contents(folder)
    return {**files, WEIGHTS: files[WEIGHTS][:-4] + bytes([number, 0, 0, 0])}


# -- full --

@pytest.mark.asan
def test_a_full_disk_on_the_command_line(hub, tiny, sized, tmpfs, tmp_path):
    """Refused before the first byte where it is known to be too large; and where it fills under way, what has come is
    kept, and the next pull goes on."""
    hub.add("org/tiny", tiny)
    hub.add("org/large", sized(12))
    disk = tmpfs(8)
    cli = Cli(tmp_path, hub, TROUPE_CACHE_DIRECTORY=str(disk / "store"))
    cli("pull", "org/tiny")
    told = cli("pull", "org/large", status=FAILED).stderr
    assert re.search(FULL, told) and "MiB" in told, told
    assert not hub.asked(f"org/large/{WEIGHTS}", "body")
    assert set(check_store(disk / "store")) == {"org/tiny"}
    cli("rm", "org/tiny")


@pytest.mark.asan
def test_a_full_disk_is_made_room_on_by_removing(serve, hub, tiny, tmpfs, tmp_path):
    """With not a byte left: models are served, the server starts, DELETE works, and by it there is room again."""
    hub.add("org/tiny", tiny)
    for n in range(2):
        hub.add(f"org/m{n}", other_weights(tiny, n))
    disk = tmpfs(8)
    server = start(serve, tmp_path / "env", hub, {"cache_directory": str(disk / "store")})
    for n in range(2):
        pull(server, f"m{n}", f"org/m{n}")
    fill(disk)
    again(server, signal.SIGTERM)
    fill(disk)
    for n in range(2):
        assert server.predict("hello", f"m{n}").status_code == 200
    assert re.search(FULL, fails(server, "tiny", "org/tiny"))
    assert server.request("DELETE", "/models/download/m0").status_code == 200
    assert set(check_store(disk / "store")) == {"m1"} and cache_info(server)["models"] == ["m1"]
    # Killed there, it starts there.
    fill(disk)
    again(server, signal.SIGKILL)
    assert server.predict("hello", "m1").status_code == 200
    assert server.request("DELETE", "/models/download/m1").status_code == 200
    (disk / "filler").unlink()
    pull(server, "tiny", "org/tiny")
    assert set(check_store(disk / "store")) == {"tiny"}


def test_a_first_start_on_a_full_disk(serve, hub, tiny, tmpfs, tmp_path):
    hub.add("org/tiny", tiny)
    disk = tmpfs(4)
    filler = fill(disk)
    server = start(serve, tmp_path / "env", hub, {"cache_directory": str(disk / "store")},
                   registry={"theirs": {"path": str(tiny), "preload": True}})
    why = fails_or_503(server, "mine", "org/tiny")
    assert re.search(FULL, why), why
    assert server.predict("hello", "theirs").status_code == 200
    filler.unlink()
    pull(server, "mine", "org/tiny")


def test_no_more_files(serve, hub, tiny, tiny_shape, tmpfs, tmp_path):
    """There are bytes, and no inodes."""
    hub.add("org/tiny", tiny)
    hub.add("org/more", other_weights(tiny, 1))
    disk = tmpfs(16)
    server = start(serve, tmp_path / "env", hub, {"cache_directory": str(disk / "store")})
    pull(server, "tiny", "org/tiny")
    used = os.statvfs(disk).f_files - os.statvfs(disk).f_ffree
    done = subprocess.run(["mount", "-o", f"remount,nr_inodes={used + 2}", str(disk)], capture_output=True)
    if done.returncode:
        pytest.skip("the number of inodes cannot be set")
    why = fails(server, "more", "org/more")
    assert re.search(FULL, why), why
    check_nothing_left(server, "more")
    check_answers(server, "tiny", tiny, tiny_shape)
    assert server.request("DELETE", "/models/download/tiny").status_code == 200
    subprocess.run(["mount", "-o", "remount,nr_inodes=10000", str(disk)], check=True, capture_output=True)
    pull(server, "more", "org/more")


def test_a_disk_that_fills_in_an_update(serve, hub, tiny, small, tmpfs, tmp_path):
    """The old one stays and serves; with room the update comes."""
    hub.add("org/m", relabelled(tiny, list("abcde")))
    disk = tmpfs(24)
    server = start(serve, tmp_path / "env", hub, {"cache_directory": str(disk / "store")})
    pull(server, "mine", "org/m")
    hub.push("org/m", small)
    hold = hub.fault(f"org/m/{WEIGHTS}", stall_after=1_000_000)
    update = server.json("/models/manage?action=update&model_name=mine", "POST")["download_id"]
    assert hold.reached.wait(20)
    filler = fill(disk)
    hold.release()
    assert re.search(FULL, reason(ended(server, update, "failed")))
    assert set(server.predict("hello", "mine").json()["probabilities"]) == set("abcde")
    filler.unlink()
    ended(server, server.json("/models/manage?action=update&model_name=mine", "POST")["download_id"])
    server.until(lambda: set(server.predict("hello", "mine").json()["probabilities"]) != set("abcde"))
    check_store(disk / "store")


# -- not to be written --

def fails_or_503(server, name: str, model_id: str) -> str:
    answer = server.post("/models/download", json={"source": "huggingface", "model_id": model_id, "name": name})
    if answer.status_code == 200:
        return reason(ended(server, answer.json()["download_id"], "failed"))
    assert answer.status_code == 503, answer.text
    return reason(answer.json())


NO = r"(?i)permission denied|may not|cannot be (read|written)|not permitted"


@pytest.mark.asan
@pytest.mark.parametrize("where", ["", ".store/blobs", ".store/partial"])
def test_a_folder_of_the_store_that_may_not_be_written(serve, hub, tiny, tiny_shape, bound, modes, tmp_path, where):
    """Told, with the user that runs; what is there is served, and when it is mended the download comes."""
    hub.add("org/tiny", tiny)
    hub.add("org/more", other_weights(tiny, 1))
    server = start(serve, tmp_path / "env", hub, binary=bound)
    pull(server, "tiny", "org/tiny")
    folder = store_of(server) / where
    modes(folder, 0o555)
    why = fails_or_503(server, "more", "org/more")
    assert re.search(NO, why) and str(folder) in why, why
    assert f"uid {os.geteuid()}" in why or where == ".store/partial", why
    check_answers(server, "tiny", tiny, tiny_shape)
    again(server, signal.SIGTERM)
    check_answers(server, "tiny", tiny, tiny_shape, "other words")
    folder.chmod(0o755)
    server.until(lambda: settled_well(server, "more", "org/more"), 10)
    check_models(store_of(server))


def settled_well(server, name: str, model_id: str) -> bool:
    answer = server.post("/models/download", json={"source": "huggingface", "model_id": model_id, "name": name})
    if answer.status_code != 200:
        return False
    download = answer.json()["download_id"]
    return server.until(lambda: (now := server.json(f"/models/download/status/{download}"))["status"] in
                        ("completed", "failed") and now)["status"] == "completed"


def test_a_model_that_may_not_be_removed(serve, hub, tiny, bound, modes, tmp_path):
    """DELETE says so, and the model is there whole, or gone; never half of it."""
    hub.add("org/tiny", tiny)
    server = start(serve, tmp_path / "env", hub, binary=bound)
    pull(server, "tiny", "org/tiny")
    folder = store_of(server) / "tiny"
    modes(folder, 0o555)
    answer = server.request("DELETE", "/models/download/tiny")
    assert answer.status_code == 503 and re.search(NO, answer.text), answer.text
    assert cache_info(server)["models"] == ["tiny"] and set(check_models(store_of(server))) == {"tiny"}
    folder.chmod(0o755)
    assert server.request("DELETE", "/models/download/tiny").status_code == 200
    check_nothing_left(server, "tiny")


@pytest.mark.asan
def test_no_permission_on_the_command_line(hub, tiny, bound, modes, tmp_path):
    hub.add("org/tiny", tiny)
    cli = Cli(tmp_path, hub)
    cli.binary = bound
    data = tmp_path / "data"
    data.mkdir()
    modes(data, 0o555)
    done = cli.run("pull", "org/tiny")
    assert done.returncode == FAILED and re.search(NO, done.stderr) and str(data) in done.stderr, done
    data.chmod(0o755)
    assert cli.run("pull", "org/tiny").returncode == 0
    modes(data / "models/org/tiny/manifest.json", 0)
    done = cli.run("show", "org/tiny")
    assert done.returncode == FAILED and re.search(NO, done.stderr), done
    done = cli.run("store", "verify")
    assert done.returncode == FAILED and "manifest.json" in done.stdout + done.stderr, done
    (data / "models/org/tiny/manifest.json").chmod(0o644)
    (weights,) = (data / "models/org/tiny").glob(f"@*/{WEIGHTS}")
    modes(weights, 0)
    done = cli.run("store", "verify")
    assert done.returncode == FAILED and WEIGHTS in done.stdout + done.stderr, done
    weights.chmod(0o444)
    assert cli.run("store", "verify").returncode == 0


def test_a_source_that_may_not_be_read(hub, tiny, bound, modes, tmp_path):
    """A folder of this machine, a file of it; and the hub's cache, in whose place the hub is asked."""
    commit = hub.add("org/tiny", tiny).refs["main"]
    shutil.copytree(tiny, tmp_path / "theirs")
    cli = Cli(tmp_path, hub, HF_HUB_CACHE=str(tmp_path / "cache"))
    cli.binary = bound
    for path in (tmp_path / "theirs" / WEIGHTS, tmp_path / "theirs"):
        modes(path, 0)
        done = cli.run("pull", str(tmp_path / "theirs"))
        assert done.returncode == FAILED and re.search(NO, done.stderr) and "theirs" in done.stderr, done
        path.chmod(0o755)
    root = write_hub_cache(tmp_path / "cache", "org/tiny", contents(tiny), commit)
    for blob in (root / "blobs").iterdir():
        modes(blob, 0)
    assert cli.run("pull", "org/tiny").returncode == 0
    assert hub.asked(WEIGHTS, "body"), "from where did it come?"
    assert set(check_store(tmp_path / "data/models")) == {"org/tiny"}


# -- another one than the source's --

@pytest.mark.asan
def test_the_hubs_cache_on_another_disk(serve, hub, tiny, tiny_shape, tmpfs, tmp_path):
    """Copied, not linked; and no second download."""
    commit = hub.add("org/tiny", tiny).refs["main"]
    write_hub_cache(tmp_path / "cache", "org/tiny", contents(tiny), commit)
    server = start(serve, tmp_path / "env", hub, {"cache_directory": str(tmpfs(8) / "store")},
                   env={"HF_HUB_CACHE": str(tmp_path / "cache")})
    pull(server, "mine", "org/tiny")
    shutil.rmtree(tmp_path / "cache")
    check_answers(server, "mine", tiny, tiny_shape)
    assert not hub.asked(stage="body") and set(check_store(server)) == {"mine"}


def test_a_source_on_another_disk_from_the_command_line(hub, tiny, tmpfs, tmp_path):
    disk = tmpfs(8)
    shutil.copytree(tiny, disk / "theirs")
    cli = Cli(tmp_path, hub)
    cli("pull", str(disk / "theirs"))
    shutil.rmtree(disk / "theirs")
    assert set(check_store(tmp_path / "data/models")) == {"theirs"}
    assert cli.json("store", "verify")["faults"] == []


def test_a_store_that_is_a_link_to_another_disk(serve, hub, tiny, tiny_shape, tmpfs, tmp_path):
    """cache_directory itself may be a link; a mount point within the store is refused, or works: never half of it."""
    hub.add("org/tiny", tiny)
    disk = tmpfs(8)
    (disk / "store").mkdir()
    (tmp_path / "link").symlink_to(disk / "store")
    server = start(serve, tmp_path / "env", hub, {"cache_directory": str(tmp_path / "link")})
    pull(server, "mine", "org/tiny")
    check_answers(server, "mine", tiny, tiny_shape)
    assert set(check_store(disk / "store")) == {"mine"}
    assert info(server, "mine")["status"] == "completed"
    server.json("/models/download/mine", "DELETE")
    assert check_store(disk / "store") == {}


def test_a_disk_mounted_within_the_store(serve, hub, tiny, tmpfs, tmp_path):
    """Content cannot be linked from one disk to another: said at the download, and nothing is left."""
    hub.add("org/tiny", tiny)
    disk = tmpfs(8)
    server = start(serve, tmp_path / "env", hub)
    blobs = store_of(server) / ".store/blobs"
    done = subprocess.run(["mount", "--bind", str(disk), str(blobs)], capture_output=True)
    if done.returncode:
        pytest.skip("nothing can be mounted")
    try:
        why = fails_or_503(server, "mine", "org/tiny")
        assert re.search(r"(?i)cross-device|another (disk|file system)", why), why
        assert cache_info(server)["models"] == [] and "mine" not in server.models()
    finally:
        subprocess.run(["umount", "-l", str(blobs)], check=True, capture_output=True)
    pull(server, "mine", "org/tiny")
    check_store(server)
    assert partial_bytes(server) == 0
    restart_is_fine(server)


def restart_is_fine(server) -> None:
    server.stop()
    restart(server)
    assert "mine" in server.models()
