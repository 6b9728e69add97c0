#pragma once
// Loader and reclaimer: detached actors, the only ones that block. A gentle loader runs in the
// kernel's idle class, so that a load never takes a core from a resident model. The reclaimer does not: it holds
// the address space's lock while it unmaps, and whoever waits for that must not wait for an idle core.

#include "actors/protocol.hpp"

namespace troupe::actors {

// A gentle loader's thread, once it runs: published before it enters the idle class. Null for a normal one.
using gentle_thread = std::shared_ptr<std::atomic<int>>;

loader_actor::behavior_type loader(loader_actor::pointer self, inference::load_options options,
                                   gentle_thread gentle);

// On a machine whose cores are all taken the idle class gets nothing: a load that has waited long enough is let
// into the normal class until it ends. Needs CAP_SYS_NICE; without it nothing happens. Any thread, does not block.
void hurry(const std::atomic<int>& gentle);

reclaimer_actor::behavior_type reclaimer(reclaimer_actor::pointer self);

}  // namespace troupe::actors
