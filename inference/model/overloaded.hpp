#pragma once
// One function object of several lambdas, for std::visit over values, outputs and parameters.

namespace troupe::inference {

template <class... F>
struct overloaded : F... {
  using F::operator()...;
};
template <class... F>
overloaded(F...) -> overloaded<F...>;

}  // namespace troupe::inference
