#include "http/api/catalog_json.hpp"

#include <algorithm>
#include <numeric>

#include "http/json/json_write.hpp"

namespace troupe::http {
namespace {

std::string finish(json_out& json) {
  return json.field("timestamp", std::chrono::system_clock::now()).end_object().str();
}

template <std::size_t N>
std::uint64_t sum(const std::array<std::uint64_t, N>& all) {
  return std::accumulate(all.begin(), all.end(), std::uint64_t{0});
}

json_out& success(json_out& json) { return json.object().field("status", "success").field("success", true); }

void write_text_or_null(json_out& json, std::string_view name, const std::string& text) {
  if (text.empty())
    json.field(name, nullptr);
  else
    json.field(name, text);
}

void write_error(json_out& json, const std::optional<error>& why) {
  if (!why) {
    json.field("error", nullptr);
    return;
  }
  json.field("error", why->message);
  if (!why->detail.empty()) json.field("detail", why->detail);
}

}  // namespace

std::string cache_stats_json(const actors::catalog_state& s) {
  const auto& c = s.counts;
  const auto hits = sum(c.hits), misses = sum(c.misses);
  json_out json;
  json.object().field("hits", hits).field("misses", misses).field("sets", sum(c.sets)).field("errors", c.errors);
  json.field("invalidations", sum(c.invalidations));
  json.field("hit_rate_percent",
             hits + misses == 0 ? 0.0 : 100.0 * static_cast<double>(hits) / static_cast<double>(hits + misses));
  json.field("total_requests", hits + misses).field("redis_available", s.redis == cache::redis_health::up);
  json.field("stale_hits", c.stale_hits).field("too_large", c.too_large);
  json.key("by_cache").object();
  for (std::size_t i = 0; i < cache::cache_kinds; ++i) {
    const auto kind = static_cast<cache::cache_kind>(i);
    json.key(to_string(kind)).object().field("hits", c.hits[i]).field("misses", c.misses[i]).field("sets", c.sets[i]);
    json.field("invalidations", c.invalidations[i]).field("ttl_seconds", s.times.ttl_s(kind)).end_object();
  }
  json.end_object();
  json.key("local").object().field("hits", c.local_hits).field("entries", c.local_entries);
  json.field("max_entries", c.local_entries_max).field("size_bytes", c.local_bytes);
  json.field("max_size_bytes", c.local_bytes_max).field("evictions", c.local_evictions).end_object();
  json.key("redis").object().field("state", to_string(s.redis));
  write_text_or_null(json, "error", s.redis_error);
  json.field("listener", to_string(s.listener));
  write_text_or_null(json, "listener_error", s.listener_error);
  json.end_object();
  json.key("database").object();
  write_text_or_null(json, "kind", s.database);
  json.field("up", s.database_up).field("waiting", s.waiting);
  write_text_or_null(json, "error", s.database_error);
  json.end_object();
  return finish(json);
}

std::string warm_json(const actors::warm_report& r) {
  const auto failed = std::count_if(r.entries.begin(), r.entries.end(), [](const auto& e) { return e.why; });
  const auto unknown = std::count_if(r.entries.begin(), r.entries.end(), [](const auto& e) { return e.unknown; });
  json_out json;
  json.object().field("status", failed == 0 ? "success" : "partial").field("success", failed == 0);
  json.field("warmed", static_cast<std::int64_t>(r.entries.size()) - failed - unknown).field("failed", failed);
  json.field("unknown", unknown);
  json.key("entries").array();
  for (const auto& e : r.entries) {
    json.object().field("cache", e.what).field("status", e.why ? "failed" : e.unknown ? "unknown" : "success");
    json.field("success", !e.why && !e.unknown);
    write_error(json, e.why);
    json.end_object();
  }
  json.end_array().field("duration_ms", r.duration_s * 1000);
  return finish(json);
}

std::string clear_json(const actors::clear_report& r) {
  json_out json;
  success(json).field("message", r.gateway.empty() ? "All catalog caches were cleared"
                                                   : "Catalog caches of " + r.gateway + " were cleared");
  write_text_or_null(json, "gateway", r.gateway);
  json.field("everywhere", r.everywhere);
  return finish(json);
}

std::string sync_json(const actors::sync_report& r) {
  const auto failed = std::count_if(r.providers.begin(), r.providers.end(), [](const auto& p) { return p.why; });
  const auto all = static_cast<std::int64_t>(r.providers.size());
  json_out json;
  json.object().field("status", failed == 0 ? "success" : failed < all ? "partial" : "failed");
  json.field("success", failed == 0).field("synced", all - failed).field("failed", failed);
  json.key("providers").array();
  for (const auto& p : r.providers) {
    json.object().field("provider", p.provider).field("type", p.type).field("success", !p.why);
    write_error(json, p.why);
    json.field("models", p.read).field("added", p.added).field("changed", p.changed).field("unchanged", p.unchanged);
    json.field("removed", p.removed).field("kept_edited", p.kept_edited).field("skipped", p.skipped);
    json.key("skipped_examples").array();
    for (const auto& text : p.skipped_examples) json.value(text);
    json.end_array().field("duration_ms", p.duration_s * 1000).end_object();
  }
  json.end_array();
  return finish(json);
}

std::string edit_json(const actors::edit_report& r, bool removed) {
  json_out json;
  success(json).field("id", r.id).field("removed", removed).field("edited", !removed);
  json.key("providers").array();
  for (const auto& p : r.providers) json.value(p);
  json.end_array().field("everywhere", r.everywhere);
  return finish(json);
}

void write_catalog_health(json_out& json, const actors::catalog_state& s) {
  json.object().field("redis", to_string(s.redis)).field("listener", to_string(s.listener));
  json.field("database", s.database_up ? "up" : s.database_error.empty() ? "unused" : "down");
  json.end_object();  // why is for the administration: it names addresses
}

}  // namespace troupe::http
