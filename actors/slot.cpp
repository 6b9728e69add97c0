#include "actors/slot.hpp"

#include <condition_variable>
#include <exception>
#include <thread>

#include <pthread.h>

#include "cache/prediction_cache.hpp"
#include "config/turns.hpp"
#include "inference/runtime.hpp"

namespace troupe::actors {

namespace {

using std::chrono::duration_cast;
using std::chrono::microseconds;

std::atomic<std::uint32_t> abandoned{0};

// Empty on success, else what the model said.
std::string step(inference::instance& instance, std::span<inference::row> rows) {
  try {
    instance.step(rows);
    return {};
  } catch (const std::exception& e) {
    return e.what()[0] == 0 ? "the model threw an exception without a message" : e.what();
  } catch (...) {
    return "the model threw something that is no std::exception";
  }
}

void answer(batch& b, item& it, inference::row& row, std::uint32_t infer_us, std::uint32_t batch_items) {
  auto& entry = *b.owner;
  it.infer_us += infer_us;
  item_result out;
  out.index = it.index;
  out.truncated = it.in->truncated;
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
    if (out.last && !it.cache_key.empty())
      cache::prediction_cache::shared().put(it.cache_key, row.out);
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
    states.push_back(m.open_state(*in));
    auto& row = rows.emplace_back();
    row.in = in.get();
    row.st = states.back().get();
    inputs.push_back(std::move(in));
  }
  return rows;
}

std::string run_rows(inference::instance& instance, std::span<inference::row> rows) {
  auto failure = step(instance, rows);
  for (const auto& row : rows)
    if (failure.empty()) failure = row.problem;
  return failure;
}

void run_batch(batch& b) {
  const auto started = steady_clock::now();
  warm_rows warm;
  std::vector<inference::row> rows;
  std::string failure;
  if (b.warm()) {
    try {
      rows = warm.make(*b.owner->model, *b.bucket);
    } catch (const std::exception& e) {
      failure = std::string("no warm-up input could be made: ") + e.what();
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
    } catch (const std::exception& e) {
      failure = std::string("no instance could be made: ") + e.what();
    }
  }
  if (b.instance && failure.empty()) {
    inference::set_thread_intra_op_threads(static_cast<int>(b.threads));
    failure = b.warm() ? run_rows(*b.instance, rows) : step(*b.instance, rows);
    if (!b.warm() && !failure.empty() && rows.size() > 1 && !b.owner->model->info().stateful) {
      for (auto& row : rows) {
        row.out = {};
        row.problem = step(*b.instance, {&row, 1});
      }
      failure.clear();
    }
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
  std::thread thread;

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
      run_batch(*b);
      {
        const std::lock_guard lock(mutex);
        running = nullptr;
        idle.notify_all();
        if (given_up) {
          abandoned.fetch_sub(1);
          return;
        }
      }
      way->batch_ended();
      f(epoch, std::move(b));
    }
  }
};

class thread_slot : public slot {
 public:
  thread_slot(std::uint32_t index, std::shared_ptr<right_of_way> way) : index_(index), way_(std::move(way)) { start(); }
  ~thread_slot() override {
    std::unique_lock lock(worker_->mutex);
    worker_->quit = true;
    worker_->wake.notify_one();
    if (!worker_->idle.wait_for(lock, last_batch_grace, [&] { return !worker_->running && !worker_->next; }))
      leave_behind();
    lock.unlock();
    if (worker_->thread.joinable()) worker_->thread.join();
  }

  std::uint32_t index() const noexcept override { return index_; }
  std::uint64_t epoch() const noexcept override { return epoch_.load(std::memory_order_acquire); }

  void run(batch_ptr b, finished f) override {
    {
      const std::lock_guard lock(worker_->mutex);
      worker_->next = std::move(b);
      worker_->next_finished = std::move(f);
    }
    worker_->wake.notify_one();
  }

  bool busy() const override {
    const std::lock_guard lock(worker_->mutex);
    return worker_->running || worker_->next;
  }

  batch_ptr replace() override {
    batch_ptr lost;
    {
      const std::lock_guard lock(worker_->mutex);
      worker_->quit = true;
      lost = worker_->running ? worker_->running : std::move(worker_->next);
      if (worker_->running) leave_behind();
    }
    worker_->wake.notify_one();
    if (worker_->thread.joinable()) worker_->thread.join();
    start();
    return lost;
  }

 private:
  static constexpr std::chrono::seconds last_batch_grace{2};

  void leave_behind() {  // with worker_->mutex held
    worker_->given_up = true;
    if (worker_->running) way_->batch_ended();  // nobody waits for it any longer
    abandoned.fetch_add(1);
    worker_->thread.detach();
  }

  void start() {
    epoch_.fetch_add(1, std::memory_order_acq_rel);
    auto w = std::make_shared<worker>(epoch_.load(), way_);
    w->thread = std::thread([w] { w->loop(); });
    pthread_setname_np(w->thread.native_handle(), ("slot-" + std::to_string(index_)).c_str());
    worker_ = std::move(w);
  }

  const std::uint32_t index_;
  const std::shared_ptr<right_of_way> way_;
  std::atomic<std::uint64_t> epoch_{0};
  std::shared_ptr<worker> worker_;  // replaced by the device actor only, which also is the only one to grant
};

}  // namespace

std::vector<slot_ptr> make_thread_slots(std::uint32_t count, std::shared_ptr<right_of_way> way) {
  std::vector<slot_ptr> slots;
  for (std::uint32_t i = 0; i < count; ++i) slots.push_back(std::make_shared<thread_slot>(i, way));
  return slots;
}

std::uint32_t abandoned_threads() noexcept { return abandoned.load(); }
void thread_abandoned() noexcept { abandoned.fetch_add(1); }
void abandoned_thread_ended() noexcept { abandoned.fetch_sub(1); }

}  // namespace troupe::actors
