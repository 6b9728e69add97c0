#!/usr/bin/env python3
"""A streaming Paraformer of the published large one's shapes with random weights, in the files that FunASR's publishers
ship, and a sound to hear with it. Needs the environment of scripts/parity-speech.txt; bench/speech_models.py calls it.

    speech_checkpoint.py FOLDER

FOLDER gets config.yaml, model.pt, am.mvn, tokens.json; sound.pcm, 16 kHz, 16 bit; and, last, facts.json: `bias` of
cif_output, chosen so that about as many tokens fire as in spoken Mandarin (`tokens_per_s`, heard by FunASR), and
`silent_steps`, the share of steps without one.
"""
from __future__ import annotations

import contextlib
import copy
import json
import pathlib
import sys

import numpy
import torch
import yaml

from speech_peer import FRAME, FunAsr, quiet_front_end
from speech_session import RATE

SIZE, INNER, MELS, M, N, VOCABULARY, SEED = 512, 2048, 80, 7, 6, 8404, 11
SOUND_S = 120
TOKENS_PER_S = 4.5  # spoken Mandarin has four to five syllables a second
HEARD_S = 12  # for counting what fires

CONFIG = {
    "model": "ParaformerStreaming",
    "model_conf": {"ctc_weight": 0.0, "lsm_weight": 0.1, "length_normalized_loss": True, "predictor_weight": 1.0,
                   "predictor_bias": 1, "sampling_ratio": 0.75},
    "encoder": "SANMEncoderChunkOpt",
    "encoder_conf": {"output_size": SIZE, "attention_heads": 4, "linear_units": INNER, "num_blocks": 50, "dropout_rate": 0.1,
                     "positional_dropout_rate": 0.1, "attention_dropout_rate": 0.1, "input_layer": "pe_online",
                     "pos_enc_class": "SinusoidalPositionEncoder", "normalize_before": True, "kernel_size": 11,
                     "sanm_shfit": 0, "selfattention_layer_type": "sanm", "chunk_size": [12, 15], "stride": [8, 10],
                     "pad_left": [0, 0], "encoder_att_look_back_factor": [4, 4], "decoder_att_look_back_factor": [1, 1]},
    "decoder": "ParaformerSANMDecoder",
    "decoder_conf": {"attention_heads": 4, "linear_units": INNER, "num_blocks": 16, "dropout_rate": 0.1,
                     "positional_dropout_rate": 0.1, "self_attention_dropout_rate": 0.1, "src_attention_dropout_rate": 0.1,
                     "att_layer_num": 16, "kernel_size": 11, "sanm_shfit": 5},
    "predictor": "CifPredictorV2",
    "predictor_conf": {"idim": SIZE, "threshold": 1.0, "l_order": 1, "r_order": 1, "tail_threshold": 0.45},
    "frontend": "WavFrontendOnline",
    "frontend_conf": {"fs": RATE, "window": "hamming", "n_mels": MELS, "frame_length": 25, "frame_shift": 10, "lfr_m": M,
                      "lfr_n": N},
    "specaug": "SpecAugLFR",
    "specaug_conf": {"apply_time_warp": False, "time_warp_window": 5, "time_warp_mode": "bicubic", "apply_freq_mask": True,
                     "freq_mask_width_range": [0, 30], "lfr_rate": N, "num_freq_mask": 1, "apply_time_mask": True,
                     "time_mask_width_range": [0, 12], "num_time_mask": 1},
    "train_conf": {"accum_grad": 1, "grad_clip": 5}, "optim": "adam", "optim_conf": {"lr": 0.0005},
    "tokenizer": "CharTokenizer", "tokenizer_conf": {"unk_symbol": "<unk>", "split_with_space": True},
    "ctc_conf": {"dropout_rate": 0.0, "ctc_type": "builtin"}, "normalize": None,
}


def tokens() -> list[str]:
    """One Chinese character each: a text tells its ids."""
    return ["<blank>", "<s>", "</s>", *(chr(0x4E00 + n) for n in range(VOCABULARY - 4)), "<unk>"]


