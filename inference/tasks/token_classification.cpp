#include "inference/tasks/token_classification.hpp"

#include <algorithm>

#include "inference/tasks/entities.hpp"
#include "inference/tasks/labels.hpp"
#include "inference/tasks/scores.hpp"
#include "inference/text/unicode.hpp"

namespace troupe::inference {
namespace {

// A text in characters, whose places the tokens know.
class characters {
 public:
  explicit characters(const std::string& text) : text_(text) {
    for (std::size_t i = 0; i < text.size(); ++i)
      if ((static_cast<unsigned char>(text[i]) & 0xC0U) != 0x80U) starts_.push_back(i);
    starts_.push_back(text.size());
  }
  std::string_view at(char_range place) const {
    const auto last = starts_.size() - 1;
    const auto begin = starts_[std::min<std::size_t>(place.begin, last)],
               end = starts_[std::min<std::size_t>(place.end, last)];
    return begin < end ? std::string_view(text_).substr(begin, end - begin) : std::string_view();
  }

 private:
  const std::string& text_;
  std::vector<std::size_t> starts_;  // bytes, and the end
};

std::size_t length_of(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; }));
}

class entity_head final : public task_head {
 public:
  entity_head(label_names labels, const tokenizer& tokens) : labels_(std::move(labels)), tokens_(tokens) {}

  network_output wants() const noexcept override { return network_output::token_logits; }
  const std::vector<std::string>& labels() const noexcept override { return labels_.names; }
  const std::string& notes() const noexcept override { return labels_.notes; }

  result<void> check(const task_parameters& given) const override {
    if (auto ok = check_names(task::token_classification, given, {"aggregation_strategy", "ignore_labels", "stride"});
        !ok)
      return ok;
    if (given.stride && given.aggregation_strategy == aggregation::none)
      return fail(error_code::bad_request, "'stride' needs entities: 'aggregation_strategy' must not be 'none'",
                  "simple, first, average, max");
    return {};
  }

  result<void> read(const input& in, const text_reader& reader, prepared_text& out) const override {
    const auto* text = in.only<std::string>();
    if (text == nullptr)
      return fail(error_code::unprocessable, "token-classification takes a text, not " + std::string(kind_of(in)));
    // The answer is made of them, where nothing can fail.
    if (auto ok = reader.tokens().make_details(); !ok) return ok;
    out.text = *text;
    if (out.parameters.stride) {
      auto windows = reader.windows(*text, *out.parameters.stride, out.parameters);
      if (!windows) return tl::unexpected(windows.error());
      for (auto& one : *windows) out.rows.push_back({std::move(one), {}});
      return {};
    }
    auto tokens = reader.text(*text, out.parameters, true);
    if (!tokens) return tl::unexpected(tokens.error());
    out.rows.push_back({std::move(*tokens), {}});
    return {};
  }

  output make(const prepared_text& in, const network_answer& given) const override {
    const auto how = in.parameters.aggregation_strategy.value_or(aggregation::simple);
    const characters text(in.text);
    const word_writer words(tokens_);
    spans out;
    out.tokens = how == aggregation::none;
    for (std::size_t i = 0; i < in.rows.size(); ++i) {
      auto found = entities_in(in.rows[i].tokens, given.rows[i], text, how, words);
      std::erase_if(found, [&](const text_span& one) { return is_ignored(one.label, in.parameters); });
      out.found.insert(out.found.end(), std::make_move_iterator(found.begin()), std::make_move_iterator(found.end()));
    }
    if (in.rows.size() > 1) out.found = without_overlaps(std::move(out.found));
    return out;
  }

 private:
  static bool is_ignored(const std::string& label, const task_parameters& given) {
    if (!given.ignore_labels) return label == "O";
    return std::find(given.ignore_labels->begin(), given.ignore_labels->end(), label) != given.ignore_labels->end();
  }

  std::vector<text_span> entities_in(const encoding& row, std::span<const float> lines, const characters& text,
                                     aggregation how, const word_writer& words) const {
    const auto width = labels_.names.size(), count = row.ids.size();
    if (row.places.size() != count || row.special.size() != count) return {};  // a warm-up's
    std::vector<float> scores(lines.begin(), lines.end());
    std::vector<labelled_token> tokens;
    std::vector<word_piece> pieces;
    for (std::size_t i = 0; i < count; ++i) {
      if (row.special[i] != 0) continue;
      const auto line = std::span(scores).subspan(i * width, width);
      softmax(line);
      const auto place = row.places[i];
      const bool unknown = row.ids[i] == tokens_.specials().unk;
      word_piece piece{row.ids[i], unknown ? std::string(text.at(place)) : std::string()};
      tokens.push_back({place, static_cast<std::uint32_t>(i), line, !unknown && continues(row.ids[i], place, text)});
      pieces.push_back(std::move(piece));
    }
    return entities_of(tokens, pieces, how, labels_.names, words);
  }

  // A vocabulary with a mark for it tells by the token's length, as the mark makes it longer than what it stands for;
  // else what is not parted by a space.
  bool continues(std::int32_t id, char_range place, const characters& text) const {
    if (!tokens_.continuing_prefix().empty())
      return length_of(tokens_.token_of(id).value_or("")) != length_of(text.at(place));
    return place.begin > 0 && text.at({place.begin - 1, place.begin + 1}).find(' ') == std::string_view::npos;
  }

  label_names labels_;
  const tokenizer& tokens_;
};

result<std::unique_ptr<const task_head>> make_head(const head_source& from) {
  auto labels = read_labels(from);
  if (!labels) return tl::unexpected(labels.error());
  return std::make_unique<const entity_head>(std::move(*labels), from.tokens);
}

}  // namespace

task_kind token_classification() { return {task::token_classification, nullptr, make_head}; }

}  // namespace troupe::inference
