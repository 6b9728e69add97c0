// The supervisor's trials: a model is loaded to write its serving-ready copy and to measure what that gains.

#include <spdlog/spdlog.h>

#include "actors/residency/supervisor.hpp"

namespace troupe::actors {

void supervisor_core::optimize(const std::string& model, std::uint64_t wait_ms, shared_reply<optimize_report> reply) {
  const auto found = records_.find(model);
  if (found == records_.end()) return (*reply)(tl::unexpected(unknown(model)));
  auto& r = found->second;
  if (!r.registration->enabled) return (*reply)(tl::unexpected(disabled(model)));
  if (trial_ && trial_->order->model != model)
    return (*reply)(fail(error_code::too_many_requests, "Model " + trial_->order->model + " is being optimized",
                         "one model at a time"));
  waiter<optimize_report> w{std::move(reply), now() + std::chrono::milliseconds(wait_ms)};
  arm(w.due);
  if (!trial_) {
    trial_ = trial{};
    trial_->lease = lease_id{++last_lease_};
    trial_->order = std::make_shared<load_order>();
    trial_->order->model = model;
    trial_->order->spec = inference::spec_of(*r.registration);
    trial_->order->cancelled = std::make_shared<std::atomic<bool>>(false);
    const auto self = caf::actor_cast<supervisor_actor>(self_);
    std::shared_ptr<gentleness> gentle;
    self_->send(pick_loader(gentle), estimate_atom::value, trial_->order,
                std::function<void(result<size_estimate>)>([self, lease = trial_->lease](result<size_estimate> s) {
                  caf::anon_send(self, estimated_atom::value, lease, std::move(s));
                }));
  }
  trial_->waiters.push_back(std::move(w));
}

// Nobody leaves for a measurement: it takes what is free, or does not begin.
void supervisor_core::begin_trial(const result<size_estimate>& size) {
  if (!size) return end_trial(tl::unexpected(size.error()));
  // One load at a time, and of those the one without a copy is the largest: all of it is private.
  inference::memory_estimate needed;
  needed.private_bytes = size->memory.total_bytes();
  refresh_private_bytes();
  if (ledger_.used_bytes() + needed.private_bytes > world_.budget_bytes)
    return end_trial(fail(error_code::insufficient_memory,
                          "no memory to measure model " + trial_->order->model + " beside what is resident",
                          fmt::format("it needs {:.1f} MiB", static_cast<double>(needed.private_bytes) / 1048576.0)));
  ledger_.reserve(trial_->lease, needed);
  const auto self = caf::actor_cast<supervisor_actor>(self_);
  std::shared_ptr<gentleness> gentle;
  self_->send(pick_loader(gentle), trial_atom::value, trial_->order,
              std::function<void(std::shared_ptr<trial_outcome>)>(
                  [self, lease = trial_->lease](std::shared_ptr<trial_outcome> o) {
                    caf::anon_send(self, tried_atom::value, lease, std::move(o));
                  }));
}

void supervisor_core::tried(lease_id lease, const trial_outcome& outcome) {
  if (!trial_ || trial_->lease != lease) return;
  ledger_.release(lease);
  if (outcome)
    spdlog::info(
        "model {} is optimized: first answer after {:.0f} ms without a copy{}", outcome->model,
        outcome->without_copy->first_answer_s * 1e3,
        outcome->with_copy ? fmt::format(", {:.0f} ms with it", outcome->with_copy->first_answer_s * 1e3) : "");
  end_trial(outcome);
  try_memory();
}

void supervisor_core::end_trial(const result<optimize_report>& with) {
  const auto waiters = std::move(trial_->waiters);
  trial_.reset();
  for (const auto& w : waiters) (*w.reply)(with);
}

}  // namespace troupe::actors
