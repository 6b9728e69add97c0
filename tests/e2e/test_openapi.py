"""GET /openapi.json, and that the running server is what it says. (Every kind of input: scripts/schemathesis.sh.)"""
import signal
import subprocess

import pytest

from driver import BINARY, SLOW, check_envelope


@pytest.fixture(scope="module")
def server(serve_module, tiny):
    return serve_module({"m": {"path": str(tiny), "preload": True}})


@pytest.fixture(scope="module")
def document(server):
    return server.json("/openapi.json")


def operations(document):
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield path, method.upper(), operation


def resolved(document, value):
    while "$ref" in value:
        at = document
        for part in value["$ref"].removeprefix("#/").split("/"):
            at = at[part]
        value = at
    return value


def references(value):
    if isinstance(value, dict):
        if "$ref" in value:
            yield value
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from references(item)


@pytest.mark.asan
def test_the_document(server, document):
    assert document["openapi"] == "3.1.0"
    assert document["info"]["version"] == server.json("/health")["version"]
    documented = {(method, path) for path, method, _ in operations(document)}
    assert {("POST", "/predict"), ("POST", "/models/{model_name}/load"), ("GET", "/openapi.json")} <= documented
    assert not {"HEAD", "OPTIONS"} & {method for method, _ in documented}
    for reference in references(document):
        assert resolved(document, reference)
    answer = server.request("HEAD", "/openapi.json")
    assert answer.status_code == 200 and answer.content == b""
    check_envelope(server.post("/openapi.json"), 405)


@pytest.mark.asan
def test_each_operation_answers_as_described(server, document):
    bodies = {"/predict": {"text": "hello"}, "/predict/batch": ["hello", ""], "/models/{model_name}": {"inputs": "a"}}
    # test_managed, test_text_clients, test_catalog, test_lifecycle, test_speech, test_recordings
    elsewhere = {"artifacts", "OpenAI", "text-embeddings-inference", "catalog", "speech lifecycle", "live", "recordings"}
    for path, method, operation in operations(document):
        if elsewhere & set(operation["tags"]):
            continue
        answer = server.request(method, path.replace("{model_name}", "m"), json=bodies.get(path))
        described = resolved(document, operation["responses"][str(answer.status_code)])
        assert answer.status_code == 200, f"{method} {path}: {answer.text[:300]}"
        assert answer.headers["Content-Type"].split(";")[0] in described["content"]
        allow = {m.strip() for m in server.request("OPTIONS", path.replace("{model_name}", "m")).headers["Allow"].split(",")}
        assert allow - {"HEAD", "OPTIONS"} == {m.upper() for m in document["paths"][path]}, path


def test_a_key_is_needed_where_the_document_says_so(serve, tiny):
    server = serve({"m": {"path": str(tiny), "preload": True}}, env={"API_KEYS": "key", "ADMIN_API_KEY": "admin"})
    check_envelope(server.get("/openapi.json"), 401, "UNAUTHORIZED")
    document = server.json("/openapi.json", headers={"Authorization": "Bearer key"})
    for path, method, operation in operations(document):
        answer = server.request(method, path.replace("{model_name}", "m"))
        assert (answer.status_code == 401) == bool(operation["security"]), path
        assert ("401" in operation["responses"]) == bool(operation["security"]), path


def test_names_of_routes_are_refused_at_registration(serve, tiny, tmp_path):
    """In a registry that is read again (the old one stays in force), at the start, and by the command line."""
    server = serve({"m": {"path": str(tiny), "preload": True}})
    for name in ("openapi.json", "docs", "predict", "download/x", "org/load"):
        position = server.log_position()
        server.write_registry({"m": {"path": str(tiny)}, name: {"path": str(tiny)}})
        server.process.send_signal(signal.SIGHUP)
        server.wait_log("registry stays as it was: .*Reserved model name", start=position)
        assert set(server.models()) == {"m"}
    for command in (["serve", "--port", "0"], ["predict", "a text"]):
        done = subprocess.run([str(BINARY), *command, "--models-file", str(server.registry_file), "--data-dir",
                               str(tmp_path / "data")], capture_output=True, text=True, timeout=60 * SLOW)
        assert done.returncode == 2 and "Reserved model name" in done.stdout + done.stderr, done.stderr
