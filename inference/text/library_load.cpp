#include "inference/text/library_load.hpp"

#include <algorithm>
#include <bit>
#include <map>
#include <optional>
#include <set>
#include <tuple>
#include <unordered_map>
#include <utility>

#include "config/json_fault.hpp"
#include "inference/files/files.hpp"
#include "inference/model/step_aside.hpp"
#include "inference/text/library_checks.hpp"
#include "inference/text/sentencepiece.hpp"

namespace troupe::inference {
namespace {

namespace fs = std::filesystem;
namespace dom = simdjson::dom;
using family = tokenizer_family;
constexpr std::uint64_t tokenizer_bytes_max = 64U << 20U;
constexpr std::size_t added_tokens_max = 100'000, words_max = 1'000'000, merges_max = 1'000'000;
constexpr const char* metaspace = "\xe2\x96\x81";  // the sign that stands for a blank

std::string in_quotes(std::string_view text) { return '\'' + std::string(text.substr(0, 100)) + '\''; }
const char* flag(bool value) { return value ? "true" : "false"; }

enum class algorithm { bpe, unigram, other };

// A vocabulary as the library's models take it, wherever it was read.
struct vocabulary {
  algorithm kind = algorithm::other;
  std::string words, merges;           // JSON
  std::string charsmap;                // base64, in quotes; empty: none
  std::optional<std::int64_t> unk_id;  // as a SentencePiece model says
  std::vector<library_token> control;  // its tokens that no text is split into
  std::int32_t largest_id = -1;
};

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
  bool byte_level() const {
    return settings_.kind == family::roberta || settings_.kind == family::gpt2 || settings_.kind == family::deberta;
  }
  bool as_written() const { return settings_.kind == family::as_written; }
  tl::unexpected<error> refuse(const std::string& what, std::string detail = {}) const {
    return fail(error_code::unprocessable, folder_.string() + ": " + what, std::move(detail));
  }

  // ---- the vocabulary ----

  result<void> read() {
    if (!json_) return byte_level() ? from_vocabulary_and_merges() : from_sentencepiece();
    const auto model = member(json_->root(), "model");
    if (!model || !model->is_object()) return json_->problem({"model"}, "must be an object");
    model_type_ = text_of(*model, "type");
    // Old files leave it out, of BPE.
    if (model_type_.empty() && member(*model, "merges")) model_type_ = "BPE";
    const std::string wanted = byte_level() ? "BPE" : as_written() ? model_type_ : "Unigram";
    if (model_type_ != wanted ||
        (model_type_ != "BPE" && model_type_ != "Unigram" && model_type_ != "WordPiece" && model_type_ != "WordLevel"))
      return json_->problem({"model"},
                            "is of type " + in_quotes(model_type_.empty() ? "?" : model_type_) + ", which " +
                                (as_written() ? "is" : "its tokenizer class says it is") + " not",
                            as_written() ? "BPE, Unigram, WordPiece or WordLevel" : wanted);
    if (auto ok = model_type_ == "Unigram" ? unigram_of(*model) : ids_of(*model); !ok) return ok;
    return model_type_ == "BPE" ? merges_of(*model) : result<void>{};
  }

  result<void> ids_of(dom::element model) {
    dom::object words;
    if (model["vocab"].get(words)) return json_->problem({"model", "vocab"}, "must be an object: tokens to ids");
    std::size_t count = 0;
    for (const auto [token, value] : words) {
      if (++count > words_max) return json_->problem({"model", "vocab"}, "holds more than 1000000 tokens");
      if (count % 1024 == 0) step_aside();
      std::uint64_t id = 0;
      if (value.get(id) || id > INT32_MAX)
        return json_->problem({"model", "vocab", token}, "must map tokens to ids below 2^31");
      words_.largest_id = std::max(words_.largest_id, static_cast<std::int32_t>(id));
    }
    if (!as_written()) words_.words = json_->written({"model", "vocab"});
    words_.kind = model_type_ == "BPE" ? algorithm::bpe : algorithm::other;
    if (const auto most = member(model, "max_input_chars_per_word")) {
      double number = 0;
      if (most->get(number) || !(number >= 0) || number > library_word_characters_max)
        return json_->problem({"model", "max_input_chars_per_word"},
                              "must be at most " + std::to_string(library_word_characters_max) + " here");
    }
    return {};
  }

