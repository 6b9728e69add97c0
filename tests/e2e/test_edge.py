"""The HTTP edge: listeners, TLS, pipelining, keep-alive, headers, CORS, methods, keys."""
import json
import re
import ssl
import subprocess

import pytest
import requests

from driver import Raw, check_envelope, free_port, have

BODY = b'{"text": "hello", "model_name": "m"}'


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    if not have("openssl"):
        pytest.skip("no openssl")
    folder = tmp_path_factory.mktemp("tls")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                    "-keyout", folder / "key.pem", "-out", folder / "cert.pem", "-days", "2", "-subj", "/CN=localhost",
                    "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"], check=True, capture_output=True)
    return folder


@pytest.fixture(scope="module")
def ports():
    return {"plain": free_port(), "second": free_port(), "tls": free_port()}


@pytest.fixture(scope="module")
def server(serve_module, tiny, certificate, ports):
    tls = {"certificate_file": str(certificate / "cert.pem"), "private_key_file": str(certificate / "key.pem")}
    return serve_module({"m": {"path": str(tiny), "preload": True}}, {
        "listeners": [{"host": "127.0.0.1", "port": ports["plain"]}, {"host": "127.0.0.1", "port": ports["second"]},
                      {"host": "127.0.0.1", "port": ports["tls"], "tls": tls}],
        "cors_allow_origin": "https://app.example"}, port=ports["plain"])


@pytest.mark.asan
def test_every_listener_serves_the_same(server, ports, certificate):
    for url, verify in ((f"http://127.0.0.1:{ports['plain']}", True), (f"http://127.0.0.1:{ports['second']}", True),
                        (f"https://127.0.0.1:{ports['tls']}", str(certificate / "cert.pem"))):
        answer = requests.post(url + "/predict", data=BODY, headers={"Content-Type": "application/json"},
                               verify=verify, timeout=30)
        assert answer.status_code == 200, answer.text
        assert answer.json()["model_used"] == "m"
        check_envelope(requests.get(url + "/nothing", verify=verify, timeout=30), 404)


@pytest.mark.asan
def test_tls_details(server, ports, certificate):
    context = ssl.create_default_context(cafile=str(certificate / "cert.pem"))
    with Raw(ports["tls"], tls=context) as raw:
        assert raw.socket.version() in ("TLSv1.2", "TLSv1.3")
        for _ in range(3):  # keep-alive and pipelining inside TLS
            raw.request("POST", "/predict", BODY)
        for _ in range(3):
            assert raw.response()[0] == 200
        # limits hold as well
        raw.send(b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 999999999\r\n\r\n")
        assert raw.response()[0] == 413
    with Raw(ports["tls"]) as raw:  # plain HTTP to the TLS port
        raw.request("GET", "/health")
        try:
            raw.response()
            pytest.fail("plain HTTP was answered")
        except (ConnectionError, ValueError, IndexError, UnicodeDecodeError):
            pass
    assert server.get("/health").status_code == 200


@pytest.mark.asan
def test_keep_alive(server):
    with Raw(server) as raw:
        for _ in range(50):
            raw.request("POST", "/predict", BODY)
            status, headers, _ = raw.response()
            assert status == 200 and headers.get("connection", "keep-alive").lower() == "keep-alive"
        raw.request("GET", "/health", headers={"Connection": "close"})
        status, headers, _ = raw.response()
        assert status == 200 and headers["connection"].lower() == "close"
        assert raw.closed(5)
    with Raw(server) as raw:  # HTTP/1.0 closes
        raw.send(b"GET /health HTTP/1.0\r\n\r\n")
        assert raw.response()[0] == 200
        assert raw.closed(5)


@pytest.mark.asan
def test_pipelining_keeps_the_order(server):
    with Raw(server) as raw:
        kinds = ["GET /models/m", "POST /predict", "GET /nothing", "GET /", "POST /predict"] * 2
        sent = b""
        for n, kind in enumerate(kinds):
            method, path = kind.split()
            body = json.dumps({"text": f"number {n}", "model_name": "m"}).encode() if method == "POST" else b""
            sent += (f"{method} {path} HTTP/1.1\r\nHost: x\r\nX-Request-Id: r{n}\r\n"
                     f"Content-Length: {len(body)}\r\n\r\n").encode() + body
        raw.send(sent)
        for n, kind in enumerate(kinds):
            status, headers, body = raw.response()
            assert headers["x-request-id"] == f"r{n}"
            assert status == (404 if "nothing" in kind else 200)
            if "predict" in kind:
                assert json.loads(body)["text"] == f"number {n}"


@pytest.mark.asan
def test_more_pipelined_than_allowed(server):
    """All are answered in order, or the connection is closed after those that were; others are not disturbed."""
    with Raw(server) as raw:
        raw.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 200)
        answered = 0
        try:
            while answered < 200:
                assert raw.response()[0] == 200
                answered += 1
        except ConnectionError:
            pass
        assert answered >= 16
    assert server.get("/").status_code == 200


