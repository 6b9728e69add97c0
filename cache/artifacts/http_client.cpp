#include "cache/artifacts/http_client.hpp"

namespace troupe::cache {

const std::string* http_answer::header(std::string_view lower_case_name) const noexcept {
  for (const auto& [name, value] : headers)
    if (name == lower_case_name) return &value;
  return nullptr;
}

}  // namespace troupe::cache
