#include "inference/tasks/sentence_modules.hpp"

#include <algorithm>
#include <cassert>
#include <cmath>

#include "inference/tasks/module_weights.hpp"

namespace troupe::inference {
namespace {

constexpr std::uint64_t width_max = 1U << 20U;

// `turned`: [x.size(), out.size()].
void add_product(std::span<const float> turned, std::span<const double> x, std::span<double> out) noexcept {
  for (std::size_t i = 0; i < x.size(); ++i) {
    const auto row = turned.subspan(i * out.size(), out.size());
    for (std::size_t o = 0; o < out.size(); ++o) out[o] += x[i] * static_cast<double>(row[o]);
  }
}

std::vector<double> applied(const dense_module& dense, std::vector<double> x) {
  std::vector<double> y(dense.bias.begin(), dense.bias.end());
  y.resize(dense.outputs);
  add_product(dense.weight, x, y);
  for (auto& v : y) v = dense.activation(v);
  if (!dense.residual.empty()) add_product(dense.residual, x, y);
  if (dense.adds_input)
    for (std::size_t i = 0; i < y.size(); ++i) y[i] += x[i];
  return y;
}

std::vector<double> applied(const layer_norm_module& norm, std::vector<double> x) {
  constexpr double epsilon = 1e-5;  // torch's own
  const auto n = static_cast<double>(x.size());
  double mean = 0, variance = 0;
  for (const auto v : x) mean += v / n;
  for (const auto v : x) variance += (v - mean) * (v - mean) / n;
  const double scale = 1 / std::sqrt(variance + epsilon);
  for (std::size_t i = 0; i < x.size(); ++i)
    x[i] = (x[i] - mean) * scale * static_cast<double>(norm.weight[i]) + static_cast<double>(norm.bias[i]);
  return x;
}

std::vector<double> applied(const normalize_module&, std::vector<double> x) {
  normalize(x);
  return x;
}

// The features that a module reads and writes are those of the sentence.
result<void> check_features(const model_json& config) {
  constexpr std::string_view own = "sentence_embedding";
  for (const char* key : {"module_input_name", "module_output_name"})
    if (const auto name = text_of(config.root(), key, own); name != own)
      return config.problem({key}, "is '" + name.substr(0, 60) + "', which is not supported", std::string(own));
  return {};
}

result<std::int64_t> width_in(const model_json& config, const char* key) {
  const auto given = member(config.root(), key);
  std::uint64_t number = 0;
  if (!given || given->get(number) || number < 1 || number > width_max)
    return config.problem({key}, "must be a whole number from 1 to " + std::to_string(width_max));
  return static_cast<std::int64_t>(number);
}

// REQUIRES `dense` with its widths.
result<void> read_weights(const std::filesystem::path& folder, bool bias, bool residual, dense_module& dense) {
  const auto weights = module_weights::open(folder);
  if (!weights) return tl::unexpected(weights.error());
  const auto take = [](result<std::vector<float>> read, std::vector<float>& into) -> result<void> {
    if (!read) return tl::unexpected(read.error());
    into = std::move(*read);
    return {};
  };
  const auto inputs = static_cast<std::int64_t>(dense.inputs), outputs = static_cast<std::int64_t>(dense.outputs);
  if (auto ok = take(weights->read_turned("linear.weight", outputs, inputs), dense.weight); !ok) return ok;
  if (bias)
    if (auto ok = take(weights->read("linear.bias", {outputs}), dense.bias); !ok) return ok;
  if (residual)
    if (auto ok = take(weights->read_turned("residual.weight", outputs, inputs), dense.residual); !ok) return ok;
  return {};
}

}  // namespace

void normalize(std::span<double> values) noexcept {
  double squares = 0;
  for (const auto v : values) squares += v * v;
  const double length = std::max(std::sqrt(squares), 1e-12);  // a NaN stays one: max() keeps its first argument
  for (auto& v : values) v /= length;
}

result<sentence_modules> sentence_modules::read(const sentence_config& config, std::int64_t hidden_size) {
  sentence_modules made(true);
  if (auto ok = made.add_all(config, hidden_size); !ok) return tl::unexpected(ok.error());
  return made;
}

result<sentence_modules> sentence_modules::plan(const sentence_config& config, std::int64_t hidden_size) {
  sentence_modules made(false);
  if (auto ok = made.add_all(config, hidden_size); !ok) return tl::unexpected(ok.error());
  return made;
}

result<void> sentence_modules::add_all(const sentence_config& config, std::int64_t hidden_size) {
  width_ = static_cast<std::size_t>(hidden_size);
  if (!config.listed) return {};
  if (config.modules.empty())
    return fail(error_code::unprocessable, "modules.json has no Pooling: there is no vector of a text",
                "a Pooling after the Transformer");
  for (const auto& module : config.modules) {
    const bool first = &module == &config.modules.front();
    if (first != (module.type == "Pooling"))
      return fail(error_code::unprocessable,
                  module.place + ": a " + module.type.substr(0, 60) +
                      (first ? " after the Transformer" : " in this place") + " is not supported",
                  "one Pooling, which follows the Transformer");
    if (auto ok = add(module); !ok) return ok;
  }
  return {};
}

result<void> sentence_modules::add(const sentence_module& module) {
  if (module.type == "Dropout") return {};  // of training
  if (module.type == "Dense") return add_dense(module);
  if (module.type == "LayerNorm") return add_layer_norm(module);
  const bool pools = module.type == "Pooling";
  if (!pools && module.type != "Normalize")
    return fail(error_code::unprocessable,
                module.place + ": the module " + module.type.substr(0, 100) + " is not supported",
                "Pooling, Dense, LayerNorm, Normalize, Dropout");
  const auto config = read_module_config(module.folder);
  if (!config) return tl::unexpected(config.error());
  if (pools) {
    auto how = read_pooling(*config);
    if (!how) return tl::unexpected(how.error());
    pooling_ = std::move(*how);
    width_ *= pooling_.modes.size();
    return {};
  }
  steps_.emplace_back(normalize_module{});
  return check_features(*config);
}

result<void> sentence_modules::add_dense(const sentence_module& module) {
  const auto config = read_module_config(module.folder);
  if (!config) return tl::unexpected(config.error());
  if (auto ok = check_features(*config); !ok) return ok;
  const auto inputs = width_in(*config, "in_features");
  if (!inputs) return tl::unexpected(inputs.error());
  const auto outputs = width_in(*config, "out_features");
  if (!outputs) return tl::unexpected(outputs.error());
  dense_module dense;
  dense.inputs = static_cast<std::size_t>(*inputs);
  dense.outputs = static_cast<std::size_t>(*outputs);
  if (dense.inputs != width_)
    return config->problem({"in_features"}, "must be " + std::to_string(width_) + ", the width of what comes in");

  auto name = text_of(config->root(), "activation_function", "torch.nn.modules.activation.Tanh");
  if (!is_torch_class(name)) {
    notes_ += (notes_.empty() ? "" : "; ") + ("the activation '" + name.substr(0, 100)) +
              "' is code of the checkpoint's own: Tanh stands for it, as in sentence-transformers";
    name = "torch.nn.Tanh";
  }
  const auto activation = torch_activation(name);
  if (!activation)
    return config->problem({"activation_function"}, activation.error().message, activation.error().detail);
  dense.activation = *activation;

  const bool bias = flag_of(config->root(), "bias", true), residual = flag_of(config->root(), "use_residual", false);
  dense.adds_input = residual && *inputs == *outputs;
  const bool own_residual = residual && !dense.adds_input;
  weights_ += dense.inputs * dense.outputs * (own_residual ? 2 : 1) + (bias ? dense.outputs : 0);
  width_ = dense.outputs;
  if (with_weights_)
    if (auto ok = read_weights(module.folder, bias, own_residual, dense); !ok) return ok;
  steps_.emplace_back(std::move(dense));
  return {};
}

result<void> sentence_modules::add_layer_norm(const sentence_module& module) {
  weights_ += 2 * width_;
  if (!with_weights_) {
    steps_.emplace_back(layer_norm_module{});
    return {};
  }
  const auto weights = module_weights::open(module.folder);
  if (!weights) return tl::unexpected(weights.error());
  const std::vector<std::int64_t> shape{static_cast<std::int64_t>(width_)};
  auto weight = weights->read("norm.weight", shape);
  if (!weight) return tl::unexpected(weight.error());
  auto bias = weights->read("norm.bias", shape);
  if (!bias) return tl::unexpected(bias.error());
  steps_.emplace_back(layer_norm_module{std::move(*weight), std::move(*bias)});
  return {};
}

bool sentence_modules::normalizes() const noexcept {
  return !steps_.empty() && std::holds_alternative<normalize_module>(steps_.back());
}

std::vector<double> sentence_modules::vector_of(const token_lines& given, std::size_t skipped, bool normalized) const {
  auto x = pool(pooling_, given, skipped);
  const auto last = steps_.size() - (normalizes() && !normalized ? 1 : 0);
  for (std::size_t i = 0; i < last; ++i)
    x = std::visit([&](const auto& step) { return applied(step, std::move(x)); }, steps_[i]);
  return x;
}

}  // namespace troupe::inference
