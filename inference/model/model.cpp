#include "inference/model/model.hpp"

namespace troupe::inference {

error wrong_task(const model_info& info, task asked) {
  std::string has;
  for (const auto t : info.tasks) has.append(has.empty() ? "" : ", ").append(to_string(t));
  return {error_code::unprocessable, "this model does not do " + std::string(to_string(asked)), "it does " + has, {}};
}

}  // namespace troupe::inference
