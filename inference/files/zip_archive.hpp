#pragma once
// The directory of a ZIP file, checked before a native reader sees the file: every entry lies inside it
// and none claims more memory than it may. Contents are not read here, but where stored ones lie is told. ZIP64
// included; no other parts of a set.

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "inference/files/files.hpp"

namespace troupe::inference {

struct zip_entry {
  std::string name;
  std::uint64_t compressed_bytes = 0, size_bytes = 0;
  std::uint64_t header_offset = 0;
  std::uint64_t directory_offset = 0;  // the archive's: no entry reaches beyond
  std::uint16_t method = 0;            // 0: stored, 8: deflated
};

struct zip_limits {
  std::size_t entries_max = 200'000;
  std::uint64_t deflated_bytes_max = 256U << 20U;  // of all compressed entries together, unpacked
};

result<std::vector<zip_entry>> read_zip_directory(const opened_file& file, const std::filesystem::path& path,
                                                  const zip_limits& limits = {});

// Where in the file the contents of an entry begin: after its own header, which must be there and bear its name.
// unprocessable too: packed or encrypted, or reaching into the directory.
result<std::uint64_t> zip_data_offset(const opened_file& file, const std::filesystem::path& path,
                                      const zip_entry& entry);

}  // namespace troupe::inference
