"""Starts the real binary and talks to it."""
from __future__ import annotations

import concurrent.futures
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import ssl
import subprocess
import threading
import time
import urllib.parse

import requests

ROOT = pathlib.Path(os.environ.get("TROUPE_SOURCE") or pathlib.Path(__file__).resolve().parents[2])
BINARY = pathlib.Path(os.environ.get("TROUPE_BINARY") or ROOT / "build/release/troupe")
TESTSERVER = pathlib.Path(os.environ.get("TROUPE_TESTSERVER") or BINARY.parent / "tests/support/troupe_testserver")
SANITIZED = os.environ.get("TROUPE_SANITIZED", "") not in ("", "0") or "debug" in BINARY.parts
SLOW = 4 if SANITIZED else 1  # factor for limits

FIXTURES = ROOT / "tests/fixtures"
TORCHSCRIPT = FIXTURES / "torchscript"


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Server:
    """One process of troupe. `registry` is models.json's "models"; `settings` its configuration file."""

    live: list["Server"] = []

    def __init__(self, folder: pathlib.Path, registry: dict | None = None, settings: dict | None = None,
                 *, binary: pathlib.Path = BINARY, port: int | None = None, args: list[str] | None = None,
                 env: dict[str, str] | None = None, start: bool = True, ready_s: float = 60):
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.binary = binary
        self.port = port or free_port()
        self.args = args or []
        self.extra_env = env or {}
        self.registry_file = folder / "models.json"
        self.config_file = folder / "config.json"
        self.log_file = folder / "log.txt"
        self.write_registry(registry or {})
        self.settings = {
            "listeners": [{"host": "127.0.0.1", "port": self.port}],
            "models_file": str(self.registry_file),
            "data_dir": str(folder / "data"),
            "memory_limit_mb": 4096,
            "precision": "fp32",
            "compute_slots": 2,
            "threads_per_slot": 1,
            "log_format": "human",
            "log_level": "info",
            **(settings or {}),
        }
        self.config_file.write_text(json.dumps(self.settings, indent=1))
        self.process: subprocess.Popen | None = None
        self._lines: list[str] = []
        self._changed = threading.Condition()
        self._session = threading.local()
        if start:
            self.start(ready_s)

    # -- process --

    def write_registry(self, registry: dict) -> None:
        self.registry_file.write_text(json.dumps({"models": registry}, indent=1))

    def start(self, ready_s: float = 60) -> "Server":
        env = {k: v for k, v in os.environ.items() if not k.startswith("TROUPE_")}
        env.pop("API_KEYS", None)
        env.pop("ADMIN_API_KEY", None)
        env.update(self.extra_env)
        self.process = subprocess.Popen(
            [str(self.binary), "serve", "--config", str(self.config_file), *self.args],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=env, cwd=self.folder)
        Server.live.append(self)
        threading.Thread(target=self._read_log, args=(self.process,), daemon=True).start()
        if ready_s > 0:
            self.wait_log(r"\bready on http", ready_s * SLOW)
        return self

    def _read_log(self, process: subprocess.Popen) -> None:
        with open(self.log_file, "a", encoding="utf-8", errors="replace") as copy:
            for raw in process.stdout:
                line = raw.decode("utf-8", "replace")
                copy.write(line)
                copy.flush()
                with self._changed:
                    self._lines.append(line)
                    self._changed.notify_all()
        with self._changed:
            self._changed.notify_all()

    def wait_log(self, pattern: str, limit_s: float = 30, start: int = 0) -> re.Match:
        """Waits for a line of the log from line `start` on; fails with the log when the process ends."""
        end = time.monotonic() + limit_s
        seen = start
        with self._changed:
            while True:
                while seen < len(self._lines):
                    found = re.search(pattern, self._lines[seen])
                    seen += 1
                    if found:
                        return found
                ended = self.process.poll() is not None
                left = end - time.monotonic()
                if left <= 0 or (ended and seen >= len(self._lines)):
                    why = f"ended with {self.process.returncode}" if ended else f"nothing in {limit_s:.0f} s"
                    raise AssertionError(f"waiting for /{pattern}/: {why}\n{self.log(40)}")
                self._changed.wait(min(left, 0.2))

    def log_position(self) -> int:
        return len(self._lines)

    def log(self, lines: int = 80) -> str:
        return "".join(self._lines[-lines:])

    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def stop(self, sig: int | None = signal.SIGTERM, limit_s: float = 30) -> int:
        """Sends the signal (None: it has been sent) and gives the exit status."""
        if self in Server.live:
            Server.live.remove(self)
        if self.process is None:
            return 0
        if sig is not None and self.process.poll() is None:
            self.process.send_signal(sig)
        try:
            return self.process.wait(limit_s * SLOW)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"did not end within {limit_s} s of signal {sig}\n{self.log(40)}")

    def rollup_kb(self, name: str) -> int:
        """A field of /proc/PID/smaps_rollup: Rss, Pss, Private_Clean, .."""
        for line in open(f"/proc/{self.process.pid}/smaps_rollup"):
            if line.startswith(name + ":"):
                return int(line.split()[1])
        raise KeyError(name)

    # -- HTTP --

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def session(self) -> requests.Session:
        if not hasattr(self._session, "value"):
            self._session.value = requests.Session()
            self._session.value.trust_env = False
        return self._session.value

    def request(self, method: str, path: str, **kw) -> requests.Response:
        kw.setdefault("timeout", 60 * SLOW)
        return self.session.request(method, self.url + path, **kw)

    def get(self, path: str, **kw) -> requests.Response:
        return self.request("GET", path, **kw)

    def post(self, path: str, **kw) -> requests.Response:
        return self.request("POST", path, **kw)

    def json(self, path: str, method: str = "GET", status: int = 200, **kw) -> dict:
        answer = self.request(method, path, **kw)
        assert answer.status_code == status, f"{method} {path}: {answer.status_code} {answer.text[:500]}"
        return answer.json()

    def predict(self, text, model: str | None = None, *, cached: bool = False, **body) -> requests.Response:
        """POST /predict; without the prediction cache unless asked."""
        body = {"text": text, **body} if text is not None else body
        if model is not None:
            body["model_name"] = model
        return self.post("/predict", json=body, headers={} if cached else {"Cache-Control": "no-cache"})

    def tensor(self, values, model: str, **body) -> requests.Response:
        """POST /predict with one tensor input."""
        return self.predict(None, model, inputs=values, **body)

    def load(self, model: str, status: int = 200) -> dict:
        return self.json(f"/models/{quote(model)}/load", "POST", status)

    def unload(self, model: str, status: int = 200) -> dict:
        return self.json(f"/models/{quote(model)}/unload", "POST", status)

    def model(self, name: str) -> dict:
        return self.json(f"/models/{quote(name)}")

    def models(self) -> dict:
        return self.json("/models")["models"]

    def resident(self) -> set[str]:
        return {name for name, m in self.models().items() if m["loaded"]}

    def stats(self) -> dict:
        return self.json("/stats")

    def metrics(self) -> dict[str, float]:
        """Series -> value, labels as written."""
        return parse_metrics(self.get("/metrics").text)

    def until(self, what, limit_s: float = 20, every_s: float = 0.02):
        """Asks until `what()` gives something true; gives it."""
        return until(what, limit_s * SLOW, every_s)

    def many(self, calls: list, threads: int = 16) -> list:
        """Runs callables at the same time; results in order."""
        with concurrent.futures.ThreadPoolExecutor(threads) as pool:
            return [f.result() for f in [pool.submit(c) for c in calls]]


