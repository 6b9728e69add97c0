#include "actors/serving/slot.hpp"

#include <condition_variable>
#include <system_error>

#include "actors/protocol/foreign_exception.hpp"
#include "actors/serving/abandonable_thread.hpp"
#include "cache/prediction/prediction_cache.hpp"
#include "config/turns.hpp"
#include "inference/torch/thread_share.hpp"

namespace troupe::actors {

namespace {

using std::chrono::duration_cast;
using std::chrono::microseconds;

// Empty on success, else what the model said.
std::string step(inference::instance& instance, std::span<inference::row> rows) {
  try {
    instance.step(rows);
    return {};
  } catch (...) {
    return caught_message();
  }
}

void answer(batch& b, item& it, inference::row& row, std::uint32_t infer_us, std::uint32_t batch_items) {
  auto& entry = *b.owner;
  it.infer_us += infer_us;
  item_result out;
  out.index = it.index;
  out.truncated = it.in->truncated;
  if (entry.model->info().max_length != 0) out.tokens = it.in->cost;
  out.batch_items = batch_items;
  out.timing = {it.prepare_us, it.queue_us, it.infer_us};
  if (!row.problem.empty()) {
    entry.counters->failures.fetch_add(1, std::memory_order_relaxed);
    entry.metrics->failed.Increment();
    row.again = false;
    out.value = fail(error_code::model_failed, "Model " + entry.name + " failed: " + row.problem,
                     "the input may be one that the model cannot take");
  } else {
    if (row.again && std::holds_alternative<std::monostate>(row.out)) return;
    out.last = !row.again;
    if (out.last && !it.cache_key.empty()) cache::prediction_cache::shared().put(it.cache_key, {row.out, out.tokens});
    out.value = std::move(row.out);
  }
  if (!row.again) {
    entry.counters->inferences.fetch_add(1, std::memory_order_relaxed);
    entry.counters->inference_us.fetch_add(it.infer_us, std::memory_order_relaxed);
    entry.metrics->queue_s.Observe(it.queue_us * 1e-6);
    entry.metrics->prepare_s.Observe(it.prepare_us * 1e-6);
    entry.metrics->end_to_end_s.Observe(std::chrono::duration<double>(steady_clock::now() - it.job->created).count());
  }
  it.answered = out.last;
  it.job->write(std::move(out));
}

}  // namespace

std::vector<inference::row> warm_rows::make(const inference::model& m, const inference::warm_bucket& bucket) {
  std::vector<inference::row> rows;
  for (std::uint32_t i = 0; i < bucket.items; ++i) {
    auto in = m.warm_input(bucket);
    if (!in) return {};
    auto state = m.open_state(*in);
    auto& row = rows.emplace_back();
    row.in = in.get();
    row.st = state.get();
    sources_.push_back({std::move(in), std::move(state)});
  }
  return rows;
}

rows_ran run_rows(const inference::model& m, inference::instance& instance, std::span<inference::row> rows) {
  rows_ran ran;
  ran.failure = step(instance, rows);
  if (ran.failure.empty() || rows.size() < 2 || m.info().stateful) return ran;
  ran.failure.clear();
  ran.one_by_one = true;
  for (auto& row : rows) {
    row.out = {};
    row.again = false;
    row.problem.clear();
    if (auto why = step(instance, {&row, 1}); !why.empty()) row.problem = std::move(why);
  }
  return ran;
}

std::string first_failure(const rows_ran& ran, std::span<const inference::row> rows) {
  if (!ran.failure.empty()) return ran.failure;
  const auto bad = std::find_if(rows.begin(), rows.end(), [](const inference::row& r) { return !r.problem.empty(); });
  return bad == rows.end() ? std::string() : bad->problem;
}

void run_batch(batch& b) {
  assert(b.owner && b.warm() == b.items.empty() && "T2");
  const auto started = steady_clock::now();
  warm_rows warm;
  std::vector<inference::row> rows;
  std::string failure;
  if (b.warm()) {
    try {
      rows = warm.make(*b.owner->model, *b.bucket);
    } catch (...) {
      failure = "no warm-up input could be made: " + caught_message();
    }
  } else {
    rows.resize(b.items.size());
    for (std::size_t i = 0; i < rows.size(); ++i) {
      rows[i].in = b.items[i]->in.get();
      rows[i].st = b.items[i]->state.get();
    }
  }
  if (!b.instance && failure.empty()) {
    try {
      b.instance = b.owner->model->make_instance();
    } catch (...) {
      failure = "no instance could be made: " + caught_message();
    }
  }
  if (b.instance && failure.empty()) {
    auto ran = run_rows(*b.owner->model, *b.instance, rows);
    if (ran.one_by_one) b.first_of_shape = true;  // it took as long as several
    failure = b.warm() ? first_failure(ran, rows) : std::move(ran.failure);
  }
  const auto ended = steady_clock::now();
  b.took = duration_cast<microseconds>(ended - started);
  b.failure = failure;
  if (b.warm()) return;

  const auto infer_us = static_cast<std::uint32_t>(b.took.count());
  const auto items = static_cast<std::uint32_t>(rows.size());
  b.owner->metrics->infer_s.Observe(b.took.count() * 1e-6);
  b.owner->metrics->batch_items.Observe(items);
  b.owner->metrics->batch_cost.Observe(static_cast<double>(b.cost));
  std::vector<item_ptr> again;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (!failure.empty()) rows[i].problem = failure;
    auto& it = b.items[i];
    answer(b, *it, rows[i], infer_us, items);
    if (rows[i].again && !it->dead()) again.push_back(std::move(it));
  }
  b.items = std::move(again);
}

