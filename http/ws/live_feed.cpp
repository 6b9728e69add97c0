#include "http/ws/live_feed.hpp"

#include <algorithm>
#include <span>
#include <utility>

#include "inference/model/overloaded.hpp"

namespace troupe::http {
namespace {

constexpr std::size_t piece_bytes = 16 * 1024;  // converted at one go: samples take more room than bytes
constexpr std::size_t kept_capacity_bytes = 64 * 1024;

}  // namespace

std::shared_ptr<live_feed> live_feed::open(actors::session_service& sessions, std::shared_ptr<live_socket> socket,
                                           actors::session_request request, sound of, owner& hears) {
  std::shared_ptr<live_feed> feed(new live_feed(std::move(socket), of, hears));
  const auto here = feed->to_connection<live_feed>();
  sessions.open(
      std::move(request),
      [here](actors::session_event&& event) {
        here([event = std::move(event)](live_feed& f) mutable { f.told(std::move(event)); });
      },
      actors::one_shot<std::unique_ptr<actors::session_handle>>(
          [here](result<std::unique_ptr<actors::session_handle>> made) {
            auto shared = std::make_shared<decltype(made)>(std::move(made));
            here([shared = std::move(shared)](live_feed& f) { f.opened(std::move(*shared)); });
          }));
  return feed;
}

live_feed::~live_feed() = default;

void live_feed::take(std::string_view bytes) {
  if (owner_ == nullptr || bytes.empty()) return;
  bytes_.append(bytes);
  pump();
}

void live_feed::finish() {
  if (owner_ == nullptr || std::exchange(finishing_, true)) return;
  pump();
}

void live_feed::drop() {
  if (owner_ == nullptr) return;
  owner_ = nullptr;
  session_.reset();
  set_paused(false);
  socket_.reset();
}

void live_feed::opened(result<std::unique_ptr<actors::session_handle>> made) {
  if (owner_ == nullptr) return;
  if (!made) return fail(made.error());
  session_ = std::move(*made);
  credit_ += session_->credit_samples();
  const auto self = shared_from_this();
  owner_->feed_opened();
  pump();
}

void live_feed::told(actors::session_event&& event) {
  if (owner_ == nullptr) return;
  const auto self = shared_from_this();
  std::visit(inference::overloaded{[&](actors::session_credit& c) {
                                     credit_ += c.samples;
                                     pump();
                                   },
                                   [&](actors::session_ended&) { owner_->feed_ended(); },
                                   [&](actors::session_failed& f) { fail(f.why); },
                                   [&](auto& text) { owner_->feed_told(std::move(text)); }},
             event);
}

void live_feed::pump() {
  if (owner_ == nullptr) return;
  if (session_) {
    if (const auto passed = pass_on(); !passed) return fail(passed.error());
  }
  const bool more = finishing_ || converted_ < bytes_.size() || fed_ < ready_.size();
  set_paused(more);
  if (!more) owner_->feed_taken();
}

result<void> live_feed::pass_on() {
  for (;;) {
    feed();
    if (fed_ < ready_.size()) return {};  // until there is credit
    if (converted_ < bytes_.size()) {
      if (auto done = convert(); !done) return done;
      if (converted_ == bytes_.size()) {
        bytes_.clear();
        converted_ = 0;
      }
    } else if (finishing_ && !std::exchange(flushed_, true)) {
      std::vector<float> last;
      if (auto done = reader_.finish(last); !done) return done;
      if (auto done = resample(last); !done) return done;
      if (resampler_) {
        if (auto done = resampler_->finish(ready_); !done) return done;
      }
    } else {
      break;
    }
  }
  if (bytes_.capacity() > kept_capacity_bytes) std::string().swap(bytes_);
  if (flushed_ && !std::exchange(finished_, true)) session_->finish();
  return {};
}

result<void> live_feed::convert() {
  const auto count = std::min(piece_bytes, bytes_.size() - converted_);
  const auto piece = std::as_bytes(std::span(bytes_).subspan(converted_, count));
  converted_ += count;
  std::vector<float> samples;
  if (auto done = reader_.accept(piece, samples); !done) return done;
  return resample(samples);
}

result<void> live_feed::resample(std::vector<float>& samples) {
  if (samples.empty()) return {};
  if (!resampler_) {
    const auto from_hz = reader_.header() ? reader_.header()->rate_hz : sound_.rate_hz;
    auto made = inference::resampler::make(from_hz, session_->rate_hz());
    if (!made) return tl::unexpected(made.error());
    resampler_.emplace(std::move(*made));
  }
  return resampler_->accept(samples, ready_);
}

// What there is credit for.
void live_feed::feed() {
  const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(credit_, ready_.size() - fed_));
  if (count == 0) return;
  credit_ -= count;
  const auto from = ready_.begin() + static_cast<std::ptrdiff_t>(fed_);
  std::vector<float> piece;
  if (count == ready_.size()) {
    piece.swap(ready_);
    fed_ = 0;
  } else {
    piece.assign(from, from + static_cast<std::ptrdiff_t>(count));
    fed_ += count;
  }
  if (fed_ == ready_.size()) {
    ready_.clear();
    fed_ = 0;
  }
  session_->feed(std::move(piece));
}

}  // namespace troupe::http
