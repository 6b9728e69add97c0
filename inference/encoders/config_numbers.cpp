#include "inference/encoders/config_numbers.hpp"

#include <string>

namespace troupe::inference {

result<std::int64_t> whole_number(const model_json& config, const char* key, std::int64_t otherwise, std::int64_t most,
                                  std::int64_t least) {
  const auto value = member(config.root(), key);
  if (!value) return otherwise;
  std::int64_t number = 0;
  if (value->get(number) || number < least || number > most)
    return config.problem({key},
                          "must be a whole number from " + std::to_string(least) + " to " + std::to_string(most));
  return number;
}

result<double> norm_epsilon(const model_json& config, const char* key, double otherwise) {
  const auto value = member(config.root(), key);
  if (!value) return otherwise;
  double number = 0;
  if (value->get(number)) return config.problem({key}, "must be a number");
  if (!(number > 0 && number < 1)) return config.problem({key}, "must lie between 0 and 1");
  return number;
}

number_reader& number_reader::whole(const char* key, std::int64_t& into, std::int64_t otherwise, std::int64_t most,
                                    std::int64_t least) {
  if (!outcome_) return *this;
  const auto read = whole_number(config_, key, otherwise, most, least);
  if (read)
    into = *read;
  else
    outcome_ = tl::unexpected(read.error());
  return *this;
}

number_reader& number_reader::epsilon(const char* key, double& into, double otherwise) {
  if (!outcome_) return *this;
  const auto read = norm_epsilon(config_, key, otherwise);
  if (read)
    into = *read;
  else
    outcome_ = tl::unexpected(read.error());
  return *this;
}

}  // namespace troupe::inference