def until(what, limit_s: float = 20, every_s: float = 0.02):
    end = time.monotonic() + limit_s
    while True:
        value = what()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {limit_s:.0f} s")
        time.sleep(every_s)


def quote(name: str) -> str:
    return urllib.parse.quote(name, safe="")


def parse_metrics(text: str) -> dict[str, float]:
    out = {}
    for line in text.splitlines():
        if line and not line.startswith("#"):
            series, value = line.rsplit(" ", 1)
            out[series] = float(value)
    return out


def metric_sum(metrics: dict[str, float], name: str) -> float:
    """A metric over all its labels."""
    return sum(v for k, v in metrics.items() if k == name or k.startswith(name + "{"))


def check_envelope(answer: requests.Response, status: int, code: str | None = None) -> dict:
    """The one error envelope, with the right status; gives its fields."""
    assert answer.status_code == status, f"{answer.status_code} instead of {status}: {answer.text[:500]}"
    body = answer.json()
    assert body["status"] == "error" and body["success"] is False, body
    assert isinstance(body["error"], str) and body["error"], body
    assert isinstance(body["message"], str) and body["message"], body
    assert body["code"] == body["error_code"], body
    assert isinstance(body.get("detail"), str), body
    assert isinstance(body.get("details"), str), body
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", body["timestamp"]), body
    if code:
        assert body["code"] == code, body
    return body


