"""Where downloads may lead, with public addresses and names: redirects to the inside, DNS that answers otherwise the
next time, credentials in addresses. In a network of the test's own."""
import re
import signal

import pytest

from apart import PUBLIC, Names, apart
from driver import TORCHSCRIPT
from pulling import (again, ask, begin, check_failed, check_nothing_left, check_store, ended, fails, partial_bytes,
                     pull, reason, sha, start)
from stand_in_hub import Files

ECHO = TORCHSCRIPT / "echo.pt"


class Anywhere(Files):
    """Files that are served at every address of the machine."""

    address = "0.0.0.0"

    def at(self, host: str, name: str = "m.pt") -> str:
        return f"http://{host}:{self.origin.port}{self.prefix}/{name}"


@pytest.mark.asan
@apart
def test_public_addresses_are_reached(serve, tmp_path):
    """What all below stands on: the address is public, and files come from it."""
    with Anywhere() as files, Names({"weights.example": [[PUBLIC]]}):
        files.put("m.pt", ECHO)
        server = start(serve, tmp_path / "env")
        for name, host in (("a", PUBLIC), ("b", "weights.example"), ("c", "WEIGHTS.example.")):
            pull(server, name, files.at(host), "url", load=False)
        assert {f["sha256"] for m in check_store(server).values() for f in m["files"]} == {sha(ECHO)}


INSIDE = ["127.0.0.1", "localhost", "0x7f.1", "2130706433", "[::1]", "[::ffff:127.0.0.1]", "inside.example",
          "both.example", "10.0.0.1", "169.254.169.254", "nat.example"]


@pytest.mark.asan
@apart
def test_redirects_to_the_inside_are_not_followed(serve, tmp_path):
    """From a public server to an address of this machine, however it is written, also by a name."""
    with Anywhere() as files, Names({
            "weights.example": [[PUBLIC]], "inside.example": [["127.0.0.1"]],
            "both.example": [["127.0.0.1", "10.0.0.1"]], "nat.example": [["100.64.0.1"]]}):
        files.put("m.pt", ECHO)
        files.put("secret.pt", ECHO)
        server = start(serve, tmp_path / "env")
        for host in INSIDE:
            for status in (301, 302, 303, 307, 308):
                files.mend()
                files.fault("/models/m.pt", redirect=files.at(host, "secret.pt"), status=status)
                why = fails(server, "m", files.at("weights.example"), "url")
                assert re.search(r"(?i)loopback|private|link-local|shared|unspecified|address", why), (host, why)
                assert "allow_private_downloads" in why, (host, why)
        assert not files.asked("secret.pt"), "it was asked at the inside"
        check_nothing_left(server, "m")
        assert partial_bytes(server) == 0


@pytest.mark.asan
@apart
def test_of_several_addresses_the_public_one_is_taken(serve, tmp_path):
    with Anywhere() as files, Names({"mixed.example": [["127.0.0.1", PUBLIC, "10.0.0.1"]]}):
        files.put("m.pt", ECHO)
        server = start(serve, tmp_path / "env")
        pull(server, "m", files.at("mixed.example"), "url", load=False)
        assert all(a.peer == PUBLIC for a in files.asked()), [a.peer for a in files.asked()]


@pytest.mark.asan
@apart
def test_another_answer_of_dns_changes_nothing(serve, tmp_path):
    """The name is judged public, and is this machine's when it is asked for again (DNS rebinding): also after a
    dropped connection, and after a redirect to the same name."""
    with Anywhere() as files, Names({"turns.example": [[PUBLIC], ["127.0.0.1"]],
                                     "drops.example": [[PUBLIC], ["127.0.0.1"]],
                                     "hops.example": [[PUBLIC], ["127.0.0.1"]]}) as names:
        files.put("m.pt", ECHO)
        files.put("n.pt", ECHO)
        server = start(serve, tmp_path / "env", settings={"download_retries": 3})
        pull(server, "turns", files.at("turns.example"), "url", load=False)
        files.fault("/models/m.pt", drop_after=100, times=2, reset=True)
        files.fault("/models/m.pt", status=503, times=1)
        outcome = ended_either(server, begin(server, "drops", files.at("drops.example"), "url", load=False))
        files.mend()
        files.fault("/models/m.pt", redirect=files.at("hops.example", "n.pt"))
        ended_either(server, begin(server, "hops", files.at("hops.example"), "url", load=False))
        assert files.asked("n.pt") and files.asked("m.pt")
        assert all(a.peer == PUBLIC for a in files.asked()), [(a.path, a.peer) for a in files.asked()]
        assert names.count("turns.example") == 1, names.asked
        assert outcome["status"] == "completed" or "address" in reason(outcome), outcome


