// Reads tokenizer.json, or vocab.txt with tokenizer_config.json, into a wordpiece_tokenizer.

#include <algorithm>
#include <optional>
#include <tuple>
#include <unordered_map>

#include "config/json_fault.hpp"
#include "inference/files/files.hpp"
#include "inference/files/model_json.hpp"
#include "inference/model/step_aside.hpp"
#include "inference/text/library_checks.hpp"
#include "inference/text/unicode.hpp"
#include "inference/text/wordpiece_tokenizer.hpp"

namespace troupe::inference {
namespace {

namespace fs = std::filesystem;
namespace dom = simdjson::dom;
constexpr std::uint64_t tokenizer_bytes_max = 64U << 20U;

std::string in_quotes(std::string_view text) { return '\'' + std::string(text.substr(0, 100)) + '\''; }
// `text` is UTF-8.
std::string_view without_spaces_at_end(std::string_view text) {
  while (!text.empty()) {
    auto at = text.size() - 1;
    while (at > 0 && (static_cast<unsigned char>(text[at]) & 0xC0U) == 0x80U) --at;
    const auto last = decode_utf8(text.substr(at));
    if (!last || !is_space(last->front())) break;
    text = text.substr(0, at);
  }
  return text;
}

}  // namespace

class wordpiece_builder {
 public:
  wordpiece_builder(std::shared_ptr<const model_json> json, tokenizer_settings settings, std::int64_t embeddings)
      : embeddings_(embeddings), json_(std::move(json)), settings_(std::move(settings)) {}

  // Null: a part is not ours.
  result<std::shared_ptr<const wordpiece_tokenizer>> from(const fs::path& file) {
    made_ = std::shared_ptr<wordpiece_tokenizer>(new wordpiece_tokenizer);
    made_->notes_ = settings_.notes;
    made_->length_max_ = settings_.length_max;
    made_->typed_ = has_types(settings_);
    for (const auto step : {json_ ? &wordpiece_builder::from_json : &wordpiece_builder::from_vocabulary,
                            &wordpiece_builder::tokens_of_other_files, &wordpiece_builder::finish_tokens})
      if (auto ok = (this->*step)(file); !ok) {
        if (not_ours_) return std::shared_ptr<const wordpiece_tokenizer>{};
        return tl::unexpected(ok.error());
      }
    if (!json_ || class_builds())
      if (auto ok = frame_with_class(file); !ok) return tl::unexpected(ok.error());
    made_->cut_left_ = settings_.cut_left.value_or(made_->cut_left_);
    if (auto ok = describe(); !ok) return tl::unexpected(ok.error());
    return std::shared_ptr<const wordpiece_tokenizer>(std::move(made_));
  }

 private:
  result<void> from_json(const fs::path&) {
    const auto root = json_->root();
    if (auto ok = model(root); !ok) return ok;
    if (const auto t = member(root, "truncation"))
      if (auto ok = truncation(*t); !ok) return ok;
    if (class_builds()) {
      build_as_class();
      if (settings_.decoder_told) return {};  // then its added_tokens are not read either
    } else {
      for (const auto step : {&wordpiece_builder::normalizer_of, &wordpiece_builder::pre_tokenizer_of,
                              &wordpiece_builder::post_processor_of})
        if (auto ok = (this->*step)(root); !ok) return ok;
    }
    return tokens_of_json();
  }
  result<void> normalizer_of(dom::element root) {
    const auto n = member(root, "normalizer");
    return n ? normalizer(*n, {"normalizer"}) : result<void>{};
  }
  result<void> pre_tokenizer_of(dom::element root) {
    const auto p = member(root, "pre_tokenizer");
    return p ? pre_tokenizer(*p, {"pre_tokenizer"}) : result<void>{};
  }
  result<void> post_processor_of(dom::element root) {
    const auto p = member(root, "post_processor");
    return p ? post_processor(*p) : result<void>{};
  }

