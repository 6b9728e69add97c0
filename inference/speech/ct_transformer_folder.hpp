#pragma once
// A CT-Punc folder, opened. No Torch.

#include <optional>
#include <string>

#include "inference/files/checkpoint.hpp"
#include "inference/speech/ct_transformer_config.hpp"
#include "inference/speech/funasr_folder.hpp"
#include "inference/speech/segmentation.hpp"
#include "inference/speech/word_ids.hpp"

namespace troupe::inference {

// What makes words and ids of a text. Immutable.
struct ct_transformer_reader {
  word_ids ids;
  std::optional<word_dictionary> dictionary;  // not set: texts are not segmented

  std::uint64_t memory_bytes() const noexcept {
    return ids.memory_bytes() + (dictionary ? dictionary->memory_bytes() : 0);
  }
};

struct opened_ct_transformer {
  ct_transformer_settings settings;
  ct_transformer_reader reader;
  checkpoint source;
  weight_plan plan;
  std::string notes;  // what an operator should know of it; empty: nothing
};

// No weights are read. load_failed: something is not there; unprocessable: it is not known, or does not fit.
result<opened_ct_transformer> open_ct_transformer(const funasr_folder& folder);

}  // namespace troupe::inference
