#!/usr/bin/env python3
"""What AutoTokenizer gives for checkpoint folders whose files say the same thing in different places:
tests/fixtures/inference/tokenizer_folders.json. Needs transformers and tokenizers, no PyTorch."""
import json
import os
import pathlib
import sys
import tempfile

os.environ.setdefault("HF_HUB_OFFLINE", "1")
from transformers import AutoTokenizer

OUT = pathlib.Path(__file__).resolve().parents[1] / "fixtures" / "inference" / "tokenizer_folders.json"
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
LETTERS = [chr(c) for c in range(97, 123)]
WORDS = (SPECIAL + LETTERS + [c.upper() for c in LETTERS] + list("0123456789[]<>/@!_") + ["é", "É", "漢", "字", "##漢", "##字"] +
         ["##" + c for c in LETTERS + [c.upper() for c in LETTERS] + list("0123456789é")] + ["hello", "world", "[E1]", "<user>", "naïve"])
TEXTS = ["HELLO World", "hello world", "É é naïve E\u0301", "漢字 a漢b", "[E1] hello [/e1] <user>", "hello[MASK]world [mask]", "a [NEW] b[NEW]c  [NEW]",
         "say <user>hello", "xNewWord newword NEWWORD", "[CLS] a [SEP] b [PAD]", "<bos> a <eos>", "hel\u200blo a\u0007b", "a b c d e f g h i j k l m n o p q r s t u v w x y z " * 2]
IDS = {w: i for i, w in enumerate(WORDS)}
N = len(WORDS)


def flags(content, special=True, **other):
    return {"content": content, "lstrip": False, "rstrip": False, "normalized": False, "single_word": False, "special": special, **other}


def object_of(content, special=True, **other):
    return {"__type": "AddedToken", **flags(content, special, **other)}


def tokenizer_json(added=(), truncation=None, **normalizer):
    special = lambda w: {"SpecialToken": {"id": w, "type_id": 0}}
    return {"version": "1.0", "truncation": truncation, "padding": None,
            "added_tokens": [{"id": IDS[w], **flags(w)} for w in SPECIAL] + list(added),
            "normalizer": {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True, "strip_accents": None, "lowercase": True, **normalizer},
            "pre_tokenizer": {"type": "BertPreTokenizer"},
            "post_processor": {"type": "TemplateProcessing", "single": [special("[CLS]"), {"Sequence": {"id": "A", "type_id": 0}}, special("[SEP]")], "pair": [
                special("[CLS]"), {"Sequence": {"id": "A", "type_id": 0}}, special("[SEP]"), {"Sequence": {"id": "B", "type_id": 1}}, {"SpecialToken": {"id": "[SEP]", "type_id": 1}}],
                "special_tokens": {w: {"id": w, "ids": [IDS[w]], "tokens": [w]} for w in ("[CLS]", "[SEP]")}},
            "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True},
            "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##", "max_input_chars_per_word": 100, "vocab": "VOCABULARY"}}


CASES = {}


def case(name, cfg="absent", *, json_file=None, vocab=None, model_type="bert", config=None, **files):
    """`cfg`: tokenizer_config.json; `json_file`: tokenizer.json; else a vocab.txt. "VOCABULARY" stands for all words."""
    out = {"config.json": {"model_type": model_type, **(config or {})}}
    if cfg != "absent":
        out["tokenizer_config.json"] = cfg
    if json_file is not None:
        out["tokenizer.json"] = json_file
    else:
        out["vocab.txt"] = vocab or "VOCABULARY"
    for file, content in files.items():
        out[file + ".json"] = content
    assert name not in CASES
    CASES[name] = out


# Where a flag of tokenizer_config.json wins.
T = {"tokenizer_class": "BertTokenizer", "model_max_length": 32}
for low in (True, False):
    for cfg_low in (None, True, False):
        c = T if cfg_low is None else {**T, "do_lower_case": cfg_low}
        case(f"lower json {low} cfg {cfg_low}", c, json_file=tokenizer_json(lowercase=low))
for strip in (True, False, None):
    for name, c in (("absent", {}), ("null", {"strip_accents": None}), ("true", {"strip_accents": True}), ("false", {"strip_accents": False}),
                    ("false cased", {"strip_accents": False, "do_lower_case": False}), ("true cased", {"strip_accents": True, "do_lower_case": False})):
        case(f"strip json {strip} cfg {name}", {**T, **c}, json_file=tokenizer_json(strip_accents=strip))