  // The classes of BERT and MPNet take vocabulary, added tokens and the side of the cut from tokenizer.json, and build
  // the rest themselves.
  bool class_builds() const {
    return settings_.kind == tokenizer_family::mpnet ||
           (settings_.kind == tokenizer_family::bert && settings_.flags_told);
  }
  void build_as_class() {
    bert_normalizer(true, settings_.chinese_chars, settings_.strip_accents.value_or(settings_.lower_case),
                    settings_.lower_case);
    made_->splitters_.push_back(wordpiece_tokenizer::splitter::bert);
  }

  // Reads what tokenizer.json says of a component only to see whether it is what was built. What is not supported
  // differs.
  template <class... Built>
  void compare(const char* key, result<void> (wordpiece_builder::*read)(dom::element), Built&... built) {
    const auto largest_id = made_->largest_id_;
    std::tuple<Built...> kept(std::exchange(built, {})...);
    const bool same = (this->*read)(json_->root()) && kept == std::tie(built...);
    std::tie(built...) = std::move(kept);
    made_->largest_id_ = largest_id;
    if (!same) unfollowed_.emplace_back(key);
  }
  // A file that describes no pair says nothing about them.
  void compare_post_processor() {
    const auto pair = made_->pair_;
    compare("post_processor", &wordpiece_builder::post_processor_of, made_->prefix_, made_->suffix_);
    const bool other = !made_->pair_.empty() && made_->pair_ != pair;
    if (other && (unfollowed_.empty() || unfollowed_.back() != "post_processor"))
      unfollowed_.emplace_back("post_processor");
    made_->pair_ = pair;
  }
  void tell_what_is_not_followed() {
    compare("normalizer", &wordpiece_builder::normalizer_of, made_->steps_);
    compare("pre_tokenizer", &wordpiece_builder::pre_tokenizer_of, made_->splitters_);
    compare_post_processor();
    dom::array all;
    if (const auto list = member(json_->root(), "added_tokens"); settings_.decoder_told && list && !list->get(all))
      for (const auto one : all)
        if (const auto content = text_of(one, "content"); !content.empty() && !places_.contains(content)) {
          unfollowed_.emplace_back("added_tokens");
          break;
        }
    std::string names;
    for (const auto& key : unfollowed_) names += (names.empty() ? "" : ", ") + key;
    if (!names.empty())
      note("not followed in tokenizer.json, as in transformers: " + names + " (" +
           (settings_.kind == tokenizer_family::mpnet ? "an MPNetTokenizer" : "a BertTokenizer") +
           " builds these by tokenizer_config.json)");
  }

  tl::unexpected<error> unsupported(const json_path& at, const std::string& type, const std::string& supported) {
    not_ours_ = true;
    return json_->problem(at, "is of type " + in_quotes(type.empty() ? "?" : type) + ", which is not supported",
                          "supported: " + supported);
  }

  result<void> model(dom::element root) {
    const auto m = member(root, "model");
    if (!m || !m->is_object()) return json_->problem({"model"}, "must be an object");
    auto type = text_of(*m, "type");
    if (type.empty() && member(*m, "max_input_chars_per_word")) type = "WordPiece";  // older files leave it out
    if (type != "WordPiece") {
      auto refused = unsupported({"model"}, type, "WordPiece");
      not_ours_ = !class_builds();
      return refused;
    }
    dom::object vocabulary;
    const auto v = member(*m, "vocab");
    if (!v || v->get(vocabulary)) return json_->problem({"model", "vocab"}, "must be an object: tokens to ids");
    wordpiece::options o, of_class;
    of_class.unknown_token = settings_.unknown;
    o.unknown_token = text_of(*m, "unk_token", "[UNK]");
    o.continuing_prefix = text_of(*m, "continuing_subword_prefix", "##");
    if (const auto given = member(*m, "max_input_chars_per_word")) {
      double most = 0;
      if (given->get(most) || most < 0)
        return json_->problem({"model", "max_input_chars_per_word"}, "must be a number");
      o.word_characters_max = static_cast<std::uint32_t>(std::min(most, double{1U << 20U}));
    }
    if (class_builds()) {
      if (o != of_class) unfollowed_.emplace_back("model (but its vocab)");
      o = std::move(of_class);
    }
    made_->model_ = wordpiece(std::move(o), vocabulary.size() * 8);
    for (std::size_t read = 0; const auto [token, value] : vocabulary) {
      if (++read % 1024 == 0) step_aside();
      std::uint64_t id = 0;
      if (value.get(id) || id > INT32_MAX)
        return json_->problem({"model", "vocab", token}, "must map tokens to ids below 2^31");
      add_word(token, static_cast<std::int32_t>(id));
    }
    if (!made_->model_.finish())
      return json_->problem({"model", "vocab"},
                            "lacks the unknown token " + in_quotes(made_->model_.settings().unknown_token));
    made_->largest_id_ = made_->model_.largest_id();
    return {};
  }

