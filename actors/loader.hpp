#pragma once
// Loader and reclaimer: detached actors, the only ones that block. A gentle loader runs at
// nice 10, so that a load hardly takes a core from a resident model. The reclaimer does not: it holds the address
// space's lock while it unmaps, and nobody should wait for that longer than need be.

#include "actors/protocol.hpp"

namespace troupe::actors {

// A gentle loader's thread, once it runs: published before it lowers its priority. Null for a normal one.
using gentle_thread = std::shared_ptr<std::atomic<int>>;

loader_actor::behavior_type loader(loader_actor::pointer self, inference::load_options options,
                                   gentle_thread gentle);

// A load that has waited long enough on a machine whose cores are taken runs at normal priority until it ends. Needs CAP_SYS_NICE; without it nothing happens. Any thread, does not block.
void hurry(const std::atomic<int>& gentle);

reclaimer_actor::behavior_type reclaimer(reclaimer_actor::pointer self);

}  // namespace troupe::actors
