#pragma once
// For tests of recordings: what models for whole sounds, and for marks, are asked, and what the test answers.

#include <memory>
#include <string>
#include <vector>

#include "actors/protocol/job.hpp"
#include "actors/protocol/service.hpp"

namespace troupe::actors::testing {

struct question {
  predict_request asked;
  std::shared_ptr<job> open;
  const std::vector<float>& sound() const { return asked.inputs.at(0).only<inference::samples>()->values; }
  void answer(inference::transcript text) {
    item_result r;
    r.value = std::move(text);
    open->write(std::move(r));
  }
  void say(std::string text, double begin_s = 0, double end_s = 1) {
    inference::transcript t;
    t.text = std::move(text);
    t.begin_s = begin_s;
    t.end_s = end_s;
    answer(std::move(t));
  }
};

// For recording_means::predict.
inline auto asked_into(std::vector<question>& all) {
  return [&all](predict_request request, std::unique_ptr<reply_stream> reply) {
    auto j = std::make_shared<job>(request.model, 1, config::priority::medium, no_deadline, std::move(reply));
    all.push_back({std::move(request), j});
    return cancel_handle(j);
  };
}

}  // namespace troupe::actors::testing
