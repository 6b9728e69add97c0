#include "cache/catalog/sql/listing.hpp"

#include <algorithm>
#include <iterator>

#include "cache/catalog/sql/list_statement.hpp"
#include "cache/catalog/sql/offer_rows.hpp"

namespace troupe::cache {
namespace {

constexpr std::size_t totals_max = 256;

}  // namespace

std::vector<offer> offers(steps& in, const sql_statement& what) {
  std::vector<offer> out;
  in.run(what, [&](const sql_row& row) { out.push_back(read_offer(row)); });
  return out;
}

std::uint64_t listing::total_of(steps& in, const page_query& query) {
  page_query all, counted = query;
  all.provider = query.provider;
  all.unique = query.unique;
  counted.order = all.order;
  const auto filters = filters_text(counted);
  if (filters == filters_text(all)) {  // every writer counts these
    if (!query.provider.empty())
      return in.number({"SELECT models FROM catalog_providers WHERE name = $1", {query.provider}});
    return in.number(
        {query.unique ? "SELECT models FROM catalog_facts" : "SELECT coalesce(sum(models), 0) FROM catalog_providers"});
  }
  const auto version = in.number({"SELECT version FROM catalog_facts"});
  if (version != version_ || totals_.size() >= totals_max) totals_.clear();
  version_ = version;
  if (const auto known = totals_.find(filters); known != totals_.end()) return known->second;
  const auto out = in.number(count_statement(query, in.on().dialect()));
  if (!in.have_failed()) totals_.emplace(filters, out);
  return out;
}

catalog_page listing::page(steps& in, const page_query& query) {
  catalog_page out;
  out.total = total_of(in, query);
  if (out.total == 0 || (!query.after && query.offset >= out.total)) return out;
  auto rows = offers(in, page_statement(query, in.on().dialect(), plan_for(query, out.total)));
  if (!query.unique) {
    out.has_more = rows.size() > query.limit;
    if (out.has_more) rows.pop_back();
    out.offers = std::move(rows);
    return out;
  }
  for (auto row = rows.begin(); row != rows.end();) {
    const auto end = std::find_if(row, rows.end(), [&](const offer& o) { return o.id != row->id; });
    out.has_more = out.models.size() == query.limit;
    if (out.has_more) break;
    out.models.push_back(merge_offers({std::move_iterator(row), std::move_iterator(end)}));
    row = end;
  }
  return out;
}

}  // namespace troupe::cache