for name, c in (("true", {"strip_accents": True, "do_lower_case": False}), ("false", {"strip_accents": False}), ("cased", {"do_lower_case": False})):
    case(f"vocab strip {name}", {**T, **c})
for chinese in (True, False):
    for name, c in (("absent", {}), ("true", {"tokenize_chinese_chars": True}), ("false", {"tokenize_chinese_chars": False})):
        case(f"chinese json {chinese} cfg {name}", {**T, **c}, json_file=tokenizer_json(handle_chinese_chars=chinese))
case("vocab chinese false", {**T, "tokenize_chinese_chars": False})
case("vocab no config")
case("class absent", {"model_max_length": 32}, json_file=tokenizer_json(lowercase=False))
case("class from config.json", {"model_max_length": 32, "do_lower_case": False}, config={"tokenizer_class": "BertTokenizerFast"}, json_file=tokenizer_json())
for cls in ("BertTokenizer", "BertTokenizerFast", "DistilBertTokenizer", "DistilBertTokenizerFast", "ElectraTokenizer", "ElectraTokenizerFast",
            "MobileBertTokenizer", "SqueezeBertTokenizer", "LxmertTokenizer", "LayoutLMTokenizer"):
    case(f"vocab class {cls}", {"tokenizer_class": cls, "do_lower_case": False})
    case(f"json class {cls}", {"tokenizer_class": cls, "do_lower_case": False}, json_file=tokenizer_json())
case("distil model", {"do_lower_case": False}, model_type="distilbert", json_file=tokenizer_json())
for cls in ("PreTrainedTokenizerFast", "TokenizersBackend"):
    case(f"json class {cls}", {"tokenizer_class": cls, "do_lower_case": True, "strip_accents": True, "tokenize_chinese_chars": False},
         json_file=tokenizer_json(lowercase=False))
case("clean_text and old keys", {**T, "never_split": ["hello"], "wordpieces_prefix": "@@", "use_fast": True, "init_inputs": []}, json_file=tokenizer_json())

# What BertTokenizer builds itself, whatever tokenizer.json says.
def changed(model=None, **parts):
    out = {**tokenizer_json(), **parts}
    out["model"] = {**out["model"], **(model or {})}
    return out


bert_framing = {"type": "BertProcessing", "cls": ["hello", IDS["hello"]], "sep": ["world", IDS["world"]]}
PARTS = {"no normalizer": changed(normalizer=None), "no post_processor": changed(post_processor=None), "no pre_tokenizer": changed(pre_tokenizer=None),
         "other normalizers": changed(normalizer={"type": "Sequence", "normalizers": [{"type": "NFC"}, {"type": "Lowercase"}]}),
         "normalizer Lowercase": changed(normalizer={"type": "Lowercase"}), "other split": changed(pre_tokenizer={"type": "WhitespaceSplit"}),
         "unsupported split": changed(pre_tokenizer={"type": "Punctuation", "behavior": "Isolated"}), "clean_text false": tokenizer_json(clean_text=False),
         "short words": changed({"max_input_chars_per_word": 3}), "other prefix": changed({"continuing_subword_prefix": "@@"}),
         "other unk": changed({"unk_token": "hello"}), "other frame": changed(post_processor=bert_framing)}
for name, whole in PARTS.items():
    case(f"class builds: {name}", T, json_file=whole)
    case(f"class builds cased: {name}", {**T, "do_lower_case": False}, json_file=whole)
case("class builds: config names others", {**T, "cls_token": "hello", "sep_token": "world", "unk_token": "<user>"}, json_file=tokenizer_json())
case("class builds: config names new ones", {**T, "cls_token": "<s>", "sep_token": "</s>"}, json_file=tokenizer_json())
case("class builds: left", T, json_file=changed(normalizer=None, truncation={"direction": "Left", "max_length": 7, "strategy": "LongestFirst", "stride": 0}))
case("as it stands: no normalizer", {"tokenizer_class": "PreTrainedTokenizerFast"}, json_file=PARTS["no normalizer"])
case("as it stands: short words", {"tokenizer_class": "PreTrainedTokenizerFast"}, json_file=PARTS["short words"])
case("added_tokens_decoder hides tokenizer.json's", {**T, "added_tokens_decoder": {str(IDS[w]): flags(w) for w in SPECIAL}},
     json_file=tokenizer_json(added=[{"id": N, **flags("[NEW]")}, {"id": IDS["<user>"], **flags("<user>")}]))
