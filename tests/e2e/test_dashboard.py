"""deploy/grafana/: a real Prometheus scrapes a server under some load, and every query of every panel gives data."""
import json
import shutil
import threading
import time

import pytest
import requests

from driver import ROOT, SLOW
from services import Prometheus, until
from catalog import ADMIN, Listing, model, settings, sync

DASHBOARD = json.loads((ROOT / "deploy/grafana/troupe.json").read_text())
QUERIES = [(panel["title"], target["expr"]) for panel in DASHBOARD["panels"] for target in panel.get("targets", [])]


def plain(query: str) -> str:
    """As Grafana asks it with its variables at "all"."""
    return query.replace("$__rate_interval", "5s").replace("$job", ".*").replace("$instance", ".*")


def ask(prometheus, query: str) -> list:
    answer = requests.get(f"http://127.0.0.1:{prometheus.port}/api/v1/query", params={"query": query}, timeout=10)
    if answer.status_code == 503:  # it has just started
        return []
    if answer.status_code != 200:
        raise ValueError(f"{query}: {answer.text}")
    return answer.json()["data"]["result"]


def test_every_panel_has_data(serve, tiny, tmp_path):
    if not shutil.which("prometheus"):
        pytest.skip("no Prometheus here")
    listing = Listing(tmp_path, "openrouter", [model("a/b", "0.1")])
    server = serve({"tiny": {"path": str(tiny)}}, settings([listing], model_cache_ttl=1))
    stop = threading.Event()

    def load():
        while not stop.is_set():
            server.predict("some text", "tiny")
            server.get("/catalog/stats")
            server.get("/catalog/models")
            server.unload("tiny")  # the next one loads it
            time.sleep(0.05)
    sync(server)
    thread = threading.Thread(target=load)
    thread.start()
    try:
        with Prometheus(tmp_path / "prometheus", f"127.0.0.1:{server.port}") as prometheus:
            missing = dict.fromkeys(QUERIES)

            def all_there():
                for title, query in list(missing):
                    result = ask(prometheus, plain(query))
                    if result and any(row["value"][1] != "NaN" for row in result):
                        del missing[title, query]
                return not missing
            try:
                until(all_there, 60)
            except AssertionError:
                raise AssertionError("no data: " + json.dumps(list(missing), indent=1)) from None
    finally:
        stop.set()
        thread.join()
    assert len(QUERIES) > 30
