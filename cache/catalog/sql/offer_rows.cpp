#include "cache/catalog/sql/offer_rows.hpp"

#include <array>

#include "cache/catalog/search_text.hpp"

namespace troupe::cache {
namespace {

constexpr std::array<std::string_view, 10> read_names{
    "provider",       "id",        "name",  "task", "description", "prompt_price", "completion_price",
    "context_length", "created_s", "edited"};

template <class T>
sql_value or_null(const std::optional<T>& value) {
  return value ? sql_value(*value) : sql_value();
}

struct put_in {
  row_spool& to;
  void operator()(std::monostate) const { to.null(); }
  template <class T>
  void operator()(const T& value) const {
    to.field(value);
  }
};

}  // namespace

std::string read_columns(std::string_view alias) {
  std::string out;
  for (const auto name : read_names) {
    if (!out.empty()) out += ", ";
    out.append(alias).append(".").append(name);
  }
  return out;
}

offer read_offer(const sql_row& row) {
  const auto real = [&](int column) { return row.is_null(column) ? std::nullopt : std::optional(row.real(column)); };
  const auto integer = [&](int column) {
    return row.is_null(column) ? std::nullopt : std::optional(row.integer(column));
  };
  offer out;
  out.provider = row.text(0);
  out.id = row.text(1);
  out.name = row.text(2);
  out.task = row.text(3);
  out.description = row.text(4);
  out.prompt_price = real(5);
  out.completion_price = real(6);
  out.context_length = integer(7);
  out.created_s = integer(8);
  out.edited = row.integer(9) != 0;
  return out;
}

result<offer> stored_form(offer row) {
  if (auto ok = check_offer(row); !ok) return tl::unexpected(ok.error());
  row.name = cut_text(row.name.empty() ? row.id : row.name);
  row.description = cut_text(row.description);
  for (auto* price : {&row.prompt_price, &row.completion_price})
    if (*price) **price += 0.0;  // no -0: PostgreSQL would tell it from 0
  return row;
}

std::vector<sql_value> offered_values(const offer& row) {
  return {row.id,
          row.name,
          row.task,
          row.description,
          or_null(row.prompt_price),
          or_null(row.completion_price),
          or_null(row.context_length),
          or_null(row.created_s),
          search_text(row.id, row.name)};
}

result<void> write_row(const offer& row, row_spool& to) {
  for (const auto& value : offered_values(row)) std::visit(put_in{to}, value);
  to.field(static_cast<std::int64_t>(to.rows()));
  return to.end_row();
}

}  // namespace troupe::cache
