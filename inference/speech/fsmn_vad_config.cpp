#include "inference/speech/fsmn_vad_config.hpp"

#include <algorithm>

#include "inference/encoders/plan_writer.hpp"

namespace troupe::inference {
namespace {

constexpr std::int64_t size_max = 1 << 14, layers_max = 400, kernel_max = 1024, time_ms_max = 24 * 3600 * 1000;
constexpr std::string_view known_model = "FsmnVADStreaming";
// Samples of -1 .. 1 give frames of -60 dB and more, and never so much less than those before: where a threshold is not
// above these, how loud it is does not matter.
constexpr double decibel_min = -60, snr_min = -90;

result<fsmn_settings> read_network(const yaml_value& root, std::int64_t input_size) {
  if (auto ok = yaml_reader().need(root["encoder"]).expect(root["encoder"], "FSMN").done(); !ok)
    return tl::unexpected(ok.error());
  const auto conf = root["encoder_conf"];
  if (auto ok =
          refuse_other_keys(conf, {"input_dim", "input_affine_dim", "fsmn_layers", "linear_dim", "proj_dim", "lorder",
                                   "rorder", "lstride", "rstride", "output_affine_dim", "output_dim", "use_softmax"});
      !ok)
    return tl::unexpected(ok.error());
  fsmn_settings s;
  auto read = yaml_reader();
  for (const auto* key : {"input_dim", "input_affine_dim", "fsmn_layers", "linear_dim", "proj_dim", "lorder", "rorder",
                          "lstride", "output_affine_dim", "output_dim"})
    read.need(conf[key]);
  read.whole(conf["input_dim"], s.input_size, 1, size_max);
  read.whole(conf["input_affine_dim"], s.input_inner_size, 1, size_max);
  read.whole(conf["fsmn_layers"], s.layers, 1, layers_max).whole(conf["linear_dim"], s.size, 1, size_max);
  read.whole(conf["proj_dim"], s.memory_size, 1, size_max).whole(conf["lorder"], s.kernel, 1, kernel_max);
  // With frames to come, or further apart, it would need other memories.
  read.expect(conf["rorder"], 0).expect(conf["lstride"], 1);
  read.whole(conf["output_affine_dim"], s.output_inner_size, 1, size_max);
  read.whole(conf["output_dim"], s.output_size, 1, size_max).expect(conf["use_softmax"], true);
  if (auto ok = read.done(); !ok) return tl::unexpected(ok.error());
  if (s.input_size != input_size)
    return conf["input_dim"].problem("is not what the front-end gives, " + std::to_string(input_size));
  return s;
}

// `do_extend: 1` or `do_extend: true`.
result<void> read_extend(const yaml_value& from, bool& into) {
  if (!from.present()) return {};
  if (const auto number = from.whole(0, 1)) {
    into = *number == 1;
    return {};
  }
  return yaml_reader().flag(from, into).done();
}

result<void> read_endpoints(const yaml_value& conf, fsmn_vad_settings& s) {
  if (auto ok = refuse_other_keys(conf, {"sample_rate",
                                         "detect_mode",
                                         "snr_mode",
                                         "max_end_silence_time",
                                         "max_start_silence_time",
                                         "do_start_point_detection",
                                         "do_end_point_detection",
                                         "window_size_ms",
                                         "sil_to_speech_time_thres",
                                         "speech_to_sil_time_thres",
                                         "speech_2_noise_ratio",
                                         "do_extend",
                                         "lookback_time_start_point",
                                         "lookahead_time_end_point",
                                         "max_single_segment_time",
                                         "nn_eval_block_size",
                                         "dcd_block_size",
                                         "snr_thres",
                                         "noise_frame_num_used_for_snr",
                                         "decibel_thres",
                                         "speech_noise_thres",
                                         "fe_prior_thres",
                                         "silence_pdf_num",
                                         "sil_pdf_ids",
                                         "speech_noise_thresh_low",
                                         "speech_noise_thresh_high",
                                         "output_frame_probs",
                                         "frame_in_ms",
                                         "frame_length_ms"});
      !ok)
    return ok;
  auto& e = s.endpoints;
  std::int64_t classes = 1;
  double decibel = -100, snr = -100, prior = 1e-4;
  s.silence_classes = {0};
  auto read = yaml_reader();
  read.expect(conf["sample_rate"], static_cast<int>(s.front.fbank.rate_hz));
  read.expect(conf["detect_mode"], 1);  // many utterances
  read.whole(conf["frame_in_ms"], e.frame_ms, 1, 1000).whole(conf["window_size_ms"], e.window_ms, 1, 60'000);
  read.whole(conf["sil_to_speech_time_thres"], e.to_speech_ms, 1, 60'000);
  read.whole(conf["speech_to_sil_time_thres"], e.to_silence_ms, 0, 60'000);
  read.whole(conf["lookback_time_start_point"], e.look_back_ms, 0, 60'000);
  read.whole(conf["lookahead_time_end_point"], e.look_ahead_ms, 0, 60'000);
  read.whole(conf["max_end_silence_time"], e.end_silence_ms, 0, time_ms_max);
  read.whole(conf["max_single_segment_time"], e.segment_ms_max, 1, time_ms_max);
  read.number(conf["speech_noise_thres"], e.speech_threshold, -1, 1);
  read.number(conf["speech_2_noise_ratio"], e.silence_exponent, 0, 100);
  read.number(conf["decibel_thres"], decibel, -1e9, 1e9).number(conf["snr_thres"], snr, -1e9, 1e9);
  read.number(conf["fe_prior_thres"], prior, 0, 1e9).whole(conf["silence_pdf_num"], classes, 1, size_max);
  read.wholes(conf["sil_pdf_ids"], s.silence_classes, 0, s.network.output_size - 1);
  if (auto ok = read.done(); !ok) return ok;
  if (auto ok = read_extend(conf["do_extend"], e.extend); !ok) return ok;
  if (classes != static_cast<std::int64_t>(s.silence_classes.size()))
    return conf["silence_pdf_num"].problem("is not how many sil_pdf_ids there are");
  if (decibel > decibel_min) return conf["decibel_thres"].problem("asks how loud it is, which is not known here");
  if (snr > snr_min) return conf["snr_thres"].problem("asks how loud it is, which is not known here");
  if (prior >= 1) return conf["fe_prior_thres"].problem("makes everything silence");
  if (e.window_ms < e.frame_ms) return conf["window_size_ms"].problem("is less than a frame");
  if (e.to_speech_ms < e.frame_ms) return conf["sil_to_speech_time_thres"].problem("is less than a frame");
  if (e.end_silence_ms < e.to_silence_ms)
    return conf["max_end_silence_time"].problem("is less than speech_to_sil_time_thres, which it contains");
  return {};
}

}  // namespace

result<fsmn_vad_settings> read_fsmn_vad_settings(const model_yaml& config) {
  const auto root = config.root();
  const auto model = root["model"].text();
  if (!model) return tl::unexpected(model.error());
  if (*model != known_model)
    return root["model"].problem("is '" + *model + "', which is not supported", std::string(known_model));
  if (auto ok = yaml_reader().need(root["frontend"]).expect(root["frontend"], "WavFrontendOnline").done(); !ok)
    return tl::unexpected(ok.error());
  fsmn_vad_settings s;
  auto front = read_front_end_settings(root["frontend_conf"]);
  if (!front) return tl::unexpected(front.error());
  s.front = std::move(*front);
  auto network = read_network(root, static_cast<std::int64_t>(s.front.fbank.mels) * s.front.lfr_m);
  if (!network) return tl::unexpected(network.error());
  s.network = *network;
  const auto conf = root["model_conf"];
  if (auto ok = read_endpoints(conf, s); !ok) return tl::unexpected(ok.error());
  if (static_cast<double>(s.endpoints.frame_ms) != s.front.fbank.frame_shift_ms * s.front.lfr_n)
    return conf["frame_in_ms"].problem("is not how far apart the front-end's frames are");
  return s;
}

result<weight_plan> plan_fsmn_vad(const fsmn_settings& s, const checkpoint& source) {
  plan_writer plan(source, "module.");
  plan.linear("in1", s.input_inner_size, s.input_size, {"encoder.in_linear1.linear"});
  plan.linear("in2", s.size, s.input_inner_size, {"encoder.in_linear2.linear"});
  for (std::int64_t i = 0; i < s.layers; ++i) {
    const auto name = "layer." + std::to_string(i) + '.', from = "encoder.fsmn." + std::to_string(i) + '.';
    plan.linear(name + "down", s.memory_size, s.size, {from + "linear.linear"}, false);
    plan.tensor(name + "memory", {s.memory_size, 1, s.kernel, 1}, {from + "fsmn_block.conv_left.weight"}, true);
    plan.linear(name + "up", s.size, s.memory_size, {from + "affine.linear"});
    plan.plan().private_bytes += static_cast<std::uint64_t>(s.memory_size * s.kernel) * sizeof(float);  // its taps
  }
  plan.linear("out1", s.output_inner_size, s.size, {"encoder.out_linear1.linear"});
  plan.linear("out2", s.output_size, s.output_inner_size, {"encoder.out_linear2.linear"}, true, true);
  return plan.finish();
}

}  // namespace troupe::inference
