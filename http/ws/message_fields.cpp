#include "http/ws/message_fields.hpp"

#include <cmath>

#include "inference/audio/resample.hpp"

namespace troupe::http {

using simdjson::dom::element;

result<void> check_terms_size(std::string_view message) {
  if (message.size() <= terms_bytes_max) return {};
  return fail(error_code::payload_too_large, "A message in JSON of " + std::to_string(message.size()) + " bytes",
              "at most " + std::to_string(terms_bytes_max) + "; sound goes into binary messages");
}

result<simdjson::dom::object> read_message(json_body& json, std::string_view message, std::string_view otherwise) {
  const auto root = json.parse(message, "message");
  if (!root) return tl::unexpected(root.error());
  simdjson::dom::object all;
  if (root->get(all) == simdjson::SUCCESS) return all;
  return fail(error_code::bad_request, "A text message is an object in JSON: found " + std::string(kind_of(*root)),
              std::string(otherwise));
}

tl::unexpected<error> refuse_field(std::string_view key, std::string_view found, std::string_view allowed,
                                   error_code code) {
  return fail(code, std::string(key) + ": found " + std::string(found), "allowed: " + std::string(allowed));
}

std::optional<std::int64_t> whole_number(element value) {
  std::int64_t number = 0;
  if (value.get(number) == simdjson::SUCCESS) return number;
  double real = 0;
  if (value.get(real) != simdjson::SUCCESS || std::trunc(real) != real || std::abs(real) > 1e15) return std::nullopt;
  return static_cast<std::int64_t>(real);
}

result<void> read_text_field(element value, std::string_view key, std::string_view& out) {
  if (value.get(out) == simdjson::SUCCESS) return {};
  return refuse_field(key, kind_of(value), "a string");
}

result<void> read_flag_field(element value, std::string_view key, bool& out) {
  if (value.get(out) == simdjson::SUCCESS) return {};
  return refuse_field(key, kind_of(value), "true or false");
}

result<void> read_rate_field(element value, std::string_view key, std::uint32_t& out_hz, error_code code) {
  const auto allowed =
      "a whole number from " + std::to_string(inference::rate_hz_min) + " to " + std::to_string(inference::rate_hz_max);
  const auto number = whole_number(value);
  if (!number) return refuse_field(key, kind_of(value), allowed, code);
  if (*number < inference::rate_hz_min || *number > inference::rate_hz_max) {
    return refuse_field(key, std::to_string(*number), allowed, code);
  }
  out_hz = static_cast<std::uint32_t>(*number);
  return {};
}

}  // namespace troupe::http
