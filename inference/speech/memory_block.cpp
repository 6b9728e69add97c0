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

// So many columns are filtered at a time: with the taps they stay in the nearest cache.
constexpr std::int64_t strip = 64;
using lanes = float __attribute__((vector_size(64), aligned(4)));
constexpr std::int64_t lanes_width = sizeof(lanes) / sizeof(float);
static_assert(strip % lanes_width == 0);

// y[t] = x[t + left] + sum over k of taps[k] * x[t + k]; lines of `strip` columns one after another.
__attribute__((target_clones("avx512f", "avx2", "default"))) void filter_strip(const float* x, const float* taps,
                                                                               std::int64_t kernel, std::int64_t left,
                                                                               std::int64_t count, float* y) noexcept {
  for (std::int64_t t = 0; t < count; ++t)
    for (std::int64_t i = 0; i < strip; i += lanes_width) {
      const auto* from = x + t * strip + i;
      auto sum = *reinterpret_cast<const lanes*>(from + left * strip);
      for (std::int64_t k = 0; k < kernel; ++k)
        sum +=
            *reinterpret_cast<const lanes*>(from + k * strip) * *reinterpret_cast<const lanes*>(taps + k * strip + i);
      *reinterpret_cast<lanes*>(y + t * strip + i) = sum;
    }
}

__attribute__((target_clones("avx512f", "avx2", "default"))) void add_line(float* sum, const float* x,
                                                                           std::int64_t n) noexcept {
  for (std::int64_t i = 0; i < n; ++i) sum[i] += x[i];
}
// bf16 numbers are the upper halves of fp32 ones.
__attribute__((target_clones("avx512f", "avx2", "default"))) void widen_line(float* out, const std::uint16_t* x,
                                                                             std::int64_t n) noexcept {
  for (std::int64_t i = 0; i < n; ++i) {
    const auto bits = static_cast<std::uint32_t>(x[i]) << 16U;
    std::memcpy(&out[i], &bits, sizeof bits);
  }
}
// To the nearest, ties to even; NaN stays one.
__attribute__((target_clones("avx512f", "avx2", "default"))) void narrow_line(std::uint16_t* out, const float* x,
                                                                              std::int64_t n) noexcept {
  for (std::int64_t i = 0; i < n; ++i) {
    std::uint32_t bits = 0;
    std::memcpy(&bits, &x[i], sizeof bits);
    const auto rounded = (bits + 0x7FFFU + ((bits >> 16U) & 1U)) >> 16U;
    out[i] = static_cast<std::uint16_t>((bits & 0x7FFFFFFFU) > 0x7F800000U ? 0x7FC0U : rounded);
  }
}

// Lines of a tensor, in fp32 or bf16, that lie as may be.
struct line_view {
  explicit line_view(const at::Tensor& t)
      : bf16(t.scalar_type() == at::kBFloat16),
        step_bytes(t.stride(0) * t.element_size()),
        data(static_cast<const std::byte*>(t.const_data_ptr())) {
    assert(t.stride(1) == 1 && (bf16 || t.scalar_type() == at::kFloat));
  }
  std::size_t element_bytes() const noexcept { return bf16 ? sizeof(std::uint16_t) : sizeof(float); }
  const std::byte* at(std::int64_t line) const noexcept { return data + line * step_bytes; }
  // `n` numbers of a line from number `first` on, as fp32.
  void read(const std::byte* line, std::int64_t first, std::int64_t n, float* out) const noexcept {
    const auto* from = line + static_cast<std::size_t>(first) * element_bytes();
    if (bf16)
      widen_line(out, reinterpret_cast<const std::uint16_t*>(from), n);
    else
      std::memcpy(out, from, static_cast<std::size_t>(n) * sizeof(float));
  }

  bool bf16;
  std::int64_t step_bytes;
  const std::byte* data;
};

