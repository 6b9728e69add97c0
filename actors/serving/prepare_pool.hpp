#pragma once
// A few threads with a bounded queue for work whose cost is not: long texts, and requests that waited for a
// load. So a 1 MB text never stalls an I/O thread or an actor. Thread-safe.

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace troupe::actors {

class prepare_pool {
 public:
  using work = std::function<void()>;  // what it throws ends there, and is logged

  prepare_pool(std::uint32_t threads, std::uint32_t max_queue);
  ~prepare_pool();  // drops what waits, finishes what runs

  // False when the queue is full.
  bool submit(work w);
  // For work that was admitted elsewhere and is bounded there.
  void submit_admitted(work w);

 private:
  void loop();
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<work> queue_;
  const std::uint32_t max_queue_;
  bool stop_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace troupe::actors
