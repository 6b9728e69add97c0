#pragma once
// SHA-256 (FIPS 180-4) of bytes in order, in pieces of any size. OpenSSL's, which uses the CPU's instructions.

#include <array>
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace troupe::cache {

class sha256 {
 public:
  sha256();
  sha256(sha256&&) noexcept;
  sha256& operator=(sha256&&) noexcept;
  ~sha256();
  void add(std::span<const std::byte> bytes);
  void add(std::string_view text);
  // Of all bytes so far, as 64 lower-case hex digits; more may be added afterwards.
  std::string hex() const;
  std::array<std::byte, 32> bytes() const;

 private:
  struct state;
  std::unique_ptr<state> state_;
};

bool is_sha256_hex(std::string_view text) noexcept;  // 64 lower-case hex digits

}  // namespace troupe::cache
