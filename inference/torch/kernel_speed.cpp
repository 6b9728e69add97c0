#include "inference/torch/kernel_speed.hpp"

#include <algorithm>
#include <chrono>
#include <thread>
#include <vector>

#include <ATen/ops/ones.h>
#include <c10/core/InferenceMode.h>

#include "config/machine.hpp"
#include "inference/torch/fused_linear.hpp"
#include "inference/torch/int8_linear.hpp"
#include "inference/torch/runtime.hpp"

namespace troupe::inference {
namespace {

// With fewer cores the threads of one batch share them with everything else in the process, and wait for each other
// (docs/experiments.md, a).
constexpr int lone_cores_min = 4;

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

double linear_gflops(at::ScalarType type, linear_kernel fp32_kernel) {
  use_fp32_linear(fp32_kernel);
  constexpr std::int64_t rows = 64, in = 768, out = 3072;
  const c10::InferenceMode inference;
  const auto x = at::ones({rows, in}, type), w = at::ones({out, in}, type), b = at::ones({out}, type);
  return 2e-9 * rows * in * out / best_seconds(0.02, [&] { fused_linear(x, w, b); });
}

// How long a short chain of small products takes after a pause, as lone batches come: worker threads sleep then.
// The given quantile of several.
double lone_seconds(at::ScalarType type, int threads, double quantile) {
  constexpr std::int64_t rows = 32, width = 768;
  const c10::InferenceMode inference;
  set_thread_intra_op_threads(threads);
  const auto x = at::ones({rows, width}, type), w = at::ones({width, width}, type), b = at::ones({width}, type);
  std::vector<double> took;
  for (int i = 0; i < 12; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    const auto start = std::chrono::steady_clock::now();
    for (int k = 0; k < 12; ++k) fused_linear(x, w, b);
    took.push_back(seconds_since(start));
  }
  set_thread_intra_op_threads(1);
  std::sort(took.begin(), took.end());
  return took[static_cast<std::size_t>(quantile * static_cast<double>(took.size() - 1))];
}

// What comes and goes around the product included: codes of the activations, scales of the sums.
double int8_gflops() {
  if (!has_int8_linear()) return 0;
  constexpr std::int64_t rows = 64, in = 768, out = 3072;
  const c10::InferenceMode inference;
  const auto x = at::ones({rows, in}), scales = at::ones({out}), bias = at::ones({out});
  const auto w = pack_int8(at::ones({out, in}, at::kChar), scales);
  return 2e-9 * rows * in * out / best_seconds(0.02, [&] { int8_linear(x, *w, bias, {}, after_linear::nothing); });
}

}  // namespace

kernel_speeds measure_kernels() {
  kernel_speeds speeds;
  speeds.fp32_aten_gflops = linear_gflops(at::kFloat, linear_kernel::aten);
  speeds.fp32_onednn_gflops = linear_gflops(at::kFloat, linear_kernel::onednn);
  speeds.bf16_gflops = linear_gflops(at::kBFloat16, linear_kernel::onednn);
  speeds.int8_gflops = int8_gflops();
  return speeds;
}

void use_fp32_by_aten(bool aten) noexcept { use_fp32_linear(aten ? linear_kernel::aten : linear_kernel::onednn); }

int choose_lone_threads(bool bf16) {
  const int cores = static_cast<int>(config::usable_cores());
  const auto type = bf16 ? at::kBFloat16 : at::kFloat;
  if (cores < lone_cores_min) return 1;
  return lone_seconds(type, cores, 0.9) < 0.8 * lone_seconds(type, 1, 0.5) ? cores : 1;
}

}  // namespace troupe::inference
