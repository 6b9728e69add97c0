"""Folders with small tokenizers of all kinds that transformers' classes make, and texts to find differences with. Used by
make_tokenizer_library.py, which keeps a sample, and fuzz_tokenizers.py, which compares many."""
import io
import json
import os
import pathlib
import random
import shutil
import unicodedata

os.environ.setdefault("HF_HUB_OFFLINE", "1")
import sentencepiece
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import AutoTokenizer

WORDS = """the quick brown fox jumps over lazy dog unaffable playing antidisestablishmentarianism naïve café résumé façade
über straße İstanbul hello world tokenizer tokenization prompt injection ignore previous instructions system don't we'll
it's l'été aujourd'hui qu'il œuvre ﬁre ﬄuent ΣΊΣΥΦΟΣ Ёлка привет мир 漢字 日本語 テスト ひらがな 한국어 हिन्दी ไทย עברית عربى Việt
ångström 100 1,000.50 3.14 2024-06-01 ½ ² Ⅳ ① ㎏ ＡＢＣ １２３ e-mail@example.org https://x.y/z?q=1 C++ #tag snake_case camelCase
ALLCAPS iPhone __init__ ``quoted'' 'single' (paren) [bracket] {brace} <angle> … — – • € $ % & * + = ~ ^ | \\ /""".split()
ALPHABETS = [(0x20, 0x7e), (0x20, 0x7e), (0xa0, 0xff), (0x100, 0x24f), (0x300, 0x36f), (0x370, 0x3ff), (0x400, 0x4ff), (0x590, 0x5ff),
             (0x600, 0x6ff), (0x900, 0x97f), (0xe00, 0xe7f), (0x1100, 0x11ff), (0x1e00, 0x1eff), (0x2000, 0x206f), (0x2100, 0x214f),
             (0x2460, 0x24ff), (0x3000, 0x30ff), (0x3200, 0x33ff), (0x4e00, 0x9fff), (0xac00, 0xd7a3), (0xe000, 0xf8ff), (0xf900, 0xfaff),
             (0xfb00, 0xfb06), (0xfe00, 0xfe0f), (0xfe20, 0xfe2f), (0xff00, 0xffef), (0x1d400, 0x1d7ff), (0x1f1e6, 0x1f1ff), (0x1f300, 0x1faff),
             (0x20000, 0x2a6df), (0x0, 0x1f), (0x80, 0x9f), (0xfff0, 0xffff), (0xe0000, 0xe007f), (0xf0000, 0xf00ff), (0x10fff0, 0x10ffff),
             (0x1, 0x10ffff), (0x2f800, 0x2fa1f), (0x1ab0, 0x1aff), (0x10a00, 0x11fff)]
EMOJI = ["👨‍👩‍👧‍👦", "👍🏽", "🇩🇪", "🏳️‍🌈", "☺️", "❤️‍🔥", "1️⃣", "👩🏿‍🚀", "🤷🏻‍♀️"]
SPECIALS = ["<s>", "</s>", "<unk>", "<pad>", "<mask>", "[CLS]", "[SEP]", "[MASK]", "[UNK]", "[PAD]", "<|endoftext|>", " <mask> ", "  [MASK]  ",
            "<extra>", "Extra Word", "extra word", "solo", "▁", "Ġ", "##ing", "<0x0A>", "[mask]", "<MASK>"]
BLANKS = [" ", " ", " ", "", "  ", "   ", "\t", "\n", "\r\n", "\n\n", "\u00a0", "\u3000", "\u200b", "\u2028", ", ", "-", "'", "…", ". ", "\u0301", "\u200d"]


class texts_of:
    """Endless texts of a seed."""

    def __init__(self, seed):
        self.rng = random.Random(seed)

    def character(self):
        low, high = self.rng.choice(ALPHABETS)
        while 0xd800 <= (c := self.rng.randint(low, high)) <= 0xdfff:
            pass
        return chr(c)

    def word(self):
        rng, kind = self.rng, self.rng.random()
        if kind < 0.5:
            return "".join(c.upper() if rng.random() < 0.1 else c for c in rng.choice(WORDS))
        if kind < 0.6:
            return rng.choice(SPECIALS)
        if kind < 0.65:
            return rng.choice(EMOJI)
        if kind < 0.8:
            low, high = rng.choice(ALPHABETS)
            return "".join(chr(rng.randint(low, high)) for _ in range(rng.randint(1, 8))).encode("utf-8", "ignore").decode()
        if kind < 0.815:
            return rng.choice(["a", "é", "漢", "e\u0301", "ab", "👍", "-", "_"]) * rng.randint(20, 130)
        if kind < 0.83:
            return unicodedata.normalize("NFD", rng.choice(WORDS))
        return "".join(self.character() for _ in range(rng.randint(1, 6)))

    def text(self):
        while not (made := "".join(self.word() + self.rng.choice(BLANKS) for _ in range(self.rng.randint(1, 12)))):
            pass
        return made


