#pragma once
// What the store does to the disk, step by step; every failure names the path and the reason (unavailable). Symbolic
// links are never followed below the store's root: nothing outside it is touched. Any thread.

#include <atomic>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "config/error.hpp"
#include "inference/files/files.hpp"

namespace troupe::cache::disk {

// "cannot DOING PATH: why", and what may be done about it.
tl::unexpected<error> refused(const std::string& doing, const std::filesystem::path& path, int number);

// What has a name: the name's own, where it is a symbolic link.
struct entry {
  std::uint64_t device = 0, inode = 0, links = 0;
  std::uint64_t size_bytes = 0, allocated_bytes = 0;
  std::int64_t modified_ns = 0, changed_ns = 0;
  bool file = false, folder = false;  // neither: a link, a device, ..
  bool is_same_as(const entry& o) const noexcept { return device == o.device && inode == o.inode; }
  // What it takes of the disk: less than its size where it has holes.
  std::uint64_t kept_bytes() const noexcept { return size_bytes < allocated_bytes ? size_bytes : allocated_bytes; }
};
std::optional<entry> look(const std::filesystem::path& path) noexcept;  // null: errno tells why
bool is_folder(const std::filesystem::path& path) noexcept;

// Names in a folder; none where it cannot be read.
std::vector<std::string> names_in(const std::filesystem::path& folder);
// All below it that is no folder; links are not followed.
void each_file(const std::filesystem::path& folder,
               const std::function<void(const std::filesystem::path&, const entry&)>& visit);

result<void> sync_folder(const std::filesystem::path& folder);
// A whole file to the disk, and read-only.
result<void> seal_file(const std::filesystem::path& path);
// Mode 0755, whatever the umask. False: it is there already. Its parent has to be there.
result<bool> make_folder(const std::filesystem::path& path);
// The same, and its name is on the disk.
result<void> make_lasting_folder(const std::filesystem::path& path);
result<void> move(const std::filesystem::path& from, const std::filesystem::path& to);
// Another name for the file; in place of what has that name, as one step. `beside` is a free name for a moment.
result<void> link_over(const std::filesystem::path& file, const std::filesystem::path& name,
                       const std::filesystem::path& beside);
result<void> write_synced(const std::filesystem::path& path, std::string_view text);
// What cannot be removed is told in the log, and found by the next collect().
void remove_tree(const std::filesystem::path& path) noexcept;

// A file of that name, made where it is missing, locked (flock) by this descriptor alone. Null: somebody has it.
result<std::optional<inference::file_descriptor>> try_lock(const std::filesystem::path& path);
// Waits: until `patience` is over (unavailable), or `cancelled`.
result<inference::file_descriptor> lock(const std::filesystem::path& path, std::chrono::milliseconds patience,
                                        const std::atomic<bool>* cancelled);

}  // namespace troupe::cache::disk
