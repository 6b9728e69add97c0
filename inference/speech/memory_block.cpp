#include "inference/speech/memory_block.hpp"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <vector>

#include "inference/torch/fork_join.hpp"
#include "inference/torch/lanes.hpp"

namespace troupe::inference {
namespace {

// Columns at a time: of bf16 a line of the cache.
constexpr std::int64_t group = 2 * lane_count;
constexpr std::int64_t lines_at_once = 4;

// One row; lines are `.._step` numbers apart.
template <class T, class Sum>
struct filter {
  const T* x;
  std::int64_t x_step;
  const T* past;     // [left, width]; null: zeros
  const Sum* added;  // null: nothing
  std::int64_t added_step;
  Sum* y;
  std::int64_t y_step, length, width, kernel, left;
  const float* taps;  // [kernel, width]
  float* lines;       // [length + kernel - 1, group], to compute in

  [[gnu::always_inline]] void read_group(const T* line, std::int64_t count, float* to) const noexcept {
    for (std::int64_t i = 0; i < group; i += lane_count) {
      lanes some;
      read_some(line + i, std::clamp<std::int64_t>(count - i, 0, lane_count), some);
      write(some, to + i);
    }
  }

  // Lines [t, t + many) of columns from `first` on, `count` of them.
  template <std::int64_t many>
  [[gnu::always_inline]] void filter_lines(std::int64_t t, std::int64_t first, std::int64_t count) const noexcept {
    for (std::int64_t i = 0; i < std::min(group, count); i += lane_count) {
      const auto some = std::min(lane_count, count - i);
      lanes sums[many], number, tap;
      for (std::int64_t j = 0; j < many; ++j) read(lines + (t + j + left) * group + i, sums[j]);
      for (std::int64_t k = 0; k < kernel; ++k) {
        read_some(taps + k * width + first + i, some, tap);
        for (std::int64_t j = 0; j < many; ++j) {
          read(lines + (t + j + k) * group + i, number);
          sums[j] += number * tap;
        }
      }
      for (std::int64_t j = 0; j < many; ++j) {
        if (added != nullptr) {
          read_some(added + (t + j) * added_step + first + i, some, number);
          sums[j] += number;
        }
        write_some(sums[j], some, y + (t + j) * y_step + first + i);
      }
    }
  }

  [[gnu::always_inline]] void run() const noexcept {
    for (std::int64_t first = 0; first < width; first += group) {
      const auto count = std::min(group, width - first);
      if (past == nullptr) std::fill_n(lines, left * group, 0.0F);
      for (std::int64_t i = 0; past != nullptr && i < left; ++i)
        read_group(past + i * width + first, count, lines + i * group);
      for (std::int64_t t = 0; t < length; ++t) read_group(x + t * x_step + first, count, lines + (left + t) * group);
      std::fill_n(lines + (left + length) * group, (kernel - 1 - left) * group, 0.0F);
      std::int64_t t = 0;
      for (; t + lines_at_once <= length; t += lines_at_once) filter_lines<lines_at_once>(t, first, count);
      for (; t < length; ++t) filter_lines<1>(t, first, count);
    }
  }
};

TROUPE_WIDE void run(const filter<float, float>& f) noexcept { f.run(); }
TROUPE_WIDE void run(const filter<std::uint16_t, float>& f) noexcept { f.run(); }
TROUPE_WIDE void run(const filter<std::uint16_t, std::uint16_t>& f) noexcept { f.run(); }

// Rows of one call.
struct filtered_rows {
  const at::Tensor &x, &taps;
  std::int64_t left;
  const at::Tensor &added, &y;

  // `past`: null, or the lines before the row's first.
  void run_row(const frame_range& row, std::byte* past, std::vector<float>& lines) const {
    assert(x.stride(1) == 1 && y.stride(1) == 1 && taps.is_contiguous());
    assert(!added.defined() || (added.stride(1) == 1 && added.scalar_type() == y.scalar_type()));
    lines.resize(static_cast<std::size_t>((row.length + taps.size(0) - 1) * group));
    if (x.scalar_type() == at::kFloat)
      filter_row<float, float>(row, past, lines.data());
    else if (y.scalar_type() == at::kFloat)
      filter_row<std::uint16_t, float>(row, past, lines.data());
    else
      filter_row<std::uint16_t, std::uint16_t>(row, past, lines.data());
    if (past != nullptr) remember(row, past);
  }

 private:
  template <class T, class Sum>
  void filter_row(const frame_range& row, const std::byte* past, float* lines) const {
    run(filter<T, Sum>{
        static_cast<const T*>(x.const_data_ptr()) + row.first * x.stride(0), x.stride(0),
        reinterpret_cast<const T*>(past),
        added.defined() ? static_cast<const Sum*>(added.const_data_ptr()) + row.first * added.stride(0) : nullptr,
        added.defined() ? added.stride(0) : 0, static_cast<Sum*>(y.mutable_data_ptr()) + row.first * y.stride(0),
        y.stride(0), row.length, x.size(1), taps.size(0), left, taps.const_data_ptr<float>(), lines});
  }

  void remember(const frame_range& row, std::byte* past) const {
    const auto bytes = static_cast<std::size_t>(x.size(1) * x.element_size());
    const auto stay = std::max<std::int64_t>(left - row.length, 0);
    std::memmove(past, past + static_cast<std::size_t>(left - stay) * bytes, static_cast<std::size_t>(stay) * bytes);
    const auto* lines = static_cast<const std::byte*>(x.const_data_ptr());
    for (auto i = stay; i < left; ++i)
      std::memcpy(past + static_cast<std::size_t>(i) * bytes,
                  lines + (row.first + row.length - left + i) * x.stride(0) * x.element_size(), bytes);
  }
};

}  // namespace

at::Tensor memory_block(const at::Tensor& x, const at::Tensor& taps, std::int64_t left,
                        std::span<const frame_range> rows, const at::Tensor& added, at::ScalarType type) {
  const auto y = room_of_rows(x.size(0), x.size(1), x.options().dtype(type), rows);
  const auto blocks =
      static_cast<std::uint32_t>(std::clamp<std::int64_t>(static_cast<std::int64_t>(rows.size()), 1, crew_threads()));
  const filtered_rows all{x, taps, left, added, y};
  for_blocks(blocks, [&](std::uint32_t block) {
    const auto some = part_of(static_cast<std::int64_t>(rows.size()), block, blocks);
    std::vector<float> lines;
    for (auto i = some.from; i < some.to; ++i) all.run_row(rows[static_cast<std::size_t>(i)], nullptr, lines);
  });
  return y;
}

at::Tensor memory_block(const at::Tensor& x, const at::Tensor& taps, std::span<const continued_range> rows,
                        const at::Tensor& added) {
  std::vector<frame_range> ranges;
  ranges.reserve(rows.size());
  for (const auto& row : rows) ranges.push_back(row.frames);
  const auto y = room_of_rows(x.size(0), x.size(1), x.options(), ranges);
  const filtered_rows all{x, taps, taps.size(0) - 1, added, y};
  std::vector<float> lines;
  for (const auto& row : rows) all.run_row(row.frames, row.past, lines);
  return y;
}

}  // namespace troupe::inference