@apart
def test_a_name_that_turns_inward_later_is_refused(serve, tmp_path):
    """Another process, another answer: what was fetched from outside does not make the inside right."""
    with Anywhere() as files, Names({"turns.example": [[PUBLIC], ["127.0.0.1"]]}):
        files.put("m.pt", ECHO)
        files.put("n.pt", ECHO)
        server = start(serve, tmp_path / "env")
        pull(server, "a", files.at("turns.example"), "url", load=False)
        again(server, signal.SIGTERM)
        why = fails(server, "b", files.at("turns.example", "n.pt"), "url")
        assert "loopback" in why and "turns.example" in why, why
        assert not files.asked("n.pt")


@apart
def test_connections_are_not_shared_with_who_may_more(serve, tmp_path):
    """A connection that the operator's own source made to the inside serves no address of a client."""
    with Anywhere() as files, Names({"weights.example": [["127.0.0.1"]]}):
        files.prefix = ""
        files.put("alexnet-owt-7be5be79.pth", b"x" * 1000)
        files.put("m.pt", ECHO)
        server = start(serve, tmp_path / "env", env={"TORCHVISION_BASE_URL": files.at("weights.example", "")[:-1]})
        fails(server, "alexnet", "alexnet", "torchvision")  # its digest is wrong; the connection was made
        assert files.asked("*alexnet*"), "the operator's address is reached"
        why = fails(server, "m", files.at("weights.example"), "url")
        assert "loopback" in why, why
        assert not files.asked("/m.pt")


@pytest.mark.asan
@apart
def test_credentials_in_addresses(serve, tmp_path):
    """Refused where a client gives them and where a redirect does, and told to nobody."""
    secret = "hunter2-of-the-tests"
    with Anywhere() as files:
        files.put("m.pt", ECHO)
        files.put("n.pt", ECHO)
        server = start(serve, tmp_path / "env", settings={"log_level": "debug"})
        told = ""
        for who in (f"user:{secret}@", f":{secret}@", f"{secret}@", f"a%40b:{secret}@", f"user:{secret}@evil@"):
            why = fails(server, "m", files.at(who + PUBLIC), "url")
            files.mend()
            files.fault("/models/m.pt", redirect=files.at(who + PUBLIC, "n.pt"))
            why += fails(server, "m", files.at(PUBLIC), "url")
            assert re.search(r"(?i)user name|password|credential|URL", why), (who, why)
            files.mend()
            told += why
        assert not files.asked("n.pt")
        # What a query carries may be a secret as well.
        files.fault("/models/m.pt", status=500)
        told += fails(server, "q", files.at(PUBLIC) + f"?token={secret}", "url")
        told += server.get("/models/download/q/info").text + server.get("/models/managed").text
        assert files.asked("m.pt")[-1].query == {"token": secret}
        assert secret not in told + server.log(1000), told


@apart
def test_cookies_and_keys_of_one_host_do_not_go_to_another(serve, tmp_path):
    with Anywhere() as files, Names({"weights.example": [[PUBLIC]]}):
        files.put("m.pt", ECHO)
        files.put("n.pt", ECHO)
        files.fault("/models/m.pt", redirect=files.at(PUBLIC, "n.pt"),
                    headers={"Set-Cookie": "secret=1; Path=/", "WWW-Authenticate": "Basic"})
        server = start(serve, tmp_path / "env", env={"HF_TOKEN": "hf_secret", "AWS_ACCESS_KEY_ID": "AKIDSECRET",
                                                     "AWS_SECRET_ACCESS_KEY": "secret"})
        pull(server, "m", files.at("weights.example"), "url", load=False)
        for asked in files.asked():
            assert not {"cookie", "authorization", "referer"} & set(asked.headers), asked.headers
            assert "ecret" not in str(asked.headers), asked.headers


@apart
def test_a_name_that_has_no_address(serve, tmp_path):
    with Anywhere() as files, Names({"empty.example": [[]]}):
        server = start(serve, tmp_path / "env")
        for host in ("nothing.example", "empty.example"):
            answer = ask(server, "m", files.at(host), "url")
            if answer.status_code != 200:
                why = reason(check_failed(answer, answer.status_code))
            else:
                why = reason(ended(server, answer.json()["download_id"], "failed"))
            assert host in why and re.search(r"(?i)resolve|address", why), why


def ended_either(server, download: str) -> dict:
    return server.until(lambda: (now := server.json(f"/models/download/status/{download}"))["status"] in
                        ("completed", "failed") and now, 40)
