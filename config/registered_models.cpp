#include "config/registered_models.hpp"

#include "config/located_json.hpp"
#include "config/names.hpp"

namespace troupe::config {
namespace {

tl::unexpected<error> stands_in_file(const std::string& name, const registry& operators) {
  return fail(error_code::conflict, "Model " + name + " stands in " + operators.file.string(),
              "change it there and have it read again (SIGHUP)");
}

}  // namespace

std::string_view to_string(registration_outcome o) noexcept {
  switch (o) {
    case registration_outcome::created: return "created";
    case registration_outcome::replaced: return "replaced";
    case registration_outcome::unchanged: return "unchanged";
    case registration_outcome::removed: return "removed";
  }
  return "unchanged";
}

result<registered_model> check_registration(const registered_model& model, const reserved_names& reserved) {
  if (auto checked = check_registered_name(model.name, reserved); !checked) return tl::unexpected(checked.error());
  if (!model.path.is_absolute()) {
    return fail(error_code::bad_request,
                "Model " + model.name + ": its path " + shown(model.path.string()) + " is not absolute");
  }
  auto read = parse_registry(registry_json({{model.name, model}}), {}, reserved);
  if (!read) return tl::unexpected(read.error());
  return std::move(read->models.at(model.name));
}

result<registration_outcome> put_registered(registered_models& models, const registry& operators,
                                            registered_model model, std::uint32_t most) {
  if (operators.models.contains(model.name)) return stands_in_file(model.name, operators);
  const auto known = models.find(model.name);
  if (known == models.end()) {
    if (models.size() >= most) {
      return fail(error_code::conflict, "Model " + model.name + " was not registered: there are " +
                                            std::to_string(models.size()) + " already",
                  "max_registered_models is " + std::to_string(most) + ": remove others, or allow more");
    }
    const auto name = model.name;
    models.emplace(name, std::move(model));
    return registration_outcome::created;
  }
  if (known->second == model) return registration_outcome::unchanged;
  known->second = std::move(model);
  return registration_outcome::replaced;
}

result<registration_outcome> remove_registered(registered_models& models, const registry& operators,
                                               const std::string& name) {
  if (operators.models.contains(name)) return stands_in_file(name, operators);
  if (models.erase(name) == 0) {
    return fail(error_code::model_not_found, "Model " + name + " not found", "GET /models lists what is registered");
  }
  return registration_outcome::removed;
}

registered_model in_force(registered_model model, const registry& operators) {
  follow_task(model, operators.tasks);
  model.origin = origin::run_time;
  return model;
}

registry merge(const registry& operators, const registered_models& models) {
  auto all = operators;
  for (const auto& [name, model] : models) {
    if (!all.models.contains(name)) all.models.emplace(name, in_force(model, operators));
  }
  return all;
}

std::vector<std::string> names_in_both(const registry& operators, const registered_models& models) {
  std::vector<std::string> names;
  for (const auto& [name, model] : models) {
    if (operators.models.contains(name)) names.push_back(name);
  }
  return names;
}

loaded_models load_registered(const std::filesystem::path& file, const reserved_names& reserved) {
  loaded_models out;
  std::error_code ec;
  if (std::filesystem::status(file, ec).type() == std::filesystem::file_type::not_found) return out;
  auto text = read_text_file(file, max_registered_file_bytes);
  if (!text) {
    out.unreadable = text.error();
    return out;
  }
  auto read = salvage_registry(*text, file, reserved);
  out.models = std::move(read.usable.models);
  out.refused = std::move(read.refused);
  return out;
}

}  // namespace troupe::config
