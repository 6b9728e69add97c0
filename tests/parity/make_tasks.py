#!/usr/bin/env python3
"""What transformers' pipelines and sentence-transformers make of a network's numbers: tests/fixtures/inference/tasks/.
The numbers are random, the tokenizers tiny; the code that is asked is the libraries' own. Needs torch, transformers,
tokenizers, safetensors and sentence-transformers."""
import json
import math
import os
import pathlib
import shutil
import tempfile
import types
import warnings

os.environ.setdefault("HF_HUB_OFFLINE", "1")
warnings.simplefilter("ignore")
import numpy as np
import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import (BertConfig, BertModel, BertTokenizer, FillMaskPipeline, PreTrainedTokenizerFast, TextClassificationPipeline,
                          TokenClassificationPipeline, ZeroShotClassificationPipeline)
from transformers.pipelines.token_classification import AggregationStrategy

OUT = pathlib.Path(__file__).resolve().parents[1] / "fixtures" / "inference" / "tasks"
RANDOM = np.random.default_rng(5)


def write(name, value):
    def plain(v):
        if isinstance(v, dict):
            return {k: plain(x) for k, x in v.items()}
        if isinstance(v, (list, tuple)):
            return [plain(x) for x in v]
        if isinstance(v, (np.integer, np.floating)):
            v = v.item()
        return None if isinstance(v, float) and math.isnan(v) else float(f"{v:.7g}") if isinstance(v, float) else v

    (OUT / name).write_text(json.dumps(plain(value), ensure_ascii=False, separators=(",", ":")) + "\n", encoding="utf-8")


def pipeline(cls, tokenizer=None, **config):
    made = object.__new__(cls)
    made.tokenizer = tokenizer
    made.model = types.SimpleNamespace(config=types.SimpleNamespace(**config))
    return made


# ---- tokenizers ----

LETTERS = [chr(c) for c in range(97, 123)]


def wordpiece():
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *LETTERS, *["##" + c for c in LETTERS], *".,'-!?", "new", "york", "lon", "##don", "smith", "##s", "do", "n"]
    words = list(dict.fromkeys(words))
    return BertTokenizer(vocab={w: i for i, w in enumerate(words)}, do_lower_case=True)


def of_tokenizer(backend, **names):
    return PreTrainedTokenizerFast(tokenizer_object=backend, **names)


def metaspace():
    pieces = ["<s>", "<pad>", "</s>", "<unk>", "▁", *LETTERS, *[c.upper() for c in LETTERS], *".,'", "▁New", "▁York", "▁Lon", "don", "▁Smith", "▁in", "<mask>"]
    backend = Tokenizer(models.Unigram([(p, -1.0 - 0.01 * i - (5 if len(p) == 1 else 0)) for i, p in enumerate(pieces)], unk_id=3))
    backend.pre_tokenizer = pre_tokenizers.Metaspace()
    backend.decoder = decoders.Metaspace()
    backend.post_processor = processors.TemplateProcessing(single="<s> $A </s>", pair="<s> $A </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)])
    return of_tokenizer(backend, bos_token="<s>", cls_token="<s>", eos_token="</s>", sep_token="</s>", pad_token="<pad>", unk_token="<unk>", mask_token="<mask>")


def bytelevel():
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    words = ["<s>", "<pad>", "</s>", "<unk>", *alphabet, "Ġn", "Ġy", "on", "ĠL", "Lon", "<mask>"]
    backend = Tokenizer(models.BPE({w: i for i, w in enumerate(words)}, [("Ġ", "n"), ("Ġ", "y"), ("o", "n"), ("Ġ", "L"), ("L", "on")]))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    backend.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), add_prefix_space=False)
    return of_tokenizer(backend, bos_token="<s>", cls_token="<s>", eos_token="</s>", sep_token="</s>", pad_token="<pad>", unk_token="<unk>", mask_token="<mask>")


TOKENIZERS = {"wordpiece": wordpiece(), "metaspace": metaspace(), "bytelevel": bytelevel()}


def described(tokenizer):
    tokens = tokenizer.convert_ids_to_tokens(list(range(len(tokenizer))))
    return {"tokens": tokens, "prefix": getattr(tokenizer._tokenizer.model, "continuing_subword_prefix", None) or "",
            **{k: getattr(tokenizer, k + "_token_id") for k in ("unk", "cls", "sep", "pad", "mask")}}


