#pragma once
// Asks a model for all items of a request, and hands over what came of them: once, on the connection's thread, when
// the last one is there. What fails as a whole is answered in the family's words before that. All families that answer
// with one document are written on top of it.

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "actors/protocol/service.hpp"
#include "http/core/exchange.hpp"

namespace troupe::http {

// What one item has given.
struct item_answer {
  std::vector<inference::output> outputs;  // one, but for models that step
  std::optional<error> problem;            // it failed alone
  bool done = false, truncated = false, prediction_cache_hit = false;
  std::uint32_t tokens = 0;  // that the network saw, special ones included; 0: not text
  actors::item_timing timing;

  // The only output, when it is a T; else null.
  template <class T>
  const T* only() const noexcept {
    return !problem && outputs.size() == 1 ? std::get_if<T>(&outputs.front()) : nullptr;
  }
};

struct collected {
  exchange_ptr request;
  std::string model;
  std::vector<std::string> labels;     // the model's
  std::vector<inference::task> tasks;  // the model's, its own first
  std::vector<item_answer> answers;    // as the request's inputs; each has a problem or is done
  bool cache_hit = false;              // the model was resident when the request arrived
  steady_time started = steady_clock::now();

  bool truncated() const noexcept;              // any of them
  std::uint64_t tokens() const noexcept;        // of all
  const error* first_problem() const noexcept;  // null: all are good
  // Server-Timing's value: the longest of each phase.
  std::string server_timing() const;
};

// Called on the connection's thread; may throw (then 500). Answers collected::request.
using answerer = std::function<void(collected&)>;

// REQUIRES inputs. A client that leaves cancels.
void collect(const exchange_ptr& request, actors::service& service, actors::predict_request asked, answerer answer);

// 200 with this JSON, Server-Timing and, where something was cut, X-Truncated.
void respond_json(const collected& all, std::string body);

}  // namespace troupe::http
