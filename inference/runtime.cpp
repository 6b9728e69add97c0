#include "inference/runtime.hpp"

#include <dlfcn.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <mutex>
#include <thread>
#include <vector>

#include <ATen/Parallel.h>
#include <ATen/ops/ones.h>
#include <c10/core/InferenceMode.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <torch/version.h>

#include "config/machine.hpp"
#include "inference/files.hpp"
#include "inference/fused_linear.hpp"
#include "inference/tagged_allocator.hpp"
#include "inference/temporary_file.hpp"

namespace troupe::inference {
namespace {

// With fewer cores the threads of one batch share them with everything else in the process, and wait for each other
// (docs/experiments.md, a).
constexpr int lone_cores_min = 4;

// Affinity and the control group's quota considered: a measurement holds for both.
int usable_cores() { return static_cast<int>(config::usable_cores()); }

// The processor's name, and whether it multiplies bf16 natively: together they decide what is fastest.
std::string cpu_model() {
  std::ifstream info("/proc/cpuinfo");
  std::string line, name, flags;
  while (std::getline(info, line) && (name.empty() || flags.empty())) {
    const auto colon = line.find(": ");
    if (colon == line.npos) continue;
    if (line.starts_with("model name")) name = line.substr(colon + 2);
    if (line.starts_with("flags")) flags = line.substr(colon + 2) + ' ';
  }
  for (const char* flag : {"avx2", "avx512f", "avx512_bf16", "amx_bf16"})
    if (flags.find(std::string(flag) + ' ') != flags.npos) name += std::string(" +") + flag;
  return name.empty() ? "unknown" : name;
}

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

int choose_lone_threads(at::ScalarType type) {
  const int cores = usable_cores();
  if (cores < lone_cores_min) return 1;
  return lone_seconds(type, cores, 0.9) < 0.8 * lone_seconds(type, 1, 0.5) ? cores : 1;
}

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    if (static_cast<unsigned char>(c) >= 32) out += c;
  }
  return out;
}

bool read_kept(const std::filesystem::path& file, calibration& c) {
  json_document kept;
  if (file.empty() || !read_json_object(file, 64U << 10U, kept)) return false;
  std::string_view model, version, best;
  std::int64_t slots = 0, threads = 0, lone = 0, cores = 0;
  if (kept.root["cpu_model"].get(model) || model != c.cpu_model ||
      kept.root["torch_version"].get(version) || version != torch_version() ||
      kept.root["cores"].get(cores) || cores != usable_cores() || kept.root["best"].get(best) ||
      kept.root["slots"].get(slots) || kept.root["threads_per_slot"].get(threads) ||
      kept.root["lone_threads"].get(lone) || lone < 1 || lone > 4096 || kept.root["fp32_by_aten"].get(c.fp32_by_aten) ||
      kept.root["fp32_gflops"].get(c.fp32_gflops) || kept.root["bf16_gflops"].get(c.bf16_gflops) ||
      slots < 1 || slots > 4096 || threads < 1 || threads > 4096)
    return false;
  c.best = best == "bf16" ? precision::bf16 : precision::fp32;
  c.slots = static_cast<int>(slots);
  c.threads_per_slot = static_cast<int>(threads);
  c.lone_threads = static_cast<int>(lone);
  return true;
}

void keep(const std::filesystem::path& file, const calibration& c) {
  if (file.empty()) return;
  char numbers[256];
  std::snprintf(
      numbers, sizeof numbers,
      "  \"fp32_by_aten\": %s,\n  \"slots\": %d,\n  \"threads_per_slot\": %d,\n  \"lone_threads\": %d,\n  \"cores\": %d,\n  \"fp32_gflops\": %.2f,\n"
      "  \"bf16_gflops\": %.2f\n}\n",
      c.fp32_by_aten ? "true" : "false", c.slots, c.threads_per_slot, c.lone_threads, usable_cores(), c.fp32_gflops,
      c.bf16_gflops);
  const auto text = "{\n  \"cpu_model\": \"" + escaped(c.cpu_model) + "\",\n  \"torch_version\": \"" +
                    escaped(torch_version()) + "\",\n  \"best\": \"" + (c.best == precision::bf16 ? "bf16" : "fp32") +
                    "\",\n" + numbers;
  // Where it cannot be kept, it is measured again at the next start.
  if (auto out = temporary_file::create(file); out && out->write(0, std::as_bytes(std::span(text))))
    static_cast<void>(out->publish(file));
}

