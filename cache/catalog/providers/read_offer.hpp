#pragma once
// One row of a provider's listing: a JSON object to an offer, or why it is none. docs/catalog.md says which members are
// read. Pure.

#include <optional>
#include <string>

#include <simdjson.h>

#include "cache/catalog/offer.hpp"

namespace troupe::cache {

struct row_form {
  std::string provider;     // goes into the offer
  bool name_is_id = false;  // lists named "models" (Cohere, Gemini, Ollama): a row without an id has it as its name
};

struct row_reading {
  std::optional<offer> row;
  std::string why_not;  // "id is missing"; where there is no row
};

// Of a member that is there twice the last holds. Error: the JSON is broken in this row, and nothing after it can be
// read.
simdjson::error_code read_offer(simdjson::ondemand::value json, const row_form& form, row_reading& out);

}  // namespace troupe::cache
