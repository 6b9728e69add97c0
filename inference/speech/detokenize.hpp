#pragma once
// Token ids of FunASR's character vocabularies to text. Chinese characters stand side by side; words are apart; "xx@@"
// joins the next token; a run of single letters becomes one word in capitals ("c p u": CPU). As FunASR's
// sentence_postprocess does for a whole sentence, but for what it loses: a piece that nothing follows, or that a
// Chinese character follows, stays.

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "config/error.hpp"

namespace troupe::inference {

// tokens.json. Immutable; any thread.
class speech_vocabulary {
 public:
  // How a token is written: alone; before the next one; side by side; in a run of letters; ..
  enum class kind : std::uint8_t { special, piece, chinese, letter, word, other };
  // unprocessable: no list of texts, none at all, too many.
  static result<std::shared_ptr<const speech_vocabulary>> read(const std::filesystem::path& tokens_json);
  // The first `special_ids` are no text, whatever they are called.
  static std::shared_ptr<const speech_vocabulary> of(std::vector<std::string> tokens, std::size_t special_ids = 0);

  std::int64_t size() const noexcept { return static_cast<std::int64_t>(tokens_.size()); }
  // REQUIRES 0 <= id < size().
  const std::string& text_of(std::int32_t id) const { return tokens_[static_cast<std::size_t>(id)]; }
  kind kind_of(std::int32_t id) const { return kinds_[static_cast<std::size_t>(id)]; }
  // <blank>, <s>, </s>, <unk>, <OOV>: nobody said it.
  bool is_special(std::int32_t id) const { return kind_of(id) == kind::special; }
  std::uint64_t memory_bytes() const noexcept;

 private:
  std::vector<std::string> tokens_;
  std::vector<kind> kinds_;
};

// Of one sentence or session; the vocabulary must outlive it. A piece, and a letter that may begin a run, are held back
// until the next token shows what they are.
class detokenizer {
 public:
  explicit detokenizer(const speech_vocabulary& tokens) : tokens_(&tokens) {}

  // Text to be appended to what it gave before. REQUIRES ids of the vocabulary.
  std::string add(std::span<const std::int32_t> ids);
  // What was held back. It starts over then.
  std::string finish();

 private:
  enum class last_was : std::uint8_t { nothing, chinese, word, run, other };
  void word(std::string_view text, std::string& out);
  void release_letter(std::string& out);
  void release_piece(std::string& out);

  const speech_vocabulary* tokens_;
  std::string piece_;   // "xx" of "xx@@"
  std::string letter_;  // a single one after something else
  last_was last_ = last_was::nothing;
};

}  // namespace troupe::inference
