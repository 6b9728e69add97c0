#include "inference/torch/fused_linear.hpp"

#include <atomic>
#include <exception>
#include <optional>
#include <string_view>

#include <ATen/core/List.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/silu.h>

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

at::Tensor fused_linear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias, after_linear after) {
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

at::Tensor fused_linear_add(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                            const at::Tensor& residual) {
  if (const auto* k = usable(x)) return k->with_sum->call(x, residual, weight, given(bias), "add");
  return at::linear(x, weight, given(bias)).add_(residual);
}

}  // namespace troupe::inference
