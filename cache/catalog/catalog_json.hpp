#pragma once
// The catalog's answers as JSON, and the lists that the document's own keys hold. Prices are numbers, of a token; what
// is not known is null. Pure; `offer` holds valid UTF-8.

#include <string>

#include "cache/catalog/offer.hpp"
#include "cache/catalog/page_query.hpp"
#include "cache/catalog/sql/database.hpp"
#include "config/settings.hpp"

namespace troupe::cache {

// {"data", "total", "returned", "limit", "offset", "has_more", "next_offset", "next_cursor"}; offset and next_offset
// are null behind a cursor.
std::string page_json(const page_query& query, const catalog_page& page);

// One provider's facts, and its page of models beside them; null facts: it is unknown.
std::string provider_json(const provider_facts* facts, const config::catalog_provider* configured,
                          const page_query& query, const catalog_page& page);
std::string providers_json(const std::vector<provider_facts>& facts,
                           const std::vector<config::catalog_provider>& configured);
std::string stats_json(const catalog_counts& counts);
// Of the cheapest offer, with all `offers` beside it.
std::string model_json(const unique_model& model);
std::string pricing_json(const unique_model& model);

// A JSON list that is written piece by piece: document 004's full, provider and unique keys.
class list_writer {
 public:
  void add(const offer& o);
  void add(const unique_model& m);
  std::size_t size_bytes() const noexcept { return text_.size() + 1; }
  std::uint64_t rows() const noexcept { return rows_; }
  std::string take();  // "[]" of none

 private:
  std::string text_ = "[";
  std::uint64_t rows_ = 0;
};

}  // namespace troupe::cache
