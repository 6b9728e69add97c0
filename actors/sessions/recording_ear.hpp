#pragma once
// Who hears a recording: a model that is fed (recording_fed.hpp) or one for whole sounds (recording_whole.hpp). And
// what both need of the rest. All calls on the recording's own turn (recording.hpp); what comes from elsewhere is
// posted.

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "actors/protocol/recordings.hpp"
#include "actors/protocol/service.hpp"
#include "actors/serving/gateway.hpp"

namespace troupe::actors {

// Of the world outside. Any thread.
struct recording_means {
  session_service* sessions = nullptr;  // outlives it all
  std::function<cancel_handle(predict_request, std::unique_ptr<reply_stream>)> predict;
  std::function<void(std::function<void()>)> aside;      // runs it on a thread for work whose cost has no bound
  std::function<bool(const std::string& model)> is_fed;  // hears while it is fed
  std::function<std::uint32_t(const std::string& model)> rate_hz;  // of the sound that one for whole sounds hears
  std::string punctuation;                                         // the server's model; empty: there is none
  std::string voice_activity;                                      // likewise
  std::function<cancel_handle(std::string model, one_shot<live_place>)> enter;  // a place inside a model that is fed
  std::function<steady_time()> now;
  std::function<void(std::function<void()>)> post;  // onto the recording's turn; dropped when it is over
};

// Of the model for voice activity.
struct voice_limits {
  std::chrono::milliseconds step_timeout{30000};  // of one step
  std::chrono::milliseconds drain{30000};         // of a model that is to go
};

class recording_ear {
 public:
  // The recording.
  class owner {
   public:
    virtual ~owner() = default;
    virtual void ear_ready(std::uint32_t rate_hz, bool uses_hotwords, bool punctuates) = 0;
    virtual void ear_heard(inference::transcript&& sentence) = 0;
    virtual void ear_progressed() = 0;  // something was heard: it may be hungry again
    virtual void ear_ended() = 0;       // all that was given is answered
    virtual void ear_failed(const error& why) = 0;
  };

  // What it has under way is called off.
  virtual ~recording_ear() = default;
  // ear_ready or ear_failed follows.
  virtual void open() = 0;
  // It takes more sound now.
  virtual bool hungry() const = 0;
  // One channel at the rate it said. `last`: nothing more comes. REQUIRES ready, hungry.
  virtual void take(std::vector<float>&& samples, bool last) = 0;
  // Some time has passed.
  virtual void tick() {}
  // It waits for a place, and this is what it was told; null: it does not.
  virtual const error* refusal() const { return nullptr; }
};

}  // namespace troupe::actors
