#pragma once
// Model names: [A-Za-z0-9][A-Za-z0-9._-]*, optionally one namespace before a `/`, 128 bytes, no `..`.

#include <string_view>

#include "config/error.hpp"

namespace troupe::config {

// A name as a client may send it. Error: bad_request, saying which rule is broken.
result<void> check_model_name(std::string_view name);

// A name that may be registered: also refuses the reserved ones (first segments of other routes, literals
// under /models, and a last segment that is an action).
result<void> check_registered_name(std::string_view name);

}  // namespace troupe::config
