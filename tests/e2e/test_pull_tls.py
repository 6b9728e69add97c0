"""Downloads over https: whose certificates are believed, and what a proxy of the environment sees."""
import base64
import contextlib
import os
import pathlib
import re
import socket
import ssl
import subprocess
import threading

import pytest

from driver import BINARY, SLOW, TORCHSCRIPT, have
from pulling import (begin, check_answers, check_nothing_left, check_store, ended, environment, fails, pull, sha,
                     start)
from stand_in_hub import Files, Hub

ECHO = TORCHSCRIPT / "echo.pt"
PRIVATE = {"TROUPE_ALLOW_PRIVATE_DOWNLOADS": "1"}
NOT_BELIEVED = r"(?i)certificate|issuer|SSL|TLS"


class Authority:
    """An authority of our own; certificates by it, each for names, as contexts of servers."""

    def __init__(self, folder: pathlib.Path):
        if not have("openssl"):
            pytest.skip("no openssl")
        self.folder, self.made = folder, {}
        self._run("req", "-x509", *KEY, "-keyout", "ca.key", "-out", "ca.pem", "-days", "30", "-subj",
                  "/CN=The tests' authority")

    @property
    def file(self) -> str:
        return str(self.folder / "ca.pem")

    def _run(self, *args: str) -> None:
        subprocess.run(["openssl", *args], check=True, capture_output=True, cwd=self.folder)

    def server(self, names: str = "DNS:localhost,IP:127.0.0.1", *when: str) -> ssl.SSLContext:
        """`when`: options of `openssl x509` for the time of validity."""
        if (names, when) not in self.made:
            base = f"server{len(self.made)}"
            self._run("req", *KEY, "-keyout", f"{base}.key", "-out", f"{base}.csr", "-subj", "/CN=server")
            (self.folder / f"{base}.ext").write_text(f"subjectAltName={names}\n")
            self._run("x509", "-req", "-in", f"{base}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
                      "-out", f"{base}.pem", "-extfile", f"{base}.ext", *(when or ("-days", "20")))
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(self.folder / f"{base}.pem", self.folder / f"{base}.key")
            self.made[names, when] = context
        return self.made[names, when]


KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


@contextlib.contextmanager
def over_tls(kind, context: ssl.SSLContext):
    with type(kind.__name__, (kind,), {"tls": context})() as stand_in:
        yield stand_in
    assert not stand_in.problems, "\n".join(stand_in.problems)


@pytest.fixture
def secure(authority):
    """A hub over https, for which our authority vouches."""
    with over_tls(Hub, authority.server()) as hub:
        yield hub


@pytest.fixture
def secure_files(authority):
    with over_tls(Files, authority.server()) as files:
        yield files


def cli(folder: pathlib.Path, *args: str, **env: str) -> subprocess.CompletedProcess:
    given = {**{k: v for k, v in os.environ.items() if not k.startswith("TROUPE_")}, **environment(folder / "env"),
             "TROUPE_DATA_DIR": str(folder / "data"), "TROUPE_SERVER": "none", "TROUPE_DOWNLOAD_RETRIES": "1", **env}
    return subprocess.run([str(BINARY), *args], capture_output=True, text=True, env=given, timeout=60 * SLOW)


# -- who is believed --

@pytest.mark.asan
def test_an_authority_of_the_operators(serve, secure, authority, tiny, tiny_shape, tmp_path):
    """SSL_CERT_FILE names whom to believe: hub and second origin, with a token, resumed."""
    secure.add("org/gated", tiny, gated="manual")
    secure.token("hf_good", "org/gated")
    secure.fault("org/gated/model.safetensors", drop_after=40_000, times=1)
    server = start(serve, tmp_path / "env", secure, env={"SSL_CERT_FILE": authority.file, "HF_TOKEN": "hf_good"})
    pull(server, "mine", "org/gated")
    check_answers(server, "mine", tiny, tiny_shape)
    assert all(a.authorization == "Bearer hf_good" for a in secure.asked(origin="hub"))
    assert secure.asked(origin="cdn") and all(a.authorization is None for a in secure.asked(origin="cdn"))
    done = cli(tmp_path, "pull", "org/gated", HF_ENDPOINT=secure.url, HF_TOKEN="hf_good", SSL_CERT_FILE=authority.file)
    assert done.returncode == 0, done.stderr


@pytest.mark.asan
def test_an_unknown_authority_is_refused(serve, secure, secure_files, tiny, tmp_path):
    """By name, at once, and before anything is asked; also on the command line and for a plain address."""
    secure.add("org/tiny", tiny)
    secure.token("hf_good")
    url = secure_files.put("m.pt", ECHO)
    server = start(serve, tmp_path / "env", secure, {"download_retries": 5}, env={**PRIVATE, "HF_TOKEN": "hf_good"})
    for model_id, source in (("org/tiny", "huggingface"), (url, "url")):
        why = fails(server, "mine", model_id, source)
        assert re.search(NOT_BELIEVED, why) and "127.0.0.1" in why, why
        check_nothing_left(server, "mine")
    assert server.metrics().get("troupe_download_retries_total", 0) == 0, "it is no better the next time"
    done = cli(tmp_path, "pull", "org/tiny", HF_ENDPOINT=secure.url, HF_TOKEN="hf_good")
    assert done.returncode == 1 and re.search(NOT_BELIEVED, done.stderr), done
    assert not secure.asked() and not secure_files.asked(), "something was sent to who is not believed"


