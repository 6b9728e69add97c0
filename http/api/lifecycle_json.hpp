#pragma once
// The actors' reports as the JSON of document 003, and its words for errors. Pure.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "actors/protocol/artifacts.hpp"
#include "actors/protocol/reports.hpp"
#include "http/api/lifecycle_input.hpp"
#include "http/core/exchange.hpp"

namespace troupe::http {

// What `model_type` may be instead of a name: every speech model.
inline constexpr std::string_view all_models = "all";

// Whether the document's routes know a model: it recognizes speech, restores punctuation or finds speech; or it has one
// of the document's own names, and nobody knows yet what it does.
bool is_speech_model(const actors::model_report& model);

// Of the machine, at one moment.
struct machine_facts {
  std::uint64_t total_memory_bytes = 0, available_memory_bytes = 0;
  std::uint32_t cores = 0;
};
// `store`: null where there is none.
std::string lifecycle_info_json(const actors::server_report& server, const actors::store_report* store,
                                const machine_facts& machine, const lifecycle_question& asked);

// What one model has answered to an action.
template <class T>
struct answer_of {
  std::string model;
  result<T> is;
};
struct timed_unload {
  actors::unload_report report;
  double time_ms = 0;
};
// Of an action on `asked`, a name or all_models: of one model the document's answer or its error; of all the sum of
// them, and `results` with each; a failure of any is the whole answer's. REQUIRES: one answer where a name was asked.
response lifecycle_started(std::string_view asked, const std::vector<answer_of<actors::load_start>>& answers,
                           std::string_view request_id);
response lifecycle_loaded(std::string_view asked, const std::vector<answer_of<actors::load_report>>& answers,
                          std::string_view request_id);
// `remaining`: speech models that are in memory afterwards.
response lifecycle_unloaded(std::string_view asked, const std::vector<answer_of<timed_unload>>& answers,
                            const std::vector<std::string>& remaining, std::string_view request_id);

// The family's errors.
response lifecycle_error(const error& why, std::string_view request_id, header_list headers);
// 404, with the names that there are.
response lifecycle_not_found(const error& why, const std::vector<std::string>& available, std::string_view request_id);

}  // namespace troupe::http
