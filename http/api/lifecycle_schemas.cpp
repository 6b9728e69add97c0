#include "http/api/lifecycle_schemas.hpp"

#include "http/api/predict_schemas.hpp"
#include "http/api/report_schemas.hpp"

namespace troupe::http {
namespace {

using s = schema;

schema count() { return s::integer().with("minimum", "0"); }
schema amount() { return s::number().with("minimum", "0"); }
schema text_or_null() { return s::text().nullable(); }
schema names() { return s::list(s::text()); }

std::vector<s::field> joined(std::vector<s::field> some, const std::vector<s::field>& more) {
  some.insert(some.end(), more.begin(), more.end());
  return some;
}

schema metrics() {
  return s::object({{"instances", count()},
                    {"queue_items", count()},
                    {"restarts", count()},
                    {"answered", count()},
                    {"failed", count()},
                    {"performance", performance_schema()}});
}

schema described_model() {
  return s::object({{"model_id", s::text()},
                    {"display_name", s::text()},
                    {"description", text_or_null()},
                    {"version", text_or_null().says("The registry's, else what tells one artifact from another")},
                    {"provider", text_or_null()},
                    {"language", text_or_null()},
                    {"capabilities", names()},
                    {"task", text_or_null()},
                    {"loaded", s::flag()},
                    {"loading", s::flag().says("A load is under way, perhaps beside the one that serves")},
                    {"load_id", text_or_null().says("Of that load, else of the last")},
                    s::maybe("load_error", s::text().says("Why the last load has failed")),
                    {"memory_usage_mb", amount().says("MiB")},
                    {"load_time_ms", amount().nullable()},
                    {"last_used", s::time().nullable()},
                    {"total_requests", count()},
                    s::maybe("success_rate", amount().with("maximum", "1").says("Of the answered and the failed")),
                    s::maybe("model_info", model_info_schema()),
                    s::maybe("metrics", metrics()),
                    s::maybe("uptime_hours", amount().says("Since it was loaded"))});
}

std::vector<s::field> start() {
  return {{"message", s::text()},
          {"model_type", s::text()},
          {"load_id", s::text()},
          {"async", s::flag()},
          {"estimated_load_time", s::integer().nullable().says("Milliseconds, from the load's beginning")},
          {"current_status", s::one_of({"loading", "loaded"})}};
}

std::vector<s::field> load() {
  return {{"message", s::text()},        {"model_type", s::text()},         {"load_time_ms", amount()},
          {"memory_usage_mb", amount()}, {"model_version", text_or_null()}, {"status", s::one_of({"loaded"})}};
}

std::vector<s::field> unload() {
  return {{"message", s::text()},
          {"model_type", s::text()},
          {"memory_freed_mb", amount()},
          {"unload_time_ms", amount()},
          {"models_remaining", names()}};
}

s::field success() { return {"success", s::flag().with("enum", "[true]")}; }

// Of one model, or the sum of all with each.
schema answer(const std::vector<s::field>& fields) {
  return s::object(joined(joined({success()}, fields),
                          {s::maybe("results", s::map(s::object(joined({success()}, fields))).says("Of `all`")),
                           {"timestamp", s::time()}}));
}

}  // namespace

schema lifecycle_question_schema() {
  return s::object(
      {s::maybe("detailed", s::flag().nullable().says("Adds `model_info` to each model")),
       s::maybe("include_metrics", s::flag().nullable().says("Adds `metrics`, and `uptime_hours` of what is loaded"))});
}

schema lifecycle_info_schema() {
  return s::object({success(),
                    {"timestamp", s::time()},
                    {"available_models", s::map(described_model()).says("By name")},
                    {"system_info", s::object({{"total_memory_gb", amount()},
                                               {"available_memory_gb", amount()},
                                               {"cpu_cores", count()},
                                               {"python_version", text_or_null()},
                                               {"framework", s::text()},
                                               {"uptime_hours", amount()}})},
                    {"model_cache", s::object({{"cache_enabled", s::flag()},
                                               {"cache_directory", text_or_null()},
                                               {"cache_size_mb", amount().nullable()},
                                               {"cache_hit_rate", amount().with("maximum", "1")}})}});
}

schema lifecycle_load_request_schema() {
  return s::object(
      {{"model_type", s::text().with("minLength", "1").says("A speech model's name, or `all`")},
       s::maybe("force_reload", s::flag().nullable().says("Loads anew beside what serves, and takes its place")),
       s::maybe("async_load", s::flag().nullable().says("Answers at once; true by default")),
       s::maybe("timeout", seconds_schema().nullable().says("How long an answer waits that is not async"))});
}

schema lifecycle_started_schema() { return answer(start()); }
schema lifecycle_loaded_schema() { return answer(load()); }
schema lifecycle_unloaded_schema() { return answer(unload()); }

schema lifecycle_error_schema() {
  const auto failed = s::object({{"success", s::flag().with("enum", "[false]")},
                                 {"error", s::text()},
                                 {"error_code", s::text()},
                                 {"details", s::text()}});
  const auto done = s::object({success()});
  return s::object({{"status", s::one_of({"error"})},
                    {"success", s::flag().with("enum", "[false]")},
                    {"error", s::text()},
                    {"message", s::text()},
                    {"code", s::text()},
                    {"error_code", s::text()},
                    {"detail", s::text()},
                    {"details", s::text()},
                    s::maybe("available_models", names().says("Those that there are, where one was not found")),
                    s::maybe("model_type", s::text()),
                    s::maybe("results", s::map(s::any_of({done, failed})).says("Of `all`, of which some have failed")),
                    s::maybe("retry_after_seconds", s::integer()),
                    s::maybe("request_id", s::text()),
                    {"timestamp", s::time()}});
}

}  // namespace troupe::http
