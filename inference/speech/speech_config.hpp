#pragma once
// What config.yaml of FunASR's speech models says of their networks and front-ends, checked and bounded. What changes
// an answer and is not known is refused by name; what only training reads is passed over. No Torch types.

#include <cstdint>
#include <initializer_list>
#include <string_view>

#include "config/error.hpp"
#include "inference/audio/front_end.hpp"
#include "inference/files/model_yaml.hpp"

namespace troupe::inference {

// SANMEncoder and its kin: self-attention with a memory block (a depthwise convolution over the values) beside it.
struct sanm_settings {
  std::int64_t input_size = 0, size = 256, heads = 4, inner_size = 2048, layers = 6;
  std::int64_t kernel = 11;      // of the memory block, in frames
  std::int64_t kernel_left = 5;  // of them before the frame that it is for
};

// ParaformerSANMDecoder.
struct paraformer_decoder_settings {
  std::int64_t heads = 4, inner_size = 2048, layers = 6, kernel = 11, kernel_left = 5, vocab_size = 0;
};

// CifPredictorV2: continuous integrate and fire.
struct cif_settings {
  double threshold = 1, smooth_factor = 1, noise_threshold = 0, tail_threshold = 0;
};

struct paraformer_settings {
  bool streaming = false;
  sanm_settings encoder;
  paraformer_decoder_settings decoder;  // its vocab_size comes from tokens.json
  cif_settings cif;
  front_end_settings front;
};

// `model` ParaformerStreaming or Paraformer. unprocessable: says where, and what is known.
result<paraformer_settings> read_paraformer_settings(const model_yaml& config);

// An encoder_conf. `input_layer`: the only one that is known. `chunked`: SANMEncoderChunkOpt's keys may be there.
result<sanm_settings> read_sanm_settings(const yaml_value& conf, std::int64_t input_size, const char* input_layer,
                                         bool chunked);

// A frontend_conf, of WavFrontend or WavFrontendOnline.
result<front_end_settings> read_front_end_settings(const yaml_value& conf);

// unprocessable: a key of `map` that is none of them, by name.
result<void> refuse_other_keys(const yaml_value& map, std::initializer_list<std::string_view> known);

}  // namespace troupe::inference
