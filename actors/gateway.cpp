#include "actors/gateway.hpp"

#include "cache/prediction_cache.hpp"

namespace troupe::actors {

namespace {

using std::chrono::duration_cast;
using std::chrono::microseconds;

std::uint64_t size_of(const std::vector<inference::input>& inputs) {
  std::uint64_t bytes = 0;
  for (const auto& in : inputs)
    bytes += std::holds_alternative<std::string>(in) ? std::get<std::string>(in).size()
                                                     : std::get<inference::tensor>(in).data.size();
  return bytes;
}

void touch(model_entry& e, std::uint64_t items, bool resident) {
  e.accesses.fetch_add(items, std::memory_order_relaxed);
  (resident ? e.cache_hits : e.cache_misses).fetch_add(items, std::memory_order_relaxed);
  e.last_used_ns.store(steady_clock::now().time_since_epoch().count(), std::memory_order_relaxed);
  e.last_used_wall_ns.store(duration_cast<std::chrono::nanoseconds>(std::chrono::system_clock::now().time_since_epoch()).count(),
                            std::memory_order_relaxed);
}

}  // namespace

void cancel_handle::operator()() const {
  const auto j = job_.lock();
  if (j && j->cancel() && cancelled_) cancelled_->Increment();
}

gateway::gateway(const config::settings& settings, std::shared_ptr<routing_snapshot> routes, std::shared_ptr<metrics> meter,
                 std::shared_ptr<std::atomic<std::uint32_t>> in_flight, std::shared_ptr<std::atomic<bool>> draining)
    : settings_(settings),
      routes_(std::move(routes)),
      meter_(std::move(meter)),
      in_flight_(std::move(in_flight)),
      draining_(std::move(draining)),
      pool_(std::max(1u, settings.prepare_threads), settings.max_prepare_queue) {}

entry_ptr gateway::find(std::string_view model) const {
  const auto table = routes_->load();
  if (!table) return nullptr;
  const auto found = table->models.find(model);
  return found == table->models.end() ? nullptr : found->second;
}

cancel_handle gateway::predict(predict_request request, std::unique_ptr<reply_stream> reply) {
  if (request.model.empty())
    if (const auto table = routes_->load()) request.model = table->default_model;
  const auto entry = find(request.model);
  const auto timeout_ms = std::min(request.timeout_ms.value_or(settings_.request_timeout_ms), settings_.max_request_timeout_ms);
  const auto registration = entry ? entry->registration.load() : nullptr;
  const auto level = request.priority ? *request.priority : config::priority::medium;
  const auto items = static_cast<std::uint32_t>(request.inputs.size());
  auto p = std::make_shared<pending_request>();
  p->job = std::make_shared<job>(request.model, items, level, steady_clock::now() + std::chrono::milliseconds(timeout_ms),
                                 std::move(reply), in_flight_);
  p->request = std::move(request);
  cancel_handle handle(p->job, {meter_, &meter_->cancelled});

  if (draining_->load(std::memory_order_relaxed)) {
    p->job->fail({error_code::unavailable, "the server is shutting down", "another instance may answer", 1});
  } else if (p->request.model.empty()) {
    p->job->fail({error_code::bad_request, "no model was named and there is no default",
                  "send model_name, or set default_model", {}});
  } else if (!entry) {
    p->job->fail({error_code::model_not_found, "Model " + p->request.model + " not found",
                  "GET /models lists what is registered", {}});
  } else if (items == 0) {
    p->job->fail({error_code::unprocessable, "no input was given", "send text or inputs", {}});
  } else if (in_flight_->load(std::memory_order_relaxed) > settings_.max_in_flight_items) {
    meter_->admission_rejected.Increment();
    p->job->fail({error_code::too_many_requests, "too many requests are in flight",
                  "max_in_flight_items is " + std::to_string(settings_.max_in_flight_items), 1});
  } else {
    const auto home = entry->current.load();
    p->job->resident_at_arrival = home != nullptr;
    touch(*entry, items, home != nullptr);
    if (!home)
      caf::anon_send(supervisor_, miss_atom::value, p);
    else if (size_of(p->request.inputs) <= settings_.prepare_inline_bytes)
      prepare_and_queue(p, home);
    else if (!pool_.submit([this, p, home] { prepare_and_queue(p, home); })) {
      meter_->admission_rejected.Increment();
      p->job->fail({error_code::too_many_requests, "too many long inputs wait to be prepared",
                    "max_prepare_queue is " + std::to_string(settings_.max_prepare_queue), 1});
    }
  }
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

void gateway::prepare_and_queue(const pending_ptr& p, const resident_ptr& home) {
  auto& job = p->job;
  auto& entry = *home->counters;
  const auto& info = home->model->info();
  auto& kept = cache::prediction_cache::shared();
  const bool look_up = kept.enabled() && info.accepts_text && !info.stateful;
  auto list = std::make_shared<std::vector<item_ptr>>();
  list->reserve(p->request.inputs.size());
  job->begin(info);
  auto started = steady_clock::now();
  for (std::size_t n = 0; n < p->request.inputs.size(); ++n) {
    const auto& in = p->request.inputs[n];
    const auto i = p->left.empty() ? static_cast<std::uint32_t>(n) : p->left[n];
    std::string key;
    if (look_up && std::holds_alternative<std::string>(in)) {
      key = cache::prediction_cache::key(home->name, info.version, std::get<std::string>(in));
      if (p->request.use_prediction_cache)
        if (auto found = kept.get(key)) {
          entry.prediction_cache_hits.fetch_add(1, std::memory_order_relaxed);
          item_result hit;
          hit.index = i;
          hit.prediction_cache_hit = true;
          hit.value = std::move(*found);
          job->write(std::move(hit));
          continue;
        }
    }
    auto prepared = home->model->prepare(in);
    const auto ended = steady_clock::now();
    const auto took = static_cast<std::uint32_t>(duration_cast<microseconds>(ended - started).count());
    started = ended;
    if (!prepared) {
      if (job->items == 1) {
        job->fail(prepared.error());
        return;
      }
      item_result bad;
      bad.index = i;
      bad.value = tl::unexpected(prepared.error());
      bad.timing.prepare_us = took;
      job->write(std::move(bad));
      continue;
    }
    auto it = std::make_shared<item>();
    it->job = job;
    it->index = i;
    it->alone = !p->request.batching;
    it->prepare_us = took;
    it->state = home->model->open_state(**prepared);
    if (!(*prepared)->truncated) it->cache_key = std::move(key);
    it->in = std::move(*prepared);
    list->push_back(std::move(it));
  }
  if (list->empty()) return;

  const auto n = static_cast<std::uint32_t>(list->size());
  switch (home->door.try_enter(n, home->limits.max_queue_items)) {
    case gate::entry::full:
      home->metrics->rejected.Increment();
      job->fail({error_code::too_many_requests, "the queue of model " + home->name + " is full",
                 "max_queue_items is " + std::to_string(home->limits.max_queue_items), 1});
      return;
    case gate::entry::closed: return go_as_a_miss(p, *list);
    case gate::entry::entered: break;
  }
  for (auto& it : *list) it->place = std::make_unique<ticket>(home, 1);
  caf::anon_send(home->actor, enqueue_atom::value, std::move(list));
}

// The model left memory just now: what is not answered yet waits for its next load.
void gateway::go_as_a_miss(const pending_ptr& p, const std::vector<item_ptr>& unanswered) {
  std::vector<inference::input> inputs;
  std::vector<std::uint32_t> left;
  std::size_t n = 0;
  for (const auto& it : unanswered) {
    while ((p->left.empty() ? n : p->left[n]) != it->index) ++n;
    inputs.push_back(std::move(p->request.inputs[n]));
    left.push_back(it->index);
    it->answered = true;
  }
  p->request.inputs = std::move(inputs);
  p->left = std::move(left);
  caf::anon_send(supervisor_, miss_atom::value, p);
}

}  // namespace troupe::actors
