#pragma once
// The words that CT-Punc puts marks behind, as FunASR cuts them out of a text. No Torch.
//
// Without a dictionary (272727): a text is split at white space; each character beyond ASCII is a word, and so is each
// run of ASCII. With one (471067-large): words of Latin letters stay as they are, what is between them is put together
// and cut as jieba does without its HMM: of all ways to cut it into words of the dictionary the most probable one.
//
// FunASR loads the folder's `jieba_usr_dict` on top of jieba's own dict.txt, which publishers do not ship; they ship
// `jieba.c.dict`, the base dictionary of FunASR's C++ runtime, of the same form. dict.txt comes first where it is
// there.

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "config/error.hpp"

namespace troupe::inference {

// A segmenter's dictionary. Immutable once read; any thread.
class word_dictionary {
 public:
  // `base`: a line a word, "word frequency [class]". `added`: "word [frequency] [class]"; a word without a frequency
  // gets the one that makes it be cut out, as jieba reckons it from the words before it; a later one counts.
  // unprocessable: a line of another form, by file and line.
  static result<word_dictionary> read(const std::filesystem::path& base, const std::filesystem::path& added);

  // Views of `text`, one after another.
  std::vector<std::u32string_view> cut(std::u32string_view text) const;

  std::uint64_t memory_bytes() const noexcept;

 private:
  word_dictionary();

  static constexpr std::uint32_t root = 0, none = ~0U;
  std::uint32_t child(std::uint32_t node, char32_t c) const noexcept;
  std::uint32_t find(std::u32string_view word) const noexcept;
  std::uint32_t add(std::u32string_view word);
  void grow();
  void cut_block(std::u32string_view block, std::vector<std::u32string_view>& out) const;
  std::int64_t suggested_frequency(std::u32string_view word) const;
  result<void> read_base(const std::filesystem::path& file);
  result<void> read_added(const std::filesystem::path& file);

  // A tree of characters. An edge lies at its hash's place or behind it: (node + 1, character) -> node.
  struct edge {
    std::uint32_t from = 0, character = 0, to = 0;  // from 0: no edge
  };
  std::vector<edge> edges_;
  std::vector<std::int64_t> frequencies_;  // of nodes; 0: the begin of a word, not one
  std::int64_t total_ = 0;
};

// `dictionary` null: without. unprocessable: not UTF-8.
result<std::vector<std::string>> split_words(std::string_view text, const word_dictionary* dictionary);

}  // namespace troupe::inference
