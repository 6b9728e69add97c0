"""A real Chromium without a window, whose microphone plays a file; driven over its DevTools protocol."""
from __future__ import annotations

import asyncio
import itertools
import json
import pathlib
import shutil
import subprocess
import tempfile

import requests
import websockets

from services import Service, until

PROGRAM = shutil.which("chromium")


class Page(Service):
    """A browser with one page, at `url`. `microphone` is a WAV file, played once from the moment when the page listens."""

    def __init__(self, url: str, microphone: pathlib.Path):
        self.url = url
        self.microphone = microphone
        self._numbers = itertools.count(1)
        self._loop = asyncio.new_event_loop()

    def start(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="troupe-browser", ignore_cleanup_errors=True)
        folder = pathlib.Path(self._folder.name)
        self.process = subprocess.Popen(
            [PROGRAM, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
             "--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream",
             f"--use-file-for-fake-audio-capture={self.microphone}%noloop", f"--user-data-dir={folder}",
             "--remote-debugging-port=0", self.url],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        address = until(lambda: self._address(folder / "DevToolsActivePort"), why="no Chromium")
        self._socket = self._loop.run_until_complete(self._connect(address))
        self.wait(f"document.URL === '{self.url}' && document.readyState === 'complete'")

    def _address(self, port_file: pathlib.Path) -> str | None:
        assert self.process.poll() is None, "Chromium has ended"
        if not port_file.exists() or not (lines := port_file.read_text().splitlines()):
            return None
        targets = requests.get(f"http://127.0.0.1:{lines[0]}/json", timeout=10).json()
        return next((t["webSocketDebuggerUrl"] for t in targets if t["type"] == "page"), None)

    @staticmethod
    async def _connect(address: str):
        return await websockets.connect(address, max_size=None)

    def stop(self) -> None:
        if hasattr(self, "_socket"):
            self._loop.run_until_complete(self._socket.close())
        self._loop.close()
        super().stop()
        self._folder.cleanup()

    def run(self, script: str):
        """The value of a script, which may await."""
        return self._loop.run_until_complete(asyncio.wait_for(self._run(script), 60))

    async def _run(self, script: str):
        number = next(self._numbers)
        await self._socket.send(json.dumps({
            "id": number, "method": "Runtime.evaluate",
            "params": {"expression": script, "awaitPromise": True, "returnByValue": True, "userGesture": True}}))
        while (answer := json.loads(await self._socket.recv())).get("id") != number:
            pass
        done = answer["result"]
        assert "exceptionDetails" not in done, f"{script}: {done['exceptionDetails']}"
        return done["result"].get("value")

    def wait(self, script: str, limit_s: float = 30):
        """Until the script gives something that is true: what it gave."""
        return until(lambda: self.run(script), limit_s, f"{script} did not happen")
