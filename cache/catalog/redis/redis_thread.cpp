#include "cache/catalog/redis/redis_thread.hpp"

#include <pthread.h>

#include <exception>

#include <spdlog/spdlog.h>

#include "config/turns.hpp"

namespace troupe::cache {

thread_local const redis_thread* redis_thread::here = nullptr;

void redis_thread::start() {
  thread_ = std::thread([this] {
    pthread_setname_np(pthread_self(), "redis");
    here = this;
    config::take_short_turns();
    while (!loop_.stopped()) call([this] { loop_.run(); });
  });
}

void redis_thread::stop(const std::function<void()>& last) {
  if (!thread_.joinable()) return;
  asio::post(loop_, [&] {
    call(last);
    loop_.stop();
  });
  thread_.join();
}

void redis_thread::complain() noexcept {
  try {
    throw;
  } catch (const std::exception& e) {
    spdlog::error("redis: {}", e.what());
  } catch (...) {
    spdlog::error("redis: an exception of unknown type");
  }
}

}  // namespace troupe::cache
