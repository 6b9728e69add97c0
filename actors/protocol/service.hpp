#pragma once
// The front door of the actors: what http/ (and the CLI) may ask. Every call returns at once and may be
// made on any thread; answers come on any thread through the given reply, exactly once.

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "actors/protocol/artifacts.hpp"
#include "actors/protocol/catalog.hpp"
#include "actors/protocol/job.hpp"
#include "actors/protocol/one_shot.hpp"
#include "actors/protocol/reports.hpp"
#include "actors/protocol/sessions.hpp"
#include "config/settings.hpp"

namespace prometheus {
class Counter;
class Registry;
}  // namespace prometheus

namespace troupe::actors {

class recording_service;  // actors/protocol/recordings.hpp
class request_context;    // actors/protocol/request_context.hpp

struct predict_request {
  std::string model;                     // empty: the default model
  std::vector<inference::input> inputs;  // at least one; an item each
  inference::question asked;             // of all of them
  std::optional<config::priority> priority;
  std::optional<std::uint64_t> timeout_ms;
  bool batching = true;              // enable_batching: false runs each item alone
  bool use_prediction_cache = true;  // Cache-Control: no-cache
  // Of a session, whose requests are of one input each. Null: the inputs stand by themselves.
  std::shared_ptr<request_context> context;
};

// Of a model's tokenizer alone.
struct tokenize_request {
  std::string model;               // empty: the default model
  std::vector<std::string> texts;  // at least one
  inference::tokenize_options options;
};
using tokenized_texts = std::vector<std::vector<inference::text_token>>;
struct decode_request {
  std::string model;                           // empty: the default model
  std::vector<std::vector<std::int32_t>> ids;  // at least one list
  bool skip_special = true;
};
using decoded_texts = std::vector<std::string>;

// Cancels the job of one request when its client is gone, and counts it. Cheap to copy, may outlive the job.
class cancel_handle {
 public:
  cancel_handle() = default;
  explicit cancel_handle(std::weak_ptr<job> j, std::shared_ptr<prometheus::Counter> cancelled = nullptr)
      : job_(std::move(j)), cancelled_(std::move(cancelled)) {}
  void operator()() const;

 private:
  std::weak_ptr<job> job_;
  std::shared_ptr<prometheus::Counter> cancelled_;
};

class service {
 public:
  virtual ~service() = default;

  // Validates, admits, prepares and queues. Every failure, too, comes through `reply` (perhaps before this
  // returns): unknown model 404, full queue 429, ..
  virtual cancel_handle predict(predict_request request, std::unique_ptr<reply_stream> reply) = 0;

  // The network does not run: no access and no inference is counted, but the model is used, and loaded where it is not
  // in memory. Errors as predict's; unprocessable: it reads no texts, or cannot read this one (the list fails as a
  // whole).
  virtual cancel_handle tokenize(tokenize_request request, one_shot<tokenized_texts> reply) = 0;
  virtual cancel_handle decode(decode_request request, one_shot<decoded_texts> reply) = 0;

  // `wait_ms` bounds how long the reply waits; the work itself goes on.
  virtual void load(std::string model, std::uint64_t wait_ms, one_shot<load_report> reply) = 0;
  // The same beside what is resident, which serves until its successor is there. A load that is under way will do.
  virtual void reload(std::string model, std::uint64_t wait_ms, one_shot<load_report> reply) = 0;
  // Begins a load (`again`: a reload) or joins the one that is under way, and answers at once.
  virtual void begin_load(std::string model, bool again, one_shot<load_start> reply) = 0;
  virtual void unload(std::string model, one_shot<unload_report> reply) = 0;
  virtual void warmup(std::string model, std::uint64_t wait_ms, one_shot<warmup_report> reply) = 0;
  // Writes the serving-ready copy that the model's next load uses, where there is none, and measures what it gains by
  // loads that serve nobody; what is resident goes on. Errors: model_not_found, conflict (disabled),
  // insufficient_memory (no room beside what is resident), too_many_requests (another one is under way),
  // deadline_exceeded (it goes on), and those of a load.
  virtual void optimize(std::string model, std::uint64_t wait_ms, one_shot<optimize_report> reply) = 0;
  virtual void cleanup(one_shot<cleanup_report> reply) = 0;
  virtual void report(one_shot<server_report> reply) = 0;
  virtual void report_model(std::string model, one_shot<model_report> reply) = 0;

  // Known to the registry? Answered from the routing snapshot.
  virtual bool knows(std::string_view model) const = 0;
  virtual std::string default_model() const = 0;
  // What the registry says of a model, from the routing snapshot; null if it is unknown. Cheap.
  virtual std::shared_ptr<const config::registered_model> registration(std::string_view) const { return nullptr; }
  // What can be asked of a model: all of it while it is in memory, else the registry's word. Empty: not known. Cheap.
  virtual std::vector<inference::task> tasks_of(std::string_view model) const {
    const auto entry = registration(model);
    const auto task = entry ? inference::parse_task(entry->task) : std::nullopt;
    return task ? std::vector{*task} : std::vector<inference::task>();
  }
  // Every registered name in order, until `f` returns false: for "did you mean". From the snapshot.
  virtual void for_each_name(const std::function<bool(const std::string&)>&) const {}

  // Re-reads the registry's files; an error leaves the old one in force.
  virtual void reload_registry(one_shot<std::string> reply) = 0;
  // Registers a model, or changes the entry of one that was registered this way, as a reload with that entry would: it
  // is loaded by whoever asks for it next (at once where it is preloaded); what is resident of its old entry serves
  // until the new one is there. Kept across restarts: the answer comes when it is on the disk and in force. Errors
  // leave all as it was: bad_request (the name, the entry), conflict (it stands in the operator's file;
  // max_registered_models), unavailable (it cannot be kept).
  virtual void register_model(config::registered_model model, one_shot<registration_report> reply) = 0;
  // Takes such a model out again: what waits for it is answered 404, what runs is finished, then it leaves memory.
  // Errors: model_not_found, conflict and unavailable as above.
  virtual void unregister_model(std::string model, one_shot<registration_report> reply) = 0;

  // Downloads, and what the store has. Outlived by the service.
  virtual artifact_service& artifacts() = 0;

  // What models there are anywhere, and what they cost. Outlived by the service.
  virtual catalog_service& catalog() = 0;

  // Live speech. Outlived by the service.
  virtual session_service& sessions() = 0;

  // Whole recordings. Outlived by the service.
  virtual recording_service& recordings() = 0;

  // Refuses new work with 503 from now on; requests in flight go on.
  virtual void begin_drain() = 0;
  virtual std::uint32_t in_flight() const = 0;

  virtual prometheus::Registry& metrics() = 0;
};

}  // namespace troupe::actors
