#pragma once
// The bytes of a file that comes in pieces, one behind the other in memory that grows without a copy: they are never
// held twice. One thread at a time; what bytes() gives stays until the file is gone or appended to.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "config/error.hpp"

namespace troupe::http {

class received_file {
 public:
  // Counts so much more memory while what it gives lives; null: there is none.
  using counter = std::function<std::shared_ptr<void>(std::uint64_t bytes)>;
  received_file(std::uint64_t bytes_max, counter count) : bytes_max_(bytes_max), count_(std::move(count)) {}
  ~received_file();
  received_file(const received_file&) = delete;
  received_file& operator=(const received_file&) = delete;

  // payload_too_large, unavailable: there is no memory. The file stays as it was then.
  result<void> append(std::string_view bytes);
  std::span<const std::byte> bytes() const noexcept { return {base_, size_}; }

 private:
  result<void> reserve(std::uint64_t bytes);

  const std::uint64_t bytes_max_;
  counter count_;
  std::vector<std::shared_ptr<void>> counted_;
  std::uint64_t counted_bytes_ = 0;
  std::byte* base_ = nullptr;
  std::uint64_t size_ = 0, mapped_bytes_ = 0;  // pages that were not written take no memory
};

}  // namespace troupe::http
