#include "http/ws/vosk_protocol.hpp"

#include <iterator>
#include <utility>

#include "http/json/sentences.hpp"
#include "http/json/text.hpp"

namespace troupe::http {

void vosk_protocol::text(std::string_view message) {
  if (!socket_) return;
  const auto mark = read_vosk(message, terms_);
  if (!mark) return fail(mark.error());
  if (feed_ && (terms_.rate_hz != rate_hz_ || terms_.model != asked_model_)) {
    return fail({error_code::bad_request,
                 "config: another sample_rate or model after sound of " + std::to_string(rate_hz_) + " Hz",
                 "they may change after {\"reset\" : 1}",
                 {}});
  }
  if (*mark != vosk_mark::none) end(*mark);
}

void vosk_protocol::binary(std::string_view message) {
  if (!socket_) return;
  if (message.empty()) return answer();
  if (!feed_) begin_sound();
  owed_ = true;
  const auto feed = feed_;
  feed->take(message);
}

void vosk_protocol::begin_sound() {
  actors::session_request request;
  request.model = asked_model_ = terms_.model;
  request.mode = actors::session_mode::two_pass;
  request.options.hotwords = terms_.phrases;
  rate_hz_ = terms_.rate_hz;
  begin(std::move(request), {inference::sample_format::s16, rate_hz_});
}

void vosk_protocol::end(vosk_mark how) {
  last_ = how == vosk_mark::eof;
  if (!feed_) return tell_rest();
  const auto feed = feed_;
  feed->finish();
}

void vosk_protocol::feed_taken() {
  if (std::exchange(owed_, false)) answer();
}

void vosk_protocol::feed_told(actors::session_increment&& text) { so_far_ += text.text.text; }

void vosk_protocol::feed_told(actors::session_sentence&& text) {
  so_far_.clear();
  append_sentence(ended_.text, text.raw);
  auto words = inference::words_of(text.text.tokens);
  ended_.words.insert(ended_.words.end(), std::make_move_iterator(words.begin()), std::make_move_iterator(words.end()));
}

void vosk_protocol::feed_ended() {
  let_go();
  tell_rest();
  close_if_draining();
}

void vosk_protocol::answer() {
  if (ended_.text.empty()) return socket_->send(write_vosk_partial(trim(so_far_)));
  socket_->send(write_vosk_text(std::exchange(ended_, {}), terms_));
}

void vosk_protocol::tell_rest() {
  so_far_.clear();
  socket_->send(write_vosk_text(std::exchange(ended_, {}), terms_));
  if (last_) std::exchange(socket_, nullptr)->close(close_code::normal, {});
}

void vosk_protocol::fail(const error& why) {
  socket_->send(write_vosk_error(why));
  hang_up(why);
}

}  // namespace troupe::http
