#!/usr/bin/env python3
"""Small random networks of each family and what transformers computes: tests/fixtures/inference/families/.

A folder is a checkpoint of one class; `expected.json` has rows of token ids (and types) and, of some numbers, what the
network gives for them: logits, or of the mask's class the logits of some tokens and the last layer's states.
"""
import json
import pathlib
import random
import shutil

import torch
import transformers as t

ROOT = pathlib.Path(__file__).resolve().parents[1] / "fixtures" / "inference" / "families"
SMALL = dict(hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=24, vocab_size=40,
             max_position_embeddings=34)
# name -> (config class, stem, settings, whether rows have types)
FAMILIES = {
    "bert": (t.BertConfig, "Bert", dict(SMALL, type_vocab_size=2, hidden_act="gelu_new"), True),
    "roberta": (t.RobertaConfig, "Roberta", dict(SMALL, type_vocab_size=1, pad_token_id=1, layer_norm_eps=1e-5), False),
    "xlm_roberta": (t.XLMRobertaConfig, "XLMRoberta", dict(SMALL, type_vocab_size=1, pad_token_id=3), False),
    "camembert": (t.CamembertConfig, "Camembert", dict(SMALL, type_vocab_size=1, pad_token_id=1,
                                                       tie_word_embeddings=False), False),
    "distilbert": (t.DistilBertConfig, "DistilBert", dict(dim=16, n_layers=2, n_heads=2, hidden_dim=24, vocab_size=40,
                                                          max_position_embeddings=34), False),
    "electra": (t.ElectraConfig, "Electra", dict(SMALL, embedding_size=12, type_vocab_size=2), True),
    "mpnet": (t.MPNetConfig, "MPNet", dict(SMALL, max_position_embeddings=300), False),
    "albert": (t.AlbertConfig, "Albert", dict(SMALL, num_hidden_layers=5, num_hidden_groups=2, embedding_size=12,
                                              type_vocab_size=2), True),
}


def randomize(model, seed):
    # transformers starts with weights of 0.02: too tame to show a mistake.
    g = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, p in model.named_parameters():
            norm = "norm.weight" in name.lower()
            p.copy_(torch.randn(p.shape, generator=g) * (0.3 if p.dim() > 1 else 0.2) + (1.0 if norm else 0.0))
    model.tie_weights()
    return model.eval()


def rows_of(config, typed, lengths, seed):
    rng = random.Random(seed)
    rows = []
    for n in lengths:
        ids = [rng.randrange(5, config.vocab_size) for _ in range(n)]
        if n > 6:
            ids[4] = getattr(config, "pad_token_id", 0) or 0  # a text may hold the token that pads
        rows.append({"ids": ids, "types": [int(i > n // 2) for i in range(n)] if typed else None})
    return rows


def ask(model, row):
    given = {"input_ids": torch.tensor([row["ids"]]), "attention_mask": torch.ones(1, len(row["ids"]), dtype=torch.long)}
    if row["types"] is not None:
        given["token_type_ids"] = torch.tensor([row["types"]])
    with torch.no_grad():
        return model(**given, output_hidden_states=True)


def numbers(x):
    return [float(f"{v:.7g}") for v in x.flatten().tolist()]


def write(name, model, rows, fill):
    folder = ROOT / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    model.save_pretrained(folder)
    for row in rows:
        fill(row, ask(model, row))
    (folder / "expected.json").write_text(json.dumps(rows) + "\n")
    for extra in ("generation_config.json",):
        (folder / extra).unlink(missing_ok=True)


def main():
    for name, (config_class, stem, settings, typed) in FAMILIES.items():
        lengths = [1, 3, 3, 9, 28] + ([150, 290] if name == "mpnet" else [])
        config = config_class(**settings)
        rows = rows_of(config, typed, lengths, 5)

        def mask(row, out):
            row["picks"] = sorted({0, len(row["ids"]) // 2, len(row["ids"]) - 1})
            row["token_logits"] = [numbers(out.logits[0, i]) for i in row["picks"]]
            row["token_states"] = [numbers(out.hidden_states[-1][0, i]) for i in row["picks"]]

        write(f"{name}_mask", randomize(getattr(t, f"{stem}ForMaskedLM")(config), 3), rows, mask)
        config = config_class(**dict(settings, num_labels=3, tie_word_embeddings=True))
        write(f"{name}_sequence", randomize(getattr(t, f"{stem}ForSequenceClassification")(config), 4),
              rows_of(config, typed, lengths, 6), lambda row, out: row.update(logits=numbers(out.logits[0])))
        write(f"{name}_token", randomize(getattr(t, f"{stem}ForTokenClassification")(config), 8),
              rows_of(config, typed, [2, 7], 7),
              lambda row, out: row.update(picks=[0, len(row["ids"]) - 1],
                                          token_logits=[numbers(out.logits[0, i]) for i in (0, -1)]))


main()
