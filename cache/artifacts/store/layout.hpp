#pragma once
// Where things lie in the store's folder (docs/artifacts.md). Names only, and which of them are there.

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "cache/artifacts/manifest.hpp"
#include "config/error.hpp"

namespace troupe::cache {

// A model's name for which there can be a folder. Error: bad_request.
result<void> check_stored_name(const std::string& name);

struct layout {
  explicit layout(const std::filesystem::path& folder);

  std::filesystem::path root, own, lock, blobs, partial, ready, tmp;

  std::filesystem::path blob(const std::string& sha256) const { return blobs / sha256; }
  std::filesystem::path partial_of(const std::string& key) const;
  // REQUIRES a name that is checked.
  std::filesystem::path folder(const std::string& name) const { return root / name; }
  std::filesystem::path manifest_of(const std::string& name) const { return folder(name) / "manifest.json"; }
  // Its time of change is when the model was used last.
  std::filesystem::path used_of(const std::string& name) const { return folder(name) / "@used"; }
  std::filesystem::path snapshot(const std::string& name, const std::string& id) const {
    return folder(name) / ('@' + id);
  }
  std::filesystem::path snapshot(const manifest& m) const { return snapshot(m.name, m.snapshot); }

  // Folders of that name, each of them a real one.
  bool has_folder(const std::string& name) const;
  // All that may be a model's, by name, with a manifest or without.
  std::vector<std::string> model_folders() const;
  // Folders of snapshots in a model's.
  std::vector<std::filesystem::path> snapshots(const std::string& name) const;
};

}  // namespace troupe::cache
