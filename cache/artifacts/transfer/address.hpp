#pragma once
// Which addresses are somebody else's, and which are ours or nobody's. Pure.

#include <cstdint>
#include <string_view>

namespace troupe::cache {

enum class address_kind : std::uint8_t {
  outside,  // a public one, of one host
  loopback,
  private_network,
  link_local,
  shared,  // 100.64.0.0/10, of carriers and clouds
  multicast,
  unspecified,
  documentation,
  reserved,
  no_address,  // a name, or nonsense
};
std::string_view to_string(address_kind kind) noexcept;  // "a loopback address" and the like

// Of a literal as inet_pton reads it, IPv6 without brackets. An IPv4 address inside an IPv6 one (mapped, compatible,
// translated, NAT64, 6to4) is what is judged there.
address_kind judge_address(std::string_view literal) noexcept;

}  // namespace troupe::cache
