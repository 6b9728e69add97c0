#pragma once
// This store's own folder in tmp/, where things are put together and taken apart: locked while it lives, so that what
// others have left is told from what they are doing. One folder is made ahead and shared by those who find the disk
// full, one at a time: removing models must work then. Thread-safe.

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "cache/artifacts/store/layout.hpp"
#include "config/error.hpp"
#include "inference/files/files.hpp"

namespace troupe::cache {

class scratch;

class workspace {
 public:
  // REQUIRES the store's lock, as has sweep().
  static result<workspace> make(const layout& at);
  workspace(workspace&& o) noexcept;
  workspace& operator=(workspace&&) = delete;
  ~workspace();

  // Takes what dead processes have left.
  void sweep(const layout& at, scratch& trash) const;

 private:
  friend class scratch;
  workspace(std::filesystem::path path, inference::file_descriptor lock)
      : path_(std::move(path)), lock_(std::move(lock)) {}
  static result<workspace> make_in(const std::filesystem::path& path);
  void empty() const;

  std::filesystem::path path_;
  inference::file_descriptor lock_;
  std::atomic<std::uint64_t> names_{0};
};

// Names in the workspace that are one operation's; what has them goes with it. Made before the store's lock is taken,
// so that its files are removed after the lock is given back. One thread.
class scratch {
 public:
  explicit scratch(workspace& in) noexcept : in_(in) {}
  scratch(const scratch&) = delete;
  ~scratch();

  std::filesystem::path next();  // a name that is free
  // Moves a file or folder here; what cannot be moved is told in the log, and found by the next collect().
  void take(const std::filesystem::path& what);
  // Removes names of content that has others, and gives the bytes that will go with this.
  std::uint64_t drop_links() const;

 private:
  workspace& in_;
  std::vector<std::filesystem::path> names_;
};

}  // namespace troupe::cache
