"""A stand-in for providers of models: /v1/models as OpenAI-compatible servers write it, and the hub's /api/models.

    with Provider(models(2500), form="after_id", page=1000) as p:
        .. {"name": "p", "type": "openai", "base_url": p.base_url} ..

It counts and keeps what it is asked (asked(), see StandIn), and goes wrong on demand:

    p.fault("models", status=503, times=2)          a status; headers={"Retry-After": "1"} beside it
    p.fault("models", redirect="http://10.0.0.1/")  another address
    p.fault("models", alter=web_page)               HTML with 200; error_object, cut(10), huge(1 << 20): see below
    p.fault("models", drop_after=1000)              the connection ends in the middle of the body
    p.fault("models", stall_after=1000)             and falls silent there, until release()
    p.fault("models?2", ..)                         the second page only ("models": the first; "models*": any)
    p.between_pages = lambda page: ..               is called before each page after the first: change p.models there

As a program it writes a listing to a file, or serves one until it is interrupted (for measurements).
"""
from __future__ import annotations

import argparse
import base64
import datetime
import json
import random
import threading
import urllib.parse

from stand_in import Asked, Content, Reply, StandIn

FORMS = ("plain", "bare", "models", "after_id", "token", "link", "together")
VENDORS = ("meta-llama", "qwen", "mistralai", "deepseek", "google", "anthropic", "openai", "nvidia", "cohere",
           "microsoft", "x-ai", "moonshotai", "z-ai", "nousresearch", "amazon", "ai21")
FAMILIES = ("llama", "qwen", "mixtral", "coder", "phi", "gemma", "command", "nova", "hermes", "glm", "kimi", "jamba")
KINDS = ("instruct", "chat", "base", "thinking", "vision", "coder", "preview", "turbo")
TASKS = ("text-generation", "image-text-to-text", "feature-extraction", "text-classification", "fill-mask",
         "automatic-speech-recognition", None)


def models(count: int, seed: int = 1, vendors: tuple = VENDORS) -> list[dict]:
    """As OpenRouter lists them, with the same ids, prices and texts for the same seed; some free, some unpriced. Of two
    counts the shorter is the beginning of the longer."""
    dice = random.Random(seed)
    out = []
    for number in range(count):
        vendor, family, kind = dice.choice(vendors), dice.choice(FAMILIES), dice.choice(KINDS)
        size, context = dice.choice((1, 3, 7, 8, 14, 32, 70, 405)), dice.choice((4096, 8192, 32768, 131072, 1048576))
        price = dice.choice((0, None)) if dice.random() < 0.1 else dice.randrange(1, 3000)  # of 1e8 tokens
        free = ":free" if price == 0 else ""
        prompt = "-1" if price is None else f"{price / 1e8:.10f}"
        completion = "-1" if price is None else f"{price * dice.choice((1, 2, 3, 5)) / 1e8:.10f}"
        out.append({
            "id": f"{vendor}/{family}-{number}-{size}b-{kind}{free}",
            "object": "model",
            "created": 1_690_000_000 + number * 60,
            "owned_by": vendor,
            "name": f"{vendor.title()}: {family.title()} {number} {size}B {kind.title()}",
            "description": f"{family.title()} with {size} billion parameters, made for {kind} by {vendor}.",
            "context_length": context,
            "architecture": {"modality": "text+image->text" if kind == "vision" else "text->text",
                             "tokenizer": family.title(), "instruct_type": None},
            "pricing": {"prompt": prompt, "completion": completion, "image": "0", "request": "0"},
            "top_provider": {"context_length": context, "max_completion_tokens": None, "is_moderated": False},
        })
    return out


def hub_models(count: int, seed: int = 1) -> list[dict]:
    """As the hub lists them, with expand=pipeline_tag and expand=createdAt."""
    dice = random.Random(seed)
    out = []
    for number, row in enumerate(models(count, seed)):
        at = datetime.datetime.fromtimestamp(row["created"], datetime.timezone.utc)
        out.append({"_id": f"{number:024x}", "id": row["id"].partition(":")[0], "createdAt": f"{at:%Y-%m-%dT%H:%M:%S}.000Z"})
        if task := dice.choice(TASKS):
            out[-1]["pipeline_tag"] = task
    return out


def together(row: dict) -> dict:
    """Prices of a million tokens, as numbers, and no `created`."""
    prompt, completion = (max(0.0, float(row["pricing"][k])) * 1e6 for k in ("prompt", "completion"))
    return {"id": row["id"], "object": "model", "created": 0, "type": "chat", "display_name": row["name"],
            "organization": row["owned_by"], "context_length": row["context_length"],
            "pricing": {"hourly": 0, "input": prompt, "output": completion, "base": 0, "finetune": 0}}


# -- Fault(alter=..) --

def web_page(_: bytes) -> bytes:
    return b"<!DOCTYPE html><html><title>502 Bad Gateway</title></html>"


