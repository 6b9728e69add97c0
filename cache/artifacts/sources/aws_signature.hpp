#pragma once
// AWS Signature Version 4, as header lines of one request. Pure; over OpenSSL's HMAC.

#include <chrono>
#include <string>
#include <string_view>

#include "cache/artifacts/pull_request.hpp"

namespace troupe::cache {

struct aws_credentials {
  std::string access_key, secret_key, session_token;  // the token may be empty
};

struct aws_scope {
  std::string region, service;
};

struct aws_request {
  std::string_view method;
  std::string path;      // as it is sent: percent-encoded once
  std::string query;     // as it is sent, without '?'
  header_lines headers;  // that are signed; names in lower case, among them "host"
  std::string payload_hash;
};
inline constexpr std::string_view unsigned_payload = "UNSIGNED-PAYLOAD";

// The value of Authorization. `headers` has "x-amz-date" of the same time already.
std::string aws_authorization(const aws_request& request, const aws_credentials& who, const aws_scope& scope,
                              std::chrono::system_clock::time_point when);
std::string aws_date(std::chrono::system_clock::time_point when);  // "20150830T123600Z"

// What S3 wants to see for a request of that URL, which is not signed over its payload.
header_lines s3_headers(std::string_view method, const std::string& url, const aws_credentials& who,
                        const std::string& region, std::chrono::system_clock::time_point when);

}  // namespace troupe::cache
