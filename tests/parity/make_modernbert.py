#!/usr/bin/env python3
"""Small random ModernBERTs and what transformers computes: tests/fixtures/inference/modernbert/.

A folder is a checkpoint of one class; `expected.json` has rows of token ids and what the network gives for them: the
logits, or those of some tokens (`picks`) with the last layer's states. Rows are shorter and longer than the window and
than the blocks that ours computes it in.
"""
import json
import pathlib
import random
import shutil

import torch
import transformers as t

ROOT = pathlib.Path(__file__).resolve().parents[1] / "fixtures" / "inference" / "modernbert"
# A window of 8: four tokens on either side.
SMALL = dict(hidden_size=32, num_hidden_layers=3, num_attention_heads=4, intermediate_size=16, vocab_size=48,
             max_position_embeddings=256, local_attention=8, pad_token_id=0, bos_token_id=1, cls_token_id=1,
             eos_token_id=2, sep_token_id=2)
BIASES = dict(norm_bias=True, attention_bias=True, mlp_bias=True, classifier_bias=True)
LENGTHS = [1, 5, 6, 9, 9, 40, 66, 150]


def randomize(model, seed):
    # transformers starts with weights of 0.02: too tame to show a mistake. What float16 holds, so that files are small.
    g = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, p in model.named_parameters():
            drawn = torch.randn(p.shape, generator=g) * (0.3 if p.dim() > 1 else 0.2)
            p.copy_((drawn + (1.0 if name.endswith("norm.weight") else 0.0)).half().float())
    model.tie_weights()
    return model.eval()


def numbers(x):
    return [float(f"{v:.6g}") for v in x.flatten().tolist()]


def ask(model, ids):
    with torch.no_grad():
        return model(input_ids=torch.tensor([ids]), output_hidden_states=True)


def by_token(row, out):
    n = len(row["ids"])
    row["picks"] = sorted({0, n // 2})
    row["token_logits"] = [numbers(out.logits[0, i]) for i in row["picks"]]
    row["token_states"] = [numbers(out.hidden_states[-1][0, i]) for i in row["picks"]]


def by_row(row, out):
    row["logits"] = numbers(out.logits[0])


def alone(row, out):
    n = len(row["ids"])
    row["picks"] = sorted({0, n // 3, n - 1})
    row["token_states"] = [numbers(out.last_hidden_state[0, i]) for i in row["picks"]]


def as_transformers_4(folder, every):
    """config.json in the words of its time."""
    path = folder / "config.json"
    config = json.loads(path.read_text())
    rope = config.pop("rope_parameters")
    config["global_rope_theta"] = rope["full_attention"]["rope_theta"]
    config["local_rope_theta"] = rope["sliding_attention"]["rope_theta"]
    config.pop("layer_types")
    config.update(global_attn_every_n_layers=every, torch_dtype=config.pop("dtype"), transformers_version="4.48.0",
                  position_embedding_type="absolute", reference_compile=None, repad_logits_with_grad=False)
    path.write_text(json.dumps(config, indent=2) + "\n")


def write(name, head, fill, old_every=None, lengths=LENGTHS, **settings):
    folder = ROOT / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    config = t.ModernBertConfig(**{**SMALL, **settings}, attn_implementation="eager")
    model = randomize(getattr(t, "ModernBert" + head)(config), len(name))
    rng = random.Random(name)
    rows = [{"ids": [rng.randrange(0, config.vocab_size) for _ in range(n)]} for n in lengths]
    answers = [ask(model, row["ids"]) for row in rows]
    model.half().save_pretrained(folder)
    if old_every is not None:
        as_transformers_4(folder, old_every)
    # What is read back is what was asked: the old words mean the same to transformers.
    again = type(model).from_pretrained(folder, dtype=torch.float32, attn_implementation="sdpa").eval()
    for row, out in zip(rows, answers):
        fill(row, out)
        repeated = ask(again, row["ids"])
        torch.testing.assert_close(repeated[0], out[0], rtol=1e-4, atol=1e-4)
    (folder / "expected.json").write_text(json.dumps(rows, separators=(",", ":")) + "\n")
    (folder / "generation_config.json").unlink(missing_ok=True)
    print(name, sum(f.stat().st_size for f in folder.iterdir()) // 1024, "KiB")


def main():
    labels = dict(num_labels=3)
    write("mask", "ForMaskedLM", by_token)
    write("mask_untied", "ForMaskedLM", by_token, **BIASES, tie_word_embeddings=False,
          layer_types=["sliding_attention", "full_attention", "sliding_attention"], classifier_activation="silu",
          rope_parameters={"full_attention": {"rope_type": "default", "rope_theta": 50000.0},
                           "sliding_attention": {"rope_type": "default", "rope_theta": 500.0}})
    write("sequence_cls", "ForSequenceClassification", by_row, **labels,
          layer_types=["sliding_attention", "sliding_attention", "full_attention"])
    # Its last layer is local: what the first token alone asks for differs there.
    write("sequence_local_last", "ForSequenceClassification", by_row, old_every=3, **labels,
          norm_bias=True, hidden_activation="gelu_pytorch_tanh")
    write("sequence_mean", "ForSequenceClassification", by_row, old_every=2, **labels, **BIASES,
          num_hidden_layers=2, classifier_pooling="mean", norm_eps=1e-4,
          layer_types=["full_attention", "sliding_attention"],
          rope_parameters={"full_attention": {"rope_theta": 80000.0}, "sliding_attention": {"rope_theta": 3000.0}})
    write("token", "ForTokenClassification", by_token, lengths=[2, 17, 70], **labels, num_hidden_layers=2,
          attention_bias=True, hidden_activation="silu", classifier_activation="relu", local_attention=9)
    write("bare", "Model", alone, lengths=[1, 12, 90], num_hidden_layers=2, global_attn_every_n_layers=2, mlp_bias=True,
          local_attention=1000)


main()
