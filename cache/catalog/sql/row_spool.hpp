#pragma once
// Rows that wait for their transaction, in a file without a name: a provider is read page by page, for minutes, and
// neither a lock nor memory is held for so long. In PostgreSQL's text form of COPY.

#include <cstdint>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/error.hpp"

namespace troupe::cache {

// Used by one thread at a time. First written, then read.
class row_spool {
 public:
  row_spool() = default;

  void field(std::string_view text);
  void field(std::int64_t value);
  void field(double value);
  void null();
  // unavailable: no file can be made, or the disk is full.
  result<void> end_row();
  std::uint64_t rows() const noexcept { return rows_; }

  // From the first row again.
  result<void> rewind();
  // Some whole rows; empty: no more.
  result<std::string_view> read();

 private:
  struct closer {
    void operator()(std::FILE* file) const noexcept { std::fclose(file); }
  };
  void separate();
  result<void> flush();

  std::unique_ptr<std::FILE, closer> file_;
  std::string held_;  // what is not written yet, or what was read
  std::size_t given_ = 0;
  bool row_begun_ = false;
  std::uint64_t rows_ = 0;
};

// The fields of the first row of `text`, which loses it; nullopt: null.
std::vector<std::optional<std::string>> take_row(std::string_view& text);

}  // namespace troupe::cache
