#include "http/ws/funasr_protocol.hpp"

#include <utility>

#include "http/json/text.hpp"
#include "inference/audio/wav_head.hpp"

namespace troupe::http {
namespace {

using actors::session_mode;

// Of increments, and of whole sentences.
const char* online_name(session_mode mode) { return mode == session_mode::two_pass ? "2pass-online" : "online"; }
const char* offline_name(session_mode mode) { return mode == session_mode::two_pass ? "2pass-offline" : "offline"; }
// Of a message that is about all of it.
const char* last_name(session_mode mode) { return mode == session_mode::online ? "online" : offline_name(mode); }

}  // namespace

void funasr_protocol::text(std::string_view message) {
  if (!socket_) return;
  const auto mark = read_funasr(message, terms_);
  if (!mark) return fail(mark.error());
  if (feed_ && terms_.rate_hz != rate_hz_) {
    return fail({error_code::bad_request,
                 "audio_fs: " + std::to_string(terms_.rate_hz) + " after sound of " + std::to_string(rate_hz_),
                 "it may change between utterances",
                 {}});
  }
  if (*mark == funasr_mark::begin) begun_ = true;
  if (*mark == funasr_mark::end) end();
}

void funasr_protocol::binary(std::string_view message) {
  if (!socket_ || message.empty()) return;
  if (!feed_) begin_utterance(message);
  if (const auto feed = feed_) feed->take(message);
}

void funasr_protocol::begin_utterance(std::string_view first) {
  mode_ = terms_.mode;
  rate_hz_ = terms_.rate_hz;
  begun_ = true;
  if (terms_.wav_format != "pcm") return begin_file();
  if (mode_ != session_mode::online && files_.recordings.hears_whole(model())) return begin_samples(first);
  begin_sound();
}

void funasr_protocol::begin_sound() {
  actors::session_request request;
  request.mode = mode_;
  request.marks_in_context = true;  // its clients write one sentence behind the other
  request.options = terms_.options;
  begin(std::move(request), {inference::sample_format::s16, rate_hz_});
}

void funasr_protocol::begin_file() {
  if (mode_ == session_mode::online)
    return fail({error_code::bad_request,
                 "wav_format: found " + in_quotes(terms_.wav_format),
                 "allowed where the mode is online: pcm, 16-bit little-endian samples of one channel",
                 {}});
  actors::recording_request request;
  request.hotwords = terms_.options.hotwords;
  begin(std::move(request), files_);
}

// A file of them, where they do not begin as one themselves.
void funasr_protocol::begin_samples(std::string_view first) {
  begin_file();
  if (feed_ && !first.starts_with("RIFF")) feed_->take(inference::wav_head({.rate_hz = rate_hz_}));
}

void funasr_protocol::end() {
  if (!begun_) return;
  if (!feed_) {  // no sound: no text
    mode_ = terms_.mode;
    return tell_last();
  }
  const auto feed = feed_;
  feed->finish();
}

void funasr_protocol::feed_told(actors::session_increment&& text) {
  if (mode_ != session_mode::offline) tell({online_name(mode_), std::move(text.text.text)});
}

void funasr_protocol::feed_told(actors::session_sentence&& text) {
  if (mode_ == session_mode::online) return;
  auto stamps = stamps_of(text.text);
  tell({offline_name(mode_), std::move(text.text.text), std::move(stamps)});
}

void funasr_protocol::tell(funasr_result result) {
  if (!feed_->finishing()) return socket_->send(write_funasr(result, terms_.wav_name, false));
  if (held_) socket_->send(write_funasr(*held_, terms_.wav_name, false));
  held_ = std::move(result);
}

void funasr_protocol::feed_ended() {
  let_go();
  tell_last();
  close_if_draining();
}

void funasr_protocol::tell_last() {
  const auto last = std::exchange(held_, std::nullopt).value_or(funasr_result{last_name(mode_), {}});
  socket_->send(write_funasr(last, terms_.wav_name, true));
  begun_ = false;
}

void funasr_protocol::fail(const error& why) {
  const auto mode = feed_ ? mode_ : terms_.mode;
  if (held_) socket_->send(write_funasr(*std::exchange(held_, std::nullopt), terms_.wav_name, false));
  socket_->send(write_funasr_error(last_name(mode), terms_.wav_name, why));
  hang_up(why);
}

}  // namespace troupe::http
