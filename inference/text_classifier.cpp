#include "inference/text_classifier.hpp"

#include <algorithm>

#include "inference/encoders/bert_network.hpp"
#include "inference/text/tokenizer.hpp"
#include "inference/torch/memory.hpp"

namespace troupe::inference {
namespace {

struct prepared_text final : prepared {
  std::vector<std::int32_t> ids;
};

// What instances share and keep alive.
struct core {
  bert_config config;
  std::shared_ptr<const tokenizer> tokens;
  std::shared_ptr<memory_account> account;
  std::shared_ptr<const bert_network> network;
  std::size_t labels = 0;
  std::uint64_t charged_bytes = 0;  // of the account, for what its allocator does not see
  ~core() {
    network.reset();
    if (account) account->release(charged_bytes);
  }
};

class classifier_instance final : public instance {
 public:
  explicit classifier_instance(std::shared_ptr<const core> c)
      : core_(std::move(c)), lane_(core_->network->make_lane()) {}

  void step(std::span<row> rows) override {
    const account_scope charged(core_->account);
    std::vector<std::span<const std::int32_t>> texts;
    texts.reserve(rows.size());
    for (const auto& r : rows) texts.emplace_back(static_cast<const prepared_text*>(r.in)->ids);
    const auto scores = core_->network->run(texts, *lane_);
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const auto* first = scores.data() + i * core_->labels;
      rows[i].out = classification{{first, first + core_->labels}};
      rows[i].again = false;
    }
  }

 private:
  std::shared_ptr<const core> core_;
  std::unique_ptr<device_lane> lane_;
};

class text_classifier final : public model {
 public:
  text_classifier(std::shared_ptr<const core> c, model_info info, std::vector<mapping_use> mappings)
      : core_(std::move(c)), info_(std::move(info)), mappings_(std::move(mappings)) {}

  const model_info& info() const noexcept override { return info_; }

  result<prepared_ptr> prepare(const input& in) const override {
    const auto* text = std::get_if<std::string>(&in);
    if (text == nullptr)
      return fail(error_code::unprocessable, "this model takes a text, not a tensor");
    auto encoded = core_->tokens->encode(*text, info_.max_length);
    if (!encoded) return tl::unexpected(encoded.error());
    auto made = std::make_unique<prepared_text>();
    made->ids = std::move(encoded->ids);
    made->cost = static_cast<std::uint32_t>(made->ids.size());
    made->truncated = encoded->truncated;
    return made;
  }

  std::unique_ptr<instance> make_instance() const override {
    return std::make_unique<classifier_instance>(core_);
  }

  // A few of the numbers of tokens that products are prepared for (bert_network.cpp), and all code and scratch memory
  // that there is.
  std::vector<warm_bucket> warm_buckets(std::uint32_t max_batch_items,
                                        std::uint32_t max_batch_cost) const override {
    std::vector<warm_bucket> buckets;
    const auto add = [&](std::uint32_t items, std::uint32_t length) {
      length = std::min(length, info_.max_length);
      items = std::max(1U, std::min({items, max_batch_items, max_batch_cost / std::max(1U, length)}));
      const bool known = std::any_of(buckets.begin(), buckets.end(), [&](const auto& b) {
        return b.items == items && b.length == length;
      });
      if (!known) buckets.push_back({items, length});
    };
    add(1, 16);
    add(1, 64);
    add(8, 32);
    add(max_batch_items, 32);
    add(1, info_.max_length);
    return buckets;
  }

  prepared_ptr warm_input(const warm_bucket& bucket) const override {
    auto made = std::make_unique<prepared_text>();
    made->cost = std::clamp(bucket.length, 1U, info_.max_length);
    made->ids.assign(made->cost, 0);
    return made;
  }

  memory_use memory() const override { return {mappings_, core_->account->live_bytes()}; }

