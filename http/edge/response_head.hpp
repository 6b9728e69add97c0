#pragma once
// Writes the head of a response. Any thread.

#include <optional>
#include <string>
#include <string_view>

#include "http/core/exchange.hpp"

namespace troupe::http::edge {

enum class body_framing { length, chunked, until_close, none };

struct response_head {
  unsigned status = 200;
  std::string_view content_type;
  const header_list* headers = nullptr;
  std::string_view request_id;
  body_framing framing = body_framing::length;
  std::size_t content_bytes = 0;
  bool keep_alive = true;
  bool http_1_0 = false;
};

// Headers that the edge writes itself are left out of `headers`; control characters become spaces.
void append_head(std::string& to, const response_head& head);

// 16 hex digits.
std::string make_request_id();
// At most 128 visible ASCII characters.
bool sane_request_id(std::string_view text);

}  // namespace troupe::http::edge
