#include "http/api/report_json.hpp"

#include <algorithm>
#include <cmath>

#include "config/version.hpp"
#include "http/api/catalog_json.hpp"
#include "http/api/model_lists.hpp"
#include "http/json/json_write.hpp"
#include "http/json/text.hpp"

namespace troupe::http {
namespace {

using std::chrono::system_clock;

double percent(std::uint64_t part, std::uint64_t whole) {
  return whole == 0 ? 0.0 : std::round(static_cast<double>(part) / static_cast<double>(whole) * 1e4) / 100;
}

void write_memory_usage(json_out& json, std::uint64_t used, const actors::memory_report& memory) {
  json.key("memory_usage")
      .object()
      .field("used_mb", mib(used))
      .field("total_mb", mib(memory.total_bytes))
      .field("usage_percentage", percent(used, memory.total_bytes))
      .field("threshold", memory.max_usage * 100)
      .end_object();
}

std::uint64_t resident_count(const actors::server_report& report) {
  return static_cast<std::uint64_t>(std::count_if(report.models.begin(), report.models.end(), [](const auto& m) {
    return m.state == actors::residency::resident;
  }));
}

// As the document writes it.
std::string_view source_name(const std::string& source) {
  if (source.empty()) return "local";
  if (equal_ignoring_case(source, "huggingface")) return "Hugging Face";
  return source;
}

void write_text_or_null(json_out& json, std::string_view key, const std::string& text) {
  text.empty() ? json.field(key, nullptr) : json.field(key, text);
}

// What /models and /models/{m} share.
// What the choice of precision went by.
void write_precisions(json_out& json, const std::vector<inference::precision_figures>& measured) {
  json.key("precisions_measured").array();
  for (const auto& f : measured)
    json.object()
        .field("precision", f.precision)
        .field("texts_per_second", f.texts_per_s)
        .field("difference", f.difference)
        .field("difference_of", f.vectors ? "1 - cosine" : "probability")
        .end_object();
  json.end_array();
}

void write_model_head(json_out& json, const actors::model_report& m) {
  const bool resident = m.state == actors::residency::resident;
  json.field("name", m.registration.name)
      .field("cached", resident)
      .field("loaded", resident)
      .field("memory_usage_mb", mib(m.memory_bytes))
      .field("last_accessed", m.last_accessed)
      .field("access_count", m.counts.accesses)
      .field("cache_priority", config::to_string(m.priority))
      .field("source", source_name(m.registration.source))
      .field("state", actors::to_string(m.state));
}

void write_message(json_out& json, const std::string& message, const std::string& model) {
  json.object().field("message", message).field("model_name", model);
}

std::string finish(json_out& json) {
  json.field("timestamp", system_clock::now()).end_object();
  return json.str();
}

// Why the server is not healthy, in words and model by model. Nothing where it is.
void write_missing(json_out& json, const actors::server_report& report) {
  if (report.state == actors::health::draining) {
    json.field("reason", "the server is shutting down");
  } else if (report.state == actors::health::starting) {
    json.field("reason", "preloaded models are still loading");
  } else if (report.state == actors::health::degraded) {
    const auto& first = report.missing.front();
    std::string why = "preloaded model " + first.name + " is missing: " + first.why;
    if (report.missing.size() > 1) why += "; and " + std::to_string(report.missing.size() - 1) + " more";
    json.field("reason", why);
  }
  if (report.missing.empty()) return;
  json.key("missing").array();
  for (const auto& m : report.missing) json.object().field("model", m.name).field("reason", m.why).end_object();
  json.end_array();
}

}  // namespace

double mib(std::uint64_t bytes) { return std::round(static_cast<double>(bytes) / 1048576.0 * 1000) / 1000; }

std::string health_json(const actors::server_report& report, const actors::catalog_state& catalog,
                        const config::settings& settings, std::uint64_t process_bytes) {
  json_out json;
  json.object().field("status", actors::to_string(report.state));
  json.field("cache_status", report.state == actors::health::degraded || report.state == actors::health::healthy
                                 ? "operational"
                                 : actors::to_string(report.state));
  write_missing(json, report);
  if (!report.registry_trouble.empty()) json.key("warnings").array().value(report.registry_trouble).end_array();
  write_memory_usage(json, process_bytes, report.memory);
  json.field("models_cached", resident_count(report))
      .field("total_models", static_cast<std::uint64_t>(report.models.size()))
      .field("cache_hit_rate", report.totals.hit_rate())
      .field("last_cleanup", report.cleanups.last)
      .field("version", version::project)
      .field("ready", report.ready)
      .field("uptime_seconds", static_cast<std::uint64_t>(std::max(report.uptime_s, 0.0)));
  json.key("queue")
      .object()
      .field("in_flight_items", report.in_flight_items)
      .field("max_in_flight_items", settings.max_in_flight_items)
      .field("load_waiters", report.load_waiters)
      .end_object();
  json.key("slots")
      .object()
      .field("total", report.compute_slots)
      .field("busy", report.busy_slots)
      .field("replaced", report.replaced_slots)
      .end_object();
  write_catalog_health(json.key("catalog"), catalog);
  return finish(json);
}

std::string readiness_json(const actors::server_report& report) {
  json_out json;
  json.object().field("status", actors::to_string(report.state)).field("ready", report.ready);
  write_missing(json, report);
  return finish(json);
}

std::string models_json(const actors::server_report& report) {
  json_out json;
  json.object().key("models").object();
  for (const auto& m : report.models) {
    json.key(m.registration.name).object();
    write_model_head(json, m);
    json.end_object();
  }
  json.end_object();
  write_model_lists(json, report);
  const auto used = report.memory.used_bytes, total = report.memory.total_bytes;
  json.key("cache_summary")
      .object()
      .field("total_models", static_cast<std::uint64_t>(report.models.size()))
      .field("cached_models", resident_count(report))
      .field("total_memory_usage_mb", mib(used))
      .field("available_memory_mb", mib(total > used ? total - used : 0))
      .field("cache_efficiency", report.totals.hit_rate())
      .end_object();
  return finish(json);
}

void write_model_info(json_out& json, const actors::model_report& m) {
  json.object().field("type", "pytorch");
  m.artifact_bytes == 0 ? json.field("size_mb", nullptr) : json.field("size_mb", mib(m.artifact_bytes));
  json.field("loaded_at", m.loaded_at)
      .field("load_time_seconds", m.load_time_s)
      .field("warmup_completed", m.warmup_completed)
      .field("warmup_time_seconds", m.warmup_time_s);
  write_text_or_null(json, "task", task_of(m));
  write_text_or_null(json, "description", m.registration.description);
  if (m.info) {
    const auto& i = *m.info;
    json.field("format", i.format).field("architecture", i.architecture).field("precision", i.precision);
    write_precisions(json, i.precisions);
    json.field("device", i.device)
        .field("version", i.version)
        .field("parameters", i.parameters)
        .field("max_length", i.max_length);
    write_text_or_null(json, "notes", i.notes);
    json.key("labels").array();
    for (const auto& label : i.labels) json.value(label);
    json.end_array();
    json.key("inputs").array();
    for (const auto& input : i.inputs) {
      json.object().field("name", input.name).field("datatype", inference::to_string(input.type)).key("shape").array();
      for (const auto n : input.shape) json.value(n);
      json.end_array().end_object();
    }
    json.end_array();
  }
  json.end_object();
}

void write_performance(json_out& json, const actors::model_report& m) {
  json.object()
      .field("avg_inference_time_ms", m.counts.avg_inference_time_ms)
      .field("total_inferences", m.counts.inferences)
      .field("cache_hits", m.counts.cache_hits)
      .field("cache_misses", m.counts.cache_misses)
      .field("hit_rate", m.counts.hit_rate())
      .field("prediction_cache_hits", m.counts.prediction_cache_hits)
      .field("failures", m.counts.failures)
      .end_object();
}

std::string model_json(const actors::model_report& m) {
  json_out json;
  json.object();
  write_model_head(json, m);
  write_model_info(json.key("model_info"), m);
  write_performance(json.key("performance_metrics"), m);
  json.field("instances", m.instances)
      .field("queue_items", m.queue_items)
      .field("restarts", m.restarts)
      .field("pinned", m.registration.pinned)
      .field("cache_ttl_seconds", m.registration.cache_ttl_s)
      .field("expires_in_seconds", m.expires_in ? std::optional(m.expires_in->count()) : std::nullopt);
  write_text_or_null(json, "last_error", m.last_error);
  return finish(json);
}

std::string stats_json(const actors::server_report& report) {
  json_out json;
  json.object()
      .key("cache_stats")
      .object()
      .field("total_models", static_cast<std::uint64_t>(report.models.size()))
      .field("cached_models", resident_count(report));
  write_memory_usage(json, report.memory.used_bytes, report.memory);
  json.key("performance")
      .object()
      .field("cache_hit_rate", report.totals.hit_rate())
      .field("avg_inference_time_ms", report.totals.avg_inference_time_ms)
      .field("total_inferences", report.totals.inferences)
      .field("cache_hits", report.totals.cache_hits)
      .field("cache_misses", report.totals.cache_misses)
      .field("total_accesses", report.totals.accesses)
      .field("prediction_cache_hits", report.totals.prediction_cache_hits)
      .field("failures", report.totals.failures)
      .end_object();
  json.key("models").object();
  for (const auto& m : report.models) {
    json.key(m.registration.name)
        .object()
        .field("cached", m.state == actors::residency::resident)
        .field("memory_usage_mb", mib(m.memory_bytes))
        .field("access_count", m.counts.accesses)
        .field("hit_rate", m.counts.hit_rate())
        .end_object();
  }
  json.end_object().end_object();
  json.key("system_stats")
      .object()
      .field("uptime_seconds", static_cast<std::uint64_t>(std::max(report.uptime_s, 0.0)))
      .field("last_cleanup", report.cleanups.last)
      .field("last_cleanup_reason", report.cleanups.last ? std::optional(report.cleanups.last_reason) : std::nullopt)
      .field("cleanup_count", report.cleanups.cleanups)
      .field("memory_cleanup_mb", mib(report.cleanups.bytes_freed))
      .field("evictions", report.cleanups.evictions)
      .field("reserved_mb", mib(report.memory.reserved_bytes))
      .field("draining_mb", mib(report.memory.draining_bytes))
      .field("budget_mb", mib(report.memory.budget_bytes))
      .field("threshold_mb", mib(report.memory.threshold_bytes))
      .field("started_at", report.started)
      .end_object();
  return finish(json);
}

std::string load_json(const actors::load_report& done) {
  json_out json;
  write_message(json, "Model " + done.model + (done.already ? " is already loaded" : " loaded successfully"),
                done.model);
  json.field("load_time_seconds", done.load_time_s)
      .field("memory_usage_mb", mib(done.memory_bytes))
      .field("cache_status", "loaded")
      .field("already_loaded", done.already);
  return finish(json);
}

std::string unload_json(const actors::unload_report& done) {
  json_out json;
  const auto* what = done.already      ? " is already unloaded"
                     : done.called_off ? " was being loaded: the load is called off"
                                       : " unloaded successfully";
  write_message(json, "Model " + done.model + what, done.model);
  json.field("memory_freed_mb", mib(done.freed_bytes))
      .field("cache_status", "unloaded")
      .field("already_unloaded", done.already);
  return finish(json);
}

std::string warmup_json(const actors::warmup_report& done) {
  json_out json;
  write_message(json, "Model " + done.model + " warmed up successfully", done.model);
  json.field("warmup_requests", done.requests)
      .field("warmup_time_seconds", done.time_s)
      .field("avg_response_time_ms", done.avg_response_ms)
      .field("warmup_status", "completed");
  return finish(json);
}

std::string cleanup_json(const actors::cleanup_report& done) {
  const double before = mib(done.before_bytes), after = mib(done.after_bytes);
  const double freed = std::max(0.0, before - after);
  json_out json;
  json.object().field("message",
                      done.reason == "not_needed" ? "Memory cleanup completed: nothing to do"
                      : done.reason == "all_spared"
                          ? "Memory cleanup completed: nothing may go yet, all was just loaded, is in use or is pinned"
                          : "Memory cleanup completed");
  json.key("cleanup_summary")
      .object()
      .field("models_unloaded", static_cast<std::uint64_t>(done.models_unloaded.size()))
      .field("memory_freed_mb", freed)
      .key("models_affected")
      .array();
  for (const auto& name : done.models_unloaded) json.value(name);
  json.end_array().field("cleanup_reason", done.reason).end_object();
  json.key("memory_usage")
      .object()
      .field("before_mb", before)
      .field("after_mb", after)
      .field("freed_mb", freed)
      .end_object();
  json.field("cache_status", "optimized");
  return finish(json);
}

}  // namespace troupe::http
