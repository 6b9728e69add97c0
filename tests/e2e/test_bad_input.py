"""Bad input gets a clear error and costs only itself."""
import json
import socket
import subprocess
import time

import pytest

from driver import SLOW, Load, Raw, check_envelope, have, until

LIMITS = {"max_body_bytes": 2 * 1024 * 1024, "request_read_timeout_ms": 3000}


@pytest.fixture(scope="module")
def server(serve_module, tiny):
    return serve_module({"m": {"path": str(tiny), "preload": True}}, LIMITS)


@pytest.fixture(autouse=True)
def still_serves(server):
    yield
    assert server.alive()
    assert server.predict("still here", "m").status_code == 200


def post(server, body: bytes, content_type="application/json", path="/predict"):
    return server.post(path, data=body, headers={"Content-Type": content_type})


MALFORMED = {
    "not json": b"hello",
    "unclosed": b'{"text": "a"',
    "trailing": b'{"text": "a"} x',
    "two documents": b'{"text": "a"}{"text": "b"}',
    "single quotes": b"{'text': 'a'}",
    "trailing comma": b'{"text": "a",}',
    "bare word": b'{"text": nothing}',
    "bad number": b'{"text": "a", "timeout": 1.2.3}',
    "huge number": b'{"text": "a", "timeout": 1e999}',
    "bad escape": b'{"text": "\\x41"}',
    "control character": b'{"text": "a\x01b"}',
    "nul": b'{"text": "a\x00b"}',
    "lone surrogate": b'{"text": "\\ud800"}',
    "not utf-8": b'{"text": "\xff\xfe"}',
    "overlong utf-8": b'{"text": "\xc0\xaf"}',
    "cut utf-8": b'{"text": "\xe2\x82"}',
    "utf-16": '{"text": "a"}'.encode("utf-16"),
    "deep array": b"[" * 100_000 + b"]" * 100_000,
    "deep object": b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
    "deep unclosed": b"[" * 1_000_000,
}


@pytest.mark.asan
@pytest.mark.parametrize("name", MALFORMED)
def test_malformed_json(server, name):
    body = check_envelope(post(server, MALFORMED[name]), 400, "BAD_REQUEST")
    assert len(body["error"]) < 500
    for path in ("/predict/batch",):
        check_envelope(post(server, MALFORMED[name], path=path), 400)


WRONG_TYPES = {
    "a number": b"42",
    "null": b"null",
    "a string": b'"text"',
    "an empty object": b"{}",
    "text is a number": b'{"text": 42}',
    "text is null": b'{"text": null}',
    "text is a list": b'{"text": ["a"]}',
    "text is an object": b'{"text": {"a": 1}}',
    "model_name is a number": b'{"text": "a", "model_name": 7}',
    "model_name is a list": b'{"text": "a", "model_name": ["m"]}',
    "priority is unknown": b'{"text": "a", "priority": "urgent"}',
    "priority is a number": b'{"text": "a", "priority": 1}',
    "timeout is a string": b'{"text": "a", "timeout": "soon"}',
    "timeout is negative": b'{"text": "a", "timeout": -1}',
    "timeout is nought": b'{"text": "a", "timeout": 0}',
    "timeout is huge": b'{"text": "a", "timeout": 1e300}',
    "enable_batching is a string": b'{"text": "a", "enable_batching": "yes"}',
    "inputs is an object": b'{"inputs": {"a": 1}}',
    "text and inputs": b'{"text": "a", "inputs": "b"}',
}


@pytest.mark.asan
@pytest.mark.parametrize("name", WRONG_TYPES)
def test_wrong_types(server, name):
    answer = post(server, WRONG_TYPES[name])
    assert answer.status_code in (400, 422), answer.text
    check_envelope(answer, answer.status_code)


@pytest.mark.asan
def test_no_text(server):
    check_envelope(server.post("/predict"), 400)
    for empty in ("", "   ", "\n\t"):
        check_envelope(server.predict(empty, "m"), 422, "UNPROCESSABLE")
    check_envelope(server.post("/predict", params={"text": ""}), 422, "UNPROCESSABLE")
    check_envelope(server.predict(None, "m", inputs=[]), 422)


@pytest.mark.asan
def test_batch_that_is_none(server):
    for body in (b'{"text": 1}', b"{}", b'"a"', b"1", b"null", b""):
        check_envelope(post(server, body, path="/predict/batch"), 400)
    answer = post(server, b'["fine", 1, null, ["x"], {"a": 1}]', path="/predict/batch")
    assert answer.status_code == 200
    assert [("error" in r) for r in answer.json()["results"]] == [False, True, True, True, True]


