#include "inference/speech/funasr_folder.hpp"

#include <sys/stat.h>

#include <algorithm>

#include "inference/files/files.hpp"
#include "inference/files/model_yaml.hpp"
#include "inference/speech/ct_transformer.hpp"
#include "inference/speech/fsmn_vad_load.hpp"
#include "inference/speech/paraformer_load.hpp"

namespace troupe::inference {
namespace {

namespace fs = std::filesystem;
constexpr std::uint64_t config_bytes_max = 1U << 20U;

// REQUIRES that config is the folder's.
result<const speech_class*> class_of(const artifact_spec& spec, const model_yaml& config) {
  const auto named = config.root()["model"].text();
  if (!named) return tl::unexpected(named.error());
  const auto& all = speech_classes();
  const auto found = std::find_if(all.begin(), all.end(), [&](const auto& c) { return c.class_name == *named; });
  if (found == all.end()) {
    std::string known;
    for (const auto& c : all) known += (known.empty() ? "" : ", ") + c.class_name;
    return config.root()["model"].problem("is '" + printable(*named) + "', which is not supported", known);
  }
  if (spec.task && *spec.task != found->what)
    return fail(error_code::unprocessable,
                "the registry asks for the task " + std::string(to_string(*spec.task)) + ", which a " +
                    found->class_name + " does not do",
                "it does " + std::string(to_string(found->what)));
  return &*found;
}

// what(class, config)
template <class Do>
auto with_class(const artifact_spec& spec, Do what)
    -> decltype(what(std::declval<const speech_class&>(), std::declval<const model_yaml&>())) {
  const auto config = model_yaml::read(spec.path / "config.yaml", config_bytes_max);
  if (!config) return tl::unexpected(config.error());
  const auto kind = class_of(spec, *config);
  if (!kind) return tl::unexpected(kind.error());
  return what(**kind, *config);
}

bool claims(const artifact_spec& spec) {
  struct stat st {};
  return ::stat(spec.path.c_str(), &st) == 0 && S_ISDIR(st.st_mode) && file_exists(spec.path / "config.yaml");
}

result<std::vector<fs::path>> files(const artifact_spec& spec) {
  return with_class(spec, [&](const speech_class& kind, const model_yaml&) -> result<std::vector<fs::path>> {
    std::vector<fs::path> all{spec.path / "model.pt", spec.path / "config.yaml"};
    if (!file_exists(all.front()))
      return fail(error_code::load_failed, spec.path.string() + " has a config.yaml and no model.pt");
    for (const auto& name : kind.files)
      if (file_exists(spec.path / name)) all.push_back(spec.path / name);
    return all;
  });
}

result<memory_estimate> estimate(const artifact_spec& spec, const load_options& options, const std::string& version) {
  return with_class(spec, [&](const speech_class& kind, const model_yaml& config) {
    return kind.estimate({spec, options, version, config});
  });
}

result<std::unique_ptr<const model>> load(const artifact_spec& spec, const load_options& options,
                                          const std::string& version) {
  return with_class(spec, [&](const speech_class& kind, const model_yaml& config) {
    return kind.load({spec, options, version, config});
  });
}

}  // namespace

const std::vector<speech_class>& speech_classes() {
  static const std::vector<speech_class> rows = [] {
    const auto paraformer = [](const char* name, bool fed) {
      return speech_class{
          name,           task::automatic_speech_recognition, fed, {"am.mvn", "tokens.json"}, estimate_paraformer,
          load_paraformer};
    };
    const auto punctuation = [](const char* name) {
      return speech_class{name,
                          task::punctuation_restoration,
                          false,
                          {"tokens.json", "jieba_usr_dict", "dict.txt", "jieba.c.dict"},
                          estimate_ct_transformer,
                          load_ct_transformer};
    };
    return std::vector<speech_class>{
        paraformer("ParaformerStreaming", true),
        paraformer("Paraformer", false),
        punctuation("CTTransformer"),
        punctuation("CTTransformerStreaming"),
        {"FsmnVADStreaming", task::voice_activity_detection, true, {"am.mvn"}, estimate_fsmn_vad, load_fsmn_vad}};
  }();
  return rows;
}

bool is_fed(const fs::path& folder) {
  const auto config = model_yaml::read(folder / "config.yaml", config_bytes_max);
  const auto named = config ? config->root()["model"].text() : tl::unexpected(config.error());
  const auto& all = speech_classes();
  return named && std::any_of(all.begin(), all.end(), [&](const auto& c) { return c.class_name == *named && c.fed; });
}

std::uint32_t heard_rate_hz(const fs::path& folder) {
  constexpr std::int64_t usual = 16000;
  const auto config = model_yaml::read(folder / "config.yaml", config_bytes_max);
  const auto rate = config ? config->root()["frontend_conf"]["fs"].whole(8000, 48000) : usual;
  return static_cast<std::uint32_t>(rate.value_or(usual));
}

format funasr_format() { return {"funasr", claims, files, estimate, load}; }

}  // namespace troupe::inference
