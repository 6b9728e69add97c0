"""Tiny random encoders of each family and class, and the forms in which their weights lie on the hub."""
from __future__ import annotations

import dataclasses
import json
import pathlib
import pickle
import zlib

import torch
import transformers
from safetensors.torch import save_file

from encoder_tokenizers import change


@dataclasses.dataclass(frozen=True)
class Size:
    hidden: int = 32
    layers: int = 2
    heads: int = 4
    inner: int = 64
    words: int = 320     # about, of the tokenizer
    positions: int = 64  # tokens of a row
    seed: int = 1
    spread: float = 0.3  # of the weights; transformers starts with 0.02: too tame to show a mistake


def config_of(family: str, size: Size, ids: int, **more):
    """`family`: model_type, or model_type/variant."""
    plain = dict(vocab_size=ids, hidden_size=size.hidden, num_hidden_layers=size.layers,
                 num_attention_heads=size.heads, intermediate_size=size.inner, max_position_embeddings=size.positions)
    behind = {**plain, "max_position_embeddings": size.positions + 2, "layer_norm_eps": 1e-5}  # after pad_token_id
    deberta = {**plain, "relative_attention": True, "position_biased_input": False, "pos_att_type": ["p2c", "c2p"],
               "share_att_key": True, "norm_rel_ebd": "layer_norm", "max_relative_positions": -1,
               "position_buckets": 16, "type_vocab_size": 0, "pooler_hidden_size": size.hidden}
    modern = {**plain, "local_attention": 16, "pad_token_id": ids - 2, "bos_token_id": ids - 4, "cls_token_id": ids - 4,
              "eos_token_id": ids - 3, "sep_token_id": ids - 3, "num_hidden_layers": size.layers + 2}
    T = transformers
    make = {
        "bert": lambda: T.BertConfig(**plain, **more),
        "roberta": lambda: T.RobertaConfig(**behind, type_vocab_size=1, **more),
        "xlm-roberta": lambda: T.XLMRobertaConfig(**behind, type_vocab_size=1, **more),
        "camembert": lambda: T.CamembertConfig(**behind, type_vocab_size=1, **more),
        "distilbert": lambda: T.DistilBertConfig(
            vocab_size=ids, dim=size.hidden, n_layers=size.layers, n_heads=size.heads, hidden_dim=size.inner,
            max_position_embeddings=size.positions, **more),
        "electra": lambda: T.ElectraConfig(**plain, embedding_size=size.hidden // 2, **more),
        "electra/wide": lambda: T.ElectraConfig(**plain, embedding_size=size.hidden, **more),
        "mpnet": lambda: T.MPNetConfig(**behind, relative_attention_num_buckets=32, **more),
        # As deberta-base; its words of a time: "c2p|p2c".
        "deberta": lambda: T.DebertaConfig(
            **plain, relative_attention=True, position_biased_input=False, pos_att_type="c2p|p2c",
            max_relative_positions=-1, type_vocab_size=0, pooler_hidden_size=size.hidden, **more),
        "deberta/absolute": lambda: T.DebertaConfig(
            **plain, relative_attention=True, position_biased_input=True, pos_att_type=["c2p"], type_vocab_size=2,
            max_relative_positions=24, pooler_hidden_size=size.hidden, **more),
        "deberta-v2": lambda: T.DebertaV2Config(**deberta, **more),
        # As deberta-v2-xlarge.
        "deberta-v2/conv": lambda: T.DebertaV2Config(
            **deberta, conv_kernel_size=3, conv_act="gelu", attention_head_size=size.hidden // size.heads, **more),
        # As mDeBERTa's ancestors: keys of their own, one direction, absolute positions as well.
        "deberta-v2/own_keys": lambda: T.DebertaV2Config(
            **{**deberta, "share_att_key": False, "position_biased_input": True, "pos_att_type": "c2p",
               "norm_rel_ebd": "none", "position_buckets": -1, "max_relative_positions": size.positions,
               "type_vocab_size": 2}, **more),
        "modernbert": lambda: T.ModernBertConfig(**modern, **more),
        "modernbert/mean": lambda: T.ModernBertConfig(
            **modern, classifier_pooling="mean", classifier_bias=True, attention_bias=True, mlp_bias=True,
            norm_bias=True, **more),
        "albert": lambda: T.AlbertConfig(**plain, embedding_size=size.hidden // 2, **more),
        "albert/groups": lambda: T.AlbertConfig(
            **{**plain, "num_hidden_layers": 4}, embedding_size=size.hidden // 2, num_hidden_groups=2,
            hidden_act="gelu", **more),
    }
    return make[family]()


STEMS = {"bert": "Bert", "roberta": "Roberta", "xlm-roberta": "XLMRoberta", "camembert": "Camembert",
         "distilbert": "DistilBert", "electra": "Electra", "mpnet": "MPNet", "deberta": "Deberta",
         "deberta-v2": "DebertaV2",         "modernbert": "ModernBert", "albert": "Albert"}


def model_of(family: str, head: str, size: Size, ids: int, name: str, **more):
    """A network of `head`: "Model", "ForMaskedLM", .. with weights drawn for `name`."""
    config = config_of(family, size, ids, **more)
    model = getattr(transformers, STEMS[family.split("/")[0]] + head)(config)
    draw(model, size, zlib.crc32(f"{name} {size.seed}".encode()))
    return model.eval()


def draw(model, size: Size, seed: int) -> None:
    """Weights in steps: they are the same numbers in fp16 and bf16, and the files are small."""
    step = 1 / 32
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, p in sorted(model.named_parameters()):
            drawn = torch.randn(p.shape, generator=generator) * (size.spread if p.dim() > 1 else 0.2)
            if p.dim() == 1 and name.endswith("weight"):  # of a norm
                drawn += 1
            if name in ("classifier.weight", "classifier.out_proj.weight"):
                drawn *= 3
            p.copy_((drawn / step).round().clamp(-127, 127) * step)


# -- how weights lie on the disk --

def saved(model, folder: pathlib.Path) -> None:
    model.save_pretrained(folder)


def half(model, folder: pathlib.Path) -> None:
    model.half().save_pretrained(folder)
    model.float()


def brain(model, folder: pathlib.Path) -> None:
    model.bfloat16().save_pretrained(folder)
    model.float()


def shards(model, folder: pathlib.Path) -> None:
    model.save_pretrained(folder, max_shard_size="40KB")
    assert (folder / "model.safetensors.index.json").exists()


def whole_state(model) -> dict[str, torch.Tensor]:
    """As transformers 4 kept it: with tied weights in all their places, and the buffers of that time."""
    kept: dict[int, torch.Tensor] = {}
    state = {k: kept.setdefault(v.data_ptr(), v.detach().clone()) for k, v in model.state_dict().items()}
    base = model.base_model_prefix
    prefix = f"{base}." if any(k.startswith(base + ".") for k in state) else ""
    if f"{prefix}embeddings.position_embeddings.weight" in state and f"{prefix}embeddings.position_ids" not in state:
        rows = state[f"{prefix}embeddings.position_embeddings.weight"].shape[0]
        state[f"{prefix}embeddings.position_ids"] = torch.arange(rows).unsqueeze(0)
    return state


def config_alone(model, folder: pathlib.Path) -> None:
    model.config.architectures = [type(model).__name__]
    model.config.save_pretrained(folder)


def zip_bin(model, folder: pathlib.Path) -> None:
    config_alone(model, folder)
    torch.save(whole_state(model), folder / "pytorch_model.bin")


def legacy_bin(model, folder: pathlib.Path) -> None:
    """As torch before 1.6, and as torch.save does without zip files; but a storage's name is its number, where theirs
    is an address."""
    config_alone(model, folder)
    storages: dict[int, tuple[str, torch.storage.TypedStorage]] = {}

    class Pickler(pickle.Pickler):
        def persistent_id(self, value):
            if not isinstance(value, torch.storage.TypedStorage):
                return None
            key, _ = storages.setdefault(value._cdata, (str(len(storages)), value))
            return "storage", getattr(torch, value._pickle_storage_type()), key, "cpu", value._size(), None

    with open(folder / "pytorch_model.bin", "wb") as file:
        for value in (torch.serialization.MAGIC_NUMBER, torch.serialization.PROTOCOL_VERSION, {
                "protocol_version": torch.serialization.PROTOCOL_VERSION, "little_endian": True,
                "type_sizes": {"short": 2, "int": 4, "long": 4}}):
            pickle.dump(value, file, protocol=2)
        Pickler(file, protocol=2).dump(whole_state(model))
        pickle.dump([key for key, _ in storages.values()], file, protocol=2)
        file.flush()
        for _, storage in storages.values():
            storage._untyped_storage._write_file(file, True, True, storage.element_size())


def half_bin(model, folder: pathlib.Path) -> None:
    zip_bin(model.half(), folder)
    model.float()


def bin_shards(model, folder: pathlib.Path) -> None:
    config_alone(model, folder)
    state = whole_state(model)
    names = sorted(state)
    files = {"pytorch_model-00001-of-00002.bin": names[::2], "pytorch_model-00002-of-00002.bin": names[1::2]}
    for file, keys in files.items():
        torch.save({k: state[k] for k in keys}, folder / file)
    (folder / "pytorch_model.bin.index.json").write_text(json.dumps({
        "metadata": {"total_size": sum(t.nbytes for t in state.values())},
        "weight_map": {k: file for file, keys in files.items() for k in keys}}))


def whole_safetensors(model, folder: pathlib.Path) -> None:
    """Converted from a .bin by the hub's bot: everything, tied or not."""
    config_alone(model, folder)
    save_file({k: v.clone() for k, v in whole_state(model).items()}, folder / "model.safetensors", metadata={"format": "pt"})


FORMS = {f.__name__: f for f in (saved, half, brain, shards, zip_bin, legacy_bin, half_bin, bin_shards,
                                 whole_safetensors)}


def as_transformers_4(folder: pathlib.Path, family: str) -> None:
    """config.json in the words of its time."""
    path = folder / "config.json"
    config = json.loads(path.read_text())
    config["torch_dtype"] = config.pop("dtype", "float32")
    config["transformers_version"] = "4.48.0"
    if family.startswith("modernbert"):
        rope = config.pop("rope_parameters")
        config["global_rope_theta"] = rope["full_attention"]["rope_theta"]
        config["local_rope_theta"] = rope["sliding_attention"]["rope_theta"]
        config.pop("layer_types", None)
        config["global_attn_every_n_layers"] = 3
        config["position_embedding_type"] = "absolute"
    path.write_text(json.dumps(config, indent=2) + "\n")


def labels(*names: str) -> dict:
    return {"id2label": dict(enumerate(names)), "label2id": {n: i for i, n in enumerate(names)}}


__all__ = ["FORMS", "Size", "as_transformers_4", "change", "labels", "model_of"]
