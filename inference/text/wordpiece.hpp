#pragma once
// The WordPiece model: the longest piece of the vocabulary first, from left to right. The vocabulary is
// a trie over bytes, so a word costs as many steps as it has bytes.

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::inference {

class byte_trie {
 public:
  explicit byte_trie(std::size_t bytes_expected);
  void insert(std::string_view key, std::int32_t value);

  static constexpr std::uint32_t root = 0, none = UINT32_MAX;
  std::uint32_t next(std::uint32_t node, unsigned char byte) const noexcept {
    const std::uint64_t key = static_cast<std::uint64_t>(node) << 8U | byte;
    for (auto at = place(key);; at = (at + 1) & mask_) {
      if (edges_[at].key == key) return edges_[at].child;
      if (edges_[at].key == empty) return none;
    }
  }
  std::int32_t value(std::uint32_t node) const noexcept { return values_[node]; }  // -1: no key ends here
  std::uint32_t walk(std::string_view key) const noexcept;
  // All keys, in no order.
  template <class F>
  void each(F found) const {
    std::vector<std::uint64_t> above(values_.size());  // a node's parent and the byte that leads to it
    for (const auto& e : edges_)
      if (e.key != empty) above[e.child] = e.key;
    std::string key;
    for (std::uint32_t node = root; node < values_.size(); ++node) {
      if (values_[node] < 0) continue;
      key.clear();
      for (auto at = node; at != root; at = static_cast<std::uint32_t>(above[at] >> 8U))
        key.push_back(static_cast<char>(above[at] & 0xffU));
      std::reverse(key.begin(), key.end());
      found(std::string_view(key), values_[node]);
    }
  }
  std::size_t memory_bytes() const noexcept {
    return edges_.capacity() * sizeof(edge) + values_.capacity() * sizeof(std::int32_t);
  }

 private:
  static constexpr std::uint64_t empty = UINT64_MAX;
  struct edge {
    std::uint64_t key = empty;
    std::uint32_t child = 0;
  };
  std::size_t place(std::uint64_t key) const noexcept { return (key * 0x9e3779b97f4a7c15ULL >> 32U) & mask_; }
  void grow();

  std::vector<edge> edges_;
  std::vector<std::int32_t> values_;
  std::size_t mask_;
};

class wordpiece {
 public:
  struct options {
    std::string unknown_token = "[UNK]";
    std::string continuing_prefix = "##";
    std::uint32_t word_characters_max = 100;  // longer words are unknown
    bool operator==(const options&) const = default;
  };
  // `bytes_expected`: of all tokens together; a guess is enough.
  wordpiece(options o, std::size_t bytes_expected) : options_(std::move(o)), trie_(bytes_expected) {}
  void add(std::string_view token, std::int32_t id);
  // After the last add(); false: the unknown token is not in the vocabulary.
  bool finish();

  std::optional<std::int32_t> id_of(std::string_view token) const noexcept;
  std::int32_t unknown_id() const noexcept { return unknown_id_; }
  std::int32_t largest_id() const noexcept { return largest_id_; }
  std::uint32_t word_characters_max() const noexcept { return options_.word_characters_max; }
  const options& settings() const noexcept { return options_; }
  template <class F>
  void each(F found) const {  // token, id; in no order
    trie_.each(found);
  }
  // Appends the ids of a word (UTF-8, at most word_characters_max long).
  void encode(std::string_view word, std::vector<std::int32_t>& out) const;
  std::size_t memory_bytes() const noexcept { return trie_.memory_bytes(); }

 private:
  options options_;
  byte_trie trie_;
  std::uint32_t continuation_ = byte_trie::none;
  std::int32_t unknown_id_ = -1, largest_id_ = -1;
};

}  // namespace troupe::inference
