#pragma once
// Hugging Face folders of the BERT family as a `model`: tokenizer, weights and network put together.

#include <memory>

#include "inference/model/artifact.hpp"

namespace troupe::inference {

// `version`: the fingerprint of the files, taken before they are opened; load()'s caller takes it again afterwards.
result<memory_estimate> estimate_text_classifier(const artifact_spec& spec, const load_options& options,
                                                 const std::string& version);
result<std::unique_ptr<const model>> load_text_classifier(const artifact_spec& spec, const load_options& options,
                                                          const std::string& version);

}  // namespace troupe::inference
