#include "inference/huggingface.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <map>
#include <mutex>

#include "inference/calibration.hpp"
#include "inference/files/files.hpp"
#include "inference/huggingface_folder.hpp"
#include "inference/precision_choice.hpp"
#include "inference/precision_trial.hpp"
#include "inference/tasks/sentence_config.hpp"
#include "inference/torch/int8_support.hpp"
#include "inference/torch/memory.hpp"
#include "inference/torch/panel_support.hpp"

namespace troupe::inference {
namespace {

weight_request request_of(const artifact_spec& spec, const load_options& options, const huggingface_folder& folder,
                          const std::string& version, precision what) {
  const bool panels = !is_gpu(options.device) &&
                      ((what == precision::fp32 && fp32_in_panels()) || (what == precision::bf16 && bf16_in_panels()));
  return {folder.plan.tensors, what, spec.path, version, options.store, panels, nullptr, options.cancelled};
}

// ---- the precision ----

// What was measured of an artifact: beside its ready copies, or, without a store, in this process.
class choice_keeper {
 public:
  choice_keeper(const artifact_spec& spec, const load_options& options, const huggingface_folder& folder,
                const std::string& version)
      : key_(version + '-' + folder.chosen.what->class_name + (spec.task ? std::string(to_string(*spec.task)) : "")) {
    if (!options.store.empty()) file_ = store_note(options.store, spec.path, key_ + ".precision");
    key_ = spec.path.native() + '\n' + key_;
  }
  std::optional<precision_choice> read() const {
    if (!file_.empty()) return read_choice(file_);
    const std::scoped_lock lock(mutex());
    const auto found = in_memory().find(key_);
    return found == in_memory().end() ? std::nullopt : std::optional(found->second);
  }
  void keep(const precision_choice& choice) const {
    if (!file_.empty()) return keep_choice(file_, choice);
    const std::scoped_lock lock(mutex());
    in_memory().insert_or_assign(key_, choice);
  }

