#include "inference/torch/onednn_panels.hpp"

#include <dlfcn.h>

#include <cstring>
#include <map>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include <ATen/ops/empty.h>

#include "inference/torch/operators.hpp"
#include "inference/torch/panels.hpp"

namespace troupe::inference {
namespace {

using reorder = at::Tensor(const at::Tensor&, std::optional<std::int64_t>);
using describe = at::Tensor(const at::Tensor&);
using data_of_packed = void* (*)(const at::Tensor&);
using wrap = at::Tensor (*)(void* data, at::IntArrayRef shape, at::ScalarType type, at::Device device,
                            const std::uint8_t* description, std::int64_t description_bytes);

struct functions {
  std::optional<c10::TypedOperatorHandle<reorder>> pack = find_operator<reorder>("mkldnn::_reorder_linear_weight");
  std::optional<c10::TypedOperatorHandle<describe>> description =
      find_operator<describe>("mkldnn::_get_mkldnn_serialized_md");
  // Not linked: another LibTorch may not have them, or with another signature, which is part of the name.
  data_of_packed data =
      reinterpret_cast<data_of_packed>(::dlsym(RTLD_DEFAULT, "_ZN2at6native20data_ptr_from_mkldnnERKNS_6TensorE"));
  wrap from_data = reinterpret_cast<wrap>(
      ::dlsym(RTLD_DEFAULT,
              "_ZN2at6native27mkldnn_tensor_from_data_ptrEPvN3c108ArrayRefIlEENS2_10ScalarTypeENS2_6DeviceEPKhl"));
  bool complete() const { return pack && description && data != nullptr && from_data != nullptr; }
};
const functions& all() {
  static const functions found;
  return found;
}

// oneDNN's description of how it packs this shape, where that is panels; else undefined. It is shown numbers that
// differ.
at::Tensor description_of(std::int64_t out, std::int64_t in) {
  constexpr std::int64_t rows = 256;  // many, whatever their number
  const auto plain = at::empty({out, in}, at::kBFloat16);
  const auto size = static_cast<std::size_t>(panel_rows * in);
  auto* numbers = reinterpret_cast<std::uint16_t*>(plain.mutable_data_ptr<c10::BFloat16>());
  for (std::int64_t i = 0; i < out * in; ++i) numbers[i] = static_cast<std::uint16_t>(i % 32749);  // a prime; no NaN
  const auto packed = all().pack->call(plain, rows);
  auto description = all().description->call(packed);
  const auto* lies = static_cast<const std::uint16_t*>(all().data(packed));
  std::vector<std::uint16_t> panel(size);
  for (std::int64_t at = 0; at < out * in; at += panel_rows * in) {
    to_panel(std::span<const std::uint16_t>(numbers + at, size), panel);
    if (std::memcmp(panel.data(), lies + at, size * sizeof(std::uint16_t)) != 0) return {};
  }
  return description;
}

// Asked once a shape; networks have a few.
at::Tensor known_description(std::int64_t out, std::int64_t in) {
  static std::mutex mutex;
  static std::map<std::pair<std::int64_t, std::int64_t>, at::Tensor> known;
  const std::scoped_lock lock(mutex);
  const auto [at, added] = known.try_emplace({out, in});
  try {
    if (added) at->second = description_of(out, in);
  } catch (const std::exception&) {
  }
  return at->second;
}

}  // namespace

at::Tensor as_onednn_weight(const at::Tensor& panels) {
  if (!all().complete()) return {};
  const auto description = known_description(panels.size(0), panels.size(1));
  if (!description.defined()) return {};
  auto* data = const_cast<c10::BFloat16*>(panels.const_data_ptr<c10::BFloat16>());  // never written
  return all().from_data(data, panels.sizes(), at::kBFloat16, at::kCPU, description.const_data_ptr<std::uint8_t>(),
                         description.numel());
}

}  // namespace troupe::inference
