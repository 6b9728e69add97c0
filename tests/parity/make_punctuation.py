#!/usr/bin/env python3
"""Small random CT-Punc checkpoints and what funasr answers for them: tests/fixtures/speech/punctuation/.

offline/, segmented/ and streaming/ have the publisher's files (model.pt, config.yaml, tokens.json; segmented also
jieba_usr_dict, with jieba's base dictionary cut down beside it as dict.txt) and cases.json, streaming also
session.json; rules.json has the sentence loops alone, with marks made up; words.json has what jieba cuts.
"""
import json
import pathlib
import random
import shutil
import sys
import tempfile

import funasr.models.ct_transformer_streaming.model as streaming_model
import jieba
import numpy
import torch
import yaml
from funasr import AutoModel
from funasr.models.ct_transformer.utils import split_words
from funasr.tokenizer.char_tokenizer import CharTokenizer

ROOT = pathlib.Path(__file__).resolve().parents[1] / "fixtures" / "speech" / "punctuation"
MARKS = ["<unk>", "_", "，", "。", "？", "、"]
CHARACTERS = "我你他们的是不在有这个那了说到就要会可以看好今天明天气很热去北京大学生产工作人时间问题什么"
ENGLISH = ["hello", "world", "a", "ok", "don't", "usa", "iphone", "3", "42", "c++", "good", "morning"]
WORDS = ["我们", "你们", "他们", "今天", "明天", "天气", "北京", "大学", "北京大学", "大学生", "学生", "生产", "产工",
         "工作", "人工", "时间", "问题", "什么", "什么时间", "可以", "不可以", "要不", "不要"]
ADDED = ["天气很热 50 n", "北京大学生", "工作人", "说到", "iphone手机 3 nz", "好看 0", "今天天气"]

# What the tests' recogniser hears in one session (tests/e2e/test_speech_vad.py).
HEARD = ["88it's it's CC8来中人人world world2world world world2world ing国6world world人人人人",
         "it's it's it's it's到CC9world world",
         "ing it's it's it's CC来来人中world world world world world人",
         "国it's it's it's it's c84world人world",
         "8CCCCCC4人world world ing world world world world world world world world world world world world world world",
         "world world world it's ree9来goodworld6world world",
         "中it's it's ree99中来world world人world2",
         "ing it's it's it's CCC国5world world人world world world"]


def dictionary():
    rng = random.Random(5)
    lines = [f"{w} {rng.randrange(1, 3000)} n" for w in WORDS]
    return lines + [f"{c} {rng.randrange(1, 9000)} v" for c in sorted(set(CHARACTERS)) if rng.random() < 0.8]


def texts():
    rng = random.Random(11)
    han = lambda n: "".join(rng.choice(CHARACTERS) for _ in range(n))
    english = lambda n: " ".join(rng.choice(ENGLISH) for _ in range(n))
    mixed = lambda n: "".join(rng.choice([han(rng.randint(1, 6)), " " + english(rng.randint(1, 3)) + " "])
                              for _ in range(n))
    out = ["我", "a", "今天", "ok", "我 a", "a我", "  今天   天气很热  ", "hello world", "Hello USA iPhone McDonald",
           "他说到3点42分", "x好，y。z", "foo_", "end.", "what?", "说，", "a、", "é好ü ΩЯ", "龦𠀀🙂好", "３点Ａ", "it's 3.14 %",
           "一\u3000二\u00a0三\t四\n五", "今天天气很热我们去北京大学", "北京大学生工作人不可以要不要好看什么时间iphone手机"]
    out += [han(n) for n in (3, 4, 19, 20, 21, 22, 40, 41, 63, 150, 260, 431)]
    out += [english(n) for n in (3, 20, 27, 60, 230)]
    out += [mixed(n) for n in (2, 3, 5, 8, 13, 21, 34, 55, 90)]
    return out


def encoder(dim, heads, units, blocks, shift):
    return {"input_size": dim, "output_size": dim, "attention_heads": heads, "linear_units": units,
            "num_blocks": blocks, "dropout_rate": 0.1, "positional_dropout_rate": 0.1, "attention_dropout_rate": 0.0,
            "input_layer": "pe", "pos_enc_class": "SinusoidalPositionEncoder", "normalize_before": True,
            "kernel_size": 11, "sanm_shfit": shift, "selfattention_layer_type": "sanm", "padding_idx": 0}


def config(streaming, conf, dim):
    return {"model": "CTTransformerStreaming" if streaming else "CTTransformer",
            "model_conf": {"ignore_id": 0, "embed_unit": dim, "att_unit": dim, "dropout_rate": 0.1,
                           "punc_list": MARKS, "punc_weight": None, "sentence_end_id": 3},
            "encoder": "SANMVadEncoder" if streaming else "SANMEncoder", "encoder_conf": conf,
            "tokenizer": "CharTokenizer", "tokenizer_conf": {"unk_symbol": "<unk>"}}