  result<void> merges_of(dom::element model) {
    dom::array merges;
    if (model["merges"].get(merges)) return json_->problem({"model", "merges"}, "must be a list");
    std::size_t count = 0;
    for ([[maybe_unused]] const auto one : merges)  // size() of a long one is no size
      if (++count > merges_max) return json_->problem({"model", "merges"}, "holds more than 1000000 merges");
    double dropout = 0;
    if (const auto given = member(model, "dropout"); as_written() && given && (given->get(dropout) || dropout != 0))
      return json_->problem({"model", "dropout"}, "makes tokens by chance, which is not supported", "null");
    if (!as_written()) words_.merges = json_->written({"model", "merges"});
    return {};
  }

  result<void> unigram_of(dom::element model) {
    dom::array words;
    if (model["vocab"].get(words)) return json_->problem({"model", "vocab"}, "must be a list: tokens and scores");
    std::size_t count = 0;
    for (const auto one : words) {
      const json_path at{"model", "vocab", count};
      if (++count > words_max) return json_->problem({"model", "vocab"}, "holds more than 1000000 tokens");
      if (count % 1024 == 0) step_aside();
      dom::array pair;
      std::string_view word;
      double score = 0;
      if (one.get(pair) || pair.size() != 2 || pair.at(0).get(word) || pair.at(1).get(score))
        return json_->problem(at, "must be a token and its score");
      if (auto ok = add_word(word, score); !ok) return ok;
    }
    if (as_written()) {
      words_.words.clear();
      return {};
    }
    return charsmap_of_json();
  }

  // Into the list of words and bits of scores.
  result<void> add_word(std::string_view word, double score) {
    const std::int64_t id = ++words_.largest_id;
    words_.kind = algorithm::unigram;
    if (!as_written() || proto_) {
      words_.words += (id == 0 ? "[[" : ",[") + json_quoted(word) + ',';
      words_.words += std::to_string(std::bit_cast<std::uint64_t>(score)) + ']';
    }
    return see_word(word, score, id);
  }

