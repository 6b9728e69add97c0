#pragma once
// A reply that is given exactly once, on any thread: what every call of the service, and every message that is answered
// later, takes along.

#include <functional>
#include <memory>
#include <utility>

#include "config/error.hpp"

namespace troupe::actors {

// Dropping it unanswered gives a 503 error.
template <class T>
class one_shot {
 public:
  using callback = std::function<void(result<T>)>;
  explicit one_shot(callback f) : f_(std::move(f)) {}
  one_shot(one_shot&& o) noexcept : f_(std::exchange(o.f_, nullptr)) {}
  one_shot& operator=(one_shot&& o) noexcept {
    f_.swap(o.f_);
    return *this;
  }
  ~one_shot() {
    if (f_) give([] { return result<T>(fail(error_code::unavailable, "the request was dropped", {}, 1)); });
  }
  void operator()(result<T> value) {
    if (f_) give([&] { return std::move(value); });
  }

 private:
  // A callback that throws (no memory, most likely) is dropped: it was called on a thread of ours.
  template <class Make>
  void give(Make make) noexcept {
    const auto f = std::exchange(f_, nullptr);
    try {
      f(make());
    } catch (...) {
    }
  }
  callback f_;
};

// As messages carry it: they are copied.
template <class T>
using shared_reply = std::shared_ptr<one_shot<T>>;

}  // namespace troupe::actors
