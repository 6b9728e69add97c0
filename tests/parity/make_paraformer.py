#!/usr/bin/env python3
"""Small random Paraformers, streaming and offline, in the files that FunASR's publishers ship, and what FunASR hears with
them: tests/fixtures/speech/paraformer_*/. Ids and, of some frames, features. Needs funasr (scripts/parity-speech.txt)."""
from __future__ import annotations

import copy
import json
import pathlib
import shutil
import sys

import numpy
import torch
import yaml

import funasr.frontends.wav_frontend as wav_frontend
from funasr.frontends.wav_frontend import WavFrontend, WavFrontendOnline
from funasr.models.paraformer.model import Paraformer
from funasr.models.paraformer_streaming.model import ParaformerStreaming
import funasr.models.paraformer.cif_predictor  # registers classes
import funasr.models.paraformer.decoder
import funasr.models.sanm.encoder
import funasr.models.scama.encoder
from funasr.utils.load_utils import extract_fbank

ROOT = pathlib.Path(__file__).resolve().parents[1] / "fixtures" / "speech"
SIZE, INNER, MELS, M, N = 32, 64, 20, 7, 6
RATE, FRAME = 16000, 960
WORDS = (["<blank>", "<s>", "</s>"] + list("的一是不了人我在有他这中大来上国个到说们") + [str(i) for i in range(10)] +
         list("abcdefgh") + ["hello", "world", "play", "it's", "good@@", "ing", "th@@", "ree"] + ["<unk>"])

# dither 1.0 is the class' default, and generate() sets it again: no noise in a reference.
_fbank = wav_frontend.kaldi.fbank
wav_frontend.kaldi.fbank = lambda *a, **k: _fbank(*a, **{**k, "dither": 0.0})


def config(streaming: bool) -> dict:
    encoder = {"output_size": SIZE, "attention_heads": 4, "linear_units": INNER, "num_blocks": 3, "dropout_rate": 0.1,
               "positional_dropout_rate": 0.1, "attention_dropout_rate": 0.1,
               "input_layer": "pe_online" if streaming else "pe", "pos_enc_class": "SinusoidalPositionEncoder",
               "normalize_before": True, "kernel_size": 11, "sanm_shfit": 0, "selfattention_layer_type": "sanm"}
    if streaming:
        encoder |= {"chunk_size": [12, 15], "stride": [8, 10], "pad_left": [0, 0],
                    "encoder_att_look_back_factor": [4, 4], "decoder_att_look_back_factor": [1, 1]}
    return {
        "model": "ParaformerStreaming" if streaming else "Paraformer",
        "model_conf": {"ctc_weight": 0.0, "lsm_weight": 0.1, "length_normalized_loss": True, "predictor_weight": 1.0,
                       "predictor_bias": 1, "sampling_ratio": 0.75},
        "encoder": "SANMEncoderChunkOpt" if streaming else "SANMEncoder", "encoder_conf": encoder,
        "decoder": "ParaformerSANMDecoder",
        "decoder_conf": {"attention_heads": 4, "linear_units": INNER, "num_blocks": 2, "dropout_rate": 0.1,
                         "positional_dropout_rate": 0.1, "self_attention_dropout_rate": 0.1,
                         "src_attention_dropout_rate": 0.1, "att_layer_num": 2, "kernel_size": 11,
                         "sanm_shfit": 5 if streaming else 0},
        "predictor": "CifPredictorV2",
        "predictor_conf": {"idim": SIZE, "threshold": 1.0, "l_order": 1, "r_order": 1, "tail_threshold": 0.45},
        "frontend": "WavFrontendOnline" if streaming else "WavFrontend",
        "frontend_conf": {"fs": RATE, "window": "hamming", "n_mels": MELS, "frame_length": 25, "frame_shift": 10,
                          "lfr_m": M, "lfr_n": N},
        "specaug": "SpecAugLFR", "specaug_conf": {"apply_time_warp": False, "lfr_rate": 6},
        "train_conf": {"accum_grad": 1, "grad_clip": 5}, "optim": "adam", "optim_conf": {"lr": 0.0005},
        "tokenizer": "CharTokenizer", "tokenizer_conf": {"unk_symbol": "<unk>", "split_with_space": True},
        "ctc_conf": {"dropout_rate": 0.0, "ctc_type": "builtin"}, "normalize": None,
    }


