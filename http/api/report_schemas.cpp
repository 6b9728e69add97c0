#include "http/api/report_schemas.hpp"

namespace troupe::http {
namespace {

using s = schema;

schema megabytes() { return s::number().says("MiB"); }
schema count() { return s::integer().with("minimum", "0"); }
schema share() { return s::number().with("minimum", "0").with("maximum", "1"); }
schema text_or_null() { return s::text().nullable(); }
schema time_or_null() { return s::time().nullable(); }
schema number_or_null() { return s::number().nullable(); }

schema memory_usage() {
  return s::object({{"used_mb", megabytes()},
                    {"total_mb", megabytes()},
                    {"usage_percentage", s::number()},
                    {"threshold", s::number().says("The hard limit in percent")}});
}

schema health_word() { return s::one_of({"starting", "healthy", "degraded", "draining"}); }
s::field reason() { return s::maybe("reason", s::text().says("Why it is not healthy")); }
s::field missing() { return s::maybe("missing", s::list(s::object({{"model", s::text()}, {"reason", s::text()}}))); }

// What /models and /models/{m} share.
std::vector<s::field> model_head() {
  return {{"name", s::text()},
          {"cached", s::flag()},
          {"loaded", s::flag()},
          {"memory_usage_mb", megabytes()},
          {"last_accessed", time_or_null()},
          {"access_count", count()},
          {"cache_priority", s::one_of({"low", "medium", "high"})},
          {"source", s::text()},
          {"state", s::one_of({"unloaded", "loading", "resident", "draining", "failed"})}};
}

// Of an action: what was done to which model.
schema done(std::vector<s::field> fields) {
  fields.insert(fields.begin(), {{"message", s::text()}, {"model_name", s::text()}});
  fields.push_back({"timestamp", s::time()});
  return s::object(fields);
}

}  // namespace

schema model_info_schema() {
  const auto input = s::object({{"name", s::text()}, {"datatype", s::text()}, {"shape", s::list(s::integer())}});
  // Of each precision that was tried: how fast, and how far from fp32.
  const auto figures = s::object({{"precision", s::text()},
                                  {"texts_per_second", s::number()},
                                  {"difference", number_or_null()},
                                  {"difference_of", s::one_of({"probability", "1 - cosine"})}});
  return s::object({{"type", s::text()},
                    {"size_mb", number_or_null()},
                    {"loaded_at", time_or_null()},
                    {"load_time_seconds", number_or_null()},
                    {"warmup_completed", s::flag()},
                    {"warmup_time_seconds", number_or_null()},
                    {"task", text_or_null()},
                    {"description", text_or_null()},
                    // What a resident model says of itself:
                    s::maybe("format", s::text()),
                    s::maybe("architecture", s::text()),
                    s::maybe("precision", s::text()),
                    s::maybe("precisions_measured", s::list(figures)),
                    s::maybe("device", s::text()),
                    s::maybe("version", s::text()),
                    s::maybe("parameters", count()),
                    s::maybe("max_length", count()),
                    s::maybe("notes", text_or_null()),
                    s::maybe("labels", s::list(s::text())),
                    s::maybe("inputs", s::list(input))});
}

schema performance_schema() {
  return s::object({{"avg_inference_time_ms", s::number()},
                    {"total_inferences", count()},
                    {"cache_hits", count()},
                    {"cache_misses", count()},
                    {"hit_rate", share()},
                    {"prediction_cache_hits", count()},
                    {"failures", count()}});
}

schema health_schema() {
  return s::object(
      {{"status", health_word()},
       {"cache_status", s::one_of({"operational", "starting", "draining"})},
       reason(),
       missing(),
       s::maybe("warnings", s::list(s::text())),
       {"memory_usage", memory_usage().says("Of the process")},
       {"models_cached", count()},
       {"total_models", count()},
       {"cache_hit_rate", share()},
       {"last_cleanup", time_or_null()},
       {"version", s::text()},
       {"ready", s::flag()},
       {"uptime_seconds", count()},
       {"queue",
        s::object({{"in_flight_items", count()}, {"max_in_flight_items", count()}, {"load_waiters", count()}})},
       {"slots", s::object({{"total", count()}, {"busy", count()}, {"replaced", count()}})},
       {"catalog", s::object({{"redis", s::one_of({"off", "up", "down"})},
                              {"listener", s::one_of({"off", "up", "down"})},
                              {"database", s::one_of({"unused", "up", "down"})}})},
       {"timestamp", s::time()}});
}

schema readiness_schema() {
  return s::object({{"status", health_word()}, {"ready", s::flag()}, reason(), missing(), {"timestamp", s::time()}});
}

schema models_schema() {
  const auto names = s::list(s::text());
  const auto listed = s::object({{"display_name", s::text()},
                                 {"task", s::text().nullable()},
                                 {"category", s::text()},
                                 {"enabled", s::flag()},
                                 {"tts_enabled", s::flag()},
                                 {"description", s::text()},
                                 {"version", s::text().nullable()},
                                 {"tags", names}});
  const auto speech = s::object({{"type", s::text()}, {"model_name", s::text()}, {"description", s::text()}});
  return s::object(
      {{"success", s::flag()},
       {"total_models", count()},
       {"available_models", names},
       {"models_info", s::map(listed).says("By name")},
       {"specialized_models", s::object({{"tts_models", names},
                                         {"stt_models", names},
                                         {"image_classification", names},
                                         {"text_classification", names}})},
       {"audio_models", s::object({{"tts_detailed", s::map(speech).says("By name")}, {"loaded_audio_models", names}})},
       {"models", s::map(s::object(model_head())).says("By name")},
       {"cache_summary", s::object({{"total_models", count()},
                                    {"cached_models", count()},
                                    {"total_memory_usage_mb", megabytes()},
                                    {"available_memory_mb", megabytes()},
                                    {"cache_efficiency", share()}})},
       {"timestamp", s::time()}});
}

schema model_schema() {
  auto fields = model_head();
  fields.push_back({"model_info", model_info_schema()});
  fields.push_back({"performance_metrics", performance_schema()});
  fields.push_back({"instances", count()});
  fields.push_back({"queue_items", count()});
  fields.push_back({"restarts", count()});
  fields.push_back({"pinned", s::flag()});
  fields.push_back({"cache_ttl_seconds", count().nullable()});
  fields.push_back({"expires_in_seconds",
                    count().nullable().says("When it leaves memory, unless it is used; null: it does not by itself")});
  fields.push_back({"last_error", text_or_null()});
  fields.push_back({"timestamp", s::time()});
  return s::object(fields);
}

schema stats_schema() {
  const auto performance = s::object({{"cache_hit_rate", share()},
                                      {"avg_inference_time_ms", s::number()},
                                      {"total_inferences", count()},
                                      {"cache_hits", count()},
                                      {"cache_misses", count()},
                                      {"total_accesses", count()},
                                      {"prediction_cache_hits", count()},
                                      {"failures", count()}});
  const auto model = s::object(
      {{"cached", s::flag()}, {"memory_usage_mb", megabytes()}, {"access_count", count()}, {"hit_rate", share()}});
  return s::object({{"cache_stats", s::object({{"total_models", count()},
                                               {"cached_models", count()},
                                               {"memory_usage", memory_usage().says("Of the models")},
                                               {"performance", performance},
                                               {"models", s::map(model)}})},
                    {"system_stats", s::object({{"uptime_seconds", count()},
                                                {"last_cleanup", time_or_null()},
                                                {"last_cleanup_reason", text_or_null()},
                                                {"cleanup_count", count()},
                                                {"memory_cleanup_mb", megabytes()},
                                                {"evictions", count()},
                                                {"reserved_mb", megabytes()},
                                                {"draining_mb", megabytes()},
                                                {"budget_mb", megabytes()},
                                                {"threshold_mb", megabytes()},
                                                {"started_at", s::time()}})},
                    {"timestamp", s::time()}});
}

schema load_schema() {
  return done({{"load_time_seconds", s::number()},
               {"memory_usage_mb", megabytes()},
               {"cache_status", s::one_of({"loaded"})},
               {"already_loaded", s::flag()}});
}

schema unload_schema() {
  return done(
      {{"memory_freed_mb", megabytes()}, {"cache_status", s::one_of({"unloaded"})}, {"already_unloaded", s::flag()}});
}

schema warmup_schema() {
  return done({{"warmup_requests", count()},
               {"warmup_time_seconds", s::number()},
               {"avg_response_time_ms", s::number()},
               {"warmup_status", s::one_of({"completed"})}});
}

schema cleanup_schema() {
  const auto reasons =
      s::one_of({"memory_threshold_exceeded", "max_models_exceeded", "ttl_expired", "not_needed", "all_spared"});
  return s::object(
      {{"message", s::text()},
       {"cleanup_summary", s::object({{"models_unloaded", count()},
                                      {"memory_freed_mb", megabytes()},
                                      {"models_affected", s::list(s::text())},
                                      {"cleanup_reason", reasons}})},
       {"memory_usage", s::object({{"before_mb", megabytes()}, {"after_mb", megabytes()}, {"freed_mb", megabytes()}})},
       {"cache_status", s::one_of({"optimized"})},
       {"timestamp", s::time()}});
}

}  // namespace troupe::http
