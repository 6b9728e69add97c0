// What bare LibTorch runs a second with nothing around it: threads that run batches one after another, each with
// an OpenMP team of its own, through one of the kernels that a server could take.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "bench/experiments/bare_encoder.hpp"

namespace bare {

/// The kernels that are worth trying for the type, by name.
std::vector<std::pair<std::string, linear_kind>> kernels(at::ScalarType type);

/// How fast the slots were together, and how long one batch took: the median over all slots' batches.
struct throughput {
  double sequences_per_second = 0;
  double batch_ms = 0;
};

/// `lists` has the batches of each slot. Slots that are given the same list take turns in it. Runs for `seconds` and
/// until every slot has finished `least_batches`; what is unfinished then does not count.
throughput run(const encoder& model, const std::vector<const std::vector<batch>*>& lists, int threads_per_slot,
               double seconds, int least_batches);

}  // namespace bare