  // No text has an empty word, but one counts where ids follow the vocabulary.
  void add_word(std::string_view word, std::int32_t id) {
    const bool known = word.empty() ? std::exchange(empty_word_, true) : made_->model_.id_of(word).has_value();
    if (!known) ++vocabulary_size_;
    if (word.empty())
      made_->empty_word_ = id;
    else
      made_->model_.add(word, id);
  }

  void bert_normalizer(bool clean, bool chinese, bool strip, bool lower) {
    using step = wordpiece_tokenizer::step;
    auto& steps = made_->steps_;
    if (clean) steps.push_back(step::clean);
    if (chinese) steps.push_back(step::space_chinese);
    if (strip) steps.insert(steps.end(), {step::decompose, step::strip_nonspacing});
    if (lower) steps.push_back(step::lower);
  }

  // The flags of tokenizer_config.json, where it speaks for a BertTokenizer, win over tokenizer.json's.
  void bert_normalizer_of(dom::element n) {
    bool lower = flag_of(n, "lowercase", true), chinese = flag_of(n, "handle_chinese_chars", true);
    bool strip = flag_of(n, "strip_accents", lower);
    if (class_builds()) {
      const auto& c = settings_;
      const bool config_strips = c.strip_accents.value_or(c.lower_case);
      const bool silent = (lower != c.lower_case && !c.lower_case_named) ||
                          (chinese != c.chinese_chars && !c.chinese_chars_named) ||
                          (strip != config_strips && !c.strip_accents_named && !c.lower_case_named);
      if (silent)
        note(
            "tokenizer.json's normalizer gives way to the defaults of BertTokenizer, as in transformers: "
            "do_lower_case, strip_accents and tokenize_chinese_chars of tokenizer_config.json decide");
      lower = c.lower_case;
      chinese = c.chinese_chars;
      strip = config_strips;
    }
    bert_normalizer(flag_of(n, "clean_text", true), chinese, strip, lower);
  }

  result<void> normalizer(dom::element n, const json_path& at) {
    using step = wordpiece_tokenizer::step;
    const auto type = text_of(n, "type");
    if (type == "BertNormalizer") {
      bert_normalizer_of(n);
    } else if (type == "Lowercase") {
      made_->steps_.push_back(step::lower);
    } else if (type == "NFD") {
      made_->steps_.push_back(step::decompose);
    } else if (type == "StripAccents") {
      made_->steps_.push_back(step::strip_marks);
    } else if (type == "Sequence") {
      dom::array all;
      const auto list = member(n, "normalizers");
      const auto here = inside(at, {"normalizers"});
      if (at.size() > 9 || !list || list->get(all)) return json_->problem(here, "must be a list");
      for (std::size_t i = 0; const auto one : all)
        if (auto ok = normalizer(one, inside(here, {i++})); !ok) return ok;
      if (made_->steps_.size() > 32) return json_->problem(here, "holds more than 32 normalizers");
    } else {
      return unsupported(at, type, "BertNormalizer, Lowercase, NFD, StripAccents, Sequence");
    }
    return {};
  }

