#pragma once
// The gateway: turns a parsed request into a job and sends it on its way, on the caller's thread. It owns
// nothing but the routing snapshot's reader side; every thread hand-off here would have to earn its place.

#include "actors/protocol/messages.hpp"
#include "actors/protocol/metrics.hpp"
#include "actors/serving/prepare_pool.hpp"
#include "actors/serving/routing.hpp"

namespace troupe::actors {

// Where a live session lives.
struct live_place {
  resident_ptr home;                    // of a live model
  std::shared_ptr<const ticket> place;  // inside it; a step that is under way keeps it, too
};

class gateway {
 public:
  gateway(const config::settings& settings, std::shared_ptr<routing_snapshot> routes, std::shared_ptr<metrics> meter,
          std::shared_ptr<std::atomic<std::uint32_t>> in_flight, std::shared_ptr<std::atomic<bool>> draining);

  void connect(supervisor_actor supervisor) { supervisor_ = std::move(supervisor); }

  cancel_handle predict(predict_request request, std::unique_ptr<reply_stream> reply);
  // The model's tokenizer alone; the network does not run.
  cancel_handle tokenize(tokenize_request request, one_shot<tokenized_texts> reply);
  cancel_handle decode(decode_request request, one_shot<decoded_texts> reply);
  // A place inside a model that can be fed, which keeps it in memory. An access. Errors as predict's; unprocessable: it
  // cannot be fed.
  cancel_handle enter(std::string model, one_shot<live_place> reply);
  // Requests whose model has been loaded for them; from the supervisor.
  void resume(std::vector<pending_ptr> requests);
  entry_ptr find(std::string_view model) const;
  // It hears while it is fed: as it is in memory, else as its artifact says, which is read. False: unknown.
  bool is_fed(std::string_view model) const;
  std::string default_model() const;  // may be unknown to the registry; empty: none

 private:
  // Null: it is let in.
  std::optional<error> refusal(const predict_request& request, const entry_ptr& entry, std::uint32_t items) const;
  // To the model where it is resident, else to the supervisor. `size_bytes`: what preparing it costs.
  void send_on(const pending_ptr& p, const resident_ptr& home, std::uint64_t size_bytes);
  // `ask` with the model, loaded where it is not; what it finds is the reply. Null: the model is on its way out.
  template <class T>
  cancel_handle visit(std::string model, std::uint64_t size_bytes, bool counts,
                      std::function<std::optional<result<T>>(const resident_ptr&)> ask, one_shot<T> reply);
  // Prepares the inputs and queues the items with `home`, or asks the supervisor when it has gone meanwhile. Any
  // failure, exceptions of the model's code too, is this request's alone.
  void prepare_and_queue(const pending_ptr& p, const resident_ptr& home);
  void prepare_and_enter(const pending_ptr& p, const resident_ptr& home);

  const config::settings& settings_;
  std::shared_ptr<routing_snapshot> routes_;
  std::shared_ptr<metrics> meter_;
  std::shared_ptr<std::atomic<std::uint32_t>> in_flight_;
  std::shared_ptr<std::atomic<bool>> draining_;
  supervisor_actor supervisor_;
  prepare_pool pool_;
};

}  // namespace troupe::actors
