#pragma once
// One row of the routing table.

#include <functional>
#include <string>

#include "http/core/exchange.hpp"

namespace troupe::http {

struct route {
  std::string method;   // "GET"
  // "/models/{model_name}/load": {model_name} may hold one '/' (a namespace), also as %2F, and is checked;
  // any other parameter ("{id}") is one decoded segment, unchecked. At most one parameter a pattern.
  std::string pattern;
  // `model_name` is the decoded parameter; empty where the pattern has none.
  std::function<void(exchange_ptr, std::string model_name)> run;
  bool open = false;   // needs no key even where API_KEYS are set
  bool admin = false;  // needs the admin key
};

}  // namespace troupe::http
