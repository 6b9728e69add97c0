#include "inference/tasks/sentence_config.hpp"

#include <algorithm>
#include <array>

#include "inference/files/files.hpp"
#include "inference/text/length_limit.hpp"

namespace troupe::inference {
namespace {

namespace fs = std::filesystem;
namespace dom = simdjson::dom;
constexpr std::uint64_t bytes_max = 4U << 20U;
constexpr std::size_t modules_max = 64;

// Null: there is no such file.
result<std::optional<model_json>> read_if_there(const fs::path& file) {
  if (!file_exists(file)) return std::nullopt;
  auto json = model_json::read(file, bytes_max);
  if (!json) return tl::unexpected(json.error());
  return std::move(*json);
}

// The file holds a list.
result<model_json> read_modules(const fs::path& file) {
  auto text = read_small_file(file, bytes_max);
  if (!text) return tl::unexpected(text.error());
  return model_json::parse("{\"modules\":" + *text + "}", file.filename().string());
}

bool leads_out(const fs::path& path) {
  return path.is_absolute() || std::find(path.begin(), path.end(), "..") != path.end();
}

// The names that the file of a Transformer's settings has had; the first one counts that is there and not empty. Null:
// there is none.
result<std::optional<model_json>> read_transformer_settings(const fs::path& folder) {
  constexpr std::array names{"bert", "roberta", "distilbert", "camembert", "albert", "xlm-roberta", "xlnet"};
  for (const std::string name : names) {
    auto json = read_if_there(folder / ("sentence_" + name + "_config.json"));
    if (!json || (*json && dom::object((*json)->root()).size() != 0)) return json;
  }
  return std::nullopt;
}

// Null: modules.json does not begin with a Transformer, or cannot be read.
std::optional<fs::path> transformer_folder(const fs::path& folder) {
  if (!file_exists(folder / "modules.json")) return std::nullopt;
  const auto modules = read_modules(folder / "modules.json");
  dom::element first;
  if (!modules || modules->root()["modules"].at(0).get(first)) return std::nullopt;
  const auto type = text_of(first, "type"), path = text_of(first, "path");
  if (!type.starts_with("sentence_transformers.") || !type.ends_with(".Transformer") || leads_out(path))
    return std::nullopt;
  return path.empty() ? folder : folder / path;
}

// What it gives transformers' tokenizer; two generations of names, of which the older one counts.
constexpr std::array tokenizer_arguments{"tokenizer_args", "processor_kwargs"};

class reader {
 public:
  reader(const fs::path& folder, sentence_model wanted) : folder_(folder), wanted_(wanted) {}

  result<sentence_config> read(const tokenizer& tokens) {
    if (wanted_ == sentence_model::embedder) out_.rules.prompts = {{"query", ""}, {"document", ""}};
    if (!file_exists(folder_ / "modules.json")) return std::move(out_);
    auto settings = read_if_there(folder_ / "config_sentence_transformers.json");
    if (!settings) return tl::unexpected(settings.error());
    const auto same = is_wanted_kind(*settings);
    if (!same) return tl::unexpected(same.error());
    if (!*same) return std::move(out_);
    out_.listed = true;
    if (*settings)
      if (auto ok = read_settings(**settings); !ok) return tl::unexpected(ok.error());
    if (auto ok = read_list(); !ok) return tl::unexpected(ok.error());
    if (out_.rules.lower_case) keep_special_tokens(tokens);
    return std::move(out_);
  }

 private:
  result<bool> is_wanted_kind(const std::optional<model_json>& settings) const {
    const auto own = wanted_ == sentence_model::embedder ? "SentenceTransformer" : "CrossEncoder";
    const auto type = settings ? text_of(settings->root(), "model_type", "SentenceTransformer") : "SentenceTransformer";
    if (type == own) return true;
    if (type == "SentenceTransformer" || type == "CrossEncoder") return false;
    return settings->problem({"model_type"}, "is '" + type.substr(0, 60) + "', which is not supported",
                             "SentenceTransformer, CrossEncoder");
  }

  result<void> read_settings(const model_json& json) {
    if (auto ok = read_prompts(json); !ok) return ok;
    if (const auto width = member(json.root(), "truncate_dim")) {
      std::uint64_t number = 0;
      if (width->get(number) || number < 1 || number > INT32_MAX)
        return json.problem({"truncate_dim"}, "must be a whole number from 1");
      out_.truncate_dim = static_cast<std::uint32_t>(number);
    }
    std::string_view activation;
    if (const auto given = member(json.root(), "activation_fn")) {
      if (given->get(activation)) return json.problem({"activation_fn"}, "must be the name of a class");
      out_.activation_fn = activation;
    }
    return {};
  }

