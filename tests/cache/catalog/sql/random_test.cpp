// Random catalogs and questions: every database answers as a plain loop over the rows does. TROUPE_SEED repeats a run.

#include <algorithm>
#include <cstdlib>
#include <map>
#include <random>

#include "cache/catalog/search_text.hpp"
#include "tests/cache/catalog/sql/support.hpp"

namespace troupe::cache::tests {
namespace {

using rows = std::map<std::pair<std::string, std::string>, offer>;  // by id and provider

class dice {
 public:
  explicit dice(unsigned seed) : random_(seed) {}
  unsigned below(unsigned n) { return std::uniform_int_distribution<unsigned>(0, n - 1)(random_); }
  bool one_in(unsigned n) { return below(n) == 0; }
  template <class T, std::size_t n>
  const T& of(const T (&some)[n]) {
    return some[below(n)];
  }

 private:
  std::mt19937 random_;
};

constexpr const char* parts[]{"llama",
                              "Gemma",
                              "gpt",
                              "4o",
                              "8B",
                              "-",
                              "/",
                              ":",
                              " ",
                              "%",
                              "_",
                              "\\",
                              "'",
                              "\"",
                              "*",
                              "(",
                              "ABc",
                              "\xC3\x84",
                              "\xC3\xA4",
                              "\xC3\x9F",
                              "\xE9\x80\x9A\xE4\xB9\x89",
                              "\xF0\x9F\x98\x80",
                              "e\xCC\x81",
                              "x",
                              "instruct",
                              ".",
                              "\xEF\xBF\xBF",
                              "\xCE\xA3",
                              "\xC4\xB0",
                              "\xEF\xBC\xA1"};
constexpr const char* providers[]{"alpha", "beta", "gamma"};
constexpr const char* tasks[]{"", "text-generation", "fill-mask"};
constexpr double prices[]{0, 1e-7, 2e-7, 0.5, 3};
constexpr std::int64_t lengths[]{0, 4096, 4097, 131072, context_length_max};

std::string random_text(dice& d, unsigned parts_max) {
  std::string out;
  for (auto n = 1 + d.below(parts_max); n > 0; --n) out += d.of(parts);
  return out;
}

offer random_offer(dice& d, const std::string& provider) {
  auto out = make_offer(provider, random_text(d, 4));
  if (d.one_in(2)) out.name = random_text(d, 6);
  out.task = d.of(tasks);
  if (d.one_in(2)) out.description = random_text(d, 8);
  if (!d.one_in(4)) out.prompt_price = d.of(prices);
  if (!d.one_in(4)) out.completion_price = d.of(prices);
  if (!d.one_in(4)) out.context_length = d.of(lengths);
  if (d.one_in(2)) out.created_s = d.below(1000);
  return out;
}

page_query random_query(dice& d) {
  page_query q;
  if (d.one_in(3)) q.provider = d.of(providers);
  if (d.one_in(2)) q.search = d.one_in(3) ? random_text(d, 1) : random_text(d, 3);
  if (d.one_in(4)) q.task = d.of(tasks);
  if (d.one_in(5)) q.prompt_price_min = d.of(prices);
  if (d.one_in(5)) q.prompt_price_max = d.of(prices);
  if (d.one_in(5)) q.context_length_min = d.of(lengths);
  if (d.one_in(5)) q.context_length_max = d.of(lengths);
  constexpr offer_order orders[]{offer_order::id, offer_order::price, offer_order::context_length};
  q.unique = d.one_in(4);
  if (!q.unique) q.order = d.of(orders);
  q.limit = 1 + d.below(20);
  return q;
}

bool matches(const page_query& q, const offer& o) {
  const auto text = search_text(o.id, o.name);
  for (const auto& word : search_words(q.search))
    if (text.find(searched_part(word)) == text.npos) return false;
  if (!q.provider.empty() && o.provider != q.provider) return false;
  if (!q.task.empty() && o.task != q.task) return false;
  const auto outside = [](const auto& value, const auto& min, const auto& max) {
    return (min || max) && (!value || (min && *value < *min) || (max && *value > *max));
  };
  return !outside(o.prompt_price, q.prompt_price_min, q.prompt_price_max) &&
         !outside(o.context_length, q.context_length_min, q.context_length_max);
}

std::vector<offer> expected(const page_query& q, const rows& all) {
  std::vector<offer> out;
  for (const auto& [key, row] : all)
    if (matches(q, row)) out.push_back(row);
  const auto value = [&](const offer& o) {
    if (q.order == offer_order::price) return o.prompt_price.value_or(1e300);
    if (q.order == offer_order::context_length) return o.context_length ? -double(*o.context_length) : 1e300;
    return 0.0;
  };
  std::stable_sort(out.begin(), out.end(), [&](const offer& a, const offer& b) { return value(a) < value(b); });
  return out;
}

std::vector<std::string> ids(const std::vector<offer>& some) {
  std::vector<std::string> out;
  for (const auto& o : some)
    if (out.empty() || out.back() != o.id) out.push_back(o.id);
  return out;
}

page_place behind(const page_query& q, const offer& last) {
  page_place out{std::nullopt, last.id, last.provider};
  if (q.order == offer_order::price) out.value = last.prompt_price;
  if (q.order == offer_order::context_length && last.context_length) out.value = *last.context_length;
  return out;
}

void check_offers(catalog_database& db, page_query q, const std::vector<offer>& whole) {
  std::vector<offer> by_cursor, by_offset;
  for (auto at = q;;) {
    const auto page = must(db.list(at));
    ASSERT_EQ(page.total, whole.size());
    by_cursor.insert(by_cursor.end(), page.offers.begin(), page.offers.end());
    ASSERT_EQ(page.has_more, by_cursor.size() < whole.size());
    if (!page.has_more) break;
    at.after = must(read_cursor(q, write_cursor(q, behind(q, page.offers.back()))));
  }
  ASSERT_EQ(by_cursor, whole);
  for (auto at = q; at.offset < whole.size() + 3; at.offset += at.limit) {
    const auto page = must(db.list(at));
    ASSERT_EQ(page.has_more, at.offset + at.limit < whole.size());
    by_offset.insert(by_offset.end(), page.offers.begin(), page.offers.end());
  }
  ASSERT_EQ(by_offset, whole);
}

void check_unique(catalog_database& db, page_query q, const std::vector<std::string>& whole, const rows& all) {
  std::vector<std::string> found;
  for (auto at = q;;) {
    const auto page = must(db.list(at));
    ASSERT_EQ(page.total, whole.size());
    for (const auto& m : page.models) {
      found.push_back(m.id);
      std::vector<offer> offers;
      for (const auto& [key, row] : all)
        if (key.first == m.id) offers.push_back(row);
      const auto merged = merge_offers(std::move(offers));
      ASSERT_EQ(m.offers, merged.offers);
      ASSERT_EQ(m.name, merged.name);
    }
    ASSERT_EQ(page.has_more, found.size() < whole.size());
    if (!page.has_more) break;
    at.after = page_place{{}, page.models.back().id, {}};
  }
  ASSERT_EQ(found, whole);
}

void check_whole(catalog_database& db, const rows& all) {
  std::vector<offer> each, expected_each;
  must(db.each_offer("", [&](const offer& o) {
    each.push_back(o);
    return true;
  }));
  std::map<std::string, std::uint64_t> by_provider;
  std::uint64_t edited = 0;
  for (const auto& [key, row] : all) {
    expected_each.push_back(row);
    ++by_provider[row.provider];
    edited += row.edited;
  }
  ASSERT_EQ(each, expected_each);
  const auto n = must(db.counts());
  ASSERT_EQ(n.offers, all.size());
  ASSERT_EQ(n.models, ids(expected_each).size());
  ASSERT_EQ(n.edited, edited);
  for (const auto& facts : must(db.providers())) ASSERT_EQ(facts.models, by_provider[facts.name]);
}

// What a hand or a provider does, to the database and to the rows.
class changes {
 public:
  changes(catalog_database& db, dice& d) : db_(db), d_(d) {}

