#pragma once
// Reference data of the speech models (tests/parity/make_punctuation.py, make_vad.py).

#include <string>
#include <vector>

#include <simdjson.h>

#include "tests/inference/support.hpp"

namespace troupe::inference::tests {

inline fs::path punctuation_fixtures() { return fixtures() / "speech" / "punctuation"; }
inline fs::path vad_fixtures() { return fixtures() / "speech" / "vad"; }

class json_file {
 public:
  explicit json_file(const fs::path& path) : root_(parser_.load(path.string())) {}
  simdjson::dom::element root() const { return root_; }

 private:
  simdjson::dom::parser parser_;
  simdjson::dom::element root_;
};

inline std::vector<std::string> strings_of(simdjson::dom::element list) {
  std::vector<std::string> all;
  for (const auto one : list.get_array()) all.emplace_back(one.get_string().value());
  return all;
}
inline std::string text_at(simdjson::dom::element list, std::size_t i) {
  return std::string(list.at(i).get_string().value());
}

}  // namespace troupe::inference::tests
