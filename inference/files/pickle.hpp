#pragma once
// Pickles as torch.save writes them, read as data: numbers, texts, containers, and the calls that would rebuild
// tensors, which are noted and never made. Nothing is imported, nothing is run: a name or an opcode that no state dict
// needs is refused, by name.
//
// Values lie in one array and refer to each other by place: what a pickle shares stays shared, nesting takes no stack,
// and a value may hold itself. Bytes, opcodes, values and what containers hold are bounded.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "config/error.hpp"

namespace troupe::inference {

inline constexpr std::uint64_t pickle_bytes_max = 64U << 20U;
inline constexpr std::size_t pickle_values_max = 2'000'000;
// Also what limits the stack, and all that containers hold together.
inline constexpr std::size_t pickle_opcodes_max = 8'000'000;

enum class pickle_kind : std::uint8_t {
  none,
  boolean,
  integer,
  big_integer,  // beyond 64 bits
  real,
  text,
  bytes,
  list,
  tuple,
  set,
  dict,  // also an OrderedDict
  global,
  call,
  persistent,  // stands for what lies outside of the pickle: a storage
};

struct pickle_value {
  pickle_kind kind = pickle_kind::none;
  std::int64_t integer = 0;  // a boolean's too
  double real = 0;
  std::string_view text;             // UTF-8; bytes; a big integer's bytes, little-endian; a global's or call's name
  std::vector<std::uint32_t> items;  // places; a dict's keys and values in turn, the last of equal keys counts; of a
                                     // call its arguments, a tuple; of a persistent value its name, any value
};

// One pickle, protocol 2 to 5. Refers to the bytes that it was read from.
class pickle {
 public:
  // From the first byte up to the STOP, whatever comes after it. `what` names the file in errors. unprocessable:
  // refused, malformed or too large. `ended_early` is set when `bytes` end before the STOP does, so that more of them
  // may help.
  static result<pickle> read(std::string_view bytes, const std::string& what, bool* ended_early = nullptr);

  const pickle_value& root() const noexcept { return values_[root_]; }
  // REQUIRES a place that an item of this pickle names.
  const pickle_value& at(std::uint32_t place) const noexcept { return values_[place]; }
  const std::vector<pickle_value>& values() const noexcept { return values_; }
  std::uint64_t size_bytes() const noexcept { return size_bytes_; }  // the STOP included

 private:
  std::vector<pickle_value> values_;
  std::uint32_t root_ = 0;
  std::uint64_t size_bytes_ = 0;
};

// "a list", "a call of torch.Size": for errors.
std::string describe(const pickle_value& value);

}  // namespace troupe::inference
