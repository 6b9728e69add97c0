#include "cache/artifacts/transfer/web_url.hpp"

#include <algorithm>
#include <memory>

#include <curl/curl.h>

namespace troupe::cache {
namespace {

constexpr std::size_t url_bytes_max = 16 << 10;
constexpr std::size_t shown_bytes_max = 300;

struct free_url {
  void operator()(CURLU* u) const noexcept { curl_url_cleanup(u); }
};
using parsed = std::unique_ptr<CURLU, free_url>;

std::string part(CURLU* u, CURLUPart which, unsigned flags = 0) {
  char* text = nullptr;
  std::string out;
  if (curl_url_get(u, which, &text, flags) == CURLUE_OK && text != nullptr) out = text;
  curl_free(text);
  return out;
}

bool is_control(char c) noexcept { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }

bool names_a_host(std::string_view host) noexcept {
  return !host.empty() && host.size() <= 253 && std::all_of(host.begin(), host.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_';
  });
}

tl::unexpected<error> refused(std::string_view url, const std::string& why) {
  return fail(error_code::bad_request, "cannot fetch " + shown_url(url) + ": " + why);
}

result<web_url> take(parsed u, std::string_view as_given) {
  web_url out;
  out.scheme = part(u.get(), CURLUPART_SCHEME);
  if (out.scheme != "http" && out.scheme != "https") return refused(as_given, "only http and https URLs are fetched");
  if (!part(u.get(), CURLUPART_USER).empty() || !part(u.get(), CURLUPART_PASSWORD).empty())
    return refused(as_given, "a URL may not carry a user name or password");
  if (!part(u.get(), CURLUPART_ZONEID).empty()) return refused(as_given, "its address names a network interface");
  auto host = part(u.get(), CURLUPART_HOST);
  std::transform(host.begin(), host.end(), host.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  if (host.ends_with('.')) host.pop_back();
  curl_url_set(u.get(), CURLUPART_FRAGMENT, nullptr, 0);
  if (curl_url_set(u.get(), CURLUPART_HOST, host.c_str(), 0) != CURLUE_OK)
    return refused(as_given, "its host is no host name");
  if (host.starts_with('[')) {
    out.host = host.substr(1, host.size() - 2);
  } else {
    if (!names_a_host(host)) return refused(as_given, "its host is no host name (write others than ASCII in punycode)");
    out.host = host;
  }
  const auto port = part(u.get(), CURLUPART_PORT, CURLU_DEFAULT_PORT);
  out.port = static_cast<std::uint16_t>(std::atoi(port.c_str()));
  if (out.port == 0) return refused(as_given, "its port is no port");
  out.text = part(u.get(), CURLUPART_URL);
  if (out.text.empty() || out.text.size() > url_bytes_max) return refused(as_given, "it is too long");
  return out;
}

result<parsed> read(parsed u, std::string_view text) {
  if (text.size() > url_bytes_max) return refused(text, "it is too long");
  if (std::any_of(text.begin(), text.end(), is_control)) return refused(text, "it has a control character");
  const auto why = curl_url_set(u.get(), CURLUPART_URL, std::string(text).c_str(), CURLU_URLENCODE | CURLU_ALLOW_SPACE);
  if (why == CURLUE_UNSUPPORTED_SCHEME) return refused(text, "only http and https URLs are fetched");
  if (why != CURLUE_OK) {
    std::string reason = curl_url_strerror(why);
    return refused(text, "it is no URL (" + reason + ")");
  }
  return u;
}

}  // namespace

result<web_url> parse_web_url(std::string_view text) {
  auto u = read(parsed(curl_url()), text);
  if (!u) return tl::unexpected(u.error());
  return take(std::move(*u), text);
}

result<web_url> resolve_location(const web_url& base, std::string_view location) {
  parsed u(curl_url());
  curl_url_set(u.get(), CURLUPART_URL, base.text.c_str(), 0);
  auto at = read(std::move(u), location);
  if (!at) return tl::unexpected(at.error());
  return take(std::move(*at), location);
}

bool same_origin(const web_url& a, const web_url& b) noexcept {
  return a.scheme == b.scheme && a.host == b.host && a.port == b.port;
}

std::string shown_url(std::string_view url) {
  url = url.substr(0, url.find_first_of("?#"));
  std::string out;
  if (const auto slashes = url.find("//"); slashes != std::string_view::npos) {
    out = url.substr(0, slashes + 2);
    url.remove_prefix(slashes + 2);
    // Everything before the last @ of the authority may be a password; also where a parser would disagree.
    const auto path = url.find_first_of("/\\");
    if (const auto at = url.substr(0, path).rfind('@'); at != std::string_view::npos) url.remove_prefix(at + 1);
  } else if (const auto at = url.rfind('@'); at != std::string_view::npos) {
    url.remove_prefix(at + 1);
  }
  out += url;
  return printable(out, shown_bytes_max);
}

std::string printable(std::string_view text, std::size_t bytes_max) {
  std::string out(text.substr(0, bytes_max));
  std::replace_if(out.begin(), out.end(), is_control, '?');
  return text.size() > bytes_max ? out + ".." : out;
}

}  // namespace troupe::cache
