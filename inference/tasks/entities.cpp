#include "inference/tasks/entities.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "inference/tasks/scores.hpp"

namespace troupe::inference {
namespace {

constexpr float no_number = std::numeric_limits<float>::quiet_NaN();

// What is labelled as a whole: a token, or a word of several.
struct unit {
  std::size_t first = 0, last = 0;  // tokens [first, last)
  std::size_t label = 0;
  float score = 0;
};

// The mean of those that are numbers; none where none is.
class number_mean {
 public:
  void add(float v) noexcept {
    if (std::isnan(v)) return;
    sum_ += static_cast<double>(v);
    ++count_;
  }
  float value() const noexcept { return count_ == 0 ? no_number : static_cast<float>(sum_ / count_); }

 private:
  double sum_ = 0;
  int count_ = 0;
};

unit unit_of(std::span<const labelled_token> tokens, std::size_t first, std::size_t last,
             std::span<const float> scores) {
  const auto best = largest_of(scores);
  return {first, last, best, tokens.empty() ? no_number : scores[best]};
}

unit word_of(std::span<const labelled_token> tokens, std::size_t first, std::size_t last, aggregation how) {
  const auto word = tokens.subspan(first, last - first);
  if (how == aggregation::first) return unit_of(tokens, first, last, word.front().scores);
  if (how == aggregation::max) {
    const auto top = [](const labelled_token& t) { return t.scores[largest_of(t.scores)]; };
    const auto best =
        std::max_element(word.begin(), word.end(), [&](const auto& a, const auto& b) { return top(a) < top(b); });
    return unit_of(tokens, first, last, best->scores);
  }
  std::vector<float> means;
  for (std::size_t label = 0; label < word.front().scores.size(); ++label) {
    number_mean mean;
    for (const auto& token : word) mean.add(token.scores[label]);
    means.push_back(mean.value());
  }
  return unit_of(tokens, first, last, means);
}

std::vector<unit> units_of(std::span<const labelled_token> tokens, aggregation how) {
  std::vector<unit> units;
  const bool words = how != aggregation::none && how != aggregation::simple;
  for (std::size_t first = 0; first < tokens.size();) {
    auto last = first + 1;
    while (words && last < tokens.size() && tokens[last].continues) ++last;
    units.push_back(words ? word_of(tokens, first, last, how) : unit_of(tokens, first, last, tokens[first].scores));
    first = last;
  }
  return units;
}

struct tag {
  bool begins = false;
  std::string_view name;
};
// What is not in the form of B- and I- goes on.
tag tag_of(std::string_view label) noexcept {
  if (label.starts_with("B-")) return {true, label.substr(2)};
  if (label.starts_with("I-")) return {false, label.substr(2)};
  return {false, label};
}

text_span span_of(std::span<const labelled_token> tokens, std::size_t first, std::size_t last) {
  text_span out;
  out.begin = tokens[first].place.begin;
  out.end = tokens[last - 1].place.end;
  return out;
}

}  // namespace

std::vector<text_span> entities_of(std::span<const labelled_token> tokens, std::span<const word_piece> pieces,
                                   aggregation how, std::span<const std::string> labels, const word_writer& words) {
  const auto units = units_of(tokens, how);
  std::vector<text_span> found;
  if (how == aggregation::none) {
    for (const auto& one : units) {
      auto span = span_of(tokens, one.first, one.last);
      span.label = labels[one.label];
      span.word = words.token(pieces[one.first]);
      span.score = one.score;
      span.index = tokens[one.first].index;
      found.push_back(std::move(span));
    }
    return found;
  }
  for (std::size_t first = 0; first < units.size();) {
    auto last = first + 1;
    const auto name = tag_of(labels[units[first].label]).name;
    for (; last < units.size(); ++last) {
      const auto next = tag_of(labels[units[last].label]);
      if (next.begins || next.name != name) break;
    }
    auto span = span_of(tokens, units[first].first, units[last - 1].last);
    const auto& label = labels[units[first].label];
    span.label = label.substr(label.find('-') + 1);  // all of it where there is no mark
    number_mean mean;
    std::vector<std::span<const word_piece>> parts;
    for (auto i = first; i < last; ++i) {
      mean.add(units[i].score);
      parts.push_back(pieces.subspan(units[i].first, units[i].last - units[i].first));
    }
    span.score = mean.value();
    span.word = how == aggregation::simple
                    ? words.joined(pieces.subspan(units[first].first, units[last - 1].last - units[first].first))
                    : words.joined_words(parts);
    found.push_back(std::move(span));
    first = last;
  }
  return found;
}

std::vector<text_span> without_overlaps(std::vector<text_span> found) {
  if (found.empty()) return found;
  std::stable_sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a.begin < b.begin; });
  const auto better = [](const text_span& a, const text_span& b) {
    const auto length = a.end - a.begin, other = b.end - b.begin;
    return length > other || (length == other && a.score > b.score);
  };
  std::vector<text_span> kept;
  const text_span* best = &found.front();
  for (const auto& one : found) {
    if (&one != best && !(best->begin <= one.begin && one.begin < best->end)) {
      kept.push_back(*best);
      best = &one;
    } else if (better(one, *best)) {
      best = &one;
    }
  }
  kept.push_back(*best);
  return kept;
}

}  // namespace troupe::inference
