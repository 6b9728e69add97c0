#pragma once
// What providers say a model is for, as Hugging Face names it. Pure.

#include <string>
#include <string_view>

namespace troupe::cache {

struct task_words {
  std::string_view pipeline_tag;  // the hub's own word: taken where it has the form of one, new ones appear there
  std::string_view task, type;    // of others: taken where the hub has the word, or it can mean one task only
  std::string_view modality;      // OpenRouter: "text+image->text"
};

// The first of them that says it; empty: none does. Nothing is guessed.
std::string task_of(const task_words& words);

}  // namespace troupe::cache
