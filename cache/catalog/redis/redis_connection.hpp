#pragma once
// A connection to Redis that is made anew whenever it is lost: name, socket, TLS, AUTH, SELECT, PING; then commands out
// and replies in, and a look at whether the other side still lives. For the loop's thread.

#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <string_view>

#include "cache/catalog/redis/asio.hpp"
#include "cache/catalog/redis/name_lookup.hpp"
#include "cache/catalog/redis/outbox.hpp"
#include "cache/catalog/redis/redis_client.hpp"
#include "cache/catalog/redis/redis_stream.hpp"
#include "cache/catalog/redis/resp_reader.hpp"

namespace troupe::cache {

class redis_connection final : redis_stream::user {
 public:
  class user {
   public:
    virtual void on_ready() = 0;
    // A new attempt follows after a pause. Also called when an attempt has failed. payload_too_large: the reply that
    // was next is; else unavailable.
    virtual void on_lost(const error& why) = 0;
    virtual void on_reply(redis_reply reply) = 0;
    virtual void on_replies_begin() {}  // around those that came together
    virtual void on_replies_end() {}
    virtual void on_quiet() = 0;  // nothing came for half of silence_ms_max: ask something, if nothing is asked

   protected:
    ~user() = default;
  };

  redis_connection(asio::io_context& loop, const redis_options& options, user& u);
  ~redis_connection() { stop(); }

  void start() { attempt(); }
  // Of what `commands` holds; ready only. It is empty then.
  void send(outbox& commands);
  // It does what it is there for: the next pause is the shortest again. Until then each is longer than the one before.
  void settled() { pause_ms_ = options_.retry_min_ms; }
  void lose(const error& why);
  void stop();  // for good, without a word

 private:
  enum class stage : std::uint8_t { resting, opening, greeting, ready, stopped };

  void opened() override;
  void received(std::string_view bytes) override;
  void written() override;
  void broken(std::string why) override;

  void attempt();
  void open(std::vector<asio_endpoint> endpoints);
  void greeted(const redis_reply& reply);
  void watch();
  void after(std::uint64_t ms, void (redis_connection::*then)());
  void not_in_time();
  error about(std::string_view what) const;

  asio::io_context& loop_;
  const redis_options& options_;
  user& user_;
  name_lookup names_;
  asio_timer timer_;
  stage stage_ = stage::resting;
  std::shared_ptr<redis_stream> stream_;
  std::unique_ptr<resp_reader> reader_;
  std::shared_ptr<asio::ssl::context> tls_;
  outbox unsent_;
  bool heard_ = false, asked_ = false;
  std::vector<std::string_view> greeting_;  // whose reply is next is the first
  std::uint64_t attempts_ = 0, timer_round_ = 0, pause_ms_;
  std::minstd_rand random_;
};

}  // namespace troupe::cache
