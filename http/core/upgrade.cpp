#include "http/core/upgrade.hpp"

#include <algorithm>

#include "http/json/comma_list.hpp"

namespace troupe::http {
namespace {

// The first of a header's words that is wanted; empty: none.
template <class Wanted>
std::string_view first_word(const exchange& request, std::string_view header, const Wanted& wanted) {
  std::string_view found;
  any_of_list(request.header(header).value_or(std::string_view()), [&](std::string_view each) {
    if (wanted(each)) found = each;
    return !found.empty();
  });
  return found;
}

bool lists(const exchange& request, std::string_view header, std::string_view word) {
  return !first_word(request, header, [&](auto each) { return equal_ignoring_case(each, word); }).empty();
}

// 16 bytes in base64.
bool is_key(std::string_view text) {
  constexpr std::size_t digits = 22;
  return text.size() == digits + 2 && text.ends_with("==") &&
         std::all_of(text.begin(), text.begin() + digits, [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '+' || c == '/';
         });
}

response upgrade_required(const exchange& request, std::string message) {
  auto out = request.error_answer({error_code::bad_request,
                                   std::move(message),
                                   "connect with a WebSocket client of version 13 (ws://, or wss:// on a TLS port)",
                                   {}},
                                  {{"Upgrade", "websocket"}, {"Sec-WebSocket-Version", "13"}});
  out.status = 426;
  return out;
}

}  // namespace

std::optional<response> upgrade_fault(const exchange& request) {
  if (!lists(request, "Upgrade", "websocket")) {
    return upgrade_required(request, "Only WebSocket is spoken at this path");
  }
  if (trim(request.header("Sec-WebSocket-Version").value_or("")) != "13") {
    return upgrade_required(request, "Only version 13 of WebSocket is spoken here");
  }
  const auto bad = [&](std::string message, std::string detail) {
    return request.error_answer({error_code::bad_request, std::move(message), std::move(detail), {}}, {});
  };
  if (request.method() != "GET") return bad("A WebSocket begins with GET", {});
  if (!lists(request, "Connection", "Upgrade")) {
    return bad("Upgrade: websocket without 'Connection: Upgrade'",
               "a proxy on the way may have taken it: it has to pass Connection and Upgrade on");
  }
  if (!is_key(trim(request.header("Sec-WebSocket-Key").value_or("")))) {
    return bad("Sec-WebSocket-Key is missing or malformed", "16 random bytes in base64");
  }
  return std::nullopt;
}

bool offers_subprotocol(const exchange& request, std::string_view name) {
  return !first_word(request, "Sec-WebSocket-Protocol", [&](auto each) { return each == name; }).empty();
}

std::string_view offered_after(const exchange& request, std::string_view prefix) {
  const auto found = first_word(request, "Sec-WebSocket-Protocol", [&](auto each) { return each.starts_with(prefix); });
  return found.empty() ? found : found.substr(prefix.size());
}

}  // namespace troupe::http