def write_cmvn(path: pathlib.Path, wave: torch.Tensor) -> None:
    """As Kaldi's nnet writes it; makes the sound's features differ from each other."""
    settings = config(False)["frontend_conf"]
    features = WavFrontend(cmvn_file=None, **settings)(wave[None].float() / 32768, [len(wave)])[0][0].numpy()
    width = MELS * M
    line = lambda name, values: (f"<{name}> {width} {width}\n<LearnRateCoef> 0 [ " +
                                 " ".join(f"{v:.6g}" for v in values) + " ]\n")
    path.write_text("<Nnet>\n<Splice> {0} {0}\n[ 0 ]\n".format(width) + line("AddShift", -features.mean(0)) +
                    line("Rescale", 1 / (features.std(0) + 0.1)) + "</Nnet>\n")


def make_model(conf: dict, seed: int):
    kind = ParaformerStreaming if conf["model"] == "ParaformerStreaming" else Paraformer
    own = copy.deepcopy(conf)
    for key in ("specaug", "normalize", "ctc_conf"):
        own.pop(key, None)
    model = kind(**own, **own["model_conf"], input_size=MELS * M, vocab_size=len(WORDS)).eval()
    g = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, p in model.named_parameters():
            if p.dim() > 1:
                p.copy_(torch.randn(p.shape, generator=g) * (0.7 / (p[0].numel() ** 0.5) * 2))
            else:
                p.copy_(torch.randn(p.shape, generator=g) * 0.2 + ("norm" in name and name.endswith("weight")))
        for name, p in model.named_parameters():
            # What was said must show in the tokens: attention that chooses.
            if "linear_q_k_v.weight" in name:
                p[:2 * SIZE].mul_(1.5)
            if "src_attn.linear_q" in name or "src_attn.linear_k_v.weight" in name:
                p.mul_(1.5)
        # A token every few frames, and frames that differ.
        model.predictor.cif_output.weight.mul_(2.5)
        model.predictor.cif_output.bias.fill_(-0.9)
        model.decoder.output_layer.weight.mul_(3)
        model.decoder.output_layer.bias.mul_(0)
        for p in model.parameters():
            p.copy_(p.half().float())  # as they are saved
    return model


def save(folder: pathlib.Path, conf: dict, model, wrap, seed: int) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(yaml.safe_dump(conf, sort_keys=False, allow_unicode=True))
    (folder / "configuration.json").write_text(json.dumps({"framework": "pytorch", "task": "auto-speech-recognition"}))
    (folder / "tokens.json").write_text(json.dumps(WORDS, ensure_ascii=False))
    (folder / "seg_dict").write_text("hello hello\n")
    write_cmvn(folder / "am.mvn", sound(70000, seed))
    state = {k: v.half() for k, v in model.state_dict().items() if not k.startswith(("ctc.", "criterion"))}
    torch.save(wrap(state), folder / "model.pt")


