#include "inference/huggingface_folder.hpp"

#include <algorithm>
#include <map>
#include <mutex>
#include <optional>

#include "inference/tables.hpp"
#include "inference/tasks/feature_extraction.hpp"
#include "inference/tasks/sentence_config.hpp"

namespace troupe::inference {
namespace {

namespace dom = simdjson::dom;

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

// What the class would be, where config.json names none: the registry's task, labels, or sentence-transformers' files
// tell the head.
std::optional<task> told_task(const model_json& json, const artifact_spec& spec) {
  if (spec.task) return spec.task;
  if (!spec.labels.empty()) return task::text_classification;
  for (const char* key : {"id2label", "label2id", "num_labels", "problem_type"})
    if (member(json.root(), key)) return task::text_classification;
  if (file_exists(spec.path / "modules.json")) return task::feature_extraction;
  return std::nullopt;
}

// Some files leave 'architectures' out: then 'model_type' tells the family.
result<chosen_architecture> architecture_from_type(const model_json& json, const artifact_spec& spec) {
  const auto type = text_of(json.root(), "model_type");
  const auto& all = architectures();
  const auto of_type = [&](const architecture& a) { return !type.empty() && a.model_type == type; };
  if (std::none_of(all.begin(), all.end(), of_type))
    return json.problem({"architectures"},
                        type.empty() ? "must name the model's class"
                                     : "is missing, and the model_type '" + type.substr(0, 60) + "' is not supported",
                        class_names());
  const auto told = told_task(json, spec);
  if (!told)
    return json.problem({"architectures"}, "is missing, and nothing says what this is",
                        "'architectures', 'id2label', or 'labels' or 'task' in the registry");
  const auto found = std::find_if(all.begin(), all.end(), [&](const architecture& a) {
    return of_type(a) && std::find(a.tasks.begin(), a.tasks.end(), *told) != a.tasks.end();
  });
  if (found == all.end())
    return json.problem({"architectures"}, "is missing, and no class of the model_type '" + type.substr(0, 60) +
                                               "' does " + std::string(to_string(*told)));
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
                      class_names());
}

}  // namespace

bool is_vector(task what) noexcept { return what == task::feature_extraction || what == task::sentence_similarity; }

