#pragma once
// The error for a name that the registry does not know, with the names that may have been meant.

#include <string>

#include "actors/protocol/service.hpp"

namespace troupe::http {

error unknown_model(const actors::service& service, const std::string& model);

}  // namespace troupe::http
