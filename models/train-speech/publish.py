#!/usr/bin/env python3
"""Writes the trained models as FunASR's publishers ship theirs: models/speech-demo/{streaming_asr,punctuation}/.

Weights are rounded to half precision in the files (they were trained in fp32).
"""
import json
import pathlib
import shutil
import sys

import torch
import yaml

import features
from network import Paraformer, Shape
from train_punctuation import PUNC_LIST

HERE = pathlib.Path(__file__).parent
INTO = HERE.parent / "speech-demo"


def encoder_conf(shape, input_layer, **more):
    return {"output_size": shape.size, "attention_heads": shape.heads, "linear_units": shape.inner,
            "num_blocks": shape.blocks, "dropout_rate": 0.05, "positional_dropout_rate": 0.05, "attention_dropout_rate": 0.0,
            "input_layer": input_layer, "pos_enc_class": "SinusoidalPositionEncoder", "normalize_before": True,
            "kernel_size": shape.kernel, "sanm_shfit": 0, "selfattention_layer_type": "sanm", **more}


def recognizer_config(shape):
    return {
        "model": "ParaformerStreaming",
        "model_conf": {"ctc_weight": 0.0, "lsm_weight": 0.05, "length_normalized_loss": True, "predictor_weight": 1.0,
                       "predictor_bias": 1, "sampling_ratio": 0.0},
        "encoder": "SANMEncoderChunkOpt",
        "encoder_conf": encoder_conf(shape, "pe_online", chunk_size=[15, 20], stride=[10, 10], pad_left=[0, 5],
                                     encoder_att_look_back_factor=[4, 4], decoder_att_look_back_factor=[1, 0]),
        "decoder": "ParaformerSANMDecoder",
        "decoder_conf": {"attention_heads": shape.heads, "linear_units": shape.inner, "num_blocks": shape.decoder_blocks,
                         "dropout_rate": 0.05, "positional_dropout_rate": 0.05, "self_attention_dropout_rate": 0.0,
                         "src_attention_dropout_rate": 0.0, "att_layer_num": shape.decoder_blocks,
                         "kernel_size": shape.kernel, "sanm_shfit": shape.kernel // 2},
        "predictor": "CifPredictorV2",
        "predictor_conf": {"idim": shape.size, "threshold": 1.0, "l_order": 1, "r_order": 1,
                           "noise_threshold": Paraformer.NOISE_THRESHOLD, "tail_threshold": Paraformer.TAIL},
        "frontend": "WavFrontendOnline",
        "frontend_conf": {"fs": 16000, "window": "hamming", "n_mels": features.MELS, "frame_length": 25, "frame_shift": 10,
                          "lfr_m": features.STACKED, "lfr_n": features.EVERY},
        "tokenizer": "CharTokenizer", "tokenizer_conf": {"unk_symbol": "<unk>", "split_with_space": True},
    }


def punctuation_config(shape):
    return {
        "model": "CTTransformer",
        "model_conf": {"ignore_id": 0, "embed_unit": shape.size, "att_unit": shape.size, "dropout_rate": 0.1,
                       "punc_list": PUNC_LIST, "punc_weight": None, "sentence_end_id": 3},
        "encoder": "SANMEncoder",
        "encoder_conf": encoder_conf(shape, "pe", input_size=shape.size, padding_idx=0),
        "tokenizer": "CharTokenizer", "tokenizer_conf": {"unk_symbol": "<unk>"},
    }


def write(folder, config, tokens, weights, task, **files):
    """`files`: what FunASR finds by configuration.json beside config.yaml, model.pt and tokens.json."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False, allow_unicode=True))
    metas = {"init_param": "model.pt", "config": "config.yaml", "tokenizer_conf": {"token_list": "tokens.json"}, **files}
    (folder / "configuration.json").write_text(json.dumps(
        {"framework": "pytorch", "task": task, "model": {"type": "funasr"}, "file_path_metas": metas}, indent=1) + "\n")
    (folder / "tokens.json").write_text(json.dumps(tokens, ensure_ascii=False, indent=0) + "\n")
    torch.save({k: v.half().contiguous() for k, v in weights.items()}, folder / "model.pt")
    print(folder, sum(p.stat().st_size for p in folder.iterdir()), "bytes")


def recognizer(data, into):
    kept = torch.load(data / "recognizer.pt", weights_only=True)
    shape = Shape(**kept["shape"])
    weights = dict(kept["model"])
    weights["decoder.embed.0.weight"] = weights["decoder.output_layer.weight"]  # FunASR's class has it; nothing reads it
    write(into / "streaming_asr", recognizer_config(shape), kept["tokens"], weights, "auto-speech-recognition",
          frontend_conf={"cmvn_file": "am.mvn"})
    features.write_mvn(into / "streaming_asr" / "am.mvn", kept["shift"], kept["scale"])


def punctuation(data, into):
    kept = torch.load(data / "punctuation.pt", weights_only=True)
    write(into / "punctuation", punctuation_config(Shape(**kept["shape"])), kept["tokens"], kept["model"], "punctuation")


if __name__ == "__main__":
    data, into = HERE / "data", pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else INTO
    for what in (recognizer, punctuation):
        what(data, into)
