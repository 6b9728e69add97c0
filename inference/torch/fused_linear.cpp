#include "inference/torch/fused_linear.hpp"

#include <algorithm>
#include <atomic>
#include <exception>
#include <optional>
#include <string_view>

#include <ATen/core/List.h>
#include <ATen/ops/addmm.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/silu.h>

#include "inference/torch/fork_join.hpp"
#include "inference/torch/operators.hpp"

namespace troupe::inference {
namespace {

using scalars = c10::List<std::optional<at::Scalar>>;
using pointwise = at::Tensor(const at::Tensor&, const at::Tensor&, const std::optional<at::Tensor>&, std::string_view,
                             scalars, std::optional<std::string_view>);
using binary = at::Tensor(const at::Tensor&, const at::Tensor&, const at::Tensor&, const std::optional<at::Tensor>&,
                          std::string_view);

constexpr const char* linear_pointwise = "mkldnn::_linear_pointwise";

struct kernels {
  std::optional<c10::TypedOperatorHandle<pointwise>> with_activation = find_operator<pointwise>(linear_pointwise);
  std::optional<c10::TypedOperatorHandle<binary>> with_sum = find_operator<binary>(linear_pointwise, "binary");
  bool fp32 = works(at::kFloat), bf16 = works(at::kBFloat16);

  // A CPU without the instructions refuses: found out once.
  bool works(at::ScalarType type) const {
    if (!with_activation || !with_sum) return false;
    try {
      const auto x = at::ones({2, 16}, type), w = at::ones({16, 16}, type), b = at::ones({16}, type);
      const auto y = with_activation->call(x, w, b, "none", scalars(), std::nullopt);
      return with_sum->call(y, x, w, b, "add").size(1) == 16;
    } catch (const std::exception&) {
      return false;
    }
  }
};

std::atomic<linear_kernel> fp32_linear{linear_kernel::onednn};

// null: LibTorch's own is to be called.
const kernels* usable(const at::Tensor& x) {
  if (!x.device().is_cpu()) return nullptr;
  if (x.scalar_type() == at::kFloat && fp32_linear.load(std::memory_order_relaxed) == linear_kernel::aten)
    return nullptr;
  static const kernels all;
  const bool works = x.scalar_type() == at::kFloat ? all.fp32 : x.scalar_type() == at::kBFloat16 && all.bf16;
  return works ? &all : nullptr;
}

// As operators take it: none where it is undefined.
std::optional<at::Tensor> given(const at::Tensor& bias) { return bias.defined() ? std::optional(bias) : std::nullopt; }

}  // namespace

at::Tensor activated(at::Tensor y, after_linear after) {
  switch (after) {
    case after_linear::nothing: return y;
    case after_linear::gelu: return at::gelu_(y);
    case after_linear::gelu_tanh: return at::gelu_(y, "tanh");
    case after_linear::relu: return at::relu_(y);
    case after_linear::silu: return at::silu_(y);
  }
  return y;
}

void use_fp32_linear(linear_kernel kernel) noexcept { fp32_linear.store(kernel, std::memory_order_relaxed); }

namespace {

at::Tensor whole(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias, after_linear after) {
  const auto* k = usable(x);
  if (k == nullptr) return activated(at::linear(x, weight, given(bias)), after);
  const auto call = [&](std::string_view what, std::optional<std::string_view> algorithm) {
    return k->with_activation->call(x, weight, given(bias), what, scalars(), algorithm);
  };
  switch (after) {
    case after_linear::gelu: return call("gelu", "none");
    case after_linear::gelu_tanh: return call("gelu", "tanh");
    case after_linear::relu: return call("relu", std::nullopt);
    default: return activated(call("none", std::nullopt), after);
  }
}

at::Tensor whole_add(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                     const at::Tensor& residual) {
  if (const auto* k = usable(x)) return k->with_sum->call(x, residual, weight, given(bias), "add");
  return at::linear(x, weight, given(bias)).add_(residual);
}

// Columns of the output that are a block: narrower ones cost the product's kernel too much of its speed, wider ones
// leave a helper that is late nothing to take.
constexpr std::int64_t columns_min = 64, columns_good = 128, columns_unit = 16;
constexpr std::int64_t operations_min = 1 << 20;  // below that a hand-off costs what it gains

}  // namespace

std::uint32_t linear_blocks(std::int64_t rows, std::int64_t in, std::int64_t out) {
  const std::int64_t threads = crew_threads();
  if (threads < 2 || 2 * rows * in * out < operations_min) return 1;
  const auto each = out / (threads * columns_good);  // as many for each thread
  return static_cast<std::uint32_t>(each > 0 ? threads * std::min<std::int64_t>(each, 2)
                                             : std::clamp<std::int64_t>(out / columns_min, 1, threads));
}

namespace {

std::uint32_t blocks_of(const at::Tensor& x, const at::Tensor& weight) {
  return x.device().is_cpu() ? linear_blocks(x.size(0), weight.size(1), weight.size(0)) : 1;
}

at::Tensor part(const at::Tensor& t, std::int64_t dim, const block_range& r) {
  return t.defined() ? t.narrow(dim, r.from, r.size()) : t;
}

// `compute` fills the columns of a block: compute(to, weight's rows, bias' part, columns).
template <class F>
at::Tensor by_columns(std::uint32_t blocks, const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                      F compute) {
  const auto out = weight.size(0);
  auto y = at::empty({x.size(0), out}, x.options());
  for_blocks(blocks, [&](std::uint32_t block) {
    const auto columns = part_of(out, block, blocks, columns_unit);
    auto to = part(y, 1, columns);
    compute(to, part(weight, 0, columns), part(bias, 0, columns), columns);
  });
  return y;
}

at::Tensor in_blocks(std::uint32_t blocks, const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                     const at::Tensor& residual, after_linear after) {
  const bool in_place = usable(x) == nullptr && bias.defined();
  return by_columns(blocks, x, weight, bias,
                    [&](at::Tensor& to, const at::Tensor& w, const at::Tensor& b, const block_range& columns) {
                      const auto r = part(residual, 1, columns);
                      if (in_place) {
                        at::addmm_out(to, b, x, w.t());
                        if (r.defined()) to.add_(r);
                        activated(to, after);
                      } else {
                        to.copy_(r.defined() ? whole_add(x, w, b, r.contiguous()) : whole(x, w, b, after));
                      }
                    });
}

}  // namespace

at::Tensor plain_linear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  const auto blocks = blocks_of(x, weight);
  if (blocks < 2) return at::linear(x, weight, given(bias));
  return by_columns(blocks, x, weight, bias,
                    [&](at::Tensor& to, const at::Tensor& w, const at::Tensor& b, const block_range&) {
                      to.copy_(at::linear(x, w, given(b)));
                    });
}

at::Tensor fused_linear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias, after_linear after) {
  if (const auto blocks = blocks_of(x, weight); blocks > 1) return in_blocks(blocks, x, weight, bias, {}, after);
  return whole(x, weight, bias, after);
}

at::Tensor fused_linear_add(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                            const at::Tensor& residual) {
  if (const auto blocks = blocks_of(x, weight); blocks > 1)
    return in_blocks(blocks, x, weight, bias, residual, after_linear::nothing);
  return whole_add(x, weight, bias, residual);
}

}  // namespace troupe::inference
