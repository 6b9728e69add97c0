"""The command line: against a server, and on the store without one."""
import http.server
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import threading

import pytest
import requests

from command_line import BAD_USAGE, DONE, FAILED, INTERRUPTED, NO_SERVER, NOT_FOUND, Cli
from driver import BINARY, ROOT, SLOW, Raw, free_port
from pulling import check_answers, check_store, contents, relabelled, start


@pytest.fixture
def here(tmp_path, hub, tiny):
    """Without a server."""
    hub.add("org/tiny", tiny, pipeline_tag="text-classification")
    return Cli(tmp_path, hub)


@pytest.fixture
def server(serve, hub, tiny, tmp_path):
    hub.add("org/tiny", tiny, pipeline_tag="text-classification")
    return start(serve, tmp_path / "server-env", hub)


@pytest.fixture
def there(tmp_path, server):
    """By a server."""
    return Cli(tmp_path, server=server)


# -- on the disk ------------------------------------------------------------------------------------------------

@pytest.mark.asan
def test_pulled_listed_copied_and_removed_on_the_disk(here, tiny, tiny_shape):
    done = here("pull", "org/tiny")
    size = sum(len(c) for c in contents(tiny).values())
    assert re.fullmatch(r"org/tiny: pulled, \d+ files, [\d.]+ [KM]iB\n", done.stdout), done.stdout
    assert "Asking the source" in done.stderr and "files: " in done.stderr, done.stderr
    assert here("pull", "org/tiny").stdout.startswith("org/tiny: up to date, ")

    (model,) = here.json("ls")["models"]
    assert model["name"] == model["model_id"] == "org/tiny" and model["source"] == "huggingface", model
    assert model["size_bytes"] <= size and model["servable"] is True and model["reason"] is None, model
    assert model["task"] == "text-classification" and re.fullmatch("[0-9a-f]{16}", model["id"]), model
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", model["modified"]), model
    head, row = here("ls").stdout.splitlines()
    assert head.split() == ["NAME", "ID", "SIZE", "SOURCE", "TASK", "SERVABLE", "MODIFIED"]
    assert row.split()[:2] == ["org/tiny", model["id"][:12]], row
    assert "huggingface:org/tiny" in row and "yes" in row, row

    shown = here.json("show", "org/tiny")
    assert {k: v for k, v in shown.items() if k in model} == model
    assert sum(f["size_bytes"] for f in shown["files"]) == model["size_bytes"]
    assert "model.safetensors" in here("show", "org/tiny").stdout

    assert here.json("cp", "org/tiny", "second")["id"] == model["id"]
    assert here("ls", "--names").stdout == "org/tiny\nsecond\n"
    here("cp", "org/tiny", "second", status=FAILED)
    removed = here.json("rm", "org/tiny", "second")["models"]
    assert [m["name"] for m in removed] == ["org/tiny", "second"] and all(m["removed"] for m in removed)
    assert removed[0]["freed_bytes"] < model["size_bytes"] <= removed[1]["freed_bytes"]  # the second had the bytes
    assert here.json("ls") == {"models": []}


def test_exit_statuses_say_what_is_wrong(here):
    here("show", "org/tiny", status=NOT_FOUND)
    here("rm", "org/tiny", status=NOT_FOUND)
    here("cp", "org/tiny", "b", status=NOT_FOUND)
    assert "org/none" in here("pull", "org/none", status=NOT_FOUND).stderr
    here("pull", "org/tiny", "--revision", "none", status=NOT_FOUND)
    for args in (["pull"], ["pull", "org/tiny", "--source", "nowhere"], ["pull", "org/tiny", "--name", "../x"],
                 ["pull", "org/tiny", "--max-models", "many"], ["rm"], ["store"], ["store", "burn"], ["completion"],
                 ["ls", "--server", "ftp://x"], ["serve", "--name", "x"], ["predict"]):
        here(*args, status=BAD_USAGE)
    for command in (["ps"], ["load", "a"], ["unload", "a"], ["stop", "a"]):
        here(*command, status=NO_SERVER)
    nobody = f"http://127.0.0.1:{free_port()}"
    for command in (["ls"], ["ps"], ["pull", "org/tiny"], ["predict", "a text"]):
        assert nobody in here(*command, "--server", nobody, status=NO_SERVER).stderr
    # What was pulled stays, whatever another pull wants by that name.
    here("pull", "org/tiny", "--name", "m")
    assert "another model" in here("pull", "torchvision:resnet18", "--name", "m", status=FAILED).stderr
    assert here.json("rm", "m", "gone", status=NOT_FOUND)["models"][1]["removed"] is False


