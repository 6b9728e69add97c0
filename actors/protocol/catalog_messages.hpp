#pragma once
// The messages and actors of actors/catalog/, beside messages.hpp.

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <caf/all.hpp>

#include "actors/protocol/catalog.hpp"
#include "actors/protocol/messages.hpp"
#include "cache/catalog/sql/database.hpp"

namespace troupe::actors {

// Something to do with a database connection; blocks. Tells whoever wants to know by itself.
using database_work = std::shared_ptr<const std::function<void(cache::catalog_database&)>>;

// What a reading came to, for the keeper.
struct catalog_reading {
  std::string flight;  // its name in the keeper's table
  cache::cached_value_ptr json;
  std::uint64_t rows = 0;
  bool empty = false;  // as of catalog_answer
  std::optional<error> why;
};

// A sync that is asked for.
using sync_reply = shared_reply<sync_result>;

using ask_atom = caf::atom_constant<caf::atom("ask")>;          // a question that no tier has an answer to
using refresh_atom = caf::atom_constant<caf::atom("refresh")>;  // an answer is past its time
using read_atom = caf::atom_constant<caf::atom("read")>;        // the database has answered
using work_atom = caf::atom_constant<caf::atom("work")>;        // something to do for a connection's thread
using sync_atom = caf::atom_constant<caf::atom("sync")>;        // a provider is to be read
using synced_atom = caf::atom_constant<caf::atom("synced")>;    // it was
using late_atom = caf::atom_constant<caf::atom("late")>;        // who asked for it waits no longer

// A few, detached: each owns a connection to the catalog's database, and does one thing after the other with it.
using catalog_worker_actor = caf::typed_actor<caf::reacts_to<work_atom, database_work>>;

// One: what the database is asked, once a key however many wait for it.
using catalog_keeper_actor = caf::typed_actor<
    // Answers from the database; the answer is cached.
    caf::reacts_to<ask_atom, std::shared_ptr<const catalog_question>, shared_reply<catalog_answer>>,
    // The same, and nobody waits.
    caf::reacts_to<refresh_atom, std::shared_ptr<const catalog_question>>,
    // Of a worker.
    caf::reacts_to<read_atom, std::shared_ptr<const catalog_reading>>,
    // Fills a list that document 004 keeps whole, where Redis lacks it.
    caf::reacts_to<list_atom, cache::cache_kind, std::string>,
    // Of a worker: that is done, by its name; one more than the epoch of which it does not fit, or 0.
    caf::reacts_to<list_atom, std::string, std::uint64_t>,
    // Its own: the start is over.
    caf::reacts_to<warm_atom>>;

// One a provider: when it is read, and who waits for that.
using provider_sync_actor = caf::typed_actor<
    // Now; a second one that comes while the first is under way follows it.
    caf::reacts_to<sync_atom, sync_reply>,
    // Its time has come; after a failure, sooner.
    caf::reacts_to<tick_atom>, caf::reacts_to<retry_atom>,
    // Its own: this one has waited for as long as it can.
    caf::reacts_to<late_atom, sync_reply>,
    // Of the worker.
    caf::reacts_to<synced_atom, std::shared_ptr<const sync_result>>>;

}  // namespace troupe::actors

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::actors::database_work)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(std::shared_ptr<const troupe::actors::catalog_question>)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::actors::shared_reply<troupe::actors::catalog_answer>)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(std::shared_ptr<const troupe::actors::catalog_reading>)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::cache::cache_kind)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::actors::sync_reply)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(std::shared_ptr<const troupe::actors::sync_result>)
