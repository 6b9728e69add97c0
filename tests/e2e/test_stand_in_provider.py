"""The stand-in for providers: its pages are whole, its faults what they say."""
import json

import pytest
import requests

from stand_in_provider import Provider, error_object, hub_models, huge, models, no_rows, web_page


@pytest.fixture
def ask():
    with requests.Session() as session:
        session.trust_env = False
        yield lambda url, **kw: session.get(url, timeout=20, **kw)


def test_models_are_what_they_were():
    assert models(50, seed=3) == models(50, seed=3) == models(80, seed=3)[:50]
    assert models(50, seed=3) != models(50, seed=4)
    rows = models(2000)
    assert len({m["id"] for m in rows}) == 2000
    assert {m["pricing"]["prompt"] for m in rows} > {"-1", "0.0000000000"}
    assert 40 < sum(len(m["description"]) for m in rows) / len(rows) < 80


@pytest.mark.parametrize("form, parameter", [("after_id", "after_id"), ("token", "page_token"), ("link", None)])
def test_pages(ask, form, parameter):
    rows = models(25)
    with Provider(rows, form, page=10) as p:
        url, got = p.base_url + "/models", []
        while url:
            answer = ask(url)
            body = answer.json()
            got += body["data"]
            cursor = body.get("last_id") if body.get("has_more") else body.get("next_page_token")
            url = answer.links.get("next", {}).get("url") or (cursor and f"{p.base_url}/models?{parameter}={cursor}")
        assert got == rows and p.requests() == 3 and not p.problems
        assert [a.target for a in p.asked()] == ["models", "models?2", "models?3"]


def test_forms(ask):
    rows = models(3)
    for form, ids in (("plain", lambda b: [m["id"] for m in b["data"]]), ("bare", lambda b: [m["id"] for m in b]),
                      ("models", lambda b: [m["name"] for m in b["models"]]), ("together", lambda b: [m["id"] for m in b])):
        with Provider(rows, form) as p:
            assert ids(ask(p.base_url + "/models").json()) == [m["id"] for m in rows]
    with Provider(hub_models(3), page=2) as p:
        first = ask(p.url + "/api/models?limit=1000&expand=createdAt")
        rest = ask(first.links["next"]["url"])
        assert first.json() + rest.json() == hub_models(3) and not rest.links


def test_key(ask):
    with Provider(models(1), key="k") as p:
        assert ask(p.base_url + "/models").status_code == 401
        assert ask(p.base_url + "/models", headers={"Authorization": "Bearer k"}).ok
        assert ask(p.base_url + "/models", headers={"x-api-key": "k"}).ok
        assert ask(p.url + "/v1/other", headers={"x-api-key": "k"}).status_code == 404


def test_faults(ask):
    with Provider(models(3), "after_id", page=1) as p:
        url = p.base_url + "/models"
        p.fault("models", status=503, times=1, headers={"Retry-After": "1"})
        assert ask(url).status_code == 503 and ask(url).ok
        for alter, text in ((web_page, "<!DOCTYPE"), (error_object, '{"error"'), (no_rows, '{"object":"list","data":[]}')):
            p.fault("models", alter=alter, times=1)
            assert ask(url).text.startswith(text)
        p.fault("models", alter=huge(1 << 20), times=1)
        answer = ask(url)
        assert len(answer.content) == 1 << 20 and json.loads(answer.content)["has_more"]
        second = p.fault("models?2", status=500)
        assert ask(url).ok and ask(f"{url}?after_id={p.models[0]['id']}").status_code == 500 and second.hits == 1
        p.mend()
        p.between_pages = lambda page: p.models.append({"id": f"page-{page}"})
        assert ask(f"{url}?after_id={p.models[0]['id']}").json()["has_more"]
        assert p.models[-1] == {"id": "page-2"}
