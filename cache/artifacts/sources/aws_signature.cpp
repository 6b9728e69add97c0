#include "cache/artifacts/sources/aws_signature.hpp"

#include <algorithm>
#include <ctime>
#include <new>
#include <vector>

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "cache/artifacts/sha256.hpp"
#include "cache/artifacts/sources/urls.hpp"

namespace troupe::cache {
namespace {

std::string hmac(std::string_view key, std::string_view text) {
  unsigned char out[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  if (::HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
             reinterpret_cast<const unsigned char*>(text.data()), text.size(), out, &size) == nullptr)
    throw std::bad_alloc();
  return {reinterpret_cast<const char*>(out), size};
}

std::string hex(std::string_view bytes) {
  static constexpr char digits[] = "0123456789abcdef";
  std::string out;
  for (const char each : bytes) {
    const auto c = static_cast<unsigned char>(each);
    out += digits[c >> 4U];
    out += digits[c & 15U];
  }
  return out;
}

std::string digest(std::string_view text) {
  sha256 hash;
  hash.add(text);
  return hash.hex();
}

// By name, then by value; a parameter without '=' has one.
std::string canonical_query(std::string_view query) {
  std::vector<std::pair<std::string, std::string>> all;
  while (!query.empty()) {
    const auto end = std::min(query.find('&'), query.size());
    const auto each = query.substr(0, end);
    query.remove_prefix(std::min(end + 1, query.size()));
    if (each.empty()) continue;
    const auto equal = std::min(each.find('='), each.size());
    all.emplace_back(each.substr(0, equal), equal == each.size() ? "" : each.substr(equal + 1));
  }
  std::sort(all.begin(), all.end());
  std::string out;
  for (const auto& [name, value] : all) {
    if (!out.empty()) out += '&';
    out.append(name).append("=").append(value);
  }
  return out;
}

std::string canonical_value(std::string_view value) {
  std::string out;
  for (const char c : value)
    if (c != ' ' || (!out.empty() && out.back() != ' ')) out += c;
  if (out.ends_with(' ')) out.pop_back();
  return out;
}

}  // namespace

std::string aws_date(std::chrono::system_clock::time_point when) {
  const auto seconds = std::chrono::system_clock::to_time_t(when);
  std::tm parts{};
  ::gmtime_r(&seconds, &parts);
  char text[17];
  return {text, std::strftime(text, sizeof text, "%Y%m%dT%H%M%SZ", &parts)};
}

std::string aws_authorization(const aws_request& request, const aws_credentials& who, const aws_scope& scope,
                              std::chrono::system_clock::time_point when) {
  auto headers = request.headers;
  std::sort(headers.begin(), headers.end());
  std::string lines, names;
  for (const auto& [name, value] : headers) {
    lines += name + ':' + canonical_value(value) + '\n';
    names += (names.empty() ? "" : ";") + name;
  }
  const auto canonical = std::string(request.method) + '\n' + (request.path.empty() ? "/" : request.path) + '\n' +
                         canonical_query(request.query) + '\n' + lines + '\n' + names + '\n' + request.payload_hash;
  const auto date = aws_date(when), day = date.substr(0, 8);
  const auto in_scope = day + '/' + scope.region + '/' + scope.service + "/aws4_request";
  const auto to_sign = "AWS4-HMAC-SHA256\n" + date + '\n' + in_scope + '\n' + digest(canonical);
  const auto key = hmac(hmac(hmac(hmac("AWS4" + who.secret_key, day), scope.region), scope.service), "aws4_request");
  return "AWS4-HMAC-SHA256 Credential=" + who.access_key + '/' + in_scope + ", SignedHeaders=" + names +
         ", Signature=" + hex(hmac(key, to_sign));
}

header_lines s3_headers(std::string_view method, const std::string& url, const aws_credentials& who,
                        const std::string& region, std::chrono::system_clock::time_point when) {
  const auto parsed = parse_url(url);
  if (!parsed) return {};
  header_lines own{{"x-amz-content-sha256", std::string(unsigned_payload)}, {"x-amz-date", aws_date(when)}};
  if (!who.session_token.empty()) own.emplace_back("x-amz-security-token", who.session_token);
  auto signed_lines = own;
  signed_lines.emplace_back("host", parsed->authority());
  own.emplace_back("Authorization",
                   aws_authorization({method, parsed->path, parsed->query, signed_lines, std::string(unsigned_payload)},
                                     who, {region, "s3"}, when));
  return own;
}

}  // namespace troupe::cache
