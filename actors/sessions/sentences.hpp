#pragma once
// Sentences that are over, on their way to the listener: recognised once more by the model for whole sounds, then given
// their marks, each where there is a model for it. One after another; what came after a sentence is told after it. No
// threads of its own: the session's actor calls it, and brings what the models answer.
//
//   add() --recognise--> recognised() --punctuate--> punctuated() --> told
//
// T1  The listener hears sentences and other events in the order in which they were given.
// T2  One sentence is with a model at most, and with one model.
// T3  A sentence whose second pass fails is told as it was first recognised, one without marks as it is.
// T4  A context of marks goes from one sentence of a sound to the next; never past its end, nor past a failure.

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "actors/protocol/request_context.hpp"
#include "actors/protocol/service.hpp"
#include "actors/protocol/sessions.hpp"
#include "actors/sessions/open_sentence.hpp"

namespace troupe::actors {

// A sentence that is to have its marks.
struct unmarked_sentence {
  std::string text;
  std::shared_ptr<request_context> context;  // null: it is a text of its own
  bool last = false;                         // of its context: its own last mark belongs to it
};

// Whom to ask; what is empty is not there. The answer goes to recognised() or punctuated(), later.
struct sentence_models {
  std::function<cancel_handle(std::vector<float> sound)> recognise;
  std::function<cancel_handle(unmarked_sentence)> punctuate;
  bool marks_in_context = false;
};

class sentences {
 public:
  // `second_pass`: told whether it went well.
  sentences(sentence_models with, session_listener listener, std::function<void(bool)> second_pass)
      : with_(std::move(with)), listener_(std::move(listener)), second_pass_(std::move(second_pass)) {}
  ~sentences() { asked_(); }
  sentences(const sentences&) = delete;
  sentences& operator=(const sentences&) = delete;

  void add(spoken_sentence&& one);
  void tell(session_event&& other);
  void recognised(result<inference::transcript>&& again);
  void punctuated(result<std::string>&& marked);

  bool recognises() const noexcept { return with_.recognise != nullptr; }
  // Of the sentences that wait, or are recognised: samples.
  std::uint64_t sound_samples() const noexcept { return sound_samples_; }
  // Nothing is told any more.
  void drop();

 private:
  enum class asked : std::uint8_t { nobody, recogniser, punctuation };
  struct waiting {
    spoken_sentence of;
    std::uint64_t samples = 0;
  };
  void start();
  void mark();
  void finish();
  void pass_on(session_event&& other);
  waiting& first() { return std::get<waiting>(queue_.front()); }

  sentence_models with_;
  session_listener listener_;
  std::function<void(bool)> second_pass_;
  std::deque<std::variant<waiting, session_event>> queue_;  // not empty: its first is a sentence that is with a model
  asked whom_ = asked::nobody;
  std::string raw_;                           // of the first, without marks
  std::shared_ptr<request_context> context_;  // T4
  cancel_handle asked_;
  std::uint64_t sound_samples_ = 0;
};

}  // namespace troupe::actors
