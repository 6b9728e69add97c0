#include "cache/artifacts/transfer/address.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <string>

namespace troupe::cache {
namespace {

using enum address_kind;

struct block4 {
  std::uint32_t from;
  unsigned bits;
  address_kind kind;
};
constexpr std::uint32_t ip(unsigned a, unsigned b, unsigned c, unsigned d) { return a << 24 | b << 16 | c << 8 | d; }
// IANA's special-purpose registry.
constexpr block4 blocks4[] = {
    {ip(0, 0, 0, 0), 8, unspecified},        {ip(10, 0, 0, 0), 8, private_network},
    {ip(100, 64, 0, 0), 10, shared},         {ip(127, 0, 0, 0), 8, loopback},
    {ip(169, 254, 0, 0), 16, link_local},    {ip(172, 16, 0, 0), 12, private_network},
    {ip(192, 0, 0, 0), 24, reserved},        {ip(192, 0, 2, 0), 24, documentation},
    {ip(192, 88, 99, 0), 24, reserved},      {ip(192, 168, 0, 0), 16, private_network},
    {ip(198, 18, 0, 0), 15, reserved},       {ip(198, 51, 100, 0), 24, documentation},
    {ip(203, 0, 113, 0), 24, documentation}, {ip(224, 0, 0, 0), 4, multicast},
    {ip(240, 0, 0, 0), 4, reserved},
};

address_kind judge4(std::uint32_t address) noexcept {
  for (const auto& b : blocks4)
    if ((address ^ b.from) >> (32 - b.bits) == 0) return b.kind;
  return outside;
}

using bytes6 = std::array<std::uint8_t, 16>;

bool begins(const bytes6& a, std::initializer_list<std::uint8_t> with) noexcept {
  return std::equal(with.begin(), with.end(), a.begin());
}
std::uint32_t ip_at(const bytes6& a, std::size_t i) noexcept { return ip(a[i], a[i + 1], a[i + 2], a[i + 3]); }

address_kind judge6(const bytes6& a) noexcept {
  if (std::all_of(a.begin(), a.begin() + 8, [](auto b) { return b == 0; })) {
    const auto middle = ip_at(a, 8), last = ip_at(a, 12);
    if (middle == 0 && last == 0) return unspecified;
    if (middle == 0 && last == 1) return loopback;
    // Compatible (::/96), mapped (::ffff:0:0/96), translated (::ffff:0:0:0/96).
    if (middle == 0 || middle == 0xffff || middle == 0xffff0000) return judge4(last);
    return reserved;
  }
  if (begins(a, {0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0})) return judge4(ip_at(a, 12));  // NAT64
  if (begins(a, {0, 0x64, 0xff, 0x9b, 0, 1})) return private_network;                         // NAT64, a network's own
  if (begins(a, {0x20, 0x01, 0x0d, 0xb8}) || (begins(a, {0x3f, 0xff}) && a[2] < 0x10)) return documentation;
  if (begins(a, {0x20, 0x01}) && a[2] < 2) return reserved;  // Teredo, ORCHID, benchmarks
  if (begins(a, {0x20, 0x02})) return judge4(ip_at(a, 2));   // 6to4
  if (a[0] == 0xff) return multicast;
  if ((a[0] & 0xfe) == 0xfc) return private_network;
  if (a[0] == 0xfe && (a[1] & 0xc0) == 0x80) return link_local;
  if (a[0] == 0xfe && (a[1] & 0xc0) == 0xc0) return private_network;  // site-local, as it was once
  return (a[0] & 0xe0) == 0x20 ? outside : reserved;                  // only 2000::/3 is given out
}

}  // namespace

std::string_view to_string(address_kind kind) noexcept {
  switch (kind) {
    case outside: return "a public address";
    case loopback: return "a loopback address";
    case private_network: return "a private address";
    case link_local: return "a link-local address";
    case shared: return "a shared address";
    case multicast: return "a multicast address";
    case unspecified: return "the unspecified address";
    case documentation: return "an address for documentation";
    case reserved: return "a reserved address";
    case no_address: break;
  }
  return "no address";
}

address_kind judge_address(std::string_view literal) noexcept {
  char text[INET6_ADDRSTRLEN + 1];
  if (literal.size() >= sizeof text) return no_address;
  *std::copy(literal.begin(), literal.end(), text) = '\0';
  in_addr four{};
  if (literal.find('\0') != std::string_view::npos) return no_address;
  if (::inet_pton(AF_INET, text, &four) == 1) return judge4(ntohl(four.s_addr));
  in6_addr six{};
  if (::inet_pton(AF_INET6, text, &six) != 1) return no_address;
  bytes6 bytes;
  std::copy(std::begin(six.s6_addr), std::end(six.s6_addr), bytes.begin());
  return judge6(bytes);
}

}  // namespace troupe::cache