 private:
  std::shared_ptr<const core> core_;
  model_info info_;
  std::vector<mapping_use> mappings_;
};

precision chosen_precision(const artifact_spec& spec, const load_options& options) {
  if (spec.wanted != precision::automatic) return spec.wanted;
  return options.automatic_precision == precision::bf16 ? precision::bf16 : precision::fp32;
}

struct opened {
  bert_config config;
  checkpoint source;
  bert_plan plan;
};
result<opened> open_folder(const artifact_spec& spec, const load_options& options) {
  auto config =
      read_bert_config(spec.path, !spec.labels.empty() || spec.task == "text-classification");
  if (!config) return tl::unexpected(config.error());
  auto source = checkpoint::open(spec.path, options.max_artifact_bytes);
  if (!source) return tl::unexpected(source.error());
  auto plan = plan_bert(*config, *source);
  if (!plan) return tl::unexpected(plan.error());
  return opened{std::move(*config), std::move(*source), std::move(*plan)};
}

weight_request request_of(const artifact_spec& spec, const load_options& options, const opened& folder,
                          const std::string& version) {
  return {folder.plan.tensors, chosen_precision(spec, options), spec.path, version, options.store, nullptr,
          options.cancelled};
}

// Answers name a probability by its label.
result<std::vector<std::string>> told_apart(std::vector<std::string> names) {
  auto sorted = names;
  std::sort(sorted.begin(), sorted.end());
  const auto twice = std::adjacent_find(sorted.begin(), sorted.end());
  if (twice == sorted.end()) return names;
  return fail(error_code::unprocessable, "two labels are named '" + twice->substr(0, 60) + "'",
              "names that differ, in id2label or in the registry's labels");
}

result<std::vector<std::string>> labels_of(const artifact_spec& spec, const bert_config& config,
                                           std::int64_t count) {
  const auto n = static_cast<std::size_t>(count);
  if (spec.labels.empty() && config.labels_problem) return tl::unexpected(*config.labels_problem);
  for (const auto* names : {&spec.labels, &config.labels}) {
    if (names->empty()) continue;
    if (names->size() != n)
      return fail(
          error_code::unprocessable,
          (names == &config.labels ? config.labels_place : std::string("'labels' in the registry")) + " names " +
              std::to_string(names->size()) + " labels, the classifier has " + std::to_string(n),
          "a name for each row of classifier.weight");
    return told_apart(*names);
  }
  std::vector<std::string> numbered;
  for (std::size_t i = 0; i < n; ++i) numbered.push_back("LABEL_" + std::to_string(i));
  return numbered;
}

// The longest input: what was asked for, what the tokenizer says, what has positions; the least of
// them.
result<std::uint32_t> length_of(const artifact_spec& spec, const bert_config& config,
                                const tokenizer& tokens) {
  auto length = static_cast<std::uint32_t>(config.positions);
  for (const auto limit : {spec.max_length, tokens.length_max()})
    if (limit != 0) length = std::min(length, limit);
  if (length <= tokens.special_count())
    return fail(error_code::unprocessable,
                "a max_length of " + std::to_string(length) + " leaves no room for text");
  return length;
}

}  // namespace

result<memory_estimate> estimate_text_classifier(const artifact_spec& spec, const load_options& options,
                                                 const std::string& version) {
  auto folder = open_folder(spec, options);
  if (!folder) return tl::unexpected(folder.error());
  // What a vocabulary takes cannot be told from its size: it is read, in milliseconds.
  auto tokens = tokenizer::load(spec.path);
  if (!tokens) return tl::unexpected(tokens.error());
  const auto request = request_of(spec, options, *folder, version);
  memory_estimate estimate;
  estimate.private_bytes = (*tokens)->memory_bytes();
  if (options.store.empty() || options.device.starts_with("cuda")) {
    estimate.private_bytes += entry_bytes(request);
  } else {
    estimate.file = store_entry(request).string();
    estimate.mapped_bytes = entry_bytes(request);
  }
  return estimate;
}

result<std::unique_ptr<const model>> load_text_classifier(const artifact_spec& spec, const load_options& options,
                                                          const std::string& version) {
  auto folder = open_folder(spec, options);
  if (!folder) return tl::unexpected(folder.error());
  auto labels = labels_of(spec, folder->config, folder->plan.labels);
  if (!labels) return tl::unexpected(labels.error());
  auto tokens = tokenizer::load(spec.path, folder->config.vocab_size);
  if (!tokens) return tl::unexpected(tokens.error());
  if ((*tokens)->largest_id() >= folder->config.vocab_size)
    return fail(error_code::unprocessable,
                "the tokenizer has ids up to " + std::to_string((*tokens)->largest_id()) +
                    ", the model only " + std::to_string(folder->config.vocab_size) + " embeddings");
  auto length = length_of(spec, folder->config, **tokens);
  if (!length) return tl::unexpected(length.error());
  if (is_cancelled(options.cancelled)) return cancelled_error();

  auto made = std::make_shared<core>();
  made->config = folder->config;
  made->tokens = *tokens;
  made->labels = labels->size();
  made->account = std::make_shared<memory_account>();
  made->charged_bytes = (*tokens)->memory_bytes();
  made->account->charge(made->charged_bytes);
  const account_scope charged(made->account);

  auto request = request_of(spec, options, *folder, version);
  request.account = made->account;
  auto weights = load_weights(request, folder->source);
  if (!weights) return tl::unexpected(weights.error());

  model_info info;
  info.architecture = folder->config.architecture;
  info.format = "safetensors";
  info.precision = request.target == precision::bf16 ? "bf16" : "fp32";
  info.device = options.device;
  info.task = spec.task.empty() ? "text-classification" : spec.task;
  info.version = version;
  info.labels = std::move(*labels);
  info.parameters = folder->plan.parameters;
  info.hidden_size = folder->config.hidden_size;
  info.num_hidden_layers = folder->config.layers;
  info.num_attention_heads = folder->config.heads;
  info.vocab_size = folder->config.vocab_size;
  info.max_length = *length;
  info.accepts_text = true;
  for (const std::string& notes : {weights->notes, folder->config.notes, (*tokens)->notes()})
    if (!notes.empty()) info.notes += (info.notes.empty() ? "" : "; ") + notes;
  std::vector<mapping_use> mappings;
  const auto weight_bytes = weights->memory->bytes().size();
  if (options.device.starts_with("cuda")) {
    made->charged_bytes += weight_bytes;  // a copy in the GPU's memory; the mapping goes
    made->account->charge(weight_bytes);
  } else if (weights->memory->shared()) {
    mappings.push_back({weights->memory->id(), weight_bytes, weights->entry.string()});
  }
  made->network = make_bert_network(folder->config, std::move(*weights), options.device);
  return std::make_unique<const text_classifier>(std::move(made), std::move(info), std::move(mappings));
}

}  // namespace troupe::inference
