#pragma once
// What this process knows of the scopes' generations (keys.hpp). A scope's **epoch** counts here how often it was
// invalidated: local copies carry it. Thread-safe.
//
// G1: a scope's word changes with its epoch, or because Redis has lost it (renew), never otherwise.
// G2: epochs only rise.

#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace troupe::cache {

class generations {
 public:
  struct known {
    std::string word;  // empty: none is known
    std::uint64_t epoch = 0;
    bool operator==(const known&) const = default;
  };
  known of(const std::string& scope) const;
  // What Redis has. Another word than the known one: the scope was invalidated elsewhere. True: so it was.
  bool learn(const std::string& scope, std::string_view word);
  // The same of an answer to what was asked while `seen` was known: by now it may be old news. What is known then.
  known learn(const std::string& scope, std::string_view word, const known& seen);
  // Redis had none and was given this one; no invalidation. Not when the scope has another epoch by now.
  void renew(const std::string& scope, std::string_view word, std::uint64_t epoch);
  // Invalidates: a new word, the next epoch.
  std::string rotate(const std::string& scope);
  std::vector<std::pair<std::string, known>> all() const;  // of the scopes that have a word

 private:
  mutable std::mutex mutex_;
  std::unordered_map<std::string, known> scopes_;
};

}  // namespace troupe::cache
