#pragma once
// What one provider offers under one id: a row of the catalog. A model that several providers offer is several rows
// of the same id (compared byte for byte).

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/error.hpp"

namespace troupe::cache {

struct offer {
  std::string provider;  // "openrouter"; config::is_provider_name()
  std::string id;        // as the provider writes it; check_catalog_id()
  std::string name;      // to show; the id where the provider gives none
  std::string task;      // as Hugging Face names it; empty: not told
  std::string description;
  // Of a token, in the provider's currency. Null: unpriced. Never negative, never infinite.
  std::optional<double> prompt_price, completion_price;
  std::optional<std::int64_t> context_length;  // tokens
  std::optional<std::int64_t> created_s;       // Unix time, as the provider says
  bool edited = false;                         // by hand: a sync leaves it alone

  bool operator==(const offer&) const = default;
};

inline constexpr std::size_t catalog_id_bytes_max = 256;
inline constexpr std::size_t task_bytes_max = 256;
inline constexpr std::size_t offer_text_bytes_max = 4096;  // of a name or a description: longer ones are cut
inline constexpr std::int64_t context_length_max = std::int64_t{1} << 53;  // a cursor holds it as a double

// UTF-8 of 1 to 256 bytes without control characters. bad_request names what is wrong.
result<void> check_catalog_id(std::string_view id);

// What a database can hold and give back: id, provider, UTF-8 without NUL, numbers in their bounds. bad_request.
result<void> check_offer(const offer& row);
// The first bytes of `text`, at most so many, and no part of a character.
std::string_view cut_text(std::string_view text, std::size_t bytes_max = offer_text_bytes_max) noexcept;

// A model over all its providers. Never without offers.
struct unique_model {
  std::string id, name;       // the name that its cheapest offer has
  std::vector<offer> offers;  // cheapest prompt first, unpriced last, then by the provider's name
};
// REQUIRES: all of one id, at least one.
unique_model merge_offers(std::vector<offer> offers);

}  // namespace troupe::cache
