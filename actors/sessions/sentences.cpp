#include "actors/sessions/sentences.hpp"

#include <utility>

#include <spdlog/spdlog.h>

namespace troupe::actors {

void sentences::add(spoken_sentence&& one) {
  const auto samples = one.sound.size();
  sound_samples_ += samples;
  queue_.emplace_back(waiting{std::move(one), samples});
  if (queue_.size() == 1) start();
}

void sentences::tell(session_event&& other) {
  if (queue_.empty())
    pass_on(std::move(other));
  else
    queue_.emplace_back(std::move(other));
}

void sentences::start() {
  auto& sound = first().of.sound;
  if (!with_.recognise || sound.empty()) return mark();
  whom_ = asked::recogniser;
  asked_ = with_.recognise(std::exchange(sound, {}));
}

void sentences::recognised(result<inference::transcript>&& again) {
  if (whom_ != asked::recogniser) return;
  whom_ = asked::nobody;
  second_pass_(again.has_value());
  auto& one = first().of;
  if (again) {
    shift(*again, one.sound_begin_s);
    const auto before = std::exchange(one.text, std::move(*again));
    if (!one.text.begin_s) one.text.begin_s = before.begin_s;
    if (!one.text.end_s) one.text.end_s = before.end_s;
    one.text.final = true;
  } else {
    spdlog::warn("a sentence stays as it was first recognised: {}", again.error().message);
  }
  mark();
}

void sentences::mark() {
  auto& one = first().of;
  raw_ = one.text.text;
  if (!with_.punctuate || raw_.empty()) return finish();
  whom_ = asked::punctuation;
  if (with_.marks_in_context && !context_) context_ = std::make_shared<request_context>();
  asked_ = with_.punctuate({raw_, context_, one.last});
}

void sentences::punctuated(result<std::string>&& marked) {
  if (whom_ != asked::punctuation) return;
  whom_ = asked::nobody;
  if (marked) {
    first().of.text.text = std::move(*marked);
  } else {
    spdlog::warn("a sentence stays without marks: {}", marked.error().message);
    context_.reset();
  }
  finish();
}

void sentences::pass_on(session_event&& other) {
  if (std::holds_alternative<session_ended>(other)) context_.reset();
  listener_(std::move(other));
}

// The first is told, and what waited behind it, up to the next sentence.
void sentences::finish() {
  auto done = std::move(first());
  queue_.pop_front();
  sound_samples_ -= done.samples;
  // An empty one only where it takes something back.
  if (!done.of.text.text.empty() || done.of.told)
    listener_(session_sentence{std::move(done.of.text), std::exchange(raw_, {})});
  while (!queue_.empty() && std::holds_alternative<session_event>(queue_.front())) {
    auto other = std::move(std::get<session_event>(queue_.front()));
    queue_.pop_front();
    pass_on(std::move(other));
  }
  if (!queue_.empty()) start();
}

void sentences::drop() {
  asked_();
  queue_.clear();
  whom_ = asked::nobody;
  sound_samples_ = 0;
}

}  // namespace troupe::actors
