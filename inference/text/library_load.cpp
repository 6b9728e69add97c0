#include "inference/text/library_load.hpp"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <tuple>
#include <utility>

#include "inference/text/library_checks.hpp"
#include "inference/text/library_frame.hpp"
#include "inference/text/library_vocabulary.hpp"

namespace troupe::inference {
namespace {

namespace fs = std::filesystem;
namespace dom = simdjson::dom;
using family = tokenizer_family;
constexpr const char* metaspace = "\xe2\x96\x81";  // the sign that stands for a blank

std::string in_quotes(std::string_view text) { return '\'' + std::string(text.substr(0, 100)) + '\''; }
const char* flag(bool value) { return value ? "true" : "false"; }

class library_builder {
 public:
  library_builder(fs::path folder, std::shared_ptr<const model_json> json, tokenizer_settings settings,
                  std::int64_t embeddings)
      : folder_(std::move(folder)), json_(std::move(json)), settings_(std::move(settings)), embeddings_(embeddings) {}

  result<std::shared_ptr<const library_tokenizer>> build() {
    for (const auto step : {&library_builder::read, &library_builder::describe, &library_builder::make,
                            &library_builder::add_tokens, &library_builder::check_tokens, &library_builder::frame})
      if (auto ok = (this->*step)(); !ok) return tl::unexpected(ok.error());
    return library_tokenizer::make(std::move(*library_), std::move(facts_));
  }

 private:
  bool byte_level() const { return is_byte_level(settings_.kind); }
  bool as_written() const { return settings_.kind == family::as_written; }
  tl::unexpected<error> refuse(const std::string& what, std::string detail = {}) const {
    return fail(error_code::unprocessable, folder_.string() + ": " + what, std::move(detail));
  }

  result<void> read() {
    auto read = read_library_vocabulary(folder_, json_, settings_);
    if (!read) return tl::unexpected(read.error());
    words_ = std::move(*read);
    return {};
  }

  // ---- the parts, as the classes build them ----

  result<void> describe() {
    parts_.split_special_tokens = settings_.split_special_tokens;
    if (as_written()) return json_ ? describe_as_written() : describe_from_pieces();
    if (byte_level()) {
      const bool prefix = settings_.add_prefix_space.value_or(false);
      parts_.model = R"({"type":"BPE","continuing_subword_prefix":"","end_of_word_suffix":"","vocab":)" + words_.words +
                     R"(,"merges":)" + words_.merges + '}';
      parts_.pre_tokenizer = std::string(R"({"type":"ByteLevel","add_prefix_space":)") + flag(prefix) +
                             R"(,"trim_offsets":true,"use_regex":true})";
      parts_.decoder = R"({"type":"ByteLevel","add_prefix_space":true,"trim_offsets":true,"use_regex":true})";
      return {};
    }
    std::int64_t unknown = 1;  // ALBERT's
    if (settings_.kind == family::xlm_roberta) unknown = 3;
    if (settings_.kind == family::camembert) unknown = words_.unknown_at.value_or(0);
    if (settings_.kind == family::deberta_v2)
      unknown = words_.unknown_without_score_at.value_or(words_.unk_id.value_or(settings_.unk_id.value_or(1)));
    parts_.model = R"({"type":"UnigramBits","byte_fallback":false,"unk_id":)" + std::to_string(unknown) +
                   R"(,"vocab":)" + words_.words + "]}";
    words_.words.clear();
    const bool prefix = settings_.add_prefix_space.value_or(true);
    const bool v2 = settings_.kind == family::deberta_v2;
    const std::string blanks = std::string(R"({"type":"Metaspace","replacement":")") + metaspace +
                               R"(","prepend_scheme":")" +
                               (prefix ? "always"
                                : v2   ? "first"
                                       : "never") +
                               R"(","split":true})";
    parts_.decoder = blanks;
    const std::string before = !v2 ? R"({"type":"WhitespaceSplit"},)"
                               : settings_.split_by_punct.value_or(false)
                                   ? R"({"type":"Punctuation","behavior":"Isolated"},)"
                                   : "";
    parts_.pre_tokenizer = R"({"type":"Sequence","pretokenizers":[)" + before + blanks + "]}";
    describe_normalizer();
    return {};
  }

