#include "actors/protocol/job.hpp"

#include <cassert>
#include <utility>

#include <spdlog/spdlog.h>

#include "actors/protocol/foreign_exception.hpp"

namespace troupe::actors {

job::job(std::string model_name, std::uint32_t item_count, config::priority prio, steady_time due,
         std::unique_ptr<reply_stream> reply, std::shared_ptr<std::atomic<std::uint32_t>> in_flight)
    : model(std::move(model_name)),
      items(item_count),
      priority(prio),
      deadline(due),
      created(steady_clock::now()),
      items_left_(item_count),
      reply_(std::move(reply)),
      in_flight_(std::move(in_flight)) {
  if (in_flight_) in_flight_->fetch_add(items, std::memory_order_relaxed);
}

job::~job() {
  fail({error_code::unavailable, "the request was dropped before it was answered",
        "the model stopped or restarted; try again", 1});
}

std::unique_ptr<reply_stream> job::close_locked() {
  assert(!closed() && "J1: closed once");
  closed_.store(true, std::memory_order_release);
  if (in_flight_) {
    [[maybe_unused]] const auto before = in_flight_->fetch_sub(items, std::memory_order_relaxed);
    assert(before >= items && "J3");
  }
  return std::move(reply_);
}

namespace {

bool is_clients_own(error_code code) noexcept {
  switch (code) {
    case error_code::bad_request:
    case error_code::model_not_found:
    case error_code::payload_too_large:
    case error_code::unsupported_media:
    case error_code::unprocessable:
    case error_code::cancelled: return true;
    default: return false;
  }
}

}  // namespace

void job::count_failed(const error& why, std::uint32_t of_items) const noexcept {
  if (ends && !is_clients_own(why.code)) ends->failed.fetch_add(of_items, std::memory_order_relaxed);
}

template <class F>
void job::deliver(F f) noexcept {
  try {
    f();
  } catch (...) {
    spdlog::error("an answer of model {} could not be written: {}", model, caught_message());
    try {
      if (!closed())
        close_locked()->fail(
            {error_code::internal, "The answer could not be written", "something failed inside the server", {}});
    } catch (...) {  // it is closed; more cannot be done for it
    }
  }
}

void job::begin(const inference::model_info& info) {
  const std::lock_guard lock(mutex_);
  if (closed() || begun_) return;
  begun_ = true;
  deliver([&] { reply_->begin(info); });
}

void job::write(item_result&& item) {
  const std::lock_guard lock(mutex_);
  if (closed()) return;
  assert(item.index < items && items_left_ > 0 && "J2");
  item.resident_at_arrival = resident_at_arrival;
  const bool last = item.last;
  if (last && !item.value)
    count_failed(item.value.error(), 1);
  else if (last && ends)
    ends->answered.fetch_add(1, std::memory_order_relaxed);
  deliver([&] {
    reply_->write(std::move(item));
    if (last && --items_left_ == 0) close_locked()->end();
  });
}

bool job::fail(const error& why) {
  const std::lock_guard lock(mutex_);
  if (closed()) return false;
  count_failed(why, items_left_);
  deliver([&] { close_locked()->fail(why); });
  return true;
}

bool job::cancel() {
  const std::lock_guard lock(mutex_);
  if (closed()) return false;
  close_locked();
  return true;
}

}  // namespace troupe::actors
