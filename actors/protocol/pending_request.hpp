#pragma once
// A request that found no resident model and waits for a load. Its items are not prepared yet.

#include <functional>
#include <memory>

#include "actors/protocol/service.hpp"

namespace troupe::actors {

struct resident;

struct pending_request {
  job_ptr job;
  predict_request request;
  // Where it is set: called with the loaded model instead of running its inputs; closes the job, or says false: that
  // one is on its way out, and another is to be asked for.
  std::function<bool(const std::shared_ptr<resident>&)> visit;
};
using pending_ptr = std::shared_ptr<pending_request>;

}  // namespace troupe::actors
