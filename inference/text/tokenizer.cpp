#include "inference/text/tokenizer.hpp"

#include <algorithm>
#include <array>

#include "inference/files/files.hpp"
#include "inference/files/model_json.hpp"
#include "inference/text/library_load.hpp"
#include "inference/text/tokenizer_settings.hpp"
#include "inference/text/wordpiece_tokenizer.hpp"

namespace troupe::inference {
namespace {

constexpr std::uint64_t tokenizer_bytes_max = 64U << 20U;
constexpr std::array older_files{"vocab.txt",    "vocab.json", "sentencepiece.bpe.model",
                                 "spiece.model", "spm.model",  "tokenizer.model"};

// Nothing is told of a model that has none, so it counts as WordPiece.
bool has_words(const model_json* json) {
  const auto model = json != nullptr ? member(json->root(), "model") : std::nullopt;
  const auto type = model ? text_of(*model, "type") : std::string{};
  return type == "WordPiece" || (type.empty() && !(model && member(*model, "merges")));
}

}  // namespace

result<std::shared_ptr<const tokenizer>> tokenizer::load(const std::filesystem::path& folder, std::int64_t embeddings) {
  const auto whole = folder / "tokenizer.json", vocabulary = folder / "vocab.txt";
  const bool has_whole = file_exists(whole);
  if (!has_whole && std::none_of(older_files.begin(), older_files.end(),
                                 [&](const char* name) { return file_exists(folder / name); }))
    return fail(error_code::load_failed,
                folder.string() + " has neither tokenizer.json nor vocab.txt nor another tokenizer's files");
  std::shared_ptr<const model_json> json;
  if (has_whole) {
    auto read = model_json::read(whole, tokenizer_bytes_max);
    if (!read) return tl::unexpected(read.error());
    json = std::make_shared<const model_json>(std::move(*read));
  }
  auto settings = read_tokenizer_settings(
      folder, has_whole, has_words(json.get()) ? tokenizer_family::bert : tokenizer_family::as_written);
  if (!settings) return tl::unexpected(settings.error());
  // WordPiece is ours, as far as we have its parts; all else is the library's.
  const bool of_words = settings->kind == tokenizer_family::bert || settings->kind == tokenizer_family::mpnet;
  if (of_words && !has_whole && !file_exists(vocabulary))
    return fail(error_code::unprocessable, folder.string() + ": no file says which tokenizer reads its vocabulary",
                "tokenizer_class in tokenizer_config.json, model_type in config.json, or a tokenizer.json");
  if (of_words || (has_whole && settings->kind == tokenizer_family::as_written)) {
    const bool class_builds = of_words && (settings->family_told || !has_whole);  // then nothing is passed on
    auto ours =
        wordpiece_tokenizer::make(has_whole ? whole : vocabulary, json,
                                  class_builds ? std::move(*settings) : tokenizer_settings(*settings), embeddings);
    if (!ours) return tl::unexpected(ours.error());
    if (*ours) return std::shared_ptr<const tokenizer>(std::move(*ours));
    settings->kind = tokenizer_family::as_written;
  }
  auto other = load_library_tokenizer(folder, std::move(json), std::move(*settings), embeddings);
  if (!other) return tl::unexpected(other.error());
  return std::shared_ptr<const tokenizer>(std::move(*other));
}

}  // namespace troupe::inference
