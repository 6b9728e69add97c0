#include "inference/torch/line_room.hpp"

#include <ATen/ops/empty.h>
#include <ATen/ops/empty_strided.h>

#include "inference/torch/tiles.hpp"

namespace troupe::inference {

at::Tensor line_room(std::int64_t rows, std::int64_t width, const at::TensorOptions& options, made_for reader) {
  if (reader == made_for::anyone || rows < tile_lines || !has_tiles()) return at::empty({rows, width}, options);
  constexpr std::int64_t cache_line_bytes = 64;
  const auto bytes = static_cast<std::int64_t>(options.dtype().itemsize());
  const auto lines = (width * bytes + cache_line_bytes - 1) / cache_line_bytes | 1;
  return at::empty_strided({rows, width}, {lines * cache_line_bytes / bytes, 1}, options);
}

at::Tensor with_whole_lines(const at::Tensor& x) { return x.stride(1) == 1 ? x : x.contiguous(); }

}  // namespace troupe::inference
