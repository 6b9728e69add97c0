#include "inference/tasks/pooling.hpp"

#include <algorithm>
#include <array>
#include <cassert>
#include <cmath>
#include <utility>

namespace troupe::inference {
namespace {

namespace dom = simdjson::dom;

struct named_mode {
  std::string_view name;
  const char* flag;  // that older versions wrote
  pooling_mode mode;
};
// In the order in which the flags' vectors follow one another.
constexpr std::array<named_mode, 6> known{
    {{"cls", "pooling_mode_cls_token", pooling_mode::cls},
     {"max", "pooling_mode_max_tokens", pooling_mode::max},
     {"mean", "pooling_mode_mean_tokens", pooling_mode::mean},
     {"mean_sqrt_len_tokens", "pooling_mode_mean_sqrt_len_tokens", pooling_mode::mean_sqrt_length},
     {"weightedmean", "pooling_mode_weightedmean_tokens", pooling_mode::weighted_mean},
     {"lasttoken", "pooling_mode_lasttoken", pooling_mode::last_token}}};

result<pooling_mode> mode_of(const model_json& config, const json_path& at, dom::element value) {
  std::string_view name;
  if (value.get(name)) return config.problem(at, "must be a mode's name");
  for (const auto& one : known)
    if (one.name == name) return one.mode;
  std::string all;
  for (const auto& one : known) all.append(all.empty() ? "" : ", ").append(one.name);
  return config.problem(at, "is '" + std::string(name.substr(0, 60)) + "', which is not supported", all);
}

result<std::vector<pooling_mode>> modes_of(const model_json& config) {
  std::vector<pooling_mode> modes;
  const auto given = member(config.root(), "pooling_mode");
  if (!given) {
    for (const auto& one : known)
      if (flag_of(config.root(), one.flag, false)) modes.push_back(one.mode);
    if (modes.empty()) modes.push_back(pooling_mode::mean);
    return modes;
  }
  dom::array list;
  if (given->get(list)) {
    const auto mode = mode_of(config, {"pooling_mode"}, *given);
    if (!mode) return tl::unexpected(mode.error());
    return std::vector{*mode};
  }
  if (list.size() == 0 || list.size() > known.size())
    return config.problem({"pooling_mode"}, "must name one mode or more");
  for (std::size_t i = 0; const auto one : list) {
    const auto mode = mode_of(config, {"pooling_mode", i++}, one);
    if (!mode) return tl::unexpected(mode.error());
    modes.push_back(*mode);
  }
  return modes;
}

class pool_of {
 public:
  pool_of(const token_lines& given, std::size_t skipped) : given_(given), first_(skipped) {}

  std::vector<double> vector(pooling_mode mode) const {
    switch (mode) {
      case pooling_mode::cls: return line(left() ? first_ : 0);
      case pooling_mode::last_token: return left() ? line(given_.tokens - 1) : zero();
      case pooling_mode::max: return largest();
      case pooling_mode::mean: return mean(static_cast<double>(count()));
      case pooling_mode::mean_sqrt_length: return mean(std::sqrt(static_cast<double>(count())));
      case pooling_mode::weighted_mean: break;
    }
    return weighted_mean();
  }

 private:
  bool left() const noexcept { return first_ < given_.tokens; }
  std::size_t count() const noexcept { return left() ? given_.tokens - first_ : 0; }
  std::vector<double> zero() const { return std::vector<double>(given_.width, 0.0); }

  std::span<const float> line_of(std::size_t token) const {
    auto at = token;
    if (!given_.picks.empty())
      at = static_cast<std::size_t>(std::lower_bound(given_.picks.begin(), given_.picks.end(), token) -
                                    given_.picks.begin());
    return given_.values.subspan(at * given_.width, given_.width);
  }
  std::vector<double> line(std::size_t token) const {
    const auto values = line_of(token);
    return {values.begin(), values.end()};
  }

  std::vector<double> mean(double divisor) const {
    auto sum = zero();
    for (auto t = first_; t < given_.tokens; ++t) {
      const auto values = line_of(t);
      for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += static_cast<double>(values[i]);
    }
    if (left())
      for (auto& v : sum) v /= divisor;
    return sum;
  }

  // A token weighs as much as its place, which a prompt in front does not change.
  std::vector<double> weighted_mean() const {
    auto sum = zero();
    double weights = 0;
    for (auto t = first_; t < given_.tokens; ++t) {
      const auto weight = static_cast<double>(t + 1);
      const auto values = line_of(t);
      for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += weight * static_cast<double>(values[i]);
      weights += weight;
    }
    if (left())
      for (auto& v : sum) v /= weights;
    return sum;
  }

  std::vector<double> largest() const {
    if (!left()) return zero();
    auto most = line(first_);
    for (auto t = first_ + 1; t < given_.tokens; ++t) {
      const auto values = line_of(t);
      for (std::size_t i = 0; i < most.size(); ++i)
        if (const double v = values[i]; v > most[i] || std::isnan(v)) most[i] = v;
    }
    return most;
  }

  const token_lines& given_;
  std::size_t first_;
};

}  // namespace

result<pooling> read_pooling(const model_json& config) {
  auto modes = modes_of(config);
  if (!modes) return tl::unexpected(modes.error());
  return pooling{std::move(*modes), flag_of(config.root(), "include_prompt", true)};
}

std::vector<std::uint32_t> tokens_for(const pooling& how, std::uint32_t tokens, std::uint32_t skipped) {
  const bool few = std::all_of(how.modes.begin(), how.modes.end(),
                               [](auto mode) { return mode == pooling_mode::cls || mode == pooling_mode::last_token; });
  if (!few || tokens == 0) return {};
  std::vector<std::uint32_t> picks;
  picks.reserve(how.modes.size());
  for (const auto mode : how.modes)
    picks.push_back(mode == pooling_mode::last_token ? tokens - 1 : skipped < tokens ? skipped : 0);
  std::sort(picks.begin(), picks.end());
  picks.erase(std::unique(picks.begin(), picks.end()), picks.end());
  return picks;
}

std::vector<double> pool(const pooling& how, const token_lines& given, std::size_t skipped) {
  assert(given.values.size() == given.width * (given.picks.empty() ? given.tokens : given.picks.size()));
  const pool_of text(given, skipped);
  std::vector<double> all;
  all.reserve(how.modes.size() * given.width);
  for (const auto mode : how.modes) {
    const auto one = text.vector(mode);
    all.insert(all.end(), one.begin(), one.end());
  }
  return all;
}

}  // namespace troupe::inference
