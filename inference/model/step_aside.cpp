#include "inference/model/step_aside.hpp"

#include <utility>

namespace troupe::inference {
namespace {

thread_local std::function<void()> current;

}  // namespace

void step_aside() {
  if (current) current();
}

step_aside_scope::step_aside_scope(std::function<void()> wait) { current = std::move(wait); }
step_aside_scope::~step_aside_scope() { current = nullptr; }

}  // namespace troupe::inference
