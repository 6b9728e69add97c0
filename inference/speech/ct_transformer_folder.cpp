#include "inference/speech/ct_transformer_folder.hpp"

#include "inference/files/files.hpp"

namespace troupe::inference {
namespace {

namespace fs = std::filesystem;
// jieba's own comes first: it is what FunASR's Python package loads. The other is its C++ runtime's.
constexpr const char* base_dictionaries[] = {"dict.txt", "jieba.c.dict"};

fs::path base_dictionary(const fs::path& folder) {
  for (const auto* name : base_dictionaries)
    if (file_exists(folder / name)) return folder / name;
  return {};
}

result<std::optional<word_dictionary>> read_dictionary(const fs::path& folder, const ct_transformer_settings& settings,
                                                       std::string& notes) {
  const auto added = folder / "jieba_usr_dict";
  // The streaming class never segments.
  if (!file_exists(added) || settings.streaming) return std::nullopt;
  const auto base = base_dictionary(folder);
  if (base.empty())
    return fail(error_code::load_failed,
                folder.string() + " has jieba_usr_dict, but no base dictionary for it to be added to",
                "jieba's dict.txt, or the publisher's jieba.c.dict, in the same folder");
  if (base.filename() != base_dictionaries[0])
    notes = "words are cut with " + base.filename().string() +
            "; with jieba's dict.txt in the folder they are cut as FunASR's Python package cuts them";
  auto read = word_dictionary::read(base, added);
  if (!read) return tl::unexpected(read.error());
  return std::optional(std::move(*read));
}

}  // namespace

result<opened_ct_transformer> open_ct_transformer(const funasr_folder& folder) {
  auto settings = read_ct_transformer_settings(folder.config);
  if (!settings) return tl::unexpected(settings.error());
  auto ids = word_ids::read(folder.path() / "tokens.json", settings->unknown_word);
  if (!ids) return tl::unexpected(ids.error());
  settings->vocab_size = ids->size();
  auto source = checkpoint::open_torch_file(folder.path() / "model.pt", folder.options.max_artifact_bytes);
  if (!source) return tl::unexpected(source.error());
  auto plan = plan_ct_transformer(*settings, *source);
  if (!plan) return tl::unexpected(plan.error());
  std::string notes;
  auto dictionary = read_dictionary(folder.path(), *settings, notes);
  if (!dictionary) return tl::unexpected(dictionary.error());
  return opened_ct_transformer{std::move(*settings),
                               {std::move(*ids), std::move(*dictionary)},
                               std::move(*source),
                               std::move(*plan),
                               std::move(notes)};
}

}  // namespace troupe::inference
