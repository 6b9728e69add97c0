#pragma once
// Hugging Face folders of the BERT family as a `model`: tokenizer, weights and network put together.

#include <memory>

#include "inference/loader.hpp"

namespace troupe::inference {

result<std::uint64_t> estimate_text_classifier(const artifact_spec& spec, const load_options& options);
result<std::unique_ptr<const model>> load_text_classifier(const artifact_spec& spec,
                                                          const load_options& options);

}  // namespace troupe::inference
