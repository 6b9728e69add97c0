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

inline constexpr std::uint64_t manifest_bytes_max = 16ull << 20;

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
  std::string asked_task;  // by who pulled it; empty: nothing. The model is served for it
  std::vector<std::string> tags;
  std::vector<stored_file> files;                       // by path
  std::string snapshot;                                 // its id: snapshot_id(files)
  std::chrono::system_clock::time_point downloaded_at;  // written in milliseconds
  bool convert_to_tts = false;
  std::string vocoder;  // the model beside it; empty: none
  bool pinned = false;  // never collected by store_limit_gb
  bool operator==(const manifest&) const = default;
};

std::uint64_t size_bytes(const manifest& m) noexcept;
// 16 hex digits of the SHA-256 over paths and digests, in order of path.
std::string snapshot_id(const std::vector<stored_file>& files);

// What is no UTF-8 (an ETag, a description) is replaced: what was written can be read.
std::string manifest_json(const manifest& m);
// Checks all that a path is made of, that the sizes, alone and together, are below 2^53, and that `snapshot` fits the
// files. Error: unprocessable, saying what is wrong with it and where; `path` names it.
result<manifest> parse_manifest(std::string_view json, const std::filesystem::path& path);

}  // namespace troupe::cache
