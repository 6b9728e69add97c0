#include "cache/catalog/redis/reply_queue.hpp"

#include <utility>

namespace troupe::cache {

void waiting_reply::answer(redis_reply reply) {
  if (then)
    then(std::move(reply));
  else if (many)
    many->then(std::move(many->replies));
}

void waiting_reply::answer(error why) {
  if (then)
    then(tl::unexpected(std::move(why)));
  else if (many)
    many->then(tl::unexpected(std::move(why)));
}

waiting_reply reply_queue::pop() {
  auto out = std::move(queue_.front());
  queue_.pop_front();
  if (expired_ > 0) --expired_;
  return out;
}

std::optional<waiting_reply> reply_queue::take(redis_reply& reply) {
  auto& first = queue_.front();
  if (first.many) first.many->replies.push_back(std::move(reply));
  if (--first.replies_left > 0) return std::nullopt;
  return pop();
}

std::optional<waiting_reply> reply_queue::take_expired(steady_time now) {
  if (next_deadline() > now || expired_ == queue_.size()) return std::nullopt;
  auto& late = queue_[expired_++];
  waiting_reply out;
  out.then = std::exchange(late.then, nullptr);
  out.many = std::exchange(late.many, nullptr);
  return out;
}

std::optional<waiting_reply> reply_queue::take_first() {
  if (queue_.empty()) return std::nullopt;
  return pop();
}

}  // namespace troupe::cache
