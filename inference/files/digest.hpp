#pragma once
// The digest of a store entry's data (XXH3, 128 bits): finds what disks and power cuts do, not what an attacker
// does. Bytes in order, in pieces of any size.

#include <cstdint>
#include <memory>
#include <span>
#include <string>

namespace troupe::inference {

class content_digest {
 public:
  content_digest();
  content_digest(content_digest&&) noexcept;
  content_digest& operator=(content_digest&&) noexcept;
  ~content_digest();
  void add(std::span<const std::byte> bytes) noexcept;
  void add_zeros(std::uint64_t count) noexcept;
  // Of all bytes so far, as `hex_digits` digits.
  std::string hex() const;
  static constexpr std::size_t hex_digits = 32;

 private:
  struct state;
  std::unique_ptr<state> state_;
};

}  // namespace troupe::inference
