#pragma once
// What the tests of the providers share: a page read as a whole, a provider read as a whole.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "cache/catalog/providers/listing_page.hpp"
#include "cache/catalog/providers/provider.hpp"
#include "cache/catalog/providers/read_offer.hpp"
#include "tests/cache/artifacts/sources/fake_client.hpp"

namespace troupe::cache {

struct page_rows {
  std::vector<offer> offers;
  std::vector<std::string> faults;
  page_facts facts;
};

inline result<page_rows> read_page(std::string json) {
  page_reader reader;
  page_rows out;
  auto facts = reader.read(json, "p",
                           [&](const page_facts& page, simdjson::ondemand::value row) -> result<simdjson::error_code> {
                             row_reading one;
                             if (const auto why = read_offer(row, {"p", page.list == "models"}, one)) return why;
                             if (one.row) out.offers.push_back(*one.row);
                             if (!one.row) out.faults.push_back(one.why_not);
                             return simdjson::SUCCESS;
                           });
  if (!facts) return tl::unexpected(facts.error());
  out.facts = *facts;
  return out;
}

inline offer row_of(const std::string& members) {
  auto page = read_page(R"({"data":[{"id":"m",)" + members + "}]}");
  if (!page || page->offers.size() != 1) {
    ADD_FAILURE() << members << ": " << (page ? joined(page->faults) : page.error().message);
    return {};
  }
  return page->offers[0];
}

// A provider and what it has handed on.
struct reading {
  explicit reading(config::catalog_provider from = {}, config::settings settings = {}, provider_limits limits = {})
      : source(make_provider_source(from, settings, &net, limits)) {}

  static config::catalog_provider openai(std::string base_url, std::string key = {}) {
    config::catalog_provider out;
    out.name = "p";
    out.base_url = std::move(base_url);
    out.api_key_env = "P_KEY";
    out.api_key = std::move(key);
    return out;
  }

  result<provider_reading> read() {
    batches.clear();
    return source->read(
        [this](std::vector<offer> some) -> result<void> {
          batches.push_back(std::move(some));
          if (refuse) return fail(error_code::unavailable, "the database is gone");
          return {};
        },
        &cancelled);
  }
  std::vector<std::string> ids() const {
    std::vector<std::string> out;
    for (const auto& batch : batches)
      for (const auto& row : batch) out.push_back(row.id);
    return out;
  }
  std::vector<std::string> asked() const {
    std::vector<std::string> out;
    for (const auto& each : net.seen) out.push_back(each.what);
    return out;
  }

  fake_client net;
  std::unique_ptr<provider_source> source;
  std::vector<std::vector<offer>> batches;
  std::atomic<bool> cancelled{false};
  bool refuse = false;
};

#define EXPECT_FAILS(given, expected_code, says)                    \
  do {                                                              \
    const auto& failed_ = (given);                                  \
    ASSERT_FALSE(failed_);                                          \
    EXPECT_EQ(failed_.error().code, expected_code);                 \
    EXPECT_THAT(failed_.error().message, testing::HasSubstr(says)); \
  } while (false)

}  // namespace troupe::cache