# ---- token classification ----

LABELS = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC", "MISC", "odd-NAME"]
STRATEGIES = [s.value for s in AggregationStrategy]


def entity_logits(tokens):
    """Random, but with runs of one label, as networks give them."""
    out, label = [], 0
    for _ in range(tokens):
        if RANDOM.random() < 0.55:
            label = int(RANDOM.integers(len(LABELS)))
        elif LABELS[label].startswith("B-"):
            label += 1
        line = RANDOM.normal(size=len(LABELS)) * 0.8
        line[label] += 2.5 * RANDOM.random() + 0.5
        out.append([round(float(v), 2) for v in line])
    return out


def entity_case(name, text, length=64, stride=None, spoil=None):
    tokenizer = TOKENIZERS[name]
    tokenizer.model_max_length = length
    pipe = pipeline(TokenClassificationPipeline, tokenizer, id2label=dict(enumerate(LABELS)))
    params = {"is_split_into_words": False}
    if stride is not None:
        params["tokenizer_params"] = {"return_overflowing_tokens": True, "padding": True, "stride": stride}
    rows, outputs = [], []
    for given in pipe.preprocess(text, **params):
        count = int(given["attention_mask"].sum())
        logits = entity_logits(count)
        if spoil:
            spoil(logits)
        rows.append({"ids": given["input_ids"][0][:count].tolist(), "places": given["offset_mapping"][0][:count].tolist(),
                     "special": given["special_tokens_mask"][0][:count].tolist(), "logits": logits})
        padded = logits + [[0.0] * len(LABELS)] * (given["input_ids"].shape[1] - count)
        outputs.append({**given, "logits": torch.tensor([padded], dtype=torch.float32)})
    expected = {}
    for strategy in STRATEGIES:
        if stride is None or strategy != "none":
            expected[strategy] = pipe.postprocess(outputs, AggregationStrategy(strategy))
    kept = pipe.postprocess(outputs, AggregationStrategy.SIMPLE, ignore_labels=["PER", "B-LOC", "MISC"])
    return {"tokenizer": name, "text": text, "rows": rows, "expected": expected, "ignoring": kept}


def nan_token(logits):
    logits[2][3] = math.nan
    logits[4] = [math.nan] * len(LABELS)


def entities():
    texts = ["Smith lives in New York, London!", "u.s. don't do  Smiths' new-york", "Ünïcode ☂ Smith 漢字 in ☂☂ York.", "☂ new", "", "New York London Smith in York New London.",
             "  café  New  York", "isn't it new? York 's Smith", "é"]
    cases = [entity_case(name, text) for name in TOKENIZERS for text in texts for _ in range(2 if name == "wordpiece" else 1)]
    long = "Smith lives in New York, London and York; new Smiths don't live in London. "
    cases += [entity_case(name, long, length, stride) for name in TOKENIZERS for length, stride in ((12, 4), (20, 0), (9, 6))]
    cases += [entity_case(name, long, 16) for name in TOKENIZERS]
    cases += [entity_case(name, long, spoil=nan_token) for name in TOKENIZERS]
    write("entities.json", {"labels": LABELS, "tokenizers": {n: described(t) for n, t in TOKENIZERS.items()}, "cases": cases})


# ---- masks ----


