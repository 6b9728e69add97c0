#include "cache/artifacts/sources/urls.hpp"

#include <algorithm>
#include <memory>

#include <curl/curl.h>
#include <simdjson.h>

namespace troupe::cache {
namespace {

constexpr std::size_t url_bytes_max = 8192;
constexpr std::size_t shown_bytes_max = 120;

struct free_url {
  void operator()(CURLU* u) const noexcept { curl_url_cleanup(u); }
};

std::string part(CURLU* url, CURLUPart which, unsigned flags = 0) {
  char* text = nullptr;
  std::string out;
  if (curl_url_get(url, which, &text, flags) == CURLUE_OK && text != nullptr) out = text;
  curl_free(text);
  return out;
}

constexpr bool is_unreserved(unsigned char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
         c == '_' || c == '~';
}

std::string encode(std::string_view text, bool keep_slash) {
  static constexpr char digits[] = "0123456789ABCDEF";
  std::string out;
  out.reserve(text.size());
  for (const char each : text) {
    const auto c = static_cast<unsigned char>(each);
    if (is_unreserved(c) || (keep_slash && c == '/')) {
      out += each;
    } else {
      out += '%';
      out += digits[c >> 4U];
      out += digits[c & 15U];
    }
  }
  return out;
}

constexpr int hex_value(char c) {
  return c >= '0' && c <= '9'   ? c - '0'
         : c >= 'a' && c <= 'f' ? c - 'a' + 10
         : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                : -1;
}

}  // namespace

std::string parsed_url::authority() const {
  return port == (scheme == "https" ? "443" : "80") ? host : host + ':' + port;
}

result<parsed_url> parse_url(const std::string& url) {
  if (url.size() > url_bytes_max) return fail(error_code::bad_request, "the URL is longer than 8192 bytes");
  if (url.find('\0') != url.npos) return fail(error_code::bad_request, "the URL has a NUL character");
  const std::unique_ptr<CURLU, free_url> handle(curl_url());
  const auto at = url.find("://");
  const auto scheme = at == url.npos ? std::string() : lower_case(std::string_view(url).substr(0, at));
  if (scheme != "http" && scheme != "https")
    return fail(error_code::bad_request, "'" + shown(without_query(url)) + "' is no http or https URL");
  if (!handle || curl_url_set(handle.get(), CURLUPART_URL, url.c_str(), 0) != CURLUE_OK)
    return fail(error_code::bad_request, "the URL cannot be read: only the form https://host/path is taken");
  parsed_url out;
  out.scheme = scheme;
  out.host = lower_case(part(handle.get(), CURLUPART_HOST));
  out.port = part(handle.get(), CURLUPART_PORT, CURLU_DEFAULT_PORT);
  out.path = part(handle.get(), CURLUPART_PATH);
  out.query = part(handle.get(), CURLUPART_QUERY);
  const auto user = part(handle.get(), CURLUPART_USER), password = part(handle.get(), CURLUPART_PASSWORD);
  out.credentials =
      !user.empty() || !password.empty() ||
      std::string_view(url).substr(at + 3, url.find_first_of("/?#", at + 3) - at - 3).find('@') != url.npos;
  if (out.host.empty()) return fail(error_code::bad_request, "the URL names no host");
  return out;
}

bool same_origin(const std::string& a, const std::string& b) {
  const auto x = parse_url(a), y = parse_url(b);
  return x && y && x->scheme == y->scheme && x->host == y->host && x->port == y->port;
}

result<std::string> checked_base_url(const std::string& url, std::string_view setting) {
  const auto parsed = parse_url(url);
  const std::string name(setting);
  if (!parsed) return fail(error_code::bad_request, name + ": " + parsed.error().message);
  if (parsed->credentials) return fail(error_code::bad_request, name + " holds a user name or password: not supported");
  if (url.find_first_of("?#") != url.npos)
    return fail(error_code::bad_request, name + " has a query or a fragment", "an address that paths are appended to");
  return url.substr(0, url.find_last_not_of('/') + 1);
}

std::string encode_component(std::string_view text) { return encode(text, false); }
std::string encode_path(std::string_view path) { return encode(path, true); }

std::optional<std::string> decode(std::string_view encoded) {
  std::string out;
  out.reserve(encoded.size());
  for (std::size_t i = 0; i < encoded.size(); ++i) {
    if (encoded[i] != '%') {
      out += encoded[i];
      continue;
    }
    if (i + 2 >= encoded.size()) return std::nullopt;
    const int high = hex_value(encoded[i + 1]), low = hex_value(encoded[i + 2]);
    if (high < 0 || low < 0) return std::nullopt;
    out += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return out;
}

std::string shown(std::string_view text) {
  const bool cut = text.size() > shown_bytes_max;
  auto out = std::string(text.substr(0, shown_bytes_max));
  // Not in the middle of a character.
  if (cut)
    for (int i = 0; i < 4 && !out.empty() && !simdjson::validate_utf8(out); ++i) out.pop_back();
  const bool valid = simdjson::validate_utf8(out);
  for (auto& c : out) {
    const auto code = static_cast<unsigned char>(c);
    if (code < 0x20 || code == 0x7F || (code >= 0x80 && !valid)) c = '?';
  }
  return cut ? out + ".." : out;
}

std::string without_query(std::string_view url) { return std::string(url.substr(0, url.find_first_of("?#"))); }

std::string lower_case(std::string_view text) {
  std::string out(text);
  for (auto& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return out;
}

}  // namespace troupe::cache
