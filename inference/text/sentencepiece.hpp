#pragma once
// SentencePiece models (spiece.model, spm.model, sentencepiece.bpe.model, tokenizer.model): what transformers takes of
// them. A bounded reader of the one protobuf message that they are.

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "config/error.hpp"

namespace troupe::inference {

struct sentencepiece_model {
  enum class algorithm : std::uint8_t { unigram = 1, bpe = 2, word = 3, character = 4 };
  enum class piece_type : std::uint8_t { normal = 1, unknown = 2, control = 3, user_defined = 4, unused = 5, byte = 6 };
  struct piece {
    std::string text;  // UTF-8
    float score = 0;
    piece_type type = piece_type::normal;
  };

  std::vector<piece> pieces;  // a piece's place is its id
  algorithm model = algorithm::unigram;
  bool byte_fallback = false;
  std::int32_t unk_id = 0, bos_id = 1, eos_id = 2;
  std::string unk_piece = "<unk>", bos_piece = "<s>", eos_piece = "</s>";
  std::string precompiled_charsmap;  // bytes
};

// unprocessable: no such message, cut short, or beyond what is read; load_failed: cannot be read.
result<sentencepiece_model> read_sentencepiece(const std::filesystem::path& file);
// `name`: for messages.
result<sentencepiece_model> parse_sentencepiece(std::string_view bytes, const std::string& name);

}  // namespace troupe::inference
