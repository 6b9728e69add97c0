#include "inference/torch/kernel_speed.hpp"

#include <algorithm>
#include <chrono>
#include <thread>
#include <vector>

#include <ATen/ops/full.h>
#include <ATen/ops/ones.h>
#include <c10/core/InferenceMode.h>

#include "config/machine.hpp"
#include "inference/torch/bf16_panel_linear.hpp"
#include "inference/torch/fork_join.hpp"
#include "inference/torch/fused_linear.hpp"
#include "inference/torch/int8_linear.hpp"
#include "inference/torch/panel_linear.hpp"
#include "inference/torch/thread_share.hpp"

namespace troupe::inference {
namespace {

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// The best of a few short runs: what the core does when nobody disturbs it.
template <class F>
double best_seconds(double budget_s, F f) {
  f();
  double best = 1e9;
  const auto begin = std::chrono::steady_clock::now();
  for (int runs = 0; runs < 3 || (runs < 50 && seconds_since(begin) < budget_s); ++runs) {
    const auto start = std::chrono::steady_clock::now();
    f();
    best = std::min(best, seconds_since(start));
    if (seconds_since(begin) > 2 * budget_s) break;
  }
  return best;
}

// A layer's two large products as a network runs them: oneDNN's erf alone can cost a third of the first.
constexpr std::int64_t rows = 64, width = 768, inner = 3072;
constexpr double gigaoperations = 4e-9 * rows * width * inner;

struct layer {
  at::Tensor x, up, up_bias, down, down_bias;
};
layer layer_of(at::ScalarType type) {
  return {at::ones({rows, width}, type), at::full({inner, width}, 1e-3, type), at::ones({inner}, type),
          at::full({width, inner}, 1e-3, type), at::ones({width}, type)};
}
template <class F>
double gflops(F run) {
  return gigaoperations / best_seconds(0.04, run);
}

double linear_gflops(at::ScalarType type, linear_kernel fp32_kernel) {
  use_fp32_linear(fp32_kernel);
  const c10::InferenceMode inference;
  const auto l = layer_of(type);
  return gflops(
      [&] { fused_linear_add(fused_linear(l.x, l.up, l.up_bias, after_linear::gelu), l.down, l.down_bias, l.x); });
}

// How long a short chain of small products takes after a pause, as lone batches come: helpers sleep then.
// The given quantile of several.
double lone_seconds(at::ScalarType type, int threads, double quantile) {
  constexpr std::int64_t tokens = 32;
  const c10::InferenceMode inference;
  use_threads({.threads = threads});
  const bool fp32 = type == at::kFloat, panels = fp32 ? fp32_in_panels() : bf16_in_panels();
  const auto x = at::ones({tokens, width}, type), w = at::ones({width, width}, type), b = at::ones({width}, type);
  std::vector<double> took;
  for (int i = 0; i < 12; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    const auto start = std::chrono::steady_clock::now();
    {
      const crew_scope crew;
      for (int k = 0; k < 12; ++k)
        if (!panels)
          fused_linear(x, w, b);
        else if (fp32)
          panel_linear(x, w, b, {}, after_linear::nothing);
        else
          bf16_panel_linear(x, w, b, {}, after_linear::nothing);
    }
    took.push_back(seconds_since(start));
  }
  use_threads({});
  std::sort(took.begin(), took.end());
  return took[static_cast<std::size_t>(quantile * static_cast<double>(took.size() - 1))];
}

double panels_gflops() {
  if (!has_panel_linear()) return 0;
  const c10::InferenceMode inference;
  const auto l = layer_of(at::kFloat);
  return gflops([&] {
    panel_linear(panel_linear(l.x, l.up, l.up_bias, {}, after_linear::gelu), l.down, l.down_bias, l.x,
                 after_linear::nothing);
  });
}

double bf16_panels_gflops() {
  if (!has_bf16_panel_linear()) return 0;
  const c10::InferenceMode inference;
  const auto l = layer_of(at::kBFloat16);
  return gflops([&] {
    bf16_panel_linear(bf16_panel_linear(l.x, l.up, l.up_bias, {}, after_linear::gelu), l.down, l.down_bias, l.x,
                      after_linear::nothing);
  });
}

// Plain weights are put in order at each call, which costs few rows much and many little; each of both is asked.
bool bf16_panels_are_best() {
  if (!has_bf16_panel_linear()) return false;
  const c10::InferenceMode inference;
  constexpr double budget_s = 0.02;
  const auto gain = [&](std::int64_t tokens) {
    double plain_s = 0, panels_s = 0;
    for (const std::int64_t hidden : {384, 768}) {
      const auto x = at::ones({tokens, hidden}, at::kBFloat16), w = at::full({3 * hidden, hidden}, 1e-3, at::kBFloat16),
                 b = at::ones({3 * hidden}, at::kBFloat16);
      plain_s += best_seconds(budget_s, [&] { fused_linear(x, w, b); }) / static_cast<double>(hidden * hidden);
      panels_s += best_seconds(budget_s, [&] { bf16_panel_linear(x, w, b, {}, after_linear::nothing); }) /
                  static_cast<double>(hidden * hidden);
    }
    return plain_s / panels_s;
  };
  return gain(32) > 1.05 && gain(256) > 0.97;
}

// What comes and goes around the product included: codes of the activations, scales of the sums.
double int8_gflops() {
  if (!has_int8_linear()) return 0;
  const c10::InferenceMode inference;
  const auto l = layer_of(at::kFloat);
  const auto up = pack_int8(at::ones({inner, width}, at::kChar), at::full({inner}, 1e-3)),
             down = pack_int8(at::ones({width, inner}, at::kChar), at::full({width}, 1e-3));
  return gflops([&] {
    int8_linear(int8_linear(l.x, *up, l.up_bias, {}, after_linear::gelu), *down, l.down_bias, l.x,
                after_linear::nothing);
  });
}

}  // namespace

kernel_speeds measure_kernels() {
  kernel_speeds speeds;
  speeds.fp32_aten_gflops = linear_gflops(at::kFloat, linear_kernel::aten);
  speeds.fp32_onednn_gflops = linear_gflops(at::kFloat, linear_kernel::onednn);
  speeds.fp32_panels_gflops = panels_gflops();
  speeds.bf16_gflops = linear_gflops(at::kBFloat16, linear_kernel::onednn);
  speeds.bf16_panels_gflops = bf16_panels_gflops();
  speeds.bf16_panels_are_best = bf16_panels_are_best();
  speeds.int8_gflops = int8_gflops();
  return speeds;
}

void use_fp32_by_aten(bool aten) noexcept { use_fp32_linear(aten ? linear_kernel::aten : linear_kernel::onednn); }

int choose_lone_threads(bool bf16) {
  const int cores = static_cast<int>(config::usable_cores());
  const auto type = bf16 ? at::kBFloat16 : at::kFloat;
  const int most = std::min(cores, lone_threads_max);
  int best = 1;
  auto best_s = cores > 1 ? lone_seconds(type, 1, 0.5) : 0;
  for (int threads = 1; threads < most;) {
    threads = std::min(2 * threads, most);
    if (lone_seconds(type, threads, 0.9) >= 0.9 * best_s) continue;
    best = threads;
    best_s = lone_seconds(type, threads, 0.5);
  }
  return best;
}

}  // namespace troupe::inference
