#include "http/api/catalog_schemas.hpp"

namespace troupe::http {
namespace {

using s = schema;

schema count() { return s::integer().with("minimum", "0"); }
schema maybe_count() { return count().nullable(); }
schema price() { return s::number().with("minimum", "0").nullable().says("Of a token; null: unpriced, 0: free"); }
schema maybe_text() { return s::text().nullable(); }
schema maybe_time() { return s::time().nullable(); }
schema pricing() { return s::object({{"prompt", price()}, {"completion", price()}}); }

std::vector<s::field> offer_fields() {
  return {{"id", s::text()},      {"name", s::text()},           {"provider", s::text()},
          {"task", maybe_text()}, {"description", maybe_text()}, {"context_length", maybe_count().says("Tokens")},
          {"pricing", pricing()}};
}
schema offer() {
  auto fields = offer_fields();
  fields.push_back({"created_at", maybe_time()});
  fields.push_back({"edited", s::flag().says("By hand: no sync changes it")});
  return s::object(fields);
}

std::vector<s::field> unique_fields() {
  return {{"providers", s::list(s::text()).says("Cheapest first")},
          {"provider_count", count()},
          {"cheapest_provider", maybe_text()},
          {"cheapest_prompt_price", price()}};
}

std::vector<s::field> page_fields(const schema& row) {
  return {{"data", s::list(row)},         {"total", count()},
          {"returned", count()},          {"limit", count()},
          {"offset", maybe_count()},      {"has_more", s::flag()},
          {"next_offset", maybe_count()}, {"next_cursor", maybe_text()}};
}

schema facts() {
  return s::object({{"name", s::text()},
                    {"type", maybe_text().says("Null: it is configured no more")},
                    {"interval_s", maybe_count()},
                    {"models", count()},
                    {"synced_at", maybe_time()},
                    {"attempted_at", maybe_time()},
                    {"last_error", maybe_text()}});
}

std::vector<s::field> joined(std::vector<s::field> some, const std::vector<s::field>& more) {
  some.insert(some.end(), more.begin(), more.end());
  return some;
}

std::vector<s::field> done(const std::vector<std::string>& words) {
  return {{"status", s::one_of(words)}, {"success", s::flag()}, {"timestamp", s::time()}};
}

}  // namespace

schema catalog_page_schema() { return s::object(page_fields(offer())); }

schema catalog_provider_schema() { return s::object(joined({{"provider", facts().nullable()}}, page_fields(offer()))); }

schema catalog_providers_schema() {
  return s::object({{"data", s::list(facts())}, {"total", count()}, {"returned", count()}});
}

schema unique_page_schema() {
  return s::object(page_fields(s::object(joined({{"id", s::text()}, {"name", s::text()}}, unique_fields()))));
}

schema catalog_stats_schema() {
  return s::object({{"total_models", count()},
                    {"unique_models", count()},
                    {"total_providers", count()},
                    {"priced_models", count()},
                    {"free_models", count()},
                    {"edited_models", count()},
                    {"models_by_task", s::map(count())},
                    {"models_without_task", count()},
                    {"synced_at", maybe_time()}});
}

schema catalog_model_schema() {
  return s::object(joined(joined(offer_fields(), unique_fields()), {{"offers", s::list(offer())}}));
}

schema catalog_pricing_schema() {
  const auto one = s::object({{"provider", s::text()}, {"prompt", price()}, {"completion", price()}});
  return s::object({{"id", s::text()},
                    {"provider", s::text()},
                    {"prompt", price()},
                    {"completion", price()},
                    {"offers", s::list(one)}});
}

schema cache_stats_schema() {
  const auto of_kind = s::object({{"hits", count()},
                                  {"misses", count()},
                                  {"sets", count()},
                                  {"invalidations", count()},
                                  {"ttl_seconds", count()}});
  return s::object(
      {{"hits", count()},
       {"misses", count()},
       {"sets", count()},
       {"errors", count()},
       {"invalidations", count()},
       {"hit_rate_percent", s::number()},
       {"total_requests", count()},
       {"redis_available", s::flag()},
       {"stale_hits", count()},
       {"too_large", count()},
       {"by_cache", s::map(of_kind)},
       {"local", s::object({{"hits", count()},
                            {"entries", count()},
                            {"max_entries", count()},
                            {"size_bytes", count()},
                            {"max_size_bytes", count()},
                            {"evictions", count()}})},
       {"redis", s::object({{"state", s::one_of({"off", "up", "down"})},
                            {"error", maybe_text()},
                            {"listener", s::one_of({"off", "up", "down"}).says("Down: invalidations are asked for")},
                            {"listener_error", maybe_text()}})},
       {"database",
        s::object({{"kind", maybe_text()}, {"up", s::flag()}, {"waiting", count()}, {"error", maybe_text()}})},
       {"timestamp", s::time()}});
}

schema warm_schema() {
  const auto entry = s::object({{"cache", s::text()},
                                {"status", s::one_of({"success", "failed", "unknown"})},
                                {"success", s::flag()},
                                {"error", maybe_text()}});
  return s::object(joined(done({"success", "partial"}), {{"warmed", count()},
                                                         {"failed", count()},
                                                         {"unknown", count().says("Gateways that there are none of")},
                                                         {"entries", s::list(entry)},
                                                         {"duration_ms", s::number()}}));
}

schema clear_schema() {
  return s::object(joined(done({"success"}), {{"message", s::text()},
                                              {"gateway", maybe_text()},
                                              {"everywhere", s::flag().says("False: Redis is told when it is back")}}));
}

schema sync_schema() {
  const auto one = s::object({{"provider", s::text()},
                              {"type", s::text()},
                              {"success", s::flag()},
                              {"error", maybe_text()},
                              {"models", count()},
                              {"added", count()},
                              {"changed", count()},
                              {"unchanged", count()},
                              {"removed", count()},
                              {"kept_edited", count()},
                              {"skipped", count()},
                              {"skipped_examples", s::list(s::text())},
                              {"duration_ms", s::number()}});
  return s::object(joined(done({"success", "partial", "failed"}),
                          {{"synced", count()}, {"failed", count()}, {"providers", s::list(one)}}));
}

schema edit_request_schema() {
  return s::object({s::maybe("name", maybe_text()), s::maybe("task", maybe_text()),
                    s::maybe("description", maybe_text()),
                    s::maybe("pricing", s::object({s::maybe("prompt", price()), s::maybe("completion", price())})),
                    s::maybe("context_length", maybe_count()),
                    s::maybe("provider", s::text().says("Whose offer, where there are several"))})
      .with("additionalProperties", "false");
}

schema edit_schema() {
  return s::object(joined(done({"success"}), {{"id", s::text()},
                                              {"removed", s::flag()},
                                              {"edited", s::flag()},
                                              {"providers", s::list(s::text())},
                                              {"everywhere", s::flag()}}));
}

}  // namespace troupe::http
