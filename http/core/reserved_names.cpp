#include "http/core/reserved_names.hpp"

#include <set>
#include <string>

#include "http/core/router.hpp"

namespace troupe::http {
namespace {

// Of the API's other families. A name leaves this list when its route is there.
config::reserved_names kept_for_later() {
  return {.first = {"available", "managed", "manage", "download", "cache",  // under /models
                    "v2", "vosk", "docs"},
          .actions = {"info", "predict", "status"}};
}

std::string joined(const std::vector<std::string_view>& segments, std::size_t count) {
  std::string out;
  for (std::size_t i = 0; i < count; ++i) out.append("/").append(segments[i]);
  return out;
}

}  // namespace

config::reserved_names reserved_names(const std::vector<route>& routes) {
  auto out = kept_for_later();
  std::set<std::string> places_of_models;  // what stands before {model_name}
  for (const auto& r : routes) {
    const auto segments = path_segments(r.pattern);
    for (std::size_t i = 0; i < segments.size(); ++i) {
      if (segments[i] == model_parameter) places_of_models.insert(joined(segments, i));
    }
  }
  for (const auto& r : routes) {
    const auto segments = path_segments(r.pattern);
    for (std::size_t i = 0; i < segments.size(); ++i) {
      if (is_parameter(segments[i])) continue;
      const bool beside_models = i == 0 || places_of_models.contains(joined(segments, i));
      if (beside_models) out.first.emplace(segments[i]);
      if (i == 0 || segments[i - 1] != model_parameter) continue;
      // Right under /models a model's own name is an action's place; elsewhere only what follows a name's slash is.
      (joined(segments, i - 1) == "/models" ? out.actions : out.behind).emplace(segments[i]);
    }
  }
  return out;
}

}  // namespace troupe::http
