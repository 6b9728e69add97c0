#include "inference/torch/device.hpp"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <vector>

#include <c10/core/DeviceGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#if __has_include(<c10/core/CachingDeviceAllocator.h>)  // LibTorch 2.9; before, the memory stays with torch
#include <c10/core/CachingDeviceAllocator.h>
#define TROUPE_HAS_DEVICE_ALLOCATOR 1
#endif

#include <dlfcn.h>

#include "inference/torch/runtime.hpp"

namespace troupe::inference {
namespace {

std::atomic<bool> gpu_used{false};

// Streams that no lane uses now. Torch has 32 a GPU and gives them out in turn, and its libraries keep some 32 MiB of
// scratch memory for each that was used: so we use no more than there are lanes at a time.
struct idle_streams {
  std::mutex mutex;
  std::vector<c10::Stream> all;
};
idle_streams& idle() {
  static auto* streams = new idle_streams;  // outlives every lane
  return *streams;
}

}  // namespace

c10::Device torch_device(const std::string& device) {
  c10::Device d(device);
  if (d.is_cuda() && !d.has_index()) d = c10::Device(c10::kCUDA, 0);
  if (d.is_cuda()) gpu_used.store(true, std::memory_order_relaxed);
  return d;
}

void empty_device_cache() {
#ifdef TROUPE_HAS_DEVICE_ALLOCATOR
  if (gpu_used.load(std::memory_order_relaxed)) c10::getDeviceAllocator(c10::kCUDA)->emptyCache();
#endif
}

std::uint64_t device_memory_bytes(const std::string& device) {
  if (!is_gpu(device) || !cuda_available()) return 0;
  // Of the CUDA runtime that libtorch_cuda.so has brought: its headers belong to the toolkit.
  using get_info = int (*)(std::size_t * free, std::size_t * total);
  const auto get = reinterpret_cast<get_info>(::dlsym(RTLD_DEFAULT, "cudaMemGetInfo"));
  std::size_t free = 0, total = 0;
  try {
    const c10::DeviceGuard guard(torch_device(device));
    if (get == nullptr || get(&free, &total) != 0) return 0;
  } catch (const c10::Error&) {
    return 0;  // no such GPU: a load will say so
  }
  return total;
}

std::string essential_line(std::string_view what) {
  const auto start = what.find_first_not_of(" \n");
  if (start == what.npos) return "unknown error";
  auto line = what.substr(start);
  line = line.substr(0, line.find('\n'));
  return std::string(line.substr(0, 500));
}
std::string essential_line(const c10::Error& e) { return essential_line(std::string_view(e.what_without_backtrace())); }

std::unique_ptr<device_lane> make_device_lane(const std::string& device) {
  auto lane = std::make_unique<torch_lane>();
  if (is_gpu(device)) {
    const auto d = torch_device(device);
    const std::lock_guard lock(idle().mutex);
    auto& all = idle().all;
    const auto found = std::find_if(all.begin(), all.end(), [&](const c10::Stream& s) { return s.device() == d; });
    if (found != all.end()) {
      lane->stream = *found;
      all.erase(found);
    } else {
      lane->stream = c10::impl::VirtualGuardImpl(d.type()).getStreamFromGlobalPool(d);
    }
  }
  return lane;
}

torch_lane::~torch_lane() {
  if (!stream) return;
  const std::lock_guard lock(idle().mutex);
  idle().all.push_back(*stream);
}

}  // namespace troupe::inference
