#include "cache/prediction_cache.hpp"

#include <functional>

namespace troupe::cache {

namespace {

std::uint64_t size_of(const std::string& key, const inference::output& value) {
  std::uint64_t bytes = 160 + key.size();  // list and index nodes
  if (const auto* c = std::get_if<inference::classification>(&value)) bytes += c->probabilities.size() * 4;
  if (const auto* t = std::get_if<inference::tensor>(&value)) bytes += t->data.size() + t->shape.size() * 8;
  if (const auto* s = std::get_if<std::string>(&value)) bytes += s->size();
  return bytes;
}

}  // namespace

void prediction_cache::set_capacity(std::uint64_t capacity_bytes) {
  capacity_.store(capacity_bytes, std::memory_order_relaxed);
  for (auto& s : shards_) {
    const std::lock_guard lock(s.mutex);
    while (!s.by_use.empty() && s.size_bytes > capacity_bytes / shards_.size()) drop_last(s);
  }
}

std::string prediction_cache::key(std::string_view model, std::string_view version, std::string_view text) {
  std::string k;
  k.reserve(model.size() + version.size() + text.size() + 2);
  k.append(model).push_back('\0');
  k.append(version).push_back('\0');
  k.append(text);
  return k;
}

prediction_cache::shard& prediction_cache::shard_of(std::string_view key) {
  return shards_[(std::hash<std::string_view>{}(key) >> 20) % shards_.size()];
}

void prediction_cache::drop_last(shard& s) {
  const auto& last = s.by_use.back();
  s.size_bytes -= last.size_bytes;
  s.index.erase(last.key);
  s.by_use.pop_back();
}

std::optional<inference::output> prediction_cache::get(const std::string& key) {
  auto& s = shard_of(key);
  const std::lock_guard lock(s.mutex);
  const auto found = s.index.find(key);
  if (found == s.index.end()) return std::nullopt;
  s.by_use.splice(s.by_use.begin(), s.by_use, found->second);
  return found->second->value;
}

void prediction_cache::put(const std::string& key, const inference::output& value) {
  const auto bytes = size_of(key, value);
  const auto room = capacity_.load(std::memory_order_relaxed) / shards_.size();
  if (bytes > room) return;
  auto& s = shard_of(key);
  const std::lock_guard lock(s.mutex);
  if (s.index.contains(key)) return;
  while (s.size_bytes + bytes > room) drop_last(s);
  s.by_use.push_front({key, value, bytes});
  s.index.emplace(s.by_use.front().key, s.by_use.begin());
  s.size_bytes += bytes;
}

std::uint64_t prediction_cache::size_bytes() const {
  std::uint64_t sum = 0;
  for (const auto& s : shards_) {
    const std::lock_guard lock(s.mutex);
    sum += s.size_bytes;
  }
  return sum;
}

std::uint64_t prediction_cache::entries() const {
  std::uint64_t sum = 0;
  for (const auto& s : shards_) {
    const std::lock_guard lock(s.mutex);
    sum += s.by_use.size();
  }
  return sum;
}

prediction_cache& prediction_cache::shared() {
  static prediction_cache instance;
  return instance;
}

}  // namespace troupe::cache
