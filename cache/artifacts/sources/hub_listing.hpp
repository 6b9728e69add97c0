#pragma once
// What the hub's API tells of a model (GET /api/models/{id}?blobs=true), as data. Pure.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/error.hpp"

namespace troupe::cache {

struct hub_file {
  std::string path;  // not checked
  std::optional<std::uint64_t> size_bytes;
  std::string sha256;        // of large files; empty: not told
  std::string blob_id;       // git's, of small ones; empty: not told
  bool chunks_only = false;  // in the hub's chunked store and nowhere else
  std::string etag() const { return sha256.empty() ? blob_id : sha256; }
};

struct hub_listing {
  std::string commit;  // empty: not told (mirrors)
  std::string task;    // pipeline_tag
  std::vector<std::string> tags;
  bool gated = false, disabled = false;
  std::vector<hub_file> files;
};

// Errors (unprocessable) name the field that is missing or of another kind; `what` names the model.
result<hub_listing> parse_hub_listing(std::string_view json, const std::string& what);

}  // namespace troupe::cache
