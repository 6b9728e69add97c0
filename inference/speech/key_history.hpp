#pragma once
// Keys and values of frames that are past, of all layers of one session: what attention looks back on. A ring of lines,
// [layers, capacity, 2 * width], k beside v; in which order attention sees them does not matter. No Torch types.

#include <algorithm>
#include <array>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace troupe::inference {

// K1  count <= capacity; the newest line of a layer is the one before (begin + count) modulo capacity.
class key_history {
 public:
  key_history() = default;
  // `memory`: layers * capacity * line_bytes, the session's own.
  key_history(std::byte* memory, std::int64_t capacity, std::size_t line_bytes)
      : memory_(memory), capacity_(capacity), line_bytes_(line_bytes) {}

  std::int64_t count() const noexcept { return count_; }
  std::int64_t capacity() const noexcept { return capacity_; }
  std::size_t line_bytes() const noexcept { return line_bytes_; }

  // Of a layer, all count() lines, where they lie: one after another in each piece.
  struct piece {
    const std::byte* first = nullptr;
    std::int64_t count = 0;
  };
  std::array<piece, 2> pieces(std::int64_t layer) const noexcept {
    const auto first = std::min(count_, capacity_ - begin_);
    return {piece{line(layer, begin_), first}, piece{line(layer, 0), count_ - first}};
  }
  // Puts a line behind the `ahead` ones that were put since advance(). REQUIRES capacity; what it pushes out is lost.
  void put(std::int64_t layer, std::int64_t ahead, const std::byte* bytes) noexcept {
    assert(capacity_ > 0);
    std::memcpy(line(layer, (begin_ + count_ + ahead) % capacity_), bytes, line_bytes_);
  }
  // When every layer has so many lines more: only the newest `most` of all stay. REQUIRES most <= capacity.
  void advance(std::int64_t added, std::int64_t most) noexcept {
    if (capacity_ == 0) return;
    const auto all = count_ + added;
    const auto stay = std::min(all, most);
    begin_ = (begin_ + all - stay) % capacity_;
    count_ = stay;
  }
  void clear() noexcept { begin_ = count_ = 0; }

 private:
  std::byte* line(std::int64_t layer, std::int64_t place) const noexcept {
    return memory_ + static_cast<std::size_t>(layer * capacity_ + place) * line_bytes_;
  }

  std::byte* memory_ = nullptr;
  std::int64_t capacity_ = 0;
  std::size_t line_bytes_ = 0;
  std::int64_t begin_ = 0, count_ = 0;
};

}  // namespace troupe::inference
