#pragma once
// The serving-ready copies that loads write (weights.hpp), as a folder of files: whose they are, how large, and their
// end. Any thread; looks at the disk.

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>

namespace troupe::inference {

// What the names of an artifact's copies begin with; `source` is its folder, whatever way it is written.
std::string ready_key(const std::filesystem::path& source);

// Bytes by key, of all copies that are whole.
std::map<std::string, std::uint64_t> ready_copies(const std::filesystem::path& store);
// They go, and with them what was being written of them. Bytes; what is mapped keeps its memory.
std::uint64_t remove_ready_copies(const std::filesystem::path& store, const std::filesystem::path& source);

}  // namespace troupe::inference
