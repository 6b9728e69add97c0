#pragma once
// A local file into the store: shares its blocks where the file system can (FICLONE), else copies. Never a link: a file
// that others can truncate ends the process that has mapped it.

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>

#include "config/error.hpp"

namespace troupe::cache {

struct copied_file {
  std::uint64_t size_bytes = 0;
  std::string sha256;  // of what was written
};

// REQUIRES: nothing else writes `to`, which is made anew. `progress` is told bytes done, now and then. Errors: what is
// wrong with `from` (as inference::open_for_reading tells it), unavailable (cannot write, with the path), cancelled.
result<copied_file> copy_in(const std::filesystem::path& from, const std::filesystem::path& to,
                            const std::function<void(std::uint64_t)>& progress, const std::atomic<bool>* cancelled);

}  // namespace troupe::cache
