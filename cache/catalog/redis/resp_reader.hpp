#pragma once
// What Redis says, from bytes to redis_reply, by hiredis' reader: each string is made once, in its place. Pure; for one
// thread. Bounds what a peer can make us hold: nothing is reserved because a reply claims to be large.

#include <cstdint>
#include <memory>
#include <string_view>

#include "cache/catalog/redis/redis_client.hpp"
#include "config/error.hpp"

struct redisReader;

namespace troupe::cache {

class resp_reader {
 public:
  // Of one reply: its texts, and sizeof(redis_reply) for each element.
  explicit resp_reader(std::uint64_t reply_bytes_max);
  ~resp_reader();
  resp_reader(resp_reader&&) = delete;

  // `bytes` stay where they are until next() has said false.
  void feed(std::string_view bytes) { rest_ = bytes; }
  // true: `reply` is the next one. false: more bytes are needed. Errors, after which nothing more can be read:
  // payload_too_large; unavailable, where it is not RESP2 (or nested deeper than 7, hiredis' limit).
  result<bool> next(redis_reply& reply);

 private:
  struct building;
  result<void> look_at_unfinished();

  std::unique_ptr<building> building_;
  redisReader* reader_;
  std::string_view rest_;
  std::uint64_t wanted_bytes_ = 0;  // what the reader can use next
};

}  // namespace troupe::cache