@pytest.mark.asan
def test_a_folder_and_a_url_are_pulled(here, files, tiny, tmp_path):
    shutil.copytree(tiny, tmp_path / "my-model")
    facts = here.json("pull", "./my-model")
    assert facts["name"] == "my-model" and facts["source"] == "local", facts
    assert facts["model_id"] == str(tmp_path / "my-model") and facts["servable"] is True, facts
    url = files.put("net-1.safetensors", tiny / "model.safetensors")
    here("pull", url, status=FAILED)  # an address of this machine
    facts = here.json("pull", url, "--allow-private-downloads")
    assert facts["name"] == "net-1" and facts["servable"] is False and facts["reason"], facts


def test_verify_finds_damage_and_a_pull_mends_it(here, tmp_path):
    facts = here.json("pull", "org/tiny")
    assert here.json("store", "verify") == {"bytes": facts["size_bytes"], "faults": []}
    assert here("store", "verify").stdout.startswith("all is as it was written, ")
    weights = pathlib.Path(facts["path"]) / "model.safetensors"
    weights.chmod(0o644)
    with open(weights, "r+b") as file:
        file.seek(1000)
        file.write(b"\xff\xfe")
    (fault,) = here.json("store", "verify", status=FAILED)["faults"]
    assert fault["name"] == "org/tiny" and "model.safetensors" in fault["file"], fault
    here("pull", "org/tiny", "--name", "again")
    assert here.json("store", "verify")["faults"] == []


def test_gc_keeps_the_limit_and_leaves_a_server_its_store(here, serve, hub, tiny, tmp_path):
    here("pull", "org/tiny")
    assert here.json("store", "gc") == {"freed_bytes": 0, "evicted": []}
    freed = here.json("store", "gc", "--store-limit-gb", "0.000001")
    assert freed["evicted"] == ["org/tiny"] and freed["freed_bytes"] > 0, freed
    server = start(serve, tmp_path / "e", hub, {"data_dir": here.env["TROUPE_DATA_DIR"]})
    assert "uses this store" in here("store", "gc", "--server", server.url, status=FAILED).stderr
    other = start(serve, tmp_path / "e", hub)
    here("store", "gc", "--server", other.url)


def test_interrupted_and_taken_up_again(here, hub, small):
    hub.add("org/small", small)
    size = (small / "model.safetensors").stat().st_size
    hold = hub.fault("model.safetensors", stall_after=size // 2, times=1)
    process = here.start("pull", "org/small", "--download-stall-s", "60")
    assert hold.reached.wait(20 * SLOW)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20 * SLOW)
    assert process.returncode == INTERRUPTED and out == "" and "interrupted" in err, (out, err)
    hold.release()
    assert here.json("ls") == {"models": []}
    assert here.json("pull", "org/small")["size_bytes"] > size
    assert here.json("store", "verify")["faults"] == []


