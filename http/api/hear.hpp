#pragma once
// From a recording to a client's answer: what is told of it on other threads is brought to the connection's, where it
// is gathered, or handed on as it comes. A client that leaves calls it off.

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "actors/protocol/recordings.hpp"
#include "http/core/exchange.hpp"
#include "http/core/route.hpp"

namespace troupe::http {

struct heard_recording {
  exchange_ptr request;
  std::string asked_model;  // empty: none was named
  bool hotwords_given = false;
  actors::recording_begun begun;
  std::vector<inference::transcript> sentences;
  double sound_s = 0;
  steady_time started = steady_clock::now();
  std::function<void()> cancel;

  std::string text() const;  // all sentences
  double took_s() const;
};

// All on the connection's thread; may throw. Whoever follows a recording answers its request: `ended` or `failed` is
// the last call.
class recording_follower {
 public:
  virtual ~recording_follower() = default;
  virtual void begun(heard_recording&) {}
  virtual void sentence(heard_recording&) {}  // that is in `sentences` already
  virtual void ended(heard_recording& all) = 0;
  virtual void failed(heard_recording& all, const error& why) = 0;
};

// A model that nobody knows is a failure, with similar names.
void hear(const context& c, const exchange_ptr& request, actors::recording_request asked,
          std::unique_ptr<recording_follower> follower);

// One answer, made of all; errors in the words of the route's family.
void hear_whole(const context& c, const exchange_ptr& request, actors::recording_request asked,
                std::function<response(const heard_recording&)> write);

}  // namespace troupe::http
