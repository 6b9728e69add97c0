"""Checkpoints of the shapes that the benchmarks compare engines on: BERT's, and of two newer families what their published
base models are, with random weights and the BERT shapes' tokenizer. Standard library only."""
from __future__ import annotations

import pathlib

from tools import SHAPES, checkpoint, checkpoints, written


class DebertaV3(checkpoints.Bert):
    """microsoft/deberta-v3-base, but for its vocabulary."""

    BUCKETS = 256

    def config(self) -> dict:
        out = {**super().config(), "architectures": ["DebertaV2ForSequenceClassification"], "model_type": "deberta-v2",
               "layer_norm_eps": 1e-7, "type_vocab_size": 0, "relative_attention": True, "position_buckets": self.BUCKETS,
               "norm_rel_ebd": "layer_norm", "share_att_key": True, "pos_att_type": ["p2c", "c2p"],
               "position_biased_input": False, "max_relative_positions": -1, "pooler_hidden_act": "gelu", "pooler_dropout": 0,
               "pooler_hidden_size": self.hidden}
        del out["position_embedding_type"]
        return out

    def tensors(self) -> list[tuple[str, list[int], str]]:
        """BERT's by other names, without positions and types; distances are embedded instead."""
        out = []
        for name, shape, kind in super().tensors():
            if "position_embeddings" in name or "token_type" in name:
                continue
            name = name.replace("bert.pooler", "pooler").replace("bert.", "deberta.")
            for part in ("query", "key", "value"):
                name = name.replace(f"self.{part}.", f"self.{part}_proj.")
            out.append((name, shape, kind))
        return out + [("deberta.encoder.rel_embeddings.weight", [2 * self.BUCKETS, self.hidden], "embedding"),
                      ("deberta.encoder.LayerNorm.weight", [self.hidden], "one"),
                      ("deberta.encoder.LayerNorm.bias", [self.hidden], "small")]


class ModernBert(checkpoints.Bert):
    """answerdotai/ModernBERT-base, but for its vocabulary."""

    def config(self) -> dict:
        out = super().config()
        for key in ("hidden_act", "type_vocab_size", "layer_norm_eps", "hidden_dropout_prob", "attention_probs_dropout_prob",
                    "position_embedding_type"):
            del out[key]
        return {**out, "architectures": ["ModernBertForSequenceClassification"], "model_type": "modernbert",
                "hidden_activation": "gelu", "norm_eps": 1e-5, "norm_bias": False, "attention_bias": False, "mlp_bias": False,
                "global_attn_every_n_layers": 3, "local_attention": 128, "global_rope_theta": 160000.0, "local_rope_theta": 10000.0,
                "classifier_pooling": "mean", "classifier_bias": False, "classifier_activation": "gelu",
                "bos_token_id": 2, "cls_token_id": 2, "eos_token_id": 3, "sep_token_id": 3}

    def tensors(self) -> list[tuple[str, list[int], str]]:
        h, i = self.hidden, self.intermediate
        out = [("model.embeddings.tok_embeddings.weight", [self.vocabulary, h], "embedding"),
               ("model.embeddings.norm.weight", [h], "one"),
               ("model.final_norm.weight", [h], "one"),
               ("head.dense.weight", [h, h], "linear"),
               ("head.norm.weight", [h], "one"),
               ("classifier.weight", [len(self.labels), h], "classifier"),
               ("classifier.bias", [len(self.labels)], "small")]
        for n in range(self.layers):
            at = f"model.layers.{n}"
            out += [(f"{at}.attn.Wqkv.weight", [3 * h, h], "linear"), (f"{at}.attn.Wo.weight", [h, h], "linear"),
                    (f"{at}.mlp_norm.weight", [h], "one"),
                    (f"{at}.mlp.Wi.weight", [2 * i, h], "linear"), (f"{at}.mlp.Wo.weight", [h, i], "linear")]
            if n > 0:  # the first layer's input is normed already
                out.append((f"{at}.attn_norm.weight", [h], "one"))
        return out


BASE = dict(hidden=768, heads=12, vocabulary=30522)
FAMILIES = {"deberta-v3-base": DebertaV3(**BASE, layers=12, intermediate=3072, positions=512),
            "modernbert-base": ModernBert(**BASE, layers=22, intermediate=1152, positions=8192)}
NAMES = [*SHAPES, *FAMILIES]


def folder_of(name: str) -> pathlib.Path:
    return written(name, FAMILIES[name]) if name in FAMILIES else checkpoint(name, **SHAPES[name])
