#pragma once
// From the marks that a network finds behind words to a text: FunASR's rules (funasr 1.4.16), offline and streaming.
// Pure; no Torch. A text is read in pieces of 20 words:
//
//   words --mark_windows--> [begin, end) --network--> a mark a word --take()--> .. --punctuate()--> text
//
// Marks are places in the model's `punc_list`, in which "_" stands for none. What the list has beside marks ("<unk>")
// is written where the network finds it, as there.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace troupe::inference {

class punctuation_marks {
 public:
  // `names`: punc_list. `sentence_end`: what a comma becomes that ends a sentence. REQUIRES it to be one of them.
  punctuation_marks(std::vector<std::string> names, std::int32_t sentence_end);

  bool is_none(std::int32_t mark) const noexcept { return kind_of(mark) == kind::none; }
  bool ends_sentence(std::int32_t mark) const noexcept { return kind_of(mark) == kind::sentence_end; }
  bool is_comma(std::int32_t mark) const noexcept { return kind_of(mark) == kind::comma; }
  // As it stands behind Latin letters: "，。？" have a narrow form, other marks stay as they are.
  const std::string& narrow(std::int32_t mark) const noexcept { return narrow_[static_cast<std::size_t>(mark)]; }
  const std::string& name(std::int32_t mark) const noexcept { return names_[static_cast<std::size_t>(mark)]; }
  bool has(std::string_view name) const noexcept;
  std::int32_t sentence_end() const noexcept { return sentence_end_; }
  std::size_t size() const noexcept { return names_.size(); }

 private:
  enum class kind : std::uint8_t { other, none, comma, sentence_end };
  kind kind_of(std::int32_t mark) const noexcept { return kinds_[static_cast<std::size_t>(mark)]; }

  std::vector<std::string> names_, narrow_;
  std::vector<kind> kinds_;
  std::int32_t sentence_end_;
};

// Which words the network sees at once: what is left of the pieces before, and one piece more. A piece before the last
// is answered up to the last sentence that ends in it, the rest comes again with the next one. Beyond 200 words without
// an end the last comma becomes one; beyond 2,000 without either (where FunASR's windows grow on) all but the last
// word is answered as it is.
class mark_windows {
 public:
  static constexpr std::size_t piece_words = 20, forced_end_words = 200, window_words_max = 2000;

  mark_windows() = default;
  explicit mark_windows(std::size_t words);

  bool done() const noexcept { return begin_ == words_; }
  // REQUIRES not done.
  std::size_t begin() const noexcept { return begin_; }
  std::size_t end() const noexcept { return end_; }
  // What was found behind the words of [begin, end). REQUIRES as many, of `marks`.
  void take(std::span<const std::int32_t> found, const punctuation_marks& marks);

  // When done: one a word.
  const std::vector<std::int32_t>& found() const noexcept { return found_; }
  // Where what was answered at once begins, first word first.
  const std::vector<std::size_t>& sections() const noexcept { return sections_; }

 private:
  std::size_t words_ = 0, begin_ = 0, end_ = 0;
  std::vector<std::int32_t> found_;
  std::vector<std::size_t> sections_;
};

struct punctuated_text {
  std::string text;
  std::vector<std::int32_t> found;  // behind each word; the last one ends a sentence
};
// The whole text. Words of Latin letters begin sentences with a capital, and so does each section. It ends with "。" or
// "？", or "." or "?" behind ASCII; a comma there becomes "。" (after a "、" also behind ASCII), or ".". A text that
// begins with ASCII has a space before it, as FunASR's has. REQUIRES done windows of these words; no words: no text.
punctuated_text punctuate(std::span<const std::string> words, const mark_windows& windows,
                          const punctuation_marks& marks);

struct punctuated_increment {
  std::string text;                  // to be appended
  std::vector<std::string> pending;  // words since the last sentence that ended, for the next increment
  std::string end_mark;              // what the text would end with, were it over
};
// Streaming: `words` are the `pending` of the increment before and the new ones. The mark behind the last word is held
// back: it heads the next increment's text. Marks are wide, no letter is changed. Of more than 2,000 pending words
// (which FunASR keeps) only the last stays. REQUIRES done windows of these words, at least one that is new.
punctuated_increment punctuate_increment(std::span<const std::string> words, std::size_t pending,
                                         const mark_windows& windows, const punctuation_marks& marks);

}  // namespace troupe::inference
