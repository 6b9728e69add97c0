#include "actors/serving/abandonable_thread.hpp"

#include <atomic>
#include <mutex>
#include <utility>

#include <pthread.h>
#include <spdlog/spdlog.h>

#include "actors/protocol/foreign_exception.hpp"

namespace troupe::actors {

namespace {

std::atomic<std::uint32_t> abandoned{0};

}  // namespace

// Who comes first, the thread's end or its being left behind.
struct abandonable_thread::fate {
  std::mutex mutex;
  bool left_behind = false, ended = false;
};

abandonable_thread::abandonable_thread(const std::string& name, work body) : fate_(std::make_shared<fate>()) {
  thread_ = std::thread([fate = fate_, body = std::move(body)]() mutable {
    try {
      body();
    } catch (...) {
      spdlog::error("a thread's work ended with an exception: {}", caught_message());
    }
    body = nullptr;
    const std::lock_guard lock(fate->mutex);
    fate->ended = true;
    if (fate->left_behind) abandoned.fetch_sub(1);  // last of what is ours: until then nothing may be taken down
  });
  pthread_setname_np(thread_.native_handle(), name.substr(0, 15).c_str());
}

void abandonable_thread::join() {
  if (thread_.joinable()) thread_.join();
}

void abandonable_thread::leave_behind() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(fate_->mutex);
    if (!fate_->ended) {
      fate_->left_behind = true;
      abandoned.fetch_add(1);
      thread_.detach();
      return;
    }
  }
  thread_.join();
}

abandonable_thread& abandonable_thread::operator=(abandonable_thread&& other) noexcept {
  join();
  fate_ = std::move(other.fate_);
  thread_ = std::move(other.thread_);
  return *this;
}

std::uint32_t abandoned_threads() noexcept { return abandoned.load(); }

}  // namespace troupe::actors