def parameters(conf, tokens, seed):
    dim, units, kernel = conf["output_size"], conf["linear_units"], conf["kernel_size"]
    g = torch.Generator().manual_seed(seed)
    rand = lambda *shape, scale: torch.randn(*shape, generator=g) * scale
    state = {"embed.weight": rand(tokens, dim, scale=0.8)}
    for i in range(conf["num_blocks"]):
        at = "encoder.encoders0.0." if i == 0 else f"encoder.encoders.{i - 1}."
        for name, rows, columns in (("self_attn.linear_out", dim, dim), ("self_attn.linear_q_k_v", 3 * dim, dim),
                                    ("feed_forward.w_1", units, dim), ("feed_forward.w_2", dim, units)):
            state[at + name + ".weight"] = rand(rows, columns, scale=1.5 / columns**0.5)
            state[at + name + ".bias"] = rand(rows, scale=0.3)
        state[at + "self_attn.fsmn_block.weight"] = rand(dim, 1, kernel, scale=0.3)
        for name in ("norm1", "norm2"):
            state[at + name + ".weight"] = 1 + rand(dim, scale=0.2)
            state[at + name + ".bias"] = rand(dim, scale=0.2)
    state["encoder.after_norm.weight"] = 1 + rand(dim, scale=0.2)
    state["encoder.after_norm.bias"] = rand(dim, scale=0.2)
    state["decoder.weight"] = rand(len(MARKS), dim, scale=1.0)
    state["decoder.bias"] = torch.tensor([-7.0, 2.5, 0.5, -0.5, -1.0, -2.0])
    return state


class Watched:
    """The network's marks and how near each was to another."""

    def __init__(self, model):
        self.model, self.margin, self.seen, inner = model, float("inf"), [], model.punc_forward

        def forward(*args, **kwargs):
            y, rest = inner(*args, **kwargs)
            best = y.reshape(-1, y.shape[-1]).topk(2, dim=1).values
            self.margin = min(self.margin, (best[:, 0] - best[:, 1]).min().item())
            self.seen += y.reshape(-1, y.shape[-1]).argmax(1).tolist()
            return y, rest

        model.punc_forward = forward


def write(name, streaming, dim, heads, units, blocks, segmented=False):
    folder = ROOT / name
    folder.mkdir(parents=True)
    conf = encoder(dim, heads, units, blocks, 5 if streaming else 0)
    (folder / "config.yaml").write_text(yaml.safe_dump(config(streaming, conf, dim), allow_unicode=True))
    tokens = sorted(set(CHARACTERS)) + ENGLISH
    if segmented:
        tokens += WORDS + [w.split(" ")[0] for w in ADDED]
        (folder / "dict.txt").write_text("\n".join(dictionary()) + "\n")
        (folder / "jieba_usr_dict").write_text("\n".join(ADDED) + "\n")
        jieba.set_dictionary(str(folder / "dict.txt"))
    random.Random(3).shuffle(tokens)
    tokens = ["<unk>", "<s>", "</s>"] + tokens
    (folder / "tokens.json").write_text(json.dumps(tokens, ensure_ascii=False))
    for seed in range(1, 100):
        torch.save(parameters(conf, len(tokens), seed), folder / "model.pt")
        loaded = AutoModel(model=str(folder), device="cpu", disable_update=True, disable_pbar=True)
        watched = Watched(loaded.model)
        ask = lambda text, **more: loaded.model.inference([text], key=["k"], tokenizer=loaded.kwargs["tokenizer"],
                                                          device="cpu", **more)[0][0]["text"]
        with torch.no_grad():
            cases = streams(ask) if streaming else [[t, ask(t)] for t in texts()]
        counts = [watched.seen.count(i) for i in range(len(MARKS))]
        print(name, seed, "marks", counts, "margin", watched.margin, file=sys.stderr)
        if watched.margin > 2e-4 and min(counts[1:]) > 20 and counts[1] > sum(counts) / 3:
            break
    (folder / "cases.json").write_text(json.dumps(cases, ensure_ascii=False, indent=0))


def streams(ask):
    rng = random.Random(13)
    out = []
    for text in texts():
        words = split_words(text)
        for _ in range(1 if len(words) > 60 else 2):
            cache, parts, at = {}, [], 0
            while at < len(words):
                n = rng.choice([1, 1, 2, 3, 5, 8, 30, 80])
                piece = " ".join(words[at:at + n]) if rng.random() < 0.5 else text_of(words[at:at + n])
                at += n
                parts.append([piece, ask(piece, cache=cache)])
            out.append(parts)
    return out


