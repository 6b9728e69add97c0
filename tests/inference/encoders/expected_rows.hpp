#pragma once
// What transformers computed for rows of token ids (expected.json of tests/parity/make_families.py and
// make_modernbert.py).

#include <cstdint>
#include <string>
#include <vector>

#include "inference/encoders/encoder.hpp"
#include "tests/inference/support.hpp"

namespace troupe::inference::tests {

struct expected_row {
  std::vector<std::int32_t> ids;
  std::vector<std::uint8_t> types;
  std::vector<std::uint32_t> picks;
  std::vector<double> logits, token_logits, token_states;  // lines one after another

  token_row in() const { return {ids, types, picks}; }
  const std::vector<double>& of(network_output what) const {
    return what == network_output::logits ? logits : what == network_output::token_logits ? token_logits : token_states;
  }
};

inline void add_numbers(simdjson::dom::element value, std::vector<double>& to) {
  simdjson::dom::array list;
  double number = 0;
  if (!value.get(list))
    for (const auto one : list) add_numbers(one, to);
  else if (!value.get(number))
    to.push_back(number);
}

template <class T>
std::vector<T> numbers_of(simdjson::dom::element row, const char* key) {
  std::vector<double> all;
  if (simdjson::dom::element value; !row[key].get(value)) add_numbers(value, all);
  return std::vector<T>(all.begin(), all.end());
}

inline std::vector<expected_row> expected_of(const fs::path& folder) {
  simdjson::dom::parser parser;
  std::vector<expected_row> rows;
  for (const auto one : parser.load((folder / "expected.json").string()).get_array())
    rows.push_back({numbers_of<std::int32_t>(one, "ids"), numbers_of<std::uint8_t>(one, "types"),
                    numbers_of<std::uint32_t>(one, "picks"), numbers_of<double>(one, "logits"),
                    numbers_of<double>(one, "token_logits"), numbers_of<double>(one, "token_states")});
  return rows;
}

}  // namespace troupe::inference::tests