def test_too_many_in_a_batch(server):
    answer = server.post("/predict/batch", json=["a"] * 100_000)
    assert answer.status_code in (413, 422, 429), answer.text[:200]
    check_envelope(answer, answer.status_code)


@pytest.mark.asan
def test_long_texts(server):
    """1 MB is refused by max_text_bytes with both figures; up to it the text is cut to the model's length."""
    body = check_envelope(server.predict("word " * 200_000, "m"), 413)
    assert "262144" in body["error"] + body["detail"]
    for text in ("word " * 50_000, "a" * 200_000, "\u00e9\u4e2d\U0001f600" * 10_000, "!" * 200_000):
        answer = server.predict(text, "m")
        assert answer.status_code == 200, answer.text[:200]


@pytest.mark.asan
def test_odd_texts(server):
    for text in ("\u0000"[:0] + "a\u0301", "\u202e rtl", "\ufeff bom", "\U0010ffff", "\ud7ff", "[CLS] [SEP] [PAD]",
                 "\x7f", "a\u200db", "\u0e01\u0e33"):
        answer = server.predict(text, "m")
        assert answer.status_code == 200, (text, answer.text)
        assert answer.json()["text"] == text


@pytest.mark.asan
def test_long_text_delays_nobody(server):
    """Long texts are tokenized elsewhere than short ones."""
    def ask(n: int):
        a = server.predict(f"short {n}", "m")
        return a.status_code == 200, a.text[:200]

    with Load(ask, 2) as load:
        calls = [lambda: server.predict("lorem ipsum " * 20_000, "m").status_code for _ in range(20)]
        assert set(server.many(calls, 8)) <= {200, 429}
    assert not load.errors, load.errors[:3]


