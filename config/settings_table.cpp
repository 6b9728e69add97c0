#include "config/settings_table.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>
#include <sstream>

#include "config/catalog_providers.hpp"
#include "config/names.hpp"

namespace troupe::config {
namespace {

constexpr double year_s = 365.0 * 86400, day_ms = 86400e3, million = 1e6;

struct text_options {
  std::vector<std::string> choices;
  text_rule rule = text_rule::one_line;
  std::string env;
  bool secret = false;
};

// Rows are written group by group, as they are printed.
class table_writer {
 public:
  void group(std::string title) { group_ = std::move(title); }

  template <class Number>
  setting_row& number(const std::string& name, Number settings::*member, const std::string& unit, double smallest,
                      double largest, const std::string& description) {
    auto& row = add(name, member, unit, description);
    row.smallest = smallest;
    row.largest = largest;
    return row;
  }
  setting_row& flag(std::string name, bool settings::*member, std::string description) {
    return add(std::move(name), member, "", std::move(description));
  }
  template <class Text>
  setting_row& text(const std::string& name, Text settings::*member, const std::string& description,
                    const text_options& options = {}) {
    auto& row = add(name, member, "", description);
    row.choices = options.choices;
    row.rule = options.rule;
    row.documented_env = options.env;
    row.secret = options.secret;
    return row;
  }
  std::vector<setting_row> rows;

