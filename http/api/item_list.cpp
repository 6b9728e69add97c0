#include "http/api/item_list.hpp"

#include <algorithm>
#include <utility>

namespace troupe::http {
namespace {

constexpr std::string_view usual_hypothesis = "This example is {}.";  // transformers' own

std::string filled(std::string_view pattern, std::string_view label) {
  std::string out;
  for (std::size_t place = pattern.find("{}"); place != pattern.npos; place = pattern.find("{}")) {
    out.append(pattern.substr(0, place)).append(label);
    pattern.remove_prefix(place + 2);
  }
  return out.append(pattern);
}

std::uint64_t filled_size(std::string_view pattern, std::string_view label) {
  std::uint64_t bytes = pattern.size();
  for (std::size_t place = pattern.find("{}"); place != pattern.npos; place = pattern.find("{}", place + 2)) {
    bytes += label.size();
  }
  return bytes;
}

tl::unexpected<error> belongs(std::string_view name, std::string_view to) {
  return fail(error_code::bad_request, "'" + std::string(name) + "' is no parameter of what is asked",
              "it goes with " + std::string(to));
}

}  // namespace

result<void> item_list::begin(input_form form, std::size_t items) {
  out_.form = form;
  if (auto fitting = check_parameters(); !fitting) return fitting;
  if (items == 0) return fail(from_.empty_list, "The list of inputs is empty", "send at least one");
  const bool zero_shot = form == input_form::zero_shot;
  const std::uint64_t limit = from_.settings.max_batch_inputs;
  const std::uint64_t inputs = zero_shot ? items * labels().size() : items;
  if (inputs > limit) {
    const auto counted = zero_shot ? std::to_string(items) + (items == 1 ? " text with " : " texts with ") +
                                         std::to_string(labels().size()) + " candidate_labels are " +
                                         std::to_string(inputs) + " inputs"
                                   : "The batch has " + std::to_string(inputs) + " inputs";
    return fail(error_code::payload_too_large, counted + ", more than the limit of " + std::to_string(limit),
                "send several smaller batches, or raise max_batch_inputs");
  }
  out_.items.reserve(items);
  if (form == input_form::similarity) return push(out_.query);
  if (!zero_shot) return {};
  out_.inputs_an_item = static_cast<std::uint32_t>(labels().size());
  return make_hypotheses();
}

// Those that are of a form, not of a model.
result<void> item_list::check_parameters() const {
  const auto& given = from_.parameters;
  const bool zero_shot = out_.form == input_form::zero_shot;
  if (given.candidate_labels && !zero_shot) return belongs("candidate_labels", "a text, or a list of texts");
  if (given.hypothesis_template && !zero_shot) return belongs("hypothesis_template", "candidate_labels");
  if (given.multi_label && !zero_shot) return belongs("multi_label", "candidate_labels");
  if (given.return_text && out_.form != input_form::ranking) return belongs("return_text", "a query and texts");
  const bool wants_labels = from_.registration != nullptr && inference::parse_task(from_.registration->task) ==
                                                                 inference::task::zero_shot_classification;
  if (out_.form == input_form::each && wants_labels) {
    return fail(error_code::bad_request, "'candidate_labels' is missing",
                "model " + from_.model + " tells of each label how well it fits");
  }
  return {};
}

result<void> item_list::make_hypotheses() {
  const std::string_view pattern =
      from_.parameters.hypothesis_template ? std::string_view(*from_.parameters.hypothesis_template) : usual_hypothesis;
  const auto &most = from_.settings.max_text_bytes, &most_together = from_.settings.max_body_bytes;
  std::uint64_t together = 0;
  for (const auto& label : labels()) {
    const auto bytes = filled_size(pattern, label);
    together += bytes;
    if (bytes > most || together > most_together) {
      return fail(error_code::payload_too_large, "What hypothesis_template makes of candidate_labels is too long",
                  "each may have " + std::to_string(most) + " bytes (max_text_bytes), all " +
                      std::to_string(most_together) + " (max_body_bytes)");
    }
    hypotheses_.push_back(filled(pattern, label));
  }
  return {};
}

result<void> item_list::add_text(std::string_view text) {
  asked_item item{std::string(text), true, {}, 0};
  switch (out_.form) {
    case input_form::ranking: return add(std::move(item), inference::text_pair{out_.query, std::string(text)});
    case input_form::each:
    case input_form::similarity: return add(std::move(item), std::string(text));
    case input_form::zero_shot: break;
  }
  item.first = static_cast<std::uint32_t>(out_.inputs.size());
  for (const auto& hypothesis : hypotheses_) {
    if (auto added = push(inference::text_pair{item.text, hypothesis}); !added) return added;
  }
  out_.items.push_back(std::move(item));
  return {};
}

result<void> item_list::add_pair(std::string_view text, std::string_view pair) {
  asked_item item{std::string(text), true, {}, 0};
  if (out_.form == input_form::zero_shot) return refuse_beside_labels(std::move(item));
  return add(std::move(item), inference::text_pair{std::string(text), std::string(pair)});
}

result<void> item_list::add_tensor(inference::input in) {
  if (out_.form == input_form::zero_shot) return refuse_beside_labels({{}, false, {}, 0});
  return add({{}, false, {}, 0}, std::move(in));
}

result<void> item_list::refuse_beside_labels(asked_item item) {
  error why{error_code::unprocessable, "candidate_labels were given with what is no single text", "send one text", {}};
  if (!out_.list) return tl::unexpected(std::move(why));
  item.problem = std::move(why);
  out_.items.push_back(std::move(item));
  return {};
}

// What is too long is not sent back either.
void item_list::refuse(std::string_view text, error why) {
  const bool too_long = text.size() > from_.settings.max_text_bytes;
  out_.items.push_back({too_long ? std::string() : std::string(text), true, std::move(why), 0});
}

result<void> item_list::add(asked_item item, inference::input in) {
  item.first = static_cast<std::uint32_t>(out_.inputs.size());
  if (auto added = push(std::move(in)); !added) return added;
  out_.items.push_back(std::move(item));
  return {};
}

// A text that is asked with many others is copied as often: together they may be as long as a body.
result<void> item_list::push(inference::input in) {
  bytes_ += inference::size_bytes(in);
  const auto limit = std::max(from_.settings.max_body_bytes, 2 * from_.settings.max_text_bytes);
  if (out_.form != input_form::each && bytes_ > limit) {
    return fail(error_code::payload_too_large,
                "The texts, each with its query or with all candidate_labels, have more than " + std::to_string(limit) +
                    " bytes",
                "send fewer or shorter ones, or raise max_body_bytes");
  }
  out_.inputs.push_back(std::move(in));
  return {};
}

asked_inputs item_list::take() {
  // A sentence without any to compare it with is not worth a question.
  if (out_.form == input_form::similarity && out_.inputs.size() == 1) out_.inputs.clear();
  return std::move(out_);
}

}  // namespace troupe::http
