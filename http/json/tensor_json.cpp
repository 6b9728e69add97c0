#include "http/json/tensor_json.hpp"

#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <utility>

#include "http/json/json_read.hpp"
#include "inference/model/half.hpp"

namespace troupe::http {
namespace {

using inference::dtype;
using inference::tensor;
using simdjson::dom::array;
using simdjson::dom::element;
using simdjson::dom::element_type;

constexpr std::size_t max_dimensions = 8;

class reader {
 public:
  reader(dtype type, const std::string& where) : where_(where) { out_.type = type; }

  result<tensor> read(element value) {
    // The first element of each level gives the shape; everything else must fit it.
    element at = value;
    while (at.type() == element_type::ARRAY) {
      if (out_.shape.size() == max_dimensions) return unfit("has more than 8 dimensions", "flatten it");
      const array items(at.get_array().value_unsafe());
      const auto begin = items.begin();
      if (begin == items.end()) return unfit("has an empty array", "each dimension needs at least one element");
      std::int64_t count = 0;
      for (auto it = items.begin(); it != items.end(); ++it) ++count;
      out_.shape.push_back(count);
      at = *begin;
    }
    std::size_t elements = 1;
    // The product cannot overflow unnoticed: it is bounded by the text only if the array is not ragged, so
    // memory is taken while elements come.
    for (const auto n : out_.shape) elements = std::min<std::size_t>(elements * static_cast<std::size_t>(n), 1u << 16);
    out_.data.reserve(elements * inference::size_of(out_.type));
    if (!fill(value, 0)) return tl::unexpected(std::move(problem_));
    return std::move(out_);
  }

 private:
  tl::unexpected<error> unfit(const std::string& what, const std::string& right) const {
    return troupe::fail(error_code::unprocessable, where_ + " " + what, right);
  }

  bool fill(element value, std::size_t depth) {
    if (depth == out_.shape.size()) return append(value);
    if (value.type() != element_type::ARRAY) {
      return refuse("is ragged: " + std::string(kind_of(value)) + " stands where an array of " +
                    std::to_string(out_.shape[depth]) + " was expected");
    }
    std::int64_t count = 0;
    for (const element item : array(value.get_array().value_unsafe())) {
      if (++count > out_.shape[depth]) break;
      if (!fill(item, depth + 1)) return false;
    }
    if (count == out_.shape[depth]) return true;
    return refuse("is ragged: an array of dimension " + std::to_string(depth) + " has " +
                  (count > out_.shape[depth] ? "more" : "fewer") + " than " + std::to_string(out_.shape[depth]) +
                  " elements");
  }

  bool refuse(std::string what) {
    problem_ = {error_code::unprocessable,
                where_ + " " + std::move(what),
                "send a rectangular array of numbers, all rows of one length",
                {}};
    return false;
  }

  template <class T>
  bool put(T value) {
    const auto at = out_.data.size();
    out_.data.resize(at + sizeof value);
    std::memcpy(out_.data.data() + at, &value, sizeof value);
    return true;
  }

  template <class T>
  bool put_integer(element value) {
    std::int64_t whole = 0;
    if (value.type() == element_type::INT64) {
      whole = value.get_int64().value_unsafe();
    } else if (value.type() == element_type::BOOL) {
      whole = value.get_bool().value_unsafe() ? 1 : 0;
    } else if (value.type() == element_type::DOUBLE) {
      const double d = value.get_double().value_unsafe();
      if (!(std::abs(d) < 9e15) || d != std::floor(d)) return refuse_value(value);
      whole = static_cast<std::int64_t>(d);
    } else {
      return refuse_value(value);
    }
    if (!std::in_range<T>(whole)) return refuse_value(value);
    return put(static_cast<T>(whole));
  }

  bool put_real(element value) {
    double real = 0;
    switch (value.type()) {
      case element_type::INT64: real = static_cast<double>(value.get_int64().value_unsafe()); break;
      case element_type::UINT64: real = static_cast<double>(value.get_uint64().value_unsafe()); break;
      case element_type::DOUBLE: real = value.get_double().value_unsafe(); break;
      case element_type::BOOL: real = value.get_bool().value_unsafe() ? 1 : 0; break;
      default: return refuse_value(value);
    }
    switch (out_.type) {
      case dtype::f64: return put(real);
      case dtype::f16: return std::abs(real) <= 65504 ? put(inference::double_to_f16(real)) : refuse_value(value);
      default: break;
    }
    if (std::abs(real) > static_cast<double>(std::numeric_limits<float>::max())) return refuse_value(value);
    return out_.type == dtype::bf16 ? put(inference::float_to_bf16(static_cast<float>(real)))
                                    : put(static_cast<float>(real));
  }

