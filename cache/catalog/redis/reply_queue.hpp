#pragma once
// Who waits for a reply, in the order in which Redis gives them. Who has waited too long is answered and leaves its
// place behind: the reply is dropped when it comes, so that nobody else gets it. Pure; for one thread.

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include "cache/catalog/redis/redis_client.hpp"
#include "config/error.hpp"

namespace troupe::cache {

struct waiting_reply {
  struct several {
    redis_client::answers then;
    std::vector<redis_reply> replies;
  };
  redis_client::answer then;      // of one
  std::unique_ptr<several> many;  // of several; neither: nobody wants it any more
  steady_time deadline;
  std::uint64_t bytes = 0;
  std::uint32_t commands = 1, replies_left = 1;

  // Once, by either. Throws what the answer throws.
  void answer(redis_reply reply);
  void answer(error why);
};

class reply_queue {
 public:
  // One time for all: deadlines do not fall from one to the next.
  void add(waiting_reply w) { queue_.push_back(std::move(w)); }
  bool empty() const { return queue_.empty(); }
  // Not empty. Who has all of its replies with this one: to be answered with it.
  std::optional<waiting_reply> take(redis_reply& reply);
  // One who is out of time, to be answered. Its place stays, with `commands` and `bytes` in it.
  std::optional<waiting_reply> take_expired(steady_time now);
  std::optional<waiting_reply> take_first();
  steady_time next_deadline() const { return expired_ < queue_.size() ? queue_[expired_].deadline : no_deadline; }

 private:
  waiting_reply pop();

  std::deque<waiting_reply> queue_;
  std::size_t expired_ = 0;  // these first ones nobody wants
};

}  // namespace troupe::cache
