#include "cache/prediction/prediction_cache.hpp"

#include <algorithm>
#include <functional>
#include <new>
#include <span>
#include <type_traits>
#include <utility>

#include "inference/model/overloaded.hpp"

namespace troupe::cache {

namespace {

constexpr std::uint64_t entry_bytes = 160;  // list and index nodes

// A part with its length before it: no two sets of parts read the same.
void add_part(std::string& to, std::string_view part) {
  to.append(std::to_string(part.size())).append(":").append(part);
}

// False: of a kind whose answers are not kept.
bool add_value(std::string& to, const inference::input_value& value) {
  return std::visit(
      inference::overloaded{[&](const std::string& text) {
                              add_part(to.append("t"), text);
                              return true;
                            },
                            [&](const inference::text_pair& pair) {
                              add_part(to.append("p"), pair.first);
                              add_part(to, pair.second);
                              return true;
                            },
                            [&](const inference::token_ids& given) {
                              const auto bytes = std::as_bytes(std::span(given.ids));
                              add_part(to.append("i"), {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
                              return true;
                            },
                            [](const auto&) { return false; }},
      value);
}

template <class T>
void add_optional(std::string& to, const std::optional<T>& maybe) {
  if (!maybe) return to.push_back('-');
  if constexpr (std::is_same_v<T, std::string>) {
    add_part(to, *maybe);
  } else if constexpr (std::is_same_v<T, std::vector<std::string>>) {
    add_part(to, std::to_string(maybe->size()));
    for (const auto& one : *maybe) add_part(to, one);
  } else {
    add_part(to, std::to_string(static_cast<std::uint64_t>(*maybe)));
  }
}

void add_parameters(std::string& to, const inference::task_parameters& parameters) {
  // All of them: with a further one this does not compile until it is here.
  const auto& [function_to_apply, top_k, targets, aggregation_strategy, ignore_labels, stride, normalize, prompt_name,
               dimensions, all_tokens, raw_scores, truncate, truncate_left] = parameters;
  const auto add = [&](const auto&... each) { (add_optional(to, each), ...); };
  add(function_to_apply, top_k, targets, aggregation_strategy, ignore_labels, stride, normalize, prompt_name,
      dimensions, all_tokens, raw_scores, truncate, truncate_left);
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
  // Long lists as a digest: they differ between registrations of one version only.
  std::string lists;
  for (const auto& label : info.labels) add_part(lists, label);
  for (const auto& in : info.inputs) {
    add_part(lists, in.name);
    add_part(lists, inference::to_string(in.type));
    add_part(lists, std::to_string(in.shape.size()));
    for (const auto n : in.shape) add_part(lists, std::to_string(n));
  }
  std::string out;
  for (const std::string_view part :
       {model, std::string_view(info.version), std::string_view(info.precision), std::string_view(info.architecture),
        std::string_view(info.format), std::string_view(info.device)})
    add_part(out, part);
  for (const auto t : info.tasks) add_part(out, inference::to_string(t));
  add_part(out, std::to_string(info.max_length));
  add_part(out, std::to_string(info.labels.size()));
  add_part(out, std::to_string(std::hash<std::string>{}(lists)));
  return out;
}

std::string prediction_cache::key(std::string_view answers_as, const inference::question& asked,
                                  const inference::input& in) {
  std::string k;
  constexpr std::uint64_t reserved_max = 4096;  // a tensor of megabytes has no key
  k.reserve(answers_as.size() + 32 + std::min(inference::size_bytes(in), reserved_max));
  k.append(answers_as).push_back('\0');
  if (asked.task) k.append(inference::to_string(*asked.task));
  k.push_back('\0');
  add_parameters(k, asked.parameters);
  for (const auto& one : in.values) {
    add_part(k, one.name);
    if (!add_value(k, one.content)) return {};
  }
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

std::optional<prediction_cache::answer> prediction_cache::get(const std::string& key) {
  auto& s = shard_of(key);
  const std::lock_guard lock(s.mutex);
  const auto found = s.index.find(key);
  if (found == s.index.end()) return std::nullopt;
  s.by_use.splice(s.by_use.begin(), s.by_use, found->second);
  return found->second->given;
}

void prediction_cache::put(const std::string& key, answer given) {
  const auto bytes = entry_bytes + key.size() + inference::size_bytes(given.value);
  const auto room = capacity_.load(std::memory_order_relaxed) / shards_.size();
  if (bytes > room) return;
  auto& s = shard_of(key);
  const std::lock_guard lock(s.mutex);
  if (s.index.contains(key)) return;
  while (s.size_bytes + bytes > room) drop_last(s);
  try {
    std::list<entry> fresh;
    fresh.push_front({key, std::move(given), bytes});
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
