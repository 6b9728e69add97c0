#pragma once
// What the store knows of a model: written beside its snapshot, read by everybody. Plain values and their JSON.

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "cache/artifacts/pull_request.hpp"
#include "config/error.hpp"

namespace troupe::cache {

struct stored_file {
  std::string path;  // relative, in the snapshot
  std::uint64_t size_bytes = 0;
  std::string sha256;  // 64 lower-case hex digits: its blob's name
  std::string etag;    // as the source gave it; may be empty
  bool operator==(const stored_file&) const = default;
};

struct manifest {
  std::string name;  // the model's
  source_kind source = source_kind::huggingface;
  std::string model_id, revision, requested_revision, task, description;
  std::vector<std::string> tags;
  std::vector<stored_file> files;  // by path
  std::string snapshot;            // its id: snapshot_id(files)
  std::chrono::system_clock::time_point downloaded_at;
  bool convert_to_tts = false;
  std::string vocoder;  // the model beside it; empty: none
  bool pinned = false;  // never collected by store_limit_gb
};

std::uint64_t size_bytes(const manifest& m) noexcept;
// 16 hex digits of the SHA-256 over paths and digests, in order of path.
std::string snapshot_id(const std::vector<stored_file>& files);

std::string manifest_json(const manifest& m);
// Errors say what is wrong with it and where. `path` names it in errors.
result<manifest> parse_manifest(std::string_view json, const std::filesystem::path& path);

}  // namespace troupe::cache
