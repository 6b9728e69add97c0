#include "actors/serving/gateway.hpp"

#include "actors/protocol/foreign_exception.hpp"
#include "actors/protocol/request_context.hpp"
#include "cache/prediction/prediction_cache.hpp"

namespace troupe::actors {

namespace {

using std::chrono::duration_cast;
using std::chrono::microseconds;

std::uint64_t size_of(const std::vector<inference::input>& inputs) {
  std::uint64_t bytes = 0;
  for (const auto& in : inputs) bytes += inference::size_bytes(in);
  return bytes;
}

}  // namespace

void cancel_handle::operator()() const {
  const auto j = job_.lock();
  if (j && j->cancel() && cancelled_) cancelled_->Increment();
}

gateway::gateway(const config::settings& settings, std::shared_ptr<routing_snapshot> routes,
                 std::shared_ptr<metrics> meter, std::shared_ptr<std::atomic<std::uint32_t>> in_flight,
                 std::shared_ptr<std::atomic<bool>> draining)
    : settings_(settings),
      routes_(std::move(routes)),
      meter_(std::move(meter)),
      in_flight_(std::move(in_flight)),
      draining_(std::move(draining)),
      pool_(std::max(1u, settings.prepare_threads), settings.max_prepare_queue) {}

std::string gateway::default_model() const {
  const auto table = routes_->load();
  return table ? table->default_model : std::string();
}

entry_ptr gateway::find(std::string_view model) const {
  const auto table = routes_->load();
  if (!table) return nullptr;
  const auto found = table->models.find(model);
  return found == table->models.end() ? nullptr : found->second;
}

std::optional<error> gateway::refusal(const predict_request& request, const entry_ptr& entry,
                                      std::uint32_t items) const {
  if (draining_->load(std::memory_order_relaxed)) {
    return error{error_code::unavailable, "the server is shutting down", "another instance may answer", 1};
  }
  if (request.model.empty()) {
    return error{error_code::bad_request,
                 "no model was named and there is no default",
                 "send model_name, or set default_model",
                 {}};
  }
  if (!entry) {
    return error{error_code::model_not_found,
                 "Model " + request.model + " not found",
                 "GET /models lists what is registered",
                 {}};
  }
  if (items == 0) return error{error_code::unprocessable, "no input was given", "send text or inputs", {}};
  if (in_flight_->load(std::memory_order_relaxed) > settings_.max_in_flight_items) {
    meter_->admission_rejected.Increment();
    return error{error_code::too_many_requests, "too many requests are in flight",
                 "max_in_flight_items is " + std::to_string(settings_.max_in_flight_items), 1};
  }
  return std::nullopt;
}

void gateway::send_on(const pending_ptr& p, const resident_ptr& home, std::uint64_t size_bytes) {
  if (!home)
    caf::anon_send(supervisor_, miss_atom::value, p);
  else if (size_bytes <= settings_.prepare_inline_bytes)
    prepare_and_queue(p, home);
  else if (!pool_.submit([this, p, home] { prepare_and_queue(p, home); })) {
    meter_->admission_rejected.Increment();
    p->job->fail({error_code::too_many_requests, "too many long inputs wait to be prepared",
                  "max_prepare_queue is " + std::to_string(settings_.max_prepare_queue), 1});
  }
}

cancel_handle gateway::predict(predict_request request, std::unique_ptr<reply_stream> reply) {
  if (request.model.empty()) request.model = default_model();
  const auto entry = find(request.model);
  const auto timeout_ms =
      std::min(request.timeout_ms.value_or(settings_.request_timeout_ms), settings_.max_request_timeout_ms);
  const auto level = request.priority ? *request.priority : config::priority::medium;
  const auto items = static_cast<std::uint32_t>(request.inputs.size());
  auto p = std::make_shared<pending_request>();
  p->job =
      std::make_shared<job>(request.model, items, level, steady_clock::now() + std::chrono::milliseconds(timeout_ms),
                            std::move(reply), in_flight_);
  p->request = std::move(request);
  cancel_handle handle(p->job, {meter_, &meter_->cancelled});

  if (const auto why = refusal(p->request, entry, items)) {
    p->job->fail(*why);
    return handle;
  }
  const auto home = entry->current.load();
  p->job->resident_at_arrival = home != nullptr;
  p->job->ends = {entry, &entry->ends};
  entry->accessed(items, home != nullptr);
  send_on(p, home, size_of(p->request.inputs));
  return handle;
}

void gateway::resume(std::vector<pending_ptr> requests) {
  for (auto& p : requests)
    pool_.submit_admitted([this, p = std::move(p)] {
      if (p->job->closed()) return;
      const auto entry = find(p->job->model);
      const auto home = entry ? entry->current.load() : nullptr;
      if (home)
        prepare_and_queue(p, home);
      else
        caf::anon_send(supervisor_, miss_atom::value, p);
    });
}

namespace {

// What a request's inputs have become before anybody is told of it.
struct ready_inputs {
  std::shared_ptr<std::vector<item_ptr>> items = std::make_shared<std::vector<item_ptr>>();  // for the model
  std::vector<item_result> answered;  // from the prediction cache, or unusable
};

// Foreign code: what it throws fails this input alone.
result<void> prepare(const inference::model_ptr& model, const predict_request& request, std::size_t i, item& it) {
  try {
    auto prepared = model->prepare(request.inputs[i], request.asked);
    if (!prepared) return tl::unexpected(std::move(prepared.error()));
    it.in = std::move(*prepared);
    if (request.context) it.state = request.context->within(model);
    if (!it.state) it.state = model->open_state(*it.in);
    return {};
  } catch (...) {
    return tl::unexpected(
        caught_error(error_code::model_failed, "Model " + request.model + " could not prepare the input"));
  }
}

// The gate has let all of them in: where memory is short, the places that nobody got go back.
void hand_out_places(const std::vector<item_ptr>& items, const resident_ptr& home) {
  std::size_t given = 0;
  try {
    for (const auto& it : items) {
      it->place = std::make_shared<const ticket>(home, 1);
      ++given;
    }
  } catch (...) {
    const ticket rest(home, static_cast<std::uint32_t>(items.size() - given));
    throw;
  }
}

ready_inputs make_ready(const pending_request& p, const resident& home) {
  ready_inputs out;
  auto& kept = cache::prediction_cache::shared();
  const auto& info = home.model->info();
  const bool keep = kept.enabled() && !info.stateful;
  // Whoever waited for a load is a miss, and has the model run: an answer from the cache is a hit.
  const bool look_up = keep && p.request.use_prediction_cache && p.job->resident_at_arrival;
  auto started = steady_clock::now();
  for (std::size_t i = 0; i < p.request.inputs.size(); ++i) {
    item_result told;
    told.index = static_cast<std::uint32_t>(i);
    std::string key;
    if (keep) key = cache::prediction_cache::key(home.answers_as, p.request.asked, p.request.inputs[i]);
    if (look_up && !key.empty())
      if (auto found = kept.get(key)) {
        told.prediction_cache_hit = true;
        told.value = std::move(found->value);
        told.tokens = found->tokens;
        out.answered.push_back(std::move(told));
        continue;
      }
    auto it = std::make_shared<item>();
    const auto prepared = prepare(home.model, p.request, i, *it);
    const auto ended = steady_clock::now();
    it->prepare_us = told.timing.prepare_us =
        static_cast<std::uint32_t>(duration_cast<microseconds>(ended - started).count());
    started = ended;
    if (!prepared) {
      told.value = tl::unexpected(prepared.error());
      out.answered.push_back(std::move(told));
      continue;
    }
    it->index = told.index;
    it->alone = !p.request.batching;
    if (!it->in->truncated) it->cache_key = std::move(key);
    out.items->push_back(std::move(it));
  }
  return out;
}

}  // namespace

void gateway::prepare_and_queue(const pending_ptr& p, const resident_ptr& home) {
  try {
    if (!p->visit)
      prepare_and_enter(p, home);
    else if (!p->visit(home))
      caf::anon_send(supervisor_, miss_atom::value, p);
  } catch (...) {
    p->job->fail(
        caught_error(error_code::internal, "The request to model " + p->job->model + " failed inside the server"));
  }
}

void gateway::prepare_and_enter(const pending_ptr& p, const resident_ptr& home) {
  auto& job = p->job;
  auto ready = make_ready(*p, *home);
  const auto n = static_cast<std::uint32_t>(ready.items->size());
  if (n != 0) {
    switch (home->door.try_enter(n, home->limits.max_queue_items)) {
      case gate::entry::full:
        home->metrics->rejected.Increment();
        job->fail({error_code::too_many_requests, "the queue of model " + home->name + " is full",
                   "max_queue_items is " + std::to_string(home->limits.max_queue_items), 1});
        return;
      case gate::entry::closed:
        // It left memory just now. Nobody was told anything yet: its successor, or its next load, answers it all.
        caf::anon_send(supervisor_, miss_atom::value, p);
        return;
      case gate::entry::entered: break;
    }
    hand_out_places(*ready.items, home);
    for (auto& it : *ready.items) it->job = job;  // from here on, an item that is dropped says so
  }
  for (const auto& told : ready.answered) {
    if (told.prediction_cache_hit) home->counters->prediction_cache_hits.fetch_add(1, std::memory_order_relaxed);
    if (told.value) continue;
    const auto code = told.value.error().code;
    if (code != error_code::unprocessable && code != error_code::bad_request) {  // not the request's fault
      home->counters->failures.fetch_add(1, std::memory_order_relaxed);
      home->metrics->failed.Increment();
    }
    if (job->items == 1) return void(job->fail(told.value.error()));
  }
  job->begin(home->model->info());
  for (auto& told : ready.answered) job->write(std::move(told));
  if (n != 0) caf::anon_send(home->actor, enqueue_atom::value, std::move(ready.items));
}

}  // namespace troupe::actors
