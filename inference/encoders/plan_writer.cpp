#include "inference/encoders/plan_writer.hpp"

#include <array>
#include <string_view>

namespace troupe::inference {

std::string plan_writer::find(const std::string& name) const {
  using renamed = std::pair<std::string_view, std::string_view>;
  constexpr std::array<renamed, 2> old_names{renamed{"LayerNorm.weight", "LayerNorm.gamma"},
                                             renamed{"LayerNorm.bias", "LayerNorm.beta"}};
  for (const auto& full : {prefix_ + name, name}) {
    if (source_.find(full).tensor != nullptr) {
      prefixed_ = prefixed_ || full.size() != name.size();
      return full;
    }
    for (const auto& [now, then] : old_names)
      if (full.ends_with(now)) {
        auto old = full.substr(0, full.size() - now.size()).append(then);
        if (source_.find(old).tensor != nullptr) return old;
      }
  }
  return prefixed_ && !in_head_ ? prefix_ + name : name;  // finish() tells that it is missing
}

const stored_tensor* plan_writer::look(const std::string& name) const { return source_.find(find(name)).tensor; }
bool plan_writer::same_place(const std::string& one, const std::string& other) const {
  const auto a = source_.find(find(one)), b = source_.find(find(other));
  return a.tensor != nullptr && b.tensor != nullptr && a.path == b.path && a.tensor->begin == b.tensor->begin &&
         a.tensor->shape == b.tensor->shape && a.tensor->row_step == b.tensor->row_step &&
         a.tensor->column_step == b.tensor->column_step;
}
bool plan_writer::has(const std::string& name) const { return look(name) != nullptr; }

void plan_writer::tensor(std::string name, std::vector<std::int64_t> shape, std::vector<std::string> from, bool fp32) {
  for (auto& f : from) f = find(f);
  plan_.tensors.push_back({std::move(name), std::move(shape), fp32, std::move(from), {}});
}

void plan_writer::linear(const std::string& name, std::int64_t rows, std::int64_t columns,
                         const std::vector<std::string>& from, bool bias, bool fp32) {
  std::vector<std::string> weights, biases;
  for (const auto& f : from) {
    weights.push_back(f + ".weight");
    biases.push_back(f + ".bias");
  }
  tensor(name + ".weight", {rows, columns}, std::move(weights), fp32);
  plan_.tensors.back().product = !fp32;
  if (bias) tensor(name + ".bias", {rows}, std::move(biases), fp32);
}

void plan_writer::norm(const std::string& name, std::int64_t width, const std::string& from, bool bias, bool fp32) {
  tensor(name + ".weight", {width}, {from + ".weight"}, fp32);
  if (bias) tensor(name + ".bias", {width}, {from + ".bias"}, fp32);
}

void plan_writer::sum(std::string name, std::vector<std::int64_t> shape, const std::string& from,
                      const std::string& plus) {
  tensor(std::move(name), std::move(shape), {from});
  plan_.tensors.back().plus_row = find(plus);
}

result<weight_plan> plan_writer::finish() {
  // Before the shapes are multiplied: a head's is the file's own.
  if (auto ok = check_plan(plan_.tensors, source_); !ok) return tl::unexpected(ok.error());
  for (const auto& t : plan_.tensors) {
    std::int64_t n = 1;
    for (const auto d : t.shape) n *= d;
    plan_.parameters += n;
  }
  return std::move(plan_);
}

}  // namespace troupe::inference