 private:
  setting_row& add(std::string name, settings_member member, std::string unit, std::string description) {
    setting_row row;
    row.group = group_;
    row.name = std::move(name);
    row.member = member;
    row.unit = std::move(unit);
    row.description = std::move(description);
    return rows.emplace_back(std::move(row));
  }
  std::string group_;
};

void write_listener_rows(table_writer& t) {
  using s = settings;
  t.group("Listeners");
  t.text(
      "listeners", &s::listeners,
      "where to listen. In the file a list of {host, port, tls: {certificate_file, private_key_file}, dialect}; "
      "elsewhere HOST:PORT, several separated by commas. `dialect`: http, or tei: text-embeddings-inference's "
      "routes at the root, too, or funasr, or vosk: their WebSocket at every path, and nothing else. `host` and `port` "
      "are short for one listener; from the environment or the command "
      "line they replace the list. Port 0 is any free one");
  t.number("io_threads", &s::io_threads, "", 0, 256, "threads that read and write connections; 0: from the cores");
}

void write_model_rows(table_writer& t) {
  using s = settings;
  t.group("Models and memory");
  t.number("max_memory_usage", &s::max_memory_usage, "fraction", 0.01, 1,
           "hard limit for models, of the memory (the smaller of machine and control group, or the GPU's) unless "
           "memory_limit_mb is set")
      .basic = true;
  t.number("memory_threshold", &s::memory_threshold, "fraction", 0.01, 1,
           "above it the cleanup evicts models; a share of the same memory as max_memory_usage, so with "
           "memory_limit_mb the cleanup starts at that limit times memory_threshold / max_memory_usage");
  t.number("cache_ttl", &s::cache_ttl_s, "s", 0, 10 * year_s, "a model idle for longer is unloaded; 0: never");
  t.text("preload_models", &s::preload_models, "models to load at start; their priority is high",
         {.choices = {}, .rule = text_rule::model_name, .env = {}, .secret = false})
      .basic = true;
  t.flag("ready_when_degraded", &s::ready_when_degraded,
         "/health/ready answers 200 also while a preloaded model could not be loaded; false: 503 until all are there");
  t.number("warmup_requests", &s::warmup_requests, "", 0, 10000, "warm-up inferences, at least one a bucket");
  t.flag("enable_auto_scaling", &s::enable_auto_scaling, "grow and shrink a model's instances with its queue");
  t.number("cleanup_interval", &s::cleanup_interval_s, "s", 1, 86400, "time between two cleanup scans");
  t.number("max_models", &s::max_models, "", 1, million, "models in memory at the same time").basic = true;
  t.number("memory_limit_mb", &s::memory_limit_mb, "MiB", 0, 64 * million,
           "hard limit for models, instead of max_memory_usage's; 0: that one")
      .basic = true;
  t.text("default_model", &s::default_model,
         "answers requests that name none; empty: the first by name of those that are preloaded, else of all, "
         "models_file's before what was registered at run time. One that is named here and not registered is never "
         "replaced by another",
         {.choices = {}, .rule = text_rule::model_name, .env = {}, .secret = false})
      .basic = true;
  t.text("models_file", &s::models_file, "the registry; empty: the shipped models").basic = true;
  t.number("max_registered_models", &s::max_registered_models, "", 0, million,
           "models registered while the server runs, beside models_file; 0: none may be");
  t.text("data_dir", &s::data_dir,
         "troupe's own folder; default $XDG_DATA_HOME/troupe or ~/.local/share/troupe, without HOME /var/lib/troupe")
      .basic = true;
  t.text("cache_directory", &s::cache_directory, "the artifact store; empty: data_dir/models");
  t.number("max_artifact_mb", &s::max_artifact_mb, "MiB", 1, 64 * million, "largest artifact that is loaded");
  t.number("loader_threads", &s::loader_threads, "", 1, 64, "loads that run at the same time");
  t.number("load_timeout_ms", &s::load_timeout_ms, "ms", 1, day_ms, "a load or warm-up asked for over HTTP");
  t.number("load_patience_ms", &s::load_patience_ms, "ms", 0, day_ms,
           "a load beside resident models gives way to running batches for so long, then for 2 ms a step at most");
  t.number("min_resident_ms", &s::min_resident_ms, "ms", 0, day_ms,
           "a just-loaded model is not evicted for so long; what is used more, or matters more, is not evicted in its "
           "place: loads wait");
  t.number("max_eviction_wait_ms", &s::max_eviction_wait_ms, "ms", 0, day_ms,
           "a load that waits for memory drains a busy model after so long");
  t.number("restart_backoff_min_ms", &s::restart_backoff_min_ms, "ms", 1, day_ms, "first wait before a restart");
  t.number("restart_backoff_max_ms", &s::restart_backoff_max_ms, "ms", 1, day_ms, "longest wait before a restart");
  t.number("usage_half_life_s", &s::usage_half_life_s, "s", 1, year_s, "decay of the use that makes priorities");
}

text_options variable(std::string name, text_rule rule = text_rule::one_line, bool secret = false) {
  return {.choices = {}, .rule = rule, .env = std::move(name), .secret = secret};
}

void write_artifact_rows(table_writer& t) {
  using s = settings;
  t.group("Artifacts");
  t.number(
       "store_limit_gb", &s::store_limit_gb, "GiB", 0, million,
       "of the artifact store; above it the least recently used artifacts go that are neither pinned nor in memory; "
       "0: the disk is the limit")
      .basic = true;
  t.flag("allow_private_downloads", &s::allow_private_downloads,
         "the url source may reach loopback, private and link-local addresses");
  t.number("max_downloads", &s::max_downloads, "", 1, 64, "downloads at the same time");
  t.number("max_waiting_downloads", &s::max_waiting_downloads, "", 0, 1 << 20, "downloads that wait for their turn");
  t.number("download_connections", &s::download_connections, "", 1, 256, "connections of all downloads together");
  t.number("download_rate_limit_mb_s", &s::download_rate_limit_mb_s, "MiB/s", 0, million,
           "of all downloads together; 0: none");
  t.number("download_retries", &s::download_retries, "", 0, 100, "of one file");
  t.number("download_stall_s", &s::download_stall_s, "s", 1, 3600,
           "a transfer that stands still for so long is retried");
  t.number("keep_partial_s", &s::keep_partial_s, "s", 0, year_s,
           "what came of a download that failed is kept for so long, for its next try");
  t.text("ca_file", &s::ca_file,
         "certificate authorities that https downloads and proxies are judged by, a PEM file; empty: the system's",
         variable("SSL_CERT_FILE"));
  t.text("hf_endpoint", &s::hf_endpoint, "the Hugging Face hub, or a mirror",
         variable("HF_ENDPOINT", text_rule::base_url))
      .basic = true;
  t.text("hf_token", &s::hf_token, "for gated and private models", variable("HF_TOKEN", text_rule::key, true));
  t.flag("hf_hub_offline", &s::hf_hub_offline, "of the hub, only what its own cache folder has").documented_env =
      "HF_HUB_OFFLINE";
  t.text("hf_hub_cache", &s::hf_hub_cache,
         "the hub's own cache folder, from which models are taken without a download; default $HF_HOME/hub or "
         "~/.cache/huggingface/hub",
         variable("HF_HUB_CACHE"));
  t.text("torchvision_base_url", &s::torchvision_base_url, "where torchvision's weights are published",
         variable("TORCHVISION_BASE_URL", text_rule::base_url));
  t.text("pytorch_hub_base_url", &s::pytorch_hub_base_url, "where PyTorch hub's weights are published",
         variable("PYTORCH_HUB_BASE_URL", text_rule::base_url));
  t.text("torchaudio_base_url", &s::torchaudio_base_url, "where torchaudio's weights are published",
         variable("TORCHAUDIO_BASE_URL", text_rule::base_url));
  t.text("s3_endpoint", &s::s3_endpoint, "for s3:// addresses; empty: AWS, by the region",
         variable("AWS_ENDPOINT_URL", text_rule::base_url));
  t.text("s3_region", &s::s3_region, "for s3:// addresses", variable("AWS_REGION"));
  t.text("s3_access_key", &s::s3_access_key, "for s3:// addresses; empty: unsigned requests",
         variable("AWS_ACCESS_KEY_ID", text_rule::key, true));
  t.text("s3_secret_key", &s::s3_secret_key, "for s3:// addresses",
         variable("AWS_SECRET_ACCESS_KEY", text_rule::key, true));
  t.text("s3_session_token", &s::s3_session_token, "for s3:// addresses",
         variable("AWS_SESSION_TOKEN", text_rule::key, true));
}

void write_catalog_rows(table_writer& t) {
  using s = settings;
  t.group("Catalog");
  t.text("providers", &s::providers,
         "whose models the catalog lists: {name, type, base_url or path, api_key_env, interval_s}. `type`: local "
         "(this server's own), huggingface, openai (any /v1/models), file (the same JSON). Outside the file the same "
         "list, as JSON")
      .basic = true;
  t.text("database_url", &s::database_url,
         "the catalog's database: postgresql://USER:PASSWORD@HOST/NAME; empty: SQLite in data_dir/catalog.db",
         variable("DATABASE_URL", text_rule::one_line, true))
      .basic = true;
  t.text("redis_url", &s::redis_url,
         "the catalog's cache: redis[s]://[USER:PASSWORD@]HOST[:PORT][/N] or unix:///SOCKET; empty: memory alone",
         variable("REDIS_URL", text_rule::one_line, true))
      .basic = true;
  t.number("redis_timeout_ms", &s::redis_timeout_ms, "ms", 1, 60000, "no request waits longer for Redis");
  t.number("redis_retry_ms", &s::redis_retry_ms, "ms", 100, 30000,
           "the longest pause before a Redis that failed is asked again; shorter after the first failures");
  t.flag("model_cache_enabled", &s::model_cache_enabled,
         "false: the database answers, and local copies only while it fails")
      .documented_env = "MODEL_CACHE_ENABLED";
  t.flag("model_cache_warm_on_startup", &s::model_cache_warm_on_startup,
         "the full catalog, the unique models and model_cache_warm_providers are cached at start")
      .documented_env = "MODEL_CACHE_WARM_ON_STARTUP";
  t.number("model_cache_ttl", &s::model_cache_ttl_s, "s", 1, year_s,
           "of the full catalog and the statistics; providers and unique models have 1800, models and prices 3600")
      .documented_env = "MODEL_CACHE_TTL";
  t.number("model_cache_grace", &s::model_cache_grace_s, "s", 0, year_s,
           "an entry past its time is served for so long, while one refresh runs");
  t.number("model_cache_local_entries", &s::model_cache_local_entries, "", 1, million, "of the local tier, LRU");
  t.number("model_cache_local_mb", &s::model_cache_local_mb, "MiB", 1, million, "of the local tier, LRU");
  t.number("model_cache_max_value_mb", &s::model_cache_max_value_mb, "MiB", 1, 512,
           "larger values are not cached under any key, and the log says so");
  t.text("model_cache_warm_providers", &s::model_cache_warm_providers, "warmed at start where they exist",
         {.choices = {}, .rule = text_rule::provider_name, .env = {}, .secret = false});
  t.number("catalog_readers", &s::catalog_readers, "", 1, 64, "connections that read the catalog's database");
  t.number("max_catalog_waiters", &s::max_catalog_waiters, "", 1, million, "requests that wait for that database");
  t.number("max_provider_models", &s::max_provider_models, "", 1, 1e8, "of one provider; more fail its sync");
}

void write_compute_rows(table_writer& t) {
  using s = settings;
  t.group("Compute");
  t.text("device", &s::device, "what computes: cpu, cuda or cuda:N",
         {.choices = {}, .rule = text_rule::device, .env = {}, .secret = false});
  t.text("precision", &s::precision, "auto: fp32 for speech, for others the fastest that agrees with it, measured once",
         {.choices = {"auto", "fp32", "bf16", "int8"}, .rule = text_rule::any, .env = {}, .secret = false})
      .basic = true;
  t.number("precision_tolerance", &s::precision_tolerance, "fraction", 0, 1,
           "the most by which a probability may differ from fp32's (vectors: a cosine of 0.9999); 0: not compared");
  t.number("compute_slots", &s::compute_slots, "", 0, 256, "batches that run at the same time; 0: measured").basic =
      true;
  t.number("threads_per_slot", &s::threads_per_slot, "", 0, 256, "threads of one batch; 0: measured");
  t.number("lone_batch_threads", &s::lone_batch_threads, "", 0, 256,
           "threads of a batch that has the device to itself; 0: measured; programs use them from four cores on");
  t.number("slot_timeout_ms", &s::slot_timeout_ms, "ms", 10, day_ms, "a batch that runs longer is given up");
  t.number("max_batch_items", &s::max_batch_items, "items", 1, 4096, "largest batch");
  t.number("max_batch_tokens", &s::max_batch_tokens, "tokens", 1, 1 << 20, "largest batch");
  t.number("max_queue_delay_us", &s::max_queue_delay_us, "us", 0, 10 * million,
           "wait for a fuller batch; 0: take what waits when a slot is free");
  t.number("max_instances", &s::max_instances, "", 0, 256, "instances of one model; 0: as many as slots");
  t.number("actor_threads", &s::actor_threads, "", 0, 256, "threads of the actors; 0: from the cores");
}

void write_admission_rows(table_writer& t) {
  using s = settings;
  t.group("Admission");
  t.number("request_timeout_ms", &s::request_timeout_ms, "ms", 1, day_ms, "deadline of a request that names none")
      .basic = true;
  t.number("max_request_timeout_ms", &s::max_request_timeout_ms, "ms", 1, day_ms, "longest deadline of a request");
  t.number("max_queue_items", &s::max_queue_items, "items", 1, 1 << 20, "queue of one model");
  t.number("max_load_waiters", &s::max_load_waiters, "", 1, 1 << 20, "requests that wait for loads, all models");
  t.number("max_in_flight_items", &s::max_in_flight_items, "items", 1, 1 << 20, "in flight, the whole process");
  t.number("max_batch_inputs", &s::max_batch_inputs, "", 1, 1 << 20, "texts in one batch request");
  t.number("max_text_bytes", &s::max_text_bytes, "bytes", 1, 1 << 30, "longest text");
  t.number("prepare_threads", &s::prepare_threads, "", 1, 64, "threads that tokenize long texts");
  t.number("max_prepare_queue", &s::max_prepare_queue, "", 1, 1 << 20, "long texts that wait for them");
  t.number("prepare_inline_bytes", &s::prepare_inline_bytes, "bytes", 0, 1 << 30,
           "shorter texts are tokenized where they are read");
  t.number("prediction_cache_mb", &s::prediction_cache_mb, "MiB", 0, million, "answers of repeated requests; 0: off")
      .basic = true;
}

void write_session_rows(table_writer& t) {
  using s = settings;
  t.group("Live sessions");
  t.text("speech_model", &s::speech_model,
         "the model of sessions that name none; empty: streaming_asr, else the first by name");
  t.text("offline_speech_model", &s::offline_speech_model,
         "hears whole sounds, and sentences once more at their end; empty: offline_asr, else the first by name");
  t.text("punctuation_model", &s::punctuation_model,
         "gives whole sentences their marks; empty: punctuation, else the first by name");
  t.text("vad_model", &s::vad_model, "tells where somebody speaks; empty: vad, else the first by name");
  t.number("max_sessions", &s::max_sessions, "", 1, million, "live sessions at the same time");
  t.number("session_compute_share", &s::session_compute_share, "fraction", 0, 1,
           "of the compute slots, that live sessions may need in real time; one more is refused");
  t.number("session_buffer_ms", &s::session_buffer_ms, "ms", 1000, 600000,
           "sound of a session that is not answered yet");
  t.number("session_sentence_max_ms", &s::session_sentence_max_ms, "ms", 1000, 300000,
           "a sentence of a session that lasts so long is ended");
  t.number("session_idle_timeout_s", &s::session_idle_timeout_s, "s", 1, 86400,
           "a session without sound for so long is ended");
  t.number("session_drain_ms", &s::session_drain_ms, "ms", 0, day_ms,
           "longest wait of a model that is to go for its sessions and recordings");
}

void write_recording_rows(table_writer& t) {
  using s = settings;
  t.group("Recordings");
  t.number("max_recordings", &s::max_recordings, "", 1, 100000, "recordings that are heard or wait for their turn");
  t.number("recordings_at_once", &s::recordings_at_once, "", 1, 1024, "recordings that are heard, the others wait");
  t.number("recording_segments", &s::recording_segments, "", 1, 1024,
           "segments of one recording that are asked at once of a model for whole sounds");
  t.number("max_recording_s", &s::max_recording_s, "s", 1, 86400, "longest recording");
}

void write_edge_rows(table_writer& t) {
  using s = settings;
  t.group("HTTP");
  t.number("max_body_bytes", &s::max_body_bytes, "bytes", 1024, double(1ull << 34), "largest body").basic = true;
  t.number("max_upload_bytes", &s::max_upload_bytes, "bytes", 1024, double(1ull << 34),
           "largest recording: of the routes that take them, and of FunASR's protocol");
  t.number("max_body_budget_mb", &s::max_body_budget_mb, "MiB", 1, million, "bodies being received, all together");
  t.number("max_url_bytes", &s::max_url_bytes, "bytes", 256, 1 << 20, "longest request target");
  t.number("max_header_count", &s::max_header_count, "", 8, 10000, "header fields of a request");
  t.number("max_header_bytes", &s::max_header_bytes, "bytes", 1024, 1 << 24, "all header fields of a request");
  t.number("max_connections", &s::max_connections, "", 1, million, "open connections, all listeners").basic = true;
  t.number("max_pipelined_requests", &s::max_pipelined_requests, "", 2, 1024, "unanswered requests of a connection");
  t.number("request_read_timeout_ms", &s::request_read_timeout_ms, "ms", 10, day_ms,
           "a whole request must have come by then, a second later for each 125 KiB of it; also idle keep-alive");
  t.number("max_live_message_bytes", &s::max_live_message_bytes, "bytes", 1024, 1 << 28,
           "longest message of a WebSocket");
  t.number("max_live_unsent_bytes", &s::max_live_unsent_bytes, "bytes", 1024, 1 << 30,
           "unsent bytes of a WebSocket before its client counts as too slow and is closed");
  t.number("live_idle_timeout_ms", &s::live_idle_timeout_ms, "ms", 100, day_ms,
           "silence of a WebSocket, pongs included, before it is closed; half of it before it is pinged");
  t.number("stream_heartbeat_ms", &s::stream_heartbeat_ms, "ms", 100, day_ms, "longest silence of a streamed answer");
  t.number("stream_credit_bytes", &s::stream_credit_bytes, "bytes", 1024, 1 << 30,
           "unsent bytes of a stream before its job waits");
  t.text("cors_allow_origin", &s::cors_allow_origin, "an origin, or *; empty: no CORS headers",
         {.choices = {}, .rule = text_rule::origin, .env = {}, .secret = false});
  t.number("shutdown_grace_ms", &s::shutdown_grace_ms, "ms", 0, day_ms, "longest wait for requests when ending");
}

void write_other_rows(table_writer& t) {
  using s = settings;
  t.group("Keys");
  t.text("admin_api_key", &s::admin_api_key,
         "opens admin routes (a command line is visible to others: prefer the "
         "environment)",
         {.choices = {}, .rule = text_rule::key, .env = "ADMIN_API_KEY", .secret = true});
  t.text("api_keys", &s::api_keys,
         "where set, every route but /, /health, /health/live, /health/ready and /metrics needs one of them",
         {.choices = {}, .rule = text_rule::key, .env = "API_KEYS", .secret = true});
  t.group("Logs");
  t.text("log_level", &s::log_level, "least severe line that is written",
         {.choices = {"trace", "debug", "info", "warn", "error"}, .rule = text_rule::any, .env = {}, .secret = false})
      .basic = true;
  t.text("log_format", &s::log_format, "auto: lines for people on a terminal, else JSON lines",
         {.choices = {"auto", "human", "json"}, .rule = text_rule::any, .env = {}, .secret = false})
      .basic = true;
  t.flag("access_log", &s::access_log, "one line a request").basic = true;
}

std::string plain(double value) {
  char buffer[64];
  const auto [end, ec] = value == std::floor(value) && std::abs(value) < 1e15
                             ? std::to_chars(buffer, buffer + sizeof buffer, static_cast<long long>(value))
                             : std::to_chars(buffer, buffer + sizeof buffer, value);
  return std::string(buffer, end);
}

std::string join(const std::vector<std::string>& parts) {
  std::string all;
  for (const auto& part : parts) all += (all.empty() ? "" : ", ") + part;
  return all;
}

std::vector<std::string> split_list(std::string_view text) {
  std::vector<std::string> parts;
  std::istringstream in{std::string(text)};
  for (std::string part; std::getline(in, part, ',');) {
    const auto first = part.find_first_not_of(" \t"), last = part.find_last_not_of(" \t");
    if (first != std::string::npos) parts.push_back(part.substr(first, last - first + 1));
  }
  return parts;
}

bool is_device(std::string_view text) {
  if (text == "cpu" || text == "cuda") return true;
  if (text.substr(0, 5) != "cuda:" || text.size() < 6 || text.size() > 7) return false;
  return std::all_of(text.begin() + 5, text.end(), [](unsigned char c) { return std::isdigit(c); });
}

bool obeys(text_rule rule, std::string_view text) {
  if (rule == text_rule::any) return true;
  const auto printable = [](unsigned char c) { return c >= 0x20 && c != 0x7F; };
  if (!std::all_of(text.begin(), text.end(), printable)) return false;
  const bool blank = text.find(' ') != std::string_view::npos;
  switch (rule) {
    case text_rule::model_name: return text.empty() || check_model_name(text).has_value();
    case text_rule::device: return is_device(text);
    case text_rule::key: return !blank && text.find(',') == std::string_view::npos;
    case text_rule::origin: return !blank;
    case text_rule::provider_name: return is_provider_name(text);
    case text_rule::base_url:
      return text.empty() || (!blank && (text.starts_with("http://") || text.starts_with("https://")) &&
                              text.find_first_of("?#@") == std::string_view::npos);
    default: return true;
  }
}

std::string rule_text(text_rule rule) {
  switch (rule) {
    case text_rule::model_name: return "a model name";
    case text_rule::device: return "cpu, cuda or cuda:N";
    case text_rule::key: return "a key without blanks and commas";
    case text_rule::base_url: return "an http or https address without a query, or nothing";
    case text_rule::provider_name: return "a provider's name";
    case text_rule::origin: return "an origin such as https://example.org, *, or nothing";
    default: return "text on one line";
  }
}

// Reads a value of one member type; each is false where the text is not allowed.
struct text_reader {
  const setting_row& row;
  std::string_view text;
  settings& values;

