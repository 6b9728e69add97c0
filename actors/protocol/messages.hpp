#pragma once
// Every message and every actor interface, one sentence each. What messages carry are plain structs of the headers
// below, mostly behind shared pointers: nothing is serialised between our actors.

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <caf/all.hpp>

#include "actors/protocol/artifacts.hpp"
#include "actors/protocol/lease.hpp"
#include "actors/protocol/loads.hpp"
#include "actors/protocol/one_shot.hpp"
#include "actors/protocol/pending_request.hpp"
#include "actors/protocol/pulls.hpp"
#include "actors/protocol/registry_update.hpp"
#include "actors/protocol/reports.hpp"
#include "actors/protocol/slots.hpp"

namespace troupe::actors {

struct item;
struct batch;
using item_list_ptr = std::shared_ptr<std::vector<std::shared_ptr<item>>>;
using batch_ptr = std::shared_ptr<batch>;

// -- messages -------------------------------------------------------------------------------------------------

using enqueue_atom = caf::atom_constant<caf::atom("enqueue")>;        // items for a model's queue
using want_atom = caf::atom_constant<caf::atom("want")>;              // a model wants a slot for one batch
using grant_atom = caf::atom_constant<caf::atom("grant")>;            // a model may run one batch on a slot
using decline_atom = caf::atom_constant<caf::atom("decline")>;        // the grant was not needed after all
using narrow_atom = caf::atom_constant<caf::atom("narrow")>;          // a batch leaves the other cores alone after all
using done_atom = caf::atom_constant<caf::atom("done")>;              // a batch has run; its rows are answered
using release_atom = caf::atom_constant<caf::atom("release")>;        // a model gives its slot back
using idle_atom = caf::atom_constant<caf::atom("idle")>;              // a slot's thread is idle again
using hung_atom = caf::atom_constant<caf::atom("hung")>;              // a batch did not come back in time
using forget_atom = caf::atom_constant<caf::atom("forget")>;          // a model is gone: drop its wishes
using warm_atom = caf::atom_constant<caf::atom("warm")>;              // run all warm-up buckets
using priority_atom = caf::atom_constant<caf::atom("priority")>;      // a model's priority changed
using tick_atom = caf::atom_constant<caf::atom("tick")>;              // a timer of the actor's own
using share_atom = caf::atom_constant<caf::atom("share")>;            // a batch has had all cores long enough
using quiet_atom = caf::atom_constant<caf::atom("quiet")>;            // the device, or all, may be quiet now
using estimate_atom = caf::atom_constant<caf::atom("estimate")>;      // how big will the load be
using estimated_atom = caf::atom_constant<caf::atom("estimated")>;    // the answer to it
using load_atom = caf::atom_constant<caf::atom("load")>;              // load a model
using reload_atom = caf::atom_constant<caf::atom("reload")>;          // load a model beside itself
using begin_atom = caf::atom_constant<caf::atom("begin")>;            // begin a load that nobody waits for
using loaded_atom = caf::atom_constant<caf::atom("loaded")>;          // a load ended
using trial_atom = caf::atom_constant<caf::atom("trial")>;            // load a model to measure that, and drop it
using tried_atom = caf::atom_constant<caf::atom("tried")>;            // such a load ended
using optimize_atom = caf::atom_constant<caf::atom("optimize")>;      // write a model's serving-ready copy
using reclaim_atom = caf::atom_constant<caf::atom("reclaim")>;        // free a model's memory
using freed_atom = caf::atom_constant<caf::atom("freed")>;            // a model's memory is back
using emptied_atom = caf::atom_constant<caf::atom("emptied")>;        // nobody is inside a closed gate any more
using miss_atom = caf::atom_constant<caf::atom("miss")>;              // a request for a model that is not resident
using unload_atom = caf::atom_constant<caf::atom("unload")>;          // unload a model
using cleanup_atom = caf::atom_constant<caf::atom("cleanup")>;        // free memory above the threshold
using report_atom = caf::atom_constant<caf::atom("report")>;          // tell everything
using registry_atom = caf::atom_constant<caf::atom("registry")>;      // a new registry is in force
using register_atom = caf::atom_constant<caf::atom("register")>;      // a model is to be registered
using unregister_atom = caf::atom_constant<caf::atom("unregister")>;  // a model is to leave the registry
using failed_atom = caf::atom_constant<caf::atom("failed")>;          // a resident model cannot go on
using pull_atom = caf::atom_constant<caf::atom("pull")>;              // a model is to be fetched
using progress_atom = caf::atom_constant<caf::atom("progress")>;      // how far a fetch is
using fetched_atom = caf::atom_constant<caf::atom("fetched")>;        // a fetch ended
using status_atom = caf::atom_constant<caf::atom("status")>;          // tell of one download
using watch_atom = caf::atom_constant<caf::atom("watch")>;            // tell of one download until it ends
using list_atom = caf::atom_constant<caf::atom("list")>;              // tell what the artifact store has
using find_atom = caf::atom_constant<caf::atom("find")>;              // tell what it has of one name
using remove_atom = caf::atom_constant<caf::atom("remove")>;          // an artifact is to go
using copy_atom = caf::atom_constant<caf::atom("copy")>;              // an artifact gets a second name
using update_atom = caf::atom_constant<caf::atom("update")>;          // fetch an artifact again from where it came
using retry_atom = caf::atom_constant<caf::atom("retry")>;            // start the last download of a name again
using entered_atom = caf::atom_constant<caf::atom("entered")>;        // the registry has an artifact, or has refused it
using left_atom = caf::atom_constant<caf::atom("left")>;              // the registry has let an artifact go, or not
using probe_atom = caf::atom_constant<caf::atom("probe")>;            // look whether an artifact can be served
using use_atom = caf::atom_constant<caf::atom("use")>;                // which models are used
using stop_atom = caf::atom_constant<caf::atom("stop")>;              // end in order

// -- actors ---------------------------------------------------------------------------------------------------

// One per resident model: owns its queue, its instances and its deadlines; forms batches.
using model_actor = caf::typed_actor<
    // Items whose places in the gate are taken; they are answered by their deadline in any case.
    caf::reacts_to<enqueue_atom, item_list_ptr>,
    // The device gives a slot for one batch; the model runs one on it or declines.
    caf::reacts_to<grant_atom, std::shared_ptr<grant>>,
    // A batch of this model has run; rows that want another step are still in it.
    caf::reacts_to<done_atom, batch_ptr>,
    // A batch of this model hangs: the model fails.
    caf::reacts_to<hung_atom, batch_ptr>,
    // Runs every warm-up bucket and answers when done.
    caf::reacts_to<warm_atom, shared_reply<warmup_report>>,
    // The supervisor changed the model's priority.
    caf::reacts_to<priority_atom, config::priority>,
    // Its own timer: deadlines, queue delay, shrinking.
    caf::reacts_to<tick_atom>>;

// One per device: owns the compute slots and gives them to models by priority and wait.
using device_actor = caf::typed_actor<
    // A model wants one slot for one batch.
    caf::reacts_to<want_atom, model_actor, slot_wish>,
    // The granted slot is not needed.
    caf::reacts_to<decline_atom, std::shared_ptr<grant>>,
    // The grant was for all cores; its batch takes the slot's own only.
    caf::reacts_to<narrow_atom, std::shared_ptr<grant>>,
    // The model is through with its slot, and has its next wishes with it.
    caf::reacts_to<release_atom, model_actor, std::shared_ptr<slot_release>>,
    // The slot's thread has run its batch; frees the slot where the model that should release it has died.
    caf::reacts_to<idle_atom, slot_use>,
    // The model is gone.
    caf::reacts_to<forget_atom, lease_id>,
    // Its own timers: slots that hang; the end of a batch's time with all cores; a device that is left alone.
    caf::reacts_to<tick_atom>, caf::reacts_to<share_atom>, caf::reacts_to<quiet_atom>>;

// Few, detached, at low priority: builds models off the hot path.
using loader_actor = caf::typed_actor<
    // Estimates the size from the artifact alone.
    caf::reacts_to<estimate_atom, std::shared_ptr<load_order>, std::function<void(result<size_estimate>)>>,
    // Loads, warms the smallest bucket, and tells.
    caf::reacts_to<load_atom, std::shared_ptr<load_order>, std::function<void(std::shared_ptr<load_outcome>)>>,
    // Loads without and with a serving-ready copy, drops what it loaded, and tells what the copy gains.
    caf::reacts_to<trial_atom, std::shared_ptr<load_order>, std::function<void(std::shared_ptr<trial_outcome>)>>>;

// One, detached: the only place where a model's memory is freed.
using reclaimer_actor = caf::typed_actor<caf::reacts_to<reclaim_atom, std::shared_ptr<reclaim_order>>,
                                         // Trims the heap, for a model that is gone.
                                         caf::reacts_to<tick_atom>,
                                         // Trims it, for batches whose work is done.
                                         caf::reacts_to<quiet_atom>>;

// One: owns the registry of models, the ledger and who is resident. Never blocks, never runs a model.
using supervisor_actor = caf::typed_actor<
    // Joins or starts a load; the request goes on when the model is resident.
    caf::reacts_to<miss_atom, pending_ptr>,
    // Loads by name and answers within the given milliseconds; the load itself goes on.
    caf::reacts_to<load_atom, std::string, std::uint64_t, shared_reply<load_report>>,
    // The same beside what is resident, which serves until its successor is there.
    caf::reacts_to<reload_atom, std::string, std::uint64_t, shared_reply<load_report>>,
    // Begins a load (true: such a one) that goes on without anybody waiting, and answers at once.
    caf::reacts_to<begin_atom, std::string, bool, shared_reply<load_start>>,
    // Unloads by name and answers when the memory is back.
    caf::reacts_to<unload_atom, std::string, shared_reply<unload_report>>,
    // Loads if need be, then runs every bucket.
    caf::reacts_to<warm_atom, std::string, std::uint64_t, shared_reply<warmup_report>>,
    // Writes a model's serving-ready copy, and answers within the given milliseconds what it gains.
    caf::reacts_to<optimize_atom, std::string, std::uint64_t, shared_reply<optimize_report>>,
    // Evicts until memory is below the threshold.
    caf::reacts_to<cleanup_atom, shared_reply<cleanup_report>>,
    // Everything, at one moment.
    caf::reacts_to<report_atom, shared_reply<server_report>>,
    // One model.
    caf::reacts_to<report_atom, std::string, shared_reply<model_report>>,
    // The loader's answers, by lease.
    caf::reacts_to<estimated_atom, lease_id, result<size_estimate>>,
    caf::reacts_to<loaded_atom, lease_id, std::shared_ptr<load_outcome>>,
    caf::reacts_to<tried_atom, lease_id, std::shared_ptr<trial_outcome>>,
    // The memory of a lease is back.
    caf::reacts_to<freed_atom, lease_id>,
    // The gate of a closed model is empty: it may go.
    caf::reacts_to<emptied_atom, lease_id>,
    // A resident model hangs; its actor has quit.
    caf::reacts_to<failed_atom, lease_id, std::string>,
    // A new registry is in force; what changed is reloaded beside the old, what is gone drains.
    caf::reacts_to<registry_atom, std::shared_ptr<registry_update>, shared_reply<std::string>>,
    // Some of its entries have changed; the same for them.
    caf::reacts_to<registry_atom, std::shared_ptr<registry_changes>>,
    // Its own timer: deadlines, TTL, cleanup, back-off.
    caf::reacts_to<tick_atom>,
    // Lets every model go and quits.
    caf::reacts_to<stop_atom>>;

// One, detached: owns the registry's files, and tells the supervisor what they say. A change is on the disk before the
// supervisor hears of it.
using registry_keeper_actor = caf::typed_actor<
    // Registers a model, or changes its entry.
    caf::reacts_to<register_atom, std::shared_ptr<const config::registered_model>, shared_reply<registration_report>>,
    // Takes a model out.
    caf::reacts_to<unregister_atom, std::string, shared_reply<registration_report>>,
    // Reads the files again.
    caf::reacts_to<registry_atom, shared_reply<std::string>>,
    // Its own: does what has been asked since the last time, all at once.
    caf::reacts_to<tick_atom>>;

// One a download, detached: fetches one model into the store, tells how far it is, and quits.
using downloader_actor = caf::typed_actor<caf::reacts_to<pull_atom, std::shared_ptr<pull_order>>>;

// One, detached, as it asks the disk: owns the artifact store and the table of downloads.
using artifact_keeper_actor = caf::typed_actor<
    // What http/ asks: actors/protocol/artifacts.hpp.
    caf::reacts_to<pull_atom, std::shared_ptr<const download_request>, shared_reply<download_report>>,
    caf::reacts_to<status_atom, std::string, shared_reply<download_report>>,
    caf::reacts_to<watch_atom, std::string, download_watcher, shared_reply<download_report>>,
    caf::reacts_to<list_atom, shared_reply<store_report>>,
    caf::reacts_to<find_atom, std::string, shared_reply<artifact_status>>,
    caf::reacts_to<remove_atom, std::string, shared_reply<removal_report>>,
    caf::reacts_to<copy_atom, std::string, std::string, shared_reply<artifact_status>>,
    caf::reacts_to<update_atom, std::string, shared_reply<download_report>>,
    caf::reacts_to<retry_atom, std::string, bool, shared_reply<download_report>>,
    // Of a downloader, by the download's id.
    caf::reacts_to<progress_atom, std::string, std::shared_ptr<const pull_progress>>,
    caf::reacts_to<fetched_atom, std::string, std::shared_ptr<pull_outcome>>,
    // Of the registry keeper: what was fetched is registered; a name has left.
    caf::reacts_to<entered_atom, std::string, result<registration_report>>,
    caf::reacts_to<left_atom, std::string, result<registration_report>>,
    // Of the supervisor: what was fetched is in memory, or why not; which models are used.
    caf::reacts_to<loaded_atom, std::string, result<load_report>>,
    caf::reacts_to<use_atom, std::shared_ptr<const server_report>>,
    // Its own: looks at one more of those that it found at the start; upkeep of the store.
    caf::reacts_to<probe_atom>, caf::reacts_to<tick_atom>,
    // Calls every download off, and quits when their downloaders have.
    caf::reacts_to<stop_atom>>;

}  // namespace troupe::actors

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::actors::item_list_ptr)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::actors::batch_ptr)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::actors::pending_ptr)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::actors::slot_wish)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::actors::slot_use)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::result<troupe::actors::size_estimate>)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(std::shared_ptr<troupe::actors::grant>)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(std::shared_ptr<troupe::actors::slot_release>)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(std::shared_ptr<troupe::actors::load_order>)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(std::shared_ptr<troupe::actors::load_outcome>)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(std::shared_ptr<troupe::actors::trial_outcome>)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(std::function<void(std::shared_ptr<troupe::actors::trial_outcome>)>)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::actors::shared_reply<troupe::actors::optimize_report>)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(std::shared_ptr<troupe::actors::reclaim_order>)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(std::shared_ptr<troupe::actors::registry_update>)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(std::shared_ptr<troupe::actors::registry_changes>)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(std::shared_ptr<const troupe::config::registered_model>)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::actors::shared_reply<troupe::actors::registration_report>)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(std::function<void(troupe::result<troupe::actors::size_estimate>)>)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(std::function<void(std::shared_ptr<troupe::actors::load_outcome>)>)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::actors::shared_reply<troupe::actors::load_report>)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::actors::shared_reply<troupe::actors::load_start>)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::actors::shared_reply<troupe::actors::unload_report>)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::actors::shared_reply<troupe::actors::warmup_report>)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::actors::shared_reply<troupe::actors::cleanup_report>)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::actors::shared_reply<troupe::actors::server_report>)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::actors::shared_reply<troupe::actors::model_report>)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::actors::shared_reply<std::string>)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(std::shared_ptr<troupe::actors::pull_order>)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(std::shared_ptr<const troupe::actors::pull_progress>)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(std::shared_ptr<troupe::actors::pull_outcome>)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(std::shared_ptr<const troupe::actors::download_request>)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(std::shared_ptr<const troupe::actors::server_report>)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::actors::download_watcher)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::result<troupe::actors::registration_report>)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::result<troupe::actors::load_report>)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::actors::shared_reply<troupe::actors::download_report>)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::actors::shared_reply<troupe::actors::store_report>)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::actors::shared_reply<troupe::actors::artifact_status>)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::actors::shared_reply<troupe::actors::removal_report>)
