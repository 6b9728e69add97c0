"""What transformers' pipelines and sentence-transformers answer for a folder.

Rows are {"ask": .., "parameters": {..}, "answer": ..}, `ask` and `parameters` in the words of the Hugging Face
inference form, lists of kinds: "classify", "entities", "fill", "zero_shot", "embed", "tokens", "similarity", "rank",
"tokenize". A row with "truncated" was cut."""
from __future__ import annotations

import math
import pathlib
import warnings

import numpy as np
import torch
import transformers
from sentence_transformers import CrossEncoder, SentenceTransformer
from torch import nn
from transformers import AutoTokenizer, pipeline

from encoder_texts import MASKED, PAIRS, PROMPTS, QUERIES, SIMILAR, TARGETS, TEXTS, ZERO_SHOT

warnings.filterwarnings("ignore")
transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()


def plain(value):
    """For JSON; of floats what fp32 has."""
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    if isinstance(value, (torch.Tensor, np.ndarray)):
        return plain(value.tolist())
    if isinstance(value, (float, np.floating)):
        assert math.isfinite(value)
        return float(f"{float(value):.9g}")
    return int(value) if isinstance(value, np.integer) else value


class Entities(transformers.TokenClassificationPipeline):
    """Without two slips of transformers that nobody wants."""

    def group_sub_entities(self, entities: list[dict]) -> dict:
        # The words of first, average and max are decoded twice. A decoder of bytes makes rubbish of one with an accent
        # that stands without a blank: "O\ufffd" for "Où".
        out = super().group_sub_entities(entities)
        if "index" not in entities[0] and type(self.tokenizer.backend_tokenizer.decoder).__name__ == "ByteLevel":
            out["word"] = "".join(entity["word"] for entity in entities)
        return out

    def aggregate_overlapping_entities(self, entities: list[dict]) -> list[dict]:
        # The first one, compared with itself, is given twice where it has no characters.
        out = super().aggregate_overlapping_entities(entities)
        return out[1:] if len(out) > 1 and out[0] is out[1] else out


