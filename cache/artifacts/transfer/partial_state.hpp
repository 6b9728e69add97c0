#pragma once
// What is kept beside a file that is being fetched (`FILE.state`), for a later resume: plain values and their JSON.

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "config/error.hpp"

namespace troupe::cache {

struct partial_state {
  std::string identity;               // of the content, as the plan says; other content is not resumed
  std::optional<std::uint64_t> size;  // of the whole, where it is known
  std::uint64_t whole = 0;            // bytes from the first on that are there
  std::string sha256;                 // of those: what a power cut, or others, did to them is found by it
  std::string etag;                   // as served
  bool operator==(const partial_state&) const = default;
};

std::filesystem::path state_path(const std::filesystem::path& file);

std::string to_json(const partial_state& state);
result<partial_state> read_partial_state(const std::filesystem::path& path);
// Whole or not at all, as far as a crash of the process goes; not synced: `sha256` tells. Error: unavailable.
result<void> write_partial_state(const std::filesystem::path& path, const partial_state& state);

// What of `kept` may be gone on with when content of `identity` and `size` is asked for and the file is `on_disk` bytes
// long: null for none.
std::optional<partial_state> usable(const partial_state& kept, const std::string& identity,
                                    std::optional<std::uint64_t> size, std::uint64_t on_disk);

}  // namespace troupe::cache