  result<void> pre_tokenizer(dom::element p, const json_path& at) {
    using splitter = wordpiece_tokenizer::splitter;
    const auto type = text_of(p, "type");
    if (type == "BertPreTokenizer") {
      made_->splitters_.push_back(splitter::bert);
    } else if (type == "WhitespaceSplit") {
      made_->splitters_.push_back(splitter::whitespace);
    } else if (type == "Whitespace") {
      made_->splitters_.push_back(splitter::word);
    } else if (type == "Sequence") {
      dom::array all;
      const auto list = member(p, "pretokenizers");
      const auto here = inside(at, {"pretokenizers"});
      if (at.size() > 9 || !list || list->get(all)) return json_->problem(here, "must be a list");
      for (std::size_t i = 0; const auto one : all)
        if (auto ok = pre_tokenizer(one, inside(here, {i++})); !ok) return ok;
      if (made_->splitters_.size() > 32) return json_->problem(here, "holds more than 32 pre-tokenizers");
    } else {
      return unsupported(at, type, "BertPreTokenizer, Whitespace, WhitespaceSplit, Sequence");
    }
    return {};
  }

  result<void> post_processor(dom::element p) {
    const auto type = text_of(p, "type");
    if (type == "TemplateProcessing") return template_processing(p);
    const bool roberta = type == "RobertaProcessing";
    if (!roberta && type != "BertProcessing")
      return unsupported({"post_processor"}, type, "TemplateProcessing, BertProcessing, RobertaProcessing");
    for (const auto& [key, out] : {std::pair{"cls", &made_->prefix_}, std::pair{"sep", &made_->suffix_}}) {
      std::uint64_t id = 0;
      dom::array pair;
      if (p[key].get(pair) || pair.size() != 2 || pair.at(1).get(id) || id > INT32_MAX)
        return json_->problem({"post_processor", key}, "must be [token, id]");
      add_special(*out, id);
    }
    frame_pair(roberta);
    return {};
  }

  // [CLS] first [SEP] second [SEP], the latter two of type 1. RoBERTa's: <s> first </s></s> second </s>, all of type 0.
  void frame_pair(bool roberta) {
    using part = wordpiece_tokenizer::pair_part;
    const std::uint8_t one = roberta ? 0 : 1;
    const auto specials = [&](const std::vector<std::int32_t>& ids, std::uint8_t type) {
      for (const auto id : ids) made_->pair_.push_back({part::kind::special, type, id});
    };
    made_->pair_.clear();
    specials(made_->prefix_, 0);
    made_->pair_.push_back({part::kind::first, 0, 0});
    specials(made_->suffix_, 0);
    if (roberta) specials(made_->suffix_, 0);
    made_->pair_.push_back({part::kind::second, one, 0});
    specials(made_->suffix_, one);
  }

  void add_special(std::vector<std::int32_t>& out, std::uint64_t id) {
    out.push_back(static_cast<std::int32_t>(id));
    made_->largest_id_ = std::max(made_->largest_id_, out.back());
  }

  // A piece of a template: a text's place, or a special token's ids.
  struct template_piece {
    std::string sequence;  // "A", "B"; empty: a special token
    std::uint64_t type = 0;
    std::vector<std::int32_t> ids;
  };
  result<std::vector<template_piece>> template_pieces(dom::element p, const char* key) {
    const json_path at{"post_processor", key};
    dom::array list;
    if (p[key].get(list)) return json_->problem(at, "must be a list");
    if (list.size() > 64) return json_->problem(at, "holds more than 64 pieces");
    std::size_t specials = 0;
    std::vector<template_piece> pieces;
    for (std::size_t i = 0; const auto one : list) {
      const auto here = inside(at, {i++});
      dom::element part;
      template_piece piece;
      const bool sequence = !one["Sequence"].get(part);
      if (!sequence && one["SpecialToken"].get(part))
        return json_->problem(here, "holds neither Sequence nor SpecialToken");
      if (part["type_id"].get(piece.type)) piece.type = 0;
      if (sequence) {
        piece.sequence = text_of(part, "id");
        if (piece.sequence.empty()) return json_->problem(here, "names no sequence");
      } else if (auto ids = special_ids(p, text_of(part, "id"))) {
        piece.ids = std::move(*ids);
        specials += piece.ids.size();
        if (specials > 64) return json_->problem({"post_processor"}, "adds more than 64 tokens");
      } else {
        return tl::unexpected(ids.error());
      }
      pieces.push_back(std::move(piece));
    }
    return pieces;
  }
  result<std::vector<std::int32_t>> special_ids(dom::element p, const std::string& name) {
    dom::array list;
    dom::object tokens;
    if (p["special_tokens"].get(tokens) || tokens.at_key(name)["ids"].get(list))
      return json_->problem({"post_processor", "special_tokens"}, "lacks " + in_quotes(name));
    std::vector<std::int32_t> ids;
    for (const auto value : list) {
      std::uint64_t id = 0;
      if (value.get(id) || id > INT32_MAX)
        return json_->problem({"post_processor", "special_tokens", name}, "must hold ids");
      add_special(ids, id);
    }
    return ids;
  }

