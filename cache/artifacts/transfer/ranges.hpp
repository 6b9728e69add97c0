#pragma once
// Which bytes of a file are there, and which are fetched next. Pure.
//
// What always holds:
//   R1  what is whole is kept as ranges that neither touch nor overlap, none empty
//   R2  no byte is taken twice at a time, and none that is whole

#include <cstdint>
#include <map>
#include <optional>

namespace troupe::cache {

struct byte_range {
  std::uint64_t begin = 0, end = 0;  // `end` is one behind the last
  std::uint64_t size() const noexcept { return end - begin; }
  bool operator==(const byte_range&) const = default;
};

class range_plan {
 public:
  static constexpr std::uint64_t unknown = UINT64_MAX;  // as an end: until the server ends

  // Of a file of that many bytes (`unknown`: not known yet), of which the first `whole` are there.
  explicit range_plan(std::uint64_t size = unknown, std::uint64_t whole = 0);

  // The first bytes that are neither there nor taken, at most `most` of them; null: there are none.
  std::optional<byte_range> take(std::uint64_t most);
  bool has_open() const;
  // Of a range that was taken, from its begin on, up to its end.
  void wrote(std::uint64_t begin, std::uint64_t end);
  // The range that was taken at `begin` is nobody's any more: what of it is not there is open again.
  void give_back(std::uint64_t begin);
  // Once it is known. What lies behind it is forgotten.
  void set_size(std::uint64_t size);

  std::uint64_t size() const noexcept { return size_; }
  std::uint64_t prefix() const noexcept;  // bytes from the first on that are there
  std::uint64_t whole() const noexcept { return whole_bytes_; }
  bool complete() const noexcept { return prefix() == size_; }

 private:
  std::optional<byte_range> first_open(std::uint64_t most) const;
  std::uint64_t size_;
  std::map<std::uint64_t, std::uint64_t> whole_, taken_;  // begin -> end
  std::uint64_t whole_bytes_ = 0;
};

}  // namespace troupe::cache
