"""The stand-ins themselves: each fault is what it says (that they speak as the real servers do is shown by those
servers' own clients, tests/parity/check_stand_ins.py)."""
import gzip
import hashlib
import threading
import time

import pytest
import requests

from stand_in import cut, flipped, longer

DATA = bytes(range(256)) * 4000


@pytest.fixture
def ask():
    session = requests.Session()
    session.trust_env = False

    def get(url: str, **kw) -> requests.Response:
        kw.setdefault("timeout", 20)
        answer = session.get(url, **kw)
        announced = answer.headers.get("Content-Length")
        if announced and not kw.get("stream") and len(answer.content) != int(announced):
            raise requests.exceptions.ChunkedEncodingError("ended early")  # urllib3 1 takes it for whole
        return answer

    yield get
    session.close()


@pytest.fixture
def url(files):
    return files.put("m.pth", DATA)


def test_whole_and_ranges(files, url, ask):
    answer = ask(url)
    assert answer.content == DATA and answer.headers["ETag"] and answer.headers["Last-Modified"]
    for text, begin, end in (("bytes=10-19", 10, 20), ("bytes=1000-", 1000, len(DATA)),
                             ("bytes=-5", len(DATA) - 5, None)):
        answer = ask(url, headers={"Range": text})
        assert answer.status_code == 206 and answer.content == DATA[begin:end], text
    assert ask(url, headers={"Range": "bytes=0-9", "If-Range": '"another"'}).content == DATA
    assert ask(url, headers={"Range": f"bytes={len(DATA)}-"}).status_code == 416
    assert ask(url + "x").status_code == 404
    assert [a.range for a in files.asked("*.pth")][1] == "bytes=10-19"


@pytest.mark.parametrize("alter, check", [
    (cut(7), lambda got: got == DATA[:-7]),
    (longer(7), lambda got: got == DATA + b"\0" * 7),
    (flipped(5), lambda got: len(got) == len(DATA) and got[:5] == DATA[:5] and got[5] != DATA[5]),
])
def test_other_bytes(files, url, ask, alter, check):
    fault = files.fault("m.pth", alter=alter, times=1)
    assert check(ask(url).content) and fault.hits == 1
    assert ask(url).content == DATA


@pytest.mark.parametrize("reset", [False, True])
def test_drop(files, url, ask, reset):
    fault = files.fault("m.pth", drop_after=100_000, times=1, reset=reset)
    with pytest.raises(requests.exceptions.RequestException) as raised:
        ask(url)
    assert ("reset by peer" in str(raised.value)) is reset
    assert fault.hits == 1 and files.asked()[0].sent == 100_000
    # A body that ends before is not dropped.
    fault = files.fault("m.pth", drop_after=100_000)
    assert ask(url, headers={"Range": "bytes=0-99"}).content == DATA[:100] and fault.hits == 0


def test_stall(files, url, ask):
    fault = files.fault("m.pth", stall_after=100_000)
    got = []
    thread = threading.Thread(target=lambda: got.append(ask(url).content))
    thread.start()
    assert fault.reached.wait(10) and not got
    assert files.bodies_most == 1
    fault.release()
    thread.join(10)
    assert got == [DATA]


def test_stall_then_drop(files, url, ask):
    """A line that is held, and drops when it is let go."""
    fault = files.fault("m.pth", stall_after=100_000, drop_after=100_000)
    threading.Thread(target=lambda: (fault.reached.wait(10), fault.release())).start()
    with pytest.raises(requests.exceptions.RequestException):
        ask(url)
    assert ask(url).content == DATA


def test_answers(files, url, ask):
    fault = files.fault("m.pth", status=429, headers={"Retry-After": "7"}, times=2)
    answers = [ask(url) for _ in range(3)]
    assert [a.status_code for a in answers] == [429, 429, 200] and answers[0].headers["Retry-After"] == "7"
    assert fault.hits == 2
    files.fault("m.pth", ranges=False)
    assert ask(url, headers={"Range": "bytes=5-"}).content == DATA
    files.mend()
    files.fault("m.pth", gzip=True)
    answer = ask(url, headers={"Accept-Encoding": "identity"}, stream=True)
    assert "Content-Length" not in answer.headers and gzip.decompress(answer.raw.read()) == DATA
    files.mend()
    files.fault("m.pth", redirect="")
    with pytest.raises(requests.exceptions.TooManyRedirects):
        ask(url)


def test_rate(files, url, ask):
    files.rate(4_000_000)
    begin = time.monotonic()
    assert ask(url).content == DATA
    assert time.monotonic() - begin > 0.9 * len(DATA) / 4_000_000


def test_closes_under_way(files, url, ask):
    """A stalled connection does not keep the end of a test waiting."""
    fault = files.fault("m.pth", stall_after=100)
    thread = threading.Thread(target=lambda: pytest.raises(requests.exceptions.RequestException, ask, url))
    thread.start()
    assert fault.reached.wait(10)
    files.close()
    thread.join(5)
    assert not thread.is_alive()


def test_links_of_the_hub(hub, ask):
    hub.add("org/m", {"model.safetensors": DATA, "config.json": b"{}"})
    first = ask(f"{hub.url}/org/m/resolve/main/model.safetensors", allow_redirects=False)
    assert first.headers["X-Linked-Etag"] == f'"{hashlib.sha256(DATA).hexdigest()}"'
    assert first.headers["X-Linked-Size"] == str(len(DATA)) and first.headers["Location"].startswith(hub.cdn.url)
    body = ask(first.headers["Location"])
    assert body.content == DATA and "ETag" not in body.headers and "Last-Modified" not in body.headers
    assert ask(first.headers["Location"], headers={"Authorization": "Bearer x"}).status_code == 400
    hub.expire_links()
    assert ask(first.headers["Location"]).status_code == 403
    assert ask(f"{hub.url}/org/m/resolve/main/model.safetensors").content == DATA
    small = ask(f"{hub.url}/org/m/resolve/main/config.json", allow_redirects=False)
    assert small.status_code == 307 and small.headers["Location"].startswith("/")
    hub.repositories["org/m"].claims["model.safetensors"] = {"size": 5}
    told = ask(f"{hub.url}/api/models/org/m?blobs=true").json()["siblings"][1]
    assert told["size"] == told["lfs"]["size"] == 5