  bool append(element value) {
    switch (out_.type) {
      case dtype::i64: return put_integer<std::int64_t>(value);
      case dtype::i32: return put_integer<std::int32_t>(value);
      case dtype::i16: return put_integer<std::int16_t>(value);
      case dtype::i8: return put_integer<std::int8_t>(value);
      case dtype::u8: return put_integer<std::uint8_t>(value);
      case dtype::boolean:
        if (value.type() == element_type::BOOL) return put(static_cast<std::uint8_t>(value.get_bool().value_unsafe()));
        return put_integer<std::uint8_t>(value) && normalise_boolean();
      default: return put_real(value);
    }
  }

  bool normalise_boolean() {
    out_.data.back() = std::byte{static_cast<unsigned char>(out_.data.back() != std::byte{0} ? 1 : 0)};
    return true;
  }

  bool refuse_value(element value) {
    const bool number = value.type() == element_type::INT64 || value.type() == element_type::UINT64 ||
                        value.type() == element_type::DOUBLE;
    if (number) return refuse("has a number that the model's input type cannot hold");
    if (value.type() == element_type::ARRAY) return refuse("is ragged: an array stands where a number was expected");
    return refuse("has " + std::string(kind_of(value)) + " where a number was expected");
  }

  const std::string& where_;
  tensor out_;
  error problem_;
};

tl::unexpected<error> unfit(const std::string& what, std::string right) {
  return fail(error_code::unprocessable, what, std::move(right));
}

result<dtype> read_datatype(element value, const std::string& where) {
  constexpr std::array<std::pair<std::string_view, dtype>, 10> v2_names{{{"FP32", dtype::f32},
                                                                         {"FP64", dtype::f64},
                                                                         {"FP16", dtype::f16},
                                                                         {"BF16", dtype::bf16},
                                                                         {"INT64", dtype::i64},
                                                                         {"INT32", dtype::i32},
                                                                         {"INT16", dtype::i16},
                                                                         {"INT8", dtype::i8},
                                                                         {"UINT8", dtype::u8},
                                                                         {"BOOL", dtype::boolean}}};
  std::string_view name;
  if (value.get_string().get(name) == simdjson::SUCCESS) {
    if (const auto known = inference::parse_dtype(name)) return *known;
    for (const auto& [v2_name, type] : v2_names) {
      if (v2_name == name) return type;
    }
  }
  return unfit(where + " has a datatype that is not known", "use one of " + config::dtype_names());
}

// Gives a flat tensor the shape that was told; one that has it already stays.
result<void> reshape(tensor& t, element shape, const std::string& where) {
  std::vector<std::int64_t> wanted;
  std::uint64_t elements = 1;
  if (shape.type() != element_type::ARRAY) return unfit(where + " has a shape that is no array", "send whole numbers");
  for (const element one : array(shape.get_array().value_unsafe())) {
    std::int64_t n = 0;
    if (one.get_int64().get(n) != simdjson::SUCCESS || n < 0 || wanted.size() == max_dimensions ||
        __builtin_mul_overflow(elements, static_cast<std::uint64_t>(n), &elements)) {
      return unfit(where + " has a shape that is none", "send at most 8 whole numbers, none below 0");
    }
    wanted.push_back(n);
  }
  if (t.shape == wanted) return {};
  if (t.shape.size() == 1 && elements == t.data.size() / inference::size_of(t.type)) {
    t.shape = std::move(wanted);
    return {};
  }
  return unfit(where + " has data that is not of its shape",
               "send as many numbers as the shape says, in one list or nested like it");
}

}  // namespace

result<tensor> read_tensor(element value, dtype type, const std::string& where) {
  return reader(type, where).read(value);
}

result<tensor> read_described_tensor(simdjson::dom::object value, dtype type, const std::string& where) {
  element data, shape;
  bool has_data = false, has_shape = false;
  for (const auto [name, field] : value) {
    if (name == "data") {
      data = field;
      has_data = true;
    } else if (name == "shape") {
      shape = field;
      has_shape = true;
    } else if (name == "datatype") {
      const auto told = read_datatype(field, where);
      if (!told) return tl::unexpected(told.error());
      type = *told;
    } else {
      return unfit(where + " has an unknown key '" + std::string(name.substr(0, 80)) + "'",
                   "a tensor has data, shape and datatype");
    }
  }
  if (!has_data) return unfit(where + " has no data", "send {\"data\": [..]}");
  auto t = read_tensor(data, type, where);
  if (!t || !has_shape) return t;
  if (auto shaped = reshape(*t, shape, where); !shaped) return tl::unexpected(shaped.error());
  return t;
}

std::vector<tensor> split_first_dimension(const tensor& t) {
  std::vector<tensor> out;
  if (t.shape.empty() || t.shape[0] <= 0) return out;
  const auto count = static_cast<std::size_t>(t.shape[0]);
  const auto bytes = t.data.size() / count;
  out.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    tensor part;
    part.type = t.type;
    part.shape.assign(t.shape.begin() + 1, t.shape.end());
    part.data.assign(t.data.begin() + static_cast<std::ptrdiff_t>(i * bytes),
                     t.data.begin() + static_cast<std::ptrdiff_t>((i + 1) * bytes));
    out.push_back(std::move(part));
  }
  return out;
}

}  // namespace troupe::http
