#pragma once
// What sentence-transformers does to a text before it is split: a prompt goes in front, and it may be lower-cased.

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/error.hpp"

namespace troupe::inference {

// Of one loaded model. Any thread.
struct text_rules {
  std::vector<std::pair<std::string, std::string>> prompts;  // names and texts
  std::string default_prompt;                                // the text; empty: none
  bool lower_case = false;
  std::vector<std::string> kept;  // special tokens, which are not lower-cased

  // The prompt of that name; the default one where there is no name. bad_request: no such prompt, and which there are.
  result<std::string_view> prompt(const std::optional<std::string>& name) const;
  // What is split. Text that is not UTF-8 is left as it is: the tokenizer refuses it.
  std::string applied(std::string_view prompt, std::string_view text) const;
};

}  // namespace troupe::inference
