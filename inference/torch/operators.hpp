#pragma once
// LibTorch's operators that have no C++ function of their own, by name. Included by our Torch code only.

#include <exception>
#include <optional>

#include <ATen/core/dispatch/Dispatcher.h>

namespace troupe::inference {

// Null: this LibTorch does not have it, or has it with another signature.
template <class Signature>
std::optional<c10::TypedOperatorHandle<Signature>> find_operator(const char* name, const char* overload = "") {
  const auto found = c10::Dispatcher::singleton().findSchema({name, overload});
  if (!found) return std::nullopt;
  try {
    return found->typed<Signature>();
  } catch (const std::exception&) {
    return std::nullopt;
  }
}

}  // namespace troupe::inference
