#include "cache/artifacts/transfer/proxy.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <optional>
#include <string_view>

#include "cache/artifacts/transfer/content_range.hpp"

namespace troupe::cache {
namespace {

std::string environment(const char* lower, const char* upper) {
  if (const auto* text = std::getenv(lower)) return text;
  if (const auto* text = upper == nullptr ? nullptr : std::getenv(upper)) return text;
  return {};
}

using bytes16 = std::array<std::uint8_t, 16>;

// Four bytes or sixteen; 0: no address.
std::size_t read_address(const std::string& text, bytes16& out) {
  if (::inet_pton(AF_INET, text.c_str(), out.data()) == 1) return 4;
  return ::inet_pton(AF_INET6, text.c_str(), out.data()) == 1 ? 16 : 0;
}

bool in_network(const std::string& host, std::string_view network) {
  const auto slash = network.find('/');
  bytes16 a{}, b{};
  const auto size = read_address(host, a);
  if (size == 0 || read_address(std::string(network.substr(0, slash)), b) != size) return false;
  std::size_t bits = size * 8;
  if (slash != std::string_view::npos) {
    const auto said = parse_byte_count(network.substr(slash + 1));
    if (!said || *said > bits) return false;
    bits = *said;
  }
  for (std::size_t i = 0; i < size && bits > 0; ++i) {
    const auto here = std::min<std::size_t>(bits, 8);
    if ((a[i] ^ b[i]) >> (8 - here) != 0) return false;
    bits -= here;
  }
  return true;
}

bool excepted(const std::string& list, const std::string& host) {
  std::string_view rest = list;
  while (!rest.empty()) {
    const auto end = rest.find_first_of(", \t");
    std::string word(rest.substr(0, end));
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
    std::transform(word.begin(), word.end(), word.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
    if (word == "*") return true;
    if (word.starts_with('[') && word.ends_with(']')) word = word.substr(1, word.size() - 2);
    if (word.starts_with('.')) word.erase(0, 1);
    if (word.ends_with('.')) word.pop_back();
    if (word.empty()) continue;
    if (host == word || (host.ends_with(word) && host[host.size() - word.size() - 1] == '.')) return true;
    if (in_network(host, word)) return true;
  }
  return false;
}

}  // namespace

proxy_settings proxy_settings::from_environment() {
  // HTTP_PROXY is not read: in a CGI it is what a client sent as "Proxy:".
  return {environment("http_proxy", nullptr), environment("https_proxy", "HTTPS_PROXY"),
          environment("all_proxy", "ALL_PROXY"), environment("no_proxy", "NO_PROXY")};
}

std::string proxy_for(const proxy_settings& settings, const web_url& url) {
  const auto& own = url.scheme == "https" ? settings.https : settings.http;
  const auto& proxy = own.empty() ? settings.all : own;
  return proxy.empty() || excepted(settings.none, url.host) ? std::string() : proxy;
}

}  // namespace troupe::cache
