#pragma once
// What the answers to a request's inputs are for its items (asked_inputs.hpp), in no family's words. Pure.

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "http/api/asked_inputs.hpp"
#include "http/api/collect.hpp"

namespace troupe::http {

// A failure that is the request's, not one input's: its task is not the model's, or a parameter is not its task's.
// Null: none.
const error* request_problem(const collected& all, const std::optional<inference::task>& asked) noexcept;

// The answers to an item's inputs. REQUIRES an item without a problem of its own.
std::span<const item_answer> answers_of(const collected& all, const asked_inputs& asked, const asked_item& item);

double own_time_ms(const actors::item_timing& t);

struct item_state {
  const error* problem = nullptr;     // its own, or the first of its answers'
  bool truncated = false;             // any
  bool prediction_cache_hit = false;  // all
  double own_time_ms = 0;             // of the longest
};
item_state state_of(const collected& all, const asked_inputs& asked, const asked_item& item);

// Of a query's texts, or of the sentences beside one: the scores of those that have one, and why the others do not.
struct scored_items {
  std::vector<std::uint32_t> items;  // places among the asked ones, in their order
  std::vector<float> scores;         // as items
  std::vector<std::pair<std::uint32_t, error>> failed;
};
// An error: of the sentence that all are compared with. REQUIRES ranking or similarity.
result<scored_items> scores_of(const collected& all, const asked_inputs& asked);
// Of the candidate labels, in their order. internal: the model gave another kind of output. REQUIRES zero_shot, and an
// item whose state has no problem.
result<std::vector<float>> label_scores_of(const collected& all, const asked_inputs& asked, const asked_item& item,
                                           bool multi_label);

}  // namespace troupe::http