def masks():
    cases = []
    for name, text, top_k, targets in [
            ("wordpiece", "new [MASK] in york", None, None), ("wordpiece", "new [MASK] in [MASK].", 3, None), ("wordpiece", "[MASK]", 2, ["york", "smith", "york"]),
            ("wordpiece", "a [MASK]", None, ["london", " ", "x", "☂"]), ("metaspace", "New <mask> in York", None, None), ("metaspace", "<mask><mask>", 2, ["York", "New"]),
            ("bytelevel", "New <mask>.", 3, None), ("bytelevel", "a <mask> b", 9, [" n", "n", "☂"]), ("wordpiece", "do [MASK] n't [PAD] a", 4, None)]:
        tokenizer = TOKENIZERS[name]
        tokenizer.model_max_length = 64
        pipe = pipeline(FillMaskPipeline, tokenizer)
        pipe.model.base_model_prefix = "x"
        given = tokenizer(text, return_tensors="pt")
        ids = given["input_ids"][0].tolist()
        logits = np.round(RANDOM.normal(size=(len(ids), len(tokenizer))) * 2, 2)
        post = {**({"top_k": top_k} if top_k else {}), **({"target_ids": pipe.get_target_ids(targets)} if targets else {})}
        found = pipe.postprocess({"input_ids": given["input_ids"], "logits": torch.tensor(logits[None], dtype=torch.float32)}, **post)
        found = found if isinstance(found[0], list) else [found]
        picks = [i for i, v in enumerate(ids) if v == tokenizer.mask_token_id]
        ids_of = {t: (tokenizer(t, add_special_tokens=False, max_length=1, truncation=True)["input_ids"] or [-1])[0] for t in targets or []}
        cases.append({"tokenizer": name, "text": text, "ids": ids, "logits": [logits[i].tolist() for i in picks], "top_k": top_k, "targets": targets, "first_ids": ids_of, "expected": found})
    write("masks.json", {"tokenizers": {n: described(t) for n, t in TOKENIZERS.items()}, "cases": cases})


# ---- classification ----


def classification():
    out = {"zero_shot": [], "text": []}
    for labels, multi, count in [(["contradiction", "neutral", "entailment"], False, 4), (["contradiction", "neutral", "entailment"], True, 4), (["ENTAILMENT", "neutral", "contradiction"], True, 3),
                                 (["contradiction", "entailment", "neutral"], True, 1), (["entailment", "not_entailment"], False, 2), (["not_entailment", "entails"], True, 2),
                                 (["a", "b", "c"], True, 2), (["contradiction", "entailment", "neutral"], False, 1)]:
        pipe = pipeline(ZeroShotClassificationPipeline, label2id={v: i for i, v in enumerate(labels)})
        logits = np.round(RANDOM.normal(size=(count, len(labels))) * 3, 3)
        names = [f"c{i}" for i in range(count)]
        found = pipe.postprocess([{"candidate_label": n, "sequence": "s", "logits": torch.tensor(l[None], dtype=torch.float32)} for n, l in zip(names, logits)], multi_label=multi)
        scores = dict(zip(found["labels"], found["scores"]))
        out["zero_shot"].append({"labels": labels, "multi_label": multi, "logits": logits.tolist(), "scores": [scores[n] for n in names]})
    for problem, count in [(None, 3), (None, 1), ("multi_label_classification", 3), ("regression", 1), ("regression", 2), ("single_label_classification", 2), ("multi_label_classification", 1)]:
        for function in [None, "softmax", "sigmoid", "none"]:
            pipe = pipeline(TextClassificationPipeline, problem_type=problem, num_labels=count, id2label={i: str(i) for i in range(count)})
            post = pipe._sanitize_parameters(function_to_apply=function, top_k=None)[2]
            logits = np.round(RANDOM.normal(size=count) * 3, 3)
            found = pipe.postprocess({"logits": torch.tensor(logits[None], dtype=torch.float32)}, **post)
            scores = {f["label"]: f["score"] for f in found}
            out["text"].append({"problem_type": problem, "function": function, "logits": logits.tolist(), "scores": [scores[str(i)] for i in range(count)]})
    write("classification.json", out)


# ---- sentence-transformers ----


