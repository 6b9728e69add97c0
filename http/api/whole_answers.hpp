#pragma once
// What OpenAI's routes and TEI's share once their input is read: which model answers, and answers that are good as a
// whole or not at all.

#include <cstdint>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "http/api/collect.hpp"
#include "http/api/request_fields.hpp"
#include "http/core/route.hpp"

namespace troupe::http {

// Who answers a request for `wanted` that names no model: the server's default where it does that, else the first by
// name of those that do; where none is known to (models that are not in memory tell by their registry's task alone),
// the default. Empty: the server has no model.
std::string default_for(const actors::service& service, inference::task wanted);

// `named`, else the default: of `wanted` where that is given. bad_request: a bad name, or there is none.
// model_not_found: with similar names.
result<std::string> choose_model(const actors::service& service, const std::optional<std::string>& named,
                                 std::optional<inference::task> wanted);

// Inputs for a re-ranker. payload_too_large: the query stands beside each of the texts, and comes to too much.
std::vector<inference::input> query_pairs(request_fields& from, const std::string& query,
                                          const std::vector<std::string>& texts);

// How messages name an input.
using input_namer = std::function<std::string(std::size_t)>;
input_namer numbered(std::string field);  // "field[2]"

// `asked` is complete but for what the request's headers say. `write` gives the body of the answer. Where one input has
// failed, the request is answered with its error, which names it where there are several.
void collect_whole(const context& c, const exchange_ptr& request, actors::predict_request asked, input_namer name_of,
                   std::function<std::string(const collected&)> write);

// Throws where the model has given something else (500): it was asked for this.
template <class T>
const T& answer_of(const item_answer& answer) {
  if (const auto* value = answer.only<T>()) return *value;
  throw std::runtime_error("the model gave another kind of answer than its task has");
}

struct ranked {
  std::size_t index = 0;
  float score = 0;
};
// The `most` best by falling score.
std::vector<ranked> ranking_of(const collected& all, std::size_t most = SIZE_MAX);

// What such a route can fail with, for the document.
family_routes::row& fails_as_whole(family_routes::row& row);

}  // namespace troupe::http
