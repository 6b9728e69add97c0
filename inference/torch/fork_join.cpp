#include "inference/torch/fork_join.hpp"

#include <algorithm>
#include <atomic>
#include <cassert>
#include <chrono>
#include <exception>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include <c10/core/InferenceMode.h>

#include "inference/torch/runtime.hpp"
#include "inference/torch/thread_share.hpp"

namespace troupe::inference {
namespace {

constexpr std::chrono::microseconds spin_max{50};

void pause() noexcept {
#if defined(__x86_64__)
  _mm_pause();
#endif
}

// How many helpers a call may have and how many blocks it has, and which is the next that nobody has claimed. In one
// word: who claims a block claims it of the call that it has looked at.
struct call_state {
  std::uint16_t helpers = 0, blocks = 0, next = 0;

  static call_state of(std::uint64_t word) noexcept {
    return {static_cast<std::uint16_t>(word >> 32U), static_cast<std::uint16_t>(word >> 16U),
            static_cast<std::uint16_t>(word)};
  }
  std::uint64_t word() const noexcept {
    return static_cast<std::uint64_t>(helpers) << 32U | static_cast<std::uint64_t>(blocks) << 16U | next;
  }
  bool open() const noexcept { return next < blocks; }
};
constexpr int the_caller = -1;

}  // namespace

class crew {
 public:
  // With one caller at a time, from here until dismiss().
  void begin(const thread_share& share) {
    batches_ = share.batches;
    while (started_ + 1 < share.threads) {
      try {
        std::thread([this, n = started_] { help(n); }).detach();
      } catch (const std::exception&) {
        break;
      }
      ++started_;
    }
    most_ = std::min(started_, share.threads - 1);
    if (size_.exchange(most_) != most_) size_.notify_all();
    state_.store(call_state{static_cast<std::uint16_t>(most_), 0, 0}.word());
    if (alone()) wake();  // they are awake when the first blocks come
  }
  void dismiss() noexcept { state_.store(call_state{}.word()); }
  int threads() const noexcept { return alone() ? most_ + 1 : 1; }

  void run(std::uint32_t blocks, void (*call)(void*, std::uint32_t), void* body) {
    assert(!call_state::of(state_.load()).open() && "F1");
    call_ = call;
    body_ = body;
    done_.store(0, std::memory_order_relaxed);
    const auto helpers = alone() ? most_ : 0;
    state_.store(call_state{static_cast<std::uint16_t>(helpers), static_cast<std::uint16_t>(blocks), 0}.word());
    if (helpers > 0) wake();
    while (take_block(the_caller)) {
    }
    // Only what helpers have begun is left.
    for (int spins = 0; done_.load(std::memory_order_acquire) != blocks; ++spins) {
      if (spins < 2000)
        pause();
      else
        std::this_thread::yield();
    }
    if (failed_.load(std::memory_order_relaxed)) {
      failed_.store(false, std::memory_order_relaxed);
      std::rethrow_exception(std::exchange(failure_, nullptr));
    }
  }

 private:
  // Looked at by the caller, while what it looks at is sure to live; helpers know this object alone.
  bool alone() const noexcept { return batches_ == nullptr || batches_->load(std::memory_order_relaxed) < 2; }

  bool take_block(int who) {
    auto word = state_.load(std::memory_order_acquire);
    for (;;) {
      auto s = call_state::of(word);
      if (!s.open() || who >= s.helpers) return false;
      const auto block = s.next++;
      if (!state_.compare_exchange_weak(word, s.word(), std::memory_order_acq_rel, std::memory_order_acquire)) continue;
      try {
        call_(body_, block);
      } catch (...) {
        if (!failed_.exchange(true, std::memory_order_relaxed)) failure_ = std::current_exception();
      }
      done_.fetch_add(1, std::memory_order_release);  // F2
      return true;
    }
  }

  bool wanted(int helper) const noexcept { return helper < call_state::of(state_.load()).helpers; }

  void wake() noexcept {
    rung_.fetch_add(1);
    if (asleep_.load() != 0) rung_.notify_all();
  }

  void help(int helper) {
    set_thread_intra_op_threads(1);
    const c10::InferenceMode inference;
    for (;;) {
      // Those that this caller has no use for are not woken at its calls.
      for (auto size = size_.load(); size <= helper; size = size_.load()) size_.wait(size);
      const auto heard = rung_.load();
      while (take_block(helper)) {
      }
      const auto until = std::chrono::steady_clock::now() + spin_max;
      while (wanted(helper) && rung_.load(std::memory_order_relaxed) == heard &&
             std::chrono::steady_clock::now() < until)
        for (int i = 0; i < 16; ++i) pause();
      asleep_.fetch_add(1);
      if (rung_.load() == heard && helper < size_.load()) rung_.wait(heard);
      asleep_.fetch_sub(1);
    }
  }

  void (*call_)(void*, std::uint32_t) = nullptr;
  void* body_ = nullptr;
  std::exception_ptr failure_;
  std::atomic<std::uint64_t> state_{0};
  std::atomic<std::uint32_t> done_{0};
  std::atomic<bool> failed_{false};
  std::atomic<std::uint32_t> rung_{0}, asleep_{0};
  std::atomic<int> size_{0};  // helpers that the caller may have
  // The caller's alone:
  const std::atomic<std::uint32_t>* batches_ = nullptr;
  int started_ = 0, most_ = 0;
};

namespace {

// Crews that nobody has: as many as ever were out at once. Never destroyed: their helpers sleep there.
class idle_crews {
 public:
  crew& take() {
    const std::lock_guard lock(mutex_);
    if (idle_.empty()) {
      idle_.reserve(++made_);  // so that each can be given back
      return *new crew;
    }
    auto& one = *idle_.back();
    idle_.pop_back();
    return one;
  }
  void give_back(crew& one) noexcept {
    const std::lock_guard lock(mutex_);
    idle_.push_back(&one);
  }

 private:
  std::mutex mutex_;
  std::vector<crew*> idle_;
  std::size_t made_ = 0;
};
idle_crews& idle() {
  static auto& all = *new idle_crews;
  return all;
}

thread_local crew* current = nullptr;

}  // namespace

crew_scope::crew_scope() {
  const auto& share = threads_in_use();
  if (current != nullptr || share.threads < 2) return;
  mine_ = &idle().take();
  mine_->begin(share);
  current = mine_;
  set_thread_intra_op_threads(1);
}

crew_scope::~crew_scope() {
  if (mine_ == nullptr) return;
  current = nullptr;
  mine_->dismiss();
  idle().give_back(*mine_);
  use_threads(threads_in_use());
}

int crew_threads() noexcept { return current == nullptr ? 1 : current->threads(); }

void detail::run_blocks(std::uint32_t blocks, void (*call)(void*, std::uint32_t), void* body) {
  assert(blocks < 65536);
  auto* const mine = std::exchange(current, nullptr);  // a body's own blocks are its thread's
  struct restored {
    crew* mine;
    ~restored() { current = mine; }
  } const after{mine};
  if (mine != nullptr && blocks > 1) return mine->run(blocks, call, body);
  for (std::uint32_t i = 0; i < blocks; ++i) call(body, i);
}

block_range part_of(std::int64_t n, std::uint32_t block, std::uint32_t blocks, std::int64_t unit) noexcept {
  const auto units = (n + unit - 1) / unit;
  const auto at = [&](std::uint32_t b) { return std::min(n, units * b / blocks * unit); };
  return {at(block), at(block + 1)};
}

}  // namespace troupe::inference
