#include "http/ws/received_file.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <string>

namespace troupe::http {
namespace {

constexpr std::uint64_t step_bytes = 1024 * 1024;

std::uint64_t whole_steps(std::uint64_t bytes) { return (bytes + step_bytes - 1) / step_bytes * step_bytes; }

}  // namespace

received_file::~received_file() {
  if (base_ != nullptr) ::munmap(base_, mapped_bytes_);
}

result<void> received_file::append(std::string_view bytes) {
  if (bytes.size() > bytes_max_ - size_)
    return fail(error_code::payload_too_large, "The file is longer than " + std::to_string(bytes_max_) + " bytes",
                "max_upload_bytes bounds it");
  if (auto room = reserve(size_ + bytes.size()); !room) return room;
  std::memcpy(base_ + size_, bytes.data(), bytes.size());
  size_ += bytes.size();
  return {};
}

result<void> received_file::reserve(std::uint64_t bytes) {
  const auto none = [] {
    return troupe::fail(error_code::unavailable, "The memory for uploads is in use, retry later",
                        "max_body_budget_mb bounds it", 1);
  };
  const auto needed_bytes = whole_steps(bytes);
  if (needed_bytes > counted_bytes_) {
    auto more = count_(needed_bytes - counted_bytes_);
    if (!more) return none();
    counted_.push_back(std::move(more));
    counted_bytes_ = needed_bytes;
  }
  if (bytes <= mapped_bytes_) return {};
  const auto wanted = std::max(needed_bytes, std::min(whole_steps(bytes_max_), 2 * mapped_bytes_));
  void* base = base_ == nullptr
                   ? ::mmap(nullptr, wanted, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
                   : ::mremap(base_, mapped_bytes_, wanted, MREMAP_MAYMOVE);
  if (base == MAP_FAILED) return none();
  base_ = static_cast<std::byte*>(base);
  mapped_bytes_ = wanted;
  return {};
}

}  // namespace troupe::http