void refuse_batch(batch& b, const std::string& why) {
  b.failure = why;
  const auto items = static_cast<std::uint32_t>(b.items.size());
  for (auto& it : b.items) {
    inference::row row;
    row.problem = why;
    answer(b, *it, row, 0, items);
  }
  b.items.clear();
}

namespace {

// What a thread shares with its slot; outlives the slot when the thread hangs.
struct worker {
  worker(std::uint64_t e, std::shared_ptr<right_of_way> w) : epoch(e), way(std::move(w)) {}
  const std::uint64_t epoch;
  const std::shared_ptr<right_of_way> way;
  std::mutex mutex;
  std::condition_variable wake, idle;
  batch_ptr next, running;
  slot::finished next_finished;
  bool quit = false, given_up = false;

  void loop() {
    config::take_usual_turns();  // a replaced thread is started by an actor's
    for (;;) {
      batch_ptr b;
      slot::finished f;
      {
        std::unique_lock lock(mutex);
        wake.wait(lock, [&] { return quit || next; });
        if (!next) return;
        b = std::move(next);
        f = std::move(next_finished);
        running = b;
        way->batch_begins();
      }
      inference::use_threads({static_cast<int>(b->threads), b->wide ? &way->batches() : nullptr});
      run_or_drop(*b);
      {
        const std::lock_guard lock(mutex);
        running = nullptr;
        idle.notify_all();
        if (given_up) return;
      }
      way->batch_ended();
      f(epoch, std::move(b));
    }
  }

  // Beside the model's own exceptions, memory may be short for what is around it.
  static void run_or_drop(batch& b) {
    try {
      run_batch(b);
    } catch (...) {
      b.failure = caught_message();
      b.items.clear();  // what is not answered yet answers 503
    }
  }
};

class thread_slot : public slot {
 public:
  thread_slot(std::uint32_t index, std::shared_ptr<right_of_way> way) : index_(index), way_(std::move(way)) {
    new_worker();
    start();
  }
  ~thread_slot() override {
    bool hangs = false;
    {
      std::unique_lock lock(worker_->mutex);
      worker_->quit = true;
      worker_->wake.notify_one();
      const auto through = [&] { return !worker_->running && (!worker_->next || !thread_.joinable()); };
      hangs = !worker_->idle.wait_for(lock, last_batch_grace, through);
      if (hangs) give_up();
    }
    if (hangs) thread_.leave_behind();
  }

  std::uint32_t index() const noexcept override { return index_; }
  std::uint64_t epoch() const noexcept override { return epoch_.load(std::memory_order_acquire); }

  void run(batch_ptr b, finished f) override {
    const std::lock_guard mine(mutex_);
    if (const auto why = start_if_need_be(); !why.empty()) {
      refuse_batch(*b, why);
      return f(epoch(), std::move(b));
    }
    {
      const std::lock_guard lock(worker_->mutex);
      worker_->next = std::move(b);
      worker_->next_finished = std::move(f);
    }
    worker_->wake.notify_one();
  }

  bool busy() const override {
    const std::lock_guard mine(mutex_);
    const std::lock_guard lock(worker_->mutex);
    return worker_->running || worker_->next;
  }

  batch_ptr replace() override {
    const std::lock_guard mine(mutex_);
    batch_ptr lost;
    bool hangs = false;
    {
      const std::lock_guard lock(worker_->mutex);
      worker_->quit = true;
      hangs = worker_->running != nullptr;
      lost = hangs ? worker_->running : std::move(worker_->next);
      if (hangs) give_up();
    }
    worker_->wake.notify_one();
    if (hangs)
      thread_.leave_behind();
    else
      thread_.join();
    new_worker();
    start_if_need_be();  // else its next batch tries again
    return lost;
  }

 private:
  static constexpr std::chrono::seconds last_batch_grace{2};

  void give_up() {  // with worker_->mutex held
    worker_->given_up = true;
    if (worker_->running) way_->batch_ended();  // nobody waits for it any longer
  }

  void new_worker() {
    epoch_.fetch_add(1, std::memory_order_acq_rel);
    worker_ = std::make_shared<worker>(epoch_.load(), way_);
  }
  void start() {
    thread_ = abandonable_thread("slot-" + std::to_string(index_), [w = worker_] { w->loop(); });
  }
  // Empty, or why there is no thread.
  std::string start_if_need_be() {
    if (thread_.joinable()) return {};
    try {
      start();
      return {};
    } catch (const std::system_error& e) {
      return std::string("no thread can be started for it: ") + e.what();
    }
  }

  const std::uint32_t index_;
  const std::shared_ptr<right_of_way> way_;
  std::atomic<std::uint64_t> epoch_{0};
  mutable std::mutex mutex_;  // of the two below: the device actor replaces them, models give them batches
  std::shared_ptr<worker> worker_;
  abandonable_thread thread_;
};

}  // namespace

std::vector<slot_ptr> make_thread_slots(std::uint32_t count, const std::shared_ptr<right_of_way>& way) {
  std::vector<slot_ptr> slots;
  slots.reserve(count);
  for (std::uint32_t i = 0; i < count; ++i) slots.push_back(std::make_shared<thread_slot>(i, way));
  return slots;
}

}  // namespace troupe::actors
