#include "inference/torch/int8_linear.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>
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
#include "inference/torch/operators.hpp"

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

struct activation_code {
  float levels;  // on each side of zero
  int zero;
};
activation_code code() { return has_vnni() ? activation_code{127, 128} : activation_code{63, 64}; }

// One token: the scale that its codes are multiplied with.
__attribute__((target_clones("avx2", "default"))) float encode(const float* x, std::int64_t n, activation_code c,
                                                               std::uint8_t* out) {
  float most = 0;
  for (std::int64_t i = 0; i < n; ++i) {
    const auto magnitude = std::fabs(x[i]);
    most = magnitude > most ? magnitude : most;
  }
  if (!(most > 0) || !std::isfinite(most)) {  // nothing to tell apart, or no numbers: told by the scale
    for (std::int64_t i = 0; i < n; ++i) out[i] = static_cast<std::uint8_t>(c.zero);
    return most > 0 ? std::numeric_limits<float>::quiet_NaN() : 0;
  }
  const auto times = c.levels / most, shift = static_cast<float>(c.zero) + 0.5F;
  for (std::int64_t i = 0; i < n; ++i) out[i] = static_cast<std::uint8_t>(static_cast<int>(x[i] * times + shift));
  return most;
}

}  // namespace

class int8_weight {
 public:
  at::Tensor packed, scales, zeros;
};

std::shared_ptr<const int8_weight> pack_int8(const at::Tensor& weight, const at::Tensor& scales) {
  const auto& k = all();
  if (!k.pack || !k.multiply) throw std::runtime_error("this LibTorch has no products in int8");
  auto made = std::make_shared<int8_weight>();
  // Static: g++ 12 takes an empty one on the stack for uninitialized memory.
  static const std::optional<c10::List<std::int64_t>> any_rows;
  made->packed = k.pack->call(weight, any_rows);
  made->scales = scales;
  made->zeros = at::zeros({scales.size(0)}, at::kInt);
  return made;
}

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
  const auto rows = x.size(0), in = x.size(1);
  const auto dense = x.contiguous(), added = residual.defined() ? residual.contiguous() : residual;
  auto codes = at::empty({rows, in}, at::kByte);
  std::vector<float> scales(static_cast<std::size_t>(rows));
  const auto c = code();
  for (std::int64_t i = 0; i < rows; ++i)
    scales[static_cast<std::size_t>(i)] =
        encode(dense.const_data_ptr<float>() + i * in, in, c, codes.mutable_data_ptr<std::uint8_t>() + i * in);
  // The kernel's own scale stands for all tokens: 1 / levels; what differs between them follows.
  auto y = all().multiply->call(codes, 1.0 / c.levels, c.zero, weight.packed, weight.scales, weight.zeros, std::nullopt,
                                1.0, 0, at::kFloat, "none", c10::List<std::optional<at::Scalar>>(), "");
  const auto out = y.size(1);
  for (std::int64_t i = 0; i < rows; ++i)
    finish_line(y.mutable_data_ptr<float>() + i * out, out, scales[static_cast<std::size_t>(i)], data_of(bias),
                added.defined() ? data_of(added) + i * out : nullptr);
  return activated(std::move(y), after);
}

constexpr std::int64_t rows_min = 8;  // of a block: what the kernel computes at once, or nearly

}  // namespace

at::Tensor int8_linear(const at::Tensor& x, const int8_weight& weight, const at::Tensor& bias,
                       const at::Tensor& residual, after_linear after) {
  // By rows: the packed weights are one piece, and a token's numbers are its own.
  const auto rows = x.size(0);
  const auto blocks = static_cast<std::uint32_t>(std::clamp<std::int64_t>(rows / rows_min, 1, crew_threads()));
  if (blocks < 2) return whole(x, weight, bias, residual, after);
  auto y = at::empty({rows, weight.scales.size(0)}, x.options());
  for_blocks(blocks, [&](std::uint32_t block) {
    const auto lines = part_of(rows, block, blocks, rows_min);
    const auto mine = [&](const at::Tensor& t) { return t.defined() ? t.narrow(0, lines.from, lines.size()) : t; };
    mine(y).copy_(whole(mine(x), weight, bias, mine(residual), after));
  });
  return y;
}

}  // namespace troupe::inference
