#pragma once
// Where offers come from: an OpenAI-compatible /v1/models, Hugging Face's listing, a JSON file. Each reads its provider
// page by page and hands rows on; who writes them is somebody else. docs/catalog.md tells which members are read, how
// pages are found, and whom a redirect may lead to.

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "cache/artifacts/http_client.hpp"
#include "cache/catalog/offer.hpp"
#include "config/error.hpp"
#include "config/settings.hpp"

namespace troupe::cache {

// What a sync's reading came to, beyond its rows.
struct provider_reading {
  std::uint64_t rows = 0, pages = 0;  // handed on: an id that came twice counts twice
  std::uint64_t skipped = 0;          // rows that could not be used
  std::vector<std::string> examples;  // of the first ten skipped: "data[3]: id is missing", "page 2, data[0]: .."
};

// Read by one thread at a time, as often as wanted. Holds a page in memory, with what its parser needs: about twice
// the page's bytes, given back between readings.
class provider_source {
 public:
  // At most a thousand rows, in the provider's order: of an id that comes twice the later one holds. An error ends the
  // reading with it.
  using take_rows = std::function<result<void>(std::vector<offer>)>;

  virtual ~provider_source() = default;
  // Blocks. Any error means: what came is not the whole, keep the old rows; rows may have been handed on before.
  // Errors: unavailable (not reached, a status that is no 200, time_max, a file that changes), unprocessable (no list
  // of models: HTML, cut JSON, ..; no row, or fewer than half of them usable; pages in a circle), payload_too_large (a
  // page, or the whole), forbidden (a redirect to an address that may not be reached), bad_request (base_url),
  // cancelled.
  virtual result<provider_reading> read(const take_rows& take, const std::atomic<bool>* cancelled) = 0;
};

struct provider_limits {
  std::uint64_t page_bytes_max = 256ull << 20;
  std::uint64_t rows_max = UINT64_MAX;  // or settings.max_provider_models, whichever is less
  std::uint32_t pages_max = 10'000;
  std::chrono::seconds time_max{3600};  // between pages and batches; one page has the http client's own limits
};

// Of all types but `local`, whose rows the server itself has. `net` outlives it (null: of a file, which needs none);
// the rest is copied.
std::unique_ptr<provider_source> make_provider_source(const config::catalog_provider& from,
                                                      const config::settings& settings, http_client* net,
                                                      const provider_limits& limits = {});

}  // namespace troupe::cache