  // What the classes look for in a Unigram vocabulary: the first of a name, and the first of a name and score 0.
  result<void> see_word(std::string_view word, double score, std::int64_t id) {
    if (word == settings_.unknown) {
      if (!unknown_at_) unknown_at_ = id;
      if (!unknown_without_score_at_ && score == 0) unknown_without_score_at_ = id;
    }
    // The library tries all words that begin at a place of a text, each copied anew: a chain of long ones is slow.
    if (word.size() > 64 && (long_words_bytes_ += word.size()) > 50'000)
      return refuse("its vocabulary holds too many words of more than 64 bytes");
    return {};
  }

  // As convert_to_native_format() finds it: alone, or one of a list.
  result<void> charsmap_of_json() {
    const auto whole = member(json_->root(), "normalizer");
    if (!whole) return {};
    const auto take = [&](dom::element part, const json_path& at) -> result<bool> {
      if (text_of(part, "type") != "Precompiled" || !member(part, "precompiled_charsmap")) return false;
      library_checks checks(*json_);
      if (auto ok = checks.charsmap(part, at); !ok) return tl::unexpected(ok.error());
      words_.charsmap = json_->written(inside(at, {"precompiled_charsmap"}));
      return true;
    };
    dom::array list;
    if (text_of(*whole, "type") != "Sequence") {
      const auto taken = take(*whole, {"normalizer"});
      return taken ? result<void>{} : tl::unexpected(taken.error());
    }
    if ((*whole)["normalizers"].get(list)) return json_->problem({"normalizer", "normalizers"}, "must be a list");
    for (std::size_t i = 0; const auto one : list) {
      const auto taken = take(one, {"normalizer", "normalizers", i++});
      if (!taken) return tl::unexpected(taken.error());
      if (*taken) break;
    }
    return {};
  }

  result<void> from_vocabulary_and_merges() {
    const auto vocabulary_file = folder_ / "vocab.json", merges_file = folder_ / "merges.txt";
    for (const auto& file : {vocabulary_file, merges_file})
      if (!file_exists(file))
        return refuse("it has no tokenizer.json, and no " + file.filename().string() +
                      ", which its tokenizer class would read in its stead");
    const auto read = model_json::read(vocabulary_file, tokenizer_bytes_max);
    if (!read) return tl::unexpected(read.error());
    std::size_t count = 0;
    dom::object words;
    if (read->root().get(words)) return read->problem({}, "must be an object: tokens to ids");
    auto& out = words_.words = "{";
    for (const auto [token, value] : words) {
      if (++count > words_max) return read->problem({}, "holds more than 1000000 tokens");
      if (count % 1024 == 0) step_aside();
      std::uint64_t id = 0;
      if (value.get(id) || id > INT32_MAX) return read->problem({token}, "must be an id below 2^31");
      words_.largest_id = std::max(words_.largest_id, static_cast<std::int32_t>(id));
      out += (count == 1 ? "" : ",") + json_quoted(token) + ':' + std::to_string(id);
    }
    out += '}';
    words_.kind = algorithm::bpe;
    return read_merges(merges_file);
  }

  result<void> read_merges(const fs::path& file) {
    const auto text = read_small_file(file, tokenizer_bytes_max);
    if (!text) return tl::unexpected(text.error());
    if (const auto bad = config::find_bad_utf8(*text); bad != std::string::npos)
      return fail(error_code::unprocessable,
                  config::place_in(*text, file.string(), bad) + ": a byte that is not UTF-8");
    auto& out = words_.merges = "[";
    std::string_view rest = *text;
    for (std::size_t number = 1; !rest.empty(); ++number) {
      if (number > merges_max)
        return fail(error_code::unprocessable, file.string() + " holds more than 1000000 merges");
      const auto end = rest.find('\n');
      auto line = rest.substr(0, end);
      rest = end == rest.npos ? std::string_view{} : rest.substr(end + 1);
      if (line.ends_with('\r')) line.remove_suffix(1);
      if (line.starts_with("#version")) continue;
      const auto blank = line.find(' ');
      if (blank == line.npos || line.find(' ', blank + 1) != line.npos)
        return fail(error_code::unprocessable, file.string() + ':' + std::to_string(number) +
                                                   ": a merge must be two tokens with a blank between them");
      out += (out.size() == 1 ? "[" : ",[") + json_quoted(line.substr(0, blank)) + ',' +
             json_quoted(line.substr(blank + 1)) + ']';
    }
    out += ']';
    return {};
  }

  // ---- SentencePiece models ----

  const char* sentencepiece_name() const {
    switch (settings_.kind) {
      case family::xlm_roberta:
      case family::camembert: return "sentencepiece.bpe.model";
      case family::albert: return "spiece.model";
      case family::deberta_v2: return "spm.model";
      default: return "tokenizer.model";
    }
  }

  result<void> from_sentencepiece() {
    // Where there is one of this name, transformers takes it for whatever class.
    auto file = folder_ / "tokenizer.model";
    if (!file_exists(file)) file = folder_ / sentencepiece_name();
    if (!file_exists(file))
      return refuse("it has no tokenizer.json, and no " + std::string(sentencepiece_name()) +
                    ", which its tokenizer class would read in its stead");
    auto read = read_sentencepiece(file);
    if (!read) return tl::unexpected(read.error());
    proto_ = std::move(*read);
    using type = sentencepiece_model::piece_type;
    for (const auto& piece : proto_->pieces)
      if (piece.type == type::control || piece.type == type::user_defined)
        words_.control.push_back({piece.text, false, false, false, false, piece.type == type::control});
    if (words_.control.size() > added_tokens_max) return refuse("its model holds more than 100000 added tokens");
    if (!proto_->precompiled_charsmap.empty()) {
      words_.charsmap = '"' + encode_base64(proto_->precompiled_charsmap) + '"';
      auto checked = model_json::parse(R"({"precompiled_charsmap":)" + words_.charsmap + '}', file.string());
      if (!checked) return tl::unexpected(checked.error());
      if (auto ok = library_checks(*checked).charsmap(checked->root(), {}); !ok) return ok;
    }
    words_.unk_id = proto_->unk_id;
    if (as_written() && proto_->model != sentencepiece_model::algorithm::unigram) return bpe_of_pieces();
    return unigram_of_pieces();
  }

  result<void> unigram_of_pieces() {
    std::vector<std::pair<std::string, double>> before;
    std::size_t skipped = 0;
    // fairseq's order: words of its own instead of the model's first ones.
    if (settings_.kind == family::xlm_roberta) {
      before = {{settings_.bos, 0}, {settings_.pad, 0}, {settings_.eos, 0}, {settings_.unknown, 0}};
      skipped = 3;
    } else if (settings_.kind == family::camembert) {
      before = {
          {"<s>NOTUSED", 0}, {settings_.pad, 0}, {"</s>NOTUSED", 0}, {settings_.unknown, 0}, {"<unk>NOTUSED", -100}};
      skipped = 1;
    }
    for (const auto& [text, score] : before)
      if (auto ok = add_word(text, score); !ok) return ok;
    for (std::size_t i = skipped; i < proto_->pieces.size(); ++i)
      if (auto ok = add_word(proto_->pieces[i].text, static_cast<double>(proto_->pieces[i].score)); !ok) return ok;
    if (before.empty()) return {};
    return add_word(settings_.mask, 0);
  }

  // Every way to make a piece of two others is a merge, in the order of the pieces: generate_merges().
  result<void> bpe_of_pieces() {
    words_.kind = algorithm::bpe;
    std::unordered_map<std::string_view, std::int32_t> ids;
    auto& out = words_.words = "{";
    for (std::int32_t id = 0; const auto& piece : proto_->pieces) ids[piece.text] = id++;
    std::vector<std::pair<std::int32_t, std::string_view>> by_id;
    for (const auto& [text, id] : ids) by_id.emplace_back(id, text);
    std::sort(by_id.begin(), by_id.end());
    auto& merges = words_.merges = "[";
    std::size_t count = 0;
    for (const auto& [id, text] : by_id) {
      if (id % 1024 == 1023) step_aside();
      if (text.size() > 512) return refuse("its model holds a piece of more than 512 bytes");
      out += (out.size() == 1 ? "" : ",") + json_quoted(text) + ':' + std::to_string(id);
      // From the shortest first half on: as the halves' lengths order them.
      for (std::size_t at = 1; at < text.size(); ++at) {
        if ((static_cast<unsigned char>(text[at]) & 0xC0U) == 0x80U) continue;
        if (!ids.contains(text.substr(0, at)) || !ids.contains(text.substr(at))) continue;
        if (++count > merges_max) return refuse("its model makes more than 1000000 merges");
        merges +=
            (count == 1 ? "[" : ",[") + json_quoted(text.substr(0, at)) + ',' + json_quoted(text.substr(at)) + ']';
      }
    }
    out += '}';
    merges += ']';
    words_.largest_id = static_cast<std::int32_t>(proto_->pieces.size()) - 1;
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
    if (settings_.kind == family::camembert) unknown = unknown_at_.value_or(0);
    if (settings_.kind == family::deberta_v2)
      unknown = unknown_without_score_at_.value_or(words_.unk_id.value_or(settings_.unk_id.value_or(1)));
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
    const std::string fallback = std::string(R"("byte_fallback":)") + flag(proto_->byte_fallback);
    if (words_.kind == algorithm::bpe)
      parts_.model = R"({"type":"BPE","fuse_unk":true,"unk_token":)" + json_quoted(proto_->unk_piece) + ',' + fallback +
                     R"(,"vocab":)" + words_.words + R"(,"merges":)" + words_.merges + '}';
    else
      parts_.model = R"({"type":"UnigramBits",)" + fallback + R"(,"unk_id":)" +
                     std::to_string(std::max(0, proto_->unk_id)) + R"(,"vocab":)" + words_.words + "]}";
    const std::string sign = '"' + std::string(metaspace) + '"';
    parts_.normalizer = R"({"type":"Sequence","normalizers":[)";
    if (!words_.charsmap.empty())
      parts_.normalizer += R"({"type":"Precompiled","precompiled_charsmap":)" + words_.charsmap + "},";
    parts_.normalizer += R"({"type":"Replace","pattern":{"String":" "},"content":)" + sign + "}]}";
    parts_.decoder = R"({"type":"Sequence","decoders":[{"type":"Replace","pattern":{"String":)" + sign +
                     R"(},"content":" "})" +
                     (proto_->byte_fallback ? R"(,{"type":"ByteFallback"},{"type":"Fuse"}]})" : "]}");
    const auto name = [](std::string& token, std::int32_t id, const std::string& piece) {
      if (token.empty() && id >= 0) token = piece;
    };
    name(settings_.bos, proto_->bos_id, proto_->bos_piece);
    name(settings_.eos, proto_->eos_id, proto_->eos_piece);
    name(settings_.unknown, proto_->unk_id, proto_->unk_piece);
    return {};
  }

  result<void> describe_as_written() {
    const auto root = json_->root();
    parts_.model = json_->written({"model"});
    if (text_of(*member(root, "model"), "type").empty())
      parts_.model.replace(0, 1, R"({"type":")" + model_type_ + "\",");
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
        text_of(*member(root, "model"), "continuing_subword_prefix", model_type_ == "WordPiece" ? "##" : "");
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
    if (proto_ && as_written())
      for (const auto& name : {settings_.bos, settings_.eos, settings_.unknown})
        if (!known.contains(name)) {
          declared_token token;
          token.content = name;
          out.push_back(std::move(token));
        }
    // What a SentencePiece model calls control or user-defined stands for the list of further tokens.
    const bool by_model = proto_ && !as_written() && !settings_.extra_in_config;
    for (const auto& token : settings_.tokens)
      if (token.named && !(by_model && token.extra) && !known.contains(token.content)) out.push_back(token);
    if (proto_ && !settings_.extra_in_config)
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

  // [token, id]; the id of the unknown one where it is not there, as convert_tokens_to_ids() gives.
  result<std::string> token_and_id(const std::string& token, const char* name) const {
    auto id = library_->id_of(token);
    if (!id) id = library_->id_of(settings_.unknown);
    if (token.empty() || !id) return refuse("its tokenizer has no " + std::string(name) + ' ' + in_quotes(token));
    return '[' + json_quoted(token) + ',' + std::to_string(*id) + ']';
  }

  // A TemplateProcessing of a lone text and of two, in words like "cls A sep".
  result<std::string> templates(std::string_view single, std::string_view pair) const {
    std::string tokens;
    std::set<std::string> listed;
    const auto pieces = [&](std::string_view words) -> result<std::string> {
      std::string out = "[";
      while (!words.empty()) {
        const auto end = std::min(words.find(' '), words.size());
        auto word = words.substr(0, end);
        words.remove_prefix(std::min(end + 1, words.size()));
        char type = '0';
        if (word.ends_with(":1")) {
          type = '1';
          word.remove_suffix(2);
        }
        if (out.size() > 1) out += ',';
        if (word == "A" || word == "B") {
          out += R"({"Sequence":{"id":")" + std::string(word) + R"(","type_id":)" + type + "}}";
          continue;
        }
        const auto& text = word == "cls"   ? settings_.cls
                           : word == "sep" ? settings_.sep
                           : word == "bos" ? settings_.bos
                                           : settings_.eos;
        const auto token = token_and_id(text, (std::string(word) + "_token").c_str());
        if (!token) return tl::unexpected(token.error());
        const auto name = json_quoted(text);
        out += R"({"SpecialToken":{"id":)" + name + R"(,"type_id":)" + type + "}}";
        if (listed.insert(text).second)
          tokens += (tokens.empty() ? "" : ",") + name + R"(:{"id":)" + name + R"(,"ids":[)" +
                    token->substr(name.size() + 2, token->size() - name.size() - 3) + R"(],"tokens":[)" + name + "]}";
      }
      return out + ']';
    };
    const auto one = pieces(single);
    if (!one) return one;
    const auto two = pieces(pair);
    if (!two) return two;
    return R"({"type":"TemplateProcessing","single":)" + *one + R"(,"pair":)" + *two + R"(,"special_tokens":{)" +
           tokens + "}}";
  }

  // tokenizer.json's own frame, where the class keeps it.
  result<bool> frame_of_json() {
    const auto given = json_ ? member(json_->root(), "post_processor") : std::nullopt;
    if (!given) return false;
    library_checks checks(*json_);
    if (auto ok = checks.post_processor(*given, {"post_processor"}); !ok) return tl::unexpected(ok.error());
    facts_.largest_id = std::max(facts_.largest_id, checks.largest_frame_id());
    if (auto ok = library_->frame(json_->written({"post_processor"})); !ok) return refuse(ok.error().message);
    return true;
  }

  result<void> frame() {
    if (auto ok = put_frame(); !ok) return ok;
    const auto id_of = [&](const std::string& token) { return token.empty() ? std::nullopt : library_->id_of(token); };
    facts_.specials = {id_of(settings_.unknown), id_of(settings_.cls), id_of(settings_.sep), id_of(settings_.pad),
                       id_of(settings_.mask)};
    facts_.notes = settings_.notes;
    facts_.length_max = settings_.length_max;
    facts_.typed = has_types(settings_);
    facts_.clean_up = settings_.clean_up && (words_.kind != algorithm::bpe || settings_.clean_up_of_bpe);
    if (const auto cut = json_ ? member(json_->root(), "truncation") : std::nullopt) {
      const auto direction = text_of(*cut, "direction", "Right");
      if (direction != "Left" && direction != "Right")
        return json_->problem({"truncation", "direction"}, "must be 'Left' or 'Right'");
      facts_.cut_left = direction == "Left";
    }
    facts_.cut_left = settings_.cut_left.value_or(facts_.cut_left);
    return {};
  }

  result<void> put_frame() {
    result<std::string> made = std::string();
    switch (settings_.kind) {
      case family::roberta: {
        const auto sep = token_and_id(settings_.sep, "sep_token"), cls = token_and_id(settings_.cls, "cls_token");
        for (const auto* token : {&sep, &cls})
          if (!*token) return tl::unexpected(token->error());
        made = R"({"type":"RobertaProcessing","sep":)" + *sep + R"(,"cls":)" + *cls + R"(,"trim_offsets":)" +
               flag(settings_.trim_offsets.value_or(true)) + R"(,"add_prefix_space":)" +
               flag(settings_.add_prefix_space.value_or(false)) + '}';
        break;
      }
      case family::xlm_roberta:
      case family::camembert: made = templates("bos A eos", "bos A eos eos B eos"); break;
      case family::deberta: made = templates("cls A sep", "cls A sep sep B sep"); break;
      case family::deberta_v2: made = templates("cls A sep", "cls A sep B:1 sep:1"); break;
      case family::albert: {
        const auto kept = frame_of_json();
        if (!kept) return tl::unexpected(kept.error());
        if (*kept) return {};
        made = templates("cls A sep", "cls A sep B:1 sep:1");
        break;
      }
      default: {
        if (as_written() && json_) {
          if (parts_.post_processor != "null") return {};
        } else if (json_) {
          const auto kept = frame_of_json();
          if (!kept) return tl::unexpected(kept.error());
          if (*kept) return {};
        }
        const bool bos = !json_ && settings_.add_bos && !settings_.bos.empty();
        const bool eos = !json_ && settings_.add_eos && !settings_.eos.empty();
        made = templates(std::string(bos ? "bos A" : "A") + (eos ? " eos" : ""),
                         std::string(bos ? "bos A" : "A") + (eos ? " eos" : "") + (bos ? " bos:1" : "") + " B:1" +
                             (eos ? " eos:1" : ""));
        break;
      }
    }
    if (!made) return tl::unexpected(made.error());
    if (auto ok = library_->frame(*made); !ok) return refuse(ok.error().message);
    return {};
  }

  fs::path folder_;
  std::shared_ptr<const model_json> json_;  // tokenizer.json; null: there is none
  tokenizer_settings settings_;
  std::int64_t embeddings_;
  std::string model_type_;
  vocabulary words_;
  std::optional<sentencepiece_model> proto_;
  std::optional<std::int64_t> unknown_at_, unknown_without_score_at_;
  std::size_t long_words_bytes_ = 0;
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
