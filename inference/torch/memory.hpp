#pragma once
// The tagged allocator: every tensor byte allocated while a thread carries an account is charged to
// that account until it is freed, on whatever thread. This is what the memory ledger calls private
// bytes.

#include <cstdint>
#include <memory>

#include "inference/model/memory_account.hpp"

namespace troupe::inference {

// Allocations of this thread are charged to `account` while the scope lives. Nests; not movable.
class account_scope {
 public:
  explicit account_scope(std::shared_ptr<memory_account> account);
  ~account_scope();
  account_scope(const account_scope&) = delete;
  account_scope& operator=(const account_scope&) = delete;

 private:
  std::shared_ptr<memory_account> previous_;
};

// Gives freed pages back to the system (malloc_trim), and a GPU's freed memory to its driver; called after a model
// is gone, and when batches have left much behind. Milliseconds.
void return_free_memory();
// Of the heap, what nobody holds; its pages may be the system's already.
std::uint64_t free_heap_bytes() noexcept;

}  // namespace troupe::inference
