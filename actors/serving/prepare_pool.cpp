#include "actors/serving/prepare_pool.hpp"

#include <pthread.h>
#include <spdlog/spdlog.h>

#include "actors/protocol/foreign_exception.hpp"

namespace troupe::actors {

prepare_pool::prepare_pool(std::uint32_t threads, std::uint32_t max_queue) : max_queue_(max_queue) {
  for (std::uint32_t i = 0; i < threads; ++i) threads_.emplace_back([this] { loop(); });
  for (auto& t : threads_) pthread_setname_np(t.native_handle(), "prepare");
}

prepare_pool::~prepare_pool() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_all();
  for (auto& t : threads_) t.join();
}

bool prepare_pool::submit(work w) {
  {
    const std::lock_guard lock(mutex_);
    if (queue_.size() >= max_queue_) return false;
    queue_.push_back(std::move(w));
  }
  wake_.notify_one();
  return true;
}

void prepare_pool::submit_admitted(work w) {
  {
    const std::lock_guard lock(mutex_);
    queue_.push_back(std::move(w));
  }
  wake_.notify_one();
}

void prepare_pool::loop() {
  for (;;) {
    work next;
    {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [&] { return stop_ || !queue_.empty(); });
      if (stop_) return;
      next = std::move(queue_.front());
      queue_.pop_front();
    }
    try {
      next();
    } catch (...) {
      spdlog::error("preparing a request failed: {}", caught_message());  // its job is dropped, and says so
    }
  }
}

}  // namespace troupe::actors
