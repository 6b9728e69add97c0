#pragma once
// What config.yaml of a CT-Punc checkpoint says, checked and bounded, and where its weights are. No Torch.

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "inference/encoders/encoder.hpp"
#include "inference/files/checkpoint.hpp"
#include "inference/files/model_yaml.hpp"
#include "inference/speech/punctuation_rules.hpp"
#include "inference/speech/speech_config.hpp"

namespace troupe::inference {

// The longest row that the network is asked for.
inline constexpr std::size_t ct_transformer_positions = mark_windows::window_words_max + mark_windows::piece_words;

struct ct_transformer_settings {
  // CTTransformerStreaming: no word sees those after it, but in the last layer.
  bool streaming = false;
  sanm_settings encoder;
  punctuation_marks marks{{"_"}, 0};
  std::string unknown_word;
  std::int64_t vocab_size = 0;  // from tokens.json
};

// All but vocab_size. unprocessable: says where, and what is known.
result<ct_transformer_settings> read_ct_transformer_settings(const model_yaml& config);

// Every tensor is there, with the right shape and a type that can be converted; else unprocessable.
result<weight_plan> plan_ct_transformer(const ct_transformer_settings& settings, const checkpoint& source);

}  // namespace troupe::inference