 private:
  static std::mutex& mutex() {
    static std::mutex one;
    return one;
  }
  static std::map<std::string, precision_choice>& in_memory() {
    static std::map<std::string, precision_choice> all;
    return all;
  }
  std::string key_;
  std::filesystem::path file_;
};

bool has_products(const huggingface_folder& folder) {
  return std::any_of(folder.plan.tensors.begin(), folder.plan.tensors.end(), [](const auto& t) { return t.product; });
}

precision asked_precision(const artifact_spec& spec, const load_options& options) {
  return spec.wanted != precision::automatic ? spec.wanted : options.automatic_precision;
}

result<precision_plan> precisions_of(const artifact_spec& spec, const load_options& options,
                                     const huggingface_folder& folder, const std::string& version) {
  const auto asked = asked_precision(spec, options);
  const bool products = has_products(folder);
  if (asked == precision::int8 && (is_gpu(options.device) || !products))
    return fail(error_code::unprocessable,
                "int8 was asked for, in which this model does not compute on " + options.device);
  if (is_gpu(options.device))
    return precision_plan{{asked == precision::automatic ? precision::fp32 : asked}, {}, false};
  return plan_precisions({asked, options.candidates, options.precision_tolerance, products && has_int8_linear(),
                          is_vector(folder.tasks.front()), cpu_model()},
                         choice_keeper(spec, options, folder, version).read());
}

// ---- the network ----

struct made_network {
  std::shared_ptr<const encoder> network;
  std::vector<mapping_use> mappings;
  std::uint64_t device_bytes = 0;  // of a copy in a GPU's memory
  std::string notes;
};

result<made_network> make_network(const artifact_spec& spec, const load_options& options,
                                  const huggingface_folder& folder, const std::string& version, precision what,
                                  const std::shared_ptr<memory_account>& account) {
  auto request = request_of(spec, options, folder, version, what);
  request.account = account;
  auto weights = load_weights(request, folder.source);
  if (!weights) return tl::unexpected(weights.error());
  made_network made;
  made.notes = std::move(weights->notes);
  const auto bytes = weights->memory->bytes().size();
  if (is_gpu(options.device))
    made.device_bytes = bytes;  // the mapping goes
  else if (weights->memory->shared())
    made.mappings.push_back({weights->memory->id(), bytes, weights->entry.string()});
  made.network = folder.config->make(std::move(*weights), options.device);
  return made;
}

// Of the store, from an earlier load.
bool has_ready_copy(const weight_request& request) {
  return !request.store.empty() && file_exists(store_entry(request));
}

struct settled_network {
  made_network made;
  precision what = precision::fp32;
  std::vector<precision_figures> measured;
};

// Loads what was wanted; of several the one that the figures speak for. One after the other, so that measuring takes no
// more memory than the largest of them.
result<settled_network> settle(const artifact_spec& spec, const load_options& options, const huggingface_folder& folder,
                               const std::string& version, precision_plan wanted, const encoder_parts& parts) {
  const choice_keeper keeper(spec, options, folder, version);
  const bool vectors = is_vector(parts.heads.front().what);
  const auto make = [&](precision what, const load_options& how) {
    return make_network(spec, how, folder, version, what, parts.account);
  };
  settled_network out;
  out.measured = std::move(wanted.measured);
  if (wanted.to_load.size() == 1) {
    out.what = wanted.to_load.front();
    auto made = make(out.what, options);
    if (!made) return tl::unexpected(made.error());
    out.made = std::move(*made);
    if (wanted.to_keep) keeper.keep({out.what, cpu_model(), false, out.measured, vectors});
    return out;
  }

  const precision_trial trial(*parts.heads.front().head, *parts.reader);
  std::optional<precision_trial::outcome> base;
  for (const auto what : wanted.to_load) {
    if (is_cancelled(options.cancelled)) return cancelled_error();
    out.made = {};  // the one before goes first
    // What is not taken leaves nothing in the store.
    auto how = options;
    if (!has_ready_copy(request_of(spec, options, folder, version, what))) how.store.clear();
    auto made = make(what, how);
    if (!made) return tl::unexpected(made.error());
    out.made = std::move(*made);
    auto answers = trial.run(*out.made.network);
    if (!base) base = answers;
    out.measured.push_back(trial.compare(std::string(to_string(what)), *base, answers));
  }
  const auto asked = asked_precision(spec, options);
  const bool open = asked == precision::automatic;
  out.what = open ? choose_precision(out.measured, options.precision_tolerance) : asked;
  keeper.keep(choice_after(keeper.read(), {out.what, cpu_model(), !open, out.measured, vectors}));
  if (auto ok = open ? result<void>{} : check_precision(asked, out.measured, options.precision_tolerance); !ok)
    return tl::unexpected(ok.error());
  const bool in_place = options.store.empty() || !out.made.mappings.empty();
  if (out.what == wanted.to_load.back() && in_place) return out;
  out.made = {};
  auto made = make(out.what, options);
  if (!made) return tl::unexpected(made.error());
  out.made = std::move(*made);
  return out;
}

model_info info_of(const load_options& options, const huggingface_folder& folder,
                   const std::vector<task_and_head>& heads) {
  const auto& shape = folder.config->shape();
  model_info info;
  info.architecture = folder.chosen.what->class_name;
  info.format = folder.source.format();
  info.device = options.device;
  for (const auto& h : heads) info.tasks.push_back(h.what);
  info.labels = heads.front().head->labels();
  info.parameters = folder.plan.parameters;
  info.hidden_size = shape.hidden_size;
  info.num_hidden_layers = shape.layers;
  info.num_attention_heads = shape.heads;
  info.vocab_size = shape.vocab_size;
  return info;
}

std::string joined(std::initializer_list<std::string> notes) {
  std::string all;
  for (const auto& one : notes)
    if (!one.empty()) all += (all.empty() ? "" : "; ") + one;
  return all;
}

// What the network keeps of its own beside the weights.
std::uint64_t network_bytes(const weight_plan& plan, precision what) {
  constexpr std::uint64_t beside_bytes = 4096;
  std::uint64_t packed = 0;  // in the layout of the kernel, a byte an element
  if (what == precision::int8)
    for (const auto& t : plan.tensors)
      if (t.product) packed += static_cast<std::uint64_t>(t.shape.front() * t.shape.back());
  return beside_bytes + plan.private_bytes + packed;
}

result<memory_estimate> estimate(const artifact_spec& spec, const load_options& options, const std::string& version) {
  const auto folder = open_folder(spec, options);
  if (!folder) return tl::unexpected(folder.error());
  const auto bytes_beside = memory_beside(*folder, spec, version);
  if (!bytes_beside) return tl::unexpected(bytes_beside.error());
  const auto wanted = precisions_of(spec, options, *folder, version);
  if (!wanted) return tl::unexpected(wanted.error());
  // Those that are measured are there one after the other: what the largest takes beyond the last is counted as the
  // model's own, since another model may share its mapping.
  memory_estimate needed;
  std::uint64_t most = 0;
  for (const auto what : wanted->to_load) {
    const auto bytes = entry_bytes(request_of(spec, options, *folder, version, what));
    needed = {};
    needed.private_bytes = *bytes_beside + network_bytes(folder->plan, what);
    if (options.store.empty() || is_gpu(options.device)) {
      needed.private_bytes += bytes;
    } else {
      needed.file = store_entry(request_of(spec, options, *folder, version, what)).string();
      needed.mapped_bytes = bytes;
    }
    most = std::max(most, needed.private_bytes + needed.mapped_bytes);
  }
  needed.private_bytes = most - needed.mapped_bytes;
  return needed;
}

result<std::unique_ptr<const model>> load(const artifact_spec& spec, const load_options& options,
                                          const std::string& version) {
  auto folder = open_folder(spec, options);
  if (!folder) return tl::unexpected(folder.error());
  const auto tokens = open_tokenizer(*folder, spec);
  if (!tokens) return tl::unexpected(tokens.error());
  const auto& shape = folder->config->shape();
  const auto length = length_of(spec, shape, **tokens);
  if (!length) return tl::unexpected(length.error());
  auto heads = make_heads(*folder, spec, **tokens);
  if (!heads) return tl::unexpected(heads.error());
  auto wanted = precisions_of(spec, options, *folder, version);
  if (!wanted) return tl::unexpected(wanted.error());
  if (is_cancelled(options.cancelled)) return cancelled_error();

  auto parts = std::make_shared<encoder_parts>();
  parts->heads = std::move(*heads);
  parts->reader = std::make_unique<const text_reader>(*tokens, *length, folder->plan.token_types, shape.vocab_size);
  parts->account = std::make_shared<memory_account>();
  parts->charged_bytes = (*tokens)->memory_bytes();
  for (const auto& h : parts->heads) parts->charged_bytes += h.head->memory_bytes();
  parts->account->charge(parts->charged_bytes);
  const account_scope charged(parts->account);

  auto settled = settle(spec, options, *folder, version, std::move(*wanted), *parts);
  if (!settled) return tl::unexpected(settled.error());
  parts->charged_bytes += settled->made.device_bytes;
  parts->account->charge(settled->made.device_bytes);
  parts->network = std::move(settled->made.network);

  auto info = info_of(options, *folder, parts->heads);
  info.version = version;
  info.max_length = *length;
  info.precision = std::string(to_string(settled->what));
  info.precisions = std::move(settled->measured);
  info.notes =
      joined({settled->made.notes, folder->chosen.notes, parts->heads.front().head->notes(), (*tokens)->notes()});
  return make_encoder_model(std::move(parts), std::move(info), std::move(settled->made.mappings));
}

bool claims(const artifact_spec& spec) {
  struct stat st {};
  return ::stat(spec.path.c_str(), &st) == 0 && S_ISDIR(st.st_mode) &&
         file_exists(checkpoint_folder(spec.path) / "config.json");
}

result<std::vector<std::filesystem::path>> files(const artifact_spec& spec) {
  return artifact_files(spec.path, checkpoint_folder(spec.path));
}

}  // namespace

format huggingface_format() { return {"safetensors", claims, files, estimate, load}; }

}  // namespace troupe::inference