  bool operator()(bool settings::*member) const {
    const bool yes = text == "true" || text == "1" || text == "yes" || text == "on";
    const bool no = text == "false" || text == "0" || text == "no" || text == "off";
    if (yes || no) values.*member = yes;
    return yes || no;
  }
  bool operator()(std::uint32_t settings::*member) const { return whole(member); }
  bool operator()(std::uint64_t settings::*member) const { return whole(member); }
  bool operator()(double settings::*member) const {
    double number = 0;
    const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (ec != std::errc{} || end != text.data() + text.size()) return false;
    if (!(number >= row.smallest && number <= row.largest)) return false;  // NaN is refused as well
    values.*member = number;
    return true;
  }
  bool operator()(std::string settings::*member) const {
    if (!obeys(row.rule, text)) return false;
    if (!row.choices.empty() && std::find(row.choices.begin(), row.choices.end(), text) == row.choices.end()) {
      return false;
    }
    values.*member = std::string(text);
    return true;
  }
  bool operator()(std::filesystem::path settings::*member) const {
    if (!obeys(text_rule::one_line, text)) return false;
    values.*member = std::filesystem::path(text);
    return true;
  }
  bool operator()(std::vector<std::string> settings::*member) const {
    auto parts = split_list(text);
    if (parts.empty() && !text.empty()) return false;  // "," means something, and not "none"
    for (const auto& part : parts) {
      if (!obeys(row.rule, part)) return false;
    }
    values.*member = std::move(parts);
    return true;
  }
  bool operator()(std::vector<listener> settings::*member) const {
    std::vector<listener> all;
    for (const auto& part : split_list(text)) {
      if (!parse_listener(part, all.emplace_back())) return false;
    }
    if (all.empty()) return false;
    values.*member = std::move(all);
    return true;
  }
  bool operator()(std::vector<catalog_provider> settings::*member) const {
    const auto json = located_json::parse(std::string(text), row.name);
    auto all = json ? catalog_providers_of(*json, json->root()) : tl::unexpected(json.error());
    if (all) values.*member = std::move(*all);
    return all.has_value();
  }

