#include "cache/prediction/prediction_cache.hpp"

#include <functional>
#include <new>

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

std::string prediction_cache::answers_as(std::string_view model, const inference::model_info& info) {
  // Each part with its length before it: no two sets of parts read the same.
  const auto add = [](std::string& to, std::string_view part) { to.append(std::to_string(part.size())).append(":").append(part); };
  // Long lists as a digest: they differ between registrations of one version only.
  std::string lists;
  for (const auto& label : info.labels) add(lists, label);
  for (const auto& in : info.inputs) {
    add(lists, in.name);
    add(lists, inference::to_string(in.type));
    add(lists, std::to_string(in.shape.size()));
    for (const auto n : in.shape) add(lists, std::to_string(n));
  }
  std::string out;
  for (const std::string_view part : {model, std::string_view(info.version), std::string_view(info.precision),
                                      std::string_view(info.task), std::string_view(info.architecture),
                                      std::string_view(info.format), std::string_view(info.device)})
    add(out, part);
  add(out, std::to_string(info.max_length));
  add(out, std::to_string(info.labels.size()));
  add(out, std::to_string(std::hash<std::string>{}(lists)));
  return out;
}

std::string prediction_cache::key(std::string_view answers_as, std::string_view text) {
  std::string k;
  k.reserve(answers_as.size() + text.size() + 1);
  k.append(answers_as).push_back('\0');
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
  try {
    std::list<entry> fresh;
    fresh.push_front({key, value, bytes});
    s.index.emplace(fresh.front().key, fresh.begin());
    s.by_use.splice(s.by_use.begin(), fresh);
    s.size_bytes += bytes;
  } catch (const std::bad_alloc&) {
  }
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