FIXED = ["a", " ", "  a", "a  ", "\n", "\u0000", "<mask>", "x<mask>y", "  <mask>  ", "[CLS][SEP]", "x [MASK] y", "İ", "ß", "ﬀ", "\u0301", "a\u0301\u0323b",
         "\ufffd", "＜mask＞", "▁a", "Ġa", "``a''", "1,000", "don't", "👨‍👩‍👧‍👦", "\r\n a\tb", "e" * 120, "a" * 116, "Hello, World!", "漢字かな交じり文", "a\u200bb"]


def corpus():
    rng = random.Random(11)
    source = texts_of(7)
    lines = [" ".join(rng.choice(WORDS) for _ in range(12)) for _ in range(300)] + [source.text() for _ in range(150)]
    return [line.replace("\n", " ").replace("\0", " ") for line in lines]


CORPUS = corpus()


def write(folder, name, content):
    folder.mkdir(parents=True, exist_ok=True)
    if isinstance(content, bytes):
        (folder / name).write_bytes(content)
    else:
        (folder / name).write_text(content if isinstance(content, str) else json.dumps(content, ensure_ascii=False))


def spm(size, model_type="unigram", real_map=False, **more):
    out = io.BytesIO()
    rules = pathlib.Path("/tmp") / f"rules-{os.getpid()}.tsv"
    # Few rules instead of NFKC's many: a map of it is 240 KB.
    pairs = [(c, unicodedata.normalize("NFKC", c)) for c in "ﬁﬀﬄ①②㎏½²ⅣＡＢＣａｂ１２３＜＞ｍｓｋé"] + [("e\u0301", "é"), ("\u00a0", " "), ("\t", " "), ("\n", " "), ("\u3000", " "), ("\u200b", "")]
    pairs = [p for p in pairs if p[0] != p[1]]
    rules.write_text("".join(" ".join(f"{ord(c):X}" for c in a) + "\t" + " ".join(f"{ord(c):X}" for c in b) + "\n" for a, b in pairs))
    how = {"normalization_rule_name": "nmt_nfkc"} if real_map else {"normalization_rule_tsv": str(rules)}
    sentencepiece.SentencePieceTrainer.train(sentence_iterator=iter(CORPUS), model_writer=out, vocab_size=size, model_type=model_type, hard_vocab_limit=False,
                                             character_coverage=0.98, minloglevel=2, num_threads=1, **{**how, **more})
    rules.unlink()
    return out.getvalue()


def byte_level_bpe(size, specials, start):
    t = Tokenizer(models.BPE())
    t.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    t.train_from_iterator(CORPUS, trainers.BpeTrainer(vocab_size=size, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), special_tokens=start, show_progress=False))
    model = json.loads(t.to_str())["model"]
    vocab = dict(model["vocab"])
    for token in specials:
        vocab.setdefault(token, len(vocab))
    return vocab, [m if isinstance(m, str) else " ".join(m) for m in model["merges"]]


def wordpiece_words(specials, lower):
    words = dict.fromkeys(specials)
    norm, pre = normalizers.BertNormalizer(lowercase=lower), pre_tokenizers.BertPreTokenizer()
    rng = random.Random(5)
    for line in CORPUS[:200]:
        for piece, _ in pre.pre_tokenize_str(norm.normalize_str(line)):
            n = rng.randint(1, 4)
            for candidate in (piece[:1], piece[:n], "##" + piece[1:1 + n], "##" + piece[-1:], piece if len(piece) < 12 else ""):
                if candidate and candidate != "##" and rng.random() < 0.4:
                    words.setdefault(candidate)
    for c in range(33, 127):
        words.setdefault(chr(c)), words.setdefault("##" + chr(c))
    return "\n".join(words) + "\n"


def both_forms(root, name, model_type, config, files, more=None):
    """A folder with the older files, and what save_pretrained() makes of it."""
    old = root / (name + "-old")
    write(old, "config.json", {"model_type": model_type})
    write(old, "tokenizer_config.json", config)
    for file, content in {**files, **(more or {})}.items():
        write(old, file, content)
    new = root / name
    AutoTokenizer.from_pretrained(old).save_pretrained(new)
    write(new, "config.json", {"model_type": model_type})
    for extra in new.glob("*.model"):
        extra.unlink()
    return [new, old]


