#include "cache/catalog/keys.hpp"

#include <array>
#include <random>

#include <fmt/format.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

namespace troupe::cache {
namespace {

constexpr std::uint64_t model_groups = 256;

std::string group_scope(std::uint64_t group) { return fmt::format("models:{}", group); }

}  // namespace

std::string_view to_string(cache_kind kind) noexcept {
  constexpr std::array<std::string_view, cache_kinds> names{"full", "provider", "unique", "stats", "model", "pricing"};
  return names[static_cast<std::size_t>(kind)];
}

std::string words_for(cache_kind kind, std::string_view of) {
  switch (kind) {
    case cache_kind::full: return "Full model catalog";
    case cache_kind::provider: return fmt::format("Gateway catalog for {}", of);
    case cache_kind::unique: return "Unique models";
    case cache_kind::stats: return "Catalog statistics";
    case cache_kind::model: return fmt::format("Model metadata for {}", of);
    case cache_kind::pricing: return fmt::format("Model pricing for {}", of);
  }
  return {};
}

std::uint64_t cache_times::ttl_s(cache_kind kind) const noexcept {
  switch (kind) {
    case cache_kind::full: return full_s;
    case cache_kind::stats: return stats_s;
    case cache_kind::provider:
    case cache_kind::unique: return 1800;
    case cache_kind::model:
    case cache_kind::pricing: return 3600;
  }
  return 0;
}

std::string cache_key::scope() const {
  switch (kind) {
    case cache_kind::full: return of.empty() ? "full" : "full:" + of;
    case cache_kind::provider: return "provider:" + of;
    case cache_kind::model:
    case cache_kind::pricing: return model_scope(of);
    default: return std::string(to_string(kind));
  }
}

std::vector<std::string> cache_key::names(std::string_view generation) const {
  if (!page.empty()) {
    const auto digest = XXH3_128bits(page.data(), page.size());
    return {fmt::format("models:page:{}:{}:{:016x}{:016x}", scope(), generation, digest.high64, digest.low64)};
  }
  switch (kind) {
    case cache_kind::full:
      if (!of.empty()) return {};
      return {"models:catalog:full"};
    case cache_kind::provider: return {"models:provider:" + of, "models:gateway:" + of};
    case cache_kind::unique: return {"models:unique"};
    case cache_kind::stats: return {"models:stats"};
    case cache_kind::model: return {"models:model:" + of};
    case cache_kind::pricing: return {"models:pricing:" + of};
  }
  return {};
}

std::string cache_key::local_name() const { return fmt::format("{}\n{}\n{}", to_string(kind), of, page); }

std::vector<std::string> names_of_scope(std::string_view scope) {
  if (scope == "full") return cache_key{cache_kind::full, {}, {}}.names({});
  if (scope == "unique") return cache_key{cache_kind::unique, {}, {}}.names({});
  if (scope == "stats") return cache_key{cache_kind::stats, {}, {}}.names({});
  constexpr std::string_view provider = "provider:";
  if (scope.starts_with(provider))
    return cache_key{cache_kind::provider, std::string(scope.substr(provider.size())), {}}.names({});
  return {};
}

std::string generation_key(std::string_view scope) { return fmt::format("models:generation:{}", scope); }

std::string model_scope(std::string_view id) { return group_scope(XXH3_64bits(id.data(), id.size()) % model_groups); }

std::vector<std::string> model_scopes() {
  std::vector<std::string> out;
  out.reserve(model_groups);
  for (std::uint64_t group = 0; group < model_groups; ++group) out.push_back(group_scope(group));
  return out;
}

std::string random_generation() {
  std::random_device chance;
  return fmt::format("{:08x}{:08x}{:08x}{:08x}", chance(), chance(), chance(), chance());
}

}  // namespace troupe::cache
