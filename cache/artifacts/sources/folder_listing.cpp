#include "cache/artifacts/sources/folder_listing.hpp"

#include <algorithm>

#include "cache/artifacts/sources/selection.hpp"
#include "cache/artifacts/sources/urls.hpp"
#include "inference/files/files.hpp"

namespace troupe::cache {
namespace {

namespace fs = std::filesystem;
constexpr int depth_max = 8;

bool lies_in(const fs::path& path, const fs::path& folder) {
  return std::mismatch(folder.begin(), folder.end(), path.begin(), path.end()).first == folder.end();
}

folder_file look_at(const fs::directory_entry& entry, const fs::path& folder, const fs::path& inside) {
  folder_file out{entry.path().lexically_relative(folder).generic_string(), {}, 0, {}};
  std::error_code why;
  out.real = fs::canonical(entry.path(), why);
  if (why) {
    out.fault = "cannot be followed: " + why.message();
  } else if (!lies_in(out.real, inside)) {
    out.fault = "is a link that leads out of " + shown(inside.string());
  } else if (!fs::is_regular_file(out.real, why)) {
    out.fault = "is no regular file";
  } else if (out.size_bytes = fs::file_size(out.real, why); why) {
    out.fault = "cannot be looked at: " + why.message();
  }
  return out;
}

}  // namespace

result<std::vector<folder_file>> list_folder(const fs::path& folder, const fs::path& inside) {
  const auto refuse = [&](const std::string& why) {
    return fail(error_code::unprocessable, shown(folder.string()) + " cannot be read: " + why);
  };
  std::vector<folder_file> out;
  std::error_code why;
  auto walk = fs::recursive_directory_iterator(folder, why);
  std::size_t seen = 0;
  for (; !why && walk != fs::recursive_directory_iterator(); walk.increment(why)) {
    if (++seen > listed_files_max) return refuse("it has more than " + std::to_string(listed_files_max) + " entries");
    if (walk.depth() >= depth_max) walk.disable_recursion_pending();
    std::error_code ignored;
    if (walk->is_directory(ignored)) continue;
    out.push_back(look_at(*walk, folder, inside));
  }
  if (why) return refuse(why.message());
  std::sort(out.begin(), out.end(), [](const auto& a, const auto& b) { return a.path < b.path; });
  return out;
}

result<selection> select_from_folder(const std::vector<folder_file>& files, const std::string& what) {
  const auto fault = [&](std::size_t place) {
    return fail(error_code::unprocessable, what + ": '" + shown(files[place].path) + "' " + files[place].fault);
  };
  std::vector<listed_file> listing;
  listing.reserve(files.size());
  for (const auto& file : files) listing.push_back({file.path, file.size_bytes});
  auto chosen = select_files(listing, what, [&](std::size_t place) -> result<std::string> {
    if (!files[place].fault.empty()) return fault(place);
    return inference::read_small_file(files[place].real, listed_text_bytes_max);
  });
  if (!chosen) return chosen;
  for (const auto place : chosen->files)
    if (!files[place].fault.empty()) return fault(place);
  return chosen;
}

}  // namespace troupe::cache
