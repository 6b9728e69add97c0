#include "inference/torch/memory.hpp"

#include <malloc.h>

#include <cstdlib>
#include <cstring>
#include <new>

#include <c10/core/CPUAllocator.h>

#include "inference/torch/device.hpp"
#include "inference/torch/tagged_allocator.hpp"

namespace troupe::inference {
namespace {

thread_local std::shared_ptr<memory_account> current_account;

// Lies before each allocation. As large as the alignment, so that the tensor's bytes stay aligned.
constexpr std::size_t alignment = 64;
struct alignas(alignment) header {
  std::shared_ptr<memory_account> account;
  std::size_t size_bytes;
};
static_assert(sizeof(header) == alignment);

void release(void* data) noexcept {
  if (data == nullptr) return;
  auto* h = reinterpret_cast<header*>(static_cast<std::byte*>(data) - alignment);
  if (h->account) h->account->release(h->size_bytes + alignment);
  h->~header();
  std::free(h);
}

class tagged_allocator final : public c10::Allocator {
 public:
  c10::DataPtr allocate(std::size_t size_bytes) override {
    const c10::Device device(c10::DeviceType::CPU);
    if (size_bytes == 0) return {nullptr, nullptr, &release, device};
    void* raw = nullptr;
    if (size_bytes > SIZE_MAX - 2 * alignment || ::posix_memalign(&raw, alignment, size_bytes + alignment) != 0)
      throw std::bad_alloc();
    auto* h = new (raw) header{current_account, size_bytes};
    if (h->account) h->account->charge(size_bytes + alignment);
    auto* data = static_cast<std::byte*>(raw) + alignment;
    return {data, data, &release, device};
  }
  c10::DeleterFnPtr raw_deleter() const override { return &release; }
  void copy_data(void* to, const void* from, std::size_t count) const override { std::memcpy(to, from, count); }
};

}  // namespace

account_scope::account_scope(std::shared_ptr<memory_account> account)
    : previous_(std::exchange(current_account, std::move(account))) {}
account_scope::~account_scope() { current_account = std::move(previous_); }

void return_free_memory() {
  empty_device_cache();
  ::malloc_trim(0);
}

std::uint64_t free_heap_bytes() noexcept { return ::mallinfo2().fordblks; }

void install_tagged_allocator() {
  // Fixed, as glibc else raises them with each freed block. Generous, so that a batch does not fault
  // its activations in anew (small ones cost 40 % of the throughput, docs/experiments.md, b); weights
  // are not in the heap, and return_free_memory() trims it.
  ::mallopt(M_MMAP_THRESHOLD, 32 << 20);
  ::mallopt(M_TRIM_THRESHOLD, 256 << 20);
  static tagged_allocator allocator;
  c10::SetCPUAllocator(&allocator, 255);
}

}  // namespace troupe::inference
