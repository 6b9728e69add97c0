#pragma once
// The vocabulary of a library_tokenizer, wherever it lies: tokenizer.json's model, vocab.json and merges.txt, or a
// SentencePiece model. Internal to library_load.cpp.

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "inference/files/model_json.hpp"
#include "inference/text/library_tokenizer.hpp"
#include "inference/text/sentencepiece.hpp"
#include "inference/text/tokenizer_settings.hpp"

namespace troupe::inference {

enum class vocabulary_kind { bpe, unigram, other };

// As the library's models take it.
struct library_vocabulary {
  vocabulary_kind kind = vocabulary_kind::other;
  std::string model_type;              // tokenizer.json's word for it
  std::string words, merges;           // JSON; empty where tokenizer.json is taken as it stands
  std::string charsmap;                // base64, in quotes; empty: none
  std::optional<std::int64_t> unk_id;  // as a SentencePiece model says
  std::vector<library_token> control;  // its tokens that no text is split into
  std::optional<sentencepiece_model> proto;
  std::int32_t largest_id = -1;
  // Of a Unigram vocabulary: the first word that is the unknown token, and the first such with score 0.
  std::optional<std::int64_t> unknown_at, unknown_without_score_at;
};

// The family's models are BPE over bytes.
bool is_byte_level(tokenizer_family kind) noexcept;

// `json`: the folder's tokenizer.json; null: it has none. unprocessable: no vocabulary of the family's, or one that is
// broken or too large.
result<library_vocabulary> read_library_vocabulary(const std::filesystem::path& folder,
                                                   const std::shared_ptr<const model_json>& json,
                                                   const tokenizer_settings& settings);

}  // namespace troupe::inference
