#pragma once
// A model that is fed from outside while it answers: live speech now, text generation later. No Torch, no actors.
//
//   samples --feeder::accept--> feeder::next --prepared--> (queue, batch with other sessions) --> instance::step
//                                                                      the session's state goes along ^
//
// One session takes one step at a time, in order. A state is any instance's: it stays with its session, not with the
// instance that ran it last, so that steps of sessions of every age share batches.

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "config/error.hpp"

namespace troupe::inference {

class prepared;
class state;

// How the sound of one session is cut; in frames of 60 ms, as FunASR's protocol has them.
struct live_options {
  std::uint32_t left_frames = 5, chunk_frames = 10, ahead_frames = 5;
  std::int32_t encoder_look_back = 4;  // chunks; 0: none, -1: all that was
  std::int32_t decoder_look_back = 0;  // chunks; 0 or below: none
  std::vector<std::string> hotwords;   // live_model::uses_hotwords() tells whether they do anything
  bool operator==(const live_options&) const = default;
};

// The sound of one session on its way into steps. Owned by the session; one thread at a time.
class feeder {
 public:
  virtual ~feeder() = default;
  // One channel at live_model::rate_hz(), -1 .. 1. REQUIRES not finished; NaN and infinity count as silence.
  virtual void accept(std::span<const float> samples) = 0;
  // Nothing more will come.
  virtual void finish() = 0;
  // The next step's input; null: there is none until more comes, or, when finished, none at all. The last step of a
  // finished session is the one after which this gives null; it is the one whose output is final. A session that was
  // given no sample has no step.
  virtual std::unique_ptr<const prepared> next() = 0;
  // Samples that came and are in no step yet.
  virtual std::uint64_t waiting_samples() const noexcept = 0;
};

// What such a model offers beside inference/model/model.hpp's interface. Of one loaded model, which outlives all of it.
// Immutable; any thread.
class live_model {
 public:
  virtual ~live_model() = default;
  virtual std::uint32_t rate_hz() const noexcept = 0;
  virtual bool uses_hotwords() const noexcept = 0;
  // bad_request: options that the model cannot have, by name (a first chunk without look-ahead and with look-back, ..).
  virtual result<std::unique_ptr<feeder>> open_feeder(const live_options& options) const = 0;
  // Zeroed, of its final size: a session's memory does not grow with its age (but for look-back -1, which is bounded).
  virtual result<std::shared_ptr<state>> open_state(const live_options& options) const = 0;
  virtual std::uint64_t state_size_bytes(const live_options& options) const noexcept = 0;
};

}  // namespace troupe::inference
