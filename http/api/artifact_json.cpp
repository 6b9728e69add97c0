#include "http/api/artifact_json.hpp"

#include <algorithm>
#include <cmath>
#include <map>

#include "cache/artifacts/sources/file_roles.hpp"
#include "cache/artifacts/sources/tts.hpp"
#include "http/json/json_write.hpp"

namespace troupe::http {
namespace {

using actors::download_state;

constexpr double mib = 1048576.0;
double megabytes(std::uint64_t bytes) { return static_cast<double>(bytes) / mib; }

bool is_tts(const cache::manifest& m) {
  return m.convert_to_tts || cache::is_text_to_speech(m.asked_task.empty() ? m.task : m.asked_task, m.tags, m.name);
}
bool is_tts(const cache::pull_request& r) {
  return r.source == cache::source_kind::tts_auto || r.convert_to_tts || cache::is_text_to_speech(r.task, {}, r.name) ||
         cache::find_tts_model(r.model_id) != nullptr;
}
bool is_tts(const config::registered_model& m) { return cache::is_text_to_speech(m.task, m.tags, m.name); }

std::string finish(json_out& json) {
  json.field("timestamp", std::chrono::system_clock::now()).end_object();
  return json.str();
}

void write_words(json_out& json, const char* key, const std::vector<std::string>& words) {
  json.key(key).array();
  for (const auto& w : words) json.value(w);
  json.end_array();
}

std::string task_of(const cache::manifest& m) { return m.asked_task.empty() ? m.task : m.asked_task; }

void write_servable(json_out& json, const actors::artifact_report& a) {
  json.field("servable", a.servable);
  if (a.servable == false) json.field("reason", a.reason);
}

// Of a download, what its status and its model's info have in common.
void write_transfer(json_out& json, const actors::download_report& d) {
  const auto left = actors::eta_s(d);
  json.field("status", actors::to_string(d.state))
      .field("progress", std::round(actors::progress_percent(d) * 10) / 10)
      .field("eta", left ? std::optional(std::ceil(*left)) : std::nullopt)
      .field("message", d.message)
      .field("bytes_done", d.bytes_done)
      .field("bytes_total", d.bytes_total)
      .field("speed_mb_s", d.bytes_per_s / mib);
  if (d.why && d.state == download_state::failed) {
    json.field("error", d.why->message).field("code", to_string(d.why->code));
    if (!d.why->detail.empty()) json.field("detail", d.why->detail);
  }
  if (!d.load_error.empty()) json.field("load_error", d.load_error);
}

// What a load without a copy reads of it.
std::uint64_t weight_bytes(const cache::manifest& m) {
  std::uint64_t bytes = 0;
  for (const auto& f : m.files) {
    const auto role = cache::role_of(std::string_view(f.path).substr(f.path.rfind('/') + 1));
    if (role == cache::file_role::safetensors || role == cache::file_role::pickled ||
        role == cache::file_role::torch_file)
      bytes += f.size_bytes;
  }
  return bytes;
}

// What is known of its size before it is there. MiB.
std::optional<double> size_of(const actors::download_report& d, const cache::available_models& listed) {
  if (d.bytes_total) return megabytes(*d.bytes_total);
  if (const auto* m = listed.find(d.what.source, d.what.model_id); m != nullptr && m->size_mb) return m->size_mb;
  const auto* known = cache::find_tts_model(d.what.model_id);
  return known == nullptr ? std::nullopt : known->size_mb;
}

void write_download_info(json_out& json, const actors::download_report& d, const cache::available_models& listed) {
  const auto* known = cache::find_tts_model(d.what.model_id);
  const auto vocoder =
      d.what.include_vocoder ? cache::vocoder_for(d.what.model_id, d.what.vocoder_model) : std::nullopt;
  json.key("download_info")
      .object()
      .field("download_id", d.id)
      .field("model_type", is_tts(d.what) ? "tts" : "general")
      .field("description", known != nullptr ? std::optional(known->description) : std::nullopt)
      .field("estimated_size_mb", size_of(d, listed))
      .field("supports_voice_cloning", known != nullptr && known->voice_cloning)
      .field("vocoder_included", vocoder.has_value());
  json.key("vocoder_models").array();
  if (vocoder) json.value(vocoder->model_id);
  json.end_array().end_object();
}

// What every list tells of a model of the store.
void write_stored(json_out& json, const actors::artifact_report& a) {
  const auto& m = a.stored;
  json.field("name", m.name)
      .field("version", m.revision.empty() ? m.snapshot : m.revision)
      .field("id", m.snapshot)
      .field("size_mb", megabytes(cache::size_bytes(m)))
      .field("size_bytes", cache::size_bytes(m))
      .field("source", cache::to_string(m.source))
      .field("model_id", cache::public_id(m.model_id))
      .field("requested_revision", m.requested_revision)
      .field("task", task_of(m).empty() ? std::nullopt : std::optional(task_of(m)))
      .field("optimized", a.ready_bytes > 0)
      .field("pinned", m.pinned)
      .field("downloaded_at", m.downloaded_at);
  write_servable(json, a);
}

void write_info(json_out& json, const actors::artifact_status& a) {
  if (a.stored) {
    const auto& m = a.stored->stored;
    write_stored(json, *a.stored);
    json.field("description", m.description);
    write_words(json, "tags", m.tags);
    json.field("ready_size_mb", megabytes(a.stored->ready_bytes)).field("path", a.stored->folder.string());
    json.key("files").array();
    for (const auto& f : m.files)
      json.object().field("path", f.path).field("size_bytes", f.size_bytes).field("sha256", f.sha256).end_object();
    json.end_array();
  } else {
    const auto& d = *a.download;
    json.field("name", d.what.name)
        .field("version", nullptr)
        .field("size_mb", d.bytes_total ? std::optional(megabytes(*d.bytes_total)) : std::nullopt)
        .field("source", cache::to_string(d.what.source))
        .field("model_id", cache::public_id(d.what.model_id))
        .field("task", d.what.task.empty() ? std::nullopt : std::optional(d.what.task));
  }
  // What is there is there, whatever became of a later try.
  const bool under_way = a.download && !actors::has_ended(a.download->state);
  const auto state = a.stored && !under_way ? download_state::completed : a.download->state;
  json.field("status", actors::to_string(state));
}

// Of document 002's list: a model of the store that is, or is not, in memory.
void write_managed_model(json_out& json, const actors::artifact_report& a, const actors::model_report* known) {
  const bool loaded = known != nullptr && known->state == actors::residency::resident;
  json.object();
  write_stored(json, a);
  json.field("loaded", loaded)
      .field("device", loaded && known->info ? std::optional(known->info->device) : std::nullopt)
      .field("is_tts", is_tts(a.stored));
  json.key("memory_usage")
      .object()
      .field("allocated_mb", loaded ? megabytes(known->memory_bytes) : 0.0)
      .field("reserved_mb", loaded ? megabytes(known->memory_bytes) : 0.0)
      .end_object();
  json.field("parameters", loaded && known->info ? std::optional(known->info->parameters) : std::nullopt);
  if (a.stored.convert_to_tts) json.field("tts_adapted", true);
  json.end_object();
}

}  // namespace

std::string estimated_time(double bytes, double bytes_per_s) {
  const double seconds = bytes / bytes_per_s;
  if (seconds < 45) return "less than a minute";
  const auto minutes = [&](double factor) {
    return static_cast<long>(std::max(1.0, std::ceil(seconds * factor / 60)));
  };
  const auto least = minutes(0.8), most = minutes(1.5);
  return least == most ? std::to_string(least) + (least == 1 ? " minute" : " minutes")
                       : std::to_string(least) + "-" + std::to_string(most) + " minutes";
}

std::string available_json(const cache::available_models& listed) {
  json_out json;
  json.object().field("total_available", listed.size());
  auto out = finish(json);
  out.back() = ',';
  return out + listed.members_json() + '}';
}

std::string started_json(const actors::download_report& d, const cache::available_models& listed) {
  constexpr double first_guess_bytes_s = 10 * mib;  // before anything was measured here
  const auto size_mb = size_of(d, listed);
  const auto rate = d.usual_bytes_per_s > 0 ? d.usual_bytes_per_s : first_guess_bytes_s;
  json_out json;
  json.object()
      .field("success", true)
      .field("download_id", d.id)
      .field("message", d.already_exists ? d.message
                                         : std::string("Started downloading ") + (is_tts(d.what) ? "TTS " : "") +
                                               "model '" + d.what.name + "'")
      .field("model_name", d.what.name)
      .field("source", cache::to_string(d.what.source))
      .field("model_id", cache::public_id(d.what.model_id))
      .field("status", d.already_exists ? "already_exists" : actors::to_string(d.state))
      .field("estimated_time", d.already_exists ? "none"
                               : size_mb        ? estimated_time(*size_mb * mib, rate)
                                                : "unknown until the source tells its size");
  write_download_info(json, d, listed);
  return finish(json);
}

std::string download_status_json(const actors::download_report& d) {
  json_out json;
  json.object().field("download_id", d.id).field("model_name", d.what.name);
  write_transfer(json, d);
  json.key("files").array();
  for (const auto& f : d.files)
    json.object()
        .field("path", f.path)
        .field("bytes_done", f.bytes_done)
        .field("bytes_total", f.bytes_total)
        .end_object();
  json.end_array().field("started_at", d.started).field("ended_at", d.ended);
  return finish(json);
}

std::string managed_download_json(const actors::download_report& d, const std::string& action) {
  json_out json;
  json.object()
      .field("success", true)
      .field("message", "Started downloading model '" + d.what.name + "'")
      .field("action", action)
      .field("model_name", d.what.name)
      .field("download_id", d.id)
      .field("status", actors::to_string(d.state));
  return finish(json);
}

std::string optimized_json(const actors::artifact_report& before, const actors::optimize_report& did) {
  const auto& name = before.stored.name;
  const bool there = before.ready_bytes > 0;
  json_out json;
  json.object()
      .field("success", true)
      .field("message", did.copy_bytes == 0 ? "Model '" + name + "' is served as it is: there was nothing to gain"
                        : there             ? "Model '" + name + "' is optimized already: there was nothing to gain"
                                            : "Model '" + name + "' optimized successfully")
      .field("action", "optimize")
      .field("model_name", name)
      .field("ready_size_mb", megabytes(did.copy_bytes));
  const auto write = [&](const char* key, double first_answer_s, double read_mb, double private_mb) {
    json.key(key)
        .object()
        .field("first_answer_ms", first_answer_s * 1e3)
        .field("weights_mb", read_mb)
        .field("private_memory_mb", private_mb)
        .end_object();
  };
  if (did.without_copy && did.with_copy) {
    const auto &without = *did.without_copy, &with = *did.with_copy;
    const auto weights_mb = megabytes(weight_bytes(before.stored)), copy_mb = megabytes(did.copy_bytes);
    const auto private_without = megabytes(without.private_bytes), private_with = megabytes(with.private_bytes);
    write("before", without.first_answer_s, weights_mb, private_without);
    write("after", with.first_answer_s, copy_mb, private_with);
    write("gained", without.first_answer_s - with.first_answer_s, weights_mb - copy_mb, private_without - private_with);
  } else {
    json.field("before", nullptr).field("after", nullptr).field("gained", nullptr);
  }
  if (!did.notes.empty()) json.field("detail", did.notes);
  return finish(json);
}

std::string artifact_info_json(const actors::artifact_status& a) {
  json_out json;
  json.object();
  write_info(json, a);
  if (a.download) {
    json.key("download").object().field("download_id", a.download->id);
    write_transfer(json, *a.download);
    json.end_object();
  }
  json.key("info").object();
  write_info(json, a);
  json.end_object();
  return finish(json);
}

std::string cache_info_json(const actors::store_report& store) {
  std::uint64_t bytes = 0, tts_bytes = 0;
  std::vector<const actors::artifact_report*> tts;
  json_out json;
  json.object().field("cache_directory", store.root.string());
  for (const auto& a : store.models) {
    bytes += cache::size_bytes(a.stored);
    if (!is_tts(a.stored)) continue;
    tts.push_back(&a);
    tts_bytes += cache::size_bytes(a.stored);
  }
  json.field("total_models", store.models.size()).field("total_size_mb", megabytes(bytes));
  json.key("models").array();
  for (const auto& a : store.models) json.value(a.stored.name);
  json.end_array();
  json.key("tts_specific").object().field("tts_models_count", tts.size()).key("tts_models").array();
  for (const auto* a : tts) {
    json.object()
        .field("name", a->stored.name)
        .field("size_mb", megabytes(cache::size_bytes(a->stored)))
        .field("source", cache::to_string(a->stored.source))
        .field("task", task_of(a->stored).empty() ? std::nullopt : std::optional(task_of(a->stored)));
    write_words(json, "tags", a->stored.tags);
    if (a->stored.convert_to_tts) json.field("tts_adapted", true);
    write_servable(json, *a);
    json.end_object();
  }
  json.end_array()
      .field("tts_total_size_mb", megabytes(tts_bytes))
      .field("tts_percentage",
             bytes == 0 ? 0.0 : std::round(1000.0 * static_cast<double>(tts_bytes) / static_cast<double>(bytes)) / 10)
      .end_object();
  const auto asked = store.answered + store.downloaded;
  json.key("cache_optimization")
      .object()
      .field("cache_hit_rate", asked == 0 ? 0.0 : static_cast<double>(store.answered) / static_cast<double>(asked))
      .field("optimization_enabled", true)
      .field("auto_cleanup", store.limit_bytes > 0)
      .end_object();
  json.key("storage")
      .object()
      .field("content_size_mb", megabytes(store.size_bytes))
      .field("ready_size_mb", megabytes(store.ready_bytes))
      .field("partial_size_mb", megabytes(store.partial_bytes))
      .field("limit_mb", store.limit_bytes == 0 ? std::nullopt : std::optional(megabytes(store.limit_bytes)))
      .end_object();
  return finish(json);
}

std::string managed_json(const actors::store_report& store, const actors::server_report& server) {
  std::map<std::string, const actors::model_report*> registered;
  for (const auto& m : server.models) registered[m.registration.name] = &m;
  std::map<std::string, const actors::artifact_report*> stored;
  for (const auto& a : store.models) stored[a.stored.name] = &a;
  const auto speaks = [&](const actors::model_report& m) {
    const auto at = stored.find(m.registration.name);
    return at == stored.end() ? is_tts(m.registration) : is_tts(at->second->stored);
  };
  std::uint64_t loaded = 0, tts = 0, optimized = 0, parameters = 0;
  for (const auto& m : server.models) {
    loaded += m.state == actors::residency::resident;
    tts += speaks(m);
    if (m.info) parameters += static_cast<std::uint64_t>(std::max<std::int64_t>(m.info->parameters, 0));
  }
  json_out json;
  json.object().field("total_models", server.models.size()).key("downloaded_models").array();
  for (const auto& a : store.models) {
    optimized += a.ready_bytes > 0;
    const auto known = registered.find(a.stored.name);
    write_managed_model(json, a, known == registered.end() ? nullptr : known->second);
  }
  json.end_array().key("categories").object();
  for (const bool of_tts : {true, false}) {
    json.key(of_tts ? "tts_models" : "other_models").array();
    for (const auto& m : server.models) {
      if (speaks(m) != of_tts) continue;
      json.object()
          .field("name", m.registration.name)
          .field("loaded", m.state == actors::residency::resident)
          .field("is_tts", of_tts)
          .end_object();
    }
    json.end_array();
  }
  json.end_object();
  json.key("summary")
      .object()
      .field("total_loaded", loaded)
      .field("tts_models_count", tts)
      .field("optimized_count", optimized)
      .field("total_parameters", parameters)
      .end_object();
  return finish(json);
}

std::string removed_json(const actors::removal_report& done) {
  json_out json;
  json.object()
      .field("message", (done.cancelled ? "Cancelled the download and removed model from cache: "
                                        : "Successfully removed model from cache: ") +
                            done.model)
      .field("model_name", done.model)
      .field("cancelled", done.cancelled)
      .field("freed_mb", megabytes(done.freed_bytes));
  return finish(json);
}

}  // namespace troupe::http