// Filters rows one after another; one thread's.
class row_filter {
 public:
  row_filter(const at::Tensor& x, const at::Tensor& taps, std::int64_t left, const at::Tensor& added,
             const at::Tensor& y)
      : x_(x), y_(y), kernel_(taps.size(0)), left_(left), width_(x.size(1)), taps_(taps.const_data_ptr<float>()) {
    if (added.defined()) added_.emplace(added);
  }

  // `past`: null, or the lines before the row's first.
  void run(const frame_range& row, std::byte* past) {
    for (std::int64_t first = 0; first < width_; first += strip) run(row, past, first, std::min(strip, width_ - first));
    if (past != nullptr) remember(row, past);
  }

 private:
  // Columns from `first` on, `n` of them; what a strip has beyond them is zero.
  void run(const frame_range& row, const std::byte* past, std::int64_t first, std::int64_t n) {
    in_.assign(static_cast<std::size_t>((row.length + kernel_ - 1) * strip), 0.0F);
    out_.resize(static_cast<std::size_t>(row.length * strip));
    strip_taps_.assign(static_cast<std::size_t>(kernel_ * strip), 0.0F);
    const auto line_bytes = static_cast<std::size_t>(width_) * x_.element_bytes();
    for (std::int64_t k = 0; k < kernel_; ++k)
      std::copy_n(taps_ + k * width_ + first, n, strip_taps_.data() + k * strip);
    for (std::int64_t i = 0; past != nullptr && i < left_; ++i)
      x_.read(past + static_cast<std::size_t>(i) * line_bytes, first, n, in_.data() + i * strip);
    for (std::int64_t t = 0; t < row.length; ++t)
      x_.read(x_.at(row.first + t), first, n, in_.data() + (left_ + t) * strip);
    filter_strip(in_.data(), strip_taps_.data(), kernel_, left_, row.length, out_.data());
    for (std::int64_t t = 0; t < row.length; ++t) write(row.first + t, first, n, out_.data() + t * strip);
  }

  void write(std::int64_t line, std::int64_t first, std::int64_t n, float* sum) {
    if (added_) {
      float more[strip];
      added_->read(added_->at(line), first, n, more);
      add_line(sum, more, n);
    }
    const auto at = static_cast<std::size_t>(first) * x_.element_bytes();
    auto* to = static_cast<std::byte*>(y_.mutable_data_ptr()) + line * y_.stride(0) * y_.element_size() + at;
    if (x_.bf16)
      narrow_line(reinterpret_cast<std::uint16_t*>(to), sum, n);
    else
      std::memcpy(to, sum, static_cast<std::size_t>(n) * sizeof(float));
  }

  void remember(const frame_range& row, std::byte* past) const {
    const auto bytes = static_cast<std::size_t>(width_) * x_.element_bytes();
    const auto stay = std::max<std::int64_t>(left_ - row.length, 0);
    std::memmove(past, past + static_cast<std::size_t>(left_ - stay) * bytes, static_cast<std::size_t>(stay) * bytes);
    for (auto i = stay; i < left_; ++i)
      std::memcpy(past + static_cast<std::size_t>(i) * bytes, x_.at(row.first + row.length - left_ + i), bytes);
  }

  line_view x_;
  std::optional<line_view> added_;
  const at::Tensor& y_;
  std::int64_t kernel_, left_, width_;
  const float* taps_;
  std::vector<float> in_, out_, strip_taps_;
};

}  // namespace

at::Tensor memory_block(const at::Tensor& x, const at::Tensor& taps, std::int64_t left,
                        std::span<const frame_range> rows, const at::Tensor& added) {
  const auto y = at::zeros({x.size(0), x.size(1)}, x.options());
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
  const auto y = at::zeros({x.size(0), x.size(1)}, x.options());
  row_filter filter(x, taps, taps.size(0) - 1, added, y);
  for (const auto& row : rows) filter.run(row.frames, row.past);
  return y;
}

}  // namespace troupe::inference
