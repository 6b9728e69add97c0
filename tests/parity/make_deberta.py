#!/usr/bin/env python3
"""Small random DeBERTas and what transformers answers for them: tests/fixtures/inference/deberta/."""
import json
import pathlib
import shutil
import sys

import torch
import transformers
from safetensors.torch import save_file

ROOT = pathlib.Path(__file__).resolve().parents[1] / "fixtures" / "inference" / "deberta"
CLASSES = {"states": "Model", "sequence": "ForSequenceClassification", "token": "ForTokenClassification",
           "mask": "ForMaskedLM"}


def randomize(model, generator):
    # transformers starts with weights of 0.02: too tame to show a mistake. Rounded to what the file keeps.
    with torch.no_grad():
        for name, p in model.named_parameters():
            if name.endswith("LayerNorm.weight"):
                p.copy_(1 + 0.2 * torch.randn(p.shape, generator=generator))
            elif p.dim() == 1:
                p.copy_(0.2 * torch.randn(p.shape, generator=generator))
            else:
                fan_in = p[0].numel() if "embeddings" not in name else 1
                p.copy_(1.2 * torch.randn(p.shape, generator=generator) / fan_in ** 0.5)
            p.copy_(p.half())


def rows(config, lengths, generator):
    for length in lengths:
        ids = torch.randint(3, config.vocab_size, (length,), generator=generator)
        types = torch.zeros(length, dtype=torch.long)
        if config.type_vocab_size > 1 and length > 4:
            types[length // 3:] = 1
        yield ids, types, sorted({length // 2, length - 1})


def rounded(t):
    return [[float(f"{v:.6g}") for v in line] for line in t.tolist()]


def write(name, stem, lengths, **settings):
    """One file has every class's weights: sequence and token classifiers share a linear."""
    folder = ROOT / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    config = getattr(transformers, stem + "Config")(**{**dict(
        vocab_size=28, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=20,
        max_position_embeddings=64, num_labels=3), **settings})
    generator = torch.Generator().manual_seed(sum(map(ord, name)))
    state, models = {}, {}
    for key, suffix in reversed(CLASSES.items()):
        model = getattr(transformers, stem + suffix)(config)
        randomize(model, generator)
        own = model.state_dict()
        body = "deberta." if key != "states" else ""
        with torch.no_grad():
            for k, v in own.items():
                full = k if body else "deberta." + k
                if full in state:
                    v.copy_(state[full])
                else:
                    state[full] = v.clone()
        models[key] = model.eval().double()
    if config.tie_word_embeddings:
        for k in ("cls.predictions.decoder.weight", "cls.predictions.decoder.bias"):
            state.pop(k, None)
    save_file({k: v.half().contiguous() for k, v in state.items()}, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps({"model_type": config.model_type, **settings, **{
        k: getattr(config, k) for k in ("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads",
                                        "intermediate_size", "max_position_embeddings")}}, indent=1) + "\n")
    out = []
    for ids, types, picks in rows(config, lengths, generator):
        row = {"ids": ids.tolist(), "types": types.tolist() if types.any() else [], "picks": picks}
        with torch.no_grad():
            for key, model in models.items():
                answer = model(ids[None], token_type_ids=types[None])
                lines = answer.last_hidden_state[0] if key == "states" else answer.logits
                row[key] = rounded(lines if key == "sequence" else lines.reshape(len(ids), -1)[picks])
        out.append(row)
    (folder / "expected.json").write_text(json.dumps(out, separators=(",", ":")).replace("},{", "},\n{") + "\n")
    print(name, sum(f.stat().st_size for f in folder.iterdir()) // 1024, "KiB", file=sys.stderr)


v2, short, longer = "DebertaV2", [1, 2, 5, 9, 9, 17], [1, 2, 9, 33, 64]
both = dict(relative_attention=True, pos_att_type="c2p|p2c")
# As the published ones are: v3 ..
write("v3", v2, longer, **both, share_att_key=True, position_buckets=8, norm_rel_ebd="layer_norm",
      position_biased_input=False, max_relative_positions=-1, legacy=True)
# .. where its buckets are as many as there, ..
write("v3_long", v2, [7, 129, 333, 511], **both, share_att_key=True, position_buckets=256, norm_rel_ebd="layer_norm",
      position_biased_input=False, max_position_embeddings=512, legacy=False, num_hidden_layers=1)
# .. v2-xlarge, which convolves; embeddings of another width.
write("v2_xlarge", v2, longer, **both, share_att_key=True, position_buckets=16, norm_rel_ebd="layer_norm",
      position_biased_input=False, conv_kernel_size=3, conv_act="gelu", embedding_size=24, pooler_hidden_act="tanh")
write("own_projections", v2, longer, relative_attention=True, pos_att_type=["p2c", "c2p"], type_vocab_size=2,
      hidden_act="gelu_new", legacy=False)
write("keys_only", v2, longer, relative_attention=True, pos_att_type=["c2p"], position_buckets=8,
      position_biased_input=False, type_vocab_size=2, hidden_act="relu", tie_word_embeddings=False)
write("queries_only", v2, longer, relative_attention=True, pos_att_type="P2C", position_buckets=-1,
      max_relative_positions=12, norm_rel_ebd="none|layer_norm", type_vocab_size=1)
write("far_buckets", v2, longer, **both, position_buckets=8, max_relative_positions=20, num_attention_heads=1,
      hidden_size=18)
write("one_layer_conv", v2, short, **both, share_att_key=True, conv_kernel_size=5, conv_groups=2,
      num_hidden_layers=1, position_buckets=0)
write("absolute", v2, short, relative_attention=False, pos_att_type="c2p|p2c", layer_norm_eps=1e-3,
      max_position_embeddings=20)
write("no_kinds", v2, short, relative_attention=True, pos_att_type=["none"], conv_kernel_size=1, conv_act="relu",
      max_position_embeddings=20)
# v1: one matrix for q, k and v.
write("v1", "Deberta", longer, **both, type_vocab_size=0, position_biased_input=False, max_relative_positions=-1)
write("v1_keys_only", "Deberta", longer, relative_attention=True, pos_att_type=["c2p"], max_relative_positions=12,
      type_vocab_size=2, legacy=False)
write("v1_queries_only", "Deberta", longer, relative_attention=True, pos_att_type=["p2c"], embedding_size=24)
write("v1_absolute", "Deberta", short, relative_attention=False, pos_att_type="none",
      max_position_embeddings=20)
