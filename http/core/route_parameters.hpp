#pragma once
// What stood in a path where its pattern has parameters: decoded, by name.

#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace troupe::http {

class route_parameters {
 public:
  void add(std::string name, std::string value) { all_.emplace_back(std::move(name), std::move(value)); }

  // REQUIRES: the route's pattern has a parameter of this name; another is a programming error (throws).
  const std::string& operator[](std::string_view name) const {
    for (const auto& [key, value] : all_) {
      if (key == name) return value;
    }
    throw std::out_of_range("the route has no parameter " + std::string(name));
  }
  std::size_t size() const noexcept { return all_.size(); }

 private:
  std::vector<std::pair<std::string, std::string>> all_;  // in the pattern's order
};

}  // namespace troupe::http
