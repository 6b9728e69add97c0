#pragma once
// What commands tell of a model of the store, whoever they have it from: the store, or a server's answers.

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include <simdjson.h>

#include "app/text_table.hpp"
#include "cache/artifacts/manifest.hpp"
#include "config/error.hpp"
#include "http/json/json_write.hpp"

namespace troupe::app {

struct model_facts {
  std::string name, snapshot, source, model_id, revision, requested_revision, task, description, path;
  std::vector<std::string> tags;
  std::vector<cache::stored_file> files;
  std::uint64_t size_bytes = 0;
  std::optional<bool> servable;  // null: not known
  std::string reason;            // why it is not
  bool pinned = false;
  std::optional<std::chrono::system_clock::time_point> modified;
};

model_facts facts_of(const cache::manifest& m, const std::filesystem::path& folder);
// Of GET /models/download/{name}/info, or a row of /models/managed (without its files, tags and path). Error
// (internal): it does not say that the store has the model.
result<model_facts> facts_of(simdjson::dom::element info);

// Members of an open object; `files` are told where `whole`.
void write_facts(http::json_out& json, const model_facts& m, bool whole);
// A line each of what is known.
std::string facts_text(const model_facts& m, std::chrono::system_clock::time_point now);
std::string facts_table(const std::vector<model_facts>& models, std::chrono::system_clock::time_point now);

// "2024-01-01T00:00:00Z", with or without a fraction. Null: no such time.
std::optional<std::chrono::system_clock::time_point> parse_utc(const std::string& text);
// Exact for what a server writes as MiB with six decimals, up to some TiB, but for a byte.
std::uint64_t bytes_of_mb(simdjson::dom::element object, const char* key);

}  // namespace troupe::app
