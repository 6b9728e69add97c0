#pragma once
// Every limit and timeout of the process, with its unit last in the name. One table (settings.cpp)
// gives each its name in the file, environment variable, unit, default, bounds and description; the
// order of precedence is defaults < file < environment < command line.

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/error.hpp"

namespace troupe::config {

struct tls_files {
  std::string certificate_file, private_key_file;
};

inline constexpr std::string_view usual_dialect = "http";

struct listener {
  std::string host = "127.0.0.1";
  std::uint16_t port = 8000;  // 0: any free one, told in the log
  std::optional<tls_files> tls;
  // Or "tei": its routes at the root, too; "funasr", "vosk": their WebSocket at every path, and nothing else.
  std::string dialect{usual_dialect};
};

// "127.0.0.1:8000", "[::1]:8000".
std::string address_text(const std::string& host, std::uint16_t port);

inline constexpr std::uint64_t local_sync_interval_s = 60;

// One that the catalog lists models of (cache/catalog/providers/).
struct catalog_provider {
  std::string name;                 // config/names.hpp says what is one
  std::string type = "openai";      // or local, huggingface, file
  std::string base_url;             // openai, huggingface
  std::filesystem::path path;       // file
  std::string api_key_env;          // the variable that holds its key; empty: it needs none
  std::string api_key;              // of that variable, when the settings were read
  std::uint64_t interval_s = 3600;  // between syncs; 0: only on demand
};

// Plain values; a settings object is immutable once the server runs.
struct settings {
  // listeners
  std::vector<listener> listeners{listener{}};
  std::uint32_t io_threads = 0;  // 0: chosen from the cores
  // models and memory (document 001's block first)
  double max_memory_usage = 0.8;
  double memory_threshold = 0.7;
  std::uint64_t cache_ttl_s = 3600;  // "cache_ttl"; 0: never
  std::vector<std::string> preload_models;
  bool ready_when_degraded = false;  // /health/ready, while a preloaded model is missing
  std::uint32_t warmup_requests = 10;
  bool enable_auto_scaling = true;
  std::uint64_t cleanup_interval_s = 300;  // "cleanup_interval"
  std::uint32_t max_models = 10;
  std::uint64_t memory_limit_mb = 0;            // 0: from the machine and the cgroup
  std::string default_model;                    // empty: config/default_model.hpp chooses
  std::filesystem::path models_file;            // the registry
  std::uint32_t max_registered_models = 10000;  // at run time, beside it
  std::filesystem::path data_dir;               // default: $XDG_DATA_HOME/troupe or ~/.local/share/troupe
  std::filesystem::path cache_directory;        // the artifact store; default data_dir/models
  std::uint64_t max_artifact_mb = 65536;
  std::uint32_t loader_threads = 1;
  std::uint64_t load_timeout_ms = 120000;    // a load or warm-up asked for over HTTP
  std::uint64_t load_patience_ms = 1000;     // a load that gives way to batches is hurried after so long
  std::uint64_t min_resident_ms = 1000;      // a just-loaded model is spared from eviction for so long
  std::uint64_t max_eviction_wait_ms = 500;  // waiting loads drain a busy model after so long
  std::uint64_t restart_backoff_min_ms = 100, restart_backoff_max_ms = 30000;
  std::uint64_t usage_half_life_s = 600;  // decay of the use that makes priorities
  // artifacts (docs/artifacts.md)
  double store_limit_gb = 0;             // GiB; 0: the disk is the limit
  bool allow_private_downloads = false;  // the `url` source may reach loopback and private addresses
  std::uint32_t max_downloads = 2;       // at the same time
  std::uint32_t max_waiting_downloads = 256;
  std::uint32_t download_connections = 8;  // all downloads together
  double download_rate_limit_mb_s = 0;     // likewise; 0: none
  std::uint32_t download_retries = 5;      // of one file
  std::uint64_t download_stall_s = 30;     // without a byte for so long: tried again
  std::uint64_t keep_partial_s = 86400;
  std::filesystem::path ca_file;  // of https downloads; empty: the system's
  std::string hf_endpoint = "https://huggingface.co";
  std::string hf_token;
  bool hf_hub_offline = false;
  std::filesystem::path hf_hub_cache;  // the hub's own cache folder; default as its library has it
  std::string torchvision_base_url = "https://download.pytorch.org/models";
  std::string pytorch_hub_base_url = "https://download.pytorch.org/models";
  std::string torchaudio_base_url = "https://download.pytorch.org/torchaudio/models";
  std::string s3_endpoint;  // empty: AWS, by the region
  std::string s3_region = "us-east-1";
  std::string s3_access_key, s3_secret_key, s3_session_token;
  // catalog (docs/catalog.md)
  std::vector<catalog_provider> providers{{"local", "local", {}, {}, {}, {}, local_sync_interval_s}};
  std::string database_url;              // empty: data_dir/catalog.db
  std::string redis_url;                 // empty: none
  std::uint32_t redis_timeout_ms = 100;  // of a command
  std::uint64_t redis_retry_ms = 30000;  // the longest pause before Redis is tried again
  bool model_cache_enabled = true;       // false: the database answers, local copies where it fails
  bool model_cache_warm_on_startup = true;
  std::uint64_t model_cache_ttl_s = 900;     // "model_cache_ttl": of the full catalog and the statistics
  std::uint64_t model_cache_grace_s = 3600;  // served stale for so long, while one refresh runs
  std::uint32_t model_cache_local_entries = 500;
  std::uint64_t model_cache_local_mb = 50;
  std::uint64_t model_cache_max_value_mb = 8;  // larger values are not cached
  std::vector<std::string> model_cache_warm_providers{"openrouter", "anthropic", "openai",           "groq",
                                                      "together",   "fireworks", "vercel-ai-gateway"};
  std::uint32_t catalog_readers = 2;            // connections that read the database
  std::uint32_t max_catalog_waiters = 1024;     // requests that wait for the database
  std::uint32_t max_provider_models = 2000000;  // of one provider
  // compute
  std::string device = "cpu";             // cpu, cuda, cuda:N
  std::string precision = "auto";         // auto, fp32, bf16, int8
  double precision_tolerance = 0.02;      // the most by which a probability may differ from fp32's
  std::uint32_t compute_slots = 0;        // 0: measured
  std::uint32_t threads_per_slot = 0;     // 0: measured
  std::uint32_t lone_batch_threads = 0;   // 0: measured
  std::uint64_t slot_timeout_ms = 30000;  // a batch that runs longer is given up, its thread replaced
  std::uint32_t max_batch_items = 64;
  std::uint32_t max_batch_tokens = 1024;  // padded tokens
  std::uint64_t max_queue_delay_us = 0;   // zero-delay batching
  std::uint32_t max_instances = 0;        // a model; 0: as many as slots
  std::uint32_t actor_threads = 0;        // 0: chosen from the cores
  // admission
  std::uint64_t request_timeout_ms = 30000;
  std::uint64_t max_request_timeout_ms = 600000;
  std::uint32_t max_queue_items = 4096;       // a model
  std::uint32_t max_load_waiters = 4096;      // requests that wait for loads, all models
  std::uint32_t max_in_flight_items = 16384;  // the whole process
  std::uint32_t max_batch_inputs = 1024;      // texts in one /predict/batch
  std::uint64_t max_text_bytes = 262144;
  std::uint32_t prepare_threads = 1;
  std::uint32_t max_prepare_queue = 256;
  std::uint64_t prepare_inline_bytes = 2048;  // longer texts go to the prepare pool
  std::uint64_t prediction_cache_mb = 32;     // 0: off
  // live sessions (docs/speech.md)
  std::string speech_model;          // empty: the first that is registered for it
  std::string offline_speech_model;  // likewise; of whole sounds
  std::string punctuation_model;     // likewise
  std::string vad_model;             // likewise
  std::uint32_t max_sessions = 1024;
  double session_compute_share = 0.85;            // of the slots, that sessions may need in real time
  std::uint64_t session_buffer_ms = 10000;        // of sound that is not answered yet, a session
  std::uint64_t session_sentence_max_ms = 20000;  // a sentence ends then at the latest
  std::uint64_t session_idle_timeout_s = 300;     // without sound
  std::uint64_t session_drain_ms = 30000;         // that a model which is to go waits for its sessions
  // whole recordings (docs/recordings.md)
  std::uint32_t max_recordings = 64;     // heard or waiting
  std::uint32_t recordings_at_once = 4;  // the others wait
  std::uint32_t recording_segments = 4;  // of one, asked at once of a model for whole sounds
  std::uint64_t max_recording_s = 4 * 3600;
  // http edge
  std::uint64_t max_body_bytes = 8388608;
  std::uint64_t max_upload_bytes = 104857600;  // of routes that take recordings
  std::uint64_t max_body_budget_mb = 256;      // bodies being received, all connections together
  std::uint32_t max_url_bytes = 16384;
  std::uint32_t max_header_count = 100;
  std::uint32_t max_header_bytes = 32768;  // all of a request's
  std::uint32_t max_connections = 4096;
  std::uint32_t max_pipelined_requests = 16;
  std::uint64_t request_read_timeout_ms = 30000;   // a whole request must have come by then; also idle keep-alive
  std::uint64_t max_live_message_bytes = 1048576;  // of a WebSocket
  std::uint64_t max_live_unsent_bytes = 262144;    // of a WebSocket whose client does not read
  std::uint64_t live_idle_timeout_ms = 60000;      // of a WebSocket that not even answers a ping
  std::uint64_t stream_heartbeat_ms = 10000;
  std::uint64_t stream_credit_bytes = 262144;  // unflushed bytes of a stream before its job waits
  std::string cors_allow_origin;               // empty: no CORS headers
  std::uint64_t shutdown_grace_ms = 10000;
  // keys
  std::string admin_api_key;          // ADMIN_API_KEY
  std::vector<std::string> api_keys;  // API_KEYS
  // logs
  std::string log_level = "info";   // trace debug info warn error
  std::string log_format = "auto";  // auto (human on a terminal, else JSON), human, json
  bool access_log = false;

