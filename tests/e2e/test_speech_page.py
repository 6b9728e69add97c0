"""/demo/speech in a real browser: its microphone plays a held-out recording of the shipped demo."""
from __future__ import annotations

import json
import re

import pytest

from browser import PROGRAM, Page
from driver import ROOT

DEMO = ROOT / "models/speech-demo"
SAMPLES = json.loads((DEMO / "samples/samples.json").read_text())

pytestmark = pytest.mark.skipif(not PROGRAM, reason="no Chromium here")


def words(text: str) -> list[str]:
    return re.findall(r"[a-z']+", text.lower())


MODELS = {
    "streaming_asr": {"path": str(DEMO / "streaming_asr"), "task": "automatic-speech-recognition"},
    "punctuation": {"path": str(DEMO / "punctuation"), "task": "punctuation-restoration"},
}


@pytest.fixture(scope="module")
def server(serve_module):
    return serve_module(MODELS)


@pytest.fixture
def sample():
    first = SAMPLES[0]
    return DEMO / "samples" / first["file"], words(first["text"])


@pytest.fixture
def page(server, sample):
    with Page(f"http://127.0.0.1:{server.port}/demo/speech", sample[0]) as opened:
        yield opened


def shown(page, element: str) -> str:
    return page.run(f"document.getElementById('{element}').textContent")


def press_record(page) -> None:
    page.run("document.getElementById('record').click()")


def check_microphone(page, spoken) -> None:
    press_record(page)
    page.wait("document.getElementById('state').textContent === 'Listening.'")
    page.wait(f"document.getElementById('transcript').innerText.trim().split(/\\s+/).length >= {len(spoken)}", 60)
    press_record(page)
    page.wait("document.getElementById('state').textContent === 'Done.'")
    assert words(shown(page, "sentences")) == spoken
    assert shown(page, "pending") == ""


def test_the_microphone_is_transcribed(page, sample):
    check_microphone(page, sample[1])


@pytest.mark.parametrize("sentences, shown_as", [
    (["one.", "Two"], "one. Two"), (["今天。", "明天"], "今天。明天"), (["今天", "AI"], "今天AI"), (["naïve", "é"], "naïve é"),
])
def test_sentences_are_joined_as_their_writing_wants(page, sentences, shown_as):
    for sentence in sentences:
        page.run(f"show({json.dumps({'mode': '2pass-offline', 'text': ' ' + sentence})})")
    assert shown(page, "sentences") == shown_as


def test_where_the_server_asks_for_a_key(serve, sample):
    server = serve(MODELS, env={"API_KEYS": "the-key"})
    with Page(f"http://127.0.0.1:{server.port}/demo/speech", sample[0]) as page:
        press_record(page)
        page.wait("document.getElementById('state').classList.contains('wrong')")
        assert "key" in shown(page, "state")
        page.run("document.getElementById('key').value = 'the-key'")
        check_microphone(page, sample[1])


def test_what_goes_wrong_is_shown(page):
    page.run("document.getElementById('model').value = 'nobody'")
    press_record(page)
    page.wait("document.getElementById('state').classList.contains('wrong')")
    assert "nobody" in shown(page, "state")
    assert shown(page, "record") == "Start the microphone"
