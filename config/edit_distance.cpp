#include "config/edit_distance.hpp"

#include <algorithm>
#include <utility>
#include <vector>

namespace troupe::config {
namespace {

char lower(char c) noexcept { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

}  // namespace

std::size_t edit_distance(std::string_view a, std::string_view b, std::size_t bound) {
  if (a.size() > b.size()) std::swap(a, b);
  if (b.size() - a.size() > bound || b.size() > 256) return bound + 1;
  std::vector<std::size_t> row(a.size() + 1);
  for (std::size_t i = 0; i <= a.size(); ++i) row[i] = i;
  for (std::size_t j = 1; j <= b.size(); ++j) {
    std::size_t diagonal = row[0], least = row[0] = j;
    for (std::size_t i = 1; i <= a.size(); ++i) {
      const auto above = row[i];
      row[i] = std::min({above + 1, row[i - 1] + 1, diagonal + (lower(a[i - 1]) == lower(b[j - 1]) ? 0 : 1)});
      diagonal = above;
      least = std::min(least, row[i]);
    }
    if (least > bound) return bound + 1;
  }
  return std::min(row[a.size()], bound + 1);
}

}  // namespace troupe::config
