#include "inference/encoders/deberta_distances.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/log.h>

namespace troupe::inference {
namespace {

// make_log_bucket_position() of transformers for the distances 0 .. n - 1 (it is odd), in float32 step by step as
// there: a distance at the edge of a bucket must round as it does there, so even the logarithm is the same one.
std::vector<std::int64_t> log_buckets(std::int64_t n, std::int64_t buckets, std::int64_t distance_max) {
  const auto mid = buckets / 2;
  auto ratios = at::empty({n}, at::kFloat), last = at::empty({1}, at::kFloat);
  for (std::int64_t d = 0; d < n; ++d)
    ratios.mutable_data_ptr<float>()[d] = static_cast<float>(d < mid ? mid - 1 : d) / static_cast<float>(mid);
  *last.mutable_data_ptr<float>() =
      static_cast<float>(static_cast<double>(distance_max - 1) / static_cast<double>(mid));
  const auto logs = at::log(ratios);
  const auto log_last = *at::log(last).const_data_ptr<float>();
  std::vector<std::int64_t> out(static_cast<std::size_t>(n));
  for (std::int64_t d = 0; d < n; ++d) {
    const auto far =
        std::ceil(logs.const_data_ptr<float>()[d] / log_last * static_cast<float>(mid - 1)) + static_cast<float>(mid);
    out[static_cast<std::size_t>(d)] = d <= mid ? d : static_cast<std::int64_t>(far);
  }
  return out;
}

constexpr std::int64_t tile = 16;  // tokens a side: both of a tile's inputs stay in the first cache

// One tile of one row and head: queries from i0 on, keys from j0 on.
template <bool by_query, bool by_key>
void sum_tile(const distance_scores& s, const float* a, const float* b, float* out, std::int64_t i0, std::int64_t j0) {
  const auto i1 = std::min(i0 + tile, s.length), j1 = std::min(j0 + tile, s.length);
  std::array<std::array<float, tile>, tile> turned;  // a key's products lie side by side: read them so
  if constexpr (by_key)
    for (auto j = j0; j < j1; ++j) {
      const auto* line = b + j * s.lines;
      for (auto i = i0; i < i1; ++i)
        turned[static_cast<std::size_t>(i - i0)][static_cast<std::size_t>(j - j0)] = line[s.near[j - i]];
    }
  for (auto i = i0; i < i1; ++i) {
    const auto* near = s.near - i;
    const auto* line = a + i * s.lines;
    auto* to = out + i * s.length;
    for (auto j = j0; j < j1; ++j) {
      float sum = 0;
      if constexpr (by_query) sum += line[near[j]];
      if constexpr (by_key) sum += turned[static_cast<std::size_t>(i - i0)][static_cast<std::size_t>(j - j0)];
      to[j] = sum;
    }
  }
}

template <bool by_query, bool by_key>
void sum_all(const distance_scores& s) {
  const auto bands = (s.length + tile - 1) / tile;  // of queries
  const auto grain = std::max<std::int64_t>(1, (1 << 15) / (tile * s.length));
  at::parallel_for(0, s.rows * s.heads * bands, grain, [&](std::int64_t begin, std::int64_t end) {
    for (auto k = begin; k < end; ++k) {
      const auto pair = k / bands, row = pair / s.heads, head = pair % s.heads;
      const auto in = (head * s.rows + row) * s.length * s.lines;
      for (std::int64_t j = 0; j < s.length; j += tile)
        sum_tile<by_query, by_key>(s, by_query ? s.by_query + in : nullptr, by_key ? s.by_key + in : nullptr,
                                   s.out + pair * s.length * s.length, k % bands * tile, j);
    }
  });
}

}  // namespace

std::vector<std::int32_t> distance_lines(const deberta_settings& c) {
  const auto n = c.positions, last = 2 * c.span - 1;
  const auto buckets = c.buckets > 0 ? log_buckets(n, c.buckets, c.distance_max) : std::vector<std::int64_t>();
  std::vector<std::int32_t> lines(static_cast<std::size_t>(2 * n - 1));
  for (std::int64_t behind = 1 - n; behind < n; ++behind) {  // j - i; the reference counts i - j
    auto far = std::abs(behind);
    if (c.buckets > 0) far = buckets[static_cast<std::size_t>(far)];
    const auto distance = behind > 0 ? -far : far;
    lines[static_cast<std::size_t>(behind + n - 1)] =
        static_cast<std::int32_t>(last - std::clamp<std::int64_t>(distance + c.span, 0, last));
  }
  return lines;
}

void sum_distances(const distance_scores& s) {
  if (s.by_query != nullptr && s.by_key != nullptr)
    sum_all<true, true>(s);
  else if (s.by_query != nullptr)
    sum_all<true, false>(s);
  else
    sum_all<false, true>(s);
}

}  // namespace troupe::inference
