#pragma once
// The artifact store as commands use it where no server runs. One thread.

#include <atomic>
#include <functional>
#include <memory>

#include "app/cli_outcome.hpp"
#include "app/model_facts.hpp"
#include "app/progress_bar.hpp"
#include "cache/artifacts/pull.hpp"
#include "cache/artifacts/store/store.hpp"
#include "config/registry.hpp"
#include "config/settings.hpp"

namespace troupe::app {

using shared_store = std::shared_ptr<cache::store>;
outcome<shared_store> open_store(const config::settings& settings);

// What the store says, and whether this program can serve it, from its files.
model_facts look_at(const config::settings& settings, const cache::store& store, const cache::manifest& m);

// Fetches into the store; `show` is called some ten times a second meanwhile, on this thread. A model that has the name
// and comes from elsewhere stays: that is a conflict.
outcome<cache::pulled> pull_here(const config::settings& settings, const shared_store& store,
                                 const cache::pull_request& request,
                                 const std::function<void(const progress_view&)>& show,
                                 const std::atomic<bool>* cancelled);

// The registry's entry of a model of the store (config/registered_models.hpp): a server makes and takes out those that
// it finds missing or left over at its start; these do it at once.
outcome<void> enter_in_registry(const config::settings& settings, const config::registry& operators,
                                const std::filesystem::path& folder, const cache::manifest& m);
outcome<void> take_out_of_registry(const config::settings& settings, const std::string& name);

}  // namespace troupe::app
