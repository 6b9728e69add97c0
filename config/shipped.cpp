#include "config/shipped.hpp"

namespace troupe::config {

std::optional<std::filesystem::path> shipped_file(std::string_view name) {
  std::error_code ec;
  const auto executable = std::filesystem::read_symlink("/proc/self/exe", ec);
  for (auto folder = executable.parent_path(); !folder.empty(); folder = folder.parent_path()) {
    auto file = folder / "share/troupe/models" / name;
    if (std::filesystem::exists(file, ec)) return file;
    if (folder == folder.root_path()) break;
  }
  return std::nullopt;
}

}  // namespace troupe::config
