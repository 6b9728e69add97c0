#include "cache/catalog/tiers/generations.hpp"

#include "cache/catalog/keys.hpp"

namespace troupe::cache {

generations::known generations::of(const std::string& scope) const {
  const std::lock_guard lock(mutex_);
  const auto at = scopes_.find(scope);
  return at == scopes_.end() ? known{} : at->second;
}

bool generations::learn(const std::string& scope, std::string_view word) {
  const std::lock_guard lock(mutex_);
  auto& k = scopes_[scope];
  if (k.word == word) return false;
  // The first word that is heard of says nothing of what was before it: copies made until then may be older.
  k.word = word;
  ++k.epoch;
  return true;
}

generations::known generations::learn(const std::string& scope, std::string_view word, const known& seen) {
  const std::lock_guard lock(mutex_);
  auto& k = scopes_[scope];
  if (word != seen.word && k == seen) {
    k.word = word;
    ++k.epoch;
  }
  return k;
}

void generations::renew(const std::string& scope, std::string_view word, std::uint64_t epoch) {
  const std::lock_guard lock(mutex_);
  auto& k = scopes_[scope];
  if (k.epoch == epoch) k.word = word;
}

std::string generations::rotate(const std::string& scope) {
  auto word = random_generation();
  const std::lock_guard lock(mutex_);
  auto& k = scopes_[scope];
  k.word = word;
  ++k.epoch;
  return word;
}

std::vector<std::pair<std::string, generations::known>> generations::all() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::pair<std::string, known>> out;
  for (const auto& [scope, k] : scopes_)
    if (!k.word.empty()) out.emplace_back(scope, k);
  return out;
}

}  // namespace troupe::cache
