#pragma once
// What text-embeddings-inference's clients read: answers and errors. Pure.

#include <string>
#include <vector>

#include "actors/protocol/reports.hpp"
#include "actors/protocol/service.hpp"
#include "config/settings.hpp"
#include "http/api/collect.hpp"

namespace troupe::http {

// {"error", "error_type"} beside the usual status; the types are paired with the statuses as theirs are (422 Tokenizer,
// 429 Overloaded, ..). `empty_list`: theirs for a request of nothing.
response tei_error(const error& why, header_list headers, bool empty_list = false);

// All but the last three REQUIRE answers of their task (else they throw).
std::string tei_embeddings_json(const collected& all);        // [[..], ..]
std::string tei_token_embeddings_json(const collected& all);  // [[[..], ..], ..]
// Of the first answer to each of the others.
std::string tei_similarity_json(const collected& all);
// `texts` are what the answers are of; empty: they are not told.
std::string tei_ranks_json(const collected& all, const std::vector<std::string>& texts);
// All labels by falling score; of a list of inputs a list of that.
std::string tei_predictions_json(const collected& all, bool list);
std::string tei_tokens_json(const actors::tokenized_texts& all);
std::string tei_texts_json(const actors::decoded_texts& all);
// What is known of a model only while it is in memory is null where it is not.
std::string tei_info_json(const actors::model_report& model, const config::settings& settings);

}  // namespace troupe::http
