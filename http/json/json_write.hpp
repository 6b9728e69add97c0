#pragma once
// JSON out: RapidJSON's writer behind a few verbs that cannot produce invalid JSON (bad UTF-8 is replaced,
// NaN and infinity are null). One object a document, one thread.

#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

#include <chrono>
#include <concepts>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "inference/model/tensor.hpp"

namespace troupe::http {

// "2024-01-01T00:00:00Z"
std::string iso_utc(std::chrono::system_clock::time_point at);

class json_out {
 public:
  json_out() : buffer_(nullptr, 1024), writer_(buffer_) {}

  json_out& object() {
    writer_.StartObject();
    return *this;
  }
  json_out& end_object() {
    writer_.EndObject();
    return *this;
  }
  json_out& array() {
    writer_.StartArray();
    return *this;
  }
  json_out& end_array() {
    writer_.EndArray();
    return *this;
  }
  json_out& key(std::string_view name);
  json_out& value(std::string_view text);
  json_out& value(const char* text) { return value(std::string_view(text)); }
  json_out& value(const std::string& text) { return value(std::string_view(text)); }
  json_out& value(bool yes) {
    writer_.Bool(yes);
    return *this;
  }
  json_out& value(std::integral auto number) {
    if constexpr (std::signed_integral<decltype(number)>) {
      writer_.Int64(number);
    } else {
      writer_.Uint64(number);
    }
    return *this;
  }
  json_out& value(double number);                 // rounded to six decimals
  json_out& value(float number);                  // as short as it can be read back
  json_out& exact(double number);                 // all its digits
  json_out& value(std::chrono::system_clock::time_point at);
  json_out& value(std::nullptr_t) {
    writer_.Null();
    return *this;
  }
  template <class T>
  json_out& value(const std::optional<T>& maybe) {
    return maybe ? value(*maybe) : value(nullptr);
  }
  template <class T>
  json_out& field(std::string_view name, const T& v) {
    return key(name).value(v);
  }
  // A value that is JSON already. REQUIRES: it is well formed.
  json_out& raw(std::string_view json) {
    writer_.RawValue(json.data(), json.size(), rapidjson::kObjectType);
    return *this;
  }
  // A tensor's elements as nested arrays; non-finite ones are null.
  json_out& elements(const inference::tensor& t);

  std::string str() const { return {buffer_.GetString(), buffer_.GetSize()}; }
  std::size_t size() const { return buffer_.GetSize(); }

 private:
  template <class T>
  json_out& shortest(T number);

  rapidjson::StringBuffer buffer_;
  rapidjson::Writer<rapidjson::StringBuffer> writer_;
};

}  // namespace troupe::http
