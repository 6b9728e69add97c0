"""Tiny tokenizers of each family, in every form that its checkpoints have on the hub.

A form is a folder: "saved" as transformers writes it now; "hub" the tokenizer.json that transformers 4 converted (what
most of the hub has); "older" without a tokenizer.json, the vocabulary's own files alone."""
from __future__ import annotations

import collections
import io
import json
import pathlib
import shutil
import types

import sentencepiece
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from tokenizers import AddedToken as Added
from transformers import (AlbertTokenizer, BertTokenizer, CamembertTokenizer, DebertaTokenizer,
                          DebertaV2Tokenizer, DistilBertTokenizer, MPNetTokenizer, PreTrainedTokenizerFast, RobertaTokenizer,
                          XLMRobertaTokenizer, convert_slow_tokenizer)

from encoder_texts import CORPUS

BERT_SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def write_json(path: pathlib.Path, value) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


# -- word pieces --

def word_pieces(size: int, special: list[str], lowercase: bool) -> dict[str, int]:
    """The most frequent characters, and of words' beginnings, ends and wholes those that save the most. The library's
    trainer lets a hash decide between equals."""
    normalizer, split = normalizers.BertNormalizer(lowercase=lowercase), pre_tokenizers.BertPreTokenizer()
    words = [word for line in CORPUS for word, _ in split.pre_tokenize_str(normalizer.normalize_str(line))]
    saves: collections.Counter = collections.Counter()
    for word in words:
        pieces = {word: len(word)}
        for n in range(2, min(5, len(word))):
            pieces |= {word[:n]: n, "##" + word[-n:]: n}
        saves.update({piece: n - 1 for piece, n in pieces.items() if n > 1})
    first = lambda counted, most: [p for p, _ in sorted(counted.items(), key=lambda c: (-c[1], c[0]))[:most]]
    characters = sorted(first(collections.Counter("".join(words)), size // 4))
    known = special + characters + ["##" + c for c in characters]
    return {w: i for i, w in enumerate(known + sorted(first(saves, size - len(known))))}


def bert_like(folder: pathlib.Path, size: int, length: int, *, cls=BertTokenizer, lowercase: bool = True) -> None:
    vocab = word_pieces(size, BERT_SPECIAL, lowercase)
    cls(vocab=vocab, do_lower_case=lowercase, model_max_length=length).save_pretrained(folder / "saved")
    older = folder / "older"
    older.mkdir()
    (older / "vocab.txt").write_text("".join(w + "\n" for w in vocab), encoding="utf-8")
    write_json(older / "tokenizer_config.json", {"do_lower_case": lowercase, "model_max_length": length})
    left = folder / "left"
    shutil.copytree(folder / "saved", left)
    change(left / "tokenizer_config.json", truncation_side="left")
    # Types are given where the class or the file says so, and nowhere else.
    plain = folder / "plain"
    shutil.copytree(folder / "saved", plain)
    change(plain / "tokenizer_config.json", tokenizer_class="PreTrainedTokenizerFast", mask_token="[MASK]", pad_token="[PAD]",
           unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]")
    untyped = folder / "untyped"
    shutil.copytree(folder / "saved", untyped)
    change(untyped / "tokenizer_config.json", model_input_names=["input_ids", "attention_mask"])
    unbounded = folder / "unbounded"  # what a tokenizer says that nobody has told a length
    shutil.copytree(folder / "saved", unbounded)
    change(unbounded / "tokenizer_config.json", model_max_length=1000000000000000019884624838656)


def bert(folder, size, length):
    bert_like(folder, size, length)


def electra(folder, size, length):
    bert_like(folder, size, length)


def distilbert(folder, size, length):
    bert_like(folder, size, length, cls=DistilBertTokenizer, lowercase=False)


def mpnet(folder, size, length):
    special = ["<s>", "<pad>", "</s>", "<unk>", "[UNK]"]
    vocab = word_pieces(size - 1, special, True)
    vocab["<mask>"] = len(vocab)
    MPNetTokenizer(vocab=vocab, model_max_length=length).save_pretrained(folder / "saved")
    older = folder / "older"
    older.mkdir()
    (older / "vocab.txt").write_text("".join(w + "\n" for w in vocab), encoding="utf-8")
    write_json(older / "tokenizer_config.json", {
        "do_lower_case": True, "bos_token": "<s>", "eos_token": "</s>", "sep_token": "</s>", "cls_token": "<s>",
        "unk_token": "[UNK]", "pad_token": "<pad>", "mask_token": "<mask>", "tokenize_chinese_chars": True,
        "strip_accents": None, "model_max_length": length, "tokenizer_class": "MPNetTokenizer"})


# -- byte pairs --

def byte_pairs(size: int, special: list[str], normalizer=None) -> tuple[dict[str, int], list[tuple[str, str]]]:
    """Vocabulary (the special ones first) and merges."""
    t = Tokenizer(models.BPE())
    if normalizer:
        t.normalizer = normalizer
    t.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    t.train_from_iterator(CORPUS, trainers.BpeTrainer(
        vocab_size=size, special_tokens=special, show_progress=False,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet())))
    model = json.loads(t.to_str())["model"]
    return model["vocab"], [tuple(m) for m in model["merges"]]


def roberta(folder, size, length):
    vocab, merges = byte_pairs(size - 1, ["<s>", "<pad>", "</s>", "<unk>"])
    vocab["<mask>"] = len(vocab)
    t = RobertaTokenizer(vocab=vocab, merges=merges, model_max_length=length,
                         mask_token=Added("<mask>", lstrip=True, special=True))
    t.save_pretrained(folder / "saved")
    older = folder / "older"
    older.mkdir()
    (older / "vocab.json").write_text(json.dumps(vocab, ensure_ascii=False), encoding="utf-8")
    (older / "merges.txt").write_text("#version: 0.2\n" + "".join(f"{a} {b}\n" for a, b in merges), encoding="utf-8")
    write_json(older / "tokenizer_config.json", {"model_max_length": length})


def deberta(folder, size, length):
    vocab, merges = byte_pairs(size - 1, ["[PAD]", "[CLS]", "[SEP]", "[UNK]"])
    vocab["[MASK]"] = len(vocab)
    DebertaTokenizer(vocab=vocab, merges=merges, model_max_length=length).save_pretrained(folder / "saved")
    older = folder / "older"
    older.mkdir()
    (older / "vocab.json").write_text(json.dumps(vocab, ensure_ascii=False), encoding="utf-8")
    (older / "merges.txt").write_text("#version: 0.2\n" + "".join(f"{a} {b}\n" for a, b in merges), encoding="utf-8")
    write_json(older / "tokenizer_config.json", {"model_max_length": length, "do_lower_case": False, "vocab_type": "gpt2"})


def modernbert(folder, size, length):
    """As answerdotai/ModernBERT-base: special tokens and runs of spaces behind the pieces."""
    spaces = [" " * n for n in range(6, 1, -1)]
    special = ["[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]"]
    vocab, merges = byte_pairs(size - len(spaces) - len(special) - 2, [], normalizers.NFC())
    t = Tokenizer(models.BPE(vocab, merges))
    t.normalizer = normalizers.NFC()
    t.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, trim_offsets=True)
    t.decoder = decoders.ByteLevel()
    t.add_tokens([Added("|||IP_ADDRESS|||", normalized=True, special=False)])
    t.add_special_tokens([Added("<|padding|>", normalized=False)])
    t.add_tokens([Added(s, normalized=True, special=False) for s in spaces])
    t.add_special_tokens([Added(s, lstrip=s == "[MASK]", normalized=False) for s in special])
    ids = {s: t.token_to_id(s) for s in special}
    t.post_processor = processors.TemplateProcessing(
        single="[CLS]:0 $A:0 [SEP]:0", pair="[CLS]:0 $A:0 [SEP]:0 $B:0 [SEP]:0",
        special_tokens=[("[CLS]", ids["[CLS]"]), ("[SEP]", ids["[SEP]"])])
    PreTrainedTokenizerFast(
        tokenizer_object=t, model_max_length=length, unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]",
        pad_token="[PAD]", mask_token=Added("[MASK]", lstrip=True, special=True), clean_up_tokenization_spaces=True,
        model_input_names=["input_ids", "attention_mask"]).save_pretrained(folder / "saved")