 private:
  template <class Integer>
  bool whole(Integer settings::*member) const {
    std::uint64_t number = 0;
    const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (ec != std::errc{} || end != text.data() + text.size() || text.empty()) return false;
    const auto value = static_cast<double>(number);
    if (value < row.smallest || value > row.largest) return false;
    values.*member = static_cast<Integer>(number);
    return true;
  }
};

struct value_writer {
  const settings& values;
  std::string operator()(bool settings::*m) const { return values.*m ? "true" : "false"; }
  std::string operator()(std::uint32_t settings::*m) const { return std::to_string(values.*m); }
  std::string operator()(std::uint64_t settings::*m) const { return std::to_string(values.*m); }
  std::string operator()(double settings::*m) const { return plain(values.*m); }
  std::string operator()(std::string settings::*m) const { return values.*m; }
  std::string operator()(std::filesystem::path settings::*m) const { return (values.*m).string(); }
  std::string operator()(std::vector<std::string> settings::*m) const { return join(values.*m); }
  std::string operator()(std::vector<catalog_provider> settings::*m) const { return to_text(values.*m); }
  std::string operator()(std::vector<listener> settings::*m) const {
    std::vector<std::string> parts;
    for (const auto& l : values.*m) parts.push_back(to_text(l));
    return join(parts);
  }
};

std::size_t secrets_set(const setting_row& row, const settings& values) {
  if (const auto* one = std::get_if<std::string settings::*>(&row.member)) return (values.**one).empty() ? 0 : 1;
  if (const auto* many = std::get_if<std::vector<std::string> settings::*>(&row.member)) return (values.**many).size();
  return 0;
}

}  // namespace

const std::vector<setting_row>& setting_rows() {
  static const std::vector<setting_row> rows = [] {
    table_writer t;
    write_listener_rows(t);
    write_model_rows(t);
    write_artifact_rows(t);
    write_catalog_rows(t);
    write_compute_rows(t);
    write_admission_rows(t);
    write_session_rows(t);
    write_recording_rows(t);
    write_edge_rows(t);
    write_other_rows(t);
    return std::move(t.rows);
  }();
  return rows;
}

const setting_row* find_setting(std::string_view name) {
  const auto& rows = setting_rows();
  const auto found = std::find_if(rows.begin(), rows.end(), [&](const auto& row) { return row.name == name; });
  return found == rows.end() ? nullptr : &*found;
}

std::string environment_name(std::string_view setting) {
  std::string name = "TROUPE_";
  for (const unsigned char c : setting) name += static_cast<char>(std::toupper(c));
  return name;
}

std::string type_of(const setting_row& row) {
  static const char* const names[] = {"boolean", "integer",         "integer",           "number",           "string",
                                      "path",    "list of strings", "list of listeners", "list of providers"};
  return names[row.member.index()];
}

std::string allowed(const setting_row& row) {
  const auto type = type_of(row);
  if (type == "boolean") return "true or false";
  const auto bounds = "from " + plain(row.smallest) + " to " + plain(row.largest);
  if (type == "integer") return "a whole number " + bounds;
  if (type == "number") return "a number " + bounds;
  if (type == "path") return "a path";
  if (type == "list of listeners") return "a list of listeners: {\"host\", \"port\", \"tls\", \"dialect\"}";
  if (type == "list of providers") return "a list of {\"name\", \"type\", \"base_url\" or \"path\", ..}";
  if (!row.choices.empty()) return join(row.choices);
  return type == "string" ? rule_text(row.rule) : "a list of strings, each " + rule_text(row.rule);
}

std::string shown_value(const setting_row& row, const settings& values) {
  if (!row.secret) return std::visit(value_writer{values}, row.member);
  const auto count = secrets_set(row, values);
  return count == 0 ? "(not set)" : count == 1 ? "(set)" : "(" + std::to_string(count) + " set)";
}

std::string address_text(const std::string& host, std::uint16_t port) {
  const bool v6 = host.find(':') != std::string::npos;
  return (v6 ? '[' + host + ']' : host) + ':' + std::to_string(port);
}

std::string to_text(const listener& l) {
  const auto dialect = l.dialect == usual_dialect ? std::string() : " " + l.dialect;
  return address_text(l.host, l.port) + (l.tls ? " tls" : "") + dialect;
}

bool assign_text(const setting_row& row, std::string_view text, settings& values) {
  return std::visit(text_reader{row, text, values}, row.member);
}

std::optional<std::string> parse_host(std::string_view text) {
  const bool v6 = text.find(':') != std::string_view::npos;
  if (v6 && text.size() > 2 && text.front() == '[' && text.back() == ']') text = text.substr(1, text.size() - 2);
  if (text.empty() || text.size() > 253) return std::nullopt;
  // Of an IPv6 address, before its zone: "localhost:80" is none.
  const auto address = text.substr(0, v6 ? text.find('%') : 0);
  if (v6 && std::count(address.begin(), address.end(), ':') < 2) return std::nullopt;
  if (!std::all_of(address.begin(), address.end(),
                   [](unsigned char c) { return std::isxdigit(c) || c == ':' || c == '.'; }))
    return std::nullopt;
  const bool good = std::all_of(text.begin(), text.end(), [&](unsigned char c) {
    return std::isalnum(c) || c == '.' || c == '-' || c == '_' || (v6 && (c == ':' || c == '%'));
  });
  return good ? std::optional(std::string(text)) : std::nullopt;
}

bool parse_listener(std::string_view text, listener& out) {
  const auto colon = text.rfind(':');
  const auto port_text = colon == std::string_view::npos ? text : text.substr(colon + 1);
  const auto host = colon == std::string_view::npos ? std::string_view() : text.substr(0, colon);
  // A bare IPv6 address: where would its port begin?
  if (host.find(':') != std::string_view::npos && host.front() != '[') return false;
  std::uint16_t port = 0;
  const auto [end, ec] = std::from_chars(port_text.data(), port_text.data() + port_text.size(), port);
  if (ec != std::errc{} || end != port_text.data() + port_text.size()) return false;
  if (!host.empty()) {
    auto parsed = parse_host(host);
    if (!parsed) return false;
    out.host = std::move(*parsed);
  }
  out.port = port;
  return true;
}

}  // namespace troupe::config
