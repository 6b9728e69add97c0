#include "inference/huggingface.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <cassert>
#include <map>
#include <mutex>

#include "inference/encoders/encoder.hpp"
#include "inference/files/checkpoint.hpp"
#include "inference/files/model_json.hpp"
#include "inference/tables.hpp"
#include "inference/tasks/task_head.hpp"
#include "inference/text/tokenizer.hpp"
#include "inference/torch/memory.hpp"

namespace troupe::inference {
namespace {

namespace dom = simdjson::dom;
constexpr std::uint64_t config_bytes_max = 4U << 20U;

struct task_and_head {
  task what;
  std::unique_ptr<const task_head> head;
};

// Tokens, and what is made of their answer.
struct prepared_text final : prepared {
  explicit prepared_text(const task_and_head& asked) : head(asked.head.get()) {
    batch_key = static_cast<std::uint64_t>(asked.what);  // rows of one task share a batch
  }
  std::vector<std::int32_t> ids;
  std::vector<std::uint8_t> types;
  const task_head* head;
  task_parameters parameters;
};

// What instances share and keep alive.
struct core {
  encoder_shape shape;
  std::int64_t token_types = 0;
  std::shared_ptr<const tokenizer> tokens;
  std::vector<task_and_head> heads;  // the model's own first
  std::shared_ptr<memory_account> account;
  std::shared_ptr<const encoder> network;
  std::uint64_t charged_bytes = 0;  // of the account, for what its allocator does not see
  ~core() {
    network.reset();
    if (account) account->release(charged_bytes);
  }
};

class encoder_instance final : public instance {
 public:
  explicit encoder_instance(std::shared_ptr<const core> c) : core_(std::move(c)), lane_(core_->network->make_lane()) {}

  void step(std::span<row> rows) override {
    const account_scope charged(core_->account);
    std::vector<token_row> texts;
    texts.reserve(rows.size());
    assert(std::all_of(rows.begin(), rows.end(),
                       [&](const row& r) { return r.in->batch_key == rows.front().in->batch_key; }));
    for (const auto& r : rows) texts.push_back({in_of(r).ids, in_of(r).types});
    // Rows of one batch key have one task.
    const auto given = core_->network->run(texts, in_of(rows.front()).head->wants(), *lane_);
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const auto& in = in_of(rows[i]);
      rows[i].out = in.head->make(given.lines_of(i), given.width, in.parameters);
      rows[i].again = false;
    }
  }

 private:
  static const prepared_text& in_of(const row& r) { return *static_cast<const prepared_text*>(r.in); }

  std::shared_ptr<const core> core_;
  std::unique_ptr<device_lane> lane_;
};

class encoder_model final : public model {
 public:
  encoder_model(std::shared_ptr<const core> c, model_info info, std::vector<mapping_use> mappings)
      : core_(std::move(c)), info_(std::move(info)), mappings_(std::move(mappings)) {}

  const model_info& info() const noexcept override { return info_; }

  result<prepared_ptr> prepare(const input& in, const question& asked) const override {
    const auto* head = head_for(asked);
    if (head == nullptr) return tl::unexpected(wrong_task(info_, *asked.task));
    if (!head->head->takes(asked.parameters))
      return fail(error_code::unprocessable, "the parameters are not those of " + std::string(to_string(head->what)));
    auto encoded = encode(in);
    if (!encoded) return tl::unexpected(encoded.error());
    auto made = std::make_unique<prepared_text>(*head);
    made->ids = std::move(encoded->ids);
    made->types = std::move(encoded->types);
    made->parameters = asked.parameters;
    made->cost = static_cast<std::uint32_t>(made->ids.size());
    made->truncated = encoded->truncated;
    return made;
  }

  std::unique_ptr<instance> make_instance() const override { return std::make_unique<encoder_instance>(core_); }

