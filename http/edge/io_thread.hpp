#pragma once
// One I/O thread with its own io_context: a connection lives on one of them all its life, so nothing on it
// needs a lock or a strand. Sweeps its connections for those whose time is up.

#include <atomic>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <thread>
#include <vector>

#include "http/edge/asio.hpp"
#include "http/edge/shared.hpp"

namespace troupe::http::edge {

// What a thread looks at from time to time. All on that thread.
class swept : public std::enable_shared_from_this<swept> {
 public:
  swept() = default;
  virtual ~swept() = default;
  swept(const swept&) = delete;
  swept& operator=(const swept&) = delete;
  virtual void sweep(clock::time_point now) = 0;
  virtual void kill(const char* reason) = 0;  // for the metrics

 private:
  friend class io_thread;
  std::size_t index_ = 0;  // in the thread's list
  bool listed_ = false;
};

// Sockets that are no connection any more, but not closed yet.
class closing {
 public:
  virtual ~closing() = default;
  virtual void close_now() = 0;
};

class io_thread : public std::enable_shared_from_this<io_thread> {
 public:
  explicit io_thread(std::shared_ptr<edge::shared> s);

  void start();
  // Closes what is open, lets the thread end and waits for it. Nothing is posted any more after that.
  void stop();

  asio::io_context& context() { return context_; }
  edge::shared& shared() const { return *shared_; }
  const std::shared_ptr<edge::shared>& shared_handle() const { return shared_; }
  bool here() const;

  // Runs `f` on this thread, later. False: the thread has ended, `f` is left as it was. Any thread.
  template <class F>
  bool post(F&& f) {
    if (!enter()) return false;
    asio::post(context_, std::forward<F>(f));
    leave();
    return true;
  }

  // Runs `f` on this thread after `delay`; dropped when the thread is stopped. Any thread.
  void after(std::chrono::milliseconds delay, std::function<void()> f);

  // Any thread.
  void exchange_begun() { exchanges_.fetch_add(1, std::memory_order_relaxed); }
  void exchange_finished() { exchanges_.fetch_sub(1, std::memory_order_release); }
  std::uint32_t exchanges() const { return exchanges_.load(std::memory_order_acquire); }

  // The rest on this thread. `now` is as fresh as the sweep is frequent.
  clock::time_point now() const { return now_; }
  void add(swept& c);
  void remove(swept& c);
  void add(const std::shared_ptr<closing>& c);
  void remove(const closing& c);
  std::vector<char>& scratch() { return scratch_; }
  bool stopping() const { return stopping_; }

 private:
  bool enter();
  void leave() { gate_.fetch_sub(1, std::memory_order_release); }
  void run();
  void start_timer(std::chrono::milliseconds delay, std::function<void()> f);
  void arm_sweep();
  void sweep();

  std::shared_ptr<edge::shared> shared_;
  asio::io_context context_{1};
  asio::executor_work_guard<executor> work_;
  timer sweep_timer_;
  std::list<timer> timers_of_others_;  // of after()
  bool sweep_armed_ = false, stopping_ = false;
  clock::time_point now_ = clock::now();
  std::vector<swept*> connections_;
  std::vector<std::shared_ptr<closing>> closing_;
  std::vector<char> scratch_;
  std::atomic<std::uint32_t> exchanges_{0};
  // Threads that are posting, and `closed_bit`: the context must not be touched after stop().
  static constexpr std::uint32_t closed_bit = 1u << 31;
  std::atomic<std::uint32_t> gate_{0};
  std::thread thread_;
};

}  // namespace troupe::http::edge
