#include "actors/protocol/request_context.hpp"

#include "inference/speech/ct_transformer.hpp"

namespace troupe::actors {

std::shared_ptr<inference::state> request_context::within(const inference::model_ptr& model) {
  if (model_.lock() != model) {
    state_ = inference::open_increments(*model);
    model_ = model;
  }
  return state_;
}

std::string request_context::end_mark() const { return state_ ? inference::end_mark(*state_) : std::string(); }

}  // namespace troupe::actors
