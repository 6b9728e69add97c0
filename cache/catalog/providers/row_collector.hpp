#pragma once
// The rows of one reading: read, counted, handed on in batches, and judged at the end. One thread.

#include <string>
#include <vector>

#include "cache/catalog/providers/listing_page.hpp"
#include "cache/catalog/providers/provider.hpp"
#include "cache/catalog/providers/read_offer.hpp"

namespace troupe::cache {

class row_collector {
 public:
  // All of them outlive it.
  row_collector(const std::string& provider, const provider_source::take_rows& take, const provider_limits& limits,
                const std::atomic<bool>* cancelled);

  // All rows of a page. `what` names it in errors: those of page_reader and of `take`, cancelled, payload_too_large
  // (rows_max), unavailable (time_max).
  result<page_facts> add_page(std::string& json, const std::string& what);
  std::uint64_t pages() const { return reading_.pages; }
  result<void> go_on(const std::string& what) const;  // cancelled, or time_max

  // After the last page. Error: unprocessable, where nothing or less than half can be used.
  result<provider_reading> finish(const std::string& what);

 private:
  result<simdjson::error_code> add_row(const page_facts& page, simdjson::ondemand::value row, const std::string& what);
  result<void> hand_on();

  row_form form_;
  const provider_source::take_rows& take_;
  const provider_limits& limits_;
  const std::atomic<bool>* cancelled_;
  const steady_time began_ = steady_clock::now();
  page_reader reader_;
  row_reading row_;
  std::vector<offer> batch_;
  std::uint64_t row_of_page_ = 0;
  provider_reading reading_;
};

}  // namespace troupe::cache
