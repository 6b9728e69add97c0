#pragma once
// Loader and reclaimer: detached actors, the only ones that block. Each load has a thread of its own
// (watched_load.hpp). A gentle loader's gives way to running batches and runs at nice 10, so that a resident model does
// not feel a load. The reclaimer gives way for a short while only and keeps its priority: it holds the address space's
// lock while it unmaps, and nobody should wait for that longer than need be.

#include "actors/protocol/messages.hpp"
#include "actors/residency/watched_load.hpp"
#include "actors/serving/right_of_way.hpp"

namespace troupe::actors {

// Of a gentle loader. Shared with the supervisor; any thread.
struct gentleness {
  explicit gentleness(std::shared_ptr<right_of_way> w) : way(std::move(w)) {}
  const std::shared_ptr<right_of_way> way;
  std::atomic<int> thread{0};        // the id of its load's thread, while there is one
  std::atomic<bool> hurried{false};  // its last load was; cleared when the next begins
};

// `gentle` is null for a normal one, which is for loads that disturb nobody when they begin.
loader_actor::behavior_type loader(loader_actor::pointer self, inference::load_options options, watch_limits limits,
                                   const std::shared_ptr<right_of_way>& way, std::shared_ptr<gentleness> gentle);

// A load that has waited long enough on a machine whose cores are taken gives way for a moment only at each step, and
// runs at normal priority until it ends (that needs CAP_SYS_NICE; without it the priority stays). Any thread, does
// not block.
void hurry(gentleness& gentle);

// Trims the heap after each model that had much in it, and a second after any other, when no batch has run for a moment
// or half a minute has passed: trimming takes free memory from those that run batches too, who then fault it in again.
// Once no batch has run for a second it also gives back what batches of many lengths left behind.
reclaimer_actor::behavior_type reclaimer(reclaimer_actor::pointer self, const std::shared_ptr<right_of_way>& way);

}  // namespace troupe::actors
