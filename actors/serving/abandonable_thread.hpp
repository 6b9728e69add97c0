#pragma once
// A thread for work that may never end: foreign code that cannot be interrupted. Whoever has waited long enough leaves
// it behind and goes on without it.

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>

namespace troupe::actors {

// Owned and used by one thread at a time. What the work shares with its owner must be owned by both (a shared_ptr in
// the work's captures): a thread that was left behind outlives its owner.
class abandonable_thread {
 public:
  using work = std::function<void()>;

  abandonable_thread() noexcept = default;  // no thread
  // Starts it, under a name of at most 15 bytes. What `body` throws is logged and ends there. Throws std::system_error
  // when no thread can be had.
  abandonable_thread(const std::string& name, work body);
  ~abandonable_thread() { join(); }  // so leave it behind before, if it may hang
  abandonable_thread(abandonable_thread&&) noexcept = default;
  abandonable_thread& operator=(abandonable_thread&& other) noexcept;  // joins what was there

  bool joinable() const noexcept { return thread_.joinable(); }
  // Waits for its end; nothing if there is none.
  void join();
  // Never waits for the work. From now on the thread counts as abandoned, until its work has returned and all that the
  // work held has been destroyed; one that has come that far already does not.
  void leave_behind();

 private:
  struct fate;
  std::shared_ptr<fate> fate_;
  std::thread thread_;
};

// Threads that were left behind and still hold something. The process must not run static destructors meanwhile.
std::uint32_t abandoned_threads() noexcept;

}  // namespace troupe::actors
