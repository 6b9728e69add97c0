#include "inference/text/wordpiece.hpp"

#include <bit>

namespace troupe::inference {

byte_trie::byte_trie(std::size_t bytes_expected)
    : edges_(std::bit_ceil(std::clamp<std::size_t>(bytes_expected, 64, std::size_t{1} << 24U))),
      values_(1, -1),
      mask_(edges_.size() - 1) {}

void byte_trie::grow() {
  std::vector<edge> old(edges_.size() * 2);
  old.swap(edges_);
  mask_ = edges_.size() - 1;
  for (const auto& e : old) {
    if (e.key == empty) continue;
    auto at = place(e.key);
    while (edges_[at].key != empty) at = (at + 1) & mask_;
    edges_[at] = e;
  }
}

void byte_trie::insert(std::string_view key, std::int32_t value) {
  auto node = root;
  for (const char c : key) {
    auto child = next(node, static_cast<unsigned char>(c));
    if (child == none) {
      if (values_.size() * 2 > edges_.size()) grow();
      child = static_cast<std::uint32_t>(values_.size());
      values_.push_back(-1);
      const std::uint64_t edge_key = static_cast<std::uint64_t>(node) << 8U | static_cast<unsigned char>(c);
      auto at = place(edge_key);
      while (edges_[at].key != empty) at = (at + 1) & mask_;
      edges_[at] = {edge_key, child};
    }
    node = child;
  }
  values_[node] = value;
}

std::uint32_t byte_trie::walk(std::string_view key) const noexcept {
  auto node = root;
  for (const char c : key) {
    node = next(node, static_cast<unsigned char>(c));
    if (node == none) break;
  }
  return node;
}

void wordpiece::add(std::string_view token, std::int32_t id) {
  trie_.insert(token, id);
  largest_id_ = std::max(largest_id_, id);
}

bool wordpiece::finish() {
  continuation_ = trie_.walk(options_.continuing_prefix);
  const auto unknown = id_of(options_.unknown_token);
  if (unknown) unknown_id_ = *unknown;
  return unknown.has_value();
}

std::optional<std::int32_t> wordpiece::id_of(std::string_view token) const noexcept {
  const auto node = trie_.walk(token);
  if (node == byte_trie::none || trie_.value(node) < 0) return std::nullopt;
  return trie_.value(node);
}

void wordpiece::encode(std::string_view word, std::vector<std::int32_t>& out) const {
  const auto first = out.size();
  for (std::size_t at = 0; at < word.size();) {
    auto node = at == 0 ? byte_trie::root : continuation_;
    std::int32_t best = -1;
    std::size_t best_end = at;
    for (auto i = at; node != byte_trie::none && i < word.size(); ++i) {
      node = trie_.next(node, static_cast<unsigned char>(word[i]));
      if (node != byte_trie::none && trie_.value(node) >= 0) {
        best = trie_.value(node);
        best_end = i + 1;
      }
    }
    if (best < 0) {  // one piece missing makes the whole word unknown
      out.resize(first);
      out.push_back(unknown_id_);
      return;
    }
    out.push_back(best);
    at = best_end;
  }
}

}  // namespace troupe::inference
