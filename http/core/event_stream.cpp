#include "http/core/event_stream.hpp"

#include <algorithm>
#include <utility>

#include "http/json/json_write.hpp"

namespace troupe::http {
namespace {

constexpr std::uint64_t step_ms_max = 500;

}  // namespace

event_stream::event_stream(exchange_ptr request, header_list headers, limits bounds, std::function<void()> cancel)
    : request_(std::move(request)), limits_(bounds), cancel_(std::move(cancel)) {
  headers.emplace_back("Cache-Control", "no-cache");
  headers.emplace_back("X-Accel-Buffering", "no");  // reverse proxies would collect the events
  stream_ = request_->start_stream(200, "text/event-stream", std::move(headers));
  dead_ = stream_ == nullptr;
}

std::shared_ptr<event_stream> event_stream::start(exchange_ptr request, header_list headers, limits bounds,
                                                  std::function<void()> cancel) {
  std::shared_ptr<event_stream> made(
      new event_stream(std::move(request), std::move(headers), bounds, std::move(cancel)));
  made->schedule_step();
  return made;
}

void event_stream::send(std::string_view name, std::string_view data) {
  if (!open()) return;
  std::string chunk;
  chunk.reserve(name.size() + data.size() + 24);
  if (!name.empty()) chunk.append("event: ").append(name).append("\n");
  chunk.append("data: ").append(data).append("\n\n");
  push(std::move(chunk));
}

void event_stream::finish() {
  if (!open()) return;
  finishing_ = true;
  flush();
}

void event_stream::push(std::string chunk) {
  sent_since_step_ = true;
  pending_bytes_ += chunk.size();
  pending_.push_back(std::move(chunk));
  flush();
  if (dead_ || pending_bytes_ <= limits_.pending_bytes) return;
  // The reader is too slow: its job costs nobody else anything from here on.
  pending_.clear();
  pending_bytes_ = 0;
  if (auto cancel = std::exchange(cancel_, nullptr)) cancel();
  json_out json;
  json.object()
      .field("error", "The reader is too slow: the stream was cancelled")
      .field("code", "CANCELLED")
      .field("detail", "read the events as they come")
      .end_object();
  pending_.push_back("event: error\ndata: " + json.str() + "\n\n");
  pending_bytes_ = pending_.back().size();
  finishing_ = true;
  wait_for_room();
}

void event_stream::flush() {
  while (!dead_ && !pending_.empty() && !waiting_) {
    if (stream_->unflushed_bytes() >= limits_.credit_bytes) {
      wait_for_room();
      return;
    }
    pending_bytes_ -= pending_.front().size();
    const bool alive = stream_->write(std::move(pending_.front()));
    pending_.pop_front();
    if (!alive) drop();
  }
  if (!dead_ && finishing_ && pending_.empty()) {
    dead_ = true;
    stream_->end();
    stream_.reset();
    request_.reset();
  }
}

void event_stream::wait_for_room() {
  if (std::exchange(waiting_, true)) return;
  stream_->when_drained([self = shared_from_this()] {
    self->waiting_ = false;
    self->flush();
  });
}

void event_stream::drop() {
  dead_ = true;
  pending_.clear();
  pending_bytes_ = 0;
  stream_.reset();
  request_.reset();
  if (auto cancel = std::exchange(cancel_, nullptr)) cancel();
}

std::uint64_t event_stream::step_ms() const {
  return limits_.heartbeat_ms == 0 ? step_ms_max : std::min(limits_.heartbeat_ms, step_ms_max);
}

void event_stream::schedule_step() {
  if (!request_) return;
  request_->after(std::chrono::milliseconds(step_ms()), [weak = weak_from_this()] {
    if (const auto self = weak.lock(); self && self->open()) self->step();
  });
}

void event_stream::step() {
  quiet_ms_ = std::exchange(sent_since_step_, false) ? 0 : quiet_ms_ + step_ms();
  const bool due =
      (limits_.heartbeat_ms != 0 && quiet_ms_ >= limits_.heartbeat_ms) || (quiet_ms_ != 0 && request_->half_closed());
  // Not to a reader that has enough to read already.
  if (due && pending_.empty() && !waiting_) {
    quiet_ms_ = 0;
    if (!stream_->write(": heartbeat\n\n")) return drop();
  }
  schedule_step();
}

}  // namespace troupe::http
