#include "http/edge/io_thread.hpp"

#include <algorithm>
#include <future>

#include <prometheus/gauge.h>
#include <pthread.h>

#include "config/turns.hpp"

namespace troupe::http::edge {
namespace {

constexpr auto stop_limit = std::chrono::seconds(2);
constexpr std::size_t scratch_bytes = 64 * 1024;

thread_local const io_thread* current = nullptr;

}  // namespace

io_thread::io_thread(std::shared_ptr<edge::shared> s)
    : shared_(std::move(s)), work_(asio::make_work_guard(context_)), sweep_timer_(context_), scratch_(scratch_bytes) {}

void io_thread::start() {
  thread_ = std::thread([self = shared_from_this()] { self->run(); });
}

void io_thread::run() {
  pthread_setname_np(pthread_self(), "io");
  config::take_short_turns();
  current = this;
  for (;;) {
    try {
      context_.run();
      break;
    } catch (...) {
      // A handler's exception costs what it was doing, never the thread.
    }
  }
  current = nullptr;
}

void io_thread::stop() {
  if (!thread_.joinable()) return;
  // Promises are shared: the wait is bounded, and the work may outlive it.
  const auto done = std::make_shared<std::promise<void>>();
  asio::post(context_, [this, done] {
    stopping_ = true;
    std::vector<std::shared_ptr<swept>> open;
    open.reserve(connections_.size());
    for (auto* c : connections_) open.push_back(c->shared_from_this());
    for (const auto& c : open) c->kill("shutdown");
    for (const auto lingering = closing_; const auto& c : lingering) c->close_now();
    sweep_timer_.cancel();
    for (auto& t : timers_of_others_) t.cancel();
    work_.reset();
    done->set_value();
  });
  done->get_future().wait();
  gate_.fetch_or(closed_bit, std::memory_order_acq_rel);
  while ((gate_.load(std::memory_order_acquire) & ~closed_bit) != 0) std::this_thread::yield();
  const auto give_up = clock::now() + stop_limit;
  while (!context_.stopped() && clock::now() < give_up) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  context_.stop();
  thread_.join();
  // What was posted meanwhile runs here, so that nothing stays behind in the queue that keeps us alive.
  current = this;
  context_.restart();
  for (;;) {
    try {
      while (context_.poll() > 0) {
      }
      break;
    } catch (...) {
    }
  }
  current = nullptr;
}

bool io_thread::here() const { return current == this; }

bool io_thread::enter() {
  if ((gate_.fetch_add(1, std::memory_order_acquire) & closed_bit) == 0) return true;
  leave();
  return false;
}

void io_thread::after(std::chrono::milliseconds delay, std::function<void()> f) {
  if (here())
    start_timer(delay, std::move(f));
  else
    post([this, delay, f = std::move(f)]() mutable { start_timer(delay, std::move(f)); });
}

void io_thread::start_timer(std::chrono::milliseconds delay, std::function<void()> f) {
  if (stopping_) return;
  const auto t = timers_of_others_.emplace(timers_of_others_.end(), context_);
  t->expires_after(delay);
  t->async_wait([this, t, f = std::move(f)](const asio_error& e) {
    timers_of_others_.erase(t);
    if (!e && !stopping_) f();
  });
}

void io_thread::add(swept& c) {
  c.index_ = connections_.size();
  c.listed_ = true;
  connections_.push_back(&c);
  arm_sweep();
}

void io_thread::remove(swept& c) {
  if (!c.listed_) return;
  c.listed_ = false;
  connections_[c.index_] = connections_.back();
  connections_[c.index_]->index_ = c.index_;
  connections_.pop_back();
}

void io_thread::add(const std::shared_ptr<closing>& c) { closing_.push_back(c); }

void io_thread::remove(const closing& c) {
  std::erase_if(closing_, [&](const auto& each) { return each.get() == &c; });
}

void io_thread::arm_sweep() {
  if (sweep_armed_) return;
  sweep_armed_ = true;
  now_ = clock::now();
  sweep_timer_.expires_after(shared_->sweep_period);
  sweep_timer_.async_wait([this](const asio_error& e) {
    sweep_armed_ = false;
    if (!e) sweep();
  });
}

void io_thread::sweep() {
  now_ = clock::now();
  for (std::size_t i = connections_.size(); i-- > 0;)  // backwards: a killed one may remove itself
    if (i < connections_.size()) connections_[i]->sweep(now_);
  shared_->counts.body_bytes.Set(static_cast<double>(shared_->budget.used_bytes()));
  shared_->counts.exchanges.Set(exchanges());
  if (!connections_.empty()) arm_sweep();
}

}  // namespace troupe::http::edge
