#pragma once
// Which of a model's stays in memory is meant.

#include <cstdint>
#include <string>

namespace troupe::actors {

// One stay of a model in memory: its load, what that holds in the ledger, the resident model that came of it, and its
// leaving. A model that is loaded again has another one, and none is ever used twice: what is told late (of a load that
// was called off, a slot of a model that has died) is of nobody who is there now.
enum class lease_id : std::uint64_t { none = 0 };

// Its load, as clients know it: "load_17". Of none: empty.
inline std::string load_id_of(lease_id lease) {
  return lease == lease_id::none ? std::string() : "load_" + std::to_string(static_cast<std::uint64_t>(lease));
}

}  // namespace troupe::actors
