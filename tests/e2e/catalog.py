"""What the catalog's tests share: providers in files, the administration's routes."""
from __future__ import annotations

import json

from services import until

KEY = "catalog-admin"
ADMIN = {"Authorization": f"Bearer {KEY}"}


def model(id: str, prompt=None, completion=None, **more) -> dict:
    return {"id": id, "name": more.pop("name", id), "context_length": more.pop("context_length", 8192),
            "pricing": {"prompt": prompt, "completion": completion}, **more}


class Listing:
    """A provider in a file."""

    def __init__(self, folder, name: str, models: list[dict]):
        self.path, self.name = folder / f"{name}.json", name
        self.write(models)

    def write(self, models: list[dict]) -> None:
        self.path.write_text(json.dumps({"object": "list", "data": models}))

    def setting(self, **more) -> dict:
        return {"name": self.name, "type": "file", "path": str(self.path), "interval_s": 0, **more}


def settings(providers: list, **more) -> dict:
    return {"providers": [p.setting() for p in providers], "admin_api_key": KEY, "model_cache_warm_on_startup": False,
            "redis_retry_ms": 500, **more}


def sync(server, provider: str | None = None, status: int = 200) -> dict:
    query = f"?provider={provider}" if provider else ""
    return server.json(f"/api/system/sync{query}", "POST", status, headers=ADMIN)


def stats(server) -> dict:
    return server.json("/api/system/cache/stats", headers=ADMIN)


def redis_up(server) -> None:
    until(lambda: stats(server)["redis_available"], why="Redis is not used")


def listed(server, query: str = "") -> list[str]:
    return [m["id"] for m in server.json(f"/catalog/models{query}")["data"]]


def tier(server, path: str) -> tuple[str, str]:
    answer = server.get(path)
    assert answer.status_code == 200, answer.text
    return answer.headers["X-Cache"], answer.headers["X-Cache-Tier"]
