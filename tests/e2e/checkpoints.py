"""Random BERT checkpoints in the Hugging Face layout, written without torch.

Weights come from one seeded block of normal numbers that is laid again and again (its length is prime, so
rows differ): a model of 440 MB is written about as fast as the disk takes it. `reference()` computes the
answer of a small one in plain Python.
"""
from __future__ import annotations

import array
import json
import math
import pathlib
import random
import struct
from dataclasses import dataclass, field

SPECIALS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
ALNUM = [chr(c) for c in range(ord("a"), ord("z") + 1)] + [chr(c) for c in range(ord("0"), ord("9") + 1)]
PUNCTUATION = list("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~")
LABELS = ["prompt_injection", "jailbreak", "system_extraction", "code_injection", "benign"]
BLOCK = 65521


@dataclass
class Bert:
    hidden: int = 32
    layers: int = 2
    heads: int = 4
    intermediate: int = 0  # 0: 4 x hidden
    vocabulary: int = 1024
    positions: int = 128
    labels: list[str] = field(default_factory=lambda: list(LABELS))
    seed: int = 1

    def __post_init__(self) -> None:
        self.intermediate = self.intermediate or 4 * self.hidden

    def config(self) -> dict:
        return {
            "architectures": ["BertForSequenceClassification"],
            "model_type": "bert",
            "hidden_size": self.hidden,
            "num_hidden_layers": self.layers,
            "num_attention_heads": self.heads,
            "intermediate_size": self.intermediate,
            "hidden_act": "gelu",
            "vocab_size": self.vocabulary,
            "max_position_embeddings": self.positions,
            "type_vocab_size": 2,
            "layer_norm_eps": 1e-12,
            "hidden_dropout_prob": 0.1,
            "attention_probs_dropout_prob": 0.1,
            "initializer_range": 0.02,
            "pad_token_id": 0,
            "position_embedding_type": "absolute",
            "problem_type": "single_label_classification",
            "torch_dtype": "float32",
            "id2label": {str(i): name for i, name in enumerate(self.labels)},
            "label2id": {name: i for i, name in enumerate(self.labels)},
        }

    def tensors(self) -> list[tuple[str, list[int], str]]:
        """(name, shape, kind): how each is drawn follows from its kind."""
        h, i = self.hidden, self.intermediate
        out = [
            ("bert.embeddings.word_embeddings.weight", [self.vocabulary, h], "embedding"),
            ("bert.embeddings.position_embeddings.weight", [self.positions, h], "embedding"),
            ("bert.embeddings.token_type_embeddings.weight", [2, h], "embedding"),
            ("bert.embeddings.LayerNorm.weight", [h], "one"),
            ("bert.embeddings.LayerNorm.bias", [h], "small"),
        ]

        def linear(name: str, rows: int, columns: int) -> None:
            out.append((f"{name}.weight", [rows, columns], "linear"))
            out.append((f"{name}.bias", [rows], "small"))

        def norm(name: str) -> None:
            out.append((f"{name}.weight", [h], "one"))
            out.append((f"{name}.bias", [h], "small"))

        for n in range(self.layers):
            at = f"bert.encoder.layer.{n}"
            for part in ("query", "key", "value"):
                linear(f"{at}.attention.self.{part}", h, h)
            linear(f"{at}.attention.output.dense", h, h)
            norm(f"{at}.attention.output.LayerNorm")
            linear(f"{at}.intermediate.dense", i, h)
            linear(f"{at}.output.dense", h, i)
            norm(f"{at}.output.LayerNorm")
        linear("bert.pooler.dense", h, h)
        out.append(("classifier.weight", [len(self.labels), h], "classifier"))
        out.append(("classifier.bias", [len(self.labels)], "small"))
        return out

    def parameters(self) -> int:
        return sum(math.prod(shape) for _, shape, _ in self.tensors())

    def size_bytes(self) -> int:
        return 4 * self.parameters()


class BareBert(Bert):
    """The encoder alone: vectors."""

    def config(self) -> dict:
        out = {**super().config(), "architectures": ["BertModel"]}
        for key in ("problem_type", "id2label", "label2id"):
            del out[key]
        return out

    def tensors(self) -> list[tuple[str, list[int], str]]:
        return [(name.removeprefix("bert."), shape, kind) for name, shape, kind in super().tensors()
                if not name.startswith("classifier.")]