def tiny_encoder(folder):
    torch.manual_seed(3)
    tokenizer = TOKENIZERS["wordpiece"]
    tokenizer.model_max_length = 16
    BertModel(BertConfig(vocab_size=len(tokenizer), hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8, max_position_embeddings=16)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def keep(folder, to):
    """The files beside the network's and the tokenizer's."""
    shutil.rmtree(to, ignore_errors=True)
    for file in sorted(folder.rglob("*")):
        name = file.relative_to(folder)
        if file.is_dir() or (len(name.parts) == 1 and name.name not in ("modules.json", "config_sentence_transformers.json", "sentence_bert_config.json")):
            continue
        (to / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, to / name)


TEXTS = ["new york", "", "Smith lives in new york london smith do not", "a b c d e f g h i j k l m n o p q r s t u v w x y z"]


def sentences():
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Dense, Dropout, LayerNorm, Normalize, Pooling, Transformer

    folders = OUT / "sentence"
    shutil.rmtree(folders, ignore_errors=True)
    cases = []
    with tempfile.TemporaryDirectory() as scratch:
        scratch = pathlib.Path(scratch)
        tiny_encoder(scratch / "encoder")

        def case(name, modules, pickled=False, old=None, **arguments):
            torch.manual_seed(len(cases))
            model = SentenceTransformer(modules=[Transformer(str(scratch / "encoder")), *modules()], device="cpu", **arguments)
            folder = scratch / name
            model.save(str(folder), create_model_card=False)
            if pickled:
                from safetensors.torch import load_file
                for file in folder.glob("*/model.safetensors"):
                    torch.save(load_file(file), file.with_name("pytorch_model.bin"))
                    file.unlink()
            if old:
                old(folder)
            keep(folder, folders / name)
            model = SentenceTransformer(str(folder), device="cpu")
            found = []
            for prompt in [None, *sorted(n for n in model.prompts if model.prompts[n])]:
                for text in TEXTS:
                    full = (model.prompts[prompt] if prompt else model.prompts.get(model.default_prompt_name) or "") + text
                    ids = model.tokenizer(full, truncation=True)["input_ids"]
                    lines = model.encode(text, prompt_name=prompt, output_value="token_embeddings").numpy()
                    vector = model.encode(text, prompt_name=prompt)
                    unit = model.encode(text, prompt_name=prompt, normalize_embeddings=True)
                    found.append({"prompt": prompt, "text": text, "full": full, "ids": ids, "lines": lines.tolist(), "vector": vector.tolist(), "unit": unit.tolist()})
            ids_of = {p: [model.tokenizer(p)["input_ids"], model.tokenizer(p, add_special_tokens=False)["input_ids"]] for p in model.prompts.values() if p}
            cases.append({"name": name, "prompts": ids_of, "expected": found})

        def old_names(folder):
            """As version 2 wrote it."""
            modules = json.loads((folder / "modules.json").read_text())
            for m in modules:
                m["type"] = "sentence_transformers.models." + m["type"].rsplit(".", 1)[-1]
            (folder / "modules.json").write_text(json.dumps(modules))
            file = folder / "1_Pooling" / "config.json"
            modes = json.loads(file.read_text())["pooling_mode"]
            modes = [modes] if isinstance(modes, str) else modes
            names = {"cls": "cls_token", "mean": "mean_tokens", "max": "max_tokens", "mean_sqrt_len_tokens": "mean_sqrt_len_tokens", "weightedmean": "weightedmean_tokens", "lasttoken": "lasttoken"}
            file.write_text(json.dumps({"word_embedding_dimension": 8, **{"pooling_mode_" + n: m in modes for m, n in names.items()}}))
            (folder / "sentence_bert_config.json").write_text('{"max_seq_length": 16, "do_lower_case": false}')
            (folder / "config_sentence_transformers.json").write_text('{"__version__": {"sentence_transformers": "2.0.0", "transformers": "4.6.1", "pytorch": "1.8.1"}}')

        for mode in Pooling.POOLING_MODES:
            case(mode, lambda: [Pooling(8, mode)], old=old_names if mode in ("cls", "mean", "lasttoken") else None)
        case("all_modes", lambda: [Pooling(8, list(Pooling.POOLING_MODES)), Normalize()])
        case("old_concatenation", lambda: [Pooling(8, ["max", "mean"])], old=old_names)
        case("dense", lambda: [Pooling(8, "mean"), Dense(8, 5), Normalize()])
        case("dense_pickled", lambda: [Pooling(8, "cls"), Dropout(0.1), Dense(8, 4, bias=False, activation_function=torch.nn.GELU()), LayerNorm(4)], pickled=True)
        case("residual", lambda: [Pooling(8, "mean"), Dense(8, 8, activation_function=torch.nn.ReLU(), use_residual=True), Dense(8, 6, activation_function=None, use_residual=True)])
        prompts = {"query": "do n: ", "document": "smiths' ", "nothing": ""}
        case("prompts", lambda: [Pooling(8, ["mean", "cls", "weightedmean"])], prompts=prompts, default_prompt_name="query")
        case("without_prompt", lambda: [Pooling(8, list(Pooling.POOLING_MODES), include_prompt=False), Normalize()], prompts=prompts)
        case("last_without_prompt", lambda: [Pooling(8, ["lasttoken", "cls"], include_prompt=False)], prompts=prompts)
        case("narrow", lambda: [Pooling(8, "mean"), Normalize()], truncate_dim=3)
    write("sentences.json", {"tokenizer": described(TOKENIZERS["wordpiece"]), "cases": cases})


def rankings():
    from sentence_transformers import CrossEncoder
    from transformers import BertForSequenceClassification

    folders = OUT / "cross_encoder"
    shutil.rmtree(folders, ignore_errors=True)
    cases = []
    with tempfile.TemporaryDirectory() as scratch:
        scratch = pathlib.Path(scratch)
        torch.manual_seed(4)
        tokenizer = TOKENIZERS["wordpiece"]
        tokenizer.model_max_length = 16
        config = BertConfig(vocab_size=len(tokenizer), hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8, max_position_embeddings=16, num_labels=1, initializer_range=1.0)
        model = BertForSequenceClassification(config)
        for name, arguments, told in [("bare", None, {}), ("told", None, {"sentence_transformers": {"activation_fn": "torch.nn.modules.linear.Identity", "version": "4.1.0"}}),
                                      ("older", None, {"sbert_ce_default_activation_function": "torch.nn.modules.activation.Tanh"}), ("code", None, {"sentence_transformers": {"activation_fn": "mine.Activation"}}),
                                      ("saved", {}, {}), ("identity", {"activation_fn": torch.nn.Identity()}, {}), ("prompts", {"prompts": {"web": "do n: "}, "default_prompt_name": "web"}, {})]:
            folder = scratch / name
            for key in ("sentence_transformers", "sbert_ce_default_activation_function"):
                model.config.__dict__.pop(key, None)
            for key, value in told.items():
                setattr(model.config, key, value)
            model.save_pretrained(folder)
            tokenizer.save_pretrained(folder)
            if arguments is not None:
                CrossEncoder(str(folder), device="cpu", **arguments).save_pretrained(str(folder), create_model_card=False)
            to = folders / name
            keep(folder, to)
            to.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(folder / "config.json", to / "config.json")
            loaded = CrossEncoder(str(folder), device="cpu")
            pairs = [("new york", "smith do not"), ("a b", "london"), ("", "n't")]
            prompt = loaded.prompts.get(loaded.default_prompt_name) or ""
            cases.append({"name": name, "pairs": [[prompt + a, b] for a, b in pairs], "asked": pairs, "logits": loaded.predict(pairs, activation_fn=torch.nn.Identity()).tolist(), "scores": loaded.predict(pairs).tolist()})
    write("rankings.json", {"tokenizer": described(TOKENIZERS["wordpiece"]), "cases": cases})


def lower_case():
    """What do_lower_case of sentence_bert_config.json makes of a text, said so that the tokenizer's own ids are those."""
    from sentence_transformers.sentence_transformer.modules import Transformer

    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *LETTERS, *[c.upper() for c in LETTERS], *["##" + c for c in LETTERS], *["##" + c.upper() for c in LETTERS], *"ςσΣßİéÉ", *["##" + c for c in "ςσΣßİéÉ\u0307"]]
    plain = BertTokenizer(vocab={w: i for i, w in enumerate(words)}, do_lower_case=False)
    out = []
    with tempfile.TemporaryDirectory() as folder:
        BertModel(BertConfig(vocab_size=len(words), hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8, max_position_embeddings=64)).save_pretrained(folder)
        plain.save_pretrained(folder)
        lowered = Transformer(folder, do_lower_case=True).tokenizer
    for text in ["HELLO World", "ΣΑΣ ΟΔΟΣ", "İI ẞ É", "a [MASK]B[SEP] [Mask] C", "", "[CLS]"]:
        parts, rest = "", text
        while rest:
            at, token = min([(rest.find(t), t) for t in words[:5] if t in rest] or [(len(rest), "")])
            parts += normalizers.Lowercase().normalize_str(rest[:at]) + token
            rest = rest[at + len(token):]
        assert lowered(text)["input_ids"] == plain(parts)["input_ids"], text
        out.append({"text": text, "lower": parts})
    write("lower_case.json", {"cases": out})


OUT.mkdir(parents=True, exist_ok=True)
entities()
masks()
classification()
sentences()
rankings()
lower_case()
