#pragma once
// Commands as Redis reads them, on their way out: small ones joined into one text, large ones left where they were
// written. Pure; for one thread at a time.

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::cache {

// One command, written by hiredis. Empty: it is none (no words, or over 1 GiB, which hiredis cannot count).
class redis_command {
 public:
  redis_command() = default;
  explicit redis_command(const std::vector<std::string>& words);
  std::size_t size() const { return size_; }
  std::string_view text() const { return {text_.get(), size_}; }

 private:
  struct freed {
    void operator()(char* text) const;
  };
  std::unique_ptr<char, freed> text_;
  std::size_t size_ = 0;
};

// What is being written is not added to: a second one collects meanwhile.
class outbox {
 public:
  static constexpr std::size_t gathered_max = 16;

  void add(redis_command command);
  // All of `other`, of which nothing is written yet, after what is here; `other` is empty then.
  void take(outbox& other);
  bool empty() const { return first_ == pieces_.size(); }
  // What one write takes; they stay until written() or clear().
  std::array<std::string_view, gathered_max> front() const;
  void written(std::size_t bytes);
  void clear();

 private:
  struct piece {
    std::string joined;
    redis_command large;  // where `joined` is empty
    std::string_view text() const { return joined.empty() ? large.text() : std::string_view(joined); }
  };
  std::vector<piece> pieces_;
  std::size_t first_ = 0, offset_ = 0;  // what is written
  std::string spare_;                   // keeps its memory for the next
};

}  // namespace troupe::cache