  result<void> template_processing(dom::element p) {
    const json_path at{"post_processor", "single"};
    const auto single = template_pieces(p, "single");
    if (!single) return tl::unexpected(single.error());
    bool seen = false;
    for (std::size_t i = 0; const auto& piece : *single) {
      const auto here = inside(at, {i++});
      if (piece.type != 0) {
        not_ours_ = true;
        return json_->problem(here, "has a type_id other than 0, which is not supported for one text");
      }
      if (!piece.sequence.empty()) {
        if (seen || piece.sequence != "A") return json_->problem(at, "must hold $A once");
        seen = true;
        continue;
      }
      auto& out = seen ? made_->suffix_ : made_->prefix_;
      out.insert(out.end(), piece.ids.begin(), piece.ids.end());
    }
    if (!seen) return json_->problem(at, "must hold $A once");
    return member(p, "pair") ? template_of_pair(p) : result<void>{};
  }

  result<void> template_of_pair(dom::element p) {
    using part = wordpiece_tokenizer::pair_part;
    const json_path at{"post_processor", "pair"};
    const auto pieces = template_pieces(p, "pair");
    if (!pieces) return tl::unexpected(pieces.error());
    made_->pair_.clear();
    bool first = false, second = false;
    for (std::size_t i = 0; const auto& piece : *pieces) {
      const auto here = inside(at, {i++});
      if (piece.type > 255) return json_->problem(here, "has a type_id above 255");
      const auto type = static_cast<std::uint8_t>(piece.type);
      if (piece.sequence.empty()) {
        for (const auto id : piece.ids) made_->pair_.push_back({part::kind::special, type, id});
        continue;
      }
      auto& seen = piece.sequence == "A" ? first : second;
      if (seen || (piece.sequence != "A" && piece.sequence != "B"))
        return json_->problem(at, "must hold $A and $B once");
      seen = true;
      made_->pair_.push_back({piece.sequence == "A" ? part::kind::first : part::kind::second, type, 0});
    }
    if (!first || !second) return json_->problem(at, "must hold $A and $B once");
    return {};
  }

  // Which end is cut; the length in it is not the model's (inference/text/tokenizer_settings.hpp tells that).
  result<void> truncation(dom::element t) {
    const auto direction = text_of(t, "direction", "Right");
    if (direction != "Left" && direction != "Right")
      return json_->problem({"truncation", "direction"}, "must be 'Left' or 'Right'");
    made_->cut_left_ = direction == "Left";
    return {};
  }

  // ---- added tokens ----

  result<void> tokens_of_json() {
    auto own = added_tokens_of(json_);
    if (!own) return tl::unexpected(own.error());
    for (auto& token : *own) {
      // The library takes the vocabulary's id where it has the token, whatever this file says.
      if (made_->model_.id_of(token.content)) token.id.reset();
      if (auto ok = declare(std::move(token), true); !ok) return ok;
    }
    return {};
  }

  result<void> tokens_of_other_files(const fs::path&) {
    for (auto& token : settings_.tokens) {
      const bool replaces = token.replaces;
      if (auto ok = declare(std::move(token), replaces); !ok) return ok;
    }
    return {};
  }

  struct numbered_token {
    declared_token token;
    std::int64_t id = 0;
    std::vector<declared_token> before;  // what it replaces: the library remembers something of each
  };

