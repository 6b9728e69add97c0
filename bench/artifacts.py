"""What the benchmarks of downloads share: artifacts of random bytes, the stand-in hub that has them, pulls through a server."""
from __future__ import annotations

import json
import os
import pathlib
import subprocess
import threading
import time
from dataclasses import dataclass

import checkpoints
import pulling
from driver import Server, quote
from stand_in_hub import Hub
from tools import MODELS, SETTINGS

MB = 1_000_000
LARGE = "model.safetensors"


def artifact(megabytes: int, name: str = "a") -> pathlib.Path:
    """One large file of random bytes, and a config.json that names nothing that can be served: it is kept, not loaded.
    Written once a machine."""
    folder, count = MODELS / f"random-{megabytes}-{name}", megabytes * MB
    file = folder / LARGE
    if file.exists() and file.stat().st_size > count:
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps({"architectures": ["RandomBytes"], "model_type": "random-bytes"}))
    with open(file, "wb", buffering=0) as out:
        out.write(checkpoints.safetensors_header(
            {"random": {"dtype": "U8", "shape": [count], "data_offsets": [0, count]}}))
        for at in range(0, count, 16 * MB):
            out.write(os.urandom(min(16 * MB, count - at)))
    return folder


def add(hub: Hub, megabytes: int, name: str = "a") -> str:
    """Puts an artifact there; gives its id."""
    model_id = f"random/{megabytes}-{name}"
    hub.add(model_id, artifact(megabytes, name))
    return model_id


def address(hub: Hub, model_id: str) -> str:
    """What curl asks for."""
    return f"{hub.url}/{model_id}/resolve/main/{LARGE}"


def server_environment(hub: Hub, **more: str) -> dict[str, str]:
    """Nothing of the machine's own tokens, proxies and folders."""
    return pulling.environment(SETTINGS.work / "home", hub, **more)


def environment(hub: Hub, **more: str) -> dict[str, str]:
    """The same for a program."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("TROUPE_", "HF_"))}
    return {k: v for k, v in {**clean, **server_environment(hub, **more)}.items() if v}


def pull_through(server: Server, name: str, model_id: str) -> str:
    """POST /models/download and its events until it has ended; gives how: "completed", .. Not loaded."""
    download = pulling.begin(server, name, model_id, load=False)
    # Events, not polling: on two cores a client that keeps asking is part of what is measured.
    with server.get(f"/models/download/status/{download}/events", stream=True, timeout=600) as events:
        for line in events.iter_lines(chunk_size=1):
            if line.startswith(b"data:") and (now := json.loads(line[5:]))["status"] in pulling.ENDED:
                return now["status"]
    raise RuntimeError(f"the events of {name} ended before the download")


def remove(server: Server, name: str) -> None:
    """Also one that is under way; waits."""
    server.request("DELETE", f"/models/download/{quote(name)}")


def memory_mib(pid: int, field: str) -> float:
    """Of /proc/PID/status: VmRSS, VmHWM."""
    for line in open(f"/proc/{pid}/status"):
        if line.startswith(field + ":"):
            return int(line.split()[1]) / 1024
    raise KeyError(field)


@dataclass
class Ran:
    """A program that has ended well."""

    seconds: float
    peak_mib: float
    out: str


def run(command: list[str], env: dict[str, str]) -> Ran:
    peak = 0.0

    def watch(pid: int) -> None:  # VmHWM only rises: the last one seen is that of all but the last moment
        nonlocal peak
        try:
            while True:
                peak = max(peak, memory_mib(pid, "VmHWM"))
                time.sleep(0.02)
        except (KeyError, OSError):  # it has ended
            pass

    begin = time.perf_counter()
    with subprocess.Popen(command, env=env, cwd=SETTINGS.work, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        watcher = threading.Thread(target=watch, args=(process.pid,))
        watcher.start()
        out, problem = process.communicate(timeout=600)
        seconds = time.perf_counter() - begin
        watcher.join()
    if process.returncode != 0:
        raise RuntimeError(f"{' '.join(command)[:200]}: {process.returncode} {problem[-400:]}")
    return Ran(seconds, peak, out)