@pytest.mark.asan
def test_bytes_one_by_one(server):
    with Raw(server) as raw:
        for c in b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(BODY) + BODY:
            raw.send(bytes([c]))
        assert raw.response()[0] == 200


@pytest.mark.asan
def test_chunked_body(server):
    with Raw(server) as raw:
        raw.send(b"POST /predict HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        for c in BODY:
            raw.send(b"1\r\n" + bytes([c]) + b"\r\n")
        raw.send(b"0\r\n\r\n")
        assert raw.response()[0] == 200


@pytest.mark.asan
def test_request_id(server):
    answer = server.get("/health", headers={"X-Request-Id": "my-id-42"})
    assert answer.headers["X-Request-Id"] == "my-id-42"
    first, second = (server.get("/health").headers["X-Request-Id"] for _ in range(2))
    assert first and second and first != second
    assert server.get("/nothing").headers["X-Request-Id"]
    with Raw(server) as raw:  # what cannot stand in a header or a log is not echoed
        raw.request("GET", "/health", headers={"X-Request-Id": "a\tb" + "x" * 2000})
        _, headers, _ = raw.response()
        assert len(headers["x-request-id"]) <= 256


@pytest.mark.asan
def test_server_timing(server):
    answer = server.predict("how long", "m")
    timing = dict(re.findall(r"(\w+);dur=([\d.]+)", answer.headers["Server-Timing"]))
    assert set(timing) >= {"queue", "tokenize", "infer"}
    assert float(timing["infer"]) > 0
    assert sum(map(float, timing.values())) <= answer.json()["processing_time_ms"] * 1.5 + 1


@pytest.mark.asan
def test_methods(server):
    for path, method, allowed in (("/predict", "GET", {"POST"}), ("/health", "POST", {"GET"}),
                                  ("/models", "DELETE", {"GET"}), ("/models/m/load", "GET", {"POST"}),
                                  ("/cleanup", "GET", {"POST"}), ("/", "PUT", {"GET"})):
        answer = server.request(method, path)
        check_envelope(answer, 405, "METHOD_NOT_ALLOWED")
        assert {m.strip() for m in answer.headers["Allow"].split(",")} >= allowed
    for path in ("/nothing", "/models/m/nothing", "/predict/more", "//", "/healthy"):
        assert server.get(path).status_code in (404, 405, 400), path
    answer = server.request("HEAD", "/health")
    assert answer.status_code == 200 and answer.content == b""


@pytest.mark.asan
def test_methods_that_no_route_has(server):
    for line, status in ((b"CONNECT example.org:443 HTTP/1.1", 405), (b"BREW / HTTP/1.1", 501),
                         (b"get / HTTP/1.1", 501)):
        with Raw(server) as raw:
            got, headers, body = raw.send(line + b"\r\nHost: x\r\n\r\n").response()
            assert got == status, (line, body)
            assert json.loads(body)["code"] == "METHOD_NOT_ALLOWED"
            if status == 405:
                assert {"GET", "POST"} <= {m.strip() for m in headers["allow"].split(",")}
            assert raw.closed()


@pytest.mark.asan
def test_clients_that_end_their_side_get_their_answers(server):
    body = json.dumps({"text": "hello", "model_name": "m"}).encode()
    for n in range(30):
        with Raw(server) as raw:
            for _ in range(n % 3 + 1):
                raw.request("POST", "/predict", body, {"Cache-Control": "no-cache"})
            raw.half_close()
            for _ in range(n % 3 + 1):
                assert raw.response()[0] == 200
            assert raw.closed() and raw.buffer == b""
    stream = json.dumps({"inputs": [f"w {n}" for n in range(20)], "model_name": "m", "stream": True}).encode()
    with Raw(server) as raw:
        raw.request("POST", "/predict", stream).half_close()
        status, _, events = raw.response()
        assert status == 200 and b"event: done" in events
    with Raw(server) as raw:
        raw.send(b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{").half_close()
        status, _, body = raw.response()
        assert status == 400 and b"closed within it" in body


@pytest.mark.asan
def test_access_log_tells_the_client(serve, tiny):
    server = serve({"m": {"path": str(tiny)}}, {"log_format": "json", "access_log": True})
    server.get("/models")
    assert server.stop() == 0
    lines = [json.loads(x) for x in server.log_file.read_text().splitlines() if x.strip()]
    line = next(x for x in lines if x.get("path") == "/models")
    assert line["client"] == "127.0.0.1" and line["method"] == "GET" and line["status"] == 200


@pytest.mark.asan
def test_cors(server):
    answer = server.get("/health", headers={"Origin": "https://app.example"})
    assert answer.headers["Access-Control-Allow-Origin"] in ("https://app.example", "*")
    preflight = server.request("OPTIONS", "/predict", headers={
        "Origin": "https://app.example", "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type"})
    assert preflight.status_code in (200, 204)
    assert "POST" in preflight.headers["Access-Control-Allow-Methods"]
    assert "content-type" in preflight.headers["Access-Control-Allow-Headers"].lower()
    assert server.get("/nothing", headers={"Origin": "https://app.example"}).headers["Access-Control-Allow-Origin"]


def test_no_cors_by_default(serve, tiny):
    server = serve({"m": {"path": str(tiny)}})
    assert "Access-Control-Allow-Origin" not in server.get("/health", headers={"Origin": "https://x"}).headers


@pytest.mark.asan
def test_api_keys(serve, tiny):
    server = serve({"m": {"path": str(tiny), "preload": True}},
                   env={"API_KEYS": "first-key,second-key", "ADMIN_API_KEY": "admin-key"})
    for path in ("/", "/health", "/metrics"):
        assert server.get(path).status_code == 200
    check_envelope(server.predict("x", "m"), 401, "UNAUTHORIZED")
    check_envelope(server.get("/models"), 401)
    body = {"text": "x", "model_name": "m"}
    for headers in ({"Authorization": "Bearer wrong"}, {"X-API-Key": "first-ke"}, {"X-API-Key": "first-key2"},
                    {"Authorization": "Bearer first-key,second-key"}):
        check_envelope(server.post("/predict", json=body, headers=headers), 403, "FORBIDDEN")
    for headers in ({"Authorization": "Bearer first-key"}, {"X-API-Key": "second-key"},
                    {"Authorization": "Bearer admin-key"}):
        assert server.post("/predict", json=body, headers=headers).status_code == 200
    for secret in ("first-key", "admin-key"):
        assert secret not in server.log(1000)


def test_bind_without_keys_warns(serve, tiny):
    port = free_port()
    server = serve({"m": {"path": str(tiny)}}, {"listeners": [{"host": "0.0.0.0", "port": port}]}, port=port)
    assert re.search(r"(?i)warn", server.log(100)) and "key" in server.log(100).lower()


def test_connection_limit(serve, tiny):
    """Over the limit a connection waits or is refused; it never disturbs those that are open."""
    server = serve({"m": {"path": str(tiny), "preload": True}}, {"max_connections": 16, "request_read_timeout_ms": 600000})
    raws = [Raw(server, timeout_s=0.5) for _ in range(40)]
    answered = 0
    for raw in raws:
        try:
            raw.request("GET", "/")
            answered += raw.response()[0] == 200
        except (OSError, IndexError):
            pass
    assert 10 <= answered <= 16, answered
    for raw in raws:
        raw.close()
    server._session.value = requests.Session()
    server.until(lambda: server.get("/").status_code == 200)
