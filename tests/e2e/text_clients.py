"""The field's own clients, unchanged, against one server: run by test_text_clients.py with the Python of their
environment (scripts/text-clients.txt), told `{"client", "url", "tei", ..}` as JSON; writes what they gave as JSON."""
from __future__ import annotations

import asyncio
import json
import sys


def openai_client(told: dict) -> dict:
    import openai

    client = openai.OpenAI(base_url=f"{told['url']}/v1", api_key="any", max_retries=0)
    many = client.embeddings.create(model=told["embedder"], input=told["texts"], user="me")
    out = {
        "models": [m.id for m in client.models.list()],
        "model": client.models.retrieve(told["embedder"]).model_dump(),
        "vectors": [e.embedding for e in many.data],
        "tokens": many.usage.prompt_tokens,
        "name": many.model,
        "floats": client.embeddings.create(model=told["embedder"], input=told["texts"][0],
                                           encoding_format="float").data[0].embedding,
        "short": client.embeddings.create(model=told["embedder"], input=told["texts"][0],
                                          dimensions=8).data[0].embedding,
        "ids": client.embeddings.create(model=told["embedder"], input=[told["ids"]]).data[0].embedding,
    }
    refused = {}
    for name, ask in {
        "empty text": lambda: client.embeddings.create(model=told["embedder"], input=["fine", ""]),
        "empty list": lambda: client.embeddings.create(model=told["embedder"], input=[]),
        "unknown model": lambda: client.embeddings.create(model="text-embedding-3-small", input="x"),
        "another task": lambda: client.embeddings.create(model=told["classifier"], input="x"),
        "unknown one": lambda: client.models.retrieve("nobody/here"),
        "another path": lambda: client.completions.create(model=told["embedder"], prompt="x"),
    }.items():
        try:
            ask()
        except openai.APIStatusError as e:
            refused[name] = [type(e).__name__, e.status_code, e.code, e.param, e.type]
    out["refused"] = refused

    async def later() -> list[float]:
        async with openai.AsyncOpenAI(base_url=f"{told['url']}/v1", api_key="any") as aside:
            return (await aside.embeddings.create(model=told["embedder"], input=told["texts"][0])).data[0].embedding

    out["later"] = asyncio.run(later())
    return out


def openai_transcriptions(told: dict) -> dict:
    import openai

    client = openai.OpenAI(base_url=f"{told['url']}/v1", api_key="any", max_retries=0)

    def ask(file: str | bytes = told["file"], **kw):
        sound = open(file, "rb") if isinstance(file, str) else ("x.wav", file)
        return client.audio.transcriptions.create(**{"file": sound, "model": told["model"], **kw})

    out = {"json": ask().text}
    for form in ("text", "srt", "vtt"):
        out[form] = ask(response_format=form)
    verbose = ask(response_format="verbose_json", timestamp_granularities=["word", "segment"])
    out["verbose"] = {"text": verbose.text, "duration": verbose.duration,
                      "words": [[w.word, w.start, w.end] for w in verbose.words],
                      "segments": [[s.id, s.start, s.end, s.text] for s in verbose.segments]}
    events = list(ask(stream=True))
    out["deltas"] = [e.delta for e in events if e.type == "transcript.text.delta"]
    out["done"] = events[-1].text
    refused = {}
    for name, wrong in {"unknown model": {"model": "whisper-1"}, "no sound": {"file": b""},
                        "no format": {"response_format": "yaml"}}.items():
        try:
            ask(**wrong)
        except openai.APIStatusError as e:
            refused[name] = [type(e).__name__, e.status_code, e.code]
    out["refused"] = refused
    return out


async def transcribe(connection, session: dict, update: str, told: dict) -> dict:
    """One committed buffer through a connection of the Realtime API."""
    import base64
    import pathlib

    sound = pathlib.Path(told["sound"]).read_bytes()
    out = {"deltas": [], "classes": {}}
    async with connection as c:
        await c.send({"type": update, "session": session})
        await c.send({"type": "response.create", "event_id": "mine"})
        for begin in range(0, len(sound), 9600):
            await c.input_audio_buffer.append(audio=base64.b64encode(sound[begin:begin + 9600]).decode())
        await c.input_audio_buffer.commit()
        async for event in c:
            out["classes"][event.type] = type(event).__name__
            if event.type == "error":
                out["refused"] = [event.error.code, event.error.event_id]
            elif event.type.endswith("session.updated"):
                out["session"] = event.session.to_dict()
            elif event.type.endswith("transcription.delta"):
                out["deltas"].append(event.delta)
            elif event.type.endswith("transcription.completed"):
                out["transcript"] = event.transcript
                return out
            elif event.type.endswith("transcription.failed"):
                raise RuntimeError(event.error.message)
    raise RuntimeError("the socket was closed")


def openai_realtime(told: dict) -> dict:
    import openai

    async def talk() -> dict:
        async with openai.AsyncOpenAI(base_url=f"{told['url']}/v1", websocket_base_url=told["ws"],
                                      api_key="any") as client:
            return await transcribe(
                client.realtime.connect(extra_query={"intent": "transcription"}),
                {"type": "transcription", "audio": {"input": {
                    "format": {"type": "audio/pcm", "rate": 24000}, "turn_detection": None,
                    "transcription": {"model": told["model"], "language": "zh"}}}}, "session.update", told)

    out = asyncio.run(talk())
    heard = out["session"]["audio"]["input"]
    out["session"] = {"model": heard["transcription"]["model"], "turn_detection": heard["turn_detection"]}
    return out


