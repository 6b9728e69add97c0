#pragma once
// The serving-ready copies that loads write (weights.hpp), as a folder of files: whose they are, how large, and their
// end. Any thread; looks at the disk.

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>

namespace troupe::inference {

// The metadata key under which a copy names its artifact's folder.
inline constexpr const char* ready_source = "source";

// What the names of an artifact's copies begin with; `source` is its folder, whatever way it is written.
std::string ready_key(const std::filesystem::path& source);
// The same of a folder that is written as it really is (absolute, without symbolic links), without a look at the disk.
std::string ready_key_of_real(const std::filesystem::path& source);

// Bytes by key, of all copies that are whole.
std::map<std::string, std::uint64_t> ready_copies(const std::filesystem::path& store);
// A temporary file whose writer is gone goes. False: it is being written.
bool remove_abandoned(const std::filesystem::path& file);
// Copies whose artifact is no more where it was go, and what was abandoned of others. Bytes. A source that cannot be
// looked at, or is not known, is taken for one that is there.
std::uint64_t remove_orphaned_copies(const std::filesystem::path& store);
// They go, and with them what was being written of them. Bytes; what is mapped keeps its memory.
std::uint64_t remove_ready_copies(const std::filesystem::path& store, const std::filesystem::path& source);

}  // namespace troupe::inference
