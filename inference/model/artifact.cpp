#include "inference/model/artifact.hpp"

namespace troupe::inference {

std::string_view to_string(precision p) noexcept {
  switch (p) {
    case precision::automatic: return "auto";
    case precision::fp32: return "fp32";
    case precision::bf16: return "bf16";
    case precision::int8: return "int8";
  }
  return "?";
}

std::optional<precision> parse_precision(std::string_view name) noexcept {
  for (const auto p : {precision::automatic, precision::fp32, precision::bf16, precision::int8})
    if (to_string(p) == name) return p;
  return std::nullopt;
}

artifact_spec spec_of(const config::registered_model& m) {
  artifact_spec s;
  s.name = m.name;
  s.path = m.path;
  s.task = parse_task(m.task);
  s.wanted = parse_precision(m.precision).value_or(precision::automatic);
  s.max_length = m.max_length;
  s.labels = m.labels;
  s.batching = m.batching;
  s.inputs.reserve(m.inputs.size());
  for (const auto& in : m.inputs) s.inputs.push_back({in.name, in.type, in.shape});
  return s;
}

}  // namespace troupe::inference