  void make_one() {
    const std::string provider = d_.of(providers);
    switch (d_.below(6)) {
      case 0: return put(random_offer(d_, provider));
      case 1: return take_out(provider);
      default: return sync_all(provider);
    }
  }
  const rows& now() const { return rows_; }

 private:
  void put(offer row) {
    must(db_.put(row));
    row.edited = true;
    taken_out_.erase({row.id, row.provider});
    rows_.insert_or_assign({row.id, row.provider}, row);
  }
  void take_out(const std::string& provider) {
    if (rows_.empty()) return;
    const auto id = std::next(rows_.begin(), d_.below(static_cast<unsigned>(rows_.size())))->first.first;
    const std::string from = d_.one_in(2) ? "" : provider;
    std::vector<std::string> gone;
    for (const std::string p : providers)
      if ((from.empty() || p == from) && rows_.erase({id, p}) > 0) taken_out_[{id, p}] = true, gone.push_back(p);
    ASSERT_EQ(must(db_.take_out(id, from)), gone);
  }
  void sync_all(const std::string& provider) {
    std::vector<offer> come;
    for (const auto& [key, row] : rows_)
      if (key.second == provider && !d_.one_in(5)) come.push_back(d_.one_in(4) ? changed(row) : row);
    for (auto n = d_.below(60); n > 0; --n) come.push_back(random_offer(d_, provider));
    for (const auto& [key, yes] : taken_out_)
      if (key.second == provider) come.push_back(make_offer(provider, key.first));
    for (auto& row : come) row.edited = false;
    std::shuffle(come.begin(), come.end(), std::mt19937(d_.below(1000)));
    std::erase_if(rows_, [&](const auto& r) { return r.first.second == provider && !r.second.edited; });
    for (const auto& row : come) {
      const std::pair key(row.id, row.provider);
      if (const auto r = rows_.find(key); !taken_out_.contains(key) && (r == rows_.end() || !r->second.edited))
        rows_.insert_or_assign(key, row);
    }
    sync(db_, provider, come);
  }
  offer changed(offer row) {
    auto other = random_offer(d_, row.provider);
    other.id = row.id;
    return other;
  }

