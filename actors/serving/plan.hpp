#pragma once
// How much of what waits the next batch takes, so that no core idles while requests wait and no batch is smaller than
// it need be. Pure; decided anew at each grant of a slot (docs/decisions.md, "What a batch takes").

#include <chrono>
#include <cstdint>
#include <vector>

#include "actors/serving/batch_queue.hpp"
#include "actors/serving/batch_time.hpp"

namespace troupe::actors {

// Of one model: what is in its queue, and what its clients are about to send again.
struct waiting_work {
  std::uint64_t items = 0, cost = 0;
};

// The device as the model sees it when it is granted a slot.
struct slot_outlook {
  std::uint32_t busy = 0;  // slots that run a batch now, of any model, the granted one not counted
  // Of every other slot: how long until it is through with its batch and with what comes back from it. 0: idle.
  std::vector<std::chrono::microseconds> free_in;
};

struct batch_plan {
  std::uint64_t cost = 0;      // for this batch; whole items, at least one
  std::uint32_t batches = 1;   // that the waiting work makes, this one counted
  std::chrono::microseconds time{0};  // that this batch is predicted to take; 0: unknown
};

// Water-filling: with r_j the time until slot j is free and a + b x cost the time of a batch, find the level L at which
// the sum over the slots of max(0, L - r_j - a) / b is the waiting cost; the granted slot takes (L - a) / b of it, in
// whole items. Of all numbers of slots the smallest counts whose items are done, on average, within 5 % of the best
// one; a plan with more batches than the last one must be 10 % better, so that it does not flutter.
// `others`: wishes of other models that are served first; each takes the slot that is free soonest.
// `batches_before`: of this model's last plan; 0: none.
// `instances_left`: batches of this model that may start on idle slots now, this one counted.
// REQUIRES waiting.items >= 1, instances_left >= 1. ENSURES
// P1  The batch takes something, and it is counted.
batch_plan plan(const waiting_work& waiting, const slot_outlook& slots, const batch_times& times,
                const batch_limits& limits, std::uint32_t others, std::uint32_t batches_before,
                std::uint32_t instances_left);

}  // namespace troupe::actors