@pytest.mark.parametrize("size", [9_000, 40_000, 400_000])
@pytest.mark.asan
def test_long_paths(server, size):
    for path in ("/" + "a" * size, "/models/" + "a" * size, "/predict?text=" + "a" * size,
                 "/" + "a/" * (size // 2), "/" + "%2e" * (size // 3)):
        with Raw(server) as raw:
            try:
                raw.request("GET", path)
                status, headers, body = raw.response()
                assert status in (400, 404, 405, 414), (status, path[:40])
                assert json.loads(body)["status"] == "error"
            except (ConnectionError, BrokenPipeError):
                pytest.fail("closed without an answer")


@pytest.mark.asan
def test_many_headers(server):
    for count, size in ((10_000, 10), (101, 10), (3, 40_000), (50, 1000)):
        with Raw(server) as raw:
            raw.request("GET", "/health", headers={f"X-H{n}": "v" * size for n in range(count)})
            status, _, body = raw.response()
            assert status == 431, (count, size, status)
            assert json.loads(body)["code"] == "HEADER_TOO_LARGE"


@pytest.mark.asan
@pytest.mark.parametrize("path", [
    "/models/..%2f..%2fetc%2fpasswd", "/models/%2e%2e/%2e%2e/etc/passwd", "/models/../../etc/passwd",
    "/models/..", "/models/%2e%2e", "/models/a%00b", "/models/%", "/models/%zz", "/models/%ff", "/models/a%2Fb%2Fc",
    "/models/-a", "/models/a..b", "/models/" + "a" * 129, "/models/a%20b", "/models/a%0d%0ab", "/models/.hidden",
])
@pytest.mark.parametrize("action", ["", "/load"])
def test_bad_names_and_traversal(server, path, action):
    with Raw(server) as raw:
        raw.request("POST" if action else "GET", path + action)
        status, _, body = raw.response()
        assert status in (400, 404), body
        envelope = json.loads(body)
        assert envelope["status"] == "error" and "root:" not in body.decode()


@pytest.mark.asan
def test_bad_query(server):
    for query in ("text=%", "text=%zz", "text=%ff%fe", "text=a&priority=urgent", "text=a&timeout=x",
                  "text=a&model_name=../x", "text=a&" + "&".join(f"a{n}=1" for n in range(1000))):
        with Raw(server) as raw:  # HTTP clients quote
            raw.request("POST", "/predict?" + query)
            status, _, body = raw.response()
            assert status in (400, 404), (query[:40], body[:200])
            assert json.loads(body)["status"] == "error"


RAW_REQUESTS = {
    "garbage": b"\x00\x01\x02\x03\r\n\r\n",
    "no version": b"GET /\r\n\r\n",
    "bad version": b"GET / HTTP/9.9\r\nHost: x\r\n\r\n",
    "bad method": b"G@T / HTTP/1.1\r\nHost: x\r\n\r\n",
    "tls hello": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 200,
    "two lengths": b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}x",
    "negative length": b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    "length is a word": b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: many\r\n\r\n",
    "2^64 length": b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 18446744073709551616\r\n\r\n",
    "length and chunked": b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n"
                          b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "bad chunk": b"POST /predict HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n\r\n",
    "huge chunk": b"POST /predict HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
    "header without colon": b"GET / HTTP/1.1\r\nHost x\r\n\r\n",
    "nul in header": b"GET / HTTP/1.1\r\nHost: x\r\nX: a\x00b\r\n\r\n",
}


@pytest.mark.asan
@pytest.mark.parametrize("name", RAW_REQUESTS)
def test_broken_http(server, name):
    """400 or another refusal, or closed; never served as if it were fine."""
    with Raw(server) as raw:
        raw.send(RAW_REQUESTS[name])
        try:
            status, _, _ = raw.response()
            assert status in (400, 405, 411, 413, 431, 501, 505), status
        except (ConnectionError, IndexError, ValueError):
            pass
        except TimeoutError:
            pytest.fail("neither answered nor closed")


@pytest.mark.asan
def test_media_type(server):
    check_envelope(post(server, b"<text>a</text>", "application/xml"), 415, "UNSUPPORTED_MEDIA")


@pytest.mark.asan
def test_body_over_the_limit(server):
    body = check_envelope(post(server, b'{"text": "' + b"a" * (3 << 20) + b'"}'), 413, "PAYLOAD_TOO_LARGE")
    assert str(LIMITS["max_body_bytes"]) in body["error"] + body["detail"] or "MiB" in body["detail"]


@pytest.mark.asan
def test_body_over_the_limit_is_refused_from_its_head(server):
    """The answer comes before the body is sent, and for chunked bodies once the limit is passed."""
    with Raw(server) as raw:
        raw.send(b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000000\r\n\r\n")
        status, _, body = raw.response()
        assert status == 413 and json.loads(body)["code"] == "PAYLOAD_TOO_LARGE"
    with Raw(server) as raw:
        raw.send(b"POST /predict HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        chunk = b"10000\r\n" + b"a" * 65536 + b"\r\n"
        try:
            for _ in range(64):
                raw.send(chunk)
        except (ConnectionError, BrokenPipeError):
            pass
        status, _, _ = raw.response()
        assert status == 413


@pytest.mark.asan
def test_expect_100_continue(server):
    with Raw(server) as raw:
        body = b'{"text": "hello", "model_name": "m"}'
        raw.send(b"POST /predict HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(body))
        assert raw.response()[0] == 100
        raw.send(body)
        assert raw.response()[0] == 200
    with Raw(server) as raw:
        raw.send(b"POST /predict HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 99999999\r\n\r\n")
        assert raw.response()[0] == 413  # and no 100 before


@pytest.mark.skipif(not have("curl"), reason="no curl")
def test_expect_100_continue_curl(server, tmp_path):
    """curl sends Expect for bodies over 1 MiB and waits a second when nobody answers."""
    for size, wanted, limit in ((1500 * 1024, "413", 1.0), (9 << 20, "413", 2.0)):
        file = tmp_path / "body.json"
        file.write_bytes(b'{"text": "' + b"a" * size + b'"}')
        begin = time.monotonic()
        done = subprocess.run(["curl", "-s", "-o", "-", "-w", "\n%{http_code}", "-H", "Expect: 100-continue",
                               "-H", "Content-Type: application/json", "--data-binary", f"@{file}",
                               server.url + "/predict"], capture_output=True, text=True, timeout=30 * SLOW)
        assert done.stdout.endswith(wanted), (done.returncode, done.stdout[-300:], done.stderr)
        assert time.monotonic() - begin < limit * SLOW
        assert '"PAYLOAD_TOO_LARGE"' in done.stdout


def test_slow_senders(server):
    """500 connections that send a byte now and then: others are served, and the slow ones are closed."""
    slow = [Raw(server) for _ in range(500)]
    try:
        for raw in slow:
            raw.send(b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n")
        begin = time.monotonic()

        def ask(n: int):
            a = server.predict(f"text {n}", "m")
            return a.status_code == 200, a.text[:200]

        with Load(ask, 4) as load:
            while time.monotonic() - begin < 4 * SLOW:
                for raw in slow[::5]:
                    try:
                        raw.send(b"X")
                    except OSError:
                        pass
                time.sleep(0.3)
        assert not load.errors, load.errors[:3]
        assert load.done > 100 / SLOW
        until(lambda: all(closed(raw) for raw in slow), 15 * SLOW, 0.2)
    finally:
        for raw in slow:
            raw.close()


def closed(raw: Raw) -> bool:
    try:
        raw.socket.setblocking(False)
        while raw.socket.recv(65536):
            pass
        return True
    except BlockingIOError:
        return False
    except OSError:
        return True


def test_idle_keep_alive_is_closed(server):
    with Raw(server) as raw:
        raw.request("GET", "/health")
        assert raw.response()[0] == 200
        assert raw.closed(10)


@pytest.mark.asan
def test_clients_that_vanish(server):
    """In the head, in the body, and before the answer; by FIN and by RST."""
    body = b'{"text": "hello", "model_name": "m"}'
    head = b"POST /predict HTTP/1.1\r\nHost: x\r\nCache-Control: no-cache\r\nContent-Length: %d\r\n\r\n" % len(body)
    for cut in (b"P", head[:20], head, head + body[:10], head + body, (head + body) * 3):
        for way in ("close", "reset"):
            for _ in range(10):
                raw = Raw(server)
                raw.send(cut)
                getattr(raw, way)()
    server.until(lambda: int(server.predict("x", "m").status_code) == 200)


def test_vanished_client_cancels_its_work(serve, testserver, artifact):
    server = serve({"m": {"path": artifact("test:sleep:300"), "preload": True, "max_batch_items": 1}},
                   {"compute_slots": 1, "max_instances": 1}, binary=testserver)
    batches = lambda: server.json("/test/counters")["batches"]  # noqa: E731
    before = batches()
    clients = []
    for n in range(10):
        raw = Raw(server)
        body = json.dumps({"text": f"t {n}", "model_name": "m"}).encode()
        raw.request("POST", "/predict", body, {"Cache-Control": "no-cache"})
        clients.append(raw)
    server.until(lambda: batches() > before)
    for raw in clients:
        raw.reset()
    begin = time.monotonic()
    assert server.predict("mine", "m").status_code == 200
    assert time.monotonic() - begin < 1.5 * SLOW, "it waited behind those that left"
    assert batches() - before <= 4
    assert server.metrics()["troupe_cancelled_total"] >= 7


@pytest.mark.parametrize("stream", [False, True])
def test_client_that_closes_cancels_its_work_within_a_second(serve, testserver, artifact, stream):
    """By FIN, as most clients leave: a write that costs nothing shows that nobody reads."""
    server = serve({"m": {"path": artifact("test:sleep:400"), "preload": True, "max_batch_items": 1}},
                   {"compute_slots": 1, "max_instances": 1}, binary=testserver)
    body = json.dumps({"inputs": [f"t {n}" for n in range(20)], "model_name": "m", "stream": stream}).encode()
    raw = Raw(server)
    raw.request("POST", "/predict", body, {"Cache-Control": "no-cache"})
    server.until(lambda: server.json("/test/counters")["batches"] >= 1)
    raw.close()
    begin = time.monotonic()
    server.until(lambda: server.metrics()["troupe_cancelled_total"] >= 1)
    assert time.monotonic() - begin < 1 * SLOW


def test_client_that_ended_its_side_waits_and_is_answered(serve, testserver, artifact):
    server = serve({"m": {"path": artifact("test:sleep:1500"), "preload": True}}, binary=testserver)
    body = json.dumps({"text": "x", "model_name": "m"}).encode()
    with Raw(server) as raw:
        raw.request("POST", "/predict", body).half_close()
        interim = 0
        while (status := raw.response()[0]) == 100:
            interim += 1
        assert status == 200 and interim in (1, 2, 3)
    with Raw(server) as raw:  # HTTP/1.0 knows no interim answers
        raw.send(b"POST /predict HTTP/1.0\r\nCache-Control: no-cache\r\nContent-Length: %d\r\n\r\n" % len(body) + body).half_close()
        assert raw.response()[0] == 200
    assert server.metrics()["troupe_cancelled_total"] == 0


@pytest.mark.asan
def test_unread_answers(server):
    """A client that asks and never reads."""
    raws = []
    for _ in range(20):
        raw = Raw(server)
        raw.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        try:
            for _ in range(50):
                raw.request("GET", "/metrics")
        except OSError:
            pass
        raws.append(raw)
    for n in range(20):
        assert server.predict(f"others {n}", "m").status_code == 200
    for raw in raws:
        raw.reset()