def test_bars_on_a_terminal(here, hub, small):
    """Through a pseudo terminal of 70 columns: redrawn in place, never wider, gone at the end."""
    import fcntl
    import pty
    import struct
    import termios
    hub.add("org/small", small)
    hub.rate(8_000_000)
    for lang, bar in (("C.UTF-8", "█"), ("C", "#")):
        main, other = pty.openpty()
        fcntl.ioctl(other, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 70, 0, 0))
        env = {**here.env, "LANG": lang, "LC_ALL": lang, "TERM": "xterm"}
        process = subprocess.Popen([str(BINARY), "pull", "org/small", "--name", lang.lower()], env=env,
                                   stdout=subprocess.PIPE, stderr=other, text=True)
        os.close(other)
        seen = b""
        while True:
            try:
                piece = os.read(main, 65536)
            except OSError:  # the last writer has closed it
                break
            if not piece:
                break
            seen += piece
        os.close(main)
        assert process.wait(20 * SLOW) == 0
        assert process.stdout.read().startswith(f"{lang.lower()}: pulled, ")
        text = seen.decode()
        assert bar in text and "model.safetensors" in text and re.search(r"\d+%", text), text
        assert text.rstrip().endswith("\x1b[J"), text[-100:]
        assert text.isascii() == (lang == "C")
        for line in re.sub(r"\x1b\[\d*[A-Za-z]", "", text).splitlines():
            assert len(line) < 70, line
        here("rm", lang.lower())


# -- by a server ------------------------------------------------------------------------------------------------

@pytest.mark.asan
def test_pulled_loaded_and_removed_by_a_server(there, server, tiny, tiny_shape):
    facts = there.json("pull", "org/tiny", "--name", "mine")
    assert facts["name"] == "mine" and facts["unchanged"] is False and facts["load_error"] is None, facts
    assert facts["servable"] is True, facts
    check_answers(server, "mine", tiny, tiny_shape)
    assert set(check_store(server)) == {"mine"}
    assert there.json("pull", "org/tiny", "--name", "mine")["unchanged"] is True
    (listed,) = there.json("ls")["models"]
    assert listed == {k: facts[k] for k in listed}
    assert there.json("show", "mine")["files"] == facts["files"]

    (loaded,) = there.json("ps")["models"]
    assert loaded["name"] == "mine" and loaded["size_bytes"] > 0 and loaded["device"] == "cpu", loaded
    assert loaded["precision"] == "fp32" and loaded["requests"] >= 1 and loaded["instances"] >= 1, loaded
    assert loaded["expires_s"] is None or 0 < loaded["expires_s"] <= 3600, loaded
    assert 0 <= loaded["idle_s"] < 100, loaded
    assert there("ps").stdout.split()[:8] == ["NAME", "SIZE", "DEVICE", "PRECISION", "IDLE", "EXPIRES", "INSTANCES",
                                              "REQUESTS"]
    assert there.json("unload", "mine") | {"freed_bytes": 0} == {"name": "mine", "loaded": False, "already": False,
                                                                 "freed_bytes": 0}
    assert there.json("ps") == {"models": []}
    assert "already" in there("stop", "mine").stdout
    assert there.json("load", "mine")["loaded"] is True and server.resident() == {"mine"}
    there("load", "none", status=NOT_FOUND)
    there("show", "none", status=NOT_FOUND)
    copied = there.json("cp", "mine", "yours")
    assert copied["name"] == "yours" and copied["files"] == facts["files"], copied
    there("cp", "mine", "yours", status=FAILED)
    there("cp", "none", "others", status=NOT_FOUND)
    there("cp", "mine", "../x", status=BAD_USAGE)
    assert there.json("load", "yours")["loaded"] is True and there.json("rm", "yours")["models"][0]["removed"] is True

    answer = json.loads(there("predict", "--server", server.url, "--model", "mine", "hello ab").stdout)
    assert answer["model_used"] == "mine" and answer["text"] == "hello ab", answer
    two = json.loads(there("predict", "--server", server.url, "a", "b").stdout)
    assert [a["text"] for a in two] == ["a", "b"]
    there("predict", "--server", server.url, "--model", "none", "a", status=NOT_FOUND)

    assert there.json("rm", "mine")["models"][0]["freed_bytes"] >= facts["size_bytes"]
    assert there.json("ls") == {"models": []} and server.models() == {}


