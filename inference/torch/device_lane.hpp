#pragma once
// A place on a device to run on, for those who know no Torch types.

#include <memory>
#include <string>
#include <string_view>

namespace troupe::inference {

inline bool is_gpu(std::string_view device) { return device.starts_with("cuda"); }

// What one instance has for itself on a device: its stream on a GPU, nothing on a CPU. Used by one thread at a time.
class device_lane {
 public:
  virtual ~device_lane() = default;
};

// `device`: "cpu", "cuda", "cuda:1". Throws std::exception where there is no such device.
std::unique_ptr<device_lane> make_device_lane(const std::string& device);

}  // namespace troupe::inference
