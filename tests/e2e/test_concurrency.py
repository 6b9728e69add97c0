"""1,000 concurrent predictions: each answer is its own request's, and equal to the one obtained alone."""
import asyncio
import json

import pytest

import checkpoints
from driver import ROOT, SLOW

COUNT = 1000 if SLOW == 1 else 200


async def ask(port: int, text: str, model: str) -> dict:
    """One POST /predict on its own connection."""
    body = json.dumps({"text": text, "model_name": model}).encode()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"POST /predict HTTP/1.1\r\nHost: x\r\nCache-Control: no-cache\r\nConnection: close\r\n"
                 b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    raw = await reader.read()
    writer.close()
    head, _, payload = raw.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200"), raw[:300]
    return json.loads(payload)


def ask_all(port: int, texts: list[str], model: str) -> list[dict]:
    async def run():
        return await asyncio.gather(*(ask(port, t, model) for t in texts))

    return asyncio.run(asyncio.wait_for(run(), 120 * SLOW))


def texts_of(count: int) -> list[str]:
    # Lengths from 4 to 60 tokens, no two alike.
    return [f"{n} " + checkpoints.words_text(4 + n * 7 % 56, n) for n in range(count)]


@pytest.mark.asan
def test_answers_are_their_own(serve, tiny):
    """Distinguishable texts, all at once, against one by one."""
    server = serve({"m": {"path": str(tiny), "preload": True}}, {"max_batch_items": 32})
    texts = texts_of(COUNT)
    alone = [server.predict(t, "m").json() for t in texts]
    together = ask_all(server.port, texts, "m")
    distinct = {tuple(round(p, 6) for p in a["probabilities"].values()) for a in alone}
    assert len(distinct) > 0.99 * COUNT, "the texts are not distinguishable"
    worst = 0.0
    for text, a, b in zip(texts, alone, together, strict=True):
        assert b["text"] == text
        for label, p in a["probabilities"].items():
            worst = max(worst, abs(p - b["probabilities"][label]))
    assert worst <= 1e-3
    stats = server.model("m")["performance_metrics"]
    assert stats["total_inferences"] == 2 * COUNT  # the prediction cache did not help
    metrics = server.metrics()
    sums = [v for k, v in metrics.items() if "batch_size_sum" in k or "batch_items_sum" in k]
    counts = [v for k, v in metrics.items() if "batch_size_count" in k or "batch_items_count" in k]
    if sums and counts:
        assert sum(counts) < sum(sums), "nothing was batched"


@pytest.mark.skipif(not (ROOT / "models").exists(), reason="no shipped model")
def test_shipped_classifier(serve):
    """The same with the shipped model in the precision that this CPU chooses."""
    folders = sorted(f.parent for f in (ROOT / "models").glob("*/model.safetensors"))
    if not folders:
        pytest.skip("no shipped model")
    server = serve({"shipped": {"path": str(folders[0]), "preload": True}}, {"precision": "auto"})
    texts = [f"case {n}: please summarise report number {n * 37} for the {n % 7} th team" for n in range(COUNT)]
    alone = [server.predict(t, "shipped").json() for t in texts[:300]]
    together = ask_all(server.port, texts, "shipped")
    worst = 0.0
    for text, b in zip(texts, together, strict=True):
        assert b["text"] == text
    for a, b in zip(alone, together):
        for label, p in a["probabilities"].items():
            worst = max(worst, abs(p - b["probabilities"][label]))
    assert worst <= 1e-3


def test_many_models_at_once(serve, tmp_path):
    """Answers of several models do not mix either."""
    shapes = {f"m{n}": checkpoints.Bert(hidden=16, layers=1, heads=2, positions=64, seed=n) for n in range(4)}
    folders = {name: checkpoints.write_bert(tmp_path / name, shape) for name, shape in shapes.items()}
    server = serve({name: {"path": str(folder)} for name, folder in folders.items()})
    expected = {name: checkpoints.reference(folders[name], shapes[name], "who are you") for name in shapes}
    calls = [lambda name=f"m{n % 4}": (name, server.predict("who are you", name).json()) for n in range(400)]
    for name, body in server.many(calls, 32):
        assert body["model_used"] == name
        assert list(body["probabilities"].values()) == pytest.approx(expected[name], abs=1e-3)


@pytest.mark.asan
def test_test_model_echo(serve, testserver, artifact):
    """The class of each text is a hash of it: a thousand through one actor."""
    server = serve({"echo": {"path": artifact("test:echo"), "preload": True}}, binary=testserver)
    texts = [f"text number {n}" for n in range(COUNT)]
    for text, body in zip(texts, ask_all(server.port, texts, "echo"), strict=True):
        assert list(body["probabilities"].values()) == pytest.approx(fnv_probabilities(text), abs=1e-5)


def fnv_probabilities(text: str) -> list[float]:
    h = 0xCBF29CE484222325
    for c in text.encode():
        h = ((h ^ c) * 0x100000001B3) % 2**64
    parts = [1 + ((h >> (8 * i)) & 0xFF) for i in range(5)]
    return [p / sum(parts) for p in parts]