@pytest.mark.asan
def test_the_disk_and_a_server_tell_the_same(here, serve, hub, tmp_path):
    """What is pulled without a server, the next one serves; and what is removed without it, it forgets."""
    ours = here.json("pull", "org/tiny")
    server = start(serve, tmp_path / "e", hub, {"data_dir": here.env["TROUPE_DATA_DIR"]})
    server.until(lambda: "org/tiny" in server.models())
    theirs = Cli(tmp_path, server=server).json("show", "org/tiny")
    assert theirs == {k: ours[k] for k in theirs}
    assert server.predict("hello", "org/tiny").status_code == 200
    server.stop()
    here("rm", "org/tiny")
    registered = pathlib.Path(here.env["TROUPE_DATA_DIR"]) / "registered.json"
    assert "org/tiny" not in registered.read_text()


def test_an_update_is_pulled_and_another_model_is_not(there, server, hub, tiny):
    before = there.json("pull", "org/tiny", "--no-load")
    assert server.resident() == set()
    hub.push("org/tiny", relabelled(tiny, ["a", "b", "c", "d", "e"]))
    after = there.json("pull", "org/tiny")
    assert after["unchanged"] is False and after["id"] != before["id"] and after["revision"] != before["revision"]
    hub.add("org/other", tiny)
    told = there("pull", "org/other", "--name", "org/tiny", status=FAILED).stderr
    assert "another model" in told and "troupe rm org/tiny" in told
    assert there.json("show", "org/tiny")["id"] == after["id"]
    assert "revision" in there("pull", "org/tiny", "--revision", before["revision"], status=FAILED).stderr


def test_what_a_server_cannot_fetch(there, hub):
    there("pull", "org/tiny", "--revision", "none", "--name", "x", status=NOT_FOUND)
    hub.fault("model.safetensors", status=404)
    there("pull", "org/tiny", "--name", "y", status=NOT_FOUND)
    assert there.json("ls") == {"models": []}


def test_ctrl_c_cancels_the_servers_download(there, server, hub, small):
    hub.add("org/small", small)
    hold = hub.fault("model.safetensors", stall_after=100_000)
    process = there.start("pull", "org/small")
    assert hold.reached.wait(20 * SLOW)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20 * SLOW)
    assert process.returncode == INTERRUPTED and "the server has cancelled the download" in err, err
    assert server.json("/models/download/org%2Fsmall/info", status=200)["status"] == "cancelled"
    assert "org/small" not in server.models()
    hold.release()


def test_ctrl_c_leaves_what_an_update_would_replace(there, server, hub, tiny):
    before = there.json("pull", "org/tiny")
    hub.push("org/tiny", relabelled(tiny, ["a", "b", "c", "d", "e"]) | {"more.txt": b"x"})
    hold = hub.fault("config.json", stall_after=10)
    process = there.start("pull", "org/tiny")
    assert hold.reached.wait(20 * SLOW)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20 * SLOW)
    assert process.returncode == INTERRUPTED and "goes on with the update" in err, err
    assert there.json("show", "org/tiny")["id"] == before["id"]
    hold.release()
    server.until(lambda: there.json("show", "org/tiny")["id"] != before["id"])


def test_a_second_ctrl_c_leaves_at_once(tmp_path):
    """Of a server that answers nothing after the start, not even what it is asked because of the first."""
    asked = {name: threading.Event() for name in ("events", "status")}

    def answer(handler) -> None:
        if handler.command == "POST":
            return say_json(handler, {"download_id": "12345678", "status": "pending"})
        asked["events" if handler.path.endswith("/events") else "status"].set()
        while not handler.server.over.wait(0.05):
            pass

    with Fake(answer) as fake:
        process = Cli(tmp_path).start("pull", "org/x", "--server", fake.url)
        for name in ("events", "status"):
            assert asked[name].wait(20 * SLOW), name
            process.send_signal(signal.SIGINT)
        process.communicate(timeout=20 * SLOW)
        assert process.returncode == INTERRUPTED


def test_polls_where_events_are_cut(there, server, hub, small):
    """The stream goes through something that cuts it; the pull goes on by asking."""
    hub.add("org/small", small)
    hub.rate(10_000_000)
    proxy = Cutting(server.port)
    try:
        assert there.json("pull", "org/small", "--server", f"http://127.0.0.1:{proxy.port}")["servable"] is True
        assert proxy.cut > 0
    finally:
        proxy.close()