namespace {

// Vectors first, where there are none added.
std::vector<task> with_vectors_first(std::vector<task> tasks) {
  std::erase_if(tasks, is_vector);
  tasks.insert(tasks.begin(), {task::feature_extraction, task::sentence_similarity});
  return tasks;
}

// The tasks of the class, the one that the registry names first. The registry may ask any network for vectors; a
// folder of sentence-transformers does.
result<std::vector<task>> tasks_of(const architecture& a, const artifact_spec& spec) {
  auto tasks = a.tasks;
  if (spec.task ? is_vector(*spec.task)
                : std::any_of(tasks.begin(), tasks.end(), is_vector) && file_exists(spec.path / "modules.json"))
    tasks = with_vectors_first(std::move(tasks));
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

// Answers that are cut from the text, or written as text, need more of the tokenizer than ids.
bool needs_details(const architecture& a) {
  return std::any_of(a.tasks.begin(), a.tasks.end(),
                     [](task t) { return t == task::token_classification || t == task::fill_mask; });
}

}  // namespace

result<std::vector<task_and_head>> make_heads(const huggingface_folder& folder, const artifact_spec& spec,
                                              const tokenizer& tokens) {
  const auto& a = *folder.chosen.what;
  shared_parts shared;
  const head_source from{folder.config_json, spec, folder.plan, folder.config->shape(), tokens, &shared};
  std::vector<task_and_head> heads;
  for (const auto what : folder.tasks) {
    const auto* kind = find_task(what);
    if (kind == nullptr)
      return fail(error_code::unprocessable, "the task " + std::string(to_string(what)) + " is not implemented");
    if (spec.task != what && kind->applies != nullptr && !kind->applies(from)) continue;
    auto head = kind->make(from);
    if (!head) return tl::unexpected(head.error());
    if (!folder.config->gives((*head)->wants()))
      return fail(error_code::unprocessable,
                  "a " + a.class_name + " gives nothing that " + std::string(to_string(what)) + " is made from");
    heads.push_back({what, std::move(*head)});
  }
  return heads;
}

result<huggingface_folder> open_folder(const artifact_spec& spec, const load_options& options) {
  constexpr std::uint64_t config_bytes_max = 4U << 20U;
  const auto folder = checkpoint_folder(spec.path);
  auto json = model_json::read(folder / "config.json", config_bytes_max);
  if (!json) return tl::unexpected(json.error());
  auto chosen = choose_architecture(*json, spec);
  if (!chosen) return tl::unexpected(chosen.error());
  auto tasks = tasks_of(*chosen->what, spec);
  if (!tasks) return tl::unexpected(tasks.error());
  auto config = chosen->what->read(*json);
  if (!config) return tl::unexpected(config.error());
  auto source = checkpoint::open(folder, options.max_artifact_bytes);
  if (!source) return tl::unexpected(source.error());
  auto plan = (*config)->plan(*source);
  if (!plan) return tl::unexpected(plan.error());
  return huggingface_folder{std::move(*json),   std::move(*chosen), std::move(*tasks),
                            std::move(*config), std::move(*source), std::move(*plan)};
}

result<std::shared_ptr<const tokenizer>> open_tokenizer(const huggingface_folder& folder, const artifact_spec& spec) {
  const auto vocab_size = folder.config->shape().vocab_size;
  auto tokens = tokenizer::load(checkpoint_folder(spec.path), vocab_size);
  if (!tokens) return tokens;
  if ((*tokens)->largest_id() >= vocab_size)
    return fail(error_code::unprocessable, "the tokenizer has ids up to " + std::to_string((*tokens)->largest_id()) +
                                               ", the model only " + std::to_string(vocab_size) + " embeddings");
  if (needs_details(*folder.chosen.what))
    if (auto ok = (*tokens)->make_details(); !ok) return tl::unexpected(ok.error());
  return tokens;
}

result<std::uint64_t> memory_beside(const huggingface_folder& folder, const artifact_spec& spec,
                                    const std::string& version) {
  static std::mutex mutex;
  static std::map<std::string, std::uint64_t> known;
  constexpr std::size_t known_max = 4096;  // forgotten as a whole when it is full
  const auto key = spec.path.native() + '\n' + version + '\n' + folder.chosen.what->class_name + '\n' +
                   std::string(to_string(folder.tasks.front()));
  {
    const std::scoped_lock lock(mutex);
    if (const auto found = known.find(key); found != known.end()) return found->second;
  }
  const auto tokens = tokenizer::load(checkpoint_folder(spec.path));
  if (!tokens) return tl::unexpected(tokens.error());
  if (needs_details(*folder.chosen.what))
    if (auto ok = (*tokens)->make_details(); !ok) return tl::unexpected(ok.error());
  std::uint64_t bytes = (*tokens)->memory_bytes();
  if (std::any_of(folder.tasks.begin(), folder.tasks.end(), is_vector)) {
    const auto modules = vectors_memory(spec.path, folder.config->shape().hidden_size, **tokens);
    if (!modules) return tl::unexpected(modules.error());
    bytes += *modules;
  }
  const std::scoped_lock lock(mutex);
  if (known.size() >= known_max) known.clear();
  known.emplace(key, bytes);
  return bytes;
}

result<std::uint32_t> length_of(const artifact_spec& spec, const encoder_shape& shape, const tokenizer& tokens) {
  auto length = static_cast<std::uint32_t>(shape.positions);
  const auto told = sentence_length(spec.path);
  if (!told) return tl::unexpected(told.error());
  for (const auto limit : {spec.max_length, told->value_or(tokens.length_max())})
    if (limit != 0) length = std::min(length, limit);
  if (length <= tokens.special_count())
    return fail(error_code::unprocessable, "a max_length of " + std::to_string(length) + " leaves no room for text");
  return length;
}

}  // namespace troupe::inference
