#include "http/edge/connection.hpp"

#include <cassert>
#include <vector>

namespace troupe::http::edge {

bool connection::set_watch(watch& w, std::function<void()>& f) {
  std::lock_guard lock(mutex_);
  if (gone_.load(std::memory_order_relaxed)) return false;
  if (w.run)
    w.run = [first = std::move(w.run), second = std::move(f)] {
      first();
      second();
    };
  else
    w.run = std::move(f);
  if (!w.linked) {
    w.linked = true;
    w.previous = nullptr;
    w.next = watches_;
    if (watches_) watches_->previous = &w;
    watches_ = &w;
  }
  return true;
}

std::function<void()> connection::drop_watch(watch& w) {
  std::lock_guard lock(mutex_);
  if (!w.linked) return {};
  w.linked = false;
  (w.previous ? w.previous->next : watches_) = w.next;
  if (w.next) w.next->previous = w.previous;
  return std::move(w.run);
}

void connection::client_left() {
  std::vector<std::function<void()>> told;
  {
    std::lock_guard lock(mutex_);
    gone_.store(true, std::memory_order_release);
    for (auto* w = watches_; w; w = w->next) {
      w->linked = false;
      told.push_back(std::move(w->run));
    }
    watches_ = nullptr;
  }
  for (auto& f : told) f();
}

void connection::finished() {
  assert(in_flight_ > 0);
  thread_->exchange_finished();
  --in_flight_;
  one_answered();
}

}  // namespace troupe::http::edge
