#include "cache/artifacts/transfer/names.hpp"

#include <netdb.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <utility>

namespace troupe::cache {
namespace {

constexpr auto keep_for = std::chrono::seconds(60);
constexpr std::size_t kept_max = 256;
constexpr std::size_t addresses_max = 16;
constexpr auto patience_at_end = std::chrono::seconds(2);

result<std::vector<std::string>> ask(const resolver& resolve, const std::string& host) {
  try {
    auto found = resolve(host);
    if (found && found->empty()) return fail(error_code::unavailable, host + " has no address");
    if (found && found->size() > addresses_max) found->resize(addresses_max);
    return found;
  } catch (const std::exception& e) {
    return fail(error_code::unavailable, "cannot resolve " + host + ": " + e.what());
  }
}

}  // namespace

struct names::shared {
  std::mutex mutex;
  std::condition_variable changed;
  std::deque<std::string> asked;
  bool stop = false, ended = false;
};

names::names(resolver resolve, loop::poster post)
    : shared_(std::make_shared<shared>()), self_(std::make_shared<names*>(this)) {
  thread_ = std::thread(
      [s = shared_, resolve = std::move(resolve), post = std::move(post), self = std::weak_ptr<names*>(self_)] {
        std::unique_lock held(s->mutex);
        for (;;) {
          s->changed.wait(held, [&] { return s->stop || !s->asked.empty(); });
          if (s->stop) break;
          const auto host = std::move(s->asked.front());
          s->asked.pop_front();
          held.unlock();
          post([self, host, found = ask(resolve, host)] {
            if (const auto us = self.lock()) (*us)->settle(host, found);
          });
          held.lock();
        }
        s->ended = true;
        s->changed.notify_all();
      });
}

names::~names() {
  self_.reset();
  {
    std::unique_lock held(shared_->mutex);
    shared_->stop = true;
    shared_->changed.notify_all();
    if (!shared_->changed.wait_for(held, patience_at_end, [&] { return shared_->ended; })) {
      thread_.detach();
      return;
    }
  }
  thread_.join();
}

void names::find(const std::string& host, told then) {
  if (const auto it = kept_.find(host); it != kept_.end()) {
    if (it->second.until > steady_clock::now()) return then(it->second.addresses);
    kept_.erase(it);
  }
  auto& waiters = waiting_[host];
  waiters.push_back(std::move(then));
  if (waiters.size() > 1) return;
  const std::lock_guard held(shared_->mutex);
  shared_->asked.push_back(host);
  shared_->changed.notify_all();
}

void names::forget(const std::string& host) { kept_.erase(host); }

void names::settle(const std::string& host, const result<std::vector<std::string>>& found) {
  if (found) {
    if (kept_.size() >= kept_max) kept_.clear();
    kept_[host] = {*found, steady_clock::now() + keep_for};
  }
  if (auto waiters = waiting_.extract(host))
    for (auto& then : waiters.mapped()) then(found);
}

resolver system_resolver() {
  return [](const std::string& host) -> result<std::vector<std::string>> {
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_ADDRCONFIG;
    addrinfo* list = nullptr;
    if (const int why = ::getaddrinfo(host.c_str(), nullptr, &hints, &list); why != 0)
      return fail(error_code::unavailable, "cannot resolve " + host + ": " + ::gai_strerror(why));
    std::vector<std::string> out;
    std::array<char, NI_MAXHOST> text{};
    for (const auto* a = list; a != nullptr; a = a->ai_next) {
      if (::getnameinfo(a->ai_addr, a->ai_addrlen, text.data(), text.size(), nullptr, 0, NI_NUMERICHOST) != 0) continue;
      if (std::find(out.begin(), out.end(), text.data()) == out.end()) out.emplace_back(text.data());
    }
    ::freeaddrinfo(list);
    return out;
  };
}

}  // namespace troupe::cache
