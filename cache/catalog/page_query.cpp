#include "cache/catalog/page_query.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstring>
#include <utility>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "cache/catalog/offer.hpp"
#include "cache/catalog/search_text.hpp"
#include "config/json_fault.hpp"
#include "config/names.hpp"

namespace troupe::cache {
namespace {

constexpr std::string_view digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
constexpr char cursor_version = 1;
constexpr std::size_t digest_bytes = 8, value_bytes = 8;
constexpr std::size_t cursor_bytes_max = 1024;

std::string base64url(std::string_view bytes) {
  std::string out;
  std::uint32_t held = 0;
  int bits = 0;
  for (const char c : bytes) {
    held = held << 8 | static_cast<unsigned char>(c);
    for (bits += 8; bits >= 6; bits -= 6) out += digits[held >> (bits - 6) & 63];
  }
  if (bits > 0) out += digits[held << (6 - bits) & 63];
  return out;
}

std::optional<std::string> from_base64url(std::string_view text) {
  std::string out;
  std::uint32_t held = 0;
  int bits = 0;
  for (const char c : text) {
    const auto digit = digits.find(c);
    if (digit == digits.npos) return std::nullopt;
    held = held << 6 | static_cast<std::uint32_t>(digit);
    bits += 6;
    if (bits < 8) continue;
    bits -= 8;
    out += static_cast<char>(held >> bits & 0xFF);
  }
  if (bits >= 6 || (held & ((1u << bits) - 1)) != 0) return std::nullopt;  // another spelling of the same bytes
  return out;
}

template <class T>
std::string number(T value) {
  std::array<char, 32> text{};
  return {text.data(), std::to_chars(text.data(), text.data() + text.size(), value).ptr};
}

// Every text with its length, so that no two questions are spelled the same.
class speller {
 public:
  void text(std::string_view name, std::string_view value) {
    if (!value.empty())
      out_.append(name).append("=").append(number(value.size())).append(":").append(value).append("&");
  }
  template <class T>
  void value(std::string_view name, const std::optional<T>& v) {
    if (v) out_.append(name).append("=").append(number(*v)).append("&");
  }
  std::string done() && { return std::move(out_); }

 private:
  std::string out_;
};

void spell_filters(const page_query& q, speller& out) {
  constexpr std::array orders{"id", "price", "context_length"};
  out.text("order", orders.at(static_cast<std::size_t>(q.order)));
  out.text("rows", q.unique ? "unique" : "offers");
  out.text("provider", q.provider);
  out.text("task", q.task);
  for (const auto& word : search_words(q.search)) out.text("word", word);
  out.value("prompt_price_min", q.prompt_price_min);
  out.value("prompt_price_max", q.prompt_price_max);
  out.value("context_length_min", q.context_length_min);
  out.value("context_length_max", q.context_length_max);
}

void append_number(std::string& out, std::uint64_t value, std::size_t bytes) {
  for (std::size_t i = 0; i < bytes; ++i) out += static_cast<char>(value >> (8 * i) & 0xFF);
}

std::uint64_t take_number(std::string_view& from, std::size_t bytes) {
  std::uint64_t out = 0;
  for (std::size_t i = 0; i < bytes; ++i) out |= std::uint64_t{static_cast<unsigned char>(from[i])} << (8 * i);
  from.remove_prefix(bytes);
  return out;
}

// Of the place and of the question that it is a place in.
std::uint64_t digest(const page_query& query, std::string_view place) {
  const auto question = filters_text(query);
  return XXH3_64bits_withSeed(place.data(), place.size(), XXH3_64bits(question.data(), question.size()));
}

bool is_text(std::string_view text) { return text.find('\0') == text.npos && config::find_bad_utf8(text) == text.npos; }

bool is_number(const std::optional<double>& value) { return !value || std::isfinite(*value); }

tl::unexpected<error> no_cursor() {
  return fail(error_code::bad_request, "the cursor is not one of this listing",
              "next_cursor of a page of the same filters and order");
}

}  // namespace

result<void> check_page_query(const page_query& q) {
  const auto refuse = [](const char* why, std::string detail = {}) {
    return fail(error_code::bad_request, why, std::move(detail));
  };
  if (q.limit < 1 || q.limit > page_limit_max)
    return refuse("limit is out of bounds", "from 1 to " + std::to_string(page_limit_max));
  if (q.search.size() > search_bytes_max)
    return refuse("search is too long", "at most " + std::to_string(search_bytes_max) + " bytes");
  if (!is_text(q.search) || !is_text(q.provider) || !is_text(q.task)) return refuse("a filter is not UTF-8");
  if (!is_number(q.prompt_price_min) || !is_number(q.prompt_price_max)) return refuse("a price is not a number");
  if (q.unique && q.order != offer_order::id) return refuse("unique models are listed by id only");
  return {};
}

std::string filters_text(const page_query& query) {
  speller out;
  spell_filters(query, out);
  return std::move(out).done();
}

std::string canonical_text(const page_query& q) {
  speller out;
  spell_filters(q, out);
  out.value("limit", std::optional(q.limit));
  if (!q.after) {
    out.value("offset", std::optional(q.offset));
  } else {
    out.value("after_value", q.after->value);
    out.text("after_id", q.after->id);
    out.text("after_provider", q.after->provider);
  }
  return std::move(out).done();
}

// version, whether it has a value, the value, the provider's length, provider, id, digest
std::string write_cursor(const page_query& query, const page_place& last) {
  std::string place{cursor_version, static_cast<char>(last.value.has_value())};
  std::uint64_t value = 0;
  if (last.value) std::memcpy(&value, &*last.value, sizeof value);
  append_number(place, value, value_bytes);
  append_number(place, last.provider.size(), 1);
  place += last.provider;
  place += last.id;
  append_number(place, digest(query, place), digest_bytes);
  return base64url(place);
}

result<page_place> read_cursor(const page_query& query, std::string_view cursor) {
  constexpr std::size_t fixed_bytes = 2 + value_bytes + 1;
  if (cursor.size() > cursor_bytes_max) return no_cursor();
  const auto bytes = from_base64url(cursor);
  if (!bytes || bytes->size() < fixed_bytes + digest_bytes) return no_cursor();
  std::string_view place(bytes->data(), bytes->size() - digest_bytes);
  std::string_view end = std::string_view(*bytes).substr(place.size());
  if (take_number(end, digest_bytes) != digest(query, place)) return no_cursor();
  page_place out;
  if (take_number(place, 1) != cursor_version) return no_cursor();
  const bool has_value = take_number(place, 1) != 0;
  const auto bits = take_number(place, value_bytes);
  if (has_value) std::memcpy(&out.value.emplace(), &bits, sizeof bits);
  const auto provider_bytes = take_number(place, 1);
  if (provider_bytes > place.size()) return no_cursor();
  out.provider = place.substr(0, provider_bytes);
  out.id = place.substr(provider_bytes);
  // A digest can be made by anybody: what it vouches for must be a place all the same.
  const bool is_place = check_catalog_id(out.id) &&
                        (query.unique ? out.provider.empty() : config::is_provider_name(out.provider)) &&
                        is_number(out.value) && (query.order != offer_order::id || !out.value);
  if (!is_place) return no_cursor();
  return out;
}

}  // namespace troupe::cache
