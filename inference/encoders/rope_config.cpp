#include "inference/encoders/rope_config.hpp"

#include <array>
#include <initializer_list>
#include <optional>
#include <string>
#include <utility>

namespace troupe::inference {
namespace {

using element = simdjson::dom::element;

result<double> theta_at(const model_json& config, element value, const json_path& at) {
  double theta = 0;
  if (value.get(theta) || !(theta > 0 && theta < 1e30)) return config.problem(at, "must be a number above 0");
  return theta;
}

json_path below(json_path path, const char* key) {
  path.emplace_back(key);
  return path;
}

// The object at `path`, whose kind is the one that is known; none: there is none.
result<std::optional<element>> parameters_at(const model_json& config, element parent, const json_path& path) {
  const auto found = member(parent, path.back().key);
  if (!found) return std::nullopt;
  if (!found->is_object()) return config.problem(path, "must be an object");
  for (const char* key : {"rope_type", "type"})
    if (const auto kind = text_of(*found, key, "default"); kind != "default")
      return config.problem(below(path, key), "is '" + kind.substr(0, 60) + "', which is not supported", "default");
  return found;
}

// The first rope_theta of these objects.
result<std::optional<double>> theta_of(
    const model_json& config, std::initializer_list<std::pair<const std::optional<element>&, json_path>> places) {
  for (const auto& [object, path] : places) {
    if (!object) continue;
    const auto value = member(*object, "rope_theta");
    if (!value) continue;
    const auto theta = theta_at(config, *value, below(path, "rope_theta"));
    if (!theta) return tl::unexpected(theta.error());
    return *theta;
  }
  return std::nullopt;
}

// A number at the top of the file.
result<std::optional<double>> top_theta(const model_json& config, const char* key) {
  const auto value = member(config.root(), key);
  if (!value) return std::nullopt;
  const auto theta = theta_at(config, *value, {key});
  if (!theta) return tl::unexpected(theta.error());
  return *theta;
}

}  // namespace

result<double> read_theta(const model_json& config, double otherwise) {
  // What is scaled is said in the older member where there are both.
  for (const char* key : {"rope_scaling", "rope_parameters"}) {
    const auto parameters = parameters_at(config, config.root(), {key});
    if (!parameters) return tl::unexpected(parameters.error());
    const auto theta = theta_of(config, {{*parameters, {key}}});
    if (!theta) return tl::unexpected(theta.error());
    if (*theta) return **theta;
  }
  const auto theta = top_theta(config, "rope_theta");
  if (!theta) return tl::unexpected(theta.error());
  return theta->value_or(otherwise);
}

result<layered_theta> read_layered_theta(const model_json& config, double full_otherwise, double sliding_otherwise) {
  const auto scaling = parameters_at(config, config.root(), {"rope_scaling"});
  if (!scaling) return tl::unexpected(scaling.error());
  const auto all = parameters_at(config, config.root(), {"rope_parameters"});
  if (!all) return tl::unexpected(all.error());
  if (*all)
    for (const auto [key, value] : simdjson::dom::object(**all))
      if (key != full_attention && key != sliding_attention && !value.is_null())
        return config.problem({"rope_parameters", key}, "is not supported: it has one entry a kind of layers",
                              "full_attention, sliding_attention");

  const auto one = [&](std::string_view kind, const char* older, double otherwise) -> result<double> {
    const json_path path{"rope_parameters", kind};
    result<std::optional<element>> own = std::nullopt;
    if (*all) own = parameters_at(config, **all, path);
    if (!own) return tl::unexpected(own.error());
    auto theta = theta_of(config, {{*scaling, {"rope_scaling"}}, {*own, path}});
    if (theta && !*theta) theta = top_theta(config, older);
    if (!theta) return tl::unexpected(theta.error());
    return theta->value_or(otherwise);
  };
  layered_theta out;
  const auto full = one(full_attention, "global_rope_theta", full_otherwise);
  if (!full) return tl::unexpected(full.error());
  out.full = *full;
  // The first files say with a null that both are the same.
  element older;
  const bool same = !config.root()["local_rope_theta"].get(older) && older.is_null();
  const auto sliding = one(sliding_attention, "local_rope_theta", same ? out.full : sliding_otherwise);
  if (!sliding) return tl::unexpected(sliding.error());
  out.sliding = *sliding;
  return out;
}

result<void> check_rotary_heads(const model_json& config, const encoder_shape& shape) {
  if (shape.hidden_size % shape.heads != 0)
    return config.problem({"num_attention_heads"},
                          "does not fit: the hidden size must be a multiple of the number of heads");
  const auto width = shape.hidden_size / shape.heads;
  if (width % 2 != 0)
    return config.problem({"num_attention_heads"}, "does not fit: the heads' width (" + std::to_string(width) +
                                                       ") must be even, for rotary positions");
  const auto given = member(config.root(), "head_dim");
  std::int64_t number = 0;
  if (given && (given->get(number) || number != width))
    return config.problem({"head_dim"}, "is not supported",
                          std::to_string(width) + ", hidden_size / num_attention_heads");
  return {};
}

}  // namespace troupe::inference
