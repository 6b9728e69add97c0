#pragma once
// From texts to the ids that a checkpoint's own tokenizer gives, and back. The ids are meant to be those of
// transformers 5's AutoTokenizer; where they knowingly are not, docs/decisions.md tells. What counts and is not known
// is an error that names it; what the class replaces is told in notes().

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "config/error.hpp"

namespace troupe::inference {

// Unicode characters of the text that a token came from, [begin, end); of a special token [0, 0).
struct char_range {
  std::uint32_t begin = 0, end = 0;
  bool operator==(const char_range&) const = default;
};

struct encoding {
  std::vector<std::int32_t> ids;    // special tokens included
  std::vector<std::uint8_t> types;  // which text a token belongs to, as the files say; empty: 0 for all
  bool truncated = false;
  // Only where encode_options::details asks for them, as long as `ids`.
  std::vector<char_range> places;
  std::vector<std::uint8_t> special;  // 1: a special token that stands around the text
  std::vector<std::int32_t> words;    // the number of the pre-tokenizer's word; -1: none
};

struct encode_options {
  std::uint32_t length_max = UINT32_MAX;  // ids, special tokens included
  std::optional<bool> cut_left = {};      // which end of a long text goes; absent: as the files say
  bool cut_first_only = false;            // of a pair only the first text is cut; else the longer one first
  bool special_tokens = true;             // those around the text
  bool details = false;
};

// The ids of tokens with a meaning of their own, as the files name them; absent: there is none.
struct special_ids {
  std::optional<std::int32_t> unk, cls, sep, pad, mask;
};

// Immutable after load; any thread.
class tokenizer {
 public:
  // `embeddings`: how many ids the model has; a token that a file adds beyond them is an error that names it.
  // load_failed: the folder has no tokenizer. unprocessable: what it has is not known, or broken.
  static result<std::shared_ptr<const tokenizer>> load(const std::filesystem::path& folder,
                                                       std::int64_t embeddings = INT32_MAX);
  virtual ~tokenizer() = default;

  // At most length_max ids, special tokens included (which are kept). Time is linear in the text. unprocessable: not
  // UTF-8, or a text that a pattern of the files takes too long for.
  virtual result<encoding> encode(std::string_view text, const encode_options& options) const = 0;
  // Two texts in one row. unprocessable: the files describe no pair; or cut_first_only, and the second is too long.
  virtual result<encoding> encode_pair(std::string_view first, std::string_view second,
                                       const encode_options& options) const = 0;
  // All of a long text: rows of at most length_max ids, each of which starts with the last `stride` ids of the one
  // before it (without special tokens). REQUIRES stride < length_max - special_count().
  virtual result<std::vector<encoding>> encode_windows(std::string_view text, std::uint32_t stride,
                                                       const encode_options& options) const = 0;
  result<encoding> encode(std::string_view text, std::uint32_t length_max) const {
    return encode(text, encode_options{.length_max = length_max});
  }
  result<encoding> encode_pair(std::string_view first, std::string_view second, std::uint32_t length_max) const {
    return encode_pair(first, second, encode_options{.length_max = length_max});
  }

  // As the files' decoder joins tokens; ids that there are not are left out. `cleaned`: clean_up_tokenization_spaces as
  // the class has it.
  virtual result<std::string> decode(std::span<const std::int32_t> ids, bool skip_special, bool cleaned) const = 0;
  // convert_tokens_to_string: the decoder's words for some tokens, special ones too, nothing cleaned.
  virtual result<std::string> join(std::span<const std::int32_t> ids) const = 0;
  virtual std::optional<std::string> token_of(std::int32_t id) const = 0;
  virtual std::optional<std::int32_t> id_of(std::string_view token) const = 0;
  virtual const special_ids& specials() const noexcept = 0;
  // "##": what marks a token that goes on with a word; empty: the model has no such mark.
  virtual std::string_view continuing_prefix() const noexcept = 0;
  // What details, windows, decode and join need may be made when they are first asked for; this makes it now.
  virtual result<void> make_details() const = 0;

  virtual std::uint32_t special_count() const noexcept = 0;       // around one text
  virtual std::uint32_t pair_special_count() const noexcept = 0;  // around two; 0: no pairs
  virtual std::int32_t largest_id() const noexcept = 0;
  // The class feeds token types to its network (model_input_names); else all tokens have type 0 there.
  virtual bool typed() const noexcept { return true; }
  virtual std::uint32_t length_max() const noexcept = 0;  // as its files say; 0: they do not
  virtual const std::string& notes() const noexcept = 0;  // what an operator should know; empty: nothing
  virtual std::size_t memory_bytes() const noexcept = 0;  // now; grows by what make_details() makes
};

}  // namespace troupe::inference
