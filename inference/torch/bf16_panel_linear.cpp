#include "inference/torch/bf16_panel_linear.hpp"

#include <dlfcn.h>

#include <algorithm>
#include <atomic>
#include <cassert>
#include <cmath>
#include <exception>
#include <vector>

#include <ATen/ops/empty.h>

#include "inference/model/half.hpp"
#include "inference/torch/fork_join.hpp"
#include "inference/torch/half_line.hpp"
#include "inference/torch/onednn_panels.hpp"
#include "inference/torch/panels.hpp"
#include "inference/torch/tile_product.hpp"

namespace troupe::inference {
namespace {

// C [m, n] (+)= A [m, k] * B [k, n], each with the distance between its rows; B in pairs of k.
using brgemm = void (*)(std::int64_t m, std::int64_t n, std::int64_t k, std::int64_t a_row, std::int64_t b_row,
                        std::int64_t c_row, bool add, const c10::BFloat16* a, const c10::BFloat16* b, float* c,
                        bool is_vnni);
using brgemm_release = void (*)(bool is_vnni);

// Not linked: another LibTorch may not have them, or with another signature, which is part of the name.
struct kernels {
  brgemm multiply =
      reinterpret_cast<brgemm>(::dlsym(RTLD_DEFAULT, "_ZN2at6native7cpublas6brgemmEllllllbPKN3c108BFloat16ES5_Pfb"));
  brgemm_release release =
      reinterpret_cast<brgemm_release>(::dlsym(RTLD_DEFAULT, "_ZN2at6native7cpublas14brgemm_releaseEb"));
};
const kernels& all() {
  static const kernels found;
  return found;
}

// AMX' tiles are shaped by the kernel that ran last on a thread: others' work must not find them so.
struct tiles_scope {
  tiles_scope() = default;
  ~tiles_scope() { all().release(true); }
  tiles_scope(const tiles_scope&) = delete;
  tiles_scope& operator=(const tiles_scope&) = delete;
};

// A kernel is made for every shape that a thread meets, and kept: rows are cut into few sizes. Packed tokens are a
// multiple of 8, and lone rows a power of two (packing.cpp).
constexpr std::int64_t rows_most = 32;
// From so many on oneDNN's own product is faster on the same panels.
constexpr std::int64_t rows_many = 96;

std::int64_t rows_at_once(std::int64_t left) {
  if (left >= rows_most) return rows_most;
  if (left >= 8) return left / 8 * 8;
  return left >= 4 ? 4 : left >= 2 ? 2 : 1;
}

const std::uint16_t* bits_of(const at::Tensor& t) {
  return t.defined() ? reinterpret_cast<const std::uint16_t*>(t.const_data_ptr<c10::BFloat16>()) : nullptr;
}

struct product {
  const c10::BFloat16* x;
  const c10::BFloat16* panels;
  const std::uint16_t* bias;      // null: none
  const std::uint16_t* residual;  // null: none
  std::uint16_t* y;
  std::int64_t rows, in, out;
  after_linear after;

  void tile(std::int64_t row, std::int64_t count, std::int64_t first) const {
    alignas(64) float sums[rows_most * panel_rows];
    all().multiply(count, panel_rows, in, in, panel_rows, panel_rows, false, x + row * in, panels + first * in, sums,
                   true);
    const auto at = row * out + first;
    half_lines(sums, count, bias == nullptr ? nullptr : bias + first, residual == nullptr ? nullptr : residual + at,
               y + at, out, after);
  }

