#include "http/json/json_write.hpp"

#include <array>
#include <charconv>
#include <cmath>
#include <cstring>

#include "http/json/text.hpp"
#include "inference/model/half.hpp"

namespace troupe::http {
namespace {

template <class T>
T load(const std::byte* at) noexcept {
  T out;
  std::memcpy(&out, at, sizeof out);
  return out;
}

void write_element(json_out& out, inference::dtype type, const std::byte* at) {
  using inference::dtype;
  switch (type) {
    case dtype::f32: out.value(load<float>(at)); break;
    case dtype::f64: out.exact(load<double>(at)); break;
    case dtype::f16: out.value(inference::f16_to_float(load<std::uint16_t>(at))); break;
    case dtype::bf16: out.value(inference::bf16_to_float(load<std::uint16_t>(at))); break;
    case dtype::i64: out.value(load<std::int64_t>(at)); break;
    case dtype::i32: out.value(load<std::int32_t>(at)); break;
    case dtype::i16: out.value(load<std::int16_t>(at)); break;
    case dtype::i8: out.value(static_cast<int>(load<std::int8_t>(at))); break;
    case dtype::u8: out.value(static_cast<unsigned>(load<std::uint8_t>(at))); break;
    case dtype::boolean: out.value(load<std::uint8_t>(at) != 0); break;
  }
}

// Writes the sub-tensor at `dim`; returns where the next one begins, or null when the data is too short.
const std::byte* write_nested(json_out& out, const inference::tensor& t, std::size_t dim, const std::byte* at) {
  const auto size = inference::size_of(t.type);
  if (dim == t.shape.size()) {
    if (static_cast<std::size_t>(t.data.data() + t.data.size() - at) < size) {
      out.value(nullptr);
      return t.data.data() + t.data.size();
    }
    write_element(out, t.type, at);
    return at + size;
  }
  out.array();
  for (std::int64_t i = 0; i < t.shape[dim]; ++i) at = write_nested(out, t, dim + 1, at);
  out.end_array();
  return at;
}

void two_digits(char* at, unsigned value) noexcept {
  at[0] = static_cast<char>('0' + value / 10);
  at[1] = static_cast<char>('0' + value % 10);
}

}  // namespace

std::string iso_utc(std::chrono::system_clock::time_point at) {
  using namespace std::chrono;
  const auto seconds_since = floor<seconds>(at);
  const auto day = floor<days>(seconds_since);
  const year_month_day date(day);
  const auto second_of_day = static_cast<unsigned>((seconds_since - day).count());
  const auto y = static_cast<unsigned>(static_cast<int>(date.year()));
  std::string out = "0000-00-00T00:00:00Z";
  two_digits(out.data(), y / 100 % 100);
  two_digits(out.data() + 2, y % 100);
  two_digits(out.data() + 5, static_cast<unsigned>(date.month()));
  two_digits(out.data() + 8, static_cast<unsigned>(date.day()));
  two_digits(out.data() + 11, second_of_day / 3600);
  two_digits(out.data() + 14, second_of_day / 60 % 60);
  two_digits(out.data() + 17, second_of_day % 60);
  return out;
}

json_out& json_out::key(std::string_view name) {
  if (is_utf8(name)) {
    writer_.Key(name.data(), static_cast<rapidjson::SizeType>(name.size()));
  } else {
    const auto clean = make_utf8(name);
    writer_.Key(clean.data(), static_cast<rapidjson::SizeType>(clean.size()));
  }
  return *this;
}

json_out& json_out::value(std::string_view text) {
  if (is_utf8(text)) {
    writer_.String(text.data(), static_cast<rapidjson::SizeType>(text.size()));
  } else {
    const auto clean = make_utf8(text);
    writer_.String(clean.data(), static_cast<rapidjson::SizeType>(clean.size()));
  }
  return *this;
}

json_out& json_out::value(double number) {
  if (!std::isfinite(number)) return value(nullptr);
  const double rounded = std::abs(number) < 1e9 ? std::round(number * 1e6) / 1e6 : number;
  writer_.Double(rounded == 0 ? 0.0 : rounded);
  return *this;
}

template <class T>
json_out& json_out::shortest(T number) {
  if (!std::isfinite(number)) return value(nullptr);
  std::array<char, 40> text;
  auto end = std::to_chars(text.data(), text.data() + text.size() - 2, number).ptr;
  // "1" would read back as an integer where clients expect a fraction.
  if (std::string_view(text.data(), static_cast<std::size_t>(end - text.data())).find_first_of(".e") ==
      std::string_view::npos) {
    *end++ = '.';
    *end++ = '0';
  }
  writer_.RawValue(text.data(), static_cast<std::size_t>(end - text.data()), rapidjson::kNumberType);
  return *this;
}

json_out& json_out::value(float number) { return shortest(number); }
json_out& json_out::exact(double number) { return shortest(number); }

json_out& json_out::value(std::chrono::system_clock::time_point at) { return value(std::string_view(iso_utc(at))); }

json_out& json_out::elements(const inference::tensor& t) {
  if (t.shape.empty() && t.data.size() < inference::size_of(t.type)) return value(nullptr);
  write_nested(*this, t, 0, t.data.data());
  return *this;
}

}  // namespace troupe::http