  catalog_database& db_;
  dice& d_;
  rows rows_;
  std::map<std::pair<std::string, std::string>, bool> taken_out_;
};

class Random : public on_database {};

TEST_P(Random, AnswersAsALoopOverTheRowsDoes) {
  const char* asked = std::getenv("TROUPE_SEED");
  const unsigned seed = asked != nullptr ? static_cast<unsigned>(std::atoi(asked)) : std::random_device()();
  SCOPED_TRACE("TROUPE_SEED=" + std::to_string(seed));
  dice d(seed);
  changes catalog(*db_, d);
  for (int round = 0; round < 8; ++round) {
    for (int i = 0; i < 6; ++i) ASSERT_NO_FATAL_FAILURE(catalog.make_one());
    ASSERT_NO_FATAL_FAILURE(check_whole(*db_, catalog.now()));
    for (int i = 0; i < 12; ++i) {
      const auto q = random_query(d);
      SCOPED_TRACE(canonical_text(q));
      auto whole = expected(q, catalog.now());
      if (q.unique) {
        ASSERT_NO_FATAL_FAILURE(check_unique(*db_, q, ids(whole), catalog.now()));
      } else {
        ASSERT_NO_FATAL_FAILURE(check_offers(*db_, q, whole));
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(On, Random, testing::ValuesIn(all_backends),
                         [](const auto& test) { return name_of(test.param); });

}  // namespace
}  // namespace troupe::cache::tests
