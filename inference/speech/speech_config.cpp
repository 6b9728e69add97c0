#include "inference/speech/speech_config.hpp"

#include <algorithm>

namespace troupe::inference {
namespace {

constexpr std::int64_t size_max = 1 << 14, inner_max = 1 << 16, heads_max = 1 << 10, layers_max = 400, kernel_max = 129;

// How many frames of a memory block come before the one that it is for: the reference pads in the middle, moved by the
// shift.
result<std::int64_t> left_of(const yaml_value& conf, std::int64_t kernel, std::int64_t shift) {
  const auto left = (kernel - 1) / 2 + std::max<std::int64_t>(shift, 0);
  if (left <= kernel - 1) return left;
  return conf["sanm_shfit"].problem("is larger than half the kernel_size, " + std::to_string(kernel));
}

bool says_null(const yaml_value& conf, std::string_view key) {
  const auto keys = conf.keys();
  return std::find(keys.begin(), keys.end(), key) != keys.end() && !conf[key].present();
}

result<cif_settings> read_cif(const yaml_value& root, std::int64_t size) {
  if (auto ok = yaml_reader().need(root["predictor"]).expect(root["predictor"], "CifPredictorV2").done(); !ok)
    return tl::unexpected(ok.error());
  const auto conf = root["predictor_conf"];
  if (auto ok = refuse_other_keys(
          conf, {"idim", "l_order", "r_order", "threshold", "dropout", "smooth_factor", "noise_threshold",
                 "tail_threshold", "tail_mask", "tf2torch_tensor_name_prefix_torch", "tf2torch_tensor_name_prefix_tf"});
      !ok)
    return tl::unexpected(ok.error());
  cif_settings s;
  auto read = yaml_reader();
  read.need(conf["idim"]).expect(conf["idim"], static_cast<int>(size));
  read.need(conf["l_order"]).expect(conf["l_order"], 1).need(conf["r_order"]).expect(conf["r_order"], 1);
  read.number(conf["threshold"], s.threshold, 0.01, 100).number(conf["smooth_factor"], s.smooth_factor, 0, 1);
  read.number(conf["noise_threshold"], s.noise_threshold, 0, 1);
  read.number(conf["tail_threshold"], s.tail_threshold, 0, 1);
  if (auto ok = read.expect(conf["tail_mask"], true).done(); !ok) return tl::unexpected(ok.error());
  return s;
}

result<paraformer_decoder_settings> read_decoder(const yaml_value& root, bool streaming) {
  if (auto ok = yaml_reader().need(root["decoder"]).expect(root["decoder"], "ParaformerSANMDecoder").done(); !ok)
    return tl::unexpected(ok.error());
  const auto conf = root["decoder_conf"];
  if (auto ok = refuse_other_keys(conf, {"attention_heads",
                                         "linear_units",
                                         "num_blocks",
                                         "dropout_rate",
                                         "positional_dropout_rate",
                                         "self_attention_dropout_rate",
                                         "src_attention_dropout_rate",
                                         "input_layer",
                                         "use_output_layer",
                                         "wo_input_layer",
                                         "pos_enc_class",
                                         "normalize_before",
                                         "concat_after",
                                         "att_layer_num",
                                         "kernel_size",
                                         "sanm_shfit",
                                         "lora_list",
                                         "lora_rank",
                                         "lora_alpha",
                                         "lora_dropout",
                                         "chunk_multiply_factor",
                                         "tf2torch_tensor_name_prefix_torch",
                                         "tf2torch_tensor_name_prefix_tf"});
      !ok)
    return tl::unexpected(ok.error());
  paraformer_decoder_settings s;
  s.kernel = 21;  // the class' own
  std::int64_t attended = 6, shift = 0;
  auto read = yaml_reader();
  read.whole(conf["attention_heads"], s.heads, 1, heads_max).whole(conf["linear_units"], s.inner_size, 1, inner_max);
  read.whole(conf["num_blocks"], s.layers, 1, layers_max).whole(conf["att_layer_num"], attended, 1, layers_max);
  read.whole(conf["kernel_size"], s.kernel, 1, kernel_max).whole(conf["sanm_shfit"], shift, 0, kernel_max);
  read.expect(conf["use_output_layer"], true).expect(conf["normalize_before"], true);
  if (auto ok = read.expect(conf["concat_after"], false).done(); !ok) return tl::unexpected(ok.error());
  if (conf["lora_list"].present()) return conf["lora_list"].problem("names adapters (LoRA), which are not known");
  if (attended < s.layers)
    return conf["att_layer_num"].problem("is less than num_blocks: layers without attention are not known");
  s.layers = attended;  // however few num_blocks are
  if (says_null(conf, "sanm_shfit")) shift = (s.kernel - 1) / 2;
  const auto left = left_of(conf, s.kernel, shift);
  if (!left) return tl::unexpected(left.error());
  s.kernel_left = *left;
  if (streaming && s.kernel_left != s.kernel - 1)
    return conf["sanm_shfit"].problem("lets the memory block look ahead, which a streaming decoder cannot",
                                      std::to_string(s.kernel / 2));
  return s;
}

}  // namespace

result<void> refuse_other_keys(const yaml_value& map, std::initializer_list<std::string_view> known) {
  for (const auto& key : map.keys())
    if (std::find(known.begin(), known.end(), key) == known.end()) return map[key].problem("is not known");
  return {};
}

result<sanm_settings> read_sanm_settings(const yaml_value& conf, std::int64_t input_size, const char* input_layer,
                                         bool chunked) {
  for (const auto* key :
       {"chunk_size", "stride", "pad_left", "encoder_att_look_back_factor", "decoder_att_look_back_factor"})
    if (!chunked && conf[key].present()) return conf[key].problem("belongs to a streaming encoder");
  if (auto ok = refuse_other_keys(conf, {"input_size",
                                         "output_size",
                                         "attention_heads",
                                         "linear_units",
                                         "num_blocks",
                                         "dropout_rate",
                                         "positional_dropout_rate",
                                         "attention_dropout_rate",
                                         "input_layer",
                                         "pos_enc_class",
                                         "normalize_before",
                                         "concat_after",
                                         "positionwise_layer_type",
                                         "positionwise_conv_kernel_size",
                                         "padding_idx",
                                         "interctc_layer_idx",
                                         "interctc_use_conditioning",
                                         "kernel_size",
                                         "sanm_shfit",
                                         "lora_list",
                                         "lora_rank",
                                         "lora_alpha",
                                         "lora_dropout",
                                         "selfattention_layer_type",
                                         "chunk_size",
                                         "stride",
                                         "pad_left",
                                         "encoder_att_look_back_factor",
                                         "decoder_att_look_back_factor",
                                         "tf2torch_tensor_name_prefix_torch",
                                         "tf2torch_tensor_name_prefix_tf"});
      !ok)
    return tl::unexpected(ok.error());
  sanm_settings s;
  s.input_size = input_size;
  std::int64_t shift = 0;
  auto read = yaml_reader();
  read.whole(conf["output_size"], s.size, 1, size_max).whole(conf["attention_heads"], s.heads, 1, heads_max);
  read.whole(conf["linear_units"], s.inner_size, 1, inner_max).whole(conf["num_blocks"], s.layers, 1, layers_max);
  read.whole(conf["kernel_size"], s.kernel, 1, kernel_max).whole(conf["sanm_shfit"], shift, 0, kernel_max);
  read.need(conf["input_layer"]).expect(conf["input_layer"], input_layer);
  read.expect(conf["input_size"], static_cast<int>(input_size)).expect(conf["normalize_before"], true);
  read.expect(conf["concat_after"], false).expect(conf["pos_enc_class"], "SinusoidalPositionEncoder");
  read.expect(conf["positionwise_layer_type"], "linear").expect(conf["selfattention_layer_type"], "sanm");
  if (auto ok = read.done(); !ok) return tl::unexpected(ok.error());
  if (conf["lora_list"].present()) return conf["lora_list"].problem("names adapters (LoRA), which are not known");
  if (s.size % s.heads != 0) return conf["attention_heads"].problem("does not divide the output_size");
  if (says_null(conf, "sanm_shfit")) return conf["sanm_shfit"].problem("is null, a number of frames is needed");
  const auto left = left_of(conf, s.kernel, shift);
  if (!left) return tl::unexpected(left.error());
  s.kernel_left = *left;
  return s;
}

result<front_end_settings> read_front_end_settings(const yaml_value& conf) {
  if (auto ok = refuse_other_keys(
          conf, {"fs", "window", "n_mels", "frame_length", "frame_shift", "lfr_m", "lfr_n", "dither", "snip_edges",
                 "upsacle_samples", "filter_length_min", "filter_length_max", "cmvn_file"});
      !ok)
    return tl::unexpected(ok.error());
  front_end_settings s;
  std::int64_t rate = 16000, mels = 80, m = 1, n = 1;
  auto read = yaml_reader();
  read.whole(conf["fs"], rate, 8000, 48000).text(conf["window"], s.fbank.window).whole(conf["n_mels"], mels, 1, 512);
  read.number(conf["frame_length"], s.fbank.frame_length_ms, 1, 1000);
  read.number(conf["frame_shift"], s.fbank.frame_shift_ms, 1, 1000);
  read.whole(conf["lfr_m"], m, 1, 64).whole(conf["lfr_n"], n, 1, 64);
  if (auto ok = read.expect(conf["snip_edges"], true).expect(conf["upsacle_samples"], true).done(); !ok)
    return tl::unexpected(ok.error());
  s.fbank.rate_hz = static_cast<std::uint32_t>(rate);
  s.fbank.mels = static_cast<std::uint32_t>(mels);
  s.lfr_m = static_cast<std::uint32_t>(m);
  s.lfr_n = static_cast<std::uint32_t>(n);
  return s;
}

result<paraformer_settings> read_paraformer_settings(const model_yaml& config) {
  const auto root = config.root();
  const auto model = root["model"].text();
  if (!model) return tl::unexpected(model.error());
  paraformer_settings s;
  s.streaming = *model == "ParaformerStreaming";
  if (!s.streaming && *model != "Paraformer")
    return root["model"].problem("is '" + *model + "', which is not supported", "ParaformerStreaming, Paraformer");

  // Front-end and tokens; those of training (specaug, ctc, the optimizer) are nobody's concern here.
  auto read = yaml_reader();
  // The latter's other name is the reference's, too.
  const bool other_name = !s.streaming && root["frontend"].text() == std::string("wav_frontend");
  read.need(root["frontend"]);
  if (!other_name) read.expect(root["frontend"], s.streaming ? "WavFrontendOnline" : "WavFrontend");
  read.need(root["tokenizer"]).expect(root["tokenizer"], "CharTokenizer");
  const auto told = root["model_conf"];
  read.expect(told["sos"], 1).expect(told["eos"], 2).expect(told["blank_id"], 0);
  if (auto ok = read.done(); !ok) return tl::unexpected(ok.error());
  if (root["normalize"].present()) return root["normalize"].problem("is not known: am.mvn normalises");
  auto front = read_front_end_settings(root["frontend_conf"]);
  if (!front) return tl::unexpected(front.error());
  s.front = std::move(*front);

  const char* encoder_class = s.streaming ? "SANMEncoderChunkOpt" : "SANMEncoder";
  if (auto ok = yaml_reader().need(root["encoder"]).expect(root["encoder"], encoder_class).done(); !ok)
    return tl::unexpected(ok.error());
  const auto width = static_cast<std::int64_t>(s.front.fbank.mels) * s.front.lfr_m;
  const auto encoder = read_sanm_settings(root["encoder_conf"], width, s.streaming ? "pe_online" : "pe", s.streaming);
  if (!encoder) return tl::unexpected(encoder.error());
  s.encoder = *encoder;
  if (width % 2 != 0 || width < 4) return root["frontend_conf"]["n_mels"].problem("gives frames of an odd width");

  const auto cif = read_cif(root, s.encoder.size);
  if (!cif) return tl::unexpected(cif.error());
  s.cif = *cif;
  // The reference fires where a sum passes a whole number, whatever the threshold; and without a tail it counts tokens
  // in another way.
  if (!s.streaming && s.cif.threshold != 1)
    return root["predictor_conf"]["threshold"].problem("is not 1, the only one that an offline model uses");
  if (!s.streaming && !(s.cif.tail_threshold > 0))
    return root["predictor_conf"]["tail_threshold"].problem("must be above 0");
  const auto decoder = read_decoder(root, s.streaming);
  if (!decoder) return tl::unexpected(decoder.error());
  s.decoder = *decoder;
  if (s.encoder.size % s.decoder.heads != 0)
    return root["decoder_conf"]["attention_heads"].problem("does not divide the encoder's output_size");
  return s;
}

}  // namespace troupe::inference
