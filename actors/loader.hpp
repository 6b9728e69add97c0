#pragma once
// Loader and reclaimer: detached actors, the only ones that block. Their threads run at low priority, so that
// a load or a release never takes a core from a resident model.

#include "actors/protocol.hpp"

namespace troupe::actors {

loader_actor::behavior_type loader(loader_actor::pointer self, inference::load_options options);
reclaimer_actor::behavior_type reclaimer(reclaimer_actor::pointer self);

}  // namespace troupe::actors
