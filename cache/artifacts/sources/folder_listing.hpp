#pragma once
// The regular files of a folder and of the folders in it, with links followed where they stay inside. Blocks.

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "config/error.hpp"

namespace troupe::cache {

struct folder_file {
  std::string path;            // in the folder, with '/'
  std::filesystem::path real;  // absolute, without links
  std::uint64_t size_bytes = 0;
  std::string
      fault;  // why it is not to be read: a link that leads out, or to nothing, or no regular file; empty: it is
};

// `inside`: where links may lead, a folder without links in its path. Links to folders are not followed. At most
// listed_files_max entries, eight folders deep: deeper ones are not looked at. Error: unprocessable.
result<std::vector<folder_file>> list_folder(const std::filesystem::path& folder, const std::filesystem::path& inside);

// As select_files(), of what is there: places in `files`. A file that is wanted and has a fault is an error.
struct selection;
result<selection> select_from_folder(const std::vector<folder_file>& files, const std::string& what);

}  // namespace troupe::cache
