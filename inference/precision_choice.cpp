#include "inference/precision_choice.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <span>

#include "inference/files/files.hpp"
#include "inference/files/model_json.hpp"
#include "inference/files/temporary_file.hpp"

namespace troupe::inference {
namespace {

constexpr double cosine_difference_max = 1e-4;
constexpr double gain_min = 1.05;

bool agrees(const precision_figures& f, double tolerance) {
  return f.difference <= (f.vectors ? std::min(cosine_difference_max, tolerance) : tolerance);  // not where it is NaN
}

std::string in_words(const precision_figures& f) {
  std::array<char, 160> text;
  const auto n = std::snprintf(text.data(), text.size(), "%s: %.1f texts/s, differs by %.2g%s", f.precision.c_str(),
                               f.texts_per_s, f.difference, f.vectors ? " (1 - cosine)" : "");
  return {text.data(), static_cast<std::size_t>(std::max(0, n))};
}

const precision_figures* figures_of(const std::vector<precision_figures>& measured, precision what) {
  const auto found =
      std::find_if(measured.begin(), measured.end(), [&](const auto& f) { return f.precision == to_string(what); });
  return found == measured.end() ? nullptr : &*found;
}

bool answers_vectors(const std::vector<precision_figures>& measured) {
  return std::any_of(measured.begin(), measured.end(), [](const auto& f) { return f.vectors; });
}

bool is_for_vectors(const std::optional<precision_choice>& kept) { return kept && kept->vectors && !kept->named; }

}  // namespace

result<precision_plan> plan_precisions(const precision_question& asked, const std::optional<precision_choice>& kept) {
  const bool open = asked.asked == precision::automatic;
  if (asked.asked == precision::int8 && !asked.int8_computed)
    return fail(error_code::unprocessable, "int8 was asked for, in which this CPU does not compute");
  if (open && asked.vectors && is_for_vectors(kept)) {
    if (kept->chosen == precision::int8 && !asked.int8_computed)
      return fail(error_code::unprocessable,
                  "the vectors of this model were made in int8, in which this CPU does not compute",
                  "a precision that the registry or the settings name is used instead: vectors in it are not those "
                  "that are stored");
    return precision_plan{{kept->chosen}, kept->measured, false};
  }
  if (!open && (asked.asked == precision::fp32 || asked.tolerance == 0))
    return precision_plan{{asked.asked}, {}, false};

  auto others = open ? asked.candidates : std::vector{asked.asked};
  // int8 is never taken without a look at its answers.
  if (!asked.int8_computed || asked.tolerance == 0) std::erase(others, precision::int8);
  if (others.empty() || asked.tolerance == 0)
    return precision_plan{{others.empty() ? precision::fp32 : others.front()}, {}, open && asked.vectors};
  if (kept && kept->cpu_model == asked.cpu_model && covers(*kept, others)) {
    if (auto ok = open ? result<void>{} : check_precision(asked.asked, kept->measured, asked.tolerance); !ok)
      return tl::unexpected(ok.error());
    return precision_plan{{open ? choose_precision(kept->measured, asked.tolerance) : asked.asked},
                          kept->measured,
                          open && asked.vectors};
  }
  others.insert(others.begin(), precision::fp32);
  return precision_plan{std::move(others), {}, false};
}

precision_choice choice_after(const std::optional<precision_choice>& before, precision_choice made) {
  if (!made.named || !is_for_vectors(before)) return made;
  made.chosen = before->chosen;
  made.named = false;
  return made;
}

bool covers(const precision_choice& choice, const std::vector<precision>& all) {
  return figures_of(choice.measured, precision::fp32) != nullptr &&
         std::all_of(all.begin(), all.end(), [&](auto p) { return figures_of(choice.measured, p) != nullptr; });
}

precision choose_precision(const std::vector<precision_figures>& measured, double tolerance) {
  auto best = precision::fp32;
  const auto* base = figures_of(measured, precision::fp32);
  auto fastest = base->texts_per_s * gain_min;
  for (const auto& f : measured) {
    if (&f == base || !agrees(f, tolerance) || f.texts_per_s <= fastest) continue;
    fastest = f.texts_per_s;
    best = parse_precision(f.precision).value_or(precision::fp32);
  }
  return best;
}

result<void> check_precision(precision asked, const std::vector<precision_figures>& measured, double tolerance) {
  const auto* found = figures_of(measured, asked);
  if (found == nullptr || agrees(*found, tolerance)) return {};
  std::string all;
  for (const auto& f : measured) all += (all.empty() ? "" : "; ") + in_words(f);
  return fail(error_code::unprocessable,
              "the registry or the settings ask for " + std::string(to_string(asked)) +
                  ", in which the model's answers differ too much from fp32's",
              all + "; see precision_tolerance");
}

std::optional<precision_choice> read_choice(const std::filesystem::path& file) {
  const auto json = model_json::read(file, 64U << 10U);
  if (!json) return std::nullopt;
  precision_choice kept;
  kept.cpu_model = text_of(json->root(), "cpu_model");
  kept.named = flag_of(json->root(), "named", false);
  const auto chosen = parse_precision(text_of(json->root(), "chosen"));
  simdjson::dom::array measured;
  if (!chosen || json->root()["measured"].get(measured)) return std::nullopt;
  kept.chosen = *chosen;
  for (const auto one : measured) {
    precision_figures f;
    f.precision = text_of(one, "precision");
    if (one["texts_per_s"].get(f.texts_per_s)) return std::nullopt;
    if (one["difference"].get(f.difference)) f.difference = std::nan("");
    f.vectors = flag_of(one, "vectors", false);
    kept.measured.push_back(std::move(f));
  }
  kept.vectors = flag_of(json->root(), "vectors", answers_vectors(kept.measured));
  return kept;
}

void keep_choice(const std::filesystem::path& file, const precision_choice& choice) {
  std::string text = "{\n  \"cpu_model\": \"" + choice.cpu_model + "\",\n  \"chosen\": \"" +
                     std::string(to_string(choice.chosen)) + "\",\n  \"named\": " + (choice.named ? "true" : "false") +
                     ",\n  \"vectors\": " + (choice.vectors ? "true" : "false") + ",\n  \"measured\": [";
  for (std::size_t i = 0; i < choice.measured.size(); ++i) {
    const auto& f = choice.measured[i];
    std::array<char, 256> line;
    const auto n =
        std::snprintf(line.data(), line.size(),
                      "%s\n    {\"precision\": \"%s\", \"texts_per_s\": %.6g, \"difference\": %s%.6g%s, "
                      "\"vectors\": %s}",
                      i == 0 ? "" : ",", f.precision.c_str(), f.texts_per_s, std::isfinite(f.difference) ? "" : "\"",
                      f.difference, std::isfinite(f.difference) ? "" : "\"", f.vectors ? "true" : "false");
    text.append(line.data(), static_cast<std::size_t>(std::max(0, n)));
  }
  text += "\n  ]\n}\n";
  if (auto out = temporary_file::create(file); out && out->write(0, std::as_bytes(std::span(text))))
    static_cast<void>(out->publish(file));
}

}  // namespace troupe::inference