# -- SentencePiece --

def sentence_pieces(size: int, rule: str, special: dict) -> bytes:
    out = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(CORPUS), model_writer=out, vocab_size=size, model_type="unigram",
        normalization_rule_name=rule, hard_vocab_limit=False, character_coverage=0.985, num_threads=1,
        minloglevel=2, **special)
    return out.getvalue()


def of_sentence_pieces(folder: pathlib.Path, model: bytes, file: str, cls, length: int, converter, **kw) -> None:
    older = folder / "older"
    older.mkdir()
    (older / file).write_bytes(model)
    named = {"model_max_length": length, "tokenizer_class": cls.__name__, **kw}
    write_json(older / "tokenizer_config.json", named)
    tokenizer = cls.from_pretrained(older)
    tokenizer.save_pretrained(folder / "saved")
    (folder / "saved" / file).unlink(missing_ok=True)
    # What the slow tokenizer told its converter.
    slow = types.SimpleNamespace(vocab_file=str(older / file), add_prefix_space=True, do_lower_case=False,
                                 keep_accents=False, split_by_punct=False, legacy=True,
                                 convert_tokens_to_ids=tokenizer.convert_tokens_to_ids)
    vars(slow).update({k: v for k, v in kw.items() if hasattr(slow, k)})
    converted = converter(slow).converted()
    # The special tokens as transformers 4 added them afterwards.
    mask = tokenizer.mask_token
    converted.add_special_tokens([Added(s, lstrip=s == mask, normalized=False) for s in sorted(
        set(tokenizer.all_special_tokens), key=tokenizer.convert_tokens_to_ids)])
    hub = folder / "hub"
    hub.mkdir()
    converted.save(str(hub / "tokenizer.json"))
    write_json(hub / "tokenizer_config.json", {
        **named, "cls_token": tokenizer.cls_token, "sep_token": tokenizer.sep_token, "unk_token": tokenizer.unk_token,
        "pad_token": tokenizer.pad_token, "mask_token": {
            "__type": "AddedToken", "content": mask, "lstrip": True, "rstrip": False, "normalized": False,
            "single_word": False}})


