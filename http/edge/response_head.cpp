#include "http/edge/response_head.hpp"

#include <http_parser.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <ctime>
#include <random>

namespace troupe::http::edge {
namespace {

std::string_view date() {
  thread_local std::time_t shown = 0;
  thread_local std::array<char, 64> text{};
  thread_local std::size_t size = 0;
  timespec now{};
  clock_gettime(CLOCK_REALTIME_COARSE, &now);
  if (now.tv_sec != shown) {
    shown = now.tv_sec;
    std::tm parts{};
    gmtime_r(&shown, &parts);
    size = std::strftime(text.data(), text.size(), "%a, %d %b %Y %H:%M:%S GMT", &parts);
  }
  return {text.data(), size};
}

void append_number(std::string& to, std::uint64_t number) {
  char text[24];
  to.append(text, std::to_chars(text, text + sizeof text, number).ptr);
}

void append_clean(std::string& to, std::string_view text) {
  const auto start = to.size();
  to.append(text);
  for (auto i = start; i < to.size(); ++i)
    if (static_cast<unsigned char>(to[i]) < 0x20 || to[i] == 0x7f) to[i] = ' ';
}

bool ours(std::string_view name) {
  static constexpr std::string_view names[] = {"content-length", "transfer-encoding", "connection", "date",
                                               "server",         "x-request-id"};
  for (const auto each : names)
    if (each.size() == name.size() &&
        std::equal(name.begin(), name.end(), each.begin(), [](char a, char b) { return (a | 0x20) == b; }))
      return true;
  return false;
}

}  // namespace

void append_head(std::string& to, const response_head& head) {
  to.append("HTTP/1.1 ");
  append_number(to, head.status);
  to.append(" ").append(http_status_str(static_cast<http_status>(head.status)));
  to.append("\r\nServer: troupe\r\nDate: ").append(date());
  if (!head.content_type.empty() && head.framing != body_framing::none) {
    to.append("\r\nContent-Type: ");
    append_clean(to, head.content_type);
  }
  switch (head.framing) {
    case body_framing::length:
      to.append("\r\nContent-Length: ");
      append_number(to, head.content_bytes);
      break;
    case body_framing::chunked: to.append("\r\nTransfer-Encoding: chunked"); break;
    case body_framing::until_close:
    case body_framing::none: break;
  }
  to.append("\r\nX-Request-Id: ").append(head.request_id);
  if (!head.keep_alive)
    to.append("\r\nConnection: close");
  else if (head.http_1_0)
    to.append("\r\nConnection: keep-alive");
  for (const auto& [name, value] : *head.headers) {
    if (ours(name)) continue;
    to.append("\r\n");
    append_clean(to, name);
    to.append(": ");
    append_clean(to, value);
  }
  to.append("\r\n\r\n");
}

std::string make_request_id() {
  thread_local std::mt19937_64 random{[] {
    std::random_device device;
    return (static_cast<std::uint64_t>(device()) << 32) | device();
  }()};
  static constexpr char digits[] = "0123456789abcdef";
  auto bits = random();
  std::string id(16, '0');
  for (auto& c : id) {
    c = digits[bits & 15];
    bits >>= 4;
  }
  return id;
}

bool sane_request_id(std::string_view text) {
  return !text.empty() && text.size() <= 128 &&
         std::all_of(text.begin(), text.end(), [](char c) { return c > 0x20 && c < 0x7f; });
}

}  // namespace troupe::http::edge
