#pragma once
// What a model's tokenizer tells of texts, without its network.

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "config/error.hpp"

namespace troupe::inference {

struct text_token {
  std::int32_t id = 0;
  std::string text;      // the piece of the text that it stands for; of a special one its own name ("[CLS]")
  bool special = false;  // stands around the text
  std::optional<std::uint32_t> begin, end;  // Unicode characters of the text, [begin, end); null where special
};

struct tokenize_options {
  bool special_tokens = true;              // those around the text
  std::optional<std::string> prompt_name;  // as task_parameters has it; places count from the prompt's begin
};

// Of one loaded model, which outlives it. Immutable; any thread. Time is linear in the text.
class text_tools {
 public:
  virtual ~text_tools() = default;
  // All of the text, however long. bad_request: there is no such prompt. unprocessable: not UTF-8, or a text that the
  // tokenizer cannot read.
  virtual result<std::vector<text_token>> tokenize(std::string_view text, const tokenize_options& options) const = 0;
  // unprocessable: an id that the vocabulary does not have.
  virtual result<std::string> decode(std::span<const std::int32_t> ids, bool skip_special) const = 0;
};

}  // namespace troupe::inference
