#pragma once
// A file that is being fetched, on the disk, with its state beside it. One thread, but for its descriptor, which the
// hash thread reads by. Errors (unavailable) name the path.

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "cache/artifacts/transfer/partial_state.hpp"
#include "config/error.hpp"
#include "inference/files/files.hpp"

namespace troupe::cache {

class partial_file {
 public:
  // Makes it and the folders on its way where they are missing; what of it may not be gone on with is cut off.
  static result<partial_file> open(const std::filesystem::path& path, const std::string& identity,
                                   std::optional<std::uint64_t> size);

  // What there is to go on with: `whole` is 0 where there is nothing.
  const partial_state& kept() const noexcept { return kept_; }
  const std::filesystem::path& path() const noexcept { return path_; }
  std::shared_ptr<const inference::file_descriptor> descriptor() const noexcept { return fd_; }

  result<void> write(std::uint64_t offset, std::span<const std::byte> bytes);
  // For a resume.
  result<void> record(const partial_state& state);
  // What lies behind `bytes` goes.
  result<void> cut(std::uint64_t bytes);
  // Nothing of it is good.
  result<void> start_over();
  // With its state.
  void remove();

 private:
  partial_file(std::filesystem::path path, std::shared_ptr<const inference::file_descriptor> fd)
      : path_(std::move(path)), fd_(std::move(fd)) {}
  std::filesystem::path path_;
  std::shared_ptr<const inference::file_descriptor> fd_;
  partial_state kept_;
};

}  // namespace troupe::cache