def xlm_roberta(folder, size, length):
    model = sentence_pieces(size - 2, "nmt_nfkc", dict(unk_id=0, bos_id=1, eos_id=2, pad_id=-1))
    of_sentence_pieces(folder, model, "sentencepiece.bpe.model", XLMRobertaTokenizer, length,
                       convert_slow_tokenizer.XLMRobertaConverter)


def camembert(folder, size, length):
    model = sentence_pieces(size - 5, "nmt_nfkc", dict(unk_id=0, bos_id=1, eos_id=2, pad_id=-1))
    of_sentence_pieces(folder, model, "sentencepiece.bpe.model", CamembertTokenizer, length,
                       convert_slow_tokenizer.CamembertConverter)


def albert(folder, size, length):
    model = sentence_pieces(size, "nmt_nfkc_cf", dict(
        pad_id=0, pad_piece="<pad>", unk_id=1, unk_piece="<unk>", bos_id=-1, eos_id=-1,
        control_symbols=["[CLS]", "[SEP]", "[MASK]"]))
    of_sentence_pieces(folder, model, "spiece.model", AlbertTokenizer, length, convert_slow_tokenizer.AlbertConverter,
                       do_lower_case=True, keep_accents=False)
    typed = folder / "typed"
    shutil.copytree(folder / "saved", typed)
    change(typed / "tokenizer_config.json", model_input_names=["input_ids", "token_type_ids", "attention_mask"])


def deberta_v2(folder, size, length):
    """As microsoft/deberta-v3-base: [MASK] behind the pieces."""
    model = sentence_pieces(size - 1, "nmt_nfkc", dict(
        pad_id=0, pad_piece="[PAD]", bos_id=1, bos_piece="[CLS]", eos_id=2, eos_piece="[SEP]", unk_id=3,
        unk_piece="[UNK]"))
    of_sentence_pieces(folder, model, "spm.model", DebertaV2Tokenizer, length,
                       convert_slow_tokenizer.DebertaV2Converter, do_lower_case=False)


# -- all --

MAKERS = {"bert": bert, "electra": electra, "distilbert": distilbert, "mpnet": mpnet, "roberta": roberta,
          "modernbert": modernbert, "xlm-roberta": xlm_roberta, "camembert": camembert, "albert": albert,
          "deberta": deberta, "deberta-v2": deberta_v2}


def change(path: pathlib.Path, **values) -> None:
    """Other values in a JSON file."""
    write_json(path, {**json.loads(path.read_text()), **values})


def make(family: str, folder: pathlib.Path, size: int, length: int) -> int:
    """folder/{saved,hub,older,..}; gives how many ids there are."""
    folder.mkdir(parents=True)
    MAKERS[family](folder, size, length)
    for config in folder.glob("*/tokenizer_config.json"):
        # Where it was made from is nobody's business.
        told = {k: v for k, v in json.loads(config.read_text()).items()
                if k not in ("name_or_path", "vocab_file", "is_local", "local_files_only")}
        write_json(config, told)
    return len(PreTrainedTokenizerFast.from_pretrained(folder / "saved"))
