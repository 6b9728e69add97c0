#pragma once
// What the messages of live protocols have in common: an object in JSON, its texts, whole numbers and rates of sound.
// Pure. Errors name the key, what was found, and what is allowed.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "config/error.hpp"
#include "http/json/json_read.hpp"

namespace troupe::http {

inline constexpr std::size_t terms_bytes_max = 256 * 1024;  // hotwords can be many

// Of protocols whose sound comes in binary messages. payload_too_large: it is more than terms can be.
result<void> check_terms_size(std::string_view message);

// The message's members. bad_request: it is no JSON, or no object; `otherwise` says what is. `json` must live on while
// they are read.
result<simdjson::dom::object> read_message(json_body& json, std::string_view message, std::string_view otherwise);

tl::unexpected<error> refuse_field(std::string_view key, std::string_view found, std::string_view allowed,
                                   error_code code = error_code::bad_request);

// A whole number, perhaps written as 16000.0; null: it is none.
std::optional<std::int64_t> whole_number(simdjson::dom::element value);

result<void> read_text_field(simdjson::dom::element value, std::string_view key, std::string_view& out);
result<void> read_flag_field(simdjson::dom::element value, std::string_view key, bool& out);
// A rate that sound may have.
result<void> read_rate_field(simdjson::dom::element value, std::string_view key, std::uint32_t& out_hz,
                             error_code code = error_code::bad_request);

}  // namespace troupe::http
