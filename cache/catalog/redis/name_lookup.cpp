#include "cache/catalog/redis/name_lookup.hpp"

#include <pthread.h>

#include <exception>
#include <mutex>
#include <system_error>
#include <thread>

#include "cache/artifacts/transfer/transfers.hpp"

namespace troupe::cache {
namespace {

result<std::vector<std::string>> ask(const redis_resolver& resolve, const std::string& host) {
  try {
    auto found = resolve(host);
    if (found && found->empty()) return fail(error_code::unavailable, host + " has no address");
    return found;
  } catch (const std::exception& e) {
    return fail(error_code::unavailable, "cannot resolve " + host + ": " + e.what());
  }
}

}  // namespace

struct name_lookup::shared : std::enable_shared_from_this<name_lookup::shared> {
  std::mutex mutex;
  asio::io_context* loop = nullptr;  // null: gone
  bool asking = false;
  told then;  // the loop's thread only

  void settle(result<std::vector<std::string>> found) {
    const std::lock_guard held(mutex);
    asking = false;
    if (loop == nullptr) return;
    asio::post(*loop, [self = shared_from_this(), found = std::move(found)]() mutable {
      if (auto call = std::exchange(self->then, nullptr)) call(std::move(found));
    });
  }
};

name_lookup::name_lookup(asio::io_context& loop, redis_resolver resolve)
    : shared_(std::make_shared<shared>()), resolve_(resolve ? std::move(resolve) : system_resolver()) {
  shared_->loop = &loop;
}

name_lookup::~name_lookup() {
  const std::lock_guard held(shared_->mutex);
  shared_->loop = nullptr;
}

void name_lookup::find(const std::string& host, told then) {
  shared_->then = std::move(then);
  {
    const std::lock_guard held(shared_->mutex);
    if (std::exchange(shared_->asking, true)) return;
  }
  try {
    std::thread([s = shared_, resolve = resolve_, host] {
      pthread_setname_np(pthread_self(), "redis names");
      s->settle(ask(resolve, host));
    }).detach();
  } catch (const std::system_error& e) {
    shared_->settle(fail(error_code::unavailable, std::string("no thread to resolve the name of Redis: ") + e.what()));
  }
}

void name_lookup::forget() { shared_->then = nullptr; }

}  // namespace troupe::cache
