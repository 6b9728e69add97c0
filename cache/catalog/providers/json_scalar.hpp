#pragma once
// A member of a provider's JSON that is no list and no object, and what may be made of it: prices, counts, times, text.
// Providers write the same fact as a number, as a text, or wrongly. What cannot be read is not known; nothing here is
// an error. Pure.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <simdjson.h>

namespace troupe::cache {

enum class scalar_kind : std::uint8_t { absent, text, number, other };  // other: a list, true, NaN, a broken escape

struct json_scalar {
  scalar_kind kind = scalar_kind::absent;  // also of null
  std::string_view text;                   // decoded; a number as it is written. Lives as long as the page
};

// Does not go on behind the value. Error: there is none (`{"id": }`), so that nothing after it can be read either.
simdjson::error_code read_scalar(simdjson::ondemand::value& value, json_scalar& out);

// The key as others write it, decoded.
std::string_view key_of(simdjson::ondemand::field& field);

// A number, or a text that is one: finite, and not negative (OpenRouter: "-1" is a price that differs by the request).
std::optional<double> price_of(const json_scalar& from);
// Whole and positive, up to context_length_max, also as "4096", 4096.0 and 4.096e3.
std::optional<std::int64_t> token_count_of(const json_scalar& from);
// Seconds since 1970, or "2024-02-29T12:00:00.000Z". 0 and less, and what is no time before the year 5138, is not known
// (Together: 0 for most).
std::optional<std::int64_t> unix_time_of(const json_scalar& from);
// For people: control characters are blanks (but for the ends of lines in `several_lines`), the ends are trimmed, cut
// at offer_text_bytes_max between two characters. Empty: no text.
std::string shown_text_of(const json_scalar& from, bool several_lines);

}  // namespace troupe::cache
