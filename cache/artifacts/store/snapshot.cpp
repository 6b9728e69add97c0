#include <cerrno>
#include <set>
#include <utility>

#include "cache/artifacts/store/parts.hpp"

namespace troupe::cache {
namespace {

namespace fs = std::filesystem;

// Folders that are there are synced as well: who made them may have been killed before that.
result<void> make_model_folder(const layout& at, const std::string& name) {
  auto folder = at.root;
  for (const auto& part : fs::path(name)) {
    const auto parent = std::exchange(folder, folder / part);
    if (auto ok = disk::make_folder(folder); !ok) return tl::unexpected(ok.error());
    if (auto ok = disk::sync_folder(parent); !ok) return ok;
  }
  return {};
}

// The folders of a file inside a snapshot; all of them are named in `folders`.
result<void> make_folders(const fs::path& snapshot, const fs::path& inside, std::set<fs::path>& folders) {
  auto folder = snapshot;
  for (const auto& part : inside) {
    folder /= part;
    if (!folders.insert(folder).second) continue;
    if (auto ok = disk::make_folder(folder); !ok) return tl::unexpected(ok.error());
  }
  return {};
}

result<void> place_files(const layout& at, const manifest& m, const fs::path& snapshot, scratch& beside) {
  std::set<fs::path> folders{snapshot};
  for (const auto& f : m.files) {
    const auto blob = disk::look(at.blob(f.sha256));
    if (!blob || !blob->file || blob->size_bytes != f.size_bytes)
      return fail(error_code::unprocessable,
                  "the content of '" + f.path + "' of model '" + m.name + "' is not in the store any more",
                  "download the model again");
    if (auto ok = make_folders(snapshot, fs::path(f.path).parent_path(), folders); !ok) return ok;
    const auto path = snapshot / f.path;
    if (const auto there = disk::look(path); there && there->is_same_as(*blob)) continue;
    if (auto ok = disk::link_over(at.blob(f.sha256), path, beside.next()); !ok) return ok;
  }
  for (const auto& folder : folders)
    if (auto ok = disk::sync_folder(folder); !ok) return ok;
  return {};
}

}  // namespace

result<bool> complete_snapshot(store_parts& parts, const manifest& m, scratch& beside) {
  const auto& at = parts.at;
  const auto snapshot = at.snapshot(m);
  if (disk::look(snapshot)) {
    if (!disk::is_folder(snapshot)) return disk::refused("use the folder", snapshot, ENOTDIR);
    if (auto ok = place_files(at, m, snapshot, beside); !ok) return tl::unexpected(ok.error());
    return false;
  }
  const auto made = beside.next();
  if (auto ok = disk::make_folder(made); !ok) return tl::unexpected(ok.error());
  if (auto ok = place_files(at, m, made, beside); !ok) return tl::unexpected(ok.error());
  if (auto ok = make_model_folder(at, m.name); !ok) return tl::unexpected(ok.error());
  if (auto ok = disk::move(made, snapshot); !ok) return tl::unexpected(ok.error());
  if (auto ok = disk::sync_folder(at.folder(m.name)); !ok) return tl::unexpected(ok.error());
  return true;
}

result<manifest> commit(store_parts& parts, const manifest& m, scratch& beside) {
  const auto path = parts.at.manifest_of(m.name);
  const auto text = manifest_json(m);
  auto read = parse_manifest(text, path);
  if (!read) return read;
  const auto written = beside.next();
  if (auto ok = disk::write_synced(written, text); !ok) return tl::unexpected(ok.error());
  if (auto ok = disk::move(written, path); !ok) return tl::unexpected(ok.error());
  if (auto ok = disk::sync_folder(path.parent_path()); !ok) return tl::unexpected(ok.error());
  return read;
}

result<manifest> install(store_parts& parts, const manifest& m, scratch& beside) {
  const auto made = complete_snapshot(parts, m, beside);
  auto done = made ? parts.uses.begin(m.name).and_then([&] { return commit(parts, m, beside); })
                   : result<manifest>(tl::unexpected(made.error()));
  if (done) return done;
  const auto named = parts.known.find(m.name);
  if (made && *made && !(named && (*named)->snapshot == m.snapshot)) beside.take(parts.at.snapshot(m));
  if (!named && named.error().code == error_code::model_not_found) remove_empty_folders(parts.at, m.name);
  return done;
}

}  // namespace troupe::cache