case("added_tokens_decoder as it stands", {"tokenizer_class": "PreTrainedTokenizerFast", "added_tokens_decoder": {str(IDS[w]): flags(w) for w in SPECIAL}},
     json_file=tokenizer_json(added=[{"id": N, **flags("[NEW]")}, {"id": IDS["<user>"], **flags("<user>")}]))

# Tokens in other files.
E = ["[E1]", "<user>"]
case("added_tokens.json in the vocabulary", T, added_tokens={w: IDS[w] for w in E})
case("added_tokens.json behind it", T, added_tokens={"[NEW]": N, "NewWord": N + 1})
case("added_tokens.json behind it, out of order", T, added_tokens={"NewWord": N + 1, "[NEW]": N})
case("added_tokens.json and special", {**T, "additional_special_tokens": ["[NEW]"]}, added_tokens={"[NEW]": N, "NewWord": N + 1})
case("added_tokens_decoder", {**T, "added_tokens_decoder": {str(IDS[w]): flags(w) for w in E}})
case("added_tokens_decoder behind it", {**T, "added_tokens_decoder": {str(N + 1): flags("NewWord", False, normalized=True), str(N): flags("[NEW]", lstrip=True, rstrip=True)}})
case("added_tokens_decoder flags", {**T, "added_tokens_decoder": {str(N): flags("[NEW]", single_word=True), str(IDS["<user>"]): flags("<user>", rstrip=True)}})
case("added_tokens_decoder hides others", {**T, "added_tokens_decoder": {str(IDS["[E1]"]): flags("[E1]")}},
     special_tokens_map={"additional_special_tokens": ["<user>"]}, added_tokens={"<user>": IDS["<user>"]})
case("special_tokens_map", T, special_tokens_map={"additional_special_tokens": E, "mask_token": "[MASK]"})
case("special_tokens_map objects", T, special_tokens_map={"mask_token": {"content": "[MASK]", "lstrip": True, "rstrip": False, "normalized": False, "single_word": False}})
case("special_tokens_map behind", T, special_tokens_map={"additional_special_tokens": ["[NEW]"], "bos_token": "<bos>", "eos_token": "<eos>"})
case("additional", {**T, "additional_special_tokens": E})
case("additional behind", {**T, "additional_special_tokens": ["[NEW]"], "bos_token": "<bos>", "eos_token": "<eos>"})
case("named tokens as objects", {**T, "mask_token": object_of("[MASK]", lstrip=True), "bos_token": object_of("<bos>")})
case("extra list", {**T, "extra_special_tokens": E})
case("extra list behind", {**T, "extra_special_tokens": ["[NEW]", "<bos>"]})
case("extra dict", {**T, "extra_special_tokens": {"user_token": "<user>", "new_token": "[NEW]"}})
case("other mask", {**T, "mask_token": "<user>"})
case("json and decoder", {**T, "added_tokens_decoder": {str(IDS[w]): flags(w) for w in E}}, json_file=tokenizer_json())
case("json and decoder behind", {**T, "added_tokens_decoder": {**{str(IDS[w]): flags(w) for w in SPECIAL}, str(N): flags("[NEW]")}}, json_file=tokenizer_json())
case("json and decoder, other flags", {**T, "added_tokens_decoder": {str(N): flags("[NEW]", lstrip=True, rstrip=True)}}, json_file=tokenizer_json(added=[{"id": N, **flags("[NEW]")}]))
case("json and special_tokens_map", T, json_file=tokenizer_json(), special_tokens_map={"additional_special_tokens": E})
case("json and additional", {**T, "additional_special_tokens": [*E, "[NEW]"]}, json_file=tokenizer_json())
case("json and added_tokens.json", T, json_file=tokenizer_json(), added_tokens={"NewWord": N})
case("json behind", T, json_file=tokenizer_json(added=[{"id": N, **flags("[NEW]")}, {"id": N + 1, **flags("NewWord", False, normalized=True)}]))
case("json as it stands and additional", {"tokenizer_class": "PreTrainedTokenizerFast", "additional_special_tokens": [*E, "[NEW]"], "bos_token": "<bos>"}, json_file=tokenizer_json())
case("split_special_tokens", {**T, "split_special_tokens": True, "additional_special_tokens": E})