def test_certificates_that_are_not_for_it(serve, authority, tmp_path):
    """Believed, but for another name, or not any more, or not yet."""
    env = {**PRIVATE, "SSL_CERT_FILE": authority.file}
    for names, when, says in (
            ("DNS:other.example", (), r"(?i)name|match|subject|alternative"),
            ("IP:127.0.0.2", (), r"(?i)name|match|subject|alternative"),
            ("DNS:localhost,IP:127.0.0.1", ("-days", "-1"), r"(?i)expired|valid|certificate")):
        try:
            context = authority.server(names, *when)
        except subprocess.CalledProcessError:
            continue  # an openssl that makes no expired ones
        with over_tls(Files, context) as files:
            url = files.put("m.pt", ECHO)
            why = fails(start(serve, tmp_path / "env", env=env), "mine", url, "url")
            assert re.search(says, why) and "issuer" not in why, (names, when, why)
            assert not files.asked()


def test_what_is_no_tls(serve, files, secure_files, authority, tmp_path):
    """https where http is spoken, and the other way round: both fail, and say of what they speak."""
    env = {**PRIVATE, "SSL_CERT_FILE": authority.file}
    server = start(serve, tmp_path / "env", env=env)
    plain, secure = files.put("m.pt", ECHO), secure_files.put("m.pt", ECHO)
    for url in (plain.replace("http://", "https://"), secure.replace("https://", "http://")):
        why = fails(server, "mine", url, "url")
        assert url.split("/")[2] in why, why
        check_nothing_left(server, "mine")


def test_a_redirect_from_https_to_http_is_refused(serve, secure_files, files, authority, tmp_path):
    secure_files.put("m.pt", ECHO)
    secure_files.fault("m.pt", redirect=files.put("n.pt", ECHO))
    server = start(serve, tmp_path / "env", env={**PRIVATE, "SSL_CERT_FILE": authority.file})
    why = fails(server, "mine", secure_files.base + "/m.pt", "url")
    assert re.search(r"from https to http", why), why
    assert not files.asked()
    # The other way is an improvement.
    secure_files.mend()
    files.fault("n.pt", redirect=secure_files.base + "/m.pt")
    pull(server, "mine", files.base + "/n.pt", "url", load=False)
    assert [f["sha256"] for f in check_store(server)["mine"]["files"]] == [sha(ECHO)]


@pytest.mark.parametrize("content", [None, "", "no certificate\n"], ids=["missing", "empty", "none"])
def test_an_authority_file_that_is_none(serve, secure_files, tmp_path, content):
    """Nobody is believed then, and the reason is told; http goes on."""
    at = tmp_path / "ca.pem"
    if content is not None:
        at.write_text(content)
    url = secure_files.put("m.pt", ECHO)
    server = start(serve, tmp_path / "env", env={**PRIVATE, "SSL_CERT_FILE": str(at)})
    why = fails(server, "mine", url, "url")
    assert re.search(NOT_BELIEVED, why), why
    assert not secure_files.asked()


# -- a proxy --

