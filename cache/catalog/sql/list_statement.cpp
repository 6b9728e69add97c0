#include "cache/catalog/sql/list_statement.hpp"

#include <algorithm>
#include <cctype>
#include <limits>

#include "cache/catalog/search_text.hpp"
#include "cache/catalog/sql/offer_rows.hpp"

namespace troupe::cache {
namespace {

constexpr std::uint64_t few_rows_max = 20'000;                        // sorted in some 20 ms
constexpr auto no_length = std::numeric_limits<std::int64_t>::max();  // in length_order
constexpr auto no_price = std::numeric_limits<double>::infinity();    // in price_order

// How a substring is asked for; `text` as it is, whatever it holds.
std::string quoted_for_match(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) out.append(c == '"' ? 2 : 1, c);
  return out + '"';
}

std::string like_pattern(std::string_view text) {
  std::string out = "%";
  for (const char c : text) {
    if (c == '%' || c == '_' || c == '\\') out += '\\';
    out += c;
  }
  return out + '%';
}

// pg_trgm takes no others into its trigrams.
bool has_letters(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](unsigned char c) { return c >= 0x80 || std::isalnum(c) != 0; });
}

std::string_view order_column(offer_order order) {
  switch (order) {
    case offer_order::price: return "price_order";
    case offer_order::context_length: return "length_order";
    case offer_order::id: break;
  }
  return {};
}

// "o.price_order, o.id, o.provider"
std::string order_of(const page_query& query, std::string_view alias) {
  std::string out;
  const auto add = [&](std::string_view column) {
    if (!out.empty()) out += ", ";
    out.append(alias).append(".").append(column);
  };
  if (query.order != offer_order::id) add(order_column(query.order));
  add("id");
  if (!query.unique) add("provider");
  return out;
}

sql_value order_value(const page_query& query) {
  const auto& value = query.after->value;
  if (query.order == offer_order::price) return value.value_or(no_price);
  return value ? -static_cast<std::int64_t>(std::clamp(*value, 0.0, double(context_length_max))) : no_length;
}

class statement_builder {
 public:
  statement_builder(const page_query& query, sql_dialect dialect, page_plan plan)
      : query_(query), sqlite_(dialect == sql_dialect::sqlite), plan_(plan), words_(search_words(query.search)) {}

  sql_statement count() {
    if (sqlite_ && !words_.empty() && is_only_search())
      return {"SELECT count(*) FROM catalog_search WHERE catalog_search MATCH $1", {match()}};
    const auto from = matching();
    return done(query_.unique ? "SELECT count(*) FROM (SELECT DISTINCT o.id" + from + ") ids"
                              : "SELECT count(*)" + from);
  }

  sql_statement page() {
    const auto key = order_of(query_, "o"), page_key = order_of(query_, "page");
    const std::string distinct = query_.unique ? "DISTINCT " : "";
    auto rows = "SELECT " + distinct + key;
    rows += matching();
    rows += behind();
    std::string text = plan_ == page_plan::few
                           ? "WITH found AS MATERIALIZED (" + rows + "), page AS (SELECT * FROM found ORDER BY " +
                                 order_of(query_, "found")
                           : "WITH page AS (" + rows + " ORDER BY " + key;
    text += " LIMIT " + put(std::int64_t{query_.limit} + 1);
    if (!query_.after && query_.offset > 0)
      text += " OFFSET " + put(static_cast<std::int64_t>(std::min<std::uint64_t>(query_.offset, INT64_MAX)));
    text += ") SELECT " + read_columns("o") + " FROM page CROSS JOIN catalog_offers o WHERE o.id = page.id";
    if (!query_.unique) text += " AND o.provider = page.provider";
    return done(text + " ORDER BY " + page_key + (query_.unique ? ", o.price_order, o.provider" : ""));
  }

 private:
  // " FROM .. WHERE ..": the rows that the filters let through.
  std::string matching() {
    where_.clear();
    std::string from = " FROM catalog_offers o";
    if (!words_.empty() && sqlite_ && plan_ == page_plan::few) {
      from = " FROM catalog_search CROSS JOIN catalog_offers o ON o.row = catalog_search.rowid";
      require("catalog_search MATCH " + put(match()));
    } else {
      for (const auto& word : words_) require_part(searched_part(word));
    }
    const bool by_id = query_.order == offer_order::id;
    if (!query_.provider.empty()) require(column("provider", by_id) + " = " + put(query_.provider));
    if (!query_.task.empty()) require(column("task", false) + " = " + put(query_.task));
    require_prices();
    require_lengths();
    return from + where_;
  }

