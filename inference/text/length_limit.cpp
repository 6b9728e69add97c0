#include "inference/text/length_limit.hpp"

#include <cmath>

namespace troupe::inference {

result<std::uint32_t> length_limit(const model_json& file, const json_path& at, simdjson::dom::element value) {
  const auto wrong = [&] { return file.problem(at, "must be a whole number from 1"); };
  std::int64_t number = 0;
  double real = 0;
  if (!value.get(number))
    real = static_cast<double>(number);
  else if (value.get(real) || file.written(at) == "NaN")
    return wrong();
  if (real > UINT32_MAX) return 0U;
  if (!(real >= 1) || real != std::floor(real)) return wrong();
  return static_cast<std::uint32_t>(real);
}

}  // namespace troupe::inference
