#pragma once
// The words that a checkpoint knows (tokens.json, a list of texts), by their places in it. No Torch.

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "config/error.hpp"

namespace troupe::inference {

// Immutable once read; any thread.
class word_ids {
 public:
  // `unknown`: which of them stands for all others. unprocessable: no list of texts, one twice, `unknown` is none of
  // them; load_failed: cannot be read.
  static result<word_ids> read(const std::filesystem::path& file, std::string_view unknown);
  static result<word_ids> parse(std::string_view json, const std::string& name, std::string_view unknown);

  std::int64_t size() const noexcept { return static_cast<std::int64_t>(ends_.size()); }
  // As it is spelled; where that is not known, with small ASCII letters, as FunASR's C++ runtime looks everything up
  // (its Python package does not, and takes such a word for an unknown one).
  std::int32_t of(std::string_view word) const;
  std::uint64_t memory_bytes() const noexcept;

 private:
  std::string_view word(std::int32_t id) const noexcept;
  std::int32_t find(std::string_view word) const noexcept;  // -1: not there

  std::string text_;                 // all words, one after another
  std::vector<std::uint32_t> ends_;  // in text_
  std::vector<std::int32_t> table_;  // open addressing, -1: free
  std::int32_t unknown_ = 0;
};

}  // namespace troupe::inference
