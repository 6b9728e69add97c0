#include "inference/speech/spoken_words.hpp"

#include "inference/speech/detokenize.hpp"

namespace troupe::inference {

std::vector<spoken_word> words_of(std::span<const spoken_token> tokens) {
  using kind = speech_vocabulary::kind;
  std::vector<std::string> texts;
  texts.reserve(tokens.size());
  for (const auto& t : tokens) texts.push_back(t.text);
  const auto vocabulary = speech_vocabulary::of(std::move(texts));
  std::vector<spoken_word> out;
  std::vector<std::int32_t> word;  // its tokens' places
  const auto close = [&] {
    if (word.empty()) return;
    detokenizer text(*vocabulary);
    spoken_word made;
    made.text = text.add(word);
    made.text += text.finish();
    made.begin_s = tokens[static_cast<std::size_t>(word.front())].begin_s;
    made.end_s = tokens[static_cast<std::size_t>(word.back())].end_s;
    word.clear();
    if (!made.text.empty()) out.push_back(std::move(made));
  };
  kind before = kind::special;  // of the word's last token
  for (std::int32_t i = 0; i < vocabulary->size(); ++i) {
    const auto what = vocabulary->kind_of(i);
    if (what == kind::special) continue;
    const bool goes_on =
        !word.empty() &&
        ((before == kind::piece && (what == kind::piece || what == kind::word || what == kind::letter)) ||
         (before == kind::letter && what == kind::letter));
    if (!goes_on) close();
    word.push_back(i);
    // A letter that ends a word which pieces began begins no run.
    before = what == kind::letter && before == kind::piece && goes_on ? kind::word : what;
  }
  close();
  return out;
}

}  // namespace troupe::inference
