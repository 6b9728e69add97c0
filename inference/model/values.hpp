#pragma once
// What a client gives: named values. One shape carries texts, pairs, token ids, tensors, media and speech.

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "inference/model/tensor.hpp"

namespace troupe::inference {

struct text_pair {
  std::string first, second;
};
struct token_ids {  // used as they come, special tokens included
  std::vector<std::int32_t> ids;
};
struct media {       // encoded: an image, a recording
  std::string type;  // "image/png"
  std::vector<std::byte> bytes;
};
struct samples {  // one channel, -1 .. 1
  std::vector<float> values;
  std::uint32_t rate_hz = 0;
};

// Texts are UTF-8.
using input_value = std::variant<std::string, text_pair, token_ids, tensor, media, samples>;

struct named_value {
  std::string name;  // empty: the model's only input
  input_value content;
};

// One item of a request. Most have one value without a name.
struct input {
  std::vector<named_value> values;

  input() = default;
  template <class T>
  requires(!std::same_as<std::remove_cvref_t<T>, input> && std::constructible_from<input_value, T&&>)
      input(T&& only) {  // NOLINT(bugprone-forwarding-reference-overload): the constraint keeps copies out
    values.push_back({{}, input_value(std::forward<T>(only))});
  }

  // The one value there is, when it is a T; else null.
  template <class T>
  const T* only() const noexcept {
    return values.size() == 1 ? std::get_if<T>(&values.front().content) : nullptr;
  }
};

// "a text", "a pair of texts", ..: for messages.
std::string_view kind_of(const input_value& v) noexcept;
std::string_view kind_of(const input& in) noexcept;

// Bytes that the values hold: what preparing them costs.
std::uint64_t size_bytes(const input& in) noexcept;

}  // namespace troupe::inference
