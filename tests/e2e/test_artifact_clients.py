"""The example clients of documents 000 and 002, unchanged, on their own port; document 000's dashboard in a browser."""
import http.server
import json
import pathlib
import re
import shlex
import shutil
import signal
import socket
import subprocess
import threading

import pytest

from driver import SLOW, have
from pulling import QUICK, begin, cache_info, contents, ended, environment, info, pull, speech, vocoder

CLIENTS = pathlib.Path(__file__).parent / "clients"
CHROMIUM = next((p for p in map(shutil.which, ("chromium", "chromium-browser", "google-chrome")) if p), None)


@pytest.fixture
def documented(serve, hub, tmp_path):
    """documented(settings): a server on the documents' port."""
    def make(settings: dict | None = None):
        with socket.socket() as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if s.connect_ex(("127.0.0.1", 8000)) == 0:
                pytest.skip("port 8000 is taken")
        return serve({}, {**QUICK, **(settings or {})}, port=8000, env=environment(tmp_path / "env", hub))

    return make


# -- Python --

@pytest.mark.parametrize("count", [0, 2])
def test_python_client(documented, hub, tiny, tmp_path, count):
    hub.add("org/tiny", tiny)
    server = documented()
    for n in range(count):
        pull(server, f"model-{n}", "org/tiny")
    done = subprocess.run(["/usr/bin/python3", str(CLIENTS / "000/client.py")], capture_output=True, text=True,
                          timeout=60 * SLOW, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    size = cache_info(server)["total_size_mb"]
    assert f"Total Models: {count}\n" in done.stdout and f"Total Size: {size:.1f} MB\n" in done.stdout, done.stdout
    assert f"Cache Directory: {cache_info(server)['cache_directory']}\n" in done.stdout
    assert f"Status: {'populated' if count else 'empty'}" in done.stdout
    (written,) = tmp_path.glob("model_cache_report_*.json")
    report = json.loads(written.read_text())
    assert report["cache_info"]["total_models"] == report["analysis"]["model_count"] == count
    for n in range(count):
        assert f"   {n + 1}. model-{n}\n" in done.stdout
        detail = report["detailed_models"][n]
        assert detail["name"] == f"model-{n}" and detail["status"] == "completed", detail
        assert detail["size_mb"] == info(server, f"model-{n}")["size_mb"] and detail["version"], detail
        assert pathlib.Path(detail["cache_path"]).is_dir(), "the client's path of a model is not there"


# -- curl --

def curl_lines(document: str):
    text = (CLIENTS / document / "curl.sh").read_text()
    return [block for block in re.split(r"\n\n+(?=curl )", text.strip()) if block.startswith("curl ")]


def run(line: str) -> tuple[int, dict]:
    words = shlex.split(line.replace("\\\n", " "))
    done = subprocess.run([words[0], "-s", "-w", "\n%{http_code}", *words[1:]], capture_output=True, text=True,
                          timeout=60 * SLOW)
    assert done.returncode == 0, done.stderr
    body, _, status = done.stdout.rpartition("\n")
    return int(status), json.loads(body)


def test_curl_lines_that_download(documented, hub, tiny):
    hub.add("microsoft/speecht5_tts", speech(tiny), pipeline_tag="text-to-speech", tags=["speecht5", "tts"])
    hub.add("microsoft/speecht5_hifigan", vocoder(tiny))
    hub.add("suno/bark", speech(tiny), pipeline_tag="text-to-speech", tags=["bark"])
    hub.add("facebook/bart-large", tiny)
    server = documented()
    lines = [line for line in curl_lines("002") if "-d " in line]
    assert len(lines) == 3
    for line in lines:
        status, body = run(line)
        assert status == 200 and body["success"] is True and body["status"] in ("pending", "downloading"), body
        ended(server, body["download_id"])
        # The same line again: it is there.
        status, second = run(line)
        assert status == 200 and second["status"] == "already_exists", second
    names = {"speecht5_tts", "bark_tts", "bart_large_tts"}
    assert names <= set(cache_info(server)["models"])
    assert names <= {m["name"] for m in cache_info(server)["tts_specific"]["tts_models"]}


def test_curl_lines_that_look_and_manage(documented, hub, tiny):
    hub.add("org/tiny", tiny)
    server = documented()
    pull(server, "old_model", "org/tiny")
    pull(server, "speecht5_tts", "org/tiny")
    weights = (tiny / "model.safetensors").read_bytes()[:-4] + b"abc\0"  # that the store has not got yet
    hub.add("org/failing", {**contents(tiny), "model.safetensors": weights})
    hub.fault("model.safetensors", status=404)
    ended(server, begin(server, "failed_model", "org/failing"), "failed")
    hub.mend()
    seen = {}
    for line in curl_lines("000") + [line for line in curl_lines("002") if "-d " not in line]:
        seen[line.split("8000")[1].strip('"')] = run(line)
    expected = {"/models": 200, "/models/available": 200, "/models/managed": 200, "/models/cache/info": 200,
                "/models/download/status/abc12345": 404,  # an id that nobody was given
                "/models/manage?action=optimize&model_name=speecht5_tts": 200,
                "/models/manage?action=retry_download&model_name=failed_model&force_redownload=true": 200,
                "/models/download/old_model": 200}
    assert {path: status for path, (status, _) in seen.items()} == expected, seen
    removed = seen["/models/download/old_model"][1]
    assert removed["message"] == "Successfully removed model from cache: old_model"
    assert removed["model_name"] == "old_model"
    optimized = seen["/models/manage?action=optimize&model_name=speecht5_tts"][1]
    assert optimized["success"] is True and optimized["action"] == "optimize", optimized
    ended(server, seen["/models/manage?action=retry_download&model_name=failed_model&force_redownload=true"][1]
          ["download_id"])
    assert set(cache_info(server)["models"]) == {"speecht5_tts", "failed_model"}


# -- the dashboard --

PAGE = """<!DOCTYPE html><html><head><meta charset="utf-8"><title>dashboard</title></head><body>
<div id="model-cache-container"></div><script src="dashboard.js"></script><script src="steps.js"></script>
</body></html>"""

# What a person would do, on the page that the document's class has made. Each step's words go to the test.
STEPS = """
const told = {errors: []}, said = [], asked = [];
let answer = true, exported = null;
window.onerror = (message) => { told.errors.push(String(message)); };
window.onunhandledrejection = (event) => { told.errors.push(String(event.reason)); };
window.alert = (text) => { said.push(text); };
window.confirm = (text) => { asked.push(text); return answer; };
const makeUrl = URL.createObjectURL.bind(URL);
URL.createObjectURL = (blob) => { exported = {blob}; return makeUrl(blob); };
document.addEventListener('click', (event) => {
  if (event.target.download) { exported.name = event.target.download; event.preventDefault(); }
}, true);

const $ = (selector) => document.querySelector(selector);
const text = (selector) => { const e = $(selector); return e ? e.textContent.replace(/\\s+/g, ' ').trim() : null; };
const texts = (selector) => [...document.querySelectorAll(selector)].map((e) => e.textContent.trim());
async function until(what, ready) {
  const end = Date.now() + LIMIT_MS;
  while (!ready()) {
    if (Date.now() > end)
      throw new Error('waiting for ' + what + ': ' + document.body.innerText + JSON.stringify(said));
    await new Promise((go) => setTimeout(go, 20));
  }
}
const look = () => ({stats: texts('.stat-value'), models: texts('.model-name'), where: text('.cache-location code'),
                     status: text('.status-text'), metrics: texts('.metric-value'),
                     advice: texts('.recommendations li'), title: text('#model-list h3')});
const button = (model, kind) => [...document.querySelectorAll('.model-item')].find(
  (item) => item.querySelector('.model-name').textContent.trim() === model).querySelectorAll('button')[kind];

async function steps() {
  cacheBoard.baseUrl = BASE;
  cacheBoard.renderCacheDashboard('model-cache-container');
  await until('cards', () => document.querySelectorAll('.stat-value').length === 4);
  await until('analysis', () => $('.recommendations li'));
  told.first = look();

  button(MODEL, 0).click();
  await until('details', () => said.length === 1);
  told.details = said[0];

  answer = false;
  button(MODEL, 1).click();
  told.kept = texts('.model-name');
  answer = true;
  button(MODEL, 1).click();
  await until('removal', () => said.length === 2 && !texts('.model-name').includes(MODEL));
  told.removed = said[1];
  told.asked = asked;
  told.second = look();

  $('#export-btn').click();
  await until('export', () => exported && exported.name);
  told.exported = {name: exported.name, text: await exported.blob.text()};

  // One that somebody else has removed meanwhile: the page tells what the server says.
  await fetch(BASE + '/models/download/' + OTHER, {method: 'DELETE'});
  button(OTHER, 1).click();
  await until('failure', () => said.length === 3);
  told.failure = said[2];

  $('#refresh-btn').click();
  told.refreshing = $('#refresh-btn').disabled;
  await until('refresh', () => !$('#refresh-btn').disabled && $('.empty-state'));
  told.third = look();

  $('#auto-refresh-btn').click();
  told.auto = [text('#auto-refresh-btn'), cacheBoard.updateInterval !== null];
  $('#auto-refresh-btn').click();
  told.auto.push(text('#auto-refresh-btn'), cacheBoard.updateInterval === null);

  cacheBoard.baseUrl = NOWHERE;
  $('#refresh-btn').click();
  await until('error card', () => $('.error-card'));
  told.error = text('.error-card h3');
}
steps().catch((e) => told.errors.push(String(e))).then(
  () => fetch('/told', {method: 'POST', body: JSON.stringify(told)}));
"""


class Pages(http.server.ThreadingHTTPServer):
    """The page's own origin on loopback; takes what the page tells."""

    daemon_threads = True

    def __init__(self, pages: dict[str, tuple[str, str]]):
        self.told, self.heard = None, threading.Event()
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                kind, body = pages.get(self.path, ("text/plain", ""))
                self.send_response(200 if body else 404)
                self.send_header("Content-Type", kind)
                self.end_headers()
                self.wfile.write(body.encode())

            def do_POST(self):
                server.told = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                self.send_response(204)
                self.end_headers()
                server.heard.set()

            def log_message(self, *_):
                pass

        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()


def in_a_browser(script: str, tmp_path: pathlib.Path, **constants) -> dict:
    """Runs the script beside the document's class, in a page of another origin; gives what it told."""
    head = "".join(f"const {name} = {json.dumps(value)};\n" for name, value in constants.items())
    pages = {"/": ("text/html", PAGE), "/steps.js": ("text/javascript", head + script),
             "/dashboard.js": ("text/javascript", (CLIENTS / "000/dashboard.js").read_text())}
    with Pages(pages) as site, open(tmp_path / "chromium.txt", "wb") as log:
        browser = subprocess.Popen(
            [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
             "--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-proxy-server",
             f"--user-data-dir={tmp_path / 'profile'}", "--remote-debugging-port=0",
             f"http://127.0.0.1:{site.server_address[1]}/"], stdout=log, stderr=log, start_new_session=True)
        try:
            assert site.heard.wait(90 * SLOW), (tmp_path / "chromium.txt").read_text(errors="replace")[-3000:]
        finally:
            browser.send_signal(signal.SIGTERM)
            try:
                browser.wait(20)
            except subprocess.TimeoutExpired:
                browser.kill()
                browser.wait()
    return site.told


@pytest.mark.asan
@pytest.mark.skipif(CHROMIUM is None, reason="no chromium: scripts/setup-packages.sh check installs it")
def test_dashboard_in_a_browser(serve, hub, tiny, tmp_path):
    hub.add("org/tiny", tiny)
    server = serve({}, {**QUICK, "cors_allow_origin": "*"}, env=environment(tmp_path / "env", hub))
    for name in ("first", "second"):
        pull(server, name, "org/tiny")
    body, about = cache_info(server), info(server, "first")
    size = body["total_size_mb"]
    told = in_a_browser(STEPS, tmp_path, BASE=server.url, MODEL="first", OTHER="second",
                        NOWHERE="http://127.0.0.1:9", LIMIT_MS=20_000 * SLOW)
    assert not told["errors"], told
    # Cards and list.
    assert told["first"]["stats"] == ["2", f"{size:.1f}", f"{size / 1024:.2f}", f"{size / 2:.1f}"], told["first"]
    assert told["first"]["where"] == body["cache_directory"]
    assert told["first"]["models"] == ["first", "second"] and told["first"]["title"] == "Cached Models (2)"
    assert told["first"]["status"] == "Light Usage" and told["first"]["metrics"] == ["Good", "Low", "Low"]
    assert told["first"]["advice"] == ["Cache is operating normally"]
    # Details.
    shown = json.loads(told["details"].partition("Details:\n")[2])
    assert shown["name"] == "first" and shown["size_mb"] == about["size_mb"] and shown["status"] == "completed", shown
    # Remove, asked before.
    assert told["kept"] == ["first", "second"] and all('Remove model "first"' in q for q in told["asked"][:2])
    assert told["removed"] == 'Model "first" removed successfully'
    assert told["second"]["models"] == ["second"] and told["second"]["stats"][0] == "1", told["second"]
    # Export.
    exported = json.loads(told["exported"]["text"])
    assert re.fullmatch(r"model_cache_export_\d{4}-\d\d-\d\d\.json", told["exported"]["name"])
    assert exported["cache_info"]["models"] == ["second"] and exported["analysis"]["status"] == "Light Usage", exported
    # What fails says why: `detail` is a text that a person can read.
    assert re.fullmatch(r"Failed to remove model: .{5,}", told["failure"]), told["failure"]
    assert "Unknown error" not in told["failure"] and "[object" not in told["failure"], told["failure"]
    assert "second" in told["failure"], told["failure"]
    # Refresh, by hand and by itself.
    assert told["refreshing"] is True and told["third"]["stats"] == ["0", "0.0", "0.00", "0.0"], told["third"]
    assert told["third"]["status"] == "Empty Cache"
    assert told["auto"] == ["⏱️ Stop Auto", True, "⏱️ Auto Refresh", True], told["auto"]
    assert told["error"] == "Error Loading Cache Information"
    assert cache_info(server)["models"] == []


@pytest.mark.skipif(not have("node"), reason="no node")
def test_dashboard_class_is_the_documents(tmp_path):
    """The file here is a program, and its class is the one that the page uses."""
    done = subprocess.run(["node", "-e", (CLIENTS / "000/dashboard.js").read_text() +
                           "\nconsole.log(cacheBoard instanceof ModelCacheDashboard, cacheBoard.baseUrl)"],
                          capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "true http://localhost:8000", done.stderr
