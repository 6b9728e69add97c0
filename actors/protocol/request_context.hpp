#pragma once
// What a model keeps between the requests of one session, each of which is answered knowing those before it: increments
// of one text. Begins anew with a model that was loaded anew. Owned by the session; one request at a time, and none
// after one that failed.

#include <memory>
#include <string>

#include "inference/model/model.hpp"

namespace troupe::actors {

class request_context {
 public:
  // Null: that model answers each request by itself.
  std::shared_ptr<inference::state> within(const inference::model_ptr& model);
  // What the text of all requests lacks at its end; empty: nothing. REQUIRES that none is under way.
  std::string end_mark() const;

 private:
  std::weak_ptr<const inference::model> model_;
  std::shared_ptr<inference::state> state_;
};

}  // namespace troupe::actors