class Cutting:
    """Passes requests on, but for streams of events: those it closes at once."""

    def __init__(self, port: int):
        self.target, self.cut = port, 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._pass, args=(client,), daemon=True).start()

    def _pass(self, client) -> None:
        with client, Raw(self.target) as to:
            while data := client.recv(65536):
                if b"/events HTTP/1.1" in data:
                    self.cut += 1
                    return
                to.send(data)
                status, headers, body = to.response()
                client.sendall(f"HTTP/1.1 {status} OK\r\nContent-Type: application/json\r\n"
                               f"Content-Length: {len(body)}\r\n\r\n".encode() + body)

    def close(self) -> None:
        self.listener.close()


@pytest.mark.asan
def test_keys(serve, hub, tmp_path):
    server = start(serve, tmp_path / "e", hub, env={"API_KEYS": "sesame", "ADMIN_API_KEY": "admin"})
    cli = Cli(tmp_path, server=server)
    assert "key" in cli("ls", status=FAILED).stderr
    assert cli.json("ls", "--api-key", "sesame") == {"models": []}
    cli.env["TROUPE_API_KEY"] = "sesame"
    assert cli.json("ps") == {"models": []}
    told = cli("pull", str(tmp_path), "--name", "x", status=FAILED)  # a path of the server's
    assert "admin" in told.stderr and "sesame" not in told.stderr + told.stdout


@pytest.mark.asan
def test_what_a_server_says_cannot_touch_the_terminal(tmp_path):
    """A server of somebody else's: escapes, wrong types, other answers."""
    bodies = {
        "/models/managed": {"downloaded_models": [
            {"name": "\x1b]0;x\x07", "id": "\x9b31m", "source": "\r\n", "size_bytes": "x"}, {"name": [], "id": 3}, 7]},
        "/models": {"models": {"\x1b[2J": {"loaded": True}, "$(touch owned)": {"loaded": False}, "fine": {}}},
        "/models/%1B%5B2J": {"name": 1, "model_info": {"device": "\x1b[31m"}},
    }

    def answer(handler) -> None:
        known = bodies.get(handler.path)
        say_json(handler, known or {"message": "\x1b[31mno\x07", "code": "X"}, 200 if known else 500)

    with Fake(answer) as fake:
        cli = Cli(tmp_path)
        to = ("--server", fake.url)
        assert "\\x1b]0;x\\x07" in cli("ls", *to).stdout
        assert "\\x1b[2J" in cli("ps", *to).stdout
        assert cli("ls", "--names", *to).stdout == "fine\n"
        for command in (["show", "x"], ["rm", "x"], ["load", "x"], ["pull", "org/x"], ["predict", "x"]):
            assert "\\x1b[31mno" in cli(*command, *to, status=FAILED).stderr


def say_json(handler, value, status: int = 200) -> None:
    handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
    body = json.dumps(value).encode()
    handler.send_response(status)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


class Fake:
    """Something that listens where a server should: answers each request by `answer(handler)`."""

    def __init__(self, answer):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                answer(self)

            do_POST = do_DELETE = do_GET

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.over = threading.Event()
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def __enter__(self) -> "Fake":
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_) -> None:
        self.server.over.set()
        self.server.shutdown()
        self.server.server_close()


# -- serve MODEL ------------------------------------------------------------------------------------------------

@pytest.mark.asan
def test_serve_pulls_and_serves(here, hub, tiny, tiny_shape):
    port = free_port()
    for offline in (False, True):
        if offline:
            hub.forget()
        process = here.start("serve", "org/tiny", "--port", str(port), "--log-format", "human", "--precision", "fp32",
                             "--compute-slots", "1", "--threads-per-slot", "1")
        lines = []
        for line in process.stdout:
            lines.append(line)
            if "ready on http" in line:
                break
        assert lines and "models: org/tiny" in lines[-1], (lines, process.communicate(timeout=60 * SLOW))
        answer = requests.post(f"http://127.0.0.1:{port}/predict", params={"text": "hello"}, timeout=30).json()
        assert answer["model_used"] == "org/tiny", answer
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60 * SLOW)
        assert process.returncode == 0
    assert not hub.asked(), "what is there is served without asking"


