#pragma once
// What the tests of the Redis client share: a client whose states and answers can be waited for.

#include <gtest/gtest.h>

#include <chrono>
#include <condition_variable>
#include <future>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "cache/catalog/redis/redis_client.hpp"
#include "tests/cache/catalog/eventually.hpp"

namespace troupe::cache {

// Something that happens on another thread.
class happening {
 public:
  void happen() {
    const std::lock_guard held(mutex_);
    ++times_;
    changed_.notify_all();
  }
  bool wait(int times = 1) {
    std::unique_lock held(mutex_);
    return changed_.wait_for(held, patience, [&] { return times_ >= times; });
  }
  int times() {
    const std::lock_guard held(mutex_);
    return times_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  int times_ = 0;
};

// An answer that is not there yet.
template <class T>
class pending {
 public:
  explicit pending(std::future<result<T>> f) : future_(std::move(f)) {}
  result<T> get() {
    if (future_.wait_for(patience) == std::future_status::ready) return future_.get();
    return fail(error_code::internal, "never answered");
  }
  bool is_there() { return future_.wait_for(std::chrono::seconds(0)) == std::future_status::ready; }

 private:
  std::future<result<T>> future_;
};

class asking_client {
 public:
  explicit asking_client(redis_options options) {
    client_ = redis_client::make(std::move(options), [this](redis_state s) {
      if (s == redis_state::ready) {
        if (on_ready) on_ready();
        ready.happen();
      } else {
        down.happen();
      }
    });
  }

  pending<redis_reply> ask(std::vector<std::string> command) {
    auto told = std::make_shared<std::promise<result<redis_reply>>>();
    auto out = told->get_future();
    client_->ask(std::move(command), [told](result<redis_reply> r) { told->set_value(std::move(r)); });
    return pending<redis_reply>(std::move(out));
  }
  pending<std::vector<redis_reply>> ask_all(std::vector<std::vector<std::string>> commands) {
    auto told = std::make_shared<std::promise<result<std::vector<redis_reply>>>>();
    auto out = told->get_future();
    client_->ask_all(std::move(commands),
                     [told](result<std::vector<redis_reply>> r) { told->set_value(std::move(r)); });
    return pending<std::vector<redis_reply>>(std::move(out));
  }
  redis_client& operator*() { return *client_; }
  redis_client* operator->() { return client_.get(); }
  void end() { client_.reset(); }

  happening ready, down;
  std::function<void()> on_ready;  // set before it can happen

 private:
  std::unique_ptr<redis_client> client_;
};

// Patient where time is no matter of the test.
inline redis_options patient(redis_address address) {
  redis_options out;
  out.address = std::move(address);
  out.timeout_ms = 20'000;
  out.connect_timeout_ms = 20'000;
  out.retry_min_ms = 5;
  out.retry_max_ms = 50;
  return out;
}

// The same, and a connection that says nothing for so long is made anew.
inline redis_options wary(redis_address address, std::uint32_t silence_ms_max) {
  auto out = patient(std::move(address));
  out.timeout_ms = silence_ms_max / 5;
  out.silence_ms_max = silence_ms_max;
  return out;
}

// Long enough for several looks at whether the other side lives.
inline bool let_pass(asking_client& client, std::chrono::milliseconds time) {
  happening later;
  client->after(time, [&] { later.happen(); });
  return later.wait();
}

// One word for a reply: "+OK", "-OOM ..", ":1", "$text", "nil", "*2".
inline std::string text_of(const result<redis_reply>& r) {
  if (!r) return "error " + std::string(to_string(r.error().code)) + ": " + r.error().message;
  const auto& v = r->value;
  if (const auto* s = std::get_if<redis_reply::status>(&v)) return '+' + s->text;
  if (const auto* f = std::get_if<redis_reply::failure>(&v)) return '-' + f->text;
  if (const auto* i = std::get_if<std::int64_t>(&v)) return ':' + std::to_string(*i);
  if (const auto* t = std::get_if<std::string>(&v)) return '$' + *t;
  if (const auto* l = std::get_if<redis_reply::list>(&v)) return '*' + std::to_string(l->size());
  return "nil";
}

template <class T>
error_code code_of(const result<T>& r) {
  EXPECT_FALSE(r);
  return r ? error_code::internal : r.error().code;
}

}  // namespace troupe::cache
