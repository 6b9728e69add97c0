#pragma once
// The model registry, `models.json`: {"models": {NAME: {"path": FOLDER_OR_FILE, ...}}}. Immutable value;
// re-read on SIGHUP, and a bad new file leaves the old one in force. An optional {"tasks": {TASK:
// {"cache_ttl", "priority"}}} holds what models that name this `task` get unless they say otherwise.

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

struct registered_input {  // TorchScript inputs: name, dtype, shape of one item (-1: any)
  std::string name;
  dtype type = dtype::f32;
  std::vector<std::int64_t> shape;
  bool operator==(const registered_input&) const = default;
};

// One registered model. Absent options follow the settings.
struct registered_model {
  std::string name;
  std::filesystem::path path;                 // absolute: relative ones are taken from the file's folder
  std::string source, task, description;      // as shown to clients
  std::optional<config::priority> priority;   // absent: preload -> high, else from decayed use
  std::optional<std::uint64_t> cache_ttl_s;   // "cache_ttl", seconds; 0: never
  bool preload = false;
  bool pinned = false;                        // never evicted or expired
  std::string precision = "auto";
  std::uint32_t max_length = 0;
  std::optional<std::uint32_t> max_batch_items, max_batch_tokens, max_queue_items, max_instances;
  std::optional<std::uint64_t> max_queue_delay_us;
  bool batching = true;
  std::vector<std::string> labels;
  std::vector<registered_input> inputs;
  bool operator==(const registered_model&) const = default;
};

// Would a load under either give the same model, run within the same limits? What the server alone follows (priority, TTL,
// preloading, pinning) and what is only shown make no difference.
bool loads_alike(const registered_model& a, const registered_model& b);

struct registry {
  std::map<std::string, registered_model> models;
  std::filesystem::path file;
  reserved_names reserved;  // by which the names were checked, and are when the file is read again
};

// Checks names (config/names.hpp; `reserved` ones are refused), keys, types and bounds; errors carry file:line:column.
// A path that does not exist is no error here: the load of that model reports it.
result<registry> load_registry(const std::filesystem::path& file, const reserved_names& reserved);
result<registry> parse_registry(std::string_view json, const std::filesystem::path& file,
                                const reserved_names& reserved);

}  // namespace troupe::config
