#include "inference/torch/runtime.hpp"

#include <dlfcn.h>

#include <algorithm>
#include <cstdlib>
#include <mutex>

#include <ATen/Parallel.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <torch/version.h>

#include "inference/torch/tagged_allocator.hpp"
#include "inference/torch/thread_share.hpp"

namespace troupe::inference {
namespace {

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

namespace {
thread_local thread_share in_use;
}

void use_threads(const thread_share& share) {
  in_use = share;
  set_thread_intra_op_threads(share.threads);
}

const thread_share& threads_in_use() noexcept { return in_use; }

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

std::string torch_version() {
  return std::to_string(TORCH_VERSION_MAJOR) + '.' + std::to_string(TORCH_VERSION_MINOR) + '.' +
         std::to_string(TORCH_VERSION_PATCH);
}

bool cuda_available() {
  // Opened only when a GPU is asked for: its libraries are some GB, and a CPU build has none of them.
  static const bool available = [] {
    if (::dlopen("libtorch_cuda.so", RTLD_NOW | RTLD_GLOBAL) == nullptr) return false;
    const auto* guard = c10::impl::device_guard_impl_registry[static_cast<std::size_t>(c10::DeviceType::CUDA)].load();
    return guard != nullptr && guard->deviceCount() > 0;
  }();
  return available;
}

}  // namespace troupe::inference