class Asked:
    """A folder, asked in one precision."""

    def __init__(self, folder: pathlib.Path, head: str, dtype: torch.dtype):
        self.folder, self.dtype = str(folder), dtype
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.model = None
        if head != "Model":
            self.model = getattr(transformers, "AutoModel" + {
                "ForSequenceClassification": "ForSequenceClassification",
                "ForTokenClassification": "ForTokenClassification", "ForMaskedLM": "ForMaskedLM"}[head]
            ).from_pretrained(folder, dtype=dtype).eval()
        self.length = self.tokenizer.model_max_length

    def pipe(self, task: str):
        return pipeline(task, model=self.model, tokenizer=self.tokenizer, device="cpu",
                        pipeline_class=Entities if task == "token-classification" else None)

    def row(self, ask, answer, pair: str | None = None, text: str | None = None, **parameters) -> dict:
        out = {"ask": ask, "parameters": parameters, "answer": plain(answer)}
        text = text if text is not None else ask["text"] if isinstance(ask, dict) else ask
        if len(self.tokenizer(text, pair)["input_ids"]) > self.length:
            out["truncated"] = True
        return out

    # -- the kinds --

    def classify(self) -> list[dict]:
        pipe = self.pipe("text-classification")
        ask = lambda what, **kw: pipe(what, **{"truncation": True, "top_k": None, **kw})
        rows = [self.row(text, ask(text)) for text in TEXTS]
        for text, pair in PAIRS:
            both = {"text": text, "text_pair": pair}
            rows.append(self.row(both, ask(both), pair))
        for function in ("softmax", "sigmoid", "none"):
            rows.append(self.row(TEXTS[2], ask(TEXTS[2], function_to_apply=function), function_to_apply=function))
        rows.append(self.row(TEXTS[3], ask(TEXTS[3], top_k=2), top_k=2))
        return rows

    def entities(self) -> list[dict]:
        pipe = self.pipe("token-classification")
        rows = []
        for strategy in ("none", "simple", "first", "average", "max"):
            texts = TEXTS if strategy in ("simple", "first") else TEXTS[2:8] + TEXTS[9:10]
            rows += [self.row(text, pipe(text, aggregation_strategy=strategy), aggregation_strategy=strategy)
                     for text in texts]
        for ignore in ([], ["PER", "B-LOC"]):
            for strategy in ("none", "simple"):
                given = dict(aggregation_strategy=strategy, ignore_labels=ignore)
                rows.append(self.row(TEXTS[4], pipe(TEXTS[4], **given), **given))
        # A pipeline of its own: a pipeline keeps what it has changed in the tokenizer's parameters.
        for strategy, stride in (("simple", 8), ("max", 0)):
            given = dict(aggregation_strategy=strategy, stride=stride)
            answer = pipeline("token-classification", model=self.model, tokenizer=AutoTokenizer.from_pretrained(
                self.folder), device="cpu", pipeline_class=Entities, **given)(TEXTS[10])
            rows.append({"ask": TEXTS[10], "parameters": given, "answer": plain(answer)})
        return rows

    def fill(self) -> list[dict]:
        pipe = self.pipe("fill-mask")
        cut = {"tokenizer_kwargs": {"truncation": True}}
        masked = [text.format(mask=self.tokenizer.mask_token) for text in MASKED]
        rows = [self.row(text, pipe(text, top_k=5, **cut)) for text in masked]
        rows.append(self.row(masked[1], pipe(masked[1], top_k=2, **cut), top_k=2))
        rows += [self.row(masked[0], pipe(masked[0], targets=t, **cut), targets=t) for t in TARGETS]
        rows.append(self.row(masked[2], pipe(masked[2], targets=TARGETS[0], top_k=2, **cut), targets=TARGETS[0], top_k=2))
        return rows

    def zero_shot(self) -> list[dict]:
        pipe = self.pipe("zero-shot-classification")
        rows = []
        for text, names, template in ZERO_SHOT:
            given = {} if template is None else {"hypothesis_template": template}
            for multi in (False, True):
                answer = pipe(text, candidate_labels=names, multi_label=multi, **given)
                pairs = [(template or "This example is {}.").format(name) for name in names]
                rows.append(self.row(text, [{"label": n, "score": s} for n, s in zip(answer["labels"], answer["scores"])],
                                     max(pairs, key=lambda p: len(self.tokenizer(p)["input_ids"])),
                                     candidate_labels=names, multi_label=multi, **given))
        return rows

    def sentences(self):
        model = SentenceTransformer(self.folder, device="cpu", model_kwargs={"dtype": self.dtype})
        return model.to(self.dtype)

    def embed(self) -> list[dict]:
        model = self.sentences()
        self.length, self.tokenizer = model.max_seq_length, model.tokenizer
        default = model.prompts.get(model.default_prompt_name or "") or ""
        cases = [(text, {}, {}, default) for text in TEXTS]
        cases += [(text, {"normalize": True}, {"normalize_embeddings": True}, default) for text in TEXTS[1:3]]
        for name, prompt in model.prompts.items():
            if prompt:
                named = {"prompt_name": name}
                cases += [(text, named, named, prompt) for text in TEXTS[1:4]]
        wide = model.encode(TEXTS[0])
        if abs(np.linalg.norm(wide) - 1) < 1e-4:  # one that normalizes
            half = len(wide) // 2
            cases += [(text, {"dimensions": half}, {"truncate_dim": half, "normalize_embeddings": True}, default)
                      for text in TEXTS[1:4]]
        return [self.row(text, model.encode(text, **how), text=prompt + text, **given)
                for text, given, how, prompt in cases]

    def tokens(self) -> list[dict]:
        model = self.sentences()
        self.length, self.tokenizer = model.max_seq_length, model.tokenizer
        if model.default_prompt_name:
            return []
        return [self.row(text, model.encode(text, output_value="token_embeddings")) for text in (TEXTS[2], TEXTS[5])]

    def similarity(self) -> list[dict]:
        model = self.sentences()
        rows = []
        for source, others in SIMILAR:
            scores = nn.functional.cosine_similarity(*(model.encode(t, convert_to_tensor=True) for t in ([source], others)))
            rows.append({"ask": {"source_sentence": source, "sentences": others}, "parameters": {},
                         "answer": plain(scores)})
        return rows

    def rank(self) -> list[dict]:
        model = CrossEncoder(self.folder, device="cpu", model_kwargs={"dtype": self.dtype})
        rows = []
        for query, texts in QUERIES:
            # None: the model's own, which is sigmoid for one label unless the checkpoint names another.
            for raw, function in ((None, None), (True, nn.Identity()), (False, nn.Sigmoid())):
                scores = model.predict([(query, text) for text in texts], activation_fn=function)
                order = sorted(range(len(texts)), key=lambda i: -scores[i])
                rows.append({"ask": {"query": query, "texts": texts},
                             "parameters": {} if raw is None else {"raw_scores": raw},
                             "answer": plain([{"index": i, "score": scores[i]} for i in order])})
        return rows

    def tokenize(self) -> list[dict]:
        # With the length, the case and the prompt by default of sentence-transformers' files.
        prompt = ""
        if self.model is None:
            model = self.sentences()
            self.tokenizer, prompt = model.tokenizer, model.prompts.get(model.default_prompt_name or "") or ""
        rows = [(text, self.tokenizer(prompt + text)["input_ids"]) for text in TEXTS]
        return [{"ask": text, "parameters": {}, "answer": ids} for text, ids in rows if len(ids) <= self.length]


KINDS = {"nli": ["classify", "zero_shot"], "classify": ["classify"], "entities": ["entities"], "fill": ["fill"],
         "embed": ["embed", "tokens", "similarity"], "rank": ["rank", "classify"]}
HEADS = {"nli": "ForSequenceClassification", "classify": "ForSequenceClassification",
         "entities": "ForTokenClassification", "fill": "ForMaskedLM", "embed": "Model",
         "rank": "ForSequenceClassification"}
# A checkpoint's own; what else it does is asked of it.
TASKS = {"nli": "text-classification", "classify": "text-classification", "entities": "token-classification",
         "fill": "fill-mask", "embed": "feature-extraction", "rank": "text-classification"}

__all__ = ["Asked", "HEADS", "KINDS", "PROMPTS", "TASKS"]


def answers(folder: pathlib.Path, kind: str, dtype: torch.dtype) -> dict:
    asked = Asked(folder, HEADS[kind], dtype)
    with torch.inference_mode():
        rows = {name: getattr(asked, name)() for name in ["tokenize", *KINDS[kind]]}
    return {"task": TASKS[kind], "length": int(min(asked.length, 1 << 30)), "rows": rows}