def error_object(_: bytes) -> bytes:
    return b'{"error":{"message":"Rate limit exceeded","type":"rate_limit_error","code":429}}'


def no_rows(_: bytes) -> bytes:
    return b'{"object":"list","data":[]}'


def huge(size: int):
    """Valid, and as large as this."""
    return lambda data: data + b" " * (size - len(data))


class Provider(StandIn):
    """`rows` may be changed at any time; an answer is made of what they are then.

    form: "plain" {"data": [..]}; "bare" a list; "models" {"models": [..]} with names for ids; "together" a list as
    Together's. With pages (`page` rows each): "after_id" has_more and last_id (Anthropic), "token" next_page_token,
    "link" a Link header. /api/models is the hub's, with Link headers, whatever the form.
    """

    def __init__(self, rows: list[dict] = (), form: str = "plain", page: int = 0, key: str | None = None):
        super().__init__()
        assert form in FORMS, form
        self.models, self.form, self.page, self.key = list(rows), form, page, key
        self.between_pages = None
        self.link_host: str | None = None  # links name this in place of the stand-in, as a mirror's do
        self.made = threading.Lock()  # one answer at a time is put together
        self.models_origin = self.listen("models", self._answer)

    @property
    def url(self) -> str:
        return self.models_origin.url

    @property
    def base_url(self) -> str:
        return self.url + "/v1"

    def requests(self) -> int:
        """How often the listing was asked for, pages and retries included."""
        return len(self.asked("models*"))

    # -- answers --

    def _answer(self, asked: Asked, reply: Reply) -> None:
        if asked.plain_path not in ("/v1/models", "/models", "/api/v1/models", "/api/models"):
            asked.target = asked.plain_path
            return reply.say_json({"error": {"message": f"no route {asked.plain_path}"}}, 404)
        begin = self._begin(asked)
        page = begin // self.page + 1 if self.page else 1
        asked.target, asked.stage = "models" if page == 1 else f"models?{page}", "body"
        if self.key is not None and self.key not in (asked.headers.get("x-api-key"),
                                                     (asked.authorization or "").removeprefix("Bearer ")):
            return reply.say_json({"error": {"message": "Incorrect API key provided"}}, 401)
        if page > 1 and self.between_pages:
            self.between_pages(page)
        with self.made:
            body, headers = self._page(asked, begin)
        reply.content(Content(body), {"Content-Type": "application/json", **headers}, compressible=True)

    def _begin(self, asked: Asked) -> int:
        """The row that the page begins with. A cursor is a number, or the id that it comes after."""
        query = asked.query
        if after := query.get("after_id"):
            return next((n + 1 for n, row in enumerate(self.models) if row.get("id") == after), 0)
        token = query.get("page_token") or query.get("cursor") or ""
        return int(base64.urlsafe_b64decode(token)) if token else 0

    def _page(self, asked: Asked, begin: int) -> tuple[bytes, dict[str, str]]:
        hub = asked.plain_path == "/api/models"
        size = self.page or len(self.models) or 1
        rows = self.models[begin:begin + size]
        end = begin + len(rows)
        more = bool(self.page) and end < len(self.models)
        cursor = base64.urlsafe_b64encode(str(end).encode()).decode()
        headers = {}
        if more and (hub or self.form == "link"):
            others = [(k, v) for k, v in urllib.parse.parse_qsl(asked.path.partition("?")[2]) if k != "cursor"]
            query = urllib.parse.urlencode([*others, ("cursor", cursor)])
            headers["Link"] = f'<{self.link_host or self.url}{asked.plain_path}?{query}>; rel="next"'
        if hub or self.form == "bare":
            answer = rows
        elif self.form == "together":
            answer = [together(row) for row in rows]
        elif self.form == "models":
            answer = {"models": [{**{k: v for k, v in row.items() if k != "id"}, "name": row["id"]} for row in rows]}
        else:
            answer = {"object": "list", "data": rows}
        if self.form == "after_id" and not hub:
            ids = [row.get("id") for row in rows] or [None]
            answer |= {"has_more": more, "first_id": ids[0], "last_id": ids[-1]}
        if self.form == "token" and not hub and more:
            answer["next_page_token"] = cursor
        return json.dumps(answer).encode(), headers


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("count", type=int)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", help="write a listing to this file, and serve nothing")
    parser.add_argument("--form", choices=FORMS, default="plain")
    parser.add_argument("--page", type=int, default=0, help="rows of a page; 0: all in one")
    given = parser.parse_args()
    rows = models(given.count, given.seed)
    if given.out:
        with open(given.out, "w") as file:
            json.dump({"object": "list", "data": rows}, file)
        return
    with Provider(rows, given.form, given.page) as provider:
        print(provider.base_url, flush=True)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            pass


if __name__ == "__main__":
    main()
