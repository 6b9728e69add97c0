#include "inference/torch_device.hpp"

#include <c10/core/impl/VirtualGuardImpl.h>

namespace troupe::inference {

c10::Device torch_device(const std::string& device) {
  c10::Device d(device);
  if (d.is_cuda() && !d.has_index()) d = c10::Device(c10::kCUDA, 0);
  return d;
}

std::string essential_line(std::string_view what) {
  const auto start = what.find_first_not_of(" \n");
  if (start == what.npos) return "unknown error";
  auto line = what.substr(start);
  line = line.substr(0, line.find('\n'));
  return std::string(line.substr(0, 500));
}
std::string essential_line(const c10::Error& e) {
  return essential_line(std::string_view(e.what_without_backtrace()));
}

std::unique_ptr<device_lane> make_torch_lane(const std::string& device) {
  auto lane = std::make_unique<torch_lane>();
  if (is_gpu(device)) {
    const auto d = torch_device(device);
    lane->stream = c10::impl::VirtualGuardImpl(d.type()).getStreamFromGlobalPool(d);
  }
  return lane;
}

}  // namespace troupe::inference
