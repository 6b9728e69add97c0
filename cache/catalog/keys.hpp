#pragma once
// What the catalog caches, and where in Redis: document 004's key patterns and times, and the derived keys of pages.
// Pure.
//
// Every entry belongs to one **scope**, which is invalidated as a whole. A scope's **generation** is a random word
// under models:generation:{scope}; a page's key carries it, so that a page made of older rows is never read again,
// whoever writes it and when. The document's own keys carry none: they are written only while the generation is still
// the one that was there before the rows were read (redis_scripts.hpp), and removed with it.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::cache {

// The rows of the document's table of times. `gateway` is `provider` by another name.
enum class cache_kind : std::uint8_t { full, provider, unique, stats, model, pricing };
inline constexpr std::size_t cache_kinds = 6;

std::string_view to_string(cache_kind kind) noexcept;  // of metrics' labels: "full", "provider", ..
// As the document's log lines name it: "Full model catalog", "Gateway catalog for openrouter" (`of` is the provider or
// the model).
std::string words_for(cache_kind kind, std::string_view of);

struct cache_times {
  std::uint64_t full_s = 900, stats_s = 900;  // MODEL_CACHE_TTL is these two
  std::uint64_t grace_s = 3600;
  std::uint64_t ttl_s(cache_kind kind) const noexcept;
};

// One cached answer.
struct cache_key {
  cache_kind kind = cache_kind::full;
  std::string of;    // the provider or the model; of the full catalog a part that is outdated by more (all_providers);
                     // else empty: the kind has but one
  std::string page;  // what part of it, as canonical_text() says; empty: the document's own key

  bool operator==(const cache_key&) const = default;
  std::string scope() const;  // "full", "full:providers", "provider:openrouter", "unique", "stats", "models:17"
  // The document's keys (two of a provider: its own and the gateway's; none of a part), or the page's of a generation.
  // REQUIRES: of a page a generation.
  std::vector<std::string> names(std::string_view generation) const;
  std::string local_name() const;  // unique among all
};

// The part of the full catalog that each sync outdates, whatever it has changed: when providers were read.
inline constexpr std::string_view all_providers = "providers";

std::string generation_key(std::string_view scope);
// The document's keys that a scope has whole: none of the models' groups.
std::vector<std::string> names_of_scope(std::string_view scope);
// Models' scopes are 256 groups of ids: some hundred words for all instances, and an edit empties one of them.
std::string model_scope(std::string_view id);
std::vector<std::string> model_scopes();  // all that there are
// Its generation changes when everything is cleared: scopes that only others know of are outdated by it.
inline constexpr std::string_view everything = "everything";
std::string random_generation();  // 128 bits

inline constexpr std::string_view invalidation_channel = "models:invalidate";

}  // namespace troupe::cache
