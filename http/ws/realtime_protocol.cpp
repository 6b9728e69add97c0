#include "http/ws/realtime_protocol.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "http/json/sentences.hpp"
#include "http/json/text.hpp"
#include "http/ws/close_codes.hpp"

namespace troupe::http {
namespace {

constexpr std::size_t item_text_bytes_max = 256 * 1024;  // hours that nobody commits

// Whether another request might not fail.
bool is_the_clients(error_code code) {
  const auto close = close_code_of(code);
  return close != close_code::try_again_later && close != close_code::internal;
}

}  // namespace

realtime_protocol::realtime_protocol(actors::session_service& sessions, std::string model, std::string peer,
                                     realtime_door door)
    : fed_protocol(sessions, std::move(model), std::move(peer)),
      door_(std::move(door)),
      events_(door_.id, door_.beta) {}

void realtime_protocol::opened(std::shared_ptr<live_socket> socket) {
  fed_protocol::opened(std::move(socket));
  const bool old_name = door_.beta && door_.transcription;
  socket_->send(events_.session(old_name ? "transcription_session.created" : "session.created", terms_, door_.beta));
}

void realtime_protocol::text(std::string_view message) {
  if (!socket_) return;
  auto asked = read_realtime(message, terms_);
  if (!asked) return socket_->send(events_.error(asked.error()));
  switch (asked->what) {
    case realtime_what::append: return append(asked->sound);
    case realtime_what::commit: return commit(asked->event_id);
    case realtime_what::clear: return clear();
    case realtime_what::update: return update(std::move(*asked));
  }
}

void realtime_protocol::binary(std::string_view) {
  if (!socket_) return;
  refuse({error_code::bad_request, "Events are JSON", "sound goes into input_audio_buffer.append, in base64", {}});
}

void realtime_protocol::draining() {
  const auto feed = feed_;
  fed_protocol::draining();
  if (feed && terms_.turns) feed->finish();
}

// -- what clients ask -------------------------------------------------------------------------------------------

void realtime_protocol::append(const std::string& sound) {
  if (passing_ || sound.empty()) return;
  if (!feed_) {
    actors::session_request request;
    request.model = terms_.model;
    request.mode = actors::session_mode::two_pass;
    request.options.hotwords = terms_.keywords;
    begin(std::move(request), {terms_.format, terms_.rate_hz});
  }
  appended_ += sound.size();
  const auto feed = feed_;
  feed->take(sound);
}

void realtime_protocol::commit(const std::string& event_id) {
  if (std::exchange(passing_, false) || !feed_) {
    return refuse({error_code::bad_request, "Nothing to commit: the buffer is empty", "append sound first", {}},
                  "input_audio_buffer_commit_empty", event_id);
  }
  current({}).committed = true;
  announce();
  const auto feed = feed_;
  feed->finish();
}

void realtime_protocol::clear() {
  passing_ = false;
  end_sound();
  drop_item({{error_code::cancelled, "The buffer was cleared", {}, {}}, {}, {}, {}});
  socket_->send(events_.cleared());
}

void realtime_protocol::update(realtime_request&& asked) {
  if (feed_ && asked.terms != terms_) {
    return refuse({error_code::conflict,
                   "The session cannot change while sound is in its buffer",
                   "commit or clear the buffer first",
                   {}},
                  {}, asked.event_id);
  }
  passing_ = false;
  terms_ = std::move(asked.terms);
  socket_->send(events_.session(asked.beta ? "transcription_session.updated" : "session.updated", terms_,
                                asked.beta || door_.beta));
}

void realtime_protocol::refuse(const error& why, std::string code, std::string event_id) {
  socket_->send(events_.error({why, {}, std::move(code), std::move(event_id)}));
}

// -- what the session tells -------------------------------------------------------------------------------------

void realtime_protocol::feed_told(actors::session_increment&& text) {
  auto& now = current(text.text.begin_s);
  std::string_view delta = text.text.text;
  if (!now.told) delta.remove_prefix(std::min(delta.find_first_not_of(' '), delta.size()));
  if (delta.empty()) return;
  now.told = true;
  socket_->send(events_.delta(now.id, delta));
}

void realtime_protocol::feed_told(actors::session_sentence&& text) {
  if (!item_ && text.text.text.empty()) return;
  auto& now = current(text.text.begin_s);
  append_sentence(now.text, text.text.text);
  if (now.text.size() > item_text_bytes_max) {
    return feed_failed({error_code::payload_too_large,
                        "The buffer holds more speech than an item may have",
                        "commit it from time to time, or leave turn_detection on",
                        {}});
  }
  if (!terms_.turns || now.committed) return;
  if (text.text.end_s) socket_->send(events_.speech_stopped(now.id, at_ms(*text.text.end_s)));
  announce();
  complete();
}

void realtime_protocol::feed_ended() {
  if (item_ && item_->committed) complete();
  end_sound();
  drop_item({{error_code::cancelled, "The sound ended", {}, {}}, {}, {}, {}});
  close_if_draining();
}

void realtime_protocol::feed_failed(const error& why) {
  end_sound();
  drop_item({why, {}, {}, {}});
  refuse(why);
  if (!is_the_clients(why.code)) return hang_up(why);
  passing_ = true;
  close_if_draining();
}

// -- items ------------------------------------------------------------------------------------------------------

realtime_protocol::item& realtime_protocol::current(const std::optional<double>& begin_s) {
  if (!item_) {
    item_.emplace();
    item_->id = events_.new_item_id();
  }
  if (begin_s && terms_.turns && !item_->committed && !std::exchange(item_->started, true)) {
    socket_->send(events_.speech_started(item_->id, at_ms(*begin_s)));
  }
  return *item_;
}

void realtime_protocol::announce() {
  socket_->send(events_.committed(item_->id, previous_));
  for (auto& told : events_.item(item_->id, previous_)) socket_->send(std::move(told));
}

void realtime_protocol::complete() {
  socket_->send(events_.completed(item_->id, item_->text, seconds_of(appended_ - told_)));
  told_ = appended_;
  previous_ = std::move(item_->id);
  item_.reset();
}

void realtime_protocol::drop_item(const realtime_fault& why) {
  const auto gone = std::exchange(item_, std::nullopt);
  if (gone && (gone->told || gone->committed)) socket_->send(events_.failed(gone->id, why));
}

void realtime_protocol::end_sound() {
  let_go();
  before_s_ += seconds_of(appended_);
  appended_ = told_ = 0;
}

double realtime_protocol::seconds_of(std::uint64_t bytes) const {
  return static_cast<double>(bytes) / static_cast<double>(size_bytes(terms_.format) * terms_.rate_hz);
}

std::int64_t realtime_protocol::at_ms(double utterance_s) const {
  return std::llround((before_s_ + utterance_s) * 1000);
}

}  // namespace troupe::http
