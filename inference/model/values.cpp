#include "inference/model/values.hpp"

#include "inference/model/overloaded.hpp"

namespace troupe::inference {
namespace {

std::uint64_t size_bytes_of(const input_value& v) noexcept {
  return std::visit(
      overloaded{[](const std::string& text) { return text.size(); },
                 [](const text_pair& pair) { return pair.first.size() + pair.second.size(); },
                 [](const token_ids& given) { return given.ids.size() * sizeof(std::int32_t); },
                 [](const tensor& t) { return t.data.size(); }, [](const media& m) { return m.bytes.size(); },
                 [](const samples& s) { return s.values.size() * sizeof(float); }},
      v);
}

}  // namespace

std::string_view kind_of(const input_value& v) noexcept {
  return std::visit(
      overloaded{[](const std::string&) { return "a text"; }, [](const text_pair&) { return "a pair of texts"; },
                 [](const token_ids&) { return "token ids"; }, [](const tensor&) { return "a tensor"; },
                 [](const media&) { return "media"; }, [](const samples&) { return "samples of sound"; }},
      v);
}

std::string_view kind_of(const input& in) noexcept {
  return in.values.size() == 1 ? kind_of(in.values.front().content) : in.values.empty() ? "nothing" : "several values";
}

std::uint64_t size_bytes(const input& in) noexcept {
  std::uint64_t sum = 0;
  for (const auto& one : in.values) sum += one.name.size() + size_bytes_of(one.content);
  return sum;
}

}  // namespace troupe::inference