  // Gives the token its id: the vocabulary's, or the next one behind all.
  result<void> declare(declared_token token, bool replaces) {
    if (token.content.empty()) return {};
    const auto known = places_.find(token.content);
    const auto word = made_->model_.id_of(token.content);
    const auto next = std::max(vocabulary_size_, largest_added_ + 1);
    const auto id = known != places_.end() ? added_[known->second].id : word ? *word : next;
    if (token.id && *token.id != id)
      return token.file->problem(token.at,
                                 "gives the token " + in_quotes(token.content) + " the id " +
                                     std::to_string(*token.id) + ", but " +
                                     (known != places_.end() ? "it has " + std::to_string(id)
                                      : word                 ? "the vocabulary has it as " + std::to_string(id)
                                             : "the next id behind the vocabulary is " + std::to_string(id)),
                                 "ids that follow the vocabulary, each token with one");
    largest_added_ = std::max(largest_added_, id);
    if (known != places_.end()) {
      auto& other = added_[known->second];
      if (replaces && (!token.named || other.token.named)) {
        other.before.push_back(std::exchange(other.token, std::move(token)));
      }
      return {};
    }
    places_.emplace(token.content, added_.size());
    added_.push_back({std::move(token), id, {}});
    return {};
  }

  static library_token plain(const declared_token& token) {
    return {token.content, token.single_word, token.lstrip, token.rstrip, token.normalized, token.special};
  }

  // Now that the normalizer is known, and all tokens are.
  result<void> finish_tokens(const fs::path&) {
    for (const auto& [token, id, before] : added_) {
      if (id >= embeddings_) {
        // A default that no file names may be absent; then no text holds it.
        if (token.implied) continue;
        return token.file->problem(token.at,
                                   "adds the token " + in_quotes(token.content) + " with id " + std::to_string(id) +
                                       ", but the model has only " + std::to_string(embeddings_) + " embeddings",
                                   "a model whose embeddings were resized for its tokenizer");
      }
      auto text = decode_utf8(token.content);
      if (!text) continue;
      made_->added_ids_[token.content] = static_cast<std::int32_t>(id);
      for (const auto& one : before) made_->parts_.added.push_back(plain(one));
      made_->parts_.added.push_back(plain(token));
      if (token.normalized) *text = made_->normalize(*text);
      if (text->empty()) continue;
      const auto number = static_cast<std::int32_t>(id);
      made_->largest_id_ = std::max(made_->largest_id_, number);
      (token.normalized ? made_->normalized_ : made_->raw_)
          .add({std::move(*text), number, token.single_word, token.lstrip, token.rstrip,
                settings_.split_special_tokens && token.special});
    }
    made_->raw_.finish();
    made_->normalized_.finish();
    return {};
  }

  // ---- the old layout of BERT checkpoints: one token a line, its number is its id ----

  result<void> from_vocabulary(const fs::path& file) {
    auto text = read_small_file(file, tokenizer_bytes_max);
    if (!text) return tl::unexpected(text.error());
    if (const auto bad = config::find_bad_utf8(*text); bad != std::string::npos)
      return fail(error_code::unprocessable,
                  config::place_in(*text, file.string(), bad) + ": a byte that is not UTF-8");
    wordpiece::options o;
    o.unknown_token = settings_.unknown;
    made_->model_ = wordpiece(std::move(o), text->size());
    std::string_view rest = *text;
    for (std::int32_t id = 0; !rest.empty(); ++id) {
      if (id % 1024 == 1023) step_aside();
      const auto end = rest.find('\n');
      auto line = rest.substr(0, end);
      rest = end == rest.npos ? std::string_view{} : rest.substr(end + 1);
      add_word(without_spaces_at_end(line), id);
    }
    if (!made_->model_.finish())
      return fail(error_code::unprocessable,
                  file.string() + ": the unknown token " + in_quotes(settings_.unknown) + " is not in it");
    made_->largest_id_ = made_->model_.largest_id();
    build_as_class();
    return {};
  }