  void describe_normalizer() {
    std::vector<std::string> all;
    const auto replace = [&](const char* pattern, const char* content) {
      all.push_back(std::string(R"({"type":"Replace","pattern":)") + pattern + R"(,"content":)" + content + '}');
    };
    const std::string mapped = R"({"type":"Precompiled","precompiled_charsmap":)" + words_.charsmap + '}';
    switch (settings_.kind) {
      case family::albert:
        replace(R"({"String":"``"})", R"("\"")");
        replace(R"({"String":"''"})", R"("\"")");
        if (!settings_.keep_accents.value_or(false))
          all.insert(all.end(), {R"({"type":"NFKD"})", R"({"type":"StripAccents"})"});
        if (settings_.lower_case) all.emplace_back(R"({"type":"Lowercase"})");
        if (!words_.charsmap.empty()) all.push_back(mapped);
        break;
      case family::deberta_v2:
        if (settings_.lower_case) all.emplace_back(R"({"type":"Lowercase"})");
        replace(R"({"Regex":"\\s{2,}|[\\n\\r\\t]"})", R"(" ")");
        all.emplace_back(R"({"type":"NFC"})");
        all.emplace_back(R"({"type":"Strip","strip_left":false,"strip_right":true})");
        break;
      default:
        if (!words_.charsmap.empty()) parts_.normalizer = mapped;
        return;
    }
    parts_.normalizer = R"({"type":"Sequence","normalizers":[)";
    for (const auto& one : all) parts_.normalizer += (&one == all.data() ? "" : ",") + one;
    parts_.normalizer += "]}";
  }

  // A tokenizer.model without a class: SpmConverter.build_tokenizer_from_spm_proto().
  result<void> describe_from_pieces() {
    const std::string fallback = std::string(R"("byte_fallback":)") + flag(words_.proto->byte_fallback);
    if (words_.kind == vocabulary_kind::bpe)
      parts_.model = R"({"type":"BPE","fuse_unk":true,"unk_token":)" + json_quoted(words_.proto->unk_piece) + ',' +
                     fallback + R"(,"vocab":)" + words_.words + R"(,"merges":)" + words_.merges + '}';
    else
      parts_.model = R"({"type":"Unigram",)" + fallback + R"(,"unk_id":)" +
                     std::to_string(std::max(0, words_.proto->unk_id)) + R"(,"vocab":)" + words_.words + "]}";
    const std::string sign = '"' + std::string(metaspace) + '"';
    parts_.normalizer = R"({"type":"Sequence","normalizers":[)";
    if (!words_.charsmap.empty())
      parts_.normalizer += R"({"type":"Precompiled","precompiled_charsmap":)" + words_.charsmap + "},";
    parts_.normalizer += R"({"type":"Replace","pattern":{"String":" "},"content":)" + sign + "}]}";
    parts_.decoder = R"({"type":"Sequence","decoders":[{"type":"Replace","pattern":{"String":)" + sign +
                     R"(},"content":" "})" +
                     (words_.proto->byte_fallback ? R"(,{"type":"ByteFallback"},{"type":"Fuse"}]})" : "]}");
    const auto name = [](std::string& token, std::int32_t id, const std::string& piece) {
      if (token.empty() && id >= 0) token = piece;
    };
    name(settings_.bos, words_.proto->bos_id, words_.proto->bos_piece);
    name(settings_.eos, words_.proto->eos_id, words_.proto->eos_piece);
    name(settings_.unknown, words_.proto->unk_id, words_.proto->unk_piece);
    return {};
  }

