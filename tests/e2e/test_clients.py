"""The example clients of API document 001, unchanged, on its own port."""
import pathlib
import shlex
import socket
import subprocess

import pytest

from driver import SLOW, have

CLIENTS = pathlib.Path(__file__).parent / "clients/001"


@pytest.fixture(scope="module")
def server(serve_module, document_001):
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if s.connect_ex(("127.0.0.1", 8003)) == 0:
            pytest.skip("port 8003 is taken")
    registry = {name: {"path": str(c.folder), "source": "Hugging Face"} for name, c in document_001.items()}
    return serve_module(registry, {"preload_models": list(document_001)[:2]}, port=8003)


def test_python_client(server):
    done = subprocess.run(["/usr/bin/python3", str(CLIENTS / "client.py")], capture_output=True, text=True,
                          timeout=60 * SLOW)
    assert done.returncode == 0, done.stderr
    assert "Cached models: 2" in done.stdout
    assert "Model loaded: Model deberta-v3-base_pretrained" in done.stdout
    assert "Warmup completed: Model deberta-v3-base_pretrained warmed up successfully" in done.stdout
    assert "Cache hit: True" in done.stdout


@pytest.mark.skipif(not have("node"), reason="no node")
def test_javascript_client(server):
    done = subprocess.run(["node", str(CLIENTS / "client.js")], capture_output=True, text=True,
                          timeout=60 * SLOW)
    assert done.returncode == 0, done.stderr
    assert "Prediction: " in done.stdout and "Confidence: 0." in done.stdout
    assert "Cache hit rate: " in done.stdout and "Average inference time: " in done.stdout
    assert "Warmup completed: " in done.stdout


def curl_lines():
    for file in ("examples.sh", "curl.sh"):
        for line in (CLIENTS / file).read_text().splitlines():
            if line.startswith("curl "):
                yield f"{file}: {line}", line


@pytest.mark.parametrize("line", [pytest.param(line, id=name) for name, line in curl_lines()])
def test_curl_line(server, line):
    words = shlex.split(line)
    done = subprocess.run([words[0], "-s", "-w", "\n%{http_code}", *words[1:]], capture_output=True, text=True,
                          timeout=60 * SLOW)
    if done.returncode == 3 and " " in words[-1]:  # newer curls refuse blanks in a URL themselves
        words[-1] = words[-1].replace(" ", "%20")
        done = subprocess.run([words[0], "-s", "-w", "\n%{http_code}", *words[1:]], capture_output=True,
                              text=True, timeout=60 * SLOW)
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("\n200"), done.stdout
