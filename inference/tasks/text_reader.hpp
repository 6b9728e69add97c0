#pragma once
// From a client's values to rows of tokens, within a model's limits. What all tasks on text share.

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "inference/model/task.hpp"
#include "inference/model/values.hpp"
#include "inference/text/tokenizer.hpp"

namespace troupe::inference {

// One row of the network.
struct text_window {
  encoding tokens;
  std::vector<std::uint32_t> picks;  // tokens whose lines are wanted, rising; empty: all
};

// Of one loaded model. Immutable; any thread.
class text_reader {
 public:
  // `token_types`: as weight_plan has it; `ids`: how many embeddings there are; `length_max` >= 1.
  text_reader(std::shared_ptr<const tokenizer> tokens, std::uint32_t length_max, std::int64_t token_types,
              std::int64_t ids);

  const tokenizer& tokens() const noexcept { return *tokens_; }
  std::uint32_t length_max() const noexcept { return length_max_; }

  // A text, a pair or token ids. unprocessable: something else; too long where `truncate` is false; a pair where the
  // model has none. `details`: places, words and specials of the encoding.
  result<encoding> read(const input& in, const task_parameters& given, bool details) const;
  result<encoding> text(std::string_view text, const task_parameters& given, bool details) const;
  // `cut_first_only`: the second is kept whole.
  result<encoding> pair(std::string_view first, std::string_view second, const task_parameters& given,
                        bool cut_first_only) const;
  // All of a long text, with details: rows that share `stride` tokens with the one before. bad_request: a stride that
  // leaves no room, or makes too many rows.
  result<std::vector<encoding>> windows(std::string_view text, std::uint32_t stride,
                                        const task_parameters& given) const;
  // Ids are used as they come.
  result<encoding> ids(const token_ids& given) const;

 private:
  encode_options options_of(const task_parameters& given) const;
  result<encoding> within_limits(result<encoding> made, const task_parameters& given) const;

  std::shared_ptr<const tokenizer> tokens_;
  std::uint32_t length_max_;
  std::int64_t token_types_, ids_;
};

}  // namespace troupe::inference
