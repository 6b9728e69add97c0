#pragma once
// Hugging Face folders of the BERT family as a `model`: tokenizer, weights and network put together.

#include <memory>

#include "inference/loader.hpp"

namespace troupe::inference {

result<memory_estimate> estimate_text_classifier(const artifact_spec& spec, const load_options& options);
// `version`: the fingerprint of the files, taken before they are opened; the caller takes it again afterwards.
result<std::unique_ptr<const model>> load_text_classifier(const artifact_spec& spec, const load_options& options,
                                                          const std::string& version);

}  // namespace troupe::inference
