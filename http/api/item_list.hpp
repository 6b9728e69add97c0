#pragma once
// The items of a request while its inputs are read (asked_inputs.hpp): by their form each becomes what the model is
// asked, within the bounds of a request.

#include <string>
#include <string_view>
#include <vector>

#include "http/api/asked_inputs.hpp"

namespace troupe::http {

class item_list {
 public:
  explicit item_list(const input_context& from) : from_(from) {}

  // What texts are asked without more: for an answer each, or for the scores of the labels that were given.
  input_form plain_form() const noexcept {
    return from_.parameters.candidate_labels ? input_form::zero_shot : input_form::each;
  }
  // The query, or the sentence, of the texts that follow.
  void ask(std::string_view query) { out_.query = query; }
  void answer_as_list() noexcept { out_.list = true; }
  // Before the first item. bad_request: parameters that are not the form's; no items at all (as the context says).
  // payload_too_large.
  result<void> begin(input_form form, std::size_t items);

  // Texts are not blank and not too long. payload_too_large: all together.
  result<void> add_text(std::string_view text);
  result<void> add_pair(std::string_view text, std::string_view pair);
  result<void> add_tensor(inference::input in);
  // One that fails alone.
  void refuse(std::string_view text, error why);
  void refuse(error why) { out_.items.push_back({{}, false, std::move(why), 0}); }

  asked_inputs take();

 private:
  const std::vector<std::string>& labels() const { return *from_.parameters.candidate_labels; }
  result<void> check_parameters() const;
  result<void> make_hypotheses();
  result<void> refuse_beside_labels(asked_item item);
  result<void> add(asked_item item, inference::input in);
  result<void> push(inference::input in);

  const input_context& from_;
  asked_inputs out_;
  std::vector<std::string> hypotheses_;  // as the candidate labels
  std::uint64_t bytes_ = 0;              // of all inputs
};

}  // namespace troupe::http
