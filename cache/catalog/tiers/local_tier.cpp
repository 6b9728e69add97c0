#include "cache/catalog/tiers/local_tier.hpp"

namespace troupe::cache {
namespace {

// The list's and the index' nodes, and the value's own.
constexpr std::uint64_t entry_overhead_bytes = 256;

}  // namespace

local_tier::found local_tier::find(const std::string& name, std::uint64_t epoch, steady_time now) {
  const std::lock_guard lock(mutex_);
  const auto at = index_.find(name);
  if (at == index_.end()) return {};
  const auto e = at->second;
  if (now >= e->stale_until) {
    drop(e);
    return {};
  }
  by_use_.splice(by_use_.begin(), by_use_, e);
  if (e->epoch != epoch) return {age::outdated, e->value};
  return {now < e->fresh_until ? age::fresh : age::stale, e->value};
}

void local_tier::put(const std::string& name, std::uint64_t epoch, cached_value_ptr value, steady_time fresh_until,
                     steady_time stale_until) {
  const auto size = name.size() + 2 * value->body.size() + entry_overhead_bytes;  // its encoded forms, too
  const std::lock_guard lock(mutex_);
  if (const auto at = index_.find(name); at != index_.end()) drop(at->second);
  if (size > limits_.bytes_max) return;
  by_use_.push_front({name, epoch, std::move(value), fresh_until, stale_until, size});
  index_.emplace(by_use_.front().name, by_use_.begin());
  size_bytes_ += size;
  while (by_use_.size() > limits_.entries_max || size_bytes_ > limits_.bytes_max) {
    drop(std::prev(by_use_.end()));
    ++evictions_;
  }
}

void local_tier::remove(const std::string& name) {
  const std::lock_guard lock(mutex_);
  if (const auto at = index_.find(name); at != index_.end()) drop(at->second);
}

void local_tier::clear() {
  const std::lock_guard lock(mutex_);
  index_.clear();
  by_use_.clear();
  size_bytes_ = 0;
}

void local_tier::drop(std::list<entry>::iterator at) {
  size_bytes_ -= at->size_bytes;
  index_.erase(at->name);
  by_use_.erase(at);
}

std::uint64_t local_tier::entries() const {
  const std::lock_guard lock(mutex_);
  return by_use_.size();
}
std::uint64_t local_tier::size_bytes() const {
  const std::lock_guard lock(mutex_);
  return size_bytes_;
}
std::uint64_t local_tier::evictions() const {
  const std::lock_guard lock(mutex_);
  return evictions_;
}

}  // namespace troupe::cache
