#include "http/api/artifact_schemas.hpp"

#include "cache/artifacts/pull_request.hpp"
#include "config/names.hpp"

namespace troupe::http {
namespace {

using s = schema;

schema count() { return s::integer().with("minimum", "0"); }
schema megabytes() { return s::number().with("minimum", "0").says("MiB"); }
schema maybe_text() { return s::text().nullable(); }
schema name() { return s::text().matching(config::model_name_pattern); }
schema state() { return s::one_of({"pending", "downloading", "completed", "failed", "cancelled"}); }

std::vector<s::field> transfer() {
  return {{"status", state()},
          {"progress", s::number().says("Percent")},
          {"eta", s::number().nullable().says("Seconds")},
          {"message", s::text()},
          {"bytes_done", count()},
          {"bytes_total", count().nullable()},
          {"speed_mb_s", s::number()},
          s::maybe("error", s::text()),
          s::maybe("code", s::text()),
          s::maybe("detail", s::text()),
          s::maybe("load_error", s::text())};
}

std::vector<s::field> joined(std::vector<s::field> some, const std::vector<s::field>& more) {
  some.insert(some.end(), more.begin(), more.end());
  return some;
}

// Of a model that the store has; in `info`, of one that is still being fetched, some are missing or null.
std::vector<s::field> stored(bool in_info) {
  std::vector<s::field> fields{
      {"name", s::text()},
      {"version", maybe_text().says("The source's revision, else what follows from the content")},
      {"size_mb", in_info ? megabytes().nullable() : megabytes()},
      {"source", s::text()},
      {"model_id", s::text()},
      {"task", maybe_text()},
      s::maybe("reason", s::text().says("Why it cannot be served"))};
  for (auto& f :
       std::vector<s::field>{{"id", s::text().says("Follows from the content")},
                             {"size_bytes", count()},
                             {"requested_revision", s::text().says("As it was asked for; empty: the source's default")},
                             {"optimized", s::flag().says("A serving-ready copy is there")},
                             {"pinned", s::flag()},
                             {"downloaded_at", s::time()},
                             {"servable", s::flag().nullable()}})
    fields.push_back(in_info ? s::maybe(f.name, f.is) : f);
  return fields;
}

std::vector<s::field> info() {
  const auto file = s::object({{"path", s::text()}, {"size_bytes", count()}, {"sha256", s::text()}});
  return joined(stored(true), {{"status", state()},
                               s::maybe("description", s::text()),
                               s::maybe("tags", s::list(s::text())),
                               s::maybe("ready_size_mb", megabytes()),
                               s::maybe("path", s::text()),
                               s::maybe("files", s::list(file))});
}

schema measured() {
  return s::object({{"first_answer_ms", s::number()}, {"weights_mb", s::number()}, {"private_memory_mb", s::number()}})
      .nullable();
}

schema with_time(std::vector<s::field> fields) {
  fields.push_back({"timestamp", s::time()});
  return s::object(fields);
}

}  // namespace

schema download_request_schema() {
  return s::object(
      {{"source", s::text().says("huggingface, torchvision, pytorch_hub, torchaudio, url, tts_auto, s3, local")},
       {"model_id", s::text().says("What the source calls it: org/name, resnet50, a URL")},
       {"name", name().says("What it is to be called here")},
       s::maybe("revision", maybe_text().says("Branch, tag or commit")),
       s::maybe("task", maybe_text()),
       s::maybe("load", s::flag().nullable().says("false: it is not loaded when it is there")),
       s::maybe("auto_convert_tts", s::flag().nullable()),
       s::maybe("include_vocoder", s::flag().nullable()),
       s::maybe("vocoder_model", maybe_text()),
       s::maybe("enable_large_model", s::flag().nullable()),
       s::maybe("experimental", s::flag().nullable())});
}

schema manage_request_schema() {
  return s::object({s::maybe("action", s::one_of({"optimize", "retry_download", "update"})),
                    s::maybe("model_name", name()), s::maybe("force_redownload", s::flag())});
}

schema started_schema() {
  return with_time(
      {{"success", s::flag()},
       {"download_id", s::text().matching("^[0-9a-f]{8}$")},
       {"message", s::text()},
       {"model_name", s::text()},
       {"source", s::text()},
       {"model_id", s::text()},
       {"status", s::one_of({"pending", "downloading", "completed", "failed", "cancelled", "already_exists"})},
       {"estimated_time", s::text()},
       {"download_info", s::object({{"download_id", s::text()},
                                    {"model_type", s::one_of({"tts", "general"})},
                                    {"description", maybe_text()},
                                    {"estimated_size_mb", megabytes().nullable()},
                                    {"supports_voice_cloning", s::flag()},
                                    {"vocoder_included", s::flag()},
                                    {"vocoder_models", s::list(s::text())}})}});
}

schema download_status_schema() {
  auto fields = transfer();
  fields.push_back({"download_id", s::text()});
  fields.push_back({"model_name", s::text()});
  fields.push_back(
      {"files",
       s::list(s::object({{"path", s::text()}, {"bytes_done", count()}, {"bytes_total", count().nullable()}}))});
  fields.push_back({"started_at", s::time()});
  fields.push_back({"ended_at", s::time().nullable()});
  return with_time(std::move(fields));
}

schema artifact_info_schema() {
  auto fields = info();
  fields.push_back({"info", s::object(info())});
  auto download = transfer();
  download.push_back({"download_id", s::text()});
  fields.push_back(s::maybe("download", s::object(download)));
  return with_time(std::move(fields));
}

schema removed_schema() {
  return with_time(
      {{"message", s::text()}, {"model_name", s::text()}, {"cancelled", s::flag()}, {"freed_mb", megabytes()}});
}

schema available_schema() {
  const auto names = s::list(s::text());
  const auto entry = s::object({{"name", s::text()},
                                {"source", s::text()},
                                {"model_id", s::text()},
                                {"task", s::text()},
                                {"description", s::text()},
                                {"size_mb", megabytes().nullable()},
                                {"tags", names}});
  return with_time({{"available_models", s::map(entry).says("By name")},
                    {"total_available", count()},
                    s::maybe("categories", s::map(names)),
                    s::maybe("popular_tts_models", names),
                    s::maybe("download_recommendations", s::map(names))});
}

schema cache_info_schema() {
  const auto tts = s::object({{"name", s::text()},
                              {"size_mb", megabytes()},
                              {"source", s::text()},
                              {"task", maybe_text()},
                              {"tags", s::list(s::text())},
                              s::maybe("tts_adapted", s::flag()),
                              {"servable", s::flag().nullable()},
                              s::maybe("reason", s::text())});
  return with_time(
      {{"cache_directory", s::text()},
       {"total_models", count()},
       {"total_size_mb", megabytes()},
       {"models", s::list(s::text())},
       {"tts_specific", s::object({{"tts_models_count", count()},
                                   {"tts_models", s::list(tts)},
                                   {"tts_total_size_mb", megabytes()},
                                   {"tts_percentage", s::number()}})},
       {"cache_optimization",
        s::object({{"cache_hit_rate", s::number()}, {"optimization_enabled", s::flag()}, {"auto_cleanup", s::flag()}})},
       {"storage", s::object({{"content_size_mb", megabytes().says("Each content once")},
                              {"ready_size_mb", megabytes()},
                              {"partial_size_mb", megabytes()},
                              {"limit_mb", megabytes().nullable()}})}});
}

schema managed_schema() {
  const auto named = s::object({{"name", s::text()}, {"loaded", s::flag()}, {"is_tts", s::flag()}});
  const auto downloaded = s::object(
      joined(stored(false), {{"loaded", s::flag()},
                             {"device", maybe_text()},
                             {"is_tts", s::flag()},
                             {"memory_usage", s::object({{"allocated_mb", megabytes()}, {"reserved_mb", megabytes()}})},
                             {"parameters", count().nullable()},
                             s::maybe("tts_adapted", s::flag())}));
  return with_time({{"total_models", count()},
                    {"downloaded_models", s::list(downloaded)},
                    {"categories", s::object({{"tts_models", s::list(named)}, {"other_models", s::list(named)}})},
                    {"summary", s::object({{"total_loaded", count()},
                                           {"tts_models_count", count()},
                                           {"optimized_count", count()},
                                           {"total_parameters", count()}})}});
}

schema manage_schema() {
  return with_time({{"success", s::flag()},
                    {"message", s::text()},
                    {"action", s::text()},
                    {"model_name", s::text()},
                    s::maybe("download_id", s::text()),
                    s::maybe("status", state()),
                    s::maybe("ready_size_mb", megabytes().says("Of the serving-ready copy; 0: there is none")),
                    s::maybe("before", measured().says("Loads without the copy; null: not measured")),
                    s::maybe("after", measured().says("Loads with it")),
                    s::maybe("gained", measured().says("The difference; less than 0: lost")),
                    s::maybe("detail", s::text())});
}

}  // namespace troupe::http
