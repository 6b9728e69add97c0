"""A troupe that serves the two models, and what it hears: the computation that clients get."""
import asyncio
import contextlib
import json
import os
import pathlib
import socket
import subprocess
import tempfile
import time
import urllib.request

import websockets

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = pathlib.Path(os.environ.get("TROUPE_BINARY") or ROOT / "build/release/troupe")
CHUNKS = {"[5,10,5], look back 4 and 0": {"chunk_size": [5, 10, 5], "encoder_chunk_look_back": 4, "decoder_chunk_look_back": 0},
          "[0,10,5], look back 4 and 1": {"chunk_size": [0, 10, 5], "encoder_chunk_look_back": 4, "decoder_chunk_look_back": 1},
          "[5,10,5], no look back": {"chunk_size": [5, 10, 5], "encoder_chunk_look_back": 0, "decoder_chunk_look_back": 0}}


class Server:
    def __init__(self, models, folder, threads=1):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.port = s.getsockname()[1]
        (folder / "models.json").write_text(json.dumps({"models": {
            "streaming_asr": {"path": str(models / "streaming_asr"), "task": "automatic-speech-recognition"},
            "punctuation": {"path": str(models / "punctuation"), "task": "punctuation-restoration"}}}))
        (folder / "config.json").write_text(json.dumps({
            "listeners": [{"host": "127.0.0.1", "port": self.port}], "models_file": str(folder / "models.json"),
            "data_dir": str(folder / "data"), "compute_slots": threads, "threads_per_slot": 1, "session_compute_share": 1}))
        self.log = open(folder / "log.txt", "w")
        self.process = subprocess.Popen([BINARY, "serve", "--config", folder / "config.json"], stdout=self.log,
                                        stderr=self.log)
        limit = time.monotonic() + 60
        while self.get("/health/ready") is None:
            if self.process.poll() is not None or time.monotonic() > limit:
                raise RuntimeError("the server does not start:\n" + (folder / "log.txt").read_text())
            time.sleep(0.05)

    def get(self, path, body=None):
        """JSON; None where there is no answer of 200."""
        data = None if body is None else json.dumps(body).encode()
        asked = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", data, {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(asked, timeout=60) as answer:
                return json.load(answer)
        except (OSError, ValueError):
            return None

    def loaded_ms(self):
        """Loads both: milliseconds that each took."""
        self.get("/model/load", {"model_type": "all", "async_load": False})
        return {name: m["load_time_ms"] for name, m in self.get("/model/info")["available_models"].items()}

    def punctuated(self, text):
        return self.get("/predict", {"model_name": "punctuation", "text": text})

    def hear(self, recordings, terms, mode="online", at_once=8):
        """Texts of int16 recordings, as a client that sends them at once gets them; `2pass` has marks."""
        async def one(pcm, gate):
            async with gate, websockets.connect(f"ws://127.0.0.1:{self.port}/funasr", ping_interval=None) as ws:
                await ws.send(json.dumps({"mode": mode, "wav_name": "w", "is_speaking": True, **terms}))
                data = pcm.astype("<i2").tobytes()
                for begin in range(0, len(data), 19200):
                    await ws.send(data[begin:begin + 19200])
                await ws.send(json.dumps({"is_speaking": False}))
                text = []
                while True:
                    got = json.loads(await asyncio.wait_for(ws.recv(), 120))
                    if "error" in got:
                        raise RuntimeError(got["error"])
                    if got["mode"] != "2pass-online":
                        text.append(got["text"])
                    if got["is_final"]:
                        # Increments bring their own spaces, sentences do not.
                        return "".join(text) if mode == "online" else " ".join(t.strip() for t in text if t.strip())

        async def all_of_them():
            gate = asyncio.Semaphore(at_once)
            return await asyncio.gather(*(one(pcm, gate) for pcm in recordings))

        return asyncio.run(all_of_them())

    def stop(self):
        self.process.terminate()
        self.process.wait(30)
        self.log.close()


@contextlib.contextmanager
def serving(models):
    with tempfile.TemporaryDirectory() as folder:
        server = Server(models, pathlib.Path(folder))
        try:
            yield server
        finally:
            server.stop()