  // Columns [from, to). Rows of one kernel's size go through all of them before the next size's: to change kernels
  // costs as much as a small product.
  void columns(std::int64_t from, std::int64_t to) const {
    const tiles_scope tiles;
    for (std::int64_t row = 0; row < rows;) {
      const auto count = rows_at_once(rows - row);
      const auto end = row + (rows - row) / count * count;
      for (auto first = from; first < to; first += panel_rows)
        for (auto r = row; r < end; r += count) tile(r, count, first);
      row = end;
    }
  }
};

// Every way in which a product is cut.
bool gives_right_sums() {
  if (all().multiply == nullptr || all().release == nullptr) return false;
  constexpr std::int64_t rows = rows_many + 1, few = 32 + 24 + 7, out = 2 * panel_rows;
  for (const std::int64_t in : {2, 40, 384}) {
    const auto x = at::empty({rows, in}, at::kBFloat16), w = at::empty({out, in}, at::kBFloat16);
    auto* xs = x.mutable_data_ptr<c10::BFloat16>();
    for (std::int64_t i = 0; i < x.numel(); ++i) xs[i] = static_cast<float>(i % 7) - 3;
    std::vector<std::uint16_t> plain(static_cast<std::size_t>(out * in));
    for (std::size_t i = 0; i < plain.size(); ++i) plain[i] = float_to_bf16(static_cast<float>(i % 5) - 2);
    const auto size = static_cast<std::size_t>(panel_rows * in);
    auto* laid = reinterpret_cast<std::uint16_t*>(w.mutable_data_ptr<c10::BFloat16>());
    for (std::size_t at = 0; at < plain.size(); at += size)
      to_panel(std::span<const std::uint16_t>(plain).subspan(at, size), {laid + at, size});
    for (const std::int64_t some : {rows, few, std::int64_t{16}}) {
      const auto y = bf16_panel_linear(x.narrow(0, 0, some), w, {}, {}, after_linear::nothing);
      const auto* ys = y.const_data_ptr<c10::BFloat16>();
      for (std::int64_t row = 0; row < some; ++row)
        for (std::int64_t column = 0; column < out; ++column) {
          float sum = 0;
          for (std::int64_t k = 0; k < in; ++k)
            sum +=
                static_cast<float>(xs[row * in + k]) * bf16_to_float(plain[static_cast<std::size_t>(column * in + k)]);
          if (!(std::fabs(static_cast<float>(ys[row * out + column]) - sum) <= std::fabs(sum) / 256)) return false;
        }
    }
  }
  return true;
}

std::atomic<bool> in_panels{false};

}  // namespace

bool has_bf16_panel_linear() {
  static const bool works = [] {
    try {
      return gives_right_sums();
    } catch (const std::exception&) {
      return false;
    }
  }();
  return works;
}

bool bf16_panels_keep_shapes(const at::Tensor& panels) {
  return panels.scalar_type() == at::kBFloat16 &&
         !has_tile_product(panels.size(1) * panels.element_size(), panels.size(0)) &&
         as_onednn_weight(panels).defined();
}

bool bf16_in_panels() noexcept { return in_panels.load(std::memory_order_relaxed); }
void use_bf16_panels(bool panels) noexcept {
  in_panels.store(panels && has_bf16_panel_linear(), std::memory_order_relaxed);
}

namespace {
at::Tensor by_tiles(const at::Tensor& x, const at::Tensor& panels, const at::Tensor& bias, const at::Tensor& residual,
                    after_linear after, made_for reader, std::uint32_t blocks) {
  const auto lines = with_whole_lines(x), added = residual.defined() ? with_whole_lines(residual) : residual;
  auto y = line_room(x.size(0), panels.size(0), x.options(), reader);
  const tile_product p{lines.const_data_ptr(),       panels.const_data_ptr(), x.size(0),
                       x.size(1) * x.element_size(), panels.size(0),          lines.stride(0) * x.element_size()};
  const half_ending ending{bits_of(bias),
                           bits_of(added),
                           reinterpret_cast<std::uint16_t*>(y.mutable_data_ptr<c10::BFloat16>()),
                           added.defined() ? added.stride(0) : 0,
                           y.stride(0),
                           after};
  for_blocks(blocks, [&](std::uint32_t block) {
    const auto columns = part_of(p.out, block, blocks, panel_rows);
    multiply_tiles(p, ending, columns.from, columns.to);
  });
  return y;
}
}  // namespace

at::Tensor bf16_panel_linear(const at::Tensor& x, const at::Tensor& panels, const at::Tensor& bias,
                             const at::Tensor& residual, after_linear after, made_for reader) {
  const auto rows = x.size(0), in = x.size(1), out = panels.size(0);
  assert(out % panel_rows == 0 && in % 2 == 0 && panels.is_contiguous());
  const auto blocks = linear_blocks(rows, in, out);
  if (rows > 0 && has_tile_product(in * panels.element_size(), out))
    return by_tiles(x, panels, bias, residual, after, reader, blocks);
  const auto dense = x.contiguous(), added = residual.defined() ? residual.contiguous() : residual;
  if (rows >= rows_many && blocks < 2 && !(added.defined() && after != after_linear::nothing))
    if (const auto weight = as_onednn_weight(panels); weight.defined())
      return added.defined() ? fused_linear_add(dense, weight, bias, added) : fused_linear(dense, weight, bias, after);
  auto y = at::empty({rows, out}, x.options());
  const product p{dense.const_data_ptr<c10::BFloat16>(),
                  panels.const_data_ptr<c10::BFloat16>(),
                  bits_of(bias),
                  bits_of(added),
                  reinterpret_cast<std::uint16_t*>(y.mutable_data_ptr<c10::BFloat16>()),
                  rows,
                  in,
                  out,
                  after};
  for_blocks(blocks, [&](std::uint32_t block) {
    const auto columns = part_of(out, block, blocks, panel_rows);
    p.columns(columns.from, columns.to);
  });
  return y;
}

}  // namespace troupe::inference
