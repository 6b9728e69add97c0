#pragma once
// Read-only memory of a loaded model: a private mapping of a file that troupe owns, shared by all
// models of this process that use the file; or, where there is no store, anonymous memory.
//
// Only files of the artifact store may be mapped: whoever truncates a mapped file kills the process.

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>

#include "inference/files/digest.hpp"
#include "inference/files/files.hpp"
#include "inference/model/memory_account.hpp"

namespace troupe::inference {

// Immutable once shared; freed on any thread by its last owner, in chunks, so that other threads' page
// faults are not held up by one long unmap.
class weight_memory {
 public:
  // Maps `path`, or finds the mapping that this process has already (same device, inode, size and
  // mtime).
  static result<std::shared_ptr<const weight_memory>> map(const std::filesystem::path& path);
  // Zeroed anonymous memory, charged to `account` until it is freed.
  static result<std::shared_ptr<weight_memory>> allocate(std::uint64_t size_bytes,
                                                         std::shared_ptr<memory_account> account);
  ~weight_memory();
  weight_memory(const weight_memory&) = delete;
  weight_memory& operator=(const weight_memory&) = delete;

  std::span<const std::byte> bytes() const noexcept { return {base_, size_bytes_}; }
  std::span<std::byte> writable() noexcept { return {base_, account_ ? size_bytes_ : 0}; }
  std::uint64_t id() const noexcept { return id_; }  // unique in this process, never reused
  bool shared() const noexcept { return account_ == nullptr; }

  // Makes the pages present, chunk by chunk; false when cancelled.
  bool populate(cancel_flag cancelled) const;
  // The same, and in the same pass the digest of all bytes from `from` on; none when cancelled.
  std::optional<content_digest> populate_and_digest(std::uint64_t from, cancel_flag cancelled) const;
  // Whether this process has found the contents of the file, as it is now, to be what they should be.
  bool verified() const noexcept { return verified_.load(std::memory_order_acquire); }
  void set_verified() const;

 private:
  weight_memory(std::byte* base, std::uint64_t size_bytes, std::shared_ptr<memory_account> account);
  template <class F>
  bool each_chunk(cancel_flag cancelled, F touch) const;  // touch(offset, bytes); false when cancelled

  std::byte* base_;
  std::uint64_t size_bytes_;
  std::uint64_t id_;
  std::shared_ptr<memory_account> account_;  // null: a mapping
  mutable std::atomic<bool> verified_{false};
  std::optional<file_state> file_;  // that is mapped, as it was opened; null: private memory
};

// Mappings alive in this process, for tests.
std::size_t live_mappings();

}  // namespace troupe::inference