  result<void> read_prompts(const model_json& json) {
    auto& prompts = out_.rules.prompts;
    if (const auto given = member(json.root(), "prompts")) {
      dom::object entries;
      if (given->get(entries)) return json.problem({"prompts"}, "must be an object: names to texts");
      for (const auto [key, value] : entries) {
        std::string_view text;
        if (!value.is_null() && value.get(text)) return json.problem({"prompts", std::string(key)}, "must be a string");
        const std::string name(key);
        const auto known = std::find_if(prompts.begin(), prompts.end(), [&](const auto& p) { return p.first == name; });
        if (known != prompts.end())
          known->second = text;
        else
          prompts.emplace_back(name, text);
      }
    }
    const auto given = member(json.root(), "default_prompt_name");
    if (!given) return {};
    std::string_view name;
    if (given->get(name)) return json.problem({"default_prompt_name"}, "must be a string");
    const auto text = out_.rules.prompt(std::string(name));
    if (!text) return json.problem({"default_prompt_name"}, "names no prompt", text.error().detail);
    out_.rules.default_prompt = *text;
    return {};
  }

  result<void> read_list() {
    const auto json = read_modules(folder_ / "modules.json");
    if (!json) return tl::unexpected(json.error());
    dom::array list;
    if (json->root()["modules"].get(list) || list.size() == 0 || list.size() > modules_max)
      return json->problem({"modules"}, "must be a list of modules");
    for (std::size_t i = 0; const auto one : list) {
      const json_path at{"modules", i};
      const auto type = text_of(one, "type"), path = text_of(one, "path");
      if (type.empty()) return json->problem(at, "must name its class as 'type'");
      if (leads_out(path)) return json->problem(at, "has a path that leads out of the model's folder");
      if (!type.starts_with("sentence_transformers."))
        return json->problem(at, "is of the class '" + type.substr(0, 100) + "', which is code of the checkpoint's own",
                             "classes of sentence_transformers");
      sentence_module module{type.substr(type.rfind('.') + 1), json->place(at), folder_ / path};
      if (i++ != 0) {
        out_.modules.push_back(std::move(module));
        continue;
      }
      if (module.type != "Transformer")
        return json->problem(at, "is a " + module.type.substr(0, 60) + ", which is not supported in the first place",
                             "Transformer");
      if (auto ok = read_transformer(module.folder); !ok) return ok;
    }
    return {};
  }

  result<void> read_transformer(const fs::path& folder) {
    const auto json = read_transformer_settings(folder);
    if (!json) return tl::unexpected(json.error());
    return *json ? read_transformer(**json) : result<void>{};
  }

  result<void> read_transformer(const model_json& json) {
    const bool embeds = wanted_ == sentence_model::embedder;
    for (const auto& [key, own] :
         {std::pair{"transformer_task", embeds ? "feature-extraction" : "sequence-classification"},
          {"module_output_name", embeds ? "token_embeddings" : "scores"}})
      if (const auto told = text_of(json.root(), key, own); told != own)
        return json.problem({key}, "is '" + told.substr(0, 60) + "', which is not supported", own);
    out_.rules.lower_case = flag_of(json.root(), "do_lower_case", false);
    for (const char* key : {"processing_kwargs", "tokenizer_args", "processor_kwargs"}) {
      dom::object given;
      const auto kwargs = member(json.root(), key);
      if (!kwargs || kwargs->get(given)) continue;
      const bool used = std::all_of(given.begin(), given.end(), [](const auto& one) {
        return one.key == "model_max_length" || one.key == "trust_remote_code";
      });
      if (!used)
        out_.notes += (out_.notes.empty() ? "" : "; ") + std::string(key) +
                      " of the sentence-transformers Transformer are not used";
    }
    return {};
  }

  void keep_special_tokens(const tokenizer& tokens) {
    const auto& s = tokens.specials();
    for (const auto& id : {s.unk, s.cls, s.sep, s.pad, s.mask})
      if (id)
        if (auto token = tokens.token_of(*id); token && !token->empty()) out_.rules.kept.push_back(std::move(*token));
  }

  const fs::path& folder_;
  sentence_model wanted_;
  sentence_config out_;
};

}  // namespace

result<sentence_config> read_sentence_config(const fs::path& folder, sentence_model wanted, const tokenizer& tokens) {
  return reader(folder, wanted).read(tokens);
}

fs::path checkpoint_folder(const fs::path& folder) {
  const auto own = transformer_folder(folder);
  return own && file_exists(*own / "config.json") ? *own : folder;
}

result<std::optional<std::uint32_t>> sentence_length(const fs::path& folder) {
  const auto own = transformer_folder(folder);
  if (!own) return std::nullopt;
  const auto json = read_transformer_settings(*own);
  if (!json) return tl::unexpected(json.error());
  if (!*json) return std::nullopt;
  const auto limit = [&](const json_path& at, dom::element value) -> result<std::optional<std::uint32_t>> {
    const auto read = length_limit(**json, at, value);
    if (!read) return tl::unexpected(read.error());
    return *read;
  };
  for (const char* key : tokenizer_arguments)
    if (const auto arguments = member((*json)->root(), key))
      if (const auto given = member(*arguments, "model_max_length")) return limit({key, "model_max_length"}, *given);
  if (const auto given = member((*json)->root(), "max_seq_length")) return limit({"max_seq_length"}, *given);
  return std::nullopt;
}

result<model_json> read_module_config(const fs::path& folder) {
  auto json = read_if_there(folder / "config.json");
  if (!json) return tl::unexpected(json.error());
  if (*json) return std::move(**json);
  return model_json::parse("{}", (folder / "config.json").string());
}

}  // namespace troupe::inference
