#pragma once
// What a listing asks of the catalog: filters, order, and the place where its page begins.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "config/error.hpp"

namespace troupe::cache {

enum class offer_order : std::uint8_t { id, price, context_length };  // ids rise, prices rise (null last), lengths fall

// The last row of the page before: the next one begins behind it. Of the order's own value, then id, then provider.
struct page_place {
  std::optional<double> value;  // the price or the length; null: it has none (they are last)
  std::string id, provider;
  bool operator==(const page_place&) const = default;
};

struct page_query {
  std::string provider;  // empty: all
  // In ids and names, without case; empty: all. Every word (by spaces) must be there: one of three characters or more
  // anywhere, a shorter one where an id, a name or a word in them begins (search_text.hpp).
  std::string search;
  std::string task;                                          // empty: all
  std::optional<double> prompt_price_min, prompt_price_max;  // with either, unpriced offers are out
  std::optional<std::int64_t> context_length_min, context_length_max;
  offer_order order = offer_order::id;
  bool unique = false;        // a row an id, with all its offers; only by id
  std::uint32_t limit = 100;  // 1 to 1000
  std::uint64_t offset = 0;   // ignored with `after`
  std::optional<page_place> after;
  bool operator==(const page_query&) const = default;
};

inline constexpr std::uint32_t page_limit_max = 1000;
inline constexpr std::size_t search_bytes_max = 256;

// bad_request: limits, a text that is no UTF-8 or too long, an order that `unique` has not, bounds that are no numbers.
result<void> check_page_query(const page_query& query);

// The same for the same question: what derived keys are made of.
std::string canonical_text(const page_query& query);
// The same for all pages of a listing: its filters and order.
std::string filters_text(const page_query& query);

// A place as clients carry it: opaque, url-safe, bound to the question's filters and order. It holds no secret and
// needs none: whatever decodes is a place in the list.
std::string write_cursor(const page_query& query, const page_place& last);
// bad_request: cut, altered, or of another question.
result<page_place> read_cursor(const page_query& query, std::string_view cursor);

}  // namespace troupe::cache
