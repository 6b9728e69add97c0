#include "inference/torch/panel_linear.hpp"

#include <dlfcn.h>

#include <algorithm>
#include <atomic>
#include <cassert>
#include <cmath>
#include <exception>
#include <vector>

#include <ATen/ops/empty.h>

#include "inference/torch/finish_line.hpp"
#include "inference/torch/fork_join.hpp"
#include "inference/torch/panels.hpp"

namespace troupe::inference {
namespace {

// C [m, n] (+)= A [m, k] * B [k, n], each with the distance between its rows.
using brgemm = void (*)(std::int64_t m, std::int64_t n, std::int64_t k, std::int64_t a_row, std::int64_t b_row,
                        std::int64_t c_row, bool add, const float* a, const float* b, float* c, bool is_vnni);

// Not linked: another LibTorch may not have it, or with another signature, which is part of the name.
brgemm find_kernel() {
  return reinterpret_cast<brgemm>(::dlsym(RTLD_DEFAULT, "_ZN2at6native7cpublas6brgemmEllllllbPKfS3_Pfb"));
}
brgemm kernel() {
  static const auto found = find_kernel();
  return found;
}

// A kernel is made for every shape that a thread meets, and kept: rows are cut into few sizes. Packed tokens are a
// multiple of 8, and lone rows a power of two (packing.cpp).
constexpr std::int64_t rows_most = 32;
// Of the inner dimension at once: 32 rows of more, a multiple of a page apart, drive each other out of the caches.
constexpr std::int64_t depth_most = 1536;

std::int64_t rows_at_once(std::int64_t left) {
  auto rows = rows_most;
  while (rows > left) rows /= 2;
  return rows;
}
// As many even parts as need be.
std::int64_t depth_of(std::int64_t in) {
  const auto parts = (in + depth_most - 1) / depth_most;
  return (in + parts - 1) / parts;
}

struct product {
  const float* x;
  const float* panels;
  const float* bias;      // null: none
  const float* residual;  // null: none
  float* y;
  std::int64_t rows, in, out;

  // Columns [first, first + panel_rows).
  void panel(std::int64_t first) const {
    const auto multiply = kernel();
    const auto depth = depth_of(in);
    for (std::int64_t k = 0; k < in; k += depth)
      for (std::int64_t row = 0; row < rows;) {
        const auto n = rows_at_once(rows - row);
        multiply(n, panel_rows, std::min(depth, in - k), in, panel_rows, out, k > 0, x + row * in + k,
                 panels + first * in + k * panel_rows, y + row * out + first, false);
        row += n;
      }
    if (bias == nullptr && residual == nullptr) return;
    for (std::int64_t row = 0; row < rows; ++row)
      finish_line(y + row * out + first, panel_rows, 1, bias == nullptr ? nullptr : bias + first,
                  residual == nullptr ? nullptr : residual + row * out + first);
  }
};

// Every way in which a product is cut.
bool gives_right_sums() {
  if (kernel() == nullptr) return false;
  constexpr std::int64_t rows = 43, in = depth_most + 40, out = 2 * panel_rows;
  const auto x = at::empty({rows, in}, at::kFloat), w = at::empty({out, in}, at::kFloat);
  auto* xs = x.mutable_data_ptr<float>();
  for (std::int64_t i = 0; i < x.numel(); ++i) xs[i] = static_cast<float>(i % 7) - 3;
  std::vector<float> plain(static_cast<std::size_t>(out * in));
  for (std::size_t i = 0; i < plain.size(); ++i) plain[i] = static_cast<float>(i % 5) - 2;
  for (std::int64_t first = 0; first < out; first += panel_rows)
    to_panel({plain.data() + first * in, static_cast<std::size_t>(panel_rows * in)},
             {w.mutable_data_ptr<float>() + first * in, static_cast<std::size_t>(panel_rows * in)});
  const auto y = panel_linear(x, w, {}, {}, after_linear::nothing);
  const auto* ys = y.const_data_ptr<float>();
  for (std::int64_t row = 0; row < rows; ++row)
    for (std::int64_t column = 0; column < out; ++column) {
      float sum = 0;
      for (std::int64_t k = 0; k < in; ++k) sum += xs[row * in + k] * plain[static_cast<std::size_t>(column * in + k)];
      if (std::fabs(ys[row * out + column] - sum) > 1e-2F) return false;
    }
  return true;
}

std::atomic<bool> in_panels{false};

}  // namespace

bool has_panel_linear() {
  static const bool works = [] {
    try {
      return gives_right_sums();
    } catch (const std::exception&) {
      return false;
    }
  }();
  return works;
}

bool fp32_in_panels() noexcept { return in_panels.load(std::memory_order_relaxed); }
void use_fp32_panels(bool panels) noexcept { in_panels.store(panels && has_panel_linear(), std::memory_order_relaxed); }

at::Tensor panel_linear(const at::Tensor& x, const at::Tensor& panels, const at::Tensor& bias,
                        const at::Tensor& residual, after_linear after) {
  const auto rows = x.size(0), in = x.size(1), out = panels.size(0);
  assert(out % panel_rows == 0 && panels.is_contiguous());
  const auto dense = x.contiguous(), added = residual.defined() ? residual.contiguous() : residual;
  auto y = at::empty({rows, out}, x.options());
  const product p{
      data_of(dense), data_of(panels), data_of(bias), data_of(added), y.mutable_data_ptr<float>(), rows, in, out};
  const auto blocks = linear_blocks(rows, in, out);
  for_blocks(blocks, [&](std::uint32_t block) {
    const auto columns = part_of(out, block, blocks, panel_rows);
    for (auto first = columns.from; first < columns.to; first += panel_rows) p.panel(first);
    if (after != after_linear::nothing) activated(y.narrow(1, columns.from, columns.size()), after);
  });
  return y;
}

}  // namespace troupe::inference
