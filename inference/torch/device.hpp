#pragma once
// Devices and errors as our Torch code uses them; included by that code only. No c10/cuda headers: they
// ask for the CUDA toolkit, and everything needed has a device-neutral form.

#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>

#include <c10/core/Device.h>
#include <c10/core/StreamGuard.h>
#include <c10/util/Exception.h>

#include "inference/torch/device_lane.hpp"

namespace troupe::inference {

// Weights are mapped read-only. from_blob() takes a pointer to non-const, so nothing may write through
// such a tensor: our code uses in-place operations on tensors of its own only, and a mistake is a
// SIGSEGV at once.

c10::Device torch_device(const std::string& device);

// What torch keeps of a GPU's freed memory goes back to the driver; nothing to do where no GPU was used. Waits for
// what runs on it.
void empty_device_cache();

// The first line of an error's message, without the stack of C++ frames.
std::string essential_line(const c10::Error& e);
std::string essential_line(std::string_view what);

struct torch_lane final : device_lane {
  ~torch_lane() override;             // its stream is another's then
  std::optional<c10::Stream> stream;  // none on a CPU
};

// Runs `f` with the lane's stream current; LibTorch's errors leave as std::runtime_error of one line.
template <class F>
auto on_lane(device_lane& lane, F f) {
  try {
    if (auto& stream = static_cast<torch_lane&>(lane).stream) {
      const c10::StreamGuard guard(*stream);
      return f();
    }
    return f();
  } catch (const c10::Error& e) {
    throw std::runtime_error(essential_line(e));
  }
}

}  // namespace troupe::inference
