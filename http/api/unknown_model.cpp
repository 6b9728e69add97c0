#include "http/api/unknown_model.hpp"

#include <algorithm>
#include <vector>

#include "config/edit_distance.hpp"

namespace troupe::http {
namespace {

// Names that a client may have meant, nearest first; at most ten.
std::vector<std::string> similar_models(const actors::service& service, const std::string& model) {
  constexpr std::size_t looked_at = 2000, shown_at_most = 10;
  std::vector<std::pair<std::size_t, std::string>> near;
  std::size_t seen = 0;
  const auto bound = std::max<std::size_t>(2, model.size() / 3);
  service.for_each_name([&](const std::string& name) {
    const bool part =
        model.size() >= 3 && (name.find(model) != std::string::npos || model.find(name) != std::string::npos);
    const auto distance = part ? 1 : config::edit_distance(name, model, bound);
    if (distance <= bound) near.emplace_back(distance, name);
    return ++seen < looked_at;
  });
  std::stable_sort(near.begin(), near.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<std::string> out;
  for (auto& [distance, name] : near) {
    if (out.size() < shown_at_most) out.push_back(std::move(name));
  }
  if (!out.empty()) return out;
  // Nothing is near: the first few show what names look like.
  service.for_each_name([&](const std::string& name) {
    out.push_back(name);
    return out.size() < shown_at_most;
  });
  return out;
}

}  // namespace

error unknown_model(const actors::service& service, const std::string& model) {
  error out{error_code::model_not_found, "Model " + model + " not found", "no model is registered", {}};
  const auto names = similar_models(service, model);
  if (names.empty()) return out;
  out.detail = "known models: ";
  for (std::size_t i = 0; i < names.size(); ++i) out.detail += (i == 0 ? "" : ", ") + names[i];
  out.detail += "; GET /models lists all";
  return out;
}

}  // namespace troupe::http