  result<void> frame_with_class(const fs::path& file) {
    for (const auto& [name, out] :
         {std::pair{&settings_.cls, &made_->prefix_}, std::pair{&settings_.sep, &made_->suffix_}}) {
      const auto word = made_->model_.id_of(*name);
      const auto known = places_.find(*name);
      if (!word && (known == places_.end() || added_[known->second].token.implied))
        return fail(error_code::unprocessable, file.string() + ": the token " + in_quotes(*name) + " is not in it");
      *out = {word ? *word : static_cast<std::int32_t>(added_[known->second].id)};
    }
    frame_pair(settings_.kind == tokenizer_family::mpnet);
    if (json_) tell_what_is_not_followed();
    return {};
  }

  // ---- what is told of it, and what its twin is made of ----

  result<void> describe() {
    auto& facts = made_->facts_;
    const auto id_of = [&](const std::string& token) { return token.empty() ? std::nullopt : made_->id_of(token); };
    facts.specials = made_->specials_ = {id_of(settings_.unknown), id_of(settings_.cls), id_of(settings_.sep),
                                         id_of(settings_.pad), id_of(settings_.mask)};
    facts.continuing_prefix = made_->model_.settings().continuing_prefix;
    facts.length_max = made_->length_max_;
    facts.cut_left = made_->cut_left_;
    facts.clean_up = settings_.clean_up;
    facts.largest_id = made_->largest_id_;
    auto& parts = made_->parts_;
    parts.split_special_tokens = settings_.split_special_tokens;
    if (json_ && !class_builds()) {
      for (const auto& [key, part] :
           {std::pair{"normalizer", &parts.normalizer}, std::pair{"pre_tokenizer", &parts.pre_tokenizer},
            std::pair{"post_processor", &parts.post_processor}, std::pair{"decoder", &parts.decoder}})
        if (member(json_->root(), key)) *part = json_->written({key});
      const auto decoder = member(json_->root(), "decoder");
      return decoder ? library_checks(*json_).decoder(*decoder, {"decoder"}) : result<void>{};
    }
    const auto flag = [](bool value) { return value ? "true" : "false"; };
    parts.normalizer = std::string(R"({"type":"BertNormalizer","clean_text":true,"handle_chinese_chars":)") +
                       flag(settings_.chinese_chars) + R"(,"strip_accents":)" +
                       (settings_.strip_accents ? flag(*settings_.strip_accents) : "null") + R"(,"lowercase":)" +
                       flag(settings_.lower_case) + '}';
    parts.pre_tokenizer = R"({"type":"BertPreTokenizer"})";
    parts.decoder = R"({"type":"WordPiece","prefix":"##","cleanup":true})";
    const auto token = [](const std::string& name, const std::vector<std::int32_t>& ids) {
      return '[' + json_quoted(name) + ',' + std::to_string(ids.front()) + ']';
    };
    const bool roberta = settings_.kind == tokenizer_family::mpnet;
    parts.post_processor = std::string(R"({"type":")") + (roberta ? "Roberta" : "Bert") + R"(Processing","sep":)" +
                           token(settings_.sep, made_->suffix_) + R"(,"cls":)" + token(settings_.cls, made_->prefix_) +
                           (roberta ? R"(,"trim_offsets":true,"add_prefix_space":false})" : "}");
    return {};
  }

  void note(const std::string& text) { made_->notes_ += (made_->notes_.empty() ? "" : "; ") + text; }

  std::int64_t embeddings_;
  std::shared_ptr<const model_json> json_;  // tokenizer.json; null: the vocabulary is a vocab.txt
  tokenizer_settings settings_;
  std::shared_ptr<wordpiece_tokenizer> made_;
  bool not_ours_ = false;
  std::int64_t vocabulary_size_ = 0, largest_added_ = -1;  // distinct words, whatever their ids
  bool empty_word_ = false;
  std::vector<std::string> unfollowed_;  // keys of tokenizer.json
  std::vector<numbered_token> added_;
  std::unordered_map<std::string, std::size_t> places_;  // in added_, by content
};

result<std::shared_ptr<const wordpiece_tokenizer>> wordpiece_tokenizer::make(const fs::path& file,
                                                                             std::shared_ptr<const model_json> json,
                                                                             tokenizer_settings settings,
                                                                             std::int64_t embeddings) {
  return wordpiece_builder(std::move(json), std::move(settings), embeddings).from(file);
}

}  // namespace troupe::inference
