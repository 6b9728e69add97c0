#include "inference/tasks/fill_mask.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "inference/tasks/scores.hpp"

namespace troupe::inference {
namespace {

constexpr std::uint32_t usual_top_k = 5;
constexpr std::size_t candidates_max = 10'000;  // of one text: each is decoded with all of it

// The rank of a score; what is no number comes last.
bool is_better(float a, float b) noexcept { return a > b || (std::isnan(b) && !std::isnan(a)); }

// Each once, in rising order. bad_request: none is left.
result<std::vector<std::int32_t>> target_ids(const std::vector<std::string>& targets, const tokenizer& tokens) {
  encode_options first;
  first.length_max = 1;
  first.special_tokens = false;
  std::vector<std::int32_t> ids;
  for (const auto& target : targets) {
    if (const auto known = tokens.id_of(target)) {
      ids.push_back(*known);
      continue;
    }
    // One that has no token at all is passed over.
    if (const auto split = tokens.encode(target, first); split && !split->ids.empty())
      ids.push_back(split->ids.front());
  }
  if (ids.empty())
    return fail(error_code::bad_request, "'targets' names no token of the vocabulary", "at least one that is no space");
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  return ids;
}

class mask_head final : public task_head {
 public:
  mask_head(const tokenizer& tokens, std::int64_t vocabulary)
      : tokens_(tokens), mask_(*tokens.specials().mask), vocabulary_(static_cast<std::size_t>(vocabulary)) {}

  network_output wants() const noexcept override { return network_output::token_logits; }
  const std::vector<std::string>& labels() const noexcept override { return none_; }
  const std::string& notes() const noexcept override { return notes_; }

  result<void> check(const task_parameters& given) const override {
    if (auto ok = check_names(task::fill_mask, given, {"top_k", "targets"}); !ok) return ok;
    if (given.top_k == 0U) return fail(error_code::bad_request, "'top_k' must be at least 1");
    if (given.targets)
      if (const auto ids = target_ids(*given.targets, tokens_); !ids) return tl::unexpected(ids.error());
    return {};
  }

  result<void> read(const input& in, const text_reader& reader, prepared_text& out) const override {
    if (in.only<text_pair>() != nullptr)
      return fail(error_code::unprocessable, "fill-mask takes a text, not " + std::string(kind_of(in)));
    // The answer is made of them, where nothing can fail.
    if (auto ok = reader.tokens().make_details(); !ok) return ok;
    auto tokens = reader.read(in, out.parameters, false);
    if (!tokens) return tl::unexpected(tokens.error());
    text_window row{std::move(*tokens), {}};
    for (std::size_t i = 0; i < row.tokens.ids.size(); ++i)
      if (row.tokens.ids[i] == mask_) row.picks.push_back(static_cast<std::uint32_t>(i));
    if (row.picks.empty())
      return fail(error_code::unprocessable,
                  "there is no mask in the text" + std::string(row.tokens.truncated ? " as it was cut" : ""),
                  "the mask is " + tokens_.token_of(mask_).value_or(""));
    const auto wanted = std::min<std::size_t>(out.parameters.top_k.value_or(usual_top_k), vocabulary_);
    const auto each = out.parameters.targets ? std::min(wanted, out.parameters.targets->size()) : wanted;
    if (each * row.picks.size() > candidates_max)
      return fail(
          error_code::bad_request,
          "'top_k' of " + std::to_string(each) + " for " + std::to_string(row.picks.size()) + " mask(s) is too much",
          "at most " + std::to_string(candidates_max) + " candidates a text");
    out.rows.push_back(std::move(row));
    return {};
  }

  output make(const prepared_text& in, const network_answer& given) const override {
    const auto& row = in.rows.front();
    std::vector<std::int32_t> among;  // where not all of the vocabulary
    if (in.parameters.targets) among = target_ids(*in.parameters.targets, tokens_).value_or(among);
    std::erase_if(among, [&](auto id) { return id < 0 || id >= given.width; });
    mask_candidates out;
    const auto width = static_cast<std::size_t>(given.width);
    for (std::size_t i = 0; i < row.picks.size(); ++i) {
      const auto line = given.rows.front().subspan(i * width, width);
      std::vector<float> scores(line.begin(), line.end());
      softmax(scores);
      out.masks.push_back(best_of(scores, among, row, row.picks[i], in.parameters));
    }
    return out;
  }

 private:
  std::vector<mask_candidate> best_of(std::span<const float> scores, const std::vector<std::int32_t>& among,
                                      const text_window& row, std::uint32_t mask, const task_parameters& given) const {
    auto ids = among;
    if (!given.targets) {
      ids.resize(scores.size());
      std::iota(ids.begin(), ids.end(), 0);
    }
    const auto count = std::min<std::size_t>(given.top_k.value_or(usual_top_k), ids.size());
    const auto end = ids.begin() + static_cast<std::ptrdiff_t>(count);
    std::partial_sort(ids.begin(), end, ids.end(), [&](std::int32_t a, std::int32_t b) {
      const float x = scores[static_cast<std::size_t>(a)], y = scores[static_cast<std::size_t>(b)];
      return is_better(x, y) || (!is_better(y, x) && a < b);
    });
    std::vector<mask_candidate> best;
    best.reserve(count);
    for (auto at = ids.begin(); at != end; ++at)
      best.push_back({*at, scores[static_cast<std::size_t>(*at)], decoded({*at}, false), with(row, mask, *at)});
    return best;
  }

  // The text with the token in place. Other masks stay to be seen.
  std::string with(const text_window& row, std::uint32_t mask, std::int32_t id) const {
    auto ids = row.tokens.ids;
    ids[mask] = id;
    if (const auto pad = tokens_.specials().pad) std::erase(ids, *pad);
    return decoded(ids, row.picks.size() == 1);
  }

  std::string decoded(const std::vector<std::int32_t>& ids, bool skip_special) const {
    return tokens_.decode(ids, skip_special, true).value_or("");
  }

  const tokenizer& tokens_;
  std::int32_t mask_;
  std::size_t vocabulary_;
  std::vector<std::string> none_;
  std::string notes_;
};

result<std::unique_ptr<const task_head>> make_head(const head_source& from) {
  if (!from.tokens.specials().mask)
    return fail(error_code::unprocessable, "the tokenizer has no mask token, which fill-mask needs",
                "'mask_token' in tokenizer_config.json");
  return std::make_unique<const mask_head>(from.tokens, from.plan.logits);
}

}  // namespace

task_kind fill_mask() { return {task::fill_mask, nullptr, make_head}; }

}  // namespace troupe::inference
