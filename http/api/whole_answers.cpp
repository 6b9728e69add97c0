#include "http/api/whole_answers.hpp"

#include <algorithm>

#include "config/names.hpp"
#include "http/api/json_request.hpp"
#include "http/api/replies.hpp"
#include "http/api/score_order.hpp"
#include "http/api/unknown_model.hpp"

namespace troupe::http {
namespace {

using inference::task;

// A registry says one of the two for what is a model of vectors.
bool does(const std::vector<task>& tasks, task wanted) {
  const bool vectors = wanted == task::feature_extraction || wanted == task::sentence_similarity;
  return std::any_of(tasks.begin(), tasks.end(), [&](task t) {
    return t == wanted || (vectors && (t == task::feature_extraction || t == task::sentence_similarity));
  });
}

}  // namespace

std::string default_for(const actors::service& service, task wanted) {
  auto fallback = service.default_model();
  if (!fallback.empty() && does(service.tasks_of(fallback), wanted)) return fallback;
  std::string first;
  service.for_each_name([&](const std::string& name) {
    if (!first.empty() && name > first) return true;
    const auto registered = service.registration(name);
    if (registered && registered->enabled && does(service.tasks_of(name), wanted)) first = name;
    return true;
  });
  return first.empty() ? fallback : first;
}

result<std::string> choose_model(const actors::service& service, const std::optional<std::string>& named,
                                 std::optional<task> wanted) {
  const bool by_name = named && !named->empty();
  auto model = by_name ? *named : wanted ? default_for(service, *wanted) : service.default_model();
  if (model.empty()) {
    return fail(error_code::bad_request, "No model was named, and the server has no default model",
                "give 'model'; GET /v1/models lists the models");
  }
  if (auto checked = config::check_model_name(model); !checked) return tl::unexpected(checked.error());
  if (service.knows(model)) return model;
  auto unknown = unknown_model(service, model);
  if (!by_name) {
    unknown.message = "No model was named, and the default model " + model + " is not registered";
    unknown.detail = "give 'model', or set default_model to a registered one; " + unknown.detail;
  }
  return tl::unexpected(std::move(unknown));
}

std::vector<inference::input> query_pairs(request_fields& from, const std::string& query,
                                          const std::vector<std::string>& texts) {
  std::vector<inference::input> out;
  if (query.size() * texts.size() > from.settings().max_body_bytes) {
    from.refuse({error_code::payload_too_large,
                 "The query has " + std::to_string(query.size()) + " bytes, too many beside " +
                     std::to_string(texts.size()) + " texts",
                 "send a shorter query or fewer texts: together at most " +
                     std::to_string(from.settings().max_body_bytes) + " bytes of queries (max_body_bytes)",
                 {}},
                "query");
    return out;
  }
  out.reserve(texts.size());
  for (const auto& text : texts) out.emplace_back(inference::text_pair{query, text});
  return out;
}

input_namer numbered(std::string field) {
  return [field = std::move(field)](std::size_t i) { return field + "[" + std::to_string(i) + "]"; };
}

void collect_whole(const context& c, const exchange_ptr& request, actors::predict_request asked, input_namer name_of,
                   std::function<std::string(const collected&)> write) {
  asked.use_prediction_cache = takes_kept_answers(*request);
  collect(request, c.service, std::move(asked),
          [c, name_of = std::move(name_of), write = std::move(write)](collected& all) {
            for (std::size_t i = 0; i < all.answers.size(); ++i) {
              if (!all.answers[i].problem) continue;
              auto why = *all.answers[i].problem;
              if (all.answers.size() > 1) why.message.insert(0, "'" + name_of(i) + "': ");
              return respond_error(*all.request, c.service, std::move(why), all.model);
            }
            respond_json(all, write(all));
          });
}

std::vector<ranked> ranking_of(const collected& all, std::size_t most) {
  std::vector<float> scores;
  scores.reserve(all.answers.size());
  for (const auto& answer : all.answers) scores.push_back(answer_of<inference::single_score>(answer).value);
  std::vector<ranked> out;
  for (const auto place : by_falling_score(scores, std::min(most, scores.size()))) {
    out.push_back({place, scores[place]});
  }
  return out;
}

family_routes::row& fails_as_whole(family_routes::row& row) {
  return row.fails(404, "The registry does not know the model; the message lists similar names")
      .fails(409, "The model was unloaded while the request waited for it")
      .fails(415, "Not JSON, or an encoded body")
      .fails(422, "An input cannot be used: the message names it; or the model does something else")
      .fails(429, "A queue is full; Retry-After tells when to try again")
      .fails(504, "The request's own deadline passed");
}

}  // namespace troupe::http