  std::filesystem::path store_directory() const {
    return cache_directory.empty() ? data_dir / "models" : cache_directory;
  }
  // Serving-ready copies, which loads write: under the store's roof (docs/artifacts.md).
  std::filesystem::path ready_directory() const { return store_directory() / ".store" / "ready"; }
  std::filesystem::path catalog_file() const { return data_dir / "catalog.db"; }
  // What was registered at run time (config/registered_models.hpp).
  std::filesystem::path registered_file() const { return data_dir / "registered.json"; }
};

// Where an effective value came from: "default", "file config.json:12:5", "env TROUPE_MAX_MODELS",
// "command line --max-models". Of a secret the value only tells whether it is set.
struct provenance {
  std::string value, unit, source, description, env, name;
};

struct loaded_settings {
  settings values;
  std::vector<provenance> table;      // in the table's order; what `troupe config` prints
  std::vector<std::string> warnings;  // for the log: probably mistyped variables, ..
};

// `overrides` are (setting name, text) of the command line; besides the settings, `host` and `port` (from
// here or the environment they replace the listeners by one). A variable that is empty counts as unset.
// Relative paths are taken from the file's folder, from elsewhere the current one.
// The error's message holds file:line:column, the key, what is wrong and what would be right; for an
// unknown key also the nearest known one. TROUPE_CONFIG names the file when `file` is empty.
result<loaded_settings> load_settings(const std::optional<std::filesystem::path>& file,
                                      const std::vector<std::pair<std::string, std::string>>& overrides,
                                      const std::map<std::string, std::string>& environment);

// Names of all settings with type and description, for the command line's options and the docs.
struct setting_description {
  std::string name, type, unit, default_text, env, description;
  bool secret = false;
  std::string group, allowed;  // "Models and memory", "a whole number from 0 to 256"
  bool basic = false;          // one of the few that the short help shows
};
const std::vector<setting_description>& describe_settings();

// docs/settings.md.
std::string settings_markdown();

}  // namespace troupe::config