  result<void> describe_as_written() {
    const auto root = json_->root();
    parts_.model = json_->written({"model"});
    if (text_of(*member(root, "model"), "type").empty())
      parts_.model.replace(0, 1, R"({"type":")" + words_.model_type + "\",");
    using check = result<void> (library_checks::*)(dom::element, const json_path&);
    library_checks checks(*json_);
    for (const auto& [key, part, look] :
         {std::tuple<const char*, std::string*, check>{"normalizer", &parts_.normalizer, &library_checks::normalizer},
          {"pre_tokenizer", &parts_.pre_tokenizer, &library_checks::pre_tokenizer},
          {"post_processor", &parts_.post_processor, &library_checks::post_processor},
          {"decoder", &parts_.decoder, &library_checks::decoder}}) {
      const auto given = member(root, key);
      if (!given) continue;
      if (auto ok = (checks.*look)(*given, {key}); !ok) return ok;
      *part = json_->written({key});
    }
    facts_.largest_id = checks.largest_frame_id();
    facts_.continuing_prefix =
        text_of(*member(root, "model"), "continuing_subword_prefix", words_.model_type == "WordPiece" ? "##" : "");
    if (parts_.post_processor == "null" || parts_.post_processor.empty()) parts_.post_processor = "null";
    return {};
  }

  // ---- tokens that are found in texts as they stand ----

  static library_token plain(const declared_token& token) {
    return {token.content, token.single_word, token.lstrip, token.rstrip, token.normalized, token.special};
  }

  result<void> make() {
    auto own = added_tokens_of(json_);
    if (!own) return tl::unexpected(own.error());
    own_ = std::move(*own);
    if (as_written())
      for (const auto& token : own_) parts_.added.push_back(plain(token));
    auto made = library_handle::make(parts_);
    if (!made) return refuse(made.error().message);
    library_ = std::move(*made);
    parts_.model.clear();
    facts_.largest_id = std::max(facts_.largest_id, words_.largest_id);
    return {};
  }

  // In transformers' order: the files' lists of added tokens by id, then what is named, then the rest.
  std::vector<declared_token> tokens_to_add() {
    std::map<std::int64_t, declared_token> by_id;
    std::set<std::string> names{settings_.bos, settings_.eos, settings_.unknown, settings_.sep,
                                settings_.pad, settings_.cls, settings_.mask};
    for (const auto& token : settings_.tokens) {
      if (token.id) by_id.insert_or_assign(*token.id, token);
      if (token.named && !token.extra) names.insert(token.content);
    }
    if (!settings_.decoder_told)
      for (const auto& token : own_) by_id.insert_or_assign(*token.id, token);
    std::set<std::string> known;
    if (as_written())
      for (const auto& token : own_) known.insert(token.content);
    std::vector<declared_token> out;
    for (auto& [id, token] : by_id) {
      if (names.contains(token.content)) {
        token.special = true;
        if (!token.normalized_told) token.normalized = false;
      }
      known.insert(token.content);
      out.push_back(std::move(token));
    }
    if (words_.proto && as_written())
      for (const auto& name : {settings_.bos, settings_.eos, settings_.unknown})
        if (!known.contains(name)) {
          declared_token token;
          token.content = name;
          out.push_back(std::move(token));
        }
    // What a SentencePiece model calls control or user-defined stands for the list of further tokens.
    const bool by_model = words_.proto && !as_written() && !settings_.extra_in_config;
    for (const auto& token : settings_.tokens)
      if (token.named && !(by_model && token.extra) && !known.contains(token.content)) out.push_back(token);
    if (words_.proto && !settings_.extra_in_config)
      for (const auto& piece : words_.control)
        if (!known.contains(piece.content)) {
          declared_token token;
          token.content = piece.content;
          token.special = piece.special || names.contains(piece.content);
          token.implied = true;
          out.push_back(std::move(token));
        }
    return out;
  }

  result<void> add_tokens() {
    // The library's rule: new ones follow the vocabulary and the tokens that were added before.
    auto next = static_cast<std::int64_t>(library_->vocabulary_size());
    for (const auto& token : parts_.added)
      if (const auto id = library_->id_of(token.content); id && *id >= next) next = *id + 1;
    std::set<std::string> fresh;
    std::vector<library_token> adding;
    for (auto& token : tokens_to_add()) {
      if (token.content.empty()) continue;
      if (!library_->id_of(token.content) && !fresh.contains(token.content)) {
        // A default that no file names may be absent; then no text holds it.
        if (token.implied && next >= embeddings_) continue;
        fresh.insert(token.content);
        ++next;
      }
      adding.push_back(plain(token));
      added_.push_back(std::move(token));
    }
    return library_->add(adding);
  }

  result<void> check_tokens() {
    std::vector<const declared_token*> all;
    if (as_written())
      for (const auto& token : own_) all.push_back(&token);
    for (const auto& token : added_) all.push_back(&token);
    const auto vocabulary_size = static_cast<std::int64_t>(library_->vocabulary_size());
    for (const auto* token : all) {
      const auto id = library_->id_of(token->content);
      if (!id) continue;
      facts_.largest_id = std::max(facts_.largest_id, *id);
      // The library takes the vocabulary's id where it has the token, whatever tokenizer.json says.
      const bool own = token->file == json_ && json_;
      if (token->id && *token->id != *id && !(own && *id < vocabulary_size))
        return token->file->problem(token->at,
                                    "gives the token " + in_quotes(token->content) + " the id " +
                                        std::to_string(*token->id) + ", but it has " + std::to_string(*id),
                                    "ids that follow the vocabulary, each token with one");
      if (*id < embeddings_) continue;
      const auto what = "adds the token " + in_quotes(token->content) + " with id " + std::to_string(*id) +
                        ", but the model has only " + std::to_string(embeddings_) + " embeddings";
      constexpr const char* advice = "a model whose embeddings were resized for its tokenizer";
      return token->file ? token->file->problem(token->at, what, advice) : refuse(what, advice);
    }
    return {};
  }

  // ---- around a text ----

  result<void> frame() {
    // tokenizer.json's own stays where it is taken as it stands and has one.
    if (!as_written() || !json_ || parts_.post_processor == "null") {
      const auto largest_id = put_class_frame(folder_, json_, settings_, *library_);
      if (!largest_id) return tl::unexpected(largest_id.error());
      facts_.largest_id = std::max(facts_.largest_id, *largest_id);
    }
    const auto id_of = [&](const std::string& token) { return token.empty() ? std::nullopt : library_->id_of(token); };
    facts_.specials = {id_of(settings_.unknown), id_of(settings_.cls), id_of(settings_.sep), id_of(settings_.pad),
                       id_of(settings_.mask)};
    facts_.notes = settings_.notes;
    facts_.length_max = settings_.length_max;
    facts_.typed = has_types(settings_);
    facts_.clean_up = settings_.clean_up && (words_.kind != vocabulary_kind::bpe || settings_.clean_up_of_bpe);
    if (const auto cut = json_ ? member(json_->root(), "truncation") : std::nullopt) {
      const auto direction = text_of(*cut, "direction", "Right");
      if (direction != "Left" && direction != "Right")
        return json_->problem({"truncation", "direction"}, "must be 'Left' or 'Right'");
      facts_.cut_left = direction == "Left";
    }
    facts_.cut_left = settings_.cut_left.value_or(facts_.cut_left);
    return {};
  }

  fs::path folder_;
  std::shared_ptr<const model_json> json_;  // tokenizer.json; null: there is none
  tokenizer_settings settings_;
  std::int64_t embeddings_;
  library_vocabulary words_;
  std::vector<declared_token> own_, added_;  // tokenizer.json's tokens; what was added to the library's
  library_parts parts_;
  library_facts facts_;
  std::optional<library_handle> library_;
};

}  // namespace

result<std::shared_ptr<const library_tokenizer>> load_library_tokenizer(const fs::path& folder,
                                                                        std::shared_ptr<const model_json> json,
                                                                        tokenizer_settings settings,
                                                                        std::int64_t embeddings) {
  return library_builder(folder, std::move(json), std::move(settings), embeddings).build();
}

}  // namespace troupe::inference