class Tunnel:
    """A proxy that passes https on by CONNECT; where `login` is set it wants that."""

    def __init__(self, login: str | None = None):
        self.login, self.heads = login, []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._run, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://{self.login + '@' if self.login else ''}127.0.0.1:{self.port}"

    def __enter__(self) -> "Tunnel":
        return self

    def __exit__(self, *_) -> None:
        self.listener.close()

    def _run(self) -> None:
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError):
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                if not (piece := client.recv(1)):
                    return
                head += piece
            self.heads.append(head.decode("latin-1"))
            want = self.login and "Proxy-Authorization: Basic " + base64.b64encode(self.login.encode()).decode()
            if want and want not in self.heads[-1]:
                client.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
                return
            if not self.heads[-1].startswith("CONNECT "):
                client.sendall(b"HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\n\r\n")
                return
            host, _, port = self.heads[-1].split()[1].rpartition(":")
            # Names that only it knows.
            to = socket.create_connection(("127.0.0.1" if host.endswith(".example") else host, int(port)))
            client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            back = threading.Thread(target=self._pour, args=(to, client), daemon=True)
            back.start()
            self._pour(client, to)
            back.join()

    @staticmethod
    def _pour(source: socket.socket, to: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                to.sendall(data)
        with contextlib.suppress(OSError):
            to.shutdown(socket.SHUT_WR)


@pytest.mark.asan
def test_https_through_a_proxy(serve, secure, authority, tiny, tiny_shape, tmp_path):
    """It sees names and ports, and neither the token nor what comes."""
    secure.add("org/gated", tiny, gated="manual")
    secure.token("hf_good", "org/gated")
    with Tunnel("operator:pass word".replace(" ", "%20")) as proxy:
        proxy.login = "operator:pass word"  # as it is sent: decoded
        url = f"http://operator:pass%20word@127.0.0.1:{proxy.port}"
        server = start(serve, tmp_path / "env", secure, env={
            "https_proxy": url, "SSL_CERT_FILE": authority.file, "HF_TOKEN": "hf_good"})
        pull(server, "mine", "org/gated")
        check_answers(server, "mine", tiny, tiny_shape)
        assert {h.split()[1] for h in proxy.heads} == {f"127.0.0.1:{o.port}" for o in secure.origins}
        assert not any("hf_good" in h for h in proxy.heads)
        assert not any("proxy-authorization" in a.headers for a in secure.asked())
        for said in ("pass%20word", "pass word"):
            assert said not in server.log(1000)


def test_a_proxy_that_refuses(serve, secure, authority, tiny, tmp_path):
    """Its credentials are wrong, or nobody listens there: told, and without them."""
    secure.add("org/tiny", tiny)
    with Tunnel("operator:right") as proxy:
        for url, says in ((f"http://operator:hunter2@127.0.0.1:{proxy.port}", r"407|proxy"),
                          ("http://operator:hunter2@127.0.0.1:9", r"(?i)127\.0\.0\.1|connect|proxy"),
                          ("http://operator:hunter2@nothing.invalid:9", r"(?i)nothing\.invalid|proxy|resolve")):
            server = start(serve, tmp_path / "env", secure, env={"https_proxy": url, "SSL_CERT_FILE": authority.file})
            why = fails(server, "mine", "org/tiny")
            assert re.search(says, why) and "hunter2" not in why + server.log(1000), why
            check_nothing_left(server, "mine")
    assert not secure.asked()


def test_no_proxy(serve, files, tmp_path):
    """What no_proxy names is asked directly, and then judged as any address."""
    url = files.put("m.pt", ECHO)
    with Tunnel() as proxy:
        for setting in ("127.0.0.1", "127.0.0.0/8", "*", "other.example, 127.0.0.1"):
            server = start(serve, tmp_path / "env", env={**PRIVATE, "http_proxy": proxy.url, "no_proxy": setting})
            pull(server, "mine", url, "url", load=False)
        server = start(serve, tmp_path / "env", env={"http_proxy": proxy.url, "no_proxy": "127.0.0.1"})
        assert "allow_private_downloads" in fails(server, "mine", url, "url")
        assert not proxy.heads, proxy.heads


def test_which_variables_name_a_proxy(serve, files, tmp_path):
    """all_proxy where there is no other; HTTP_PROXY is not read, as it is a client's in a CGI."""
    files.put("m.pt", ECHO)
    for env, through in (({"all_proxy": files.origin.url}, True), ({"ALL_PROXY": files.origin.url}, True),
                         ({"HTTP_PROXY": files.origin.url}, False)):
        files.forget()
        given = {k: v for k, v in environment(tmp_path / "env", **env).items() if v or not k.lower().endswith("_proxy")}
        server = serve({}, {"download_retries": 1}, env={**dict.fromkeys(("HTTP_PROXY",), ""), **given})
        if through:
            pull(server, "mine", "http://weights.invalid/models/m.pt", "url", load=False)
        else:
            assert "weights.invalid" in fails(server, "mine", "http://weights.invalid/models/m.pt", "url")
        assert bool(files.asked()) == through, env


def test_addresses_inside_are_refused_behind_a_proxy_too(serve, files, tmp_path):
    """A proxy sees names; an address that is written is judged by us."""
    url = files.put("m.pt", ECHO)
    server = start(serve, tmp_path / "env", env={"http_proxy": files.origin.url})
    for address in (url, "http://10.0.0.1/models/m.pt", "http://[::1]/models/m.pt",
                    "http://169.254.169.254/models/m.pt"):
        assert "allow_private_downloads" in fails(server, "mine", address, "url"), address
    assert not files.asked()


def test_cancelled_in_a_handshake(serve, tmp_path):
    """Somebody who takes the connection and says nothing: the download can be cancelled, and ends by itself."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"https://127.0.0.1:{silent.getsockname()[1]}/m.pt"
        server = start(serve, tmp_path / "env", env=PRIVATE)
        download = begin(server, "mine", url, "url")
        silent.settimeout(20 * SLOW)
        connection, _ = silent.accept()
        with connection:
            connection.settimeout(20 * SLOW)
            assert connection.recv(1), "the first of the handshake"
            assert server.request("DELETE", "/models/download/mine").status_code == 200
            ended(server, download, "cancelled")
            while connection.recv(65536):  # until it is closed
                pass
        check_nothing_left(server, "mine")
