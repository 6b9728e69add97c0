#include "cache/artifacts/store/layout.hpp"

#include <algorithm>

#include "cache/artifacts/sha256.hpp"
#include "cache/artifacts/store/disk.hpp"
#include "config/names.hpp"

namespace troupe::cache {
namespace {

namespace fs = std::filesystem;

bool is_snapshot_name(std::string_view name) noexcept {
  return name.size() == 17 && name.front() == '@' && name.find_first_not_of("0123456789abcdef", 1) == name.npos;
}

}  // namespace

result<void> check_stored_name(const std::string& name) {
  if (auto ok = config::check_model_name(name); !ok) return ok;
  // "org/manifest.json" would be a folder where the manifest of "org" lies.
  auto last = name.substr(name.rfind('/') + 1);
  std::transform(last.begin(), last.end(), last.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? c + 32 : c; });
  if (last == "manifest.json")
    return fail(error_code::bad_request, "Invalid model name: \"" + name + "\" cannot be stored",
                "choose another name");
  return {};
}

layout::layout(const fs::path& folder)
    : root(fs::absolute(folder.has_filename() ? folder : folder.parent_path()).lexically_normal()),
      own(root / ".store"),
      lock(own / "lock"),
      blobs(own / "blobs"),
      partial(own / "partial"),
      ready(own / "ready"),
      tmp(own / "tmp") {}

fs::path layout::partial_of(const std::string& key) const {
  sha256 digest;
  digest.add(key);
  return partial / digest.hex().substr(0, 32);
}

bool layout::has_folder(const std::string& name) const {
  const auto slash = name.find('/');
  return (slash == name.npos || disk::is_folder(root / name.substr(0, slash))) && disk::is_folder(folder(name));
}

std::vector<std::string> layout::model_folders() const {
  std::vector<std::string> out;
  const auto add = [&](const std::string& parent) {
    std::vector<std::string> found;
    std::error_code why;
    for (auto i = fs::directory_iterator(root / parent, why); !why && i != fs::directory_iterator(); i.increment(why)) {
      auto name = parent + i->path().filename().string();
      std::error_code unknown;
      if (i->symlink_status(unknown).type() == fs::file_type::directory && check_stored_name(name))
        found.push_back(std::move(name));
    }
    out.insert(out.end(), found.begin(), found.end());
    return found;
  };
  for (const auto& name : add({})) add(name + '/');
  std::sort(out.begin(), out.end());
  return out;
}

std::vector<fs::path> layout::snapshots(const std::string& name) const {
  std::vector<fs::path> out;
  for (const auto& n : disk::names_in(folder(name)))
    if (is_snapshot_name(n) && disk::is_folder(folder(name) / n)) out.push_back(folder(name) / n);
  return out;
}

}  // namespace troupe::cache
