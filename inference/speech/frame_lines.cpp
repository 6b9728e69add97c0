#include "inference/speech/frame_lines.hpp"

#include <algorithm>

#include "inference/torch/line_room.hpp"

namespace troupe::inference {

at::Tensor room_of_rows(std::int64_t lines, std::int64_t width, const at::TensorOptions& options,
                        std::span<const frame_range> rows) {
  const auto room = line_room(lines, width, options, made_for::layer);
  std::int64_t end = 0, all = 0;
  for (const auto& row : rows) {
    end = std::max(end, row.first + row.length);
    all += row.length;
  }
  const auto from = all == end ? end : 0;  // then there are none between them
  if (from < lines) room.narrow(0, from, lines - from).zero_();
  return room;
}

}  // namespace troupe::inference
