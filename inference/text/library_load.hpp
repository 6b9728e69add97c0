#pragma once
// From a folder to a library_tokenizer, for all that wordpiece_tokenizer is not for: what transformers' classes make of
// tokenizer.json, or of vocab.json and merges.txt, or of a SentencePiece model. Internal to tokenizer::load.

#include <filesystem>
#include <memory>

#include "inference/files/model_json.hpp"
#include "inference/text/library_tokenizer.hpp"
#include "inference/text/tokenizer_settings.hpp"

namespace troupe::inference {

// `json`: the folder's tokenizer.json; null: it has none.
result<std::shared_ptr<const library_tokenizer>> load_library_tokenizer(const std::filesystem::path& folder,
                                                                        std::shared_ptr<const model_json> json,
                                                                        tokenizer_settings settings,
                                                                        std::int64_t embeddings);

}  // namespace troupe::inference