class RankingBert(Bert):
    """One label, as cross-encoders have it."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.labels = ["LABEL_0"]

    def config(self) -> dict:
        out = super().config()
        del out["problem_type"]
        return out


BERT_6X384 = dict(hidden=384, layers=6, heads=12, vocabulary=30522, positions=512)
BERT_12X768 = dict(hidden=768, layers=12, heads=12, vocabulary=30522, positions=512)


def vocabulary(size: int) -> list[str]:
    """Specials, characters, then words of two letters (aa, ab, ..) and of three, then fillers."""
    words = SPECIALS + ALNUM + ["##" + c for c in ALNUM] + PUNCTUATION
    letters = ALNUM[:26]
    for length in (2, 3):
        stack = [""]
        for _ in range(length):
            stack = [s + c for s in stack for c in letters]
        words += stack
    words = words[:size]
    return words + [f"[unused{n}]" for n in range(size - len(words))]


def tokenizer_json(size: int) -> dict:
    words = vocabulary(size)
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [
            {"id": n, "content": word, "single_word": False, "lstrip": False, "rstrip": False,
             "normalized": False, "special": True}
            for n, word in enumerate(SPECIALS)
        ],
        "normalizer": {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True,
                       "strip_accents": None, "lowercase": True},
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [{"SpecialToken": {"id": "[CLS]", "type_id": 0}},
                       {"Sequence": {"id": "A", "type_id": 0}},
                       {"SpecialToken": {"id": "[SEP]", "type_id": 0}}],
            "pair": [{"SpecialToken": {"id": "[CLS]", "type_id": 0}},
                     {"Sequence": {"id": "A", "type_id": 0}},
                     {"SpecialToken": {"id": "[SEP]", "type_id": 0}},
                     {"Sequence": {"id": "B", "type_id": 1}},
                     {"SpecialToken": {"id": "[SEP]", "type_id": 1}}],
            "special_tokens": {
                "[CLS]": {"id": "[CLS]", "ids": [2], "tokens": ["[CLS]"]},
                "[SEP]": {"id": "[SEP]", "ids": [3], "tokens": ["[SEP]"]}},
        },
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True},
        "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
                  "max_input_chars_per_word": 100,
                  "vocab": {word: n for n, word in enumerate(words)}},
    }


def _blocks(seed: int, hidden: int) -> dict[str, bytes]:
    """One period of each kind of weight, as float32 bytes."""
    rng = random.Random(seed)
    normal = [rng.gauss(0.0, 1.0) for _ in range(BLOCK)]
    scale = {"linear": 1.0 / math.sqrt(hidden), "classifier": 2.5 / math.sqrt(hidden),
             "embedding": 1.0, "small": 0.05}
    blocks = {kind: array.array("f", [s * x for x in normal]).tobytes() for kind, s in scale.items()}
    blocks["one"] = array.array("f", [1.0 + 0.05 * x for x in normal]).tobytes()
    return blocks


def safetensors_header(entries: dict, align: int = 64) -> bytes:
    text = json.dumps(entries, separators=(",", ":")).encode()
    text += b" " * (-(8 + len(text)) % align)
    return struct.pack("<Q", len(text)) + text


def write_safetensors(path: pathlib.Path, model: Bert) -> None:
    entries: dict = {"__metadata__": {"format": "pt"}}
    at = 0
    for name, shape, _ in model.tensors():
        size = 4 * math.prod(shape)
        entries[name] = {"dtype": "F32", "shape": shape, "data_offsets": [at, at + size]}
        at += size
    blocks = _blocks(model.seed, model.hidden)
    shift = 0
    with open(path, "wb", buffering=1 << 20) as file:
        file.write(safetensors_header(entries))
        for _, shape, kind in model.tensors():
            block = blocks[kind]
            left = 4 * math.prod(shape)
            start = 4 * (shift % BLOCK)
            shift += 7919
            while left > 0:
                piece = block[start:start + left]
                file.write(piece)
                left -= len(piece)
                start = 0


def write_bert(folder: pathlib.Path, model: Bert | None = None, **shape) -> pathlib.Path:
    """Writes a whole checkpoint folder, the weights last; returns it."""
    model = model or Bert(**shape)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(model.config(), indent=1))
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer_json(model.vocabulary)))
    (folder / "tokenizer_config.json").write_text(json.dumps({
        "tokenizer_class": "BertTokenizer", "do_lower_case": True, "model_max_length": model.positions}))
    write_safetensors(folder / "model.safetensors", model)
    return folder


def words_text(tokens: int, seed: int, vocabulary_size: int = 1024) -> str:
    """A text of exactly `tokens` tokens, [CLS] and [SEP] counted: two- or three-letter words."""
    rng = random.Random(seed)
    letters = ALNUM[:26]
    known = vocabulary_size - len(SPECIALS) - 2 * len(ALNUM) - len(PUNCTUATION)
    assert known >= 676
    length = 3 if known >= 676 + 17576 else 2
    return " ".join("".join(rng.choice(letters) for _ in range(length)) for _ in range(max(0, tokens - 2)))


# --- the answer in plain Python ------------------------------------------------------------------

def tokenize(text: str, size: int, limit: int) -> list[int]:
    """WordPiece for lower-case ASCII letters, digits, punctuation and spaces."""
    vocab = {word: n for n, word in enumerate(vocabulary(size))}
    words: list[str] = []
    for chunk in text.lower().split():
        word = ""
        for c in chunk:
            if c in PUNCTUATION:
                words += [word] if word else []
                words.append(c)
                word = ""
            else:
                word += c
        words += [word] if word else []
    ids: list[int] = []
    for word in words:
        pieces, at = [], 0
        while at < len(word):
            end = len(word)
            while end > at and (("##" if at else "") + word[at:end]) not in vocab:
                end -= 1
            if end == at:
                pieces = [1]
                break
            pieces.append(vocab[("##" if at else "") + word[at:end]])
            at = end
        ids += pieces
    return [2] + ids[: limit - 2] + [3]


class _Weights:
    def __init__(self, folder: pathlib.Path):
        self.raw = (folder / "model.safetensors").read_bytes()
        (size,) = struct.unpack("<Q", self.raw[:8])
        self.entries = json.loads(self.raw[8:8 + size])
        self.base = 8 + size

    def __call__(self, name: str) -> list:
        entry = self.entries[name]
        begin, end = entry["data_offsets"]
        flat = array.array("f", self.raw[self.base + begin:self.base + end]).tolist()
        if len(entry["shape"]) == 1:
            return flat
        rows, columns = entry["shape"]
        return [flat[r * columns:(r + 1) * columns] for r in range(rows)]


def reference(folder: pathlib.Path, model: Bert, text: str) -> list[float]:
    """Probabilities of `text`, computed independently. For small models."""
    w = _Weights(folder)
    ids = tokenize(text, model.vocabulary, model.positions)

    def linear(x: list[float], name: str) -> list[float]:
        weight, bias = w(f"{name}.weight"), w(f"{name}.bias")
        return [sum(a * b for a, b in zip(row, x)) + c for row, c in zip(weight, bias)]

    def norm(x: list[float], name: str) -> list[float]:
        weight, bias = w(f"{name}.weight"), w(f"{name}.bias")
        mean = sum(x) / len(x)
        var = sum((v - mean) ** 2 for v in x) / len(x)
        s = 1.0 / math.sqrt(var + 1e-12)
        return [(v - mean) * s * a + b for v, a, b in zip(x, weight, bias)]

    def add(a: list[float], b: list[float]) -> list[float]:
        return [x + y for x, y in zip(a, b)]

    def softmax(x: list[float]) -> list[float]:
        top = max(x)
        e = [math.exp(v - top) for v in x]
        return [v / sum(e) for v in e]

    at = "bert.embeddings"
    words, places = w(f"{at}.word_embeddings.weight"), w(f"{at}.position_embeddings.weight")
    kinds = w(f"{at}.token_type_embeddings.weight")
    x = [norm(add(add(words[t], places[p]), kinds[0]), f"{at}.LayerNorm") for p, t in enumerate(ids)]
    size = model.hidden // model.heads
    for n in range(model.layers):
        at = f"bert.encoder.layer.{n}"
        q = [linear(v, f"{at}.attention.self.query") for v in x]
        k = [linear(v, f"{at}.attention.self.key") for v in x]
        v_ = [linear(v, f"{at}.attention.self.value") for v in x]
        mixed = []
        for row in range(len(x)):
            out: list[float] = []
            for head in range(model.heads):
                a, b = head * size, (head + 1) * size
                scores = softmax([sum(i * j for i, j in zip(q[row][a:b], other[a:b])) / math.sqrt(size)
                                  for other in k])
                out += [sum(s * other[c] for s, other in zip(scores, v_)) for c in range(a, b)]
            mixed.append(out)
        x = [norm(add(linear(m, f"{at}.attention.output.dense"), v), f"{at}.attention.output.LayerNorm")
             for m, v in zip(mixed, x)]
        inner = [[0.5 * u * (1.0 + math.erf(u / math.sqrt(2.0)))
                  for u in linear(v, f"{at}.intermediate.dense")] for v in x]
        x = [norm(add(linear(u, f"{at}.output.dense"), v), f"{at}.output.LayerNorm")
             for u, v in zip(inner, x)]
    pooled = [math.tanh(v) for v in linear(x[0], "bert.pooler.dense")]
    return softmax(linear(pooled, "classifier"))
