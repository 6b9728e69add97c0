#pragma once
// What a model holds, and what a load will hold: the terms of the memory ledger.

#include <cstdint>
#include <string>
#include <vector>

namespace troupe::inference {

// Bytes that a loaded model holds. A mapping is shared by all models that map the same file: the ledger
// counts each id once, at its full length.
struct mapping_use {
  std::uint64_t id = 0;  // unique in this process
  std::uint64_t size_bytes = 0;
  std::string file{};  // what is mapped: an estimate of another load of it names it too
};
// What a load will hold when it is done, known before anything of it is read into memory.
struct memory_estimate {
  std::string file;  // that will be mapped, and shared with whoever has mapped it; empty: none
  std::uint64_t mapped_bytes = 0;
  std::uint64_t private_bytes = 0;
  std::uint64_t total_bytes() const noexcept { return mapped_bytes + private_bytes; }
};
struct memory_use {
  std::vector<mapping_use> mappings;
  std::uint64_t private_bytes = 0;  // from the model's account (inference/torch/memory.hpp): exact, live
  std::uint64_t total_bytes() const noexcept {
    std::uint64_t sum = private_bytes;
    for (const auto& m : mappings) sum += m.size_bytes;
    return sum;
  }
};

}  // namespace troupe::inference
