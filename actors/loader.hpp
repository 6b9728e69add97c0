#pragma once
// Loader and reclaimer: detached actors, the only ones that block. A gentle loader runs in the
// kernel's idle class, so that a load never takes a core from a resident model. The reclaimer does not: it holds
// the address space's lock while it unmaps, and whoever waits for that must not wait for an idle core.

#include "actors/protocol.hpp"

namespace troupe::actors {

enum class pace { normal, gentle };
loader_actor::behavior_type loader(loader_actor::pointer self, inference::load_options options, pace p);

// On a machine whose cores are all taken the idle class gets nothing: a load that has waited long enough is let
// into the normal class. Needs CAP_SYS_NICE; without it nothing happens. Any thread, does not block.
void hurry(const load_order& order);

reclaimer_actor::behavior_type reclaimer(reclaimer_actor::pointer self);

}  // namespace troupe::actors