def families(root, real_map=False):
    """Names and folders; those of one name give the same ids."""
    root = pathlib.Path(root)
    shutil.rmtree(root, ignore_errors=True)
    out = {}

    def add(name, model_type, config, files, **more):
        out[name] = both_forms(root, name, model_type, config, files, **more)

    bert = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    add("bert", "bert", {"tokenizer_class": "BertTokenizer"}, {"vocab.txt": wordpiece_words(bert, True)})
    add("electra-cased", "electra", {"tokenizer_class": "ElectraTokenizer", "do_lower_case": False, "strip_accents": False}, {"vocab.txt": wordpiece_words(bert, False)})
    mpnet = ["<s>", "<pad>", "</s>", "<unk>", "[UNK]", "<mask>"]
    add("mpnet", "mpnet", {"tokenizer_class": "MPNetTokenizer"}, {"vocab.txt": wordpiece_words(mpnet, True)})

    fairseq = ["<s>", "<pad>", "</s>", "<unk>"]
    vocab, merges = byte_level_bpe(600, ["<mask>"], fairseq)
    bpe = {"vocab.json": vocab, "merges.txt": "#version: 0.2\n" + "\n".join(merges) + "\n"}
    mask = {"content": "<mask>", "lstrip": True, "rstrip": False, "normalized": False, "single_word": False, "__type": "AddedToken"}
    add("roberta", "roberta", {"tokenizer_class": "RobertaTokenizer", "mask_token": mask}, bpe)
    add("roberta-prefix", "roberta", {"tokenizer_class": "RobertaTokenizer", "add_prefix_space": True, "trim_offsets": False}, bpe)
    add("gpt2", "gpt2", {"tokenizer_class": "GPT2Tokenizer", "additional_special_tokens": ["<extra>"]},
        {"vocab.json": {**vocab, "<|endoftext|>": len(vocab)}, "merges.txt": bpe["merges.txt"]})
    vocab, merges = byte_level_bpe(600, ["[MASK]"], ["[CLS]", "[PAD]", "[SEP]", "[UNK]"])
    add("deberta", "deberta", {"tokenizer_class": "DebertaTokenizer"}, {"vocab.json": vocab, "merges.txt": "#version: 0.2\n" + "\n".join(merges) + "\n"})

    pieces = spm(700, real_map=real_map)
    add("xlm-roberta", "xlm-roberta", {"tokenizer_class": "XLMRobertaTokenizer"}, {"sentencepiece.bpe.model": pieces})
    add("xlm-roberta-bare", "xlm-roberta", {"tokenizer_class": "XLMRobertaTokenizer", "add_prefix_space": False,
                                            "additional_special_tokens": ["<extra>"]}, {"sentencepiece.bpe.model": pieces})
    add("camembert", "camembert", {"tokenizer_class": "CamembertTokenizer"}, {"sentencepiece.bpe.model": spm(600, real_map=real_map)})
    albert = spm(600, real_map=real_map, pad_id=0, unk_id=1, bos_id=-1, eos_id=-1, control_symbols="[CLS],[SEP]", user_defined_symbols="[MASK]")
    add("albert", "albert", {"tokenizer_class": "AlbertTokenizer"}, {"spiece.model": albert})
    add("albert-accents", "albert", {"tokenizer_class": "AlbertTokenizer", "do_lower_case": False, "keep_accents": True}, {"spiece.model": albert})
    deberta = spm(600, real_map=real_map, pad_id=0, bos_id=1, eos_id=2, unk_id=3, pad_piece="[PAD]", bos_piece="[CLS]", eos_piece="[SEP]", unk_piece="[UNK]")
    add("deberta-v2", "deberta-v2", {"tokenizer_class": "DebertaV2Tokenizer"}, {"spm.model": deberta})
    add("deberta-v2-punct", "deberta-v2", {"tokenizer_class": "DebertaV2Tokenizer", "do_lower_case": True, "split_by_punct": True, "add_prefix_space": False},
        {"spm.model": deberta})
    add("pieces", "llama-like", {"tokenizer_class": "PreTrainedTokenizerFast"}, {"tokenizer.model": spm(700, real_map=real_map)})
    add("pieces-bytes", "llama-like", {"tokenizer_class": "PreTrainedTokenizerFast"},
        {"tokenizer.model": spm(900, "bpe", real_map=real_map, byte_fallback=True)})

    def as_written(name, t, config, model_type="modernbert"):
        folder = root / name
        write(folder, "config.json", {"model_type": model_type})
        write(folder, "tokenizer_config.json", {"tokenizer_class": "PreTrainedTokenizerFast", **config})
        write(folder, "tokenizer.json", t.to_str())
        out[name] = [folder]

    def frame(cls, sep, a, b):
        return processors.TemplateProcessing(single=f"{cls} $A {sep}", pair=f"{cls} $A {sep} $B:1 {sep}:1", special_tokens=[(cls, a), (sep, b)])

    modern = Tokenizer(models.BPE())
    modern.normalizer = normalizers.NFC()
    modern.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    modern.train_from_iterator(CORPUS, trainers.BpeTrainer(vocab_size=600, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False))
    modern.decoder = decoders.ByteLevel()
    modern.add_tokens([AddedToken("  ", normalized=True), AddedToken("    ", normalized=True), AddedToken("|||EMAIL|||", normalized=True)])
    modern.add_special_tokens(["[UNK]", "[CLS]", "[SEP]", "[PAD]", AddedToken("[MASK]", lstrip=True)])
    modern.post_processor = frame("[CLS]", "[SEP]", modern.token_to_id("[CLS]"), modern.token_to_id("[SEP]"))
    as_written("modernbert", modern, {"unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]", "pad_token": "[PAD]", "mask_token": "[MASK]",
                                      "clean_up_tokenization_spaces": True, "model_input_names": ["input_ids", "attention_mask"]})

    split = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=False, fuse_unk=True, ignore_merges=True))
    split.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Replace(Regex(r"\s{2,}"), " "), normalizers.Lowercase()])
    split.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"), "isolated"),
        pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.Punctuation()])
    split.train_from_iterator(CORPUS, trainers.BpeTrainer(vocab_size=500, special_tokens=["<unk>", "<s>", "</s>"], limit_alphabet=150, show_progress=False))
    split.add_tokens([AddedToken("<extra>", rstrip=True, normalized=False), AddedToken("Extra Word", normalized=True), AddedToken("solo", single_word=True)])
    split.post_processor = frame("<s>", "</s>", 1, 2)
    as_written("split", split, {"bos_token": "<s>", "unk_token": "<unk>", "truncation_side": "left"}, "arctic")

    bytes_bpe = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    bytes_bpe.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    bytes_bpe.train_from_iterator(CORPUS, trainers.BpeTrainer(vocab_size=700, special_tokens=["<unk>", "<s>", "</s>"] + [f"<0x{i:02X}>" for i in range(256)],
                                                              limit_alphabet=120, show_progress=False, max_token_length=12))
    document = json.loads(bytes_bpe.to_str())
    document["added_tokens"] = document["added_tokens"][:3]
    bytes_bpe = Tokenizer.from_str(json.dumps(document))
    bytes_bpe.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    bytes_bpe.post_processor = processors.Sequence([frame("<s>", "</s>", 1, 2)])
    as_written("byte-fallback", bytes_bpe, {"unk_token": "<unk>"}, "stablelm")

    words = Tokenizer(models.WordLevel({w: i for i, w in enumerate(["<unk>", "[CLS]", "[SEP]", *dict.fromkeys(WORDS)])}, unk_token="<unk>"))
    words.normalizer = normalizers.Sequence([normalizers.NFD(), normalizers.StripAccents(), normalizers.Strip()])
    words.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Whitespace(), pre_tokenizers.UnicodeScripts()])
    words.post_processor = processors.BertProcessing(("[SEP]", 2), ("[CLS]", 1))
    as_written("words", words, {"unk_token": "<unk>", "split_special_tokens": True}, "nystromformer")

    strange = Tokenizer(models.WordPiece({w: i for i, w in enumerate(wordpiece_words(bert, True).split("\n")[:-1])}, unk_token="[UNK]"))
    strange.normalizer = normalizers.Sequence([normalizers.Nmt(), normalizers.NFKD(), normalizers.StripAccents(), normalizers.Lowercase()])
    strange.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Punctuation("merged_with_previous")])
    strange.decoder = decoders.WordPiece()
    strange.post_processor = frame("[CLS]", "[SEP]", 2, 3)
    as_written("wordpiece-of-the-library", strange, {"clean_up_tokenization_spaces": True}, "aria")
    return out