def sound(count: int, seed: int) -> torch.Tensor:
    """16 bit samples: square waves that come and go, and noise. In whole numbers alone, so that the tests make the same."""
    i = numpy.arange(count, dtype=numpy.int64)
    x = numpy.zeros(count, dtype=numpy.int64)
    for k, (period, gate) in enumerate([(11, 3001), (29, 4507), (37, 2203), (53, 5701), (71, 7001), (90, 1709)]):
        x += numpy.where((i // period) % 2 == 0, 3000, -3000) * ((i // gate + k + seed) % 3 != 0)
    state = seed
    for at in range(count):
        state = (state * 1664525 + 1013904223) % 2**32
        x[at] += (state >> 16) % 1311 - 655
    return torch.from_numpy(x.astype(numpy.int16))


def ids_of_chunk(model, speech, lengths, cache, final):
    """generate_chunk(), with ids for texts, and the margin of each choice."""
    h, h_lengths = model.encode_chunk(speech, lengths, cache=cache, is_final=final)
    embeds, count, _, _ = model.calc_predictor_chunk(h, h_lengths, cache=cache, is_final=final)
    count = count.round().long()
    if torch.max(count) < 1:
        return [], 9.0
    scores, _ = model.cal_decoder_with_predictor_chunk(h, h_lengths, embeds, count, cache=cache)
    best = scores[0, :count[0]].topk(2, dim=-1)
    return best.indices[:, 0].tolist(), float((best.values[:, 0] - best.values[:, 1]).min())


def hear_stream(model, conf, frontend, samples, chunk_size, encoder_back, decoder_back):
    """inference() of ParaformerStreaming over a whole utterance: ids of each step, and the least margin."""
    cache = {}
    model.init_cache(cache, chunk_size=chunk_size, encoder_chunk_look_back=encoder_back,
                     decoder_chunk_look_back=decoder_back, **conf)
    stride = chunk_size[1] * FRAME
    steps, margin = [], 9.0
    for i in range(len(samples) // stride + 1):
        final = i == len(samples) // stride
        piece = samples[i * stride:(i + 1) * stride]
        if final and len(piece) < FRAME:
            cache["encoder"]["tail_chunk"] = True
            speech = cache["encoder"]["feats"]
            lengths = torch.tensor([speech.shape[1]])
        else:
            speech, lengths = extract_fbank([piece], data_type="sound", frontend=frontend, cache=cache["frontend"],
                                            is_final=final)
        ids, least = ids_of_chunk(model, speech, lengths, cache, final)
        steps.append(ids)
        margin = min(margin, least)
    return steps, margin


CHUNKS = ([([5, 10, 5], e, d) for e in (0, 1, 4, -1) for d in (0, 1)] +
          [([0, 10, 5], e, d) for e in (1, 4) for d in (0, 1)] + [([0, 8, 4], 0, 0), ([0, 8, 4], 4, 1), ([5, 10, 5], 4, 3)])


LONG = 570000  # of a look-back without end: the past holds what every step leaves, for 64 chunks


def lengths(chunk: int) -> list[int]:
    """Samples: every way in which an utterance can end."""
    stride = chunk * FRAME
    return [1,                     # less than a chunk, and none before it: the tail of nothing
            FRAME - 1,             # .. just so
            FRAME,                 # a first chunk that is final, the shortest
            4321,                  # .. longer
            stride,                # nothing remains
            stride + 1,            # fewer than 960 remain
            stride + 959,          # .. just so
            stride + 960,          # just enough for a chunk
            2 * stride + 5000,     #
            3 * stride - 1,        #
            7 * stride + 700]      # more chunks than are looked back on


def streaming() -> None:
    conf, seed = config(True), 11
    model = make_model(conf, seed)
    folder = ROOT / "paraformer_streaming"
    save(folder, conf, model, lambda s: {"model": s, "epoch": 3}, seed)
    wave = sound(LONG, seed)
    cases, fired, margin = [], 0, 9.0
    with torch.no_grad():
        for chunk_size, encoder_back, decoder_back in CHUNKS:
            whole_past = (chunk_size, encoder_back, decoder_back) == ([5, 10, 5], -1, 1)
            for n in lengths(chunk_size[1]) + ([LONG] if whole_past else []):
                frontend = WavFrontendOnline(cmvn_file=str(folder / "am.mvn"), **conf["frontend_conf"])
                steps, least = hear_stream(model, conf, frontend, wave[:n].float() / 32768, chunk_size, encoder_back,
                                           decoder_back)
                cases.append({"chunk_size": chunk_size, "encoder": encoder_back, "decoder": decoder_back, "samples": n,
                              "steps": steps})
                fired += sum(map(len, steps))
                margin = min(margin, least)
    print(f"streaming: {len(cases)} cases, {fired} tokens, {len({i for c in cases for s in c['steps'] for i in s})} "
          f"different, least margin {margin:.4f}")
    assert fired > 1000 and margin > 1e-3
    (folder / "expected.json").write_text(json.dumps({"cases": cases}))


def offline() -> None:
    conf, seed = config(False), 5
    model = make_model(conf, seed)
    folder = ROOT / "paraformer_offline"
    # As a training program on several GPUs saves it.
    save(folder, conf, model, lambda s: {"state_dict": {"module." + k: v for k, v in s.items()}, "optimizer": {}}, seed)
    wave = sound(128000, seed)
    cases, margin = [], 9.0
    frontend = WavFrontend(cmvn_file=str(folder / "am.mvn"), **conf["frontend_conf"])
    with torch.no_grad():
        for begin, n in [(0, 600), (0, 2000), (500, 16000), (1000, 33333), (0, 70001), (0, 128000), (7, 9600)]:
            samples = wave[begin:begin + n].float() / 32768
            speech, count = extract_fbank([samples], data_type="sound", frontend=frontend)
            h, h_count = model.encode(speech, count)
            embeds, tokens, alphas, peaks = model.calc_predictor(h, h_count)
            tokens = tokens.round().long()
            ids = []
            if int(tokens.max()) >= 1:
                scores, _ = model.cal_decoder_with_predictor(h, h_count, embeds, tokens)
                best = scores[0, :tokens[0]].topk(2, dim=-1)
                ids = best.indices[:, 0].tolist()
                margin = min(margin, float((best.values[:, 0] - best.values[:, 1]).min()))
            cases.append({"begin": begin, "samples": n, "ids": ids})
            if n == 2000:
                features = speech[0]
    print(f"offline: {len(cases)} cases, {sum(len(c['ids']) for c in cases)} tokens, least margin {margin:.4f}")
    assert margin > 1e-3
    (folder / "expected.json").write_text(json.dumps(
        {"cases": cases, "features": {"samples": 2000, "frames": [[round(float(v), 5) for v in f] for f in features]}}))


def texts() -> None:
    """sentence_postprocess() of ids that lose nothing there."""
    from funasr.utils.postprocess_utils import sentence_postprocess
    g = numpy.random.default_rng(3)
    kinds = {"chinese": [i for i, w in enumerate(WORDS) if "一" <= w <= "鿿" or w.isdigit()],
             "word": [WORDS.index(w) for w in ("hello", "world", "play", "it's")],
             "letter": [i for i, w in enumerate(WORDS) if len(w) == 1 and w.isascii() and w.isalpha()],
             "pieces": [[WORDS.index("good@@"), WORDS.index("ing")], [WORDS.index("th@@"), WORDS.index("ree")]],
             "special": [[0], [1], [2], [len(WORDS) - 1]]}
    cases = []
    for _ in range(120):
        row = []
        for _ in range(int(g.integers(0, 12))):
            pick = kinds[str(g.choice(list(kinds), p=[0.35, 0.2, 0.25, 0.12, 0.08]))]
            one = pick[int(g.integers(len(pick)))]
            row += one if isinstance(one, list) else [one]
        tokens = [WORDS[i] for i in row if WORDS[i] != "<blank>"]
        cases.append({"ids": row, "text": sentence_postprocess(tokens)[0]})
    (ROOT / "paraformer_offline" / "texts.json").write_text(json.dumps(cases, ensure_ascii=False))


if __name__ == "__main__":
    torch.set_num_threads(1)
    streaming()
    offline()
    texts()
    print(sum(p.stat().st_size for n in ("paraformer_streaming", "paraformer_offline")
              for p in (ROOT / n).iterdir()), "bytes")
    sys.exit(0)