def test_serve_of_what_is_not_there_ends(here, hub, small):
    assert "none" in here("serve", "org/tiny", "--revision", "none", status=NOT_FOUND).stderr
    hub.add("org/small", small)
    hold = hub.fault("model.safetensors", stall_after=1000)
    process = here.start("serve", "org/small", "--port", str(free_port()))
    assert hold.reached.wait(20 * SLOW)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=20 * SLOW)
    assert process.returncode == INTERRUPTED
    hold.release()


# -- completion, help, docs ------------------------------------------------------------------------------------

def test_completion(here, tmp_path):
    script = here("completion", "bash").stdout
    (tmp_path / "completion.sh").write_text(script)
    here("pull", "org/tiny")
    here("cp", "org/tiny", "other")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/troupe").symlink_to(BINARY)

    def complete(*words: str) -> list[str]:
        quoted = " ".join(f"'{w}'" for w in words)
        done = subprocess.run(
            ["bash", "--norc", "-c", f"source completion.sh; COMP_WORDS=({quoted}); COMP_CWORD={len(words) - 1}; "
                                     "_troupe; printf '%s\\n' \"${COMPREPLY[@]}\""],
            capture_output=True, text=True, cwd=tmp_path, env={**here.env, "PATH": f"{tmp_path}/bin:/usr/bin:/bin"})
        assert done.returncode == 0 and done.stderr == "", done.stderr
        return done.stdout.split()

    assert complete("troupe", "pu") == ["pull"]
    assert complete("troupe", "s") == ["serve", "show", "stop", "store"]
    assert complete("troupe", "store", "") == ["verify", "gc"]
    assert complete("troupe", "pull", "--no") == ["--no-load"]
    assert complete("troupe", "pull", "--source", "torch") == ["torchvision", "torchaudio"]
    assert complete("troupe", "rm", "") == ["org/tiny", "other"]
    assert complete("troupe", "rm", "org/tiny", "o") == ["org/tiny", "other"]
    assert complete("troupe", "predict", "--model", "ot") == ["other"]


def test_help_names_all_commands(here):
    told = here("--help").stdout
    documented = (ROOT / "docs/cli.md").read_text()
    for command in re.findall(r"^  ([a-z]+) {2,}", told, re.M):
        assert f"troupe {command}" in documented, command
        assert here(command, "--help").stdout.count("--help") >= 1
    for status in (DONE, FAILED, BAD_USAGE, NOT_FOUND, NO_SERVER, INTERRUPTED):
        assert re.search(rf"^\| {status} \|", documented, re.M), status


def neutral(text: str) -> str:
    """Without what differs from run to run: sizes, ids, times, and what a model computes."""
    text = re.sub(r'(?<="processing_time_ms":)[\d.]+', "MS", text)
    text = re.sub(r"\b\d+(\.\d+)? (B|KiB|MiB|GiB)\b", "SIZE", text)
    text = re.sub(r"\b[0-9a-f]{12,64}\b", "ID", text)
    text = re.sub(r"\bjust now\b|\b\d+ (second|minute)s? ago\b", "AGO", text)
    text = re.sub(r"\b\d{4}-\d\d-\d\dT[\d:]+Z", "TIME", text)
    text = re.sub(r"\b(\d+h)?(\d+m)?\d+[sm]\b", "SPAN", text)
    text = re.sub(r"\b0\.\d+", "NUMBER", text)
    return re.sub(r"[ \t]+", " ", text)


def test_the_session_in_the_docs_is_true():
    documented = re.search(r"<!-- session -->\n```console\n(.*?)```\n<!-- /session -->",
                           (ROOT / "docs/cli.md").read_text(), re.S).group(1)
    done = subprocess.run([str(ROOT / "scripts/cli-session.sh"), str(BINARY)], capture_output=True, text=True,
                          timeout=300 * SLOW)
    assert done.returncode == 0, done.stderr
    assert neutral(done.stdout).splitlines() == neutral(documented).splitlines()