def openai_beta_realtime(told: dict) -> dict:
    import openai

    async def talk() -> dict:
        async with openai.AsyncOpenAI(base_url=f"{told['url']}/v1", websocket_base_url=told["ws"],
                                      api_key="any") as client:
            return await transcribe(
                client.beta.realtime.connect(model=told["model"], extra_query={"intent": "transcription"}),
                {"input_audio_format": "pcm16", "input_audio_transcription": {"model": told["model"]},
                 "turn_detection": None}, "transcription_session.update", told)

    out = asyncio.run(talk())
    heard = out["session"]
    out["session"] = {"model": heard["input_audio_transcription"]["model"], "turn_detection": heard["turn_detection"]}
    return out


def langchain_openai(told: dict) -> dict:
    from langchain_openai import OpenAIEmbeddings

    # As its documentation has it for servers that are not OpenAI's (else it sends OpenAI's own token ids).
    vectors = OpenAIEmbeddings(model=told["embedder"], base_url=f"{told['url']}/v1", api_key="any",
                               check_embedding_ctx_length=False)
    return {"documents": vectors.embed_documents(told["texts"]), "query": vectors.embed_query(told["texts"][0])}


def langchain_huggingface(told: dict) -> dict:
    from langchain_huggingface import HuggingFaceEndpointEmbeddings

    out = {}
    for name, url in {"root": told["tei"], "model": f"{told['url']}/models/{told['embedder']}"}.items():
        vectors = HuggingFaceEndpointEmbeddings(model=url, model_kwargs={"normalize": True})
        out[name] = {"documents": vectors.embed_documents(told["texts"]),
                     "query": vectors.embed_query(told["texts"][0])}
    return out


def langchain_community(told: dict) -> dict:
    from langchain_community.document_compressors import jina_rerank
    from langchain_core.documents import Document

    jina_rerank.JINA_API_URL = f"{told['url']}/v1/rerank"
    ranker = jina_rerank.JinaRerank(model=told["ranker"], jina_api_key="any", top_n=2)
    documents = [Document(page_content=text) for text in told["texts"]]
    return {"rerank": ranker.rerank(documents, told["query"], top_n=None),
            "kept": [d.page_content for d in ranker.compress_documents(documents, told["query"])]}


def llama_index(told: dict) -> dict:
    from llama_index.core.schema import NodeWithScore, QueryBundle, TextNode
    from llama_index.embeddings.text_embeddings_inference import TextEmbeddingsInference
    from llama_index.postprocessor.tei_rerank import TextEmbeddingInference

    out = {}
    for name, url in {"root": told["tei"], "tei": f"{told['url']}/tei"}.items():
        vectors = TextEmbeddingsInference(model_name=told["embedder"], base_url=url)
        ranker = TextEmbeddingInference(base_url=url, top_n=3)
        nodes = [NodeWithScore(node=TextNode(text=text), score=0.0) for text in told["texts"]]
        ranked = ranker.postprocess_nodes(nodes, QueryBundle(query_str=told["query"]))
        out[name] = {
            "documents": vectors.get_text_embedding_batch(told["texts"]),
            "query": vectors.get_query_embedding(told["texts"][0]),
            "ranked": [[n.node.text, n.score] for n in ranked],
        }
    return out


def huggingface_hub(told: dict) -> dict:
    from huggingface_hub import InferenceClient

    named, root = InferenceClient(model=f"{told['url']}/models/{told['embedder']}"), InferenceClient(model=told["tei"])
    return {
        "one": named.feature_extraction(told["texts"][0], normalize=True).tolist(),
        "many": named.feature_extraction(told["texts"], normalize=True).tolist(),
        "base64": named.feature_extraction(told["texts"], dimensions=8).tolist(),
        "root": root.feature_extraction(told["texts"], normalize=True).tolist(),
        "similar": named.sentence_similarity(told["texts"][0], other_sentences=told["texts"][1:]),
        "labels": [[x.label, x.score] for x in
                   InferenceClient(model=f"{told['url']}/models/{told['classifier']}").text_classification("hello")],
        "info": InferenceClient(model=told["tei"], provider="hf-inference").get_endpoint_info(),
        "health": InferenceClient(provider="hf-inference").health_check(model=told["tei"]),
    }


def cohere(told: dict) -> dict:
    import cohere as library

    client = library.Client(api_key="any", base_url=told["url"])
    answer = client.rerank(model=told["ranker"], query=told["query"], documents=told["texts"], top_n=2,
                           return_documents=True)
    return {"results": [[r.index, r.relevance_score, r.document.text] for r in answer.results],
            "tokens": answer.meta.tokens.input_tokens, "id": answer.id}


if __name__ == "__main__":
    told = json.loads(sys.argv[1])
    clients = {f.__name__: f for f in (openai_client, openai_transcriptions, openai_realtime, openai_beta_realtime,
                                       langchain_openai, langchain_huggingface, langchain_community, llama_index,
                                       huggingface_hub, cohere)}
    json.dump(clients[told["client"]](told), sys.stdout)
