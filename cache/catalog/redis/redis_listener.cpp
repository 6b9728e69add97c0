#include <atomic>
#include <mutex>
#include <utility>

#include <spdlog/spdlog.h>

#include "cache/catalog/redis/redis_client.hpp"
#include "cache/catalog/redis/redis_connection.hpp"
#include "cache/catalog/redis/redis_thread.hpp"

namespace troupe::cache {
namespace {

class listener final : public redis_listener, redis_connection::user {
 public:
  listener(redis_options options, std::string channel, std::function<void(std::string)> on_message,
           std::function<void()> on_listening)
      : options_(std::move(options)),
        channel_(std::move(channel)),
        on_message_(std::move(on_message)),
        on_listening_(std::move(on_listening)) {
    asio::post(thread_.loop(), [this] { connection_.start(); });
    thread_.start();
  }
  ~listener() override {
    thread_.stop([this] { connection_.stop(); });
  }

  bool listening() const override { return listening_.load(std::memory_order_acquire); }
  std::string last_error() const override {
    const std::lock_guard held(mutex_);
    return last_error_;
  }

 private:
  enum class standing : std::uint8_t { none, hears, lost, refused };  // as the log has it

  void on_ready() override { say({"SUBSCRIBE", channel_}); }
  void on_quiet() override { say({"PING"}); }
  void on_lost(const error& why) override;
  void on_reply(redis_reply reply) override;

  void say(const std::vector<std::string>& words) {
    outbox out;
    out.add(redis_command(words));
    connection_.send(out);
  }
  void set_error(std::string why) {
    const std::lock_guard held(mutex_);
    last_error_ = std::move(why);
  }

  const redis_options options_;
  const std::string channel_;
  const std::function<void(std::string)> on_message_;
  const std::function<void()> on_listening_;
  std::atomic<bool> listening_ = false;
  mutable std::mutex mutex_;
  std::string last_error_ = "redis: not listening yet";

  standing standing_ = standing::none;  // the loop's own
  bool refused_ = false;                // why it is being lost

  redis_thread thread_;
  redis_connection connection_{thread_.loop(), options_, *this};  // the loop's own
};

void listener::on_lost(const error& why) {
  set_error(why.message);
  listening_.store(false, std::memory_order_release);
  const auto now = std::exchange(refused_, false) ? standing::refused : standing::lost;
  if (std::exchange(standing_, now) != now) spdlog::warn("nothing is heard on {}: {}", channel_, why.message);
}

// ["subscribe", channel, 1], ["message", channel, payload], ["pong", ""]
void listener::on_reply(redis_reply reply) {
  if (const auto* no = reply.failed()) {
    refused_ = true;
    return connection_.lose({error_code::unavailable, "redis: cannot listen: " + no->text, {}, std::nullopt});
  }
  auto* items = reply.items();
  if (items == nullptr || items->size() < 3 || items->front().text() == nullptr) return;
  if (*items->front().text() == "subscribe") {
    set_error({});
    connection_.settled();
    if (std::exchange(standing_, standing::hears) != standing::hears) spdlog::info("redis: listens to {}", channel_);
    listening_.store(true, std::memory_order_release);
    redis_thread::call(on_listening_);
  } else if (auto* payload = (*items)[2].text(); payload != nullptr && *items->front().text() == "message") {
    redis_thread::call(on_message_, std::move(*payload));
  }
}

}  // namespace

std::unique_ptr<redis_listener> redis_listener::make(redis_options options, std::string channel,
                                                     std::function<void(std::string)> on_message,
                                                     std::function<void()> on_listening) {
  return std::make_unique<listener>(std::move(options), std::move(channel), std::move(on_message),
                                    std::move(on_listening));
}

}  // namespace troupe::cache
