#include "inference/speech/row_attention.hpp"

#include <algorithm>
#include <cassert>
#include <limits>
#include <numeric>
#include <optional>
#include <vector>

#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>

#include "inference/encoders/layers.hpp"

namespace troupe::inference {
namespace {

std::int64_t past_of(const attention_row& row) { return row.past != nullptr ? row.past->count() : 0; }

// Rows with one number of queries.
class attention_group {
 public:
  attention_group(const at::Tensor& q, const at::Tensor& kv, std::int64_t heads, std::int64_t layer,
                  std::vector<const attention_row*> rows)
      : q_(q), kv_(kv), heads_(heads), width_(q.size(1)), layer_(layer), rows_(std::move(rows)) {
    for (const auto* row : rows_) {
      keys_ = std::max(keys_, past_of(*row) + row->keys);
      ragged_ = ragged_ || past_of(*row) + row->keys != past_of(*rows_.front()) + rows_.front()->keys;
      masked_ = masked_ || row->mask.defined();
    }
  }

  void attend(const at::Tensor& out) const {
    const auto n = static_cast<std::int64_t>(rows_.size()), queries = rows_.front()->queries;
    const auto q = queries_of(n, queries), kv = keys_of(n);
    const auto made = at::empty({n, queries, heads_, width_ / heads_}, q_.options());
    attend_by_heads(by_heads(q, queries, 0), by_heads(kv, keys_, 0), by_heads(kv, keys_, width_), mask_of(n, queries),
                    made);
    const auto lines = made.view({n * queries, width_});
    for (std::int64_t i = 0; i < n; ++i)
      out.narrow(0, row(i).query, queries).copy_(lines.narrow(0, i * queries, queries));
  }

 private:
  const attention_row& row(std::int64_t i) const { return *rows_[static_cast<std::size_t>(i)]; }

  // The `from`-th number of lines and what follows, as [rows, heads, length, width of a head]: a view.
  at::Tensor by_heads(const at::Tensor& lines, std::int64_t length, std::int64_t from) const {
    const auto step = lines.stride(0), head = width_ / heads_;
    return lines.as_strided({lines.size(0) / length, heads_, length, head}, {length * step, head, step, 1},
                            lines.storage_offset() + from);
  }

  // Whether the rows' lines, `length` each, lie one after another.
  template <class First>
  bool in_order(std::int64_t length, First first) const {
    for (std::int64_t i = 0; i < static_cast<std::int64_t>(rows_.size()); ++i)
      if (first(row(i)) != first(row(0)) + i * length) return false;
    return true;
  }

  at::Tensor queries_of(std::int64_t n, std::int64_t queries) const {
    if (in_order(queries, [](const attention_row& r) { return r.query; }))
      return q_.narrow(0, row(0).query, n * queries);
    auto all = at::empty({n * queries, width_}, q_.options());
    for (std::int64_t i = 0; i < n; ++i) all.narrow(0, i * queries, queries).copy_(q_.narrow(0, row(i).query, queries));
    return all;
  }

  at::Tensor keys_of(std::int64_t n) const {
    const bool alone = std::all_of(rows_.begin(), rows_.end(), [](const auto* r) { return past_of(*r) == 0; });
    if (alone && !ragged_ && in_order(keys_, [](const attention_row& r) { return r.key; }))
      return kv_.narrow(0, row(0).key, n * keys_);
    // What is beside a row's keys is masked, and must be numbers.
    const auto all =
        ragged_ ? at::zeros({n * keys_, 2 * width_}, kv_.options()) : at::empty({n * keys_, 2 * width_}, kv_.options());
    const auto bytes = static_cast<std::size_t>(2 * width_ * all.element_size());
    auto* out = static_cast<std::byte*>(all.mutable_data_ptr());
    const auto* own = static_cast<const std::byte*>(kv_.const_data_ptr());
    const auto step = kv_.stride(0) * kv_.element_size();
    for (std::int64_t i = 0; i < n; ++i) {
      const auto past = past_of(row(i));
      auto* to = out + static_cast<std::size_t>(i * keys_) * bytes;
      if (past > 0) {
        assert(row(i).past->line_bytes() == bytes);
        row(i).past->copy_to(layer_, to);
      }
      for (std::int64_t k = 0; k < row(i).keys; ++k)
        std::memcpy(to + static_cast<std::size_t>(past + k) * bytes, own + (row(i).key + k) * step, bytes);
    }
    return all;
  }

  std::optional<at::Tensor> mask_of(std::int64_t n, std::int64_t queries) const {
    if (!ragged_ && !masked_) return std::nullopt;
    const auto lines = masked_ ? queries : 1;
    auto mask = at::zeros({n, 1, lines, keys_}, q_.options());
    for (std::int64_t i = 0; i < n; ++i) {
      const auto seen = past_of(row(i)) + row(i).keys;
      if (row(i).mask.defined()) mask[i][0].narrow(1, 0, seen).copy_(row(i).mask);
      if (seen < keys_) mask[i][0].narrow(1, seen, keys_ - seen).fill_(-std::numeric_limits<double>::infinity());
    }
    return mask.expand({n, 1, queries, keys_});
  }

  const at::Tensor &q_, &kv_;
  std::int64_t heads_, width_, layer_;
  std::vector<const attention_row*> rows_;
  std::int64_t keys_ = 0;  // of the row that has most
  bool ragged_ = false, masked_ = false;
};

}  // namespace

at::Tensor attend_rows(const at::Tensor& q, const at::Tensor& kv, std::int64_t heads,
                       std::span<const attention_row> rows, std::int64_t layer) {
  const auto out = at::zeros({q.size(0), q.size(1)}, q.options());
  std::vector<const attention_row*> order;
  for (const auto& row : rows)
    if (row.queries > 0) order.push_back(&row);
  std::stable_sort(order.begin(), order.end(), [](const auto* a, const auto* b) { return a->queries < b->queries; });
  for (std::size_t i = 0; i < order.size();) {
    auto end = i;
    while (end < order.size() && order[end]->queries == order[i]->queries) ++end;
    const auto first = order.begin() + static_cast<std::ptrdiff_t>(i);
    attention_group(q, kv, heads, layer, {first, order.begin() + static_cast<std::ptrdiff_t>(end)}).attend(out);
    i = end;
  }
  return out;
}

}  // namespace troupe::inference