def sound() -> numpy.ndarray:
    """16 bit: voices of changing pitch and colour that come and go, and noise."""
    random = numpy.random.default_rng(SEED)
    count = SOUND_S * RATE
    x = random.normal(0, 150, count)
    for _ in range(6):
        at = 0
        while at < count:
            length = min(int(random.integers(800, 6400)), count - at)
            if random.random() < 0.6:
                period, colour = int(random.integers(20, 220)), int(random.integers(2, 30))
                wave = (numpy.arange(length) % period < period // 2) * 2.0 - 1
                wave = numpy.convolve(wave, numpy.ones(colour) / colour, "same")
                x[at:at + length] += random.uniform(500, 3500) * wave * numpy.hanning(length) ** 0.25
            at += length
    return numpy.clip(x, -32768, 32767).astype("<i2")


def write_cmvn(path: pathlib.Path, wave: numpy.ndarray) -> None:
    """As Kaldi's nnet writes it."""
    from funasr.frontends.wav_frontend import WavFrontend
    samples = torch.from_numpy(wave.astype("float32"))[None] / 32768
    features = WavFrontend(cmvn_file=None, **CONFIG["frontend_conf"])(samples, [samples.shape[1]])[0][0].numpy()
    width = MELS * M

    def line(name: str, values) -> str:
        return f"<{name}> {width} {width}\n<LearnRateCoef> 0 [ " + " ".join(f"{v:.6g}" for v in values) + " ]\n"

    path.write_text(f"<Nnet>\n<Splice> {width} {width}\n[ 0 ]\n" + line("AddShift", -features.mean(0)) +
                    line("Rescale", 1 / (features.std(0) + 0.1)) + "</Nnet>\n")


def make_model():
    from funasr.models.paraformer_streaming.model import ParaformerStreaming
    import funasr.models.paraformer.cif_predictor  # noqa: F401 - registers classes
    import funasr.models.paraformer.decoder  # noqa: F401
    import funasr.models.scama.encoder  # noqa: F401
    own = copy.deepcopy(CONFIG)
    for key in ("specaug", "normalize", "ctc_conf"):
        own.pop(key)
    model = ParaformerStreaming(**own, **own["model_conf"], input_size=MELS * M, vocab_size=VOCABULARY).eval()
    g = torch.Generator().manual_seed(SEED)
    with torch.no_grad():
        for name, p in model.named_parameters():
            if p.dim() > 1:
                p.copy_(torch.randn(p.shape, generator=g) * (1.4 / p[0].numel() ** 0.5))
            else:
                p.copy_(torch.randn(p.shape, generator=g) * 0.2 + ("norm" in name and name.endswith("weight")))
        # Frames weigh about the same, so that every step fires: a client sees by its text that it was answered.
        model.predictor.cif_output.weight.mul_(0.25)
        model.decoder.output_layer.weight.mul_(3)
        model.decoder.output_layer.bias.zero_()
        model.predictor.cif_output.bias.zero_()  # chosen later
    return model


def write_model(folder: pathlib.Path, model) -> None:
    state = {k: v for k, v in model.state_dict().items() if not k.startswith(("ctc.", "criterion"))}
    torch.save(state, folder / "model.pt")


def choose_bias(folder: pathlib.Path) -> dict:
    """By halving, from what the predictor says before its sigmoid when FunASR hears the sound; then counts what fires."""
    funasr = FunAsr(folder)
    terms = {"chunk_size": [0, 10, 5], "encoder_chunk_look_back": 4, "decoder_chunk_look_back": 1}
    output = funasr.auto.model.predictor.cif_output
    seen: list[torch.Tensor] = []
    hook = output.register_forward_hook(lambda _module, _in, out: seen.append(out.flatten()[:10].clone()))
    funasr.steps(terms, HEARD_S)
    hook.remove()
    before = torch.cat(seen[1:])
    low, high = -20.0, 20.0
    while high - low > 1e-4:
        middle = 0.5 * (low + high)
        rate = float(torch.sigmoid(before + middle).mean()) * RATE / FRAME
        low, high = (middle, high) if rate < TOKENS_PER_S else (low, middle)
    with torch.no_grad():
        output.bias.fill_(low)
    steps = funasr.steps(terms, HEARD_S)
    return {"bias": round(low, 4), "tokens_per_s": round(sum(map(len, steps)) / HEARD_S, 2),
            "silent_steps": sum(not text for text in steps) / len(steps), "seed": SEED}


def main() -> int:
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    quiet_front_end()
    wave = sound()
    (folder / "sound.pcm").write_bytes(wave.tobytes())
    (folder / "config.yaml").write_text(yaml.safe_dump(CONFIG, sort_keys=False, allow_unicode=True))
    files = {"init_param": "model.pt", "config": "config.yaml", "tokenizer_conf": {"token_list": "tokens.json"},
             "frontend_conf": {"cmvn_file": "am.mvn"}}
    (folder / "configuration.json").write_text(json.dumps(
        {"framework": "pytorch", "task": "auto-speech-recognition", "model": {"type": "funasr"}, "file_path_metas": files}))
    (folder / "tokens.json").write_text(json.dumps(tokens(), ensure_ascii=False))
    write_cmvn(folder / "am.mvn", wave)
    with contextlib.redirect_stdout(sys.stderr):
        model = make_model()
        write_model(folder, model)
        facts = choose_bias(folder)
        with torch.no_grad():
            model.predictor.cif_output.bias.fill_(facts["bias"])
        write_model(folder, model)
    (folder / "facts.json").write_text(json.dumps(facts) + "\n")
    print(json.dumps(facts))
    return 0


if __name__ == "__main__":
    sys.exit(main())
