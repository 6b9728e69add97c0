#include "http/api/score_order.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace troupe::http {

std::vector<std::uint32_t> by_falling_score(std::span<const float> scores, std::size_t most) {
  std::vector<std::uint32_t> places(scores.size());
  std::iota(places.begin(), places.end(), 0U);
  std::stable_sort(places.begin(), places.end(), [&](std::uint32_t a, std::uint32_t b) {
    const float x = scores[a], y = scores[b];
    return std::isnan(y) ? !std::isnan(x) : x > y;
  });
  if (most != 0 && most < places.size()) places.resize(most);
  return places;
}

}  // namespace troupe::http
