#include "inference/files/digest.hpp"

#include <algorithm>
#include <array>
#include <cstdio>

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace troupe::inference {

struct content_digest::state {
  XXH3_state_t xxh3;
};

content_digest::content_digest() : state_(std::make_unique<state>()) { XXH3_128bits_reset(&state_->xxh3); }
content_digest::content_digest(content_digest&&) noexcept = default;
content_digest& content_digest::operator=(content_digest&&) noexcept = default;
content_digest::~content_digest() = default;

void content_digest::add(std::span<const std::byte> bytes) noexcept {
  if (!bytes.empty()) XXH3_128bits_update(&state_->xxh3, bytes.data(), bytes.size());
}

void content_digest::add_zeros(std::uint64_t count) noexcept {
  static constexpr std::array<std::byte, 4096> zeros{};
  while (count > 0) {
    const auto n = std::min<std::uint64_t>(count, zeros.size());
    add(std::span(zeros).first(n));
    count -= n;
  }
}

std::string content_digest::hex() const {
  const auto hash = XXH3_128bits_digest(&state_->xxh3);
  char text[hex_digits + 1];
  std::snprintf(text, sizeof text, "%016llx%016llx", static_cast<unsigned long long>(hash.high64),
                static_cast<unsigned long long>(hash.low64));
  return text;
}

}  // namespace troupe::inference
