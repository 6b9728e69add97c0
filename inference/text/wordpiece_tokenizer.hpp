#pragma once
// WordPiece tokenizers of the BERT kind, from tokenizer.json or vocab.txt and the files beside them: ids from one walk
// over the text, several times as fast as the library. What asks for more than ids (details, windows, decode, join)
// goes to a twin made of the library (library_tokenizer.hpp), which is made when it is first asked for. Internal to
// tokenizer::load.

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "inference/files/model_json.hpp"
#include "inference/text/library_tokenizer.hpp"
#include "inference/text/tokenizer.hpp"
#include "inference/text/tokenizer_settings.hpp"
#include "inference/text/wordpiece.hpp"

namespace troupe::inference {

// Immutable after load but for the twin, which a mutex guards; any thread.
class wordpiece_tokenizer final : public tokenizer {
 public:
  // `json`: tokenizer.json, at `file`; null: `file` is a vocab.txt. Null within the result: the files name a part that
  // the library has and this class has not, and their class does not build that part itself.
  static result<std::shared_ptr<const wordpiece_tokenizer>> make(const std::filesystem::path& file,
                                                                 std::shared_ptr<const model_json> json,
                                                                 tokenizer_settings settings, std::int64_t embeddings);

  using tokenizer::encode;
  using tokenizer::encode_pair;
  // What lies behind the last id that is kept is only checked to be UTF-8.
  result<encoding> encode(std::string_view text, const encode_options& options) const override;
  result<encoding> encode_pair(std::string_view first, std::string_view second,
                               const encode_options& options) const override;
  result<std::vector<encoding>> encode_windows(std::string_view text, std::uint32_t stride,
                                               const encode_options& options) const override;
  result<std::string> decode(std::span<const std::int32_t> ids, bool skip_special, bool cleaned) const override;
  result<std::string> join(std::span<const std::int32_t> ids) const override;
  std::optional<std::string> token_of(std::int32_t id) const override;
  std::optional<std::int32_t> id_of(std::string_view token) const override;
  const special_ids& specials() const noexcept override { return specials_; }
  std::string_view continuing_prefix() const noexcept override { return model_.settings().continuing_prefix; }
  result<void> make_details() const override;

  std::uint32_t special_count() const noexcept override {
    return static_cast<std::uint32_t>(prefix_.size() + suffix_.size());
  }
  std::uint32_t pair_special_count() const noexcept override;
  std::int32_t largest_id() const noexcept override { return largest_id_; }
  std::uint32_t length_max() const noexcept override { return length_max_; }
  bool typed() const noexcept override { return typed_; }
  const std::string& notes() const noexcept override { return notes_; }
  std::size_t memory_bytes() const noexcept override;

 private:
  friend class wordpiece_builder;
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
    void finish();  // after the last add()
    const added_token* match(std::u32string_view text, std::size_t at) const;
  };

  wordpiece_tokenizer() : model_({}, 64) {}

  std::u32string normalize(std::u32string_view text) const;
  // The ids of a text alone, no special tokens around it; may stop once it has more than `keep`.
  result<std::vector<std::int32_t>> ids_of(std::string_view text, std::size_t keep, bool cut_left) const;
  result<std::shared_ptr<const library_tokenizer>> twin() const;

  std::vector<step> steps_;
  std::vector<splitter> splitters_;
  wordpiece model_;
  added_set raw_, normalized_;  // matched before and after normalization
  std::vector<std::int32_t> prefix_, suffix_;
  std::vector<pair_part> pair_;  // empty: no pairs
  std::uint32_t length_max_ = 0;
  bool typed_ = true;
  bool cut_left_ = false;
  std::int32_t largest_id_ = -1;
  special_ids specials_;
  std::unordered_map<std::string, std::int32_t> added_ids_;
  std::string notes_;

  // What the twin is made of, beside the model.
  library_parts parts_;
  library_facts facts_;
  std::optional<std::int32_t> empty_word_;
  mutable std::mutex making_;
  mutable std::shared_ptr<const library_tokenizer> twin_;  // under making_
  mutable std::atomic<std::size_t> twin_bytes_ = 0;
};

}  // namespace troupe::inference
