#pragma once
// Small HTTP requests, as the sources make them: metadata, listings. Implemented by transfer/ and by tests' fakes.

#include <atomic>
#include <cstdint>
#include <string>

#include "cache/artifacts/pull_request.hpp"
#include "config/error.hpp"

namespace troupe::cache {

struct http_request {
  std::string url;
  std::string method = "GET";  // or HEAD
  header_lines headers;
  authorizer authorize;  // null: none
  reach may_reach = reach::outside;
  bool follow = true;                          // redirects; false: a 3xx is the answer
  std::uint64_t body_bytes_max = 32ull << 20;  // more is an error
};

struct http_answer {
  unsigned status = 0;
  header_lines headers;  // names in lower case
  std::string body;
  std::string url;  // that answered, after redirects
  // The first of that name; null: none.
  const std::string* header(std::string_view lower_case_name) const noexcept;
};

class http_client {
 public:
  virtual ~http_client() = default;
  // Blocks; any thread. Retries what may pass. Any status below 500 but 408 and 429 is an answer; errors: unavailable
  // (not reached, or the retries are used up), forbidden (an address that may not be reached), bad_request (the URL),
  // payload_too_large, cancelled.
  virtual result<http_answer> ask(const http_request& request, const std::atomic<bool>* cancelled) = 0;
};

}  // namespace troupe::cache
