#pragma once
// A file that appears under its name only when it is whole and on the disk: written beside its place, synced,
// renamed, and the folder synced. What a power cut leaves is the old file, or the new one, or none.

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>

#include "inference/files/files.hpp"

namespace troupe::inference {

// Errors have the code `internal` and say "cannot write PATH: why". Removed unless it was published.
class temporary_file {
 public:
  // In `target`'s folder, which is made where it is missing; named `target`.XXXXXX.tmp and locked (flock) while it
  // is being written.
  static result<temporary_file> create(const std::filesystem::path& target);
  temporary_file(temporary_file&&) = default;
  temporary_file& operator=(temporary_file&&) = delete;
  ~temporary_file();

  // Reserves the bytes, so that a full disk is told before anything is computed.
  result<void> reserve(std::uint64_t size_bytes);
  result<void> write(std::uint64_t offset, std::span<const std::byte> bytes);
  // Blocks until the disk has it.
  result<void> publish(const std::filesystem::path& target);

 private:
  temporary_file() = default;
  file_descriptor fd_;
  std::string path_;
};

}  // namespace troupe::inference
