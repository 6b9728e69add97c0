#pragma once
// What came of a request to /predict or /predict/batch, in document 001's words.

#include <cstdint>
#include <string>

#include "http/api/asked_inputs.hpp"
#include "http/api/collect.hpp"
#include "http/api/write_output.hpp"
#include "http/json/json_write.hpp"

namespace troupe::http {

struct predict_answer {
  asked_inputs asked;
  form_parameters parameters;
  std::optional<inference::task> task;  // that was asked for; not set: the model's own
  collected all;                        // its answers are as the request's inputs

  // A query and its texts, a sentence and the others are one answer, lists one an item.
  bool batch() const noexcept { return asked.list; }
  output_style style() const;
};

// How many items went well, and the time they took by themselves.
struct predict_counts {
  std::uint64_t good = 0, failed = 0;
  double own_time_ms = 0;
};

// As the only answer, or the batch's: one document, or an error in the words of the route's family.
void respond_predict(const predict_answer& answer, const actors::service& service);

// Parts of it, for those who stream: fields of the object that is open.
void write_problem(json_out& json, const error& why);
// One item of a batch, with its place in it; counts it.
void write_batch_item(json_out& json, const predict_answer& answer, std::size_t i, predict_counts& counts);
// All that is said once of several items.
void write_summary(json_out& json, const predict_answer& answer, const predict_counts& counts);
// The end of every document; closes the object.
void write_tail(json_out& json, const collected& all);

}  // namespace troupe::http