  void require_part(const std::string& part) {
    if (sqlite_) return require("instr(o.folded, " + put(part) + ") > 0");
    // An index of trigrams would be read from end to end.
    if (!has_letters(part)) return require("strpos(o.folded, " + put(part) + ") > 0");
    require("o.folded LIKE " + put(like_pattern(part)));
  }

  void require_prices() {
    if (!query_.prompt_price_min && !query_.prompt_price_max) return;
    const auto price = column("price_order", query_.order == offer_order::price);
    if (query_.prompt_price_min) require(price + " >= " + put(*query_.prompt_price_min));
    require(query_.prompt_price_max ? price + " <= " + put(*query_.prompt_price_max) : price + " < " + put(no_price));
  }

  void require_lengths() {
    if (!query_.context_length_min && !query_.context_length_max) return;
    const auto length = column("length_order", query_.order == offer_order::context_length);
    const auto bound = [&](std::int64_t value) { return put(-std::max(value, -context_length_max)); };
    if (query_.context_length_max) require(length + " >= " + bound(*query_.context_length_max));
    require(query_.context_length_min ? length + " <= " + bound(std::max<std::int64_t>(*query_.context_length_min, 0))
                                      : length + " < " + put(no_length));
  }

  // "" or " AND ..": rows of the pages to come.
  std::string behind() {
    if (!query_.after) return {};
    const auto& a = *query_.after;
    const std::string joint = where_.empty() ? " WHERE " : " AND ";
    if (query_.unique || (query_.order == offer_order::id && query_.provider == a.provider))
      return joint + "o.id > " + put(a.id);
    std::string values = joint + "(" + order_of(query_, "o") + ") > (";
    if (query_.order != offer_order::id) values += put(order_value(query_)) + ", ";
    values += put(a.id) + ", ";
    return values + put(a.provider) + ")";
  }

  // SQLite guesses which of two indices is better; a "+" keeps it from all but the page's own.
  std::string column(std::string_view name, bool serves_order) const {
    return (sqlite_ && plan_ == page_plan::many && !serves_order ? "+o." : "o.") + std::string(name);
  }

  std::string match() const {
    std::string out;
    for (const auto& word : words_) out += quoted_for_match(searched_part(word)) + " ";
    return out;
  }

  bool is_only_search() const {
    const auto& q = query_;
    return !q.unique && q.provider.empty() && q.task.empty() && !q.prompt_price_min && !q.prompt_price_max &&
           !q.context_length_min && !q.context_length_max;
  }

  void require(const std::string& condition) { where_ += (where_.empty() ? " WHERE " : " AND ") + condition; }

  std::string put(sql_value value) {
    values_.push_back(std::move(value));
    return "$" + std::to_string(values_.size());
  }

  sql_statement done(std::string text) { return {std::move(text), std::move(values_)}; }

  const page_query& query_;
  bool sqlite_;
  page_plan plan_;
  std::vector<std::string> words_;
  std::string where_;
  std::vector<sql_value> values_;
};

}  // namespace

page_plan plan_for(const page_query& q, std::uint64_t total) {
  // An index has these rows in the page's order, and no others.
  const bool in_order = q.task.empty() && (q.order == offer_order::id || q.provider.empty());
  const bool prices = q.prompt_price_min || q.prompt_price_max, lengths = q.context_length_min || q.context_length_max;
  const bool ranges_in_order =
      (!prices || q.order == offer_order::price) && (!lengths || q.order == offer_order::context_length);
  if (in_order && ranges_in_order && search_words(q.search).empty()) return page_plan::many;
  return total <= few_rows_max ? page_plan::few : page_plan::many;
}

sql_statement count_statement(const page_query& query, sql_dialect dialect) {
  return statement_builder(query, dialect, page_plan::few).count();
}

sql_statement page_statement(const page_query& query, sql_dialect dialect, page_plan plan) {
  return statement_builder(query, dialect, plan).page();
}

}  // namespace troupe::cache
