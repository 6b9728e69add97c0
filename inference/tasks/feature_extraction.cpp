#include "inference/tasks/feature_extraction.hpp"

#include <algorithm>
#include <map>

#include "inference/tasks/sentence_modules.hpp"

namespace troupe::inference {
namespace {

// Tokens of a prompt in front of a text, as sentence-transformers counts them: what stands before it counts too, and
// one special token at the end does not.
struct prompt_length {
  std::uint32_t tokens = 0;
  bool end = false;  // there is such a token
};

result<prompt_length> length_of(const tokenizer& tokens, const std::string& prompt) {
  const auto whole = tokens.encode(prompt, encode_options{});
  if (!whole) return tl::unexpected(whole.error());
  encode_options bare;
  bare.special_tokens = false;
  const auto text = tokens.encode(prompt, bare);
  if (!text) return tl::unexpected(text.error());
  const auto& ids = whole->ids;
  const bool end = ids.size() > text->ids.size() && !std::equal(text->ids.rbegin(), text->ids.rend(), ids.rbegin());
  return prompt_length{static_cast<std::uint32_t>(ids.size() - (end ? 1 : 0)), end};
}

class embedding_head final : public task_head {
 public:
  // `counted`: the modules are this head's own, or it counts them for those that share them.
  embedding_head(task what, std::shared_ptr<const sentence_modules> modules, bool counted, sentence_config config,
                 std::map<std::string, prompt_length, std::less<>> prompts)
      : what_(what),
        modules_(std::move(modules)),
        counted_(counted),
        rules_(std::move(config.rules)),
        width_(std::min<std::size_t>(config.truncate_dim.value_or(UINT32_MAX), modules_->width())),
        prompts_(std::move(prompts)),
        notes_(std::move(config.notes)) {
    if (!modules_->notes().empty()) notes_ += (notes_.empty() ? "" : "; ") + modules_->notes();
  }

  network_output wants() const noexcept override { return network_output::token_states; }
  const std::vector<std::string>& labels() const noexcept override { return none_; }
  const std::string& notes() const noexcept override { return notes_; }
  std::uint64_t memory_bytes() const noexcept override { return counted_ ? modules_->memory_bytes() : 0; }

  result<void> check(const task_parameters& given) const override {
    if (auto ok = check_names(what_, given, {"normalize", "prompt_name", "dimensions", "all_tokens"}); !ok) return ok;
    if (given.prompt_name)
      if (auto known = rules_.prompt(given.prompt_name); !known) return tl::unexpected(known.error());
    if (given.dimensions && (*given.dimensions < 1 || *given.dimensions > modules_->width()))
      return fail(error_code::bad_request,
                  "'dimensions' is " + std::to_string(*given.dimensions) + ", which this model does not have",
                  "1 to " + std::to_string(modules_->width()));
    if (!given.all_tokens.value_or(false)) return {};
    if (given.dimensions)
      return fail(error_code::bad_request, "'dimensions' is of a text's vector, not of its tokens' ('all_tokens')");
    if (given.normalize.value_or(false))
      return fail(error_code::bad_request, "'normalize' is of a text's vector, not of its tokens' ('all_tokens')");
    return {};
  }

  result<void> read(const input& in, const text_reader& reader, prepared_text& out) const override {
    auto tokens = read_tokens(in, reader, out.parameters);
    if (!tokens) return tl::unexpected(tokens.error());
    text_window row{std::move(*tokens), {}};
    // What stands in front; nothing does before token ids.
    if (in.only<std::string>() != nullptr) out.text = rules_.prompt(out.parameters.prompt_name).value();
    if (!out.parameters.all_tokens.value_or(false))
      row.picks = tokens_for(modules_->pools(), static_cast<std::uint32_t>(row.tokens.ids.size()),
                             skipped(out, row.tokens.ids.size()));
    out.rows.push_back(std::move(row));
    return {};
  }

