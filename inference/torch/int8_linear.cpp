#include "inference/torch/int8_linear.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <limits>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include <ATen/core/List.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/zeros.h>

#include "inference/torch/finish_line.hpp"
#include "inference/torch/fork_join.hpp"
#include "inference/torch/lanes.hpp"
#include "inference/torch/operators.hpp"
#include "inference/torch/panels.hpp"
#include "inference/torch/tile_product.hpp"
#include "inference/torch/tiles.hpp"

namespace troupe::inference {
namespace {

using prepack = at::Tensor(at::Tensor, std::optional<c10::List<std::int64_t>>);
using product = at::Tensor(at::Tensor, double, std::int64_t, at::Tensor, at::Tensor, at::Tensor,
                           std::optional<at::Tensor>, double, std::int64_t, std::optional<at::ScalarType>,
                           std::string_view, c10::List<std::optional<at::Scalar>>, std::string_view);

struct kernels {
  std::optional<c10::TypedOperatorHandle<prepack>> pack = find_operator<prepack>("onednn::qlinear_prepack");
  std::optional<c10::TypedOperatorHandle<product>> multiply = find_operator<product>("onednn::qlinear_pointwise");
};
const kernels& all() {
  static const kernels found;
  return found;
}

// Without VNNI the products of an unsigned and a signed byte are added in pairs in 16 bits, where they saturate: 7 bits
// of the activations cannot reach that (2 * 127 * 127 < 2^15). oneDNN's ISA limit hides VNNI as well.
bool has_vnni() {
  static const bool found = [] {
    if (const char* limit = std::getenv("ONEDNN_MAX_CPU_ISA"))
      if (const std::string isa(limit); isa == "SSE41" || isa == "AVX" || isa == "AVX2" || isa == "AVX512_CORE")
        return false;
    std::ifstream info("/proc/cpuinfo");
    for (std::string line; std::getline(info, line);)
      if (line.starts_with("flags"))
        return (line + ' ').find(" avx512_vnni ") != line.npos || (line + ' ').find(" avx_vnni ") != line.npos;
    return false;
  }();
  return found;
}

// By tiles both are signed.
constexpr float tile_levels = 127;

struct activation_code {
  float levels;  // on each side of zero
  int zero;
};
activation_code code() { return has_vnni() ? activation_code{127, 128} : activation_code{63, 64}; }

// One token: the scale that its codes are multiplied with. `zero`: the code of it.
template <class T>
[[gnu::always_inline]] inline float encode(const T* x, std::int64_t n, float levels, int zero,
                                           std::uint8_t* out) noexcept {
  // As numbers without a sign their bits have their order; what is no number, or infinite, is above all others.
  lane_bits most_of[2] = {};
  std::int64_t i = 0;
  for (; i + 2 * lane_count <= n; i += 2 * lane_count)
    for (std::int64_t j = 0; j < 2; ++j) {
      lanes some;
      read(x + i + j * lane_count, some);
      const auto bits = reinterpret_cast<lane_bits>(some) & 0x7fffffffU;
      most_of[j] = bits > most_of[j] ? bits : most_of[j];
    }
  std::uint32_t most_bits = 0;
  for (std::int64_t k = 0; k < lane_count; ++k) most_bits = std::max({most_bits, most_of[0][k], most_of[1][k]});
  for (; i < n; ++i) most_bits = std::max(most_bits, std::bit_cast<std::uint32_t>(number(x[i])) & 0x7fffffffU);
  const auto most = std::bit_cast<float>(most_bits);
  if (!(most > 0) || !std::isfinite(most)) {  // nothing to tell apart, or no numbers: told by the scale
    std::fill_n(out, n, static_cast<std::uint8_t>(zero));
    return most_bits == 0 ? 0 : std::numeric_limits<float>::quiet_NaN();
  }
  // All codes are positive before zero is moved, so that cutting off rounds all alike.
  const auto times = levels / most, half = 128.5F;
  const auto move = zero - 128;
  for (i = 0; i < n; ++i) out[i] = static_cast<std::uint8_t>(static_cast<int>(number(x[i]) * times + half) + move);
  return most;
}
TROUPE_WIDE float encode_line(const float* x, std::int64_t n, float levels, int zero, std::uint8_t* out) noexcept {
  return encode(x, n, levels, zero, out);
}
TROUPE_WIDE float encode_line(const std::uint16_t* x, std::int64_t n, float levels, int zero,
                              std::uint8_t* out) noexcept {
  return encode(x, n, levels, zero, out);
}

// Rows of codes, and what each is multiplied with, by all levels.
struct codes {
  codes(const at::Tensor& x, float levels, int zero, made_for reader)
      : numbers(line_room(x.size(0), x.size(1), at::kByte, reader)), scales(static_cast<std::size_t>(x.size(0))) {
    if (x.scalar_type() == at::kBFloat16)
      encode_lines<std::uint16_t>(x, levels, zero);
    else
      encode_lines<float>(x, levels, zero);
  }
  at::Tensor numbers;
  std::vector<float> scales;