  // A few of the numbers of tokens that products are prepared for (bert_network.cpp), and all code and scratch memory
  // that there is.
  std::vector<warm_bucket> warm_buckets(std::uint32_t max_batch_items, std::uint32_t max_batch_cost) const override {
    std::vector<warm_bucket> buckets;
    const auto add = [&](std::uint32_t items, std::uint32_t length) {
      length = std::min(length, info_.max_length);
      items = std::max(1U, std::min({items, max_batch_items, max_batch_cost / std::max(1U, length)}));
      const bool known = std::any_of(buckets.begin(), buckets.end(),
                                     [&](const auto& b) { return b.items == items && b.length == length; });
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
    auto made = std::make_unique<prepared_text>(core_->heads.front());
    made->cost = std::clamp(bucket.length, 1U, info_.max_length);
    made->ids.assign(made->cost, 0);
    return made;
  }

  memory_use memory() const override { return {mappings_, core_->account->live_bytes()}; }

 private:
  // Null: it does not do that.
  const task_and_head* head_for(const question& asked) const {
    if (!asked.task) return &core_->heads.front();
    const auto found =
        std::find_if(core_->heads.begin(), core_->heads.end(), [&](const auto& h) { return h.what == *asked.task; });
    return found == core_->heads.end() ? nullptr : &*found;
  }

  result<encoding> encode(const input& in) const {
    if (const auto* text = in.only<std::string>()) return core_->tokens->encode(*text, info_.max_length);
    if (const auto* pair = in.only<text_pair>()) return encode_pair(*pair);
    if (const auto* given = in.only<token_ids>()) return check_ids(*given);
    return fail(error_code::unprocessable, "this model takes a text, not " + std::string(kind_of(in)));
  }

  result<encoding> encode_pair(const text_pair& pair) const {
    auto encoded = core_->tokens->encode_pair(pair.first, pair.second, info_.max_length);
    if (!encoded) return encoded;
    const auto highest = *std::max_element(encoded->types.begin(), encoded->types.end());
    if (core_->token_types == 0) {
      encoded->types.clear();
    } else if (highest >= core_->token_types) {
      return fail(error_code::unprocessable, "this model takes one text, not a pair",
                  "its checkpoint has " + std::to_string(core_->token_types) + " token type(s)");
    }
    return encoded;
  }

  // Ids are used as they come; more than the model takes cannot be cut without knowing which of them are special.
  result<encoding> check_ids(const token_ids& given) const {
    if (given.ids.empty()) return fail(error_code::unprocessable, "there are no token ids");
    if (given.ids.size() > info_.max_length)
      return fail(error_code::unprocessable, std::to_string(given.ids.size()) + " token ids are too many",
                  "at most " + std::to_string(info_.max_length));
    for (const auto id : given.ids)
      if (id < 0 || id >= core_->shape.vocab_size)
        return fail(error_code::unprocessable, "the token id " + std::to_string(id) + " is not in the vocabulary",
                    "0 to " + std::to_string(core_->shape.vocab_size - 1));
    return encoding{given.ids, {}, false};
  }

  std::shared_ptr<const core> core_;
  model_info info_;
  std::vector<mapping_use> mappings_;
};

precision chosen_precision(const artifact_spec& spec, const load_options& options) {
  if (spec.wanted != precision::automatic) return spec.wanted;
  return options.automatic_precision == precision::bf16 ? precision::bf16 : precision::fp32;
}

// ---- config.json's class ----

std::string class_names() {
  std::string all;
  for (const auto& a : architectures()) all += (all.empty() ? "" : ", ") + a.class_name;
  return all;
}

const architecture* find_class(std::string_view name) {
  const auto& all = architectures();
  const auto found = std::find_if(all.begin(), all.end(), [&](const auto& a) { return a.class_name == name; });
  return found == all.end() ? nullptr : &*found;
}

struct chosen_architecture {
  const architecture* what = nullptr;
  std::string notes;  // what was concluded, not read; empty: nothing
};

// Some files leave 'architectures' out: then 'model_type' tells the family, and labels tell the head.
result<chosen_architecture> architecture_from_type(const model_json& json, const artifact_spec& spec) {
  const auto type = text_of(json.root(), "model_type");
  const auto& all = architectures();
  const auto found = std::find_if(all.begin(), all.end(), [&](const auto& a) {
    return !type.empty() && a.model_type == type && a.tasks.front() == task::text_classification;
  });
  if (found == all.end())
    return json.problem({"architectures"},
                        type.empty() ? "must name the model's class"
                                     : "is missing, and the model_type '" + type.substr(0, 60) + "' is not supported",
                        class_names());
  bool classifies = !spec.labels.empty() || spec.task == task::text_classification;
  for (const char* key : {"id2label", "label2id", "num_labels", "problem_type"})
    classifies = classifies || member(json.root(), key).has_value();
  if (!classifies)
    return json.problem({"architectures"}, "is missing, and nothing says that this is a classifier",
                        "'architectures', 'id2label', or 'labels' or 'task' in the registry");
  return chosen_architecture{&*found, "config.json names no architecture: served as " + found->class_name +
                                          ", by its model_type '" + type + "'"};
}

result<chosen_architecture> choose_architecture(const model_json& json, const artifact_spec& spec) {
  const auto given = member(json.root(), "architectures");
  dom::array names;
  std::string_view name;
  const auto& example = architectures().front().class_name;
  if (given && given->get(names))
    return json.problem({"architectures"}, "must be a list with the model's class", example);
  if (!given || names.size() == 0) return architecture_from_type(json, spec);
  if (names.at(0).get(name)) return json.problem({"architectures", std::size_t{0}}, "must be a string", example);
  if (const auto* found = find_class(name)) return chosen_architecture{found, {}};
  return json.problem({"architectures"}, "names '" + std::string(name.substr(0, 100)) + "', which is not supported",
                      name.starts_with("Roberta") ? "RoBERTa needs a byte-level BPE tokenizer, which is not implemented"
                                                  : class_names());
}

// ---- the folder ----

struct opened {
  chosen_architecture chosen;
  std::unique_ptr<const encoder_config> config;
  checkpoint source;
  weight_plan plan;
  std::vector<task_and_head> heads;  // the model's own first
};

// The tasks of the class, the one that the registry names first.
result<std::vector<task>> tasks_of(const architecture& a, const artifact_spec& spec) {
  auto tasks = a.tasks;
  if (!spec.task) return tasks;
  const auto found = std::find(tasks.begin(), tasks.end(), *spec.task);
  if (found == tasks.end()) {
    std::string known;
    for (const auto t : tasks) known.append(known.empty() ? "" : ", ").append(to_string(t));
    return fail(error_code::unprocessable,
                "the registry asks for the task " + std::string(to_string(*spec.task)) + ", which a " + a.class_name +
                    " does not do",
                "it does " + known);
  }
  std::rotate(tasks.begin(), found, found + 1);
  return tasks;
}

result<std::vector<task_and_head>> make_heads(const opened& folder, const model_json& json, const artifact_spec& spec) {
  const auto& a = *folder.chosen.what;
  const auto tasks = tasks_of(a, spec);
  if (!tasks) return tl::unexpected(tasks.error());
  std::vector<task_and_head> heads;
  for (const auto what : *tasks) {
    const auto* kind = find_task(what);
    if (kind == nullptr)
      return fail(error_code::unprocessable, "the task " + std::string(to_string(what)) + " is not implemented");
    auto head = kind->make(json, spec, folder.plan);
    if (!head) return tl::unexpected(head.error());
    if (!folder.config->gives((*head)->wants()))
      return fail(error_code::unprocessable,
                  "a " + a.class_name + " gives nothing that " + std::string(to_string(what)) + " is made from");
    heads.push_back({what, std::move(*head)});
  }
  return heads;
}

result<opened> open_folder(const artifact_spec& spec, const load_options& options) {
  const auto json = model_json::read(spec.path / "config.json", config_bytes_max);
  if (!json) return tl::unexpected(json.error());
  auto chosen = choose_architecture(*json, spec);
  if (!chosen) return tl::unexpected(chosen.error());
  auto config = chosen->what->read(*json);
  if (!config) return tl::unexpected(config.error());
  auto source = checkpoint::open(spec.path, options.max_artifact_bytes);
  if (!source) return tl::unexpected(source.error());
  auto plan = (*config)->plan(*source);
  if (!plan) return tl::unexpected(plan.error());
  opened folder{std::move(*chosen), std::move(*config), std::move(*source), std::move(*plan), {}};
  auto heads = make_heads(folder, *json, spec);
  if (!heads) return tl::unexpected(heads.error());
  folder.heads = std::move(*heads);
  return folder;
}

weight_request request_of(const artifact_spec& spec, const load_options& options, const opened& folder,
                          const std::string& version) {
  return {folder.plan.tensors, chosen_precision(spec, options), spec.path, version, options.store, nullptr,
          options.cancelled};
}

// The longest input: what was asked for, what the tokenizer says, what has positions; the least of them.
result<std::uint32_t> length_of(const artifact_spec& spec, const encoder_shape& shape, const tokenizer& tokens) {
  auto length = static_cast<std::uint32_t>(shape.positions);
  for (const auto limit : {spec.max_length, tokens.length_max()})
    if (limit != 0) length = std::min(length, limit);
  if (length <= tokens.special_count())
    return fail(error_code::unprocessable, "a max_length of " + std::to_string(length) + " leaves no room for text");
  return length;
}

result<std::shared_ptr<const tokenizer>> open_tokenizer(const artifact_spec& spec, const encoder_shape& shape) {
  auto tokens = tokenizer::load(spec.path, shape.vocab_size);
  if (tokens && (*tokens)->largest_id() >= shape.vocab_size)
    return fail(error_code::unprocessable, "the tokenizer has ids up to " + std::to_string((*tokens)->largest_id()) +
                                               ", the model only " + std::to_string(shape.vocab_size) + " embeddings");
  return tokens;
}

model_info info_of(const artifact_spec& spec, const load_options& options, const opened& folder, const core& made) {
  model_info info;
  info.architecture = folder.chosen.what->class_name;
  info.format = "safetensors";
  info.precision = std::string(to_string(chosen_precision(spec, options)));
  info.device = options.device;
  for (const auto& h : made.heads) info.tasks.push_back(h.what);
  info.labels = made.heads.front().head->labels();
  info.parameters = folder.plan.parameters;
  info.hidden_size = made.shape.hidden_size;
  info.num_hidden_layers = made.shape.layers;
  info.num_attention_heads = made.shape.heads;
  info.vocab_size = made.shape.vocab_size;
  return info;
}

std::string joined(std::initializer_list<std::string> notes) {
  std::string all;
  for (const auto& one : notes)
    if (!one.empty()) all += (all.empty() ? "" : "; ") + one;
  return all;
}

// What the network keeps of its own beside the weights: sums of a few rows.
constexpr std::uint64_t network_bytes(const weight_plan& plan, const encoder_shape& shape) {
  constexpr std::uint64_t beside_bytes = 4096;
  return beside_bytes + 2 * sizeof(float) * static_cast<std::uint64_t>(plan.token_types * shape.hidden_size);
}

// What a vocabulary takes cannot be told from its size: it is read, in tens of milliseconds, once for each version.
result<std::uint64_t> tokenizer_memory(const std::filesystem::path& folder, const std::string& version) {
  static std::mutex mutex;
  static std::map<std::string, std::uint64_t> known;
  constexpr std::size_t known_max = 4096;  // forgotten as a whole when it is full
  const auto key = folder.native() + '\n' + version;
  {
    const std::scoped_lock lock(mutex);
    if (const auto found = known.find(key); found != known.end()) return found->second;
  }
  const auto tokens = tokenizer::load(folder);
  if (!tokens) return tl::unexpected(tokens.error());
  const std::uint64_t bytes = (*tokens)->memory_bytes();
  const std::scoped_lock lock(mutex);
  if (known.size() >= known_max) known.clear();
  known.emplace(key, bytes);
  return bytes;
}

result<memory_estimate> estimate(const artifact_spec& spec, const load_options& options, const std::string& version) {
  const auto folder = open_folder(spec, options);
  if (!folder) return tl::unexpected(folder.error());
  const auto tokenizer_bytes = tokenizer_memory(spec.path, version);
  if (!tokenizer_bytes) return tl::unexpected(tokenizer_bytes.error());
  const auto request = request_of(spec, options, *folder, version);
  memory_estimate needed;
  needed.private_bytes = *tokenizer_bytes + network_bytes(folder->plan, folder->config->shape());
  if (options.store.empty() || is_gpu(options.device)) {
    needed.private_bytes += entry_bytes(request);
  } else {
    needed.file = store_entry(request).string();
    needed.mapped_bytes = entry_bytes(request);
  }
  return needed;
}

result<std::unique_ptr<const model>> load(const artifact_spec& spec, const load_options& options,
                                          const std::string& version) {
  auto folder = open_folder(spec, options);
  if (!folder) return tl::unexpected(folder.error());
  const auto shape = folder->config->shape();
  auto tokens = open_tokenizer(spec, shape);
  if (!tokens) return tl::unexpected(tokens.error());
  auto length = length_of(spec, shape, **tokens);
  if (!length) return tl::unexpected(length.error());
  if (is_cancelled(options.cancelled)) return cancelled_error();

  auto made = std::make_shared<core>();
  made->shape = shape;
  made->token_types = folder->plan.token_types;
  made->tokens = *tokens;
  made->heads = std::move(folder->heads);
  made->account = std::make_shared<memory_account>();
  made->charged_bytes = (*tokens)->memory_bytes();
  made->account->charge(made->charged_bytes);
  const account_scope charged(made->account);

  auto request = request_of(spec, options, *folder, version);
  request.account = made->account;
  auto weights = load_weights(request, folder->source);
  if (!weights) return tl::unexpected(weights.error());

  auto info = info_of(spec, options, *folder, *made);
  info.version = version;
  info.max_length = *length;
  info.notes = joined({weights->notes, folder->chosen.notes, made->heads.front().head->notes(), (*tokens)->notes()});
  std::vector<mapping_use> mappings;
  const auto weight_bytes = weights->memory->bytes().size();
  if (is_gpu(options.device)) {
    made->charged_bytes += weight_bytes;  // a copy in the GPU's memory; the mapping goes
    made->account->charge(weight_bytes);
  } else if (weights->memory->shared()) {
    mappings.push_back({weights->memory->id(), weight_bytes, weights->entry.string()});
  }
  made->network = folder->config->make(std::move(*weights), options.device);
  return std::make_unique<const encoder_model>(std::move(made), std::move(info), std::move(mappings));
}

bool claims(const artifact_spec& spec) {
  struct stat st {};
  return ::stat(spec.path.c_str(), &st) == 0 && S_ISDIR(st.st_mode) && file_exists(spec.path / "config.json");
}

result<std::vector<std::filesystem::path>> files(const artifact_spec& spec) { return artifact_files(spec.path); }

}  // namespace

format huggingface_format() { return {"safetensors", claims, files, estimate, load}; }

}  // namespace troupe::inference
