#include "app/event_reader.hpp"

namespace troupe::app {

result<void> event_reader::feed(std::string_view bytes, const std::function<void(const server_event&)>& tell) {
  for (const char c : bytes) {
    // A line ends with CR, LF or both.
    if (std::exchange(after_return_, c == '\r') && c == '\n') continue;
    if (c == '\r' || c == '\n') {
      take_line(tell);
      continue;
    }
    if (line_.size() + event_.data.size() >= event_bytes_max_)
      return fail(error_code::payload_too_large,
                  "the server sent an event of more than " + std::to_string(event_bytes_max_) + " bytes");
    line_ += c;
  }
  return {};
}

void event_reader::take_line(const std::function<void(const server_event&)>& tell) {
  auto line = std::exchange(line_, {});
  if (std::exchange(at_start_, false) && line.starts_with("\xEF\xBB\xBF")) line.erase(0, 3);
  if (line.empty()) {
    const auto whole = std::exchange(event_, {});
    if (std::exchange(has_data_, false)) tell(whole);
    return;
  }
  const auto colon = line.find(':');
  if (colon == 0) return;  // a comment: the server still lives
  const auto field = line.substr(0, colon);
  auto value = colon == std::string::npos ? std::string() : line.substr(colon + 1);
  if (value.starts_with(' ')) value.erase(0, 1);
  if (field == "event") {
    event_.name = value;
  } else if (field == "data") {
    if (std::exchange(has_data_, true)) event_.data += '\n';
    event_.data += value;
  }
}

}  // namespace troupe::app