# Lengths and sides.
left = {"direction": "Left", "max_length": 7, "strategy": "LongestFirst", "stride": 0}
case("left in json", T, json_file=tokenizer_json(truncation=left))
case("left in config", {**T, "truncation_side": "left"})
case("right in config, left in json", {**T, "truncation_side": "right"}, json_file=tokenizer_json(truncation=left))
case("max_len", {"max_len": 9})
case("max_len and model_max_length", {"max_len": 9, "model_max_length": 12})
case("null model_max_length and max_len", {"max_len": 9, "model_max_length": None})
case("huge model_max_length", {"model_max_length": 1000000000000000019884624838656})
case("infinite model_max_length", {"model_max_length": float("inf")})

# Odd vocabularies.
plain = "\n".join(WORDS)
case("no newline at the end", T, vocab=plain)
case("blank lines at the end", T, vocab=plain + "\n\n\n\n")
case("one blank line at the end, tokens behind", T, vocab=plain + "\n\n", added_tokens={"[NEW]": N + 1})
case("blank lines inside", T, vocab=plain.replace("hello", "\n\nhello") + "\n")
case("carriage returns", T, vocab=plain.replace("\n", "\r\n") + "\r\n")
case("white space at the ends of lines", T, vocab=plain.replace("hello", "hello\t\u3000").replace("world", "world\u00a0 ") + "\n")
for name, cfg, tokens in (("list and additional", {"extra_special_tokens": ["<user>"], "additional_special_tokens": ["[NEW]"]}, None),
                          ("empty list and additional", {"extra_special_tokens": [], "additional_special_tokens": ["[NEW]"]}, None),
                          ("dict and additional", {"extra_special_tokens": {"user_token": "<user>"}, "additional_special_tokens": ["[NEW]"]}, None),
                          ("list and map", {"extra_special_tokens": ["<user>"]}, {"additional_special_tokens": ["[NEW]"]}),
                          ("empty list and map", {"extra_special_tokens": []}, {"additional_special_tokens": ["[NEW]"]}),
                          ("dict and map", {"extra_special_tokens": {"user_token": "<user>"}}, {"additional_special_tokens": ["[NEW]"]}),
                          ("additional and map", {"additional_special_tokens": ["<user>"]}, {"additional_special_tokens": ["[NEW]"]}),
                          ("empty additional and map", {"additional_special_tokens": []}, {"additional_special_tokens": ["[NEW]"]}),
                          ("additional and map's extra", {"additional_special_tokens": ["<user>"]}, {"extra_special_tokens": ["[NEW]"]}),
                          ("map with both", {}, {"additional_special_tokens": ["<user>"], "extra_special_tokens": ["[NEW]"]})):
    case("extra tokens: " + name, {**T, **cfg}, **({"special_tokens_map": tokens} if tokens else {}))
case("a word twice", T, vocab=plain + "\nhello\n")


def main():
    check_only = "--check" in sys.argv
    made, failed = [], 0
    for name, files in CASES.items():
        with tempfile.TemporaryDirectory() as folder:
            for file, content in files.items():
                text = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)
                text = text.replace('"VOCABULARY"', json.dumps(IDS, ensure_ascii=False)).replace("VOCABULARY", plain + "\n")
                (pathlib.Path(folder) / file).write_bytes(text.encode())
            try:
                t = AutoTokenizer.from_pretrained(folder)
            except Exception as e:
                print(f"{name}: {type(e).__name__} {str(e)[:150]}")
                failed += 1
                continue
            length = min(t.model_max_length, 64)
            ids = [t(x, truncation=True, max_length=length)["input_ids"] for x in TEXTS]
            made.append({"name": name, "files": {f: c if isinstance(c, str) else json.dumps(c, ensure_ascii=False) for f, c in files.items()},
                         "length": length if length < 64 else 0, "ids": ids})
    if check_only:
        known = {c["name"]: c for c in json.loads(OUT.read_text())["cases"]}
        for c in made:
            for x, a, b in zip(TEXTS, c["ids"], known[c["name"]]["ids"]):
                if a != b:
                    print("differs:", c["name"], repr(x), "now", a, "kept", b)
        return
    assert not failed, "every case must load"
    with OUT.open("w") as out:
        head = json.dumps({"words": WORDS, "texts": TEXTS}, ensure_ascii=False)
        out.write(head[:-1] + ', "cases": [\n' + ",\n".join(json.dumps(c, ensure_ascii=False) for c in made) + "\n]}\n")


main()
