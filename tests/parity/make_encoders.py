#!/usr/bin/env python3
"""Tiny random encoders of every family and class with what transformers and sentence-transformers answer:
tests/fixtures/encoders/FAMILY.tar.xz, which tests/e2e/test_encoders.py serves. `make_encoders.py FAMILY ..` makes some.

An archive has folders that are laid over each other (checkpoints.json says which): a tokenizer is kept once."""
from __future__ import annotations

import dataclasses
import io
import json
import lzma
import pathlib
import shutil
import sys
import tarfile
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))

import torch  # noqa: E402

import encoder_answers  # noqa: E402
import encoder_models  # noqa: E402
import encoder_tokenizers  # noqa: E402
from encoder_models import Size, labels  # noqa: E402
from encoder_tokenizers import change, write_json  # noqa: E402
from encoders import differences, names_in  # noqa: E402

OUT = pathlib.Path(__file__).resolve().parents[1] / "fixtures" / "encoders"

NLI = labels("contradiction", "neutral", "entailment")
NLI_FIRST = labels("ENTAILMENT", "NEUTRAL", "CONTRADICTION")
BIO = labels("O", "B-PER", "I-PER", "B-LOC", "I-LOC")
NOT_BIO = labels("PER", "LOC", "O", "MISC")
TOXIC = {**labels("toxic", "insult", "threat", "obscene"), "problem_type": "multi_label_classification"}
STARS = {**labels("stars"), "problem_type": "regression"}
ONE = labels("LABEL_0")


@dataclasses.dataclass(frozen=True)
class Plan:
    """One checkpoint: `kind` says its class and what it is asked (encoder_answers.py)."""
    name: str
    kind: str
    weights: str = "saved"    # encoder_models.FORMS
    tokenizer: str = "saved"  # encoder_tokenizers.py
    variant: str = ""         # of the family
    config: dict = dataclasses.field(default_factory=dict)
    around: str = ""          # files of sentence-transformers: a function below
    like: str = ""            # the weights of that checkpoint, under another tokenizer
    old_config: bool = False  # config.json as transformers 4 wrote it


# -- sentence-transformers' files --

def modules(folder: pathlib.Path, *kinds: str) -> None:
    write_json(folder / "modules.json", [
        {"idx": n, "name": str(n), "path": f"{n}_{kind}" if n else "", "type": f"sentence_transformers.models.{kind}"}
        for n, kind in enumerate(("Transformer", *kinds))])


def pooling(folder: pathlib.Path, width: int, mode: str, **more) -> None:
    names = ["cls_token", "mean_tokens", "max_tokens", "mean_sqrt_len_tokens"]
    (folder / "1_Pooling").mkdir()
    write_json(folder / "1_Pooling" / "config.json", {
        "word_embedding_dimension": width, **{f"pooling_mode_{n}": n == mode for n in names}, **more})


def sentence(folder: pathlib.Path, length: int, **more) -> None:
    write_json(folder / "sentence_bert_config.json", {"max_seq_length": length, "do_lower_case": False, **more})


def library(folder: pathlib.Path, prompts: dict | None = None, default: str | None = None) -> None:
    write_json(folder / "config_sentence_transformers.json", {
        "__version__": {"sentence_transformers": "3.0.1", "transformers": "4.41.2", "pytorch": "2.3.0"},
        "prompts": prompts or {}, "default_prompt_name": default, "similarity_fn_name": "cosine"})


def mean(folder, width, length, name, size):
    """As all-MiniLM-L6-v2."""
    modules(folder, "Pooling", "Normalize")
    pooling(folder, width, "mean_tokens")
    sentence(folder, length)
    library(folder)


def mean_alone(folder, width, length, name, size):
    modules(folder, "Pooling")
    pooling(folder, width, "mean_tokens")
    sentence(folder, length)


def first(folder, width, length, name, size):
    """As bge-small, with a prompt by default."""
    modules(folder, "Pooling", "Normalize")
    pooling(folder, width, "cls_token")
    sentence(folder, length - 8)
    library(folder, {"query": "Represent this sentence: ", "document": ""}, "query")


def prompts(folder, width, length, name, size):
    """As multilingual-e5."""
    modules(folder, "Pooling", "Normalize")
    pooling(folder, width, "mean_tokens", include_prompt=True)
    sentence(folder, length)
    library(folder, encoder_answers.PROMPTS)