def text_of(words):
    out = ""
    for w in words:
        out += " " + w if out and w.isascii() and out[-1].isascii() else w
    return out


def rules():
    """The sentence loops with marks made up: how often each comes, and how many windows see the same word again."""
    rng = random.Random(17)
    offline = AutoModel(model=str(ROOT / "offline"), device="cpu", disable_update=True, disable_pbar=True)
    streaming = AutoModel(model=str(ROOT / "streaming"), device="cpu", disable_update=True, disable_pbar=True)
    weights = [[0, 8, 1, 1, 1, 1], [1, 8, 2, 0, 0, 1], [0, 1, 0, 0, 0, 0], [0, 30, 1, 0, 0, 0], [1, 1, 1, 1, 1, 1],
               [0, 200, 0, 1, 0, 0], [0, 0, 1, 0, 0, 0], [0, 0, 0, 0, 0, 1], [0, 10, 0, 0, 1, 3]]
    pick = lambda n: "".join(rng.choice(["我", "你", "好", " ab ", " Cd ", " x_ "]) for _ in range(n))
    made = {"offline": [], "streaming": []}
    for loaded, kind in ((offline, "offline"), (streaming, "streaming")):
        for i, weight in enumerate(weights * 3):
            cache, parts = {}, []
            sizes = [(1, 7, 20, 21, 45, 90, 210, 250, 330)[(i * 4) % 9]] if kind == "offline" else [
                rng.choice([1, 2, 9, 25]) for _ in range(6 if i % 9 else 24)]
            for n in sizes:
                windows = []

                def forward(text, text_lengths, **more):
                    marks = rng.choices(range(6), weights=weight, k=text.shape[1])
                    windows.append("".join(map(str, marks)))
                    return torch.nn.functional.one_hot(torch.tensor([marks]), 6).float(), None

                loaded.model.punc_forward = forward
                text = pick(n)
                more = {"cache": cache} if kind == "streaming" else {}
                try:
                    got = loaded.model.inference([text], key=["k"], tokenizer=loaded.kwargs["tokenizer"],
                                                 device="cpu", **more)[0][0]
                except IndexError:
                    continue
                marks = "".join(str(int(m)) for m in got["punc_array"].reshape(-1)) if kind == "offline" else ""
                parts.append([text, windows, got["text"], marks])
            made[kind].append(parts)
    (ROOT / "rules.json").write_text(json.dumps(made, ensure_ascii=False, indent=0))


def session():
    """Sentences of one session as FunASR's server asks for them: with the cache of those before, and each with none."""
    loaded = AutoModel(model=str(ROOT / "streaming"), device="cpu", disable_update=True, disable_pbar=True)
    cache = {}
    with torch.no_grad():
        made = [[text] + [loaded.generate(input=text, cache=c)[0]["text"] for c in (cache, {})] for text in HEARD]
    (ROOT / "streaming" / "session.json").write_text(json.dumps(made, ensure_ascii=False, indent=0))


def words():
    rng = random.Random(19)
    folder = ROOT / "segmented"
    cutter = jieba.Tokenizer(str(folder / "dict.txt"))
    cutter.load_userdict(str(folder / "jieba_usr_dict"))
    other = "abXY 01'+#&._%-,!é·、。🙂龦"
    cases = []
    for text in texts() + ["".join(
            rng.choice([rng.choice(WORDS + ADDED).split(" ")[0], rng.choice(CHARACTERS),
                        " " + rng.choice(ENGLISH) + " ", rng.choice(other)]) for _ in range(rng.randint(1, 20))) for _ in range(150)]:
        if len(text) < 200:
            cases.append([text, split_words(text), split_words(text, jieba_usr_dict=cutter)])
    (ROOT / "words.json").write_text(json.dumps(cases, ensure_ascii=False, indent=None, separators=(",", ":")))


if __name__ == "__main__":
    torch.set_num_threads(1)
    # A window of one word fails there with numpy 2: int() of an array of one number.
    streaming_model.int = lambda x: int(numpy.asarray(x).reshape(-1)[0])
    # Words that are not known as they are spelled are looked up in small letters, as FunASR's C++ runtime has it.
    CharTokenizer.tokens2ids = lambda self, tokens: [
        self.token2id.get(t, self.token2id.get(t.lower(), self.unk_id)) for t in tokens]
    jieba.dt.tmp_dir = tempfile.mkdtemp()
    shutil.rmtree(ROOT, ignore_errors=True)
    write("offline", False, 12, 2, 16, 3)
    write("streaming", True, 12, 3, 16, 3)
    session()
    rules()
    write("segmented", False, 12, 3, 20, 2, segmented=True)
    words()
