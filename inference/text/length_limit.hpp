#pragma once
// A number of tokens, as libraries write it into their settings.

#include <cstdint>

#include "inference/files/model_json.hpp"

namespace troupe::inference {

// `value` stands at `at` in `file`. 0: no limit: libraries write 1e30, as an integer or not, where there is none.
// unprocessable: no whole number from 1.
result<std::uint32_t> length_limit(const model_json& file, const json_path& at, simdjson::dom::element value);

}  // namespace troupe::inference
