#!/usr/bin/env python3
"""Small random checkpoints and what transformers answers for them: tests/fixtures/inference/bert/."""
import json
import pathlib
import random
import shutil
import sys

import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import (BertConfig, BertForSequenceClassification, DistilBertConfig,
                          DistilBertForSequenceClassification)

ROOT = pathlib.Path(__file__).resolve().parents[1] / "fixtures" / "inference" / "bert"
WORDS = ("the a of to and in is it you that he was for on are with as his they at be this from have or by one had "
         "not but what all were when we there can an your which their said if do will each about how up out them "
         "then she many some so these would other into has more her two like him see time could no make than").split()


def vocabulary():
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tokens += [chr(c) for c in range(33, 127) if not chr(c).isupper()]
    tokens += [f"##{chr(c)}" for c in range(97, 123)]
    return tokens + [w for w in WORDS if len(w) > 1]


def tokenizer():
    t = Tokenizer(models.WordPiece({w: i for i, w in enumerate(vocabulary())}, unk_token="[UNK]"))
    t.normalizer = normalizers.BertNormalizer(lowercase=True)
    t.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    t.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    t.add_special_tokens(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"])
    return t


def texts():
    rng = random.Random(7)
    out = ["the", "a b c", "Unfamiliar, WORDS! [MASK] here"]
    out += [" ".join(rng.choice(WORDS) for _ in range(rng.randint(1, 40))) for _ in range(9)]
    return out + ["what is this " * 40]


def pairs():
    rng = random.Random(11)
    words = lambda n: " ".join(rng.choice(WORDS) for _ in range(n))
    out = [("the time", "is it"), ("what", "no"), (words(9), words(4))]
    # Cut: the first, the second, both, and both where an odd number of tokens is left.
    return out + [(words(90), words(5)), (words(5), words(90)), (words(80), words(70)), (words(70), words(81))]


def randomize(model):
    # transformers starts with weights of 0.02: too tame to show a mistake.
    g = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for name, p in model.named_parameters():
            scale = 0.3 if p.dim() > 1 else 0.2
            p.copy_(torch.randn(p.shape, generator=g) * scale + (1.0 if "LayerNorm.weight" in name or "layer_norm.weight" in name else 0.0))


def write(name, model, save):
    torch.manual_seed(0)
    folder = ROOT / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    randomize(model)
    model.eval()
    save(model, folder)
    t = tokenizer()
    t.save(str(folder / "tokenizer.json"))
    limit = model.config.max_position_embeddings
    t.enable_truncation(limit)
    rows = []
    for text, pair in [(text, None) for text in texts()] + pairs():
        e = t.encode(text, pair)
        types = {} if "distil" in model.config.model_type else {"token_type_ids": torch.tensor([e.type_ids])}
        with torch.no_grad():
            logits = model.double()(torch.tensor([e.ids]), **types).logits[0]
        if model.config.problem_type == "multi_label_classification":
            p = torch.sigmoid(logits)
        else:
            p = torch.softmax(logits, -1)
        rows.append({"text": text, "pair": pair, "ids": e.ids, "types": e.type_ids, "logits": logits.tolist(),
                     "probabilities": p.tolist()})
    (folder / "expected.json").write_text(json.dumps(rows, indent=0))
    print(name, sum(f.stat().st_size for f in folder.iterdir()) // 1024, "KiB", file=sys.stderr)


def plain(model, folder):
    model.float().save_pretrained(folder)


def legacy(model, folder):
    """gamma and beta, no "bert." prefix, half precision, two shards."""
    from safetensors.torch import save_file
    model.config.save_pretrained(folder)
    model.half()
    config = json.loads((folder / "config.json").read_text())
    config["architectures"] = ["BertForSequenceClassification"]
    (folder / "config.json").write_text(json.dumps(config, indent=1))
    state = {}
    for key, value in model.state_dict().items():
        key = key.removeprefix("bert.").replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta")
        state[key] = value.contiguous()
    names = sorted(state)
    shards = {"model-00001-of-00002.safetensors": names[::2], "model-00002-of-00002.safetensors": names[1::2]}
    for file, keys in shards.items():
        save_file({k: state[k] for k in keys}, folder / file)
    (folder / "model.safetensors.index.json").write_text(json.dumps(
        {"metadata": {}, "weight_map": {k: f for f, keys in shards.items() for k in keys}}))


small = dict(vocab_size=len(vocabulary()), hidden_size=32, num_hidden_layers=2, num_attention_heads=4,
             intermediate_size=64, max_position_embeddings=64)
labels = dict(id2label={0: "no", 1: "maybe", 2: "yes"}, label2id={"no": 0, "maybe": 1, "yes": 2})
write("gelu", BertForSequenceClassification(BertConfig(**small, **labels)), plain)
write("gelu_new", BertForSequenceClassification(BertConfig(**small, hidden_act="gelu_new", num_labels=5,
                                                          layer_norm_eps=1e-5)), plain)
write("one_layer_relu", BertForSequenceClassification(BertConfig(
    **{**small, "num_hidden_layers": 1}, hidden_act="relu", num_labels=4,
    problem_type="multi_label_classification")), plain)
write("legacy_shards", BertForSequenceClassification(BertConfig(**small, **labels)), legacy)
write("distil", DistilBertForSequenceClassification(DistilBertConfig(
    vocab_size=small["vocab_size"], dim=32, n_layers=2, n_heads=4, hidden_dim=64, max_position_embeddings=64,
    **labels)), plain)
