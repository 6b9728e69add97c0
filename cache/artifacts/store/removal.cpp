#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "cache/artifacts/sha256.hpp"
#include "cache/artifacts/store/parts.hpp"

namespace troupe::cache {

namespace fs = std::filesystem;

void remove_empty_folders(const layout& at, const std::string& name) {
  if (at.has_folder(name)) {
    if (!disk::look(at.manifest_of(name))) ::unlink(at.used_of(name).c_str());
    if (::rmdir(at.folder(name).c_str()) != 0) return;
  }
  if (const auto slash = name.find('/'); slash != name.npos) ::rmdir((at.root / name.substr(0, slash)).c_str());
}

result<void> take_apart(store_parts& parts, const std::string& name, scratch& trash) {
  const auto manifest = parts.at.manifest_of(name);
  if (::unlink(manifest.c_str()) != 0) return disk::refused("remove", manifest, errno);
  // Before anything that it names goes.
  if (auto ok = disk::sync_folder(manifest.parent_path()); !ok) return ok;
  for (const auto& snapshot : parts.at.snapshots(name)) trash.take(snapshot);
  remove_empty_folders(parts.at, name);
  return {};
}

namespace {

std::int64_t last_change_ns(const fs::path& folder) {
  const auto own = disk::look(folder);
  auto out = own ? own->modified_ns : 0;
  disk::each_file(folder, [&](const fs::path&, const disk::entry& e) { out = std::max(out, e.modified_ns); });
  return out;
}

}  // namespace

void take_partials(const layout& at, std::chrono::seconds age_min, scratch& trash) {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  for (const auto& name : disk::names_in(at.partial)) {
    const auto folder = at.partial / name;
    if (!disk::is_folder(folder)) continue;
    if (now - std::chrono::nanoseconds(last_change_ns(folder)) < age_min) continue;
    const auto lock = disk::try_lock(folder / partial_lock_name);
    if (lock ? !*lock : disk::look(folder / partial_lock_name).has_value()) continue;
    trash.take(folder);
  }
}

blob_bytes take_blobs(const layout& at, scratch& trash) {
  blob_bytes out;
  for (const auto& name : disk::names_in(at.blobs)) {
    const auto blob = disk::look(at.blobs / name);
    if (!is_sha256_hex(name) || !blob || !blob->file) continue;
    if (blob->links > 1) {
      out.kept += blob->size_bytes;
    } else {
      trash.take(at.blobs / name);
      out.taken += blob->size_bytes;
    }
  }
  return out;
}

}  // namespace troupe::cache
