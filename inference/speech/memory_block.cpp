#include "inference/speech/memory_block.hpp"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <optional>
#include <vector>

#include <ATen/ops/zeros.h>

#include "inference/torch/fork_join.hpp"

namespace troupe::inference {
namespace {

// Of one line, `n` numbers wide. bf16 numbers are the upper halves of fp32 ones.
#define TROUPE_LINE_KERNEL __attribute__((target_clones("avx512f", "avx2", "default")))

TROUPE_LINE_KERNEL void add_line(float* sum, const float* x, std::int64_t n) noexcept {
  for (std::int64_t i = 0; i < n; ++i) sum[i] += x[i];
}
TROUPE_LINE_KERNEL void add_weighted_line(float* sum, const float* x, const float* w, std::int64_t n) noexcept {
  for (std::int64_t i = 0; i < n; ++i) sum[i] += x[i] * w[i];
}
TROUPE_LINE_KERNEL void widen_line(float* out, const std::uint16_t* x, std::int64_t n) noexcept {
  for (std::int64_t i = 0; i < n; ++i) {
    const auto bits = static_cast<std::uint32_t>(x[i]) << 16U;
    std::memcpy(&out[i], &bits, sizeof bits);
  }
}
// To the nearest, ties to even; NaN stays one.
TROUPE_LINE_KERNEL void narrow_line(std::uint16_t* out, const float* x, std::int64_t n) noexcept {
  for (std::int64_t i = 0; i < n; ++i) {
    std::uint32_t bits = 0;
    std::memcpy(&bits, &x[i], sizeof bits);
    const auto rounded = (bits + 0x7FFFU + ((bits >> 16U) & 1U)) >> 16U;
    out[i] = static_cast<std::uint16_t>((bits & 0x7FFFFFFFU) > 0x7F800000U ? 0x7FC0U : rounded);
  }
}

// The lines of a tensor that lie as may be, as fp32.
class line_reader {
 public:
  explicit line_reader(const at::Tensor& t)
      : bf16_(t.scalar_type() == at::kBFloat16),
        step_(t.stride(0) * t.element_size()),
        width_(t.size(1)),
        data_(static_cast<const std::byte*>(t.const_data_ptr())) {
    assert(t.stride(1) == 1 && (bf16_ || t.scalar_type() == at::kFloat));
  }
  // The line itself, or, widened, in `room`.
  const float* at(std::int64_t line, float* room) const { return widened(data_ + line * step_, room); }
  const float* widened(const std::byte* line, float* room) const {
    if (!bf16_) return reinterpret_cast<const float*>(line);
    widen_line(room, reinterpret_cast<const std::uint16_t*>(line), width_);
    return room;
  }
  std::size_t line_bytes() const noexcept { return static_cast<std::size_t>(width_) * (bf16_ ? 2 : 4); }
  const std::byte* bytes(std::int64_t line) const noexcept { return data_ + line * step_; }

 private:
  bool bf16_;
  std::int64_t step_, width_;
  const std::byte* data_;
};

// One row: the lines that its windows see, `before` and then its own, lie one after another in fp32.
class row_filter {
 public:
  row_filter(const at::Tensor& x, const at::Tensor& taps, std::int64_t left, const at::Tensor& added, at::Tensor& y)
      : x_(x), y_(y), taps_(taps), left_(left), width_(x.size(1)), sum_(static_cast<std::size_t>(width_)) {
    if (added.defined()) added_.emplace(added);
  }

  void run(const frame_range& row, std::byte* past) {
    const auto width = static_cast<std::size_t>(width_);
    const auto before = past != nullptr ? left_ : 0;
    lines_.resize(static_cast<std::size_t>(before + row.length) * width);
    const auto bytes = x_.line_bytes();
    for (std::int64_t i = 0; i < before; ++i) put(i, x_.widened(past + static_cast<std::size_t>(i) * bytes, line(i)));
    for (std::int64_t t = 0; t < row.length; ++t) put(before + t, x_.at(row.first + t, line(before + t)));
    for (std::int64_t t = 0; t < row.length; ++t) write(row, t, before);
    if (past != nullptr) remember(row, past);
  }

 private:
  float* line(std::int64_t i) { return lines_.data() + i * width_; }
  void put(std::int64_t i, const float* from) {
    if (from != line(i)) std::copy_n(from, width_, line(i));
  }

  void write(const frame_range& row, std::int64_t t, std::int64_t before) {
    std::copy_n(line(before + t), width_, sum_.data());
    const auto* taps = taps_.const_data_ptr<float>();
    for (std::int64_t k = 0; k < taps_.size(0); ++k) {
      const auto from = before + t + k - left_;
      if (from >= 0 && from < before + row.length)
        add_weighted_line(sum_.data(), line(from), taps + k * width_, width_);
    }
    if (added_) {
      spare_.resize(sum_.size());
      add_line(sum_.data(), added_->at(row.first + t, spare_.data()), width_);
    }
    if (y_.scalar_type() == at::kFloat)
      std::copy_n(sum_.data(), width_, y_.mutable_data_ptr<float>() + (row.first + t) * width_);
    else
      narrow_line(reinterpret_cast<std::uint16_t*>(y_.mutable_data_ptr<at::BFloat16>()) + (row.first + t) * width_,
                  sum_.data(), width_);
  }

  void remember(const frame_range& row, std::byte* past) const {
    const auto bytes = x_.line_bytes();
    const auto stay = std::max<std::int64_t>(left_ - row.length, 0);
    std::memmove(past, past + static_cast<std::size_t>(left_ - stay) * bytes, static_cast<std::size_t>(stay) * bytes);
    for (auto i = stay; i < left_; ++i)
      std::memcpy(past + static_cast<std::size_t>(i) * bytes, x_.bytes(row.first + row.length - left_ + i), bytes);
  }

  line_reader x_;
  std::optional<line_reader> added_;
  at::Tensor& y_;
  const at::Tensor& taps_;
  std::int64_t left_, width_;
  std::vector<float> lines_, sum_, spare_;
};

}  // namespace

at::Tensor memory_block(const at::Tensor& x, const at::Tensor& taps, std::int64_t left,
                        std::span<const frame_range> rows, const at::Tensor& added) {
  auto y = at::zeros({x.size(0), x.size(1)}, x.options());
  const auto blocks =
      static_cast<std::uint32_t>(std::clamp<std::int64_t>(static_cast<std::int64_t>(rows.size()), 1, crew_threads()));
  for_blocks(blocks, [&](std::uint32_t block) {
    const auto some = part_of(static_cast<std::int64_t>(rows.size()), block, blocks);
    row_filter filter(x, taps, left, added, y);
    for (auto i = some.from; i < some.to; ++i) filter.run(rows[static_cast<std::size_t>(i)], nullptr);
  });
  return y;
}

at::Tensor memory_block(const at::Tensor& x, const at::Tensor& taps, std::span<const continued_range> rows,
                        const at::Tensor& added) {
  auto y = at::zeros({x.size(0), x.size(1)}, x.options());
  row_filter filter(x, taps, taps.size(0) - 1, added, y);
  for (const auto& row : rows) filter.run(row.frames, row.past);
  return y;
}

}  // namespace troupe::inference