 private:
  template <class T>
  void encode_lines(const at::Tensor& x, float levels, int zero) {
    const auto* from = static_cast<const T*>(x.const_data_ptr());
    auto* to = numbers.mutable_data_ptr<std::uint8_t>();
    for (auto& scale : scales) {
      scale = encode_line(from, x.size(1), levels, zero, to);
      from += x.stride(0);
      to += numbers.stride(0);
    }
  }
};

// Four inputs side by side, for 32 outputs, and so on.
at::Tensor in_panels(const at::Tensor& weight) {
  const auto out = weight.size(0), in = weight.size(1);
  const auto rows = weight.contiguous(), made = at::empty({out, in}, at::kChar);
  const auto* from = rows.const_data_ptr<std::int8_t>();
  auto* to = made.mutable_data_ptr<std::int8_t>();
  constexpr std::int64_t together = 4;
  for (std::int64_t row = 0; row < out; ++row)
    for (std::int64_t k = 0; k < in; k += together)
      std::copy_n(from + row * in + k, together,
                  to + row / panel_rows * panel_rows * in + k * panel_rows + row % panel_rows * together);
  return made;
}

}  // namespace

class int8_weight {
 public:
  at::Tensor packed, scales, zeros;
  at::Tensor panels;  // in place of `packed`, where there are products by tiles
};

std::shared_ptr<const int8_weight> pack_int8(const at::Tensor& weight, const at::Tensor& scales) {
  auto made = std::make_shared<int8_weight>();
  made->scales = scales.contiguous();
  if (has_tile_product(weight.size(1), weight.size(0))) {
    made->scales = made->scales.div(tile_levels);
    made->panels = in_panels(weight);
    return made;
  }
  const auto& k = all();
  if (!k.pack || !k.multiply) throw std::runtime_error("this LibTorch has no products in int8");
  // Static: g++ 12 takes an empty one on the stack for uninitialized memory.
  static const std::optional<c10::List<std::int64_t>> any_rows;
  made->packed = k.pack->call(weight, any_rows);
  made->zeros = at::zeros({scales.size(0)}, at::kInt);
  return made;
}

bool int8_keeps_shapes(const int8_weight& weight) noexcept { return !weight.panels.defined(); }

bool has_int8_linear() {
  static const bool works = [] {
    try {
      const auto w = pack_int8(at::ones({16, 16}, at::kChar), at::ones({16}));
      return std::fabs(int8_linear(at::ones({2, 16}), *w, {}, {}, after_linear::nothing)[0][0].item<float>() - 16) < 1;
    } catch (const std::exception&) {
      return false;
    }
  }();
  return works;
}

namespace {

at::Tensor whole(const at::Tensor& x, const int8_weight& weight, const at::Tensor& bias, const at::Tensor& residual,
                 after_linear after) {
  const auto rows = x.size(0);
  const auto lines = with_whole_lines(x), added = residual.defined() ? with_whole_lines(residual) : residual;
  const auto c = code();
  const codes coded(lines, c.levels, c.zero, made_for::anyone);
  // The kernel's own scale stands for all tokens: 1 / levels; what differs between them follows.
  auto y = all().multiply->call(coded.numbers, 1.0 / c.levels, c.zero, weight.packed, weight.scales, weight.zeros,
                                std::nullopt, 1.0, 0, at::kFloat, "none", c10::List<std::optional<at::Scalar>>(), "");
  const auto out = y.size(1);
  for (std::int64_t i = 0; i < rows; ++i)
    finish_line(y.mutable_data_ptr<float>() + i * out, out, coded.scales[static_cast<std::size_t>(i)], data_of(bias),
                added.defined() ? data_of(added) + i * added.stride(0) : nullptr);
  return activated(std::move(y), after);
}

at::Tensor by_tiles(const at::Tensor& x, const int8_weight& weight, const at::Tensor& bias, const at::Tensor& residual,
                    after_linear after, made_for reader) {
  const auto rows = x.size(0), in = x.size(1), out = weight.panels.size(0);
  const auto lines = with_whole_lines(x), added = residual.defined() ? with_whole_lines(residual) : residual;
  const codes coded(lines, tile_levels, 0, made_for::layer);
  const bool half = reader == made_for::layer;
  auto y = line_room(rows, out, x.options().dtype(half ? at::kBFloat16 : at::kFloat), reader);
  const tile_product p{coded.numbers.const_data_ptr(), weight.panels.const_data_ptr(), rows, in, out,
                       coded.numbers.stride(0)};
  int8_ending ending{coded.scales.data(), data_of(weight.scales), data_of(bias), data_of(added)};
  ending.y = half ? nullptr : y.mutable_data_ptr<float>();
  ending.half_y = half ? reinterpret_cast<std::uint16_t*>(y.mutable_data_ptr<c10::BFloat16>()) : nullptr;
  ending.residual_step = added.defined() ? added.stride(0) : 0;
  ending.y_step = y.stride(0);
  ending.relu = after == after_linear::relu;
  const auto blocks = linear_blocks(rows, in, out);
  for_blocks(blocks, [&](std::uint32_t block) {
    const auto columns = part_of(out, block, blocks, panel_rows);
    multiply_tiles(p, ending, columns.from, columns.to);
    if (!ending.relu && after != after_linear::nothing) activated(y.narrow(1, columns.from, columns.size()), after);
  });
  return y;
}

constexpr std::int64_t rows_min = 8;  // of a block: what the kernel computes at once, or nearly

at::Tensor by_rows(const at::Tensor& x, const int8_weight& weight, const at::Tensor& bias, const at::Tensor& residual,
                   after_linear after) {
  // The packed weights are one piece, and a token's numbers are its own.
  const auto rows = x.size(0);
  const auto blocks = static_cast<std::uint32_t>(std::clamp<std::int64_t>(rows / rows_min, 1, crew_threads()));
  if (blocks < 2) return whole(x, weight, bias, residual, after);
  auto y = at::empty({rows, weight.scales.size(0)}, x.options().dtype(at::kFloat));
  for_blocks(blocks, [&](std::uint32_t block) {
    const auto lines = part_of(rows, block, blocks, rows_min);
    const auto mine = [&](const at::Tensor& t) { return t.defined() ? t.narrow(0, lines.from, lines.size()) : t; };
    mine(y).copy_(whole(mine(x), weight, bias, mine(residual), after));
  });
  return y;
}

}  // namespace

bool int8_layers_round() noexcept { return has_tiles(); }

at::Tensor int8_linear(const at::Tensor& x, const int8_weight& weight, const at::Tensor& bias,
                       const at::Tensor& residual, after_linear after, made_for reader) {
  if (weight.panels.defined() && x.size(0) > 0) return by_tiles(x, weight, bias, residual, after, reader);
  const auto y = by_rows(x, weight, bias, residual, after);
  return reader == made_for::layer && int8_layers_round() ? y.to(at::kBFloat16) : y;
}

}  // namespace troupe::inference
