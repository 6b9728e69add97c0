#include "actors/sessions/live_stage.hpp"

#include <algorithm>
#include <cassert>
#include <utility>

namespace troupe::actors {

namespace {

// What a step's job answers to.
class step_reply final : public reply_stream {
 public:
  explicit step_reply(std::function<void(item_result&&)> answer) : answer_(std::move(answer)) {}
  void write(item_result&& item) override { answer_(std::move(item)); }
  void end() override {}
  void fail(const error& why) override {
    item_result failed;
    failed.value = tl::unexpected(why);
    answer_(std::move(failed));
  }

 private:
  const std::function<void(item_result&&)> answer_;
};

}  // namespace

live_stage::~live_stage() {
  if (step_) step_->cancel();
}

result<void> live_stage::open(const inference::live_options& options) {
  assert(!is_open());
  auto feeder = model().open_feeder(options);
  if (!feeder) return tl::unexpected(std::move(feeder.error()));
  auto state = model().open_state(options);
  if (!state) return tl::unexpected(std::move(state.error()));
  feeder_ = std::move(*feeder);
  state_ = std::move(*state);
  accepted_ = through_ = 0;
  finished_ = false;
  return {};
}

std::uint64_t live_stage::close() {
  assert(!busy() && "L1");
  feeder_.reset();
  state_.reset();
  return std::exchange(accepted_, 0) - std::exchange(through_, 0);
}

void live_stage::accept(std::span<const float> samples) {
  feeder_->accept(samples);
  accepted_ += samples.size();
}

void live_stage::finish() {
  feeder_->finish();
  finished_ = true;
}

bool live_stage::send(steady_time now, const step_terms& terms) {
  assert(is_open() && !busy() && "L1");
  const auto before = feeder_->waiting_samples();
  auto in = feeder_->next();
  if (!in) return false;
  stepping_ = before - std::min(before, feeder_->waiting_samples());
  auto it = std::make_shared<item>();
  it->in = std::move(in);
  it->state = state_;
  it->place = home_.place;  // though the session be gone before the step is
  due_ = terms.due(through_ + stepping_);
  if (due_ > now) it->due_from = due_;
  step_ = std::make_shared<job>(home().name, 1, config::priority::high, now + terms.timeout,
                                std::make_unique<step_reply>(terms.answer));
  step_->ends = {home_.home->counters, &home_.home->counters->ends};
  it->job = step_;
  home_.home->counters->used_now();
  caf::anon_send(home_.home->actor, enqueue_atom::value, std::make_shared<std::vector<item_ptr>>(1, std::move(it)));
  return true;
}

std::uint64_t live_stage::stepped() {
  assert(busy() && "L1");
  step_.reset();
  through_ += stepping_;
  return std::exchange(stepping_, 0);
}

std::optional<error> live_stage::time_to_leave(steady_time now, std::chrono::milliseconds drain) {
  if (!home().door.is_closed()) return std::nullopt;
  if (!to_leave_by_) to_leave_by_ = now + drain;
  if (now < *to_leave_by_) return std::nullopt;
  return error{error_code::unavailable, "Model " + home().name + " leaves memory",
               "it was unloaded, reloaded or replaced; try again", 1};
}

result<void> check_task(const live_place& place, inference::task what) {
  const auto& tasks = place.home->model->info().tasks;
  if (std::find(tasks.begin(), tasks.end(), what) != tasks.end()) return {};
  return fail(error_code::unprocessable,
              "Model " + place.home->name + " does not do " + std::string(inference::to_string(what)),
              "a streaming model for that is needed");
}

}  // namespace troupe::actors