def without_prompt(folder, width, length, name, size):
    """As instructor: the prompt is read, and not pooled."""
    modules(folder, "Pooling", "Normalize")
    pooling(folder, width, "mean_tokens", include_prompt=False)
    sentence(folder, length)
    library(folder, encoder_answers.PROMPTS)


def dense(folder, width, length, name, size):
    """As distiluse-base-multilingual; a length and a case of its own."""
    from safetensors.torch import save_file
    modules(folder, "Pooling", "Dense", "Normalize")
    pooling(folder, width, "mean_tokens")
    sentence(folder, length - 40, do_lower_case=True)
    out = width * 3 // 4
    (folder / "2_Dense").mkdir()
    write_json(folder / "2_Dense" / "config.json", {
        "in_features": width, "out_features": out, "bias": True,
        "activation_function": "torch.nn.modules.activation.Tanh"})
    linear = torch.nn.Linear(width, out)
    encoder_models.draw(linear, size, len(name))
    state = {f"linear.{k}": v for k, v in linear.state_dict().items()}
    save_file(state, folder / "2_Dense" / "model.safetensors")


def dense_bin(folder, width, length, name, size):
    """The same as .bin, without a bias, of the pooled maximum."""
    modules(folder, "Pooling", "Dense")
    pooling(folder, width, "max_tokens")
    sentence(folder, length)
    (folder / "2_Dense").mkdir()
    write_json(folder / "2_Dense" / "config.json", {
        "in_features": width, "out_features": width // 2, "bias": False,
        "activation_function": "torch.nn.modules.linear.Identity"})
    linear = torch.nn.Linear(width, width // 2, bias=False)
    encoder_models.draw(linear, size, len(name))
    torch.save({f"linear.{k}": v for k, v in linear.state_dict().items()}, folder / "2_Dense" / "pytorch_model.bin")


def many(folder, width, length, name, size):
    """Several ways of pooling side by side, an affine norm and a layer that adds its input."""
    from safetensors.torch import save_file
    modules(folder, "Pooling", "LayerNorm", "Dense")
    pooling(folder, width, "mean_tokens", pooling_mode_cls_token=True, pooling_mode_max_tokens=True,
            pooling_mode_mean_sqrt_len_tokens=True)
    sentence(folder, length)
    for path, config, module in (
            ("2_LayerNorm", {"dimension": 4 * width}, torch.nn.LayerNorm(4 * width)),
            ("3_Dense", {"in_features": 4 * width, "out_features": 4 * width, "bias": True, "use_residual": True,
                         "activation_function": "torch.nn.modules.activation.GELU"}, torch.nn.Linear(4 * width, 4 * width))):
        (folder / path).mkdir()
        write_json(folder / path / "config.json", config)
        encoder_models.draw(module, size, len(path))
        inside = "norm" if "Norm" in path else "linear"
        save_file({f"{inside}.{k}": v for k, v in module.state_dict().items()}, folder / path / "model.safetensors")


def weighted(folder, width, length, name, size):
    """As SGPT, in today's words, without the prompt; fewer dimensions than there are."""
    modules(folder, "Pooling")
    (folder / "1_Pooling").mkdir()
    write_json(folder / "1_Pooling" / "config.json", {
        "embedding_dimension": width, "pooling_mode": "weightedmean", "include_prompt": False})
    sentence(folder, length)
    library(folder, encoder_answers.PROMPTS)
    change(folder / "config_sentence_transformers.json", truncate_dim=width // 2)


def last(folder, width, length, name, size):
    modules(folder, "Pooling", "Normalize")
    (folder / "1_Pooling").mkdir()
    write_json(folder / "1_Pooling" / "config.json", {"embedding_dimension": width, "pooling_mode": "lasttoken"})
    sentence(folder, length)


def identity(folder, width, length, name, size):
    """As ms-marco-MiniLM: the scores are the logits."""
    change(folder / "config.json", sentence_transformers={
        "activation_fn": "torch.nn.modules.linear.Identity", "version": "4.0.1"})


def identity_before_4(folder, width, length, name, size):
    change(folder / "config.json", sbert_ce_default_activation_function="torch.nn.modules.linear.Identity")


def by_library(folder, width, length, name, size):
    """As sentence-transformers writes a folder today."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.models import Normalize, Pooling, Transformer
    model = SentenceTransformer(modules=[Transformer(str(folder)), Pooling(width, "mean"), Normalize()], device="cpu")
    with tempfile.TemporaryDirectory() as made:
        model.save_pretrained(made, create_model_card=False)
        take_new(pathlib.Path(made), folder)


def cross_encoder(folder, width, length, name, size):
    """As CrossEncoder writes a folder today."""
    from sentence_transformers import CrossEncoder
    model = CrossEncoder(str(folder), device="cpu", max_length=length)
    with tempfile.TemporaryDirectory() as made:
        model.save_pretrained(made, create_model_card=False)
        take_new(pathlib.Path(made), folder)
        shutil.copy(pathlib.Path(made) / "config.json", folder / "config.json")


def take_new(made: pathlib.Path, folder: pathlib.Path) -> None:
    for path in made.rglob("*"):
        to = folder / path.relative_to(made)
        if path.is_file() and path.name != "README.md" and not to.exists():
            to.parent.mkdir(exist_ok=True)
            shutil.copy(path, to)


# -- which there are --

def every(*, nli="saved", entities="saved", fill="saved", embed="saved", rank="saved", first_label=NLI, **more) -> list[Plan]:
    """A checkpoint of each class."""
    return [Plan("nli", "nli", nli, config=first_label, **more), Plan("entities", "entities", entities, config=BIO, **more),
            Plan("fill", "fill", fill, **more), Plan("embed", "embed", embed, around="mean", **more),
            Plan("rank", "rank", rank, config=ONE, **more)]


def other_tokenizers(*forms: str) -> list[Plan]:
    return [Plan(f"embed_{form}", "embed", tokenizer=form, around="mean", like="embed") for form in forms] + [
        Plan(f"entities_{form}", "entities", tokenizer=form, like="entities") for form in forms]


PLANS = {
    "bert": [*every(nli="half", fill="whole_safetensors"), *other_tokenizers("older"),
             Plan("left", "nli", tokenizer="left", like="nli"),
             Plan("plain", "nli", tokenizer="plain", like="nli"), Plan("untyped", "nli", tokenizer="untyped", like="nli"),
             Plan("multi_label", "classify", "zip_bin", config={**TOXIC, "hidden_act": "gelu_new"}),
             Plan("dense", "embed", around="dense"),
             Plan("bare", "embed", "legacy_bin", "unbounded"),
             Plan("by_library", "embed", around="by_library")],
    "roberta": [*every(nli="shards", fill="zip_bin", rank="brain"), *other_tokenizers("older"),
                Plan("first", "embed", around="first", like="embed"),
                Plan("fill_untied", "fill", "zip_bin", config={"tie_word_embeddings": False}),
                Plan("cross_encoder", "rank", config=ONE, around="cross_encoder")],
    "xlm-roberta": [*every(nli="brain", fill="bin_shards", first_label=NLI_FIRST), *other_tokenizers("hub", "older"),
                    Plan("prompts", "embed", around="prompts", like="embed"),
                    Plan("without_prompt", "embed", around="without_prompt", like="embed")],
    "camembert": [*every(entities="half", fill="legacy_bin"), *other_tokenizers("hub", "older")],
    "distilbert": [*every(nli="zip_bin", entities="shards", fill="legacy_bin"), *other_tokenizers("older"),
                   Plan("regression", "classify", config={**STARS, "activation": "relu"}),
                   Plan("lower", "embed", around="dense", like="embed")],
    "electra": [*every(nli="legacy_bin", fill="half"), *other_tokenizers("older"),
                Plan("fill_wide", "fill", variant="wide"), Plan("not_bio", "entities", config=NOT_BIO),
                Plan("many", "embed", around="many", like="embed"),
                Plan("identity", "rank", around="identity", like="rank")],
    "mpnet": [*every(embed="half_bin", fill="zip_bin"), *other_tokenizers("older"),
              Plan("mean_alone", "embed", around="mean_alone", like="embed"),
              Plan("weighted", "embed", around="weighted", like="embed"),
              Plan("identity", "rank", around="identity_before_4", like="rank")],
    "deberta": [*every(fill="zip_bin", nli="half"), *other_tokenizers("older"),
                Plan("absolute", "nli", variant="absolute", config=NLI)],
    "deberta-v2": [*every(nli="half", entities="zip_bin", first_label=NLI_FIRST), *other_tokenizers("hub", "older"),
                   Plan("conv_nli", "nli", variant="conv", config=NLI),
                   Plan("conv_entities", "entities", variant="conv", config=BIO),
                   Plan("conv_fill", "fill", variant="conv"), Plan("conv_embed", "embed", variant="conv", around="mean"),
                   Plan("own_keys", "classify", variant="own_keys", config=NLI)],
    "modernbert": [*every(nli="brain", rank="shards"),
                   Plan("mean_rank", "rank", variant="mean", config=ONE, old_config=True),
                   Plan("mean_nli", "nli", variant="mean", config=NLI),
                   Plan("dense_bin", "embed", around="dense_bin", like="embed"),
                   Plan("embed_old_config", "embed", around="mean", old_config=True)],
    "albert": [*every(entities="whole_safetensors", fill="legacy_bin"), *other_tokenizers("hub", "older"),
               Plan("groups_nli", "nli", variant="groups", config=NLI), Plan("groups_fill", "fill", "half", variant="groups"),
               Plan("groups_embed", "embed", variant="groups", around="mean"),
               Plan("last", "embed", around="last", like="embed"),
               Plan("typed", "nli", tokenizer="typed", config=NLI)],
}


# -- making them --

class Unfit(Exception):
    """Rounding decides the answer, or all answers are alike: other weights. On another CPU it may be another attempt
    that does, and the files differ."""


def check_telling(rows: dict[str, list[dict]]) -> None:
    """A network whose answers hardly differ would hide a mistake."""
    plain = lambda kind: [row["answer"] for row in rows.get(kind, []) if not row["parameters"]]
    if one := plain("classify"):
        for label in {a["label"] for a in one[0]}:
            scores = [a["score"] for answer in one for a in answer if a["label"] == label]
            if max(scores) - min(scores) < 0.15:
                raise Unfit(f"{label} is {min(scores):.3f} to {max(scores):.3f} for every text")
    if found := [row["answer"] for row in rows.get("entities", []) if "ignore_labels" not in row["parameters"]]:
        tags = {e.get("entity", e.get("entity_group")) for answer in found for e in answer}
        if len(tags) < 3 or sum(not answer for answer in found) > len(found) // 6:
            raise Unfit(f"entities {sorted(tags)}, in {sum(map(bool, found))} of {len(found)} answers")
    if vectors := plain("embed"):
        v = torch.nn.functional.normalize(torch.tensor(vectors), dim=-1)
        alike = (v @ v.T - 2 * torch.eye(len(v))).max().item()
        if alike > 0.999:
            raise Unfit(f"vectors as close as {alike:.4f}")


def weigh(folder: pathlib.Path, plan: Plan, family: str, size: Size, ids: int, attempt: int) -> None:
    head = encoder_answers.HEADS[plan.kind]
    model = encoder_models.model_of(f"{family}/{plan.variant}" if plan.variant else family, head, size, ids,
                                    f"{family} {plan.name} {attempt}", **plan.config)
    folder.mkdir(parents=True)
    encoder_models.FORMS[plan.weights](model, folder)
    if plan.old_config:
        encoder_models.as_transformers_4(folder, family)


def ask(laid: pathlib.Path, plan: Plan) -> dict:
    """In fp32, as the tests compare; in fp64, to see that it is not rounding that decides."""
    told = encoder_answers.answers(laid, plan.kind, torch.float32)
    exact = encoder_answers.answers(laid, plan.kind, torch.float64)
    for kind, rows in exact["rows"].items():
        for row, other in zip(told["rows"][kind], rows):
            far = differences(row["answer"], other["answer"], kind, 2e-5, 2e-6)
            if far:
                raise Unfit(far[0])
    check_telling(told["rows"])
    return told


def make_one(work: pathlib.Path, plan: Plan, family: str, size: Size, ids: int, tries: int = 40) -> list[str]:
    """Gives the folders that it is laid of."""
    for attempt in range(tries):
        weights = work / "models" / (plan.like or plan.name)
        around = work / "around" / plan.name
        for made in [around] + ([] if plan.like else [weights]):
            shutil.rmtree(made, ignore_errors=True)
        if not plan.like:
            weigh(weights, plan, family, size, ids, attempt)
        layers = [weights, work / "tokenizers" / plan.tokenizer]
        with tempfile.TemporaryDirectory() as temporary:
            laid = pathlib.Path(temporary) / "laid"
            for layer in layers:
                shutil.copytree(layer, laid, dirs_exist_ok=True)
            if plan.around:
                before = {p: p.read_bytes() for p in laid.rglob("*") if p.is_file()}
                globals()[plan.around](laid, size.hidden, size.positions, plan.name, size)
                for path in laid.rglob("*"):
                    if path.is_file() and path.read_bytes() != before.get(path):
                        to = around / path.relative_to(laid)
                        to.parent.mkdir(parents=True, exist_ok=True)
                        shutil.copy(path, to)
                layers.append(around)
            try:
                told = ask(laid, plan)
            except Unfit as e:
                print(f"  {family}-{plan.name}: other weights, {e}", file=sys.stderr)
                if plan.like:  # weights of its own, of the same class
                    like = next(p for p in PLANS[family] if p.name == plan.like)
                    plan = dataclasses.replace(plan, like="", config=like.config, variant=like.variant)
                continue
        write_rows(work / "expected" / f"{plan.name}.json", told)
        return [str(layer.relative_to(work)) for layer in layers]
    raise SystemExit(f"{family}-{plan.name}: no weights that do in {tries} tries")


def write_rows(path: pathlib.Path, told: dict) -> None:
    """A row a line."""
    path.parent.mkdir(exist_ok=True)
    line = lambda value: json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    rows = ",\n".join(f"{line(kind)}:[\n" + ",\n".join(map(line, rows)) + "]" for kind, rows in told["rows"].items())
    path.write_text(f'{{"task":{line(told["task"])},"length":{told["length"]},"rows":{{\n{rows}}}}}\n', encoding="utf-8")


def make_family(family: str, folder: pathlib.Path, size: Size = Size(), plans: list[Plan] | None = None) -> pathlib.Path:
    """folder/FAMILY, ready for encoders.assemble()."""
    work = folder / family
    shutil.rmtree(work, ignore_errors=True)
    ids = encoder_tokenizers.make(family, work / "tokenizers", size.words, size.positions)
    plans = plans or PLANS[family]
    layers = {plan.name: make_one(work, plan, family, size, ids) for plan in plans}
    write_json(work / "checkpoints.json", layers)
    kinds = {}
    for plan in plans:
        told = json.loads((work / "expected" / f"{plan.name}.json").read_text())
        kinds[plan.name] = [kind for kind, rows in told["rows"].items() if rows]
    write_json(work / "kinds.json", kinds)
    used = {part for parts in layers.values() for part in parts}
    for form in (work / "tokenizers").iterdir():
        if str(form.relative_to(work)) not in used:
            shutil.rmtree(form)
    return work


def pack(work: pathlib.Path, archive: pathlib.Path) -> None:
    """The same bytes for the same files."""
    plain = io.BytesIO()
    # kinds.json first: it is read alone.
    paths = sorted((p for p in work.rglob("*") if p.is_file()), key=lambda p: (p.name != "kinds.json", str(p)))
    with tarfile.open(fileobj=plain, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for path in paths:
            member = tarfile.TarInfo(f"{work.name}/{path.relative_to(work)}")
            member.size, member.mode = path.stat().st_size, 0o644
            tar.addfile(member, io.BytesIO(path.read_bytes()))
    archive.parent.mkdir(parents=True, exist_ok=True)
    archive.write_bytes(lzma.compress(plain.getvalue(), preset=9 | lzma.PRESET_EXTREME))


def main() -> None:
    torch.set_num_threads(1)
    for family in sys.argv[1:] or PLANS:
        with tempfile.TemporaryDirectory() as temporary:
            work = make_family(family, pathlib.Path(temporary))
            archive = OUT / f"{family}.tar.xz"
            pack(work, archive)
            assert list(names_in(archive)) == [plan.name for plan in PLANS[family]]
            print(f"encoders/{family}: {len(PLANS[family])} checkpoints, {archive.stat().st_size // 1024} KiB", file=sys.stderr)


if __name__ == "__main__":
    main()
