#pragma once
// The model registry, `models.json`: {"models": {NAME: {"path": FOLDER_OR_FILE, ...}}}. Immutable value;
// re-read on SIGHUP, and a bad new file leaves the old one in force. An optional {"tasks": {TASK:
// {"cache_ttl", "priority"}}} holds what models that name this `task` get unless they say otherwise.
// What is registered while the server runs has a file of its own: config/registered_models.hpp.

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/dtype.hpp"
#include "config/error.hpp"
#include "config/names.hpp"

namespace troupe::config {

enum class priority : std::uint8_t { low = 0, medium = 1, high = 2 };
std::string_view to_string(priority p) noexcept;
std::optional<priority> parse_priority(std::string_view text) noexcept;

// Who has registered a model: the operator's file, or a request while the server ran.
enum class origin : std::uint8_t { models_file = 0, run_time = 1 };
std::string_view to_string(origin o) noexcept;

struct registered_input {  // TorchScript inputs: name, dtype, shape of one item (-1: any)
  std::string name;
  dtype type = dtype::f32;
  std::vector<std::int64_t> shape;
  bool operator==(const registered_input&) const = default;
};

// One registered model. Absent options follow the settings.
struct registered_model {
  std::string name;
  std::filesystem::path path;             // absolute: relative ones are taken from the file's folder
  std::string source, task, description;  // as shown to clients
  bool enabled = true;                    // false: listed, never loaded
  // Shown only.
  std::string display_name, version, provider, language;
  std::vector<std::string> tags, capabilities;
  std::optional<config::priority> priority;  // absent: preload -> high, else from decayed use
  std::optional<std::uint64_t> cache_ttl_s;  // "cache_ttl", seconds; 0: never
  bool preload = false;
  bool pinned = false;  // never evicted or expired
  std::string precision = "auto";
  std::uint32_t max_length = 0;
  std::optional<std::uint32_t> max_batch_items, max_batch_tokens, max_queue_items, max_instances;
  std::optional<std::uint64_t> max_queue_delay_us;
  bool batching = true;
  std::vector<std::string> labels;
  std::vector<registered_input> inputs;
  config::origin origin = config::origin::models_file;  // not written in either file: which of them it is says it
  bool operator==(const registered_model&) const = default;
};

// Would a load under either give the same model, run within the same limits? What the server alone follows (priority,
// TTL, preloading, pinning, origin) and what is only shown make no difference.
bool loads_alike(const registered_model& a, const registered_model& b);

// What models of one task get unless they say otherwise.
struct task_defaults {
  std::optional<std::uint64_t> cache_ttl_s;
  std::optional<config::priority> priority;
};
using defaults_by_task = std::map<std::string, task_defaults>;
void follow_task(registered_model& model, const defaults_by_task& tasks);

struct registry {
  std::map<std::string, registered_model> models;  // with the defaults of their tasks
  defaults_by_task tasks;
  std::filesystem::path file;
  reserved_names reserved;  // by which the names were checked, and are when the file is read again
};

// Checks names (config/names.hpp; `reserved` ones are refused), keys, types and bounds; errors carry file:line:column.
// A path that does not exist is no error here: the load of that model reports it.
result<registry> load_registry(const std::filesystem::path& file, const reserved_names& reserved);
// Without a name (`file` is empty) errors name no place.
result<registry> parse_registry(std::string_view json, const std::filesystem::path& file,
                                const reserved_names& reserved);

// The same for a file that must not stop the server: what cannot be used is left out, and told.
struct salvaged_registry {
  registry usable;
  std::vector<error> refused;
};
salvaged_registry salvage_registry(std::string_view json, const std::filesystem::path& file,
                                   const reserved_names& reserved);

// The models as parse_registry reads them back; options that say nothing are left out.
std::string registry_json(const std::map<std::string, registered_model>& models);

}  // namespace troupe::config
