#pragma once
// Server-sent events, read from bytes as they come (the HTML standard's "event stream"). Pure.

#include <functional>
#include <string>
#include <string_view>

#include "config/error.hpp"

namespace troupe::app {

struct server_event {
  std::string name;  // empty: unnamed
  std::string data;  // its lines, joined by line feeds
};

class event_reader {
 public:
  explicit event_reader(std::size_t event_bytes_max) : event_bytes_max_(event_bytes_max) {}

  // `tell` is given each event that is whole by now. Error (payload_too_large): one that is longer than it may be.
  result<void> feed(std::string_view bytes, const std::function<void(const server_event&)>& tell);

 private:
  void take_line(const std::function<void(const server_event&)>& tell);

  const std::size_t event_bytes_max_;
  std::string line_;
  server_event event_;
  bool has_data_ = false, after_return_ = false, at_start_ = true;
};

}  // namespace troupe::app