  std::string text_of(std::string_view text, const task_parameters& given) const override {
    return rules_.applied(rules_.prompt(given.prompt_name).value_or(""), text);
  }
  output make(const prepared_text& in, const network_answer& given) const override {
    const auto lines = given.rows.front();
    if (in.parameters.all_tokens.value_or(false))
      return token_embeddings{{lines.begin(), lines.end()}, static_cast<std::uint32_t>(given.width)};
    const auto& row = in.rows.front();
    const auto tokens = row.tokens.ids.size();
    const bool unit = in.parameters.normalize.value_or(modules_->normalizes());
    auto x = modules_->vector_of({lines, static_cast<std::size_t>(given.width), tokens, row.picks}, skipped(in, tokens),
                                 unit);
    // A width of the checkpoint's own is cut and left so; one that is asked for is normalized again.
    const auto& asked = in.parameters.dimensions;
    x.resize(asked ? *asked : width_);
    if (unit && (asked || in.parameters.normalize)) normalize(x);
    embedding out;
    out.values.reserve(x.size());
    for (const auto v : x) out.values.push_back(static_cast<float>(v));
    return out;
  }

 private:
  result<encoding> read_tokens(const input& in, const text_reader& reader, const task_parameters& given) const {
    if (const auto* text = in.only<std::string>()) {
      const auto prompt = rules_.prompt(given.prompt_name);
      if (!prompt) return tl::unexpected(prompt.error());
      return reader.text(rules_.applied(*prompt, *text), given, false);
    }
    if (const auto* known = in.only<token_ids>()) {
      if (given.prompt_name && !rules_.prompt(given.prompt_name).value_or("").empty())
        return fail(error_code::unprocessable, "'prompt_name' needs a text: token ids are used as they come");
      return reader.ids(*known);
    }
    return fail(error_code::unprocessable,
                std::string(to_string(what_)) + " takes a text, not " + std::string(kind_of(in)));
  }

  // Tokens at the head of a row that the vector is not made of.
  std::uint32_t skipped(const prepared_text& in, std::size_t tokens) const {
    if (modules_->pools().include_prompt || in.text.empty()) return 0;
    const auto found = prompts_.find(in.text);
    if (found == prompts_.end()) return 0;
    const auto kept = static_cast<std::uint32_t>(tokens - (found->second.end ? 1 : 0));
    return std::min(found->second.tokens, kept);
  }

  task what_;
  std::shared_ptr<const sentence_modules> modules_;
  bool counted_;
  text_rules rules_;
  std::size_t width_;
  std::map<std::string, prompt_length, std::less<>> prompts_;  // by text; where they are left out
  std::vector<std::string> none_;
  std::string notes_;
};

template <task what>
result<std::unique_ptr<const task_head>> make_head(const head_source& from) {
  auto config = read_sentence_config(from.spec.path, sentence_model::embedder, from.tokens);
  if (!config) return tl::unexpected(config.error());
  auto modules = from.shared != nullptr ? from.shared->modules : nullptr;
  const bool counted = modules == nullptr;
  if (!modules) {
    auto read = sentence_modules::read(*config, from.shape.hidden_size);
    if (!read) return tl::unexpected(read.error());
    modules = std::make_shared<const sentence_modules>(std::move(*read));
    if (from.shared != nullptr) from.shared->modules = modules;
  }
  std::map<std::string, prompt_length, std::less<>> prompts;
  if (!modules->pools().include_prompt)
    for (const auto& [name, text] : config->rules.prompts) {
      if (text.empty()) continue;
      // A prompt that is no text of its own (a space) has no tokens to leave out.
      if (const auto length = length_of(from.tokens, config->rules.applied(text, {}))) prompts.emplace(text, *length);
    }
  return std::make_unique<const embedding_head>(what, std::move(modules), counted, std::move(*config),
                                                std::move(prompts));
}

}  // namespace

result<std::uint64_t> vectors_memory(const std::filesystem::path& folder, std::int64_t hidden_size,
                                     const tokenizer& tokens) {
  const auto config = read_sentence_config(folder, sentence_model::embedder, tokens);
  if (!config) return tl::unexpected(config.error());
  const auto modules = sentence_modules::plan(*config, hidden_size);
  if (!modules) return tl::unexpected(modules.error());
  return modules->memory_bytes();
}

task_kind feature_extraction() { return {task::feature_extraction, nullptr, make_head<task::feature_extraction>}; }
task_kind sentence_similarity() { return {task::sentence_similarity, nullptr, make_head<task::sentence_similarity>}; }

}  // namespace troupe::inference
