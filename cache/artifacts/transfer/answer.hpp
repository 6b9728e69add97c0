#pragma once
// What an answer to a request for (a part of) a file means. Pure.

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "cache/artifacts/http_client.hpp"
#include "cache/artifacts/transfer/ranges.hpp"
#include "config/error.hpp"

namespace troupe::cache {

// A range that goes to range_plan::unknown asks for all that follows.
struct asked_bytes {
  byte_range range;
  bool as_range = false;       // with a Range header; without: the whole file
  bool as_redirected = false;  // straight to where a redirect led before
};

struct known_content {
  std::optional<std::uint64_t> size;
  bool size_was_told = false;        // by the plan: another is an error; by an answer: another is other content
  std::string etag;                  // as served before; empty: none
  std::uint64_t size_bytes_max = 0;  // 0: unbounded
};

struct answer_meaning {
  enum class kind : std::uint8_t {
    all,          // the body is the whole file, whatever was asked
    part,         // the body is `body`
    start_over,   // it does not fit what is there
    from_origin,  // the redirect may have grown old: ask where it came from
    again,        // later, after `wait` at least
    failed,       // for good
  } what = kind::failed;
  byte_range body;                    // its end may be range_plan::unknown
  std::optional<std::uint64_t> size;  // of the whole, where the answer tells it
  bool serves_ranges = false;
  std::optional<std::chrono::seconds> wait;  // the server asks for it
  error why;                                 // of all but `all` and `part`
};

answer_meaning judge_answer(const http_answer& head, const asked_bytes& asked, const known_content& known,
                            std::chrono::seconds retry_after_max, std::chrono::system_clock::time_point now);

// Empty where there is none, or a weak one, which does not tell that bytes are the same.
std::string strong_etag(const std::string& etag);

// Of an answer that may be better later: how long to wait. Error: longer than `most`.
result<std::optional<std::chrono::seconds>> asked_wait(const http_answer& head, std::chrono::seconds most,
                                                       std::chrono::system_clock::time_point now);

}  // namespace troupe::cache