using omp_set_threads = void (*)(int);
omp_set_threads find_omp_set_num_threads() {
  return reinterpret_cast<omp_set_threads>(::dlsym(RTLD_DEFAULT, "omp_set_num_threads"));
}

}  // namespace

void initialise_runtime() {
  static std::once_flag once;
  std::call_once(once, [] {
    install_tagged_allocator();
    // Inter-op threads are never used: batches run on the slots' own threads.
    at::set_num_interop_threads(1);
    set_thread_intra_op_threads(1);
  });
}

void set_thread_intra_op_threads(int threads) {
  // The first parallel region of a thread sets its number of threads to the default: let it do so
  // first.
  static_cast<void>(at::get_num_threads());
  // Not at::set_num_threads: that is the whole process's, and pins MKL's number for this thread too.
  static const auto set = find_omp_set_num_threads();
  if (set != nullptr) set(std::max(1, threads));
}

bool prepare_environment() {
  // Idle OpenMP threads spin for some microseconds and then sleep: sleeping at once loses what a lone
  // batch gains from a second thread, spinning for long takes the core of others (docs/experiments.md,
  // a).
  bool changed = false;
  if (std::getenv("OMP_WAIT_POLICY") == nullptr && std::getenv("GOMP_SPINCOUNT") == nullptr)
    changed = ::setenv("GOMP_SPINCOUNT", "10000", 1) == 0;
  // Prepared products of oneDNN, and those that each thread of LibTorch keeps besides: some 0.2 MB each. An
  // architecture needs about a hundred (bert_network.cpp); the libraries' own limits are 1,024 each.
  for (const auto& [name, value] : {std::pair{"ONEDNN_PRIMITIVE_CACHE_CAPACITY", "512"}, {"LRU_CACHE_CAPACITY", "256"}})
    if (std::getenv(name) == nullptr) changed = ::setenv(name, value, 1) == 0 || changed;
  return changed;
}

namespace {

linear_kernel fp32_kernel_of(const calibration& c) {
  return c.fp32_by_aten ? linear_kernel::aten : linear_kernel::onednn;
}

// oneDNN's, unless the other is clearly faster.
void measure_linears(calibration& c) {
  const double onednn = linear_gflops(at::kFloat, linear_kernel::onednn);
  const double aten = linear_gflops(at::kFloat, linear_kernel::aten);
  c.fp32_by_aten = aten > 1.05 * onednn;
  c.fp32_gflops = std::max(onednn, aten);
  c.bf16_gflops = linear_gflops(at::kBFloat16, fp32_kernel_of(c));
  c.best = c.bf16_gflops > 1.1 * c.fp32_gflops ? precision::bf16 : precision::fp32;
}

}  // namespace

calibration calibrate(const std::filesystem::path& file, bool force) {
  calibration c;
  c.cpu_model = cpu_model();
  if (!force && read_kept(file, c)) {
    use_fp32_linear(fp32_kernel_of(c));
    return c;
  }
  c.measured_now = true;
  c.slots = usable_cores();
  c.threads_per_slot = 1;
  try {
    set_thread_intra_op_threads(1);
    measure_linears(c);
    c.lone_threads = choose_lone_threads(c.best == precision::bf16 ? at::kBFloat16 : at::kFloat);
  } catch (const std::exception&) {
    c.best = precision::fp32;  // not kept: the next start measures again
    c.fp32_by_aten = false;
    use_fp32_linear(linear_kernel::onednn);
    return c;
  }
  keep(file, c);
  return c;
}

std::string torch_version() {
  return std::to_string(TORCH_VERSION_MAJOR) + '.' + std::to_string(TORCH_VERSION_MINOR) + '.' +
         std::to_string(TORCH_VERSION_PATCH);
}

bool cuda_available() {
  // Opened only when a GPU is asked for: its libraries are some GB, and a CPU build has none of them.
  static const bool available = [] {
    if (::dlopen("libtorch_cuda.so", RTLD_NOW | RTLD_GLOBAL) == nullptr) return false;
    const auto* guard =
        c10::impl::device_guard_impl_registry[static_cast<std::size_t>(c10::DeviceType::CUDA)].load();
    return guard != nullptr && guard->deviceCount() > 0;
  }();
  return available;
}

}  // namespace troupe::inference
