#include "http/api/lifecycle_json.hpp"

#include <algorithm>
#include <cmath>
#include <functional>

#include "config/version.hpp"
#include "http/api/model_lists.hpp"
#include "http/api/report_json.hpp"
#include "http/core/errors.hpp"
#include "http/json/json_write.hpp"

namespace troupe::http {
namespace {

using actors::model_report;
using std::chrono::system_clock;

double gib(std::uint64_t bytes) { return static_cast<double>(bytes) / 1073741824.0; }
double ms(double seconds) { return std::round(seconds * 1e6) / 1e3; }

bool is_speech(inference::task task) {
  return task == inference::task::automatic_speech_recognition || task == inference::task::punctuation_restoration ||
         task == inference::task::voice_activity_detection;
}

std::optional<std::string> text_or_null(const std::string& text) {
  return text.empty() ? std::nullopt : std::optional(text);
}

void write_texts(json_out& json, const char* key, const std::vector<std::string>& texts) {
  json.key(key).array();
  for (const auto& text : texts) json.value(text);
  json.end_array();
}

// The registry's word, else what tells one artifact from another.
std::string version_of(const model_report& m) {
  return m.registration.version.empty() && m.info ? m.info->version : m.registration.version;
}

void write_metrics(json_out& json, const model_report& m) {
  json.object()
      .field("instances", m.instances)
      .field("queue_items", m.queue_items)
      .field("restarts", m.restarts)
      .field("answered", m.counts.answered)
      .field("failed", m.counts.failed);
  write_performance(json.key("performance"), m);
  json.end_object();
}

void write_model(json_out& json, const model_report& m, const lifecycle_question& asked) {
  const auto& r = m.registration;
  json.object()
      .field("model_id", r.name)
      .field("display_name", r.display_name.empty() ? r.name : r.display_name)
      .field("description", text_or_null(r.description))
      .field("version", text_or_null(version_of(m)))
      .field("provider", text_or_null(r.provider))
      .field("language", text_or_null(r.language));
  write_texts(json, "capabilities", r.capabilities);
  json.field("task", text_or_null(task_of(m)))
      .field("loaded", m.state == actors::residency::resident)
      .field("loading", m.loading)
      .field("load_id", text_or_null(m.load_id));
  if (!m.load_error.empty()) json.field("load_error", m.load_error);
  json.field("memory_usage_mb", mib(m.memory_bytes))
      .field("load_time_ms", m.load_time_s ? std::optional(ms(*m.load_time_s)) : std::nullopt)
      .field("last_used", m.last_accessed)
      .field("total_requests", m.counts.accesses);
  if (const auto rate = m.counts.success_rate()) json.field("success_rate", *rate);
  if (asked.detailed) write_model_info(json.key("model_info"), m);
  if (asked.include_metrics) {
    write_metrics(json.key("metrics"), m);
    if (m.resident_s) json.field("uptime_hours", *m.resident_s / 3600);
  }
  json.end_object();
}

// -- actions: of one model, and of all ------------------------------------------------------------------------

template <class T>
const error* first_error(const std::vector<answer_of<T>>& answers) {
  for (const auto& a : answers)
    if (!a.is) return &a.is.error();
  return nullptr;
}

template <class T>
void write_result(json_out& json, const answer_of<T>& answer, const std::function<void(json_out&, const T&)>& write) {
  json.key(answer.model).object().field("success", answer.is.has_value());
  if (answer.is) {
    json.field("model_type", answer.model);
    write(json, *answer.is);
  } else {
    const auto& why = answer.is.error();
    json.field("error", why.message)
        .field("error_code", to_string(why.code))
        .field("details", why.detail.empty() ? why.message : why.message + ": " + why.detail);
  }
  json.end_object();
}

// `write` gives the document's fields of one, `write_sum` those of all together.
template <class T>
response answer(std::string_view asked, const std::vector<answer_of<T>>& answers, std::string_view request_id,
                const std::function<void(json_out&, const T&)>& write,
                const std::function<void(json_out&)>& write_sum) {
  const auto* failed = first_error(answers);
  if (asked != all_models && failed != nullptr) return lifecycle_error(*failed, request_id, {});
  const auto write_results = [&](json_out& json) {
    json.key("results").object();
    for (const auto& a : answers) write_result(json, a, write);
    json.end_object();
  };
  if (failed != nullptr) {
    return worded_error("error", failed->message, *failed, request_id, {}, [&](json_out& json) {
      json.field("model_type", asked);
      write_results(json);
    });
  }
  json_out json;
  json.object().field("success", true).field("model_type", asked);
  if (asked == all_models) {
    write_sum(json);
    write_results(json);
  } else {
    write(json, *answers.front().is);
  }
  json.field("timestamp", system_clock::now()).end_object();
  response out;
  out.body = json.str();
  return out;
}

void write_start(json_out& json, const actors::load_start& s) {
  json.field("message", s.already ? "Model is already loaded" : "Model loading initiated")
      .field("load_id", s.load_id)
      .field("async", true)
      .field("estimated_load_time", s.expected_s ? std::optional(std::llround(*s.expected_s * 1e3)) : std::nullopt)
      .field("current_status", s.already ? "loaded" : "loading");
}

void write_load(json_out& json, const std::string& message, double time_ms, double memory_mb,
                const std::optional<std::string>& version) {
  json.field("message", message)
      .field("load_time_ms", time_ms)
      .field("memory_usage_mb", memory_mb)
      .field("model_version", version)
      .field("status", "loaded");
}

void write_unload(json_out& json, const timed_unload& u) {
  json.field("message", u.report.already      ? "Model is already unloaded"
                        : u.report.called_off ? "Model was being loaded: the load is called off"
                                              : "Model unloaded successfully")
      .field("memory_freed_mb", mib(u.report.freed_bytes))
      .field("unload_time_ms", u.time_ms);
}

std::string counted(std::size_t models, const char* done) {
  return std::to_string(models) + (models == 1 ? " model " : " models ") + done;
}

}  // namespace

bool is_speech_model(const actors::model_report& m) {
  if (const auto told = inference::parse_task(m.registration.task)) return is_speech(*told);
  if (!m.tasks.empty()) return std::any_of(m.tasks.begin(), m.tasks.end(), is_speech);
  return m.registration.name == "streaming_asr" || m.registration.name == "punctuation";
}

std::string lifecycle_info_json(const actors::server_report& server, const actors::store_report* store,
                                const machine_facts& machine, const lifecycle_question& asked) {
  json_out json;
  json.object().field("success", true).field("timestamp", system_clock::now());
  json.key("available_models").object();
  for (const auto& m : server.models) {
    if (is_speech_model(m)) write_model(json.key(m.registration.name), m, asked);
  }
  json.end_object();
  json.key("system_info")
      .object()
      .field("total_memory_gb", gib(machine.total_memory_bytes))
      .field("available_memory_gb", gib(machine.available_memory_bytes))
      .field("cpu_cores", machine.cores)
      .field("python_version", nullptr)
      .field("framework", "troupe " + std::string(version::project) + " (CAF " + std::string(version::caf) +
                              ", LibTorch " + std::string(version::torch) + ")")
      .field("uptime_hours", std::max(server.uptime_s, 0.0) / 3600)
      .end_object();
  std::uint64_t kept = 0;
  if (store != nullptr) {
    for (const auto& a : store->models) kept += cache::size_bytes(a.stored);
  }
  json.key("model_cache")
      .object()
      .field("cache_enabled", store != nullptr)
      .field("cache_directory", store != nullptr ? std::optional(store->root.string()) : std::nullopt)
      .field("cache_size_mb", store != nullptr ? std::optional(mib(kept)) : std::nullopt)
      .field("cache_hit_rate", server.totals.hit_rate())
      .end_object();
  json.end_object();
  return json.str();
}

response lifecycle_started(std::string_view asked, const std::vector<answer_of<actors::load_start>>& answers,
                           std::string_view request_id) {
  const auto sum = [&](json_out& json) {
    std::string ids;
    bool loading = false;
    std::optional<double> expected_s = 0;
    for (const auto& a : answers) {
      ids += (ids.empty() ? "" : "+") + a.is->load_id;
      loading |= !a.is->already;
      expected_s = expected_s && a.is->expected_s ? std::optional(*expected_s + *a.is->expected_s) : std::nullopt;
    }
    write_start(json, {{}, ids, !loading, expected_s});
  };
  return answer<actors::load_start>(asked, answers, request_id, write_start, sum);
}

response lifecycle_loaded(std::string_view asked, const std::vector<answer_of<actors::load_report>>& answers,
                          std::string_view request_id) {
  const auto one = [](json_out& json, const actors::load_report& l) {
    write_load(json, l.already ? "Model is already loaded" : "Model loaded successfully", ms(l.load_time_s),
               mib(l.memory_bytes), text_or_null(l.version));
  };
  const auto sum = [&](json_out& json) {
    double seconds = 0;
    std::uint64_t bytes = 0;
    for (const auto& a : answers) {
      seconds += a.is->load_time_s;
      bytes += a.is->memory_bytes;
    }
    write_load(json, counted(answers.size(), "loaded"), ms(seconds), mib(bytes), std::nullopt);
  };
  return answer<actors::load_report>(asked, answers, request_id, one, sum);
}

response lifecycle_unloaded(std::string_view asked, const std::vector<answer_of<timed_unload>>& answers,
                            const std::vector<std::string>& remaining, std::string_view request_id) {
  const auto one = [&](json_out& json, const timed_unload& u) {
    write_unload(json, u);
    write_texts(json, "models_remaining", remaining);
  };
  const auto sum = [&](json_out& json) {
    std::uint64_t bytes = 0;
    double time_ms = 0;
    for (const auto& a : answers) {
      bytes += a.is->report.freed_bytes;
      time_ms += a.is->time_ms;
    }
    json.field("message", counted(answers.size(), "unloaded"))
        .field("memory_freed_mb", mib(bytes))
        .field("unload_time_ms", time_ms);
    write_texts(json, "models_remaining", remaining);
  };
  return answer<timed_unload>(asked, answers, request_id, one, sum);
}

response lifecycle_error(const error& why, std::string_view request_id, header_list headers) {
  std::string_view text = why.message;
  if (why.code == error_code::model_not_found) text = "Model not found";
  return worded_error("error", text, why, request_id, std::move(headers));
}

response lifecycle_not_found(const error& why, const std::vector<std::string>& available, std::string_view request_id) {
  return worded_error("error", "Model not found", why, request_id, {},
                      [&](json_out& json) { write_texts(json, "available_models", available); });
}

}  // namespace troupe::http