class Raw:
    """A connection of bytes, for what HTTP clients refuse to send."""

    def __init__(self, server: Server | int, timeout_s: float = 20, tls: ssl.SSLContext | None = None):
        port = server if isinstance(server, int) else server.port
        self.socket = socket.create_connection(("127.0.0.1", port), timeout_s * SLOW)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls:
            self.socket = tls.wrap_socket(self.socket, server_hostname="localhost")
        self.buffer = b""

    def __enter__(self) -> "Raw":
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def close(self) -> None:
        self.socket.close()

    def reset(self) -> None:
        """Closes with RST: the client that vanishes."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.socket.close()

    def half_close(self) -> "Raw":
        """Ends the sending side: nothing more is asked."""
        self.socket.shutdown(socket.SHUT_WR)
        return self

    def send(self, data: bytes | str) -> "Raw":
        self.socket.sendall(data.encode() if isinstance(data, str) else data)
        return self

    def request(self, method: str, path: str, body: bytes = b"", headers: dict | None = None) -> "Raw":
        head = [f"{method} {path} HTTP/1.1", "Host: localhost"]
        head += [f"{k}: {v}" for k, v in (headers or {}).items()]
        if body or method in ("POST", "PUT"):
            head.append(f"Content-Length: {len(body)}")
        return self.send("\r\n".join(head).encode("latin-1") + b"\r\n\r\n" + body)

    def _more(self) -> bool:
        data = self.socket.recv(65536)
        self.buffer += data
        return bool(data)

    def _line(self) -> bytes:
        while b"\r\n" not in self.buffer:
            if not self._more():
                raise ConnectionError(f"closed within a line: {self.buffer[:200]!r}")
        line, self.buffer = self.buffer.split(b"\r\n", 1)
        return line

    def _bytes(self, size: int) -> bytes:
        while len(self.buffer) < size:
            if not self._more():
                raise ConnectionError(f"closed after {len(self.buffer)} of {size} bytes")
        data, self.buffer = self.buffer[:size], self.buffer[size:]
        return data

    def head(self) -> tuple[int, dict[str, str]]:
        status = int(self._line().split()[1])
        headers = {}
        while line := self._line():
            name, _, value = line.decode("latin-1").partition(":")
            headers[name.lower()] = value.strip()
        return status, headers

    def response(self, head_only: bool = False) -> tuple[int, dict[str, str], bytes]:
        status, headers = self.head()
        if head_only or status in (204, 304) or status < 200:
            return status, headers, b""
        if headers.get("transfer-encoding", "").lower() == "chunked":
            return status, headers, b"".join(self.chunks())
        return status, headers, self._bytes(int(headers.get("content-length", "0")))

    def chunks(self):
        while True:
            size = int(self._line().split(b";")[0], 16)
            data = self._bytes(size)
            assert self._line() == b""
            if size == 0:
                return
            yield data

    def closed(self, limit_s: float = 20) -> bool:
        """Waits for the peer to close."""
        self.socket.settimeout(limit_s * SLOW)
        try:
            while self._more():
                pass
            return True
        except ConnectionError:
            return True
        except TimeoutError:
            return False


class Load:
    """Keeps asking in the background: `ask(n)` gives (ok, what); failures and latencies are kept."""

    def __init__(self, ask, threads: int = 4):
        self.ask, self.errors, self.times_s, self.done = ask, [], [], 0
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._run, args=(n,), daemon=True) for n in range(threads)]

    def _run(self, first: int) -> None:
        n = first
        while not self._stop.is_set():
            begin = time.monotonic()
            try:
                ok, what = self.ask(n)
            except Exception as e:  # noqa: BLE001 - every failure is a finding
                ok, what = False, repr(e)
            took = time.monotonic() - begin
            with self._lock:
                self.done += 1
                self.times_s.append(took)
                if not ok:
                    self.errors.append(what)
            n += 1000003

    def __enter__(self) -> "Load":
        for t in self._threads:
            t.start()
        return self

    def __exit__(self, *_) -> None:
        self._stop.set()
        for t in self._threads:
            t.join(60 * SLOW)

    def wait(self, count: int, limit_s: float = 60) -> None:
        """Until so many more are answered."""
        goal = self.done + count
        until(lambda: self.done >= goal, limit_s * SLOW)

    def percentile(self, p: float) -> float:
        times = sorted(self.times_s)
        return times[min(len(times) - 1, int(p / 100 * len(times)))]


def have(program: str) -> bool:
    return shutil.which(program) is not None
