#pragma once
// Hugging Face tokenizers of the BERT kind, from tokenizer.json or vocab.txt and the files beside them. The ids are
// meant to be those of transformers 5's AutoTokenizer; where they knowingly are not, docs/decisions.md tells. A component
// that counts and is not implemented is an error that names it; one that the class replaces is told in notes().

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "config/error.hpp"
#include "inference/text/wordpiece.hpp"

namespace troupe::inference {

struct encoding {
  std::vector<std::int32_t> ids;    // special tokens included
  std::vector<std::uint8_t> types;  // which text a token belongs to, as the files say; empty: 0 for all
  bool truncated = false;
};

// Immutable after load; any thread.
class tokenizer {
 public:
  // `embeddings`: how many ids the model has; a token that a file adds beyond them is an error that names it.
  static result<std::shared_ptr<const tokenizer>> load(const std::filesystem::path& folder,
                                                       std::int64_t embeddings = INT32_MAX);

  // At most `length_max` ids, special tokens included (which are kept). Time is linear in the text, and
  // what lies behind the last id is only checked to be UTF-8.
  result<encoding> encode(std::string_view text, std::uint32_t length_max) const;

  // Two texts in one row. Too long ones are cut as transformers does by default, the longer one first; both are read
  // to their ends. unprocessable: the files describe no pair.
  result<encoding> encode_pair(std::string_view first, std::string_view second, std::uint32_t length_max) const;

  std::uint32_t special_count() const noexcept {
    return static_cast<std::uint32_t>(prefix_.size() + suffix_.size());
  }
  std::int32_t largest_id() const noexcept { return largest_id_; }
  std::uint32_t length_max() const noexcept { return length_max_; }  // as its files say; 0: they do not
  const std::string& notes() const noexcept { return notes_; }  // what an operator should know; empty: nothing
  std::size_t memory_bytes() const noexcept;

 private:
  friend class tokenizer_builder;
  friend class text_to_ids;

  enum class step { clean, space_chinese, decompose, strip_nonspacing, strip_marks, lower };
  enum class splitter { bert, whitespace, word };
  struct added_token {
    std::u32string content;
    std::int32_t id = 0;
    bool single_word = false, lstrip = false, rstrip = false;
    bool is_text = false;  // found, and left to the words around it
  };
  // A part of a pair's row: a text, or a special token.
  struct pair_part {
    enum class kind : std::uint8_t { special, first, second };
    kind what = kind::special;
    std::uint8_t type = 0;
    std::int32_t id = 0;  // of the special token
    bool operator==(const pair_part&) const = default;
  };
  // Tokens that are found in the text as they stand, by their first character, longest first.
  struct added_set {
    std::unordered_map<char32_t, std::vector<added_token>> by_first;
    std::uint64_t ascii_low = 0, ascii_high = 0;  // the first characters below 128
    void add(added_token token);
    const added_token* match(std::u32string_view text, std::size_t at) const;
  };

  tokenizer() : model_({}, 64) {}

  std::u32string normalize(std::u32string_view text) const;
  // The ids of a text alone, no special tokens around it; may stop once it has more than `keep`.
  result<std::vector<std::int32_t>> ids_of(std::string_view text, std::size_t keep) const;

  std::vector<step> steps_;
  std::vector<splitter> splitters_;
  wordpiece model_;
  added_set raw_, normalized_;  // matched before and after normalization
  std::vector<std::int32_t> prefix_, suffix_;
  std::vector<pair_part> pair_;  // empty: no pairs
  std::uint32_t length_max_ = 0;
  bool cut_left_ = false;
  std::int32_t largest_id_ = -1;
  std::string notes_;
};

}  // namespace troupe::inference
