#include "inference/text/tokenizer_settings.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <iterator>
#include <map>
#include <set>
#include <string_view>
#include <tuple>
#include <utility>

#include "inference/files/files.hpp"
#include "inference/text/length_limit.hpp"

namespace troupe::inference {
namespace {

namespace fs = std::filesystem;
namespace dom = simdjson::dom;
using json_file = std::shared_ptr<const model_json>;
constexpr std::uint64_t file_bytes_max = 16U << 20U;
constexpr std::size_t tokens_max = 100'000;

#include "inference/text/tokenizer_classes.inc"

using family = tokenizer_family;
// The classes that are known here, by the names that tokenizer_classes.inc gives them.
constexpr std::pair<std::string_view, family> families[] = {
    {"BertTokenizer", family::bert},           {"DistilBertTokenizer", family::bert},
    {"ConvBertTokenizer", family::bert},       {"MPNetTokenizer", family::mpnet},
    {"RobertaTokenizer", family::roberta},     {"GPT2Tokenizer", family::gpt2},
    {"DebertaTokenizer", family::deberta},     {"XLMRobertaTokenizer", family::xlm_roberta},
    {"CamembertTokenizer", family::camembert}, {"AlbertTokenizer", family::albert},
    {"FNetTokenizer", family::albert},         {"DebertaV2Tokenizer", family::deberta_v2},
    {"TokenizersBackend", family::as_written}, {"PythonBackend", family::as_written},
};
constexpr const char* class_advice =
    "the tokenizer classes of BERT, DistilBERT, ELECTRA, MPNet, RoBERTa, XLM-RoBERTa, CamemBERT, ALBERT, DeBERTa, "
    "DeBERTa-v2 and GPT-2, or PreTrainedTokenizerFast with a tokenizer.json that says all";

template <class All>
bool among(const All& all, std::string_view name) {
  return std::find(all.begin(), all.end(), name) != all.end();
}

constexpr std::array named_tokens{"bos_token", "eos_token", "unk_token", "sep_token",
                                  "pad_token", "cls_token", "mask_token"};
// What the classes name by themselves, in the order of named_tokens; empty: nothing.
using class_tokens = std::array<const char*, named_tokens.size()>;
constexpr class_tokens tokens_of(family kind) {
  switch (kind) {
    case family::bert: return {"", "", "[UNK]", "[SEP]", "[PAD]", "[CLS]", "[MASK]"};
    case family::mpnet: return {"<s>", "</s>", "[UNK]", "</s>", "<pad>", "<s>", "<mask>"};
    case family::roberta:
    case family::xlm_roberta:
    case family::camembert: return {"<s>", "</s>", "<unk>", "</s>", "<pad>", "<s>", "<mask>"};
    case family::gpt2: return {"<|endoftext|>", "<|endoftext|>", "<|endoftext|>", "", "", "", ""};
    case family::albert: return {"[CLS]", "[SEP]", "<unk>", "[SEP]", "<pad>", "[CLS]", "[MASK]"};
    case family::deberta:
    case family::deberta_v2: return {"[CLS]", "[SEP]", "[UNK]", "[SEP]", "[PAD]", "[CLS]", "[MASK]"};
    case family::as_written: break;
  }
  return {"", "", "", "", "", "", ""};
}

template <std::size_t N>
std::optional<std::string_view> look_up(const std::pair<std::string_view, std::string_view> (&table)[N],
                                        std::string_view name) {
  for (const auto& [key, value] : table)
    if (key == name) return value;
  return std::nullopt;
}

class settings_reader {
 public:
  settings_reader(const fs::path& folder, bool has_tokenizer_json, family guess)
      : folder_(folder), has_tokenizer_json_(has_tokenizer_json) {
    out_.kind = guess;
  }

  result<tokenizer_settings> read() {
    for (const auto& [file, name] : {std::pair{&config_, "tokenizer_config.json"}, std::pair{&model_, "config.json"}}) {
      auto opened = open(name);
      if (!opened) return tl::unexpected(opened.error());
      *file = std::move(*opened);
    }
    for (const auto step : {&settings_reader::read_class, &settings_reader::read_flags, &settings_reader::read_length,
                            &settings_reader::read_tokens})
      if (auto ok = (this->*step)(); !ok) return tl::unexpected(ok.error());
    return std::move(out_);
  }

 private:
  // Null: the folder has none.
  result<json_file> open(const char* name) const {
    const auto path = folder_ / name;
    if (!file_exists(path)) return json_file{};
    auto read = model_json::read(path, file_bytes_max);
    if (!read) return tl::unexpected(read.error());
    return std::make_shared<const model_json>(std::move(*read));
  }
  static std::optional<dom::element> in(const json_file& file, std::string_view key) {
    return file ? member(file->root(), key) : std::nullopt;
  }

  // ---- whose rules ----

  result<void> read_class() {
    for (const auto& file : {config_, model_})
      if (const auto map = in(file, "auto_map")) {
        dom::object by_task;
        if (!map->get(by_task) && !member(*map, "AutoTokenizer")) continue;
        return file->problem({"auto_map"}, "names a tokenizer with code of its own, which is not run", class_advice);
      }
    const auto type = model_ ? text_of(model_->root(), "model_type") : std::string{};
    const auto of_type = look_up(class_of_model_type, type);
    for (const auto& file : {config_, model_})
      if (const auto given = in(file, "tokenizer_class")) {
        std::string_view name;
        if (given->get(name)) return file->problem({"tokenizer_class"}, "must be a string");
        out_.flags_told = true;
        return read_named_class(file, std::string(name), type, of_type.value_or(""));
      }
    out_.flags_told = config_ != nullptr;
    for (const char* key :
         {"word_tokenizer_type", "subword_tokenizer_type", "mecab_kwargs", "sudachi_kwargs", "jumanpp_kwargs"})
      if (in(config_, key))
        return config_->problem({key}, "belongs to a Japanese tokenizer, which is not supported", class_advice);
    if (!of_type) {  // a model of its own, or none that says what it is
      if (!type.empty() && has_tokenizer_json_) take(family::as_written);
      return {};
    }
    return take_class(model_, "model_type", type, *of_type);
  }

  void take(family kind) {
    out_.kind = kind;
    out_.family_told = true;
  }
  // The older files that a class reads; empty: they are there.
  std::string missing_files(family kind) const {
    const auto there = [&](const char* name) { return file_exists(folder_ / name); };
    const auto pieces = [&](const char* name) {
      return there(name) || there("tokenizer.model") ? std::string{} : std::string(name);
    };
    switch (kind) {
      case family::bert:
      case family::mpnet: return there("vocab.txt") ? "" : "vocab.txt";
      case family::roberta:
      case family::gpt2:
      case family::deberta: return there("vocab.json") && there("merges.txt") ? "" : "vocab.json with merges.txt";
      case family::xlm_roberta:
      case family::camembert: return pieces("sentencepiece.bpe.model");
      case family::albert: return pieces("spiece.model");
      case family::deberta_v2: return pieces("spm.model");
      case family::as_written: break;
    }
    return pieces("tokenizer.model");
  }
  // `resolved`: a name of tokenizer_classes.inc; `written`: what the file has at `key`.
  result<void> take_class(const json_file& file, const char* key, const std::string& written,
                          std::string_view resolved) {
    for (const auto& [name, kind] : families)
      if (name == resolved) {
        take(kind);
        const auto files = has_tokenizer_json_ ? std::string{} : missing_files(kind);
        if (files.empty()) return {};
        return file->problem({key}, "is '" + written.substr(0, 100) + "', whose tokenizer reads tokenizer.json or " +
                                        files + ", and neither is in the folder");
      }
    std::string how;
    for (const char* option : {"word_tokenizer_type", "subword_tokenizer_type"})
      if (const auto type = config_ ? text_of(config_->root(), option) : std::string{}; !type.empty())
        how += (how.empty() ? " (" : ", ") + std::string(option) + ' ' + type.substr(0, 40);
    if (!how.empty()) how += ')';
    const bool other = resolved != written && std::string(resolved) + "Fast" != written;
    return file->problem({key},
                         "is '" + written.substr(0, 100) + '\'' + how +
                             (other ? ", whose tokenizer " + std::string(resolved) : ", which") +
                             " splits texts in its own way and is not supported",
                         class_advice);
  }

  // As AutoTokenizer does: a model type may overrule the class that a file names, and has the last word where its own
  // tokenizer is tokenizer.json as it stands.
  result<void> read_named_class(const json_file& file, const std::string& full, const std::string& type,
                                std::string_view of_type) {
    auto name = full.ends_with("Fast") ? full.substr(0, full.size() - 4) : full;
    const auto shown = '\'' + full.substr(0, 100) + '\'';
    const auto* end = std::end(types_with_wrong_classes);
    const bool wrong = std::find(std::begin(types_with_wrong_classes), end, type) != end;
    if (!of_type.empty() && of_type != name && (wrong || of_type == "TokenizersBackend")) name = of_type;
    const auto resolved = look_up(class_names, name);
    if (resolved) return take_class(file, "tokenizer_class", full, *resolved);
    if (!has_tokenizer_json_)
      return file->problem({"tokenizer_class"},
                           "is " + shown + ", which splits texts in its own way and is not supported", class_advice);
    take(family::as_written);
    note("the tokenizer class " + shown + " is not known here: tokenizer.json is taken as it stands");
    return {};
  }

  // ---- flags of the classes ----

  result<void> read_flag(const char* key, bool& value, bool* named = nullptr) {
    const auto given = in(config_, key);
    if (!given) return {};
    if (given->get(value)) return config_->problem({key}, "must be true or false");
    if (named != nullptr) *named = true;
    return {};
  }

  result<void> read_flags() {
    if (auto ok = read_flag("split_special_tokens", out_.split_special_tokens); !ok) return ok;
    if (const auto files = in(config_, "fast_tokenizer_files")) {
      dom::array names;
      if (files->get(names)) return config_->problem({"fast_tokenizer_files"}, "must be a list");
      for (const auto one : names)
        if (std::string_view name; one.get(name) || name != "tokenizer.json")
          return config_->problem({"fast_tokenizer_files"},
                                  "names tokenizer files for certain versions of transformers, which is not "
                                  "supported",
                                  "tokenizer.json alone");
    }
    for (const auto& [key, value] :
         {std::pair{"clean_up_tokenization_spaces", &out_.clean_up},
          std::pair{"clean_up_tokenization_spaces_for_bpe_even_though_it_will_corrupt_output", &out_.clean_up_of_bpe},
          std::pair{"add_bos_token", &out_.add_bos}, std::pair{"add_eos_token", &out_.add_eos}})
      if (auto ok = read_flag(key, *value); !ok) return ok;
    for (const auto& [key, value] :
         {std::pair{"add_prefix_space", &out_.add_prefix_space}, std::pair{"trim_offsets", &out_.trim_offsets},
          std::pair{"keep_accents", &out_.keep_accents}, std::pair{"split_by_punct", &out_.split_by_punct}}) {
      bool given = false, named = false;
      if (auto ok = read_flag(key, given, &named); !ok) return ok;
      if (named) *value = given;
    }
    if (const auto given = in(config_, "unk_id")) {
      std::int64_t id = 0;
      if (given->get(id) || id < 0 || id > INT32_MAX) return config_->problem({"unk_id"}, "must be an id");
      out_.unk_id = id;
    }
    // The defaults of the classes: only BERT's and ALBERT's texts are lower-cased.
    if (out_.kind == family::deberta_v2) out_.lower_case = false;
    if (auto ok = read_flag("do_lower_case", out_.lower_case, &out_.lower_case_named); !ok) return ok;
    if (auto ok = read_flag("tokenize_chinese_chars", out_.chinese_chars, &out_.chinese_chars_named); !ok) return ok;
    bool strip = false;
    if (auto ok = read_flag("strip_accents", strip, &out_.strip_accents_named); !ok) return ok;
    if (out_.strip_accents_named) out_.strip_accents = strip;
    // A fast tokenizer has no other way to split; one that is made from a lone vocab.txt differs by version.
    bool basic = true;
    if (out_.kind != family::bert) return {};
    if (auto ok = read_flag("do_basic_tokenize", basic); !ok) return ok;
    if (!basic && !has_tokenizer_json_)
      return config_->problem({"do_basic_tokenize"}, "is false, which is not supported with a lone vocab.txt", "true");
    return {};
  }

  // ---- lengths ----

  result<void> read_length() {
    if (config_) {
      // 'max_len' is the old name, and counts only where the new one does not stand, not even as null.
      dom::element ignored;
      const char* key = config_->root()["model_max_length"].get(ignored) ? "max_len" : "model_max_length";
      if (const auto given = in(config_, key)) {
        const auto limit = length_limit(*config_, {key}, *given);
        if (!limit) return tl::unexpected(limit.error());
        out_.length_max = *limit;
      }
      if (const auto names = in(config_, "model_input_names")) {
        dom::array list;
        if (names->get(list)) return config_->problem({"model_input_names"}, "must be a list of names");
        out_.typed = std::any_of(list.begin(), list.end(), [](dom::element one) {
          std::string_view name;
          return !one.get(name) && name == "token_type_ids";
        });
      }
      if (const auto side = in(config_, "truncation_side")) {
        std::string_view text;
        if (side->get(text) || (text != "left" && text != "right"))
          return config_->problem({"truncation_side"}, "must be 'left' or 'right'");
        out_.cut_left = text == "left";
      }
    }
    return {};
  }

  // ---- tokens that are found in the text as they stand ----

  static void make_special(declared_token& token) {
    token.special = true;
    if (!token.normalized_told) token.normalized = false;
  }
  // A text, or an object with its content and flags. `special`: what it is where the object does not say.
  static result<declared_token> token_at(const json_file& file, json_path at, dom::element value, bool special) {
    declared_token token;
    token.file = file;
    token.at = std::move(at);
    std::string_view text;
    if (!value.get(text)) {
      token.content = text;
      token.plain = true;
      return token;
    }
    const auto content = member(value, "content");
    if (!content || content->get(text))
      return file->problem(token.at, "must be a token: a text, or an object with its 'content'");
    token.content = text;
    read_token_flags(value, special, token);
    return token;
  }

  bool has(std::string_view content) const { return contents_.contains(std::string(content)); }
  result<void> add(declared_token token) {
    if (token.content.empty() || !contents_.insert(token.content).second) return {};
    return push(std::move(token));
  }
  // As transformers collects them: what a list of added tokens has stays as it is; of two that are named, the later
  // one's flags count, and a text is not the same as an object with a text's flags.
  result<void> add_named(declared_token token) {
    if (token.content.empty() || contents_.contains(token.content)) return {};
    const auto flags = [](const declared_token& t) {
      return std::tuple(t.plain, t.single_word, t.lstrip, t.rstrip, t.normalized, t.special);
    };
    for (const auto& other : out_.tokens)
      if (other.named && other.content == token.content) {
        if (token.plain ? other.plain : flags(other) == flags(token)) return {};
        token.replaces = true;
      }
    token.named = true;
    return push(std::move(token));
  }
  result<void> push(declared_token token) {
    if (out_.tokens.size() >= tokens_max && !token.implied)
      return token.file->problem(token.at, "is one of more than 100000 added tokens");
    out_.tokens.push_back(std::move(token));
    return {};
  }

  result<void> read_tokens() {
    if (in(config_, "added_tokens_decoder")) {  // says all: the older files beside it are not read
      out_.decoder_told = true;
      if (auto ok = collect(config_); !ok) return ok;
      if (auto ok = read_decoder(); !ok) return ok;
    } else {
      const auto map = open("special_tokens_map.json");
      if (!map) return tl::unexpected(map.error());
      for (const auto& file : {config_, *map})
        if (auto ok = collect(file); !ok) return ok;
      if (auto ok = read_added_file(); !ok) return ok;
    }
    return add_collected();
  }

  // tokenizer_config.json's own list: ids to tokens.
  result<void> read_decoder() {
    dom::object entries;
    if (member(config_->root(), "added_tokens_decoder")->get(entries))
      return config_->problem({"added_tokens_decoder"}, "must be an object: ids to tokens");
    std::map<std::int64_t, declared_token> by_id;
    for (const auto [key, value] : entries) {
      const json_path at{"added_tokens_decoder", std::string(key)};
      std::int64_t id = 0;
      const auto* end = key.data() + key.size();
      const auto parsed = std::from_chars(key.data(), end, id);
      if (parsed.ec != std::errc{} || parsed.ptr != end || id < 0 || id > INT32_MAX)
        return config_->problem(at, "has a key that is no id");
      if (value.is_string()) return config_->problem(at, "must be an object with the token's 'content'");
      auto token = token_at(config_, at, value, false);
      if (!token) return tl::unexpected(token.error());
      token->id = id;
      token->replaces = true;
      by_id.insert_or_assign(id, std::move(*token));
    }
    for (auto& [id, token] : by_id)
      if (auto ok = add(std::move(token)); !ok) return ok;
    return {};
  }

  // added_tokens.json: tokens to ids. What is named elsewhere is special and stands in the text as it is.
  result<void> read_added_file() {
    const auto file = open("added_tokens.json");
    if (!file) return tl::unexpected(file.error());
    if (!*file) return {};
    std::set<std::string> special;
    // An object in tokenizer_config.json is not one of them yet.
    const auto counts = [&](const declared_token& token) { return token.plain || token.file != config_; };
    for (const auto& [key, token] : named_)
      if (counts(token)) special.insert(token.content);
    for (const auto& token : extra_)
      if (counts(token)) special.insert(token.content);
    std::map<std::int64_t, declared_token> by_id;
    dom::object entries;
    if ((*file)->root().get(entries)) return {};
    for (const auto [content, value] : entries) {
      declared_token token;
      token.content = content;
      token.file = *file;
      token.at = {token.content};
      std::int64_t id = 0;
      if (value.get(id) || id < 0 || id > INT32_MAX) return (*file)->problem(token.at, "must be an id");
      token.id = id;
      token.special = special.contains(token.content);
      token.normalized_told = true;
      token.normalized = !token.special;
      if (const auto [known, fresh] = by_id.try_emplace(id, token); !fresh)
        return (*file)->problem(token.at, "has the id of '" + known->second.content.substr(0, 60) + "'");
    }
    for (auto& [id, token] : by_id)
      if (auto ok = add(std::move(token)); !ok) return ok;
    return {};
  }

  // The special tokens that a file names: one by one ('mask_token') and in lists. A later file wins.
  result<void> collect(const json_file& file) {
    if (!file) return {};
    const bool map = file != config_;
    const auto name = [&](const std::string& key, json_path at, dom::element value) -> result<void> {
      if (value.is_null()) {
        if (among(named_tokens, key)) unnamed_.insert(key);
        return {};
      }
      auto token = token_at(file, std::move(at), value, map);
      if (!token) return tl::unexpected(token.error());
      if (map) make_special(*token);
      unnamed_.erase(key);
      const auto same = std::find_if(named_.begin(), named_.end(), [&](const auto& n) { return n.first == key; });
      if (same != named_.end())
        same->second = std::move(*token);
      else
        named_.emplace_back(key, std::move(*token));
      return {};
    };
    dom::object members;
    if (file->root().get(members)) return {};
    for (const auto [raw, value] : members) {
      const std::string key(raw);
      const bool named = among(named_tokens, key);
      // 'image_token' and the like are tokens too, but 'add_bos_token' is a switch.
      if (named || (key.ends_with("_token") && (value.is_string() || member(value, "content"))))
        if (auto ok = name(key, {key}, value); !ok) return ok;
    }
    std::optional<std::vector<declared_token>> extra, additional;
    bool extra_by_name = false;
    for (const auto& [key, tokens] :
         {std::pair{"extra_special_tokens", &extra}, std::pair{"additional_special_tokens", &additional}}) {
      const auto given = member(file->root(), key);
      if (dom::element any; !map && !file->root()[key].get(any) && !any.is_object()) out_.extra_in_config = true;
      if (!given) continue;
      dom::array list;
      dom::object by_name;
      if (!given->get(by_name)) {
        extra_by_name = extra_by_name || tokens == &extra;
        for (const auto [inner, value] : by_name)
          if (auto ok = name(std::string(inner), {key, std::string(inner)}, value); !ok) return ok;
      } else if (!given->get(list)) {
        std::size_t index = 0;
        tokens->emplace();
        for (const auto value : list) {
          auto token = token_at(file, {key, index++}, value, map);
          if (!token) return tl::unexpected(token.error());
          (*tokens)->push_back(std::move(*token));
        }
      } else {
        return file->problem({key}, "must be a list of tokens, or an object: names to tokens");
      }
    }
    merge_lists(std::move(extra), std::move(additional), extra_by_name, map);
    return {};
  }

  // 'additional_special_tokens' is the old name of 'extra_special_tokens', and counts where that is not a list. In
  // tokenizer_config.json it also stands for an empty one, and is then the list that special_tokens_map.json meets.
  using token_list = std::optional<std::vector<declared_token>>;
  void merge_lists(token_list extra, token_list additional, bool extra_by_name, bool map) {
    if (!map && additional && !extra_by_name && (!extra || extra->empty())) extra = std::exchange(additional, {});
    if (map && extra_by_name) extra_list_.reset();
    if (extra && !extra_list_) extra_list_.emplace();
    if (extra) extra_list_->insert(extra_list_->end(), extra->begin(), extra->end());
    if (additional) additional_list_ = std::move(additional);
    extra_ = extra_list_ ? *extra_list_ : additional_list_.value_or(std::vector<declared_token>{});
  }

  const declared_token* named(std::string_view key) const {
    for (const auto& [name, token] : named_)
      if (name == key) return &token;
    return nullptr;
  }

  // Some classes make objects of texts; where that is the mask, it also takes the blanks before it.
  void give_flags_of_class(const std::string& key, declared_token& token) const {
    const bool mask = key == "mask_token";
    if (!token.plain || (out_.kind != family::mpnet && !(out_.kind == family::camembert && mask))) return;
    token.plain = false;
    token.lstrip = mask;
    token.special = out_.kind == family::camembert;
    token.normalized = !token.special;
  }

  result<void> add_collected() {
    const auto of_class = tokens_of(out_.kind);
    const bool implies = out_.kind != family::bert || out_.flags_told || !has_tokenizer_json_;
    std::string* const texts[] = {&out_.bos, &out_.eos, &out_.unknown, &out_.sep, &out_.pad, &out_.cls, &out_.mask};
    for (std::size_t i = 0; i < named_tokens.size(); ++i) {
      const std::string key = named_tokens[i];
      declared_token token;
      if (const auto* given = named(key)) {
        token = *given;
      } else if (*of_class[i] == '\0' || unnamed_.contains(key)) {
        if (out_.kind != family::bert) texts[i]->clear();
        continue;
      } else {
        token.content = of_class[i];
        token.implied = token.plain = true;
      }
      *texts[i] = token.content;
      if (token.implied && !implies) continue;
      give_flags_of_class(key, token);
      if (auto ok = add_named(std::move(token)); !ok) return ok;
    }
    for (auto& [key, token] : named_)
      if (!among(named_tokens, key))
        if (auto ok = add_named(token); !ok) return ok;
    if (out_.kind == family::camembert && !out_.extra_in_config && extra_.empty() && has_tokenizer_json_)
      for (const char* content : {"<s>NOTUSED", "</s>NOTUSED", "<unk>NOTUSED"}) {
        declared_token token;
        token.content = content;
        token.implied = token.plain = true;
        if (auto ok = add_named(std::move(token)); !ok) return ok;
      }
    for (auto& token : extra_) {
      token.extra = true;
      if (auto ok = add_named(std::move(token)); !ok) return ok;
    }
    // Whoever names a token makes it special.
    std::set<std::string> special;
    for (const auto& [key, token] : named_) special.insert(token.content);
    for (const auto* text : texts) special.insert(*text);
    for (auto& token : out_.tokens)
      if (special.contains(token.content)) make_special(token);
    return {};
  }

  void note(const std::string& text) { out_.notes += (out_.notes.empty() ? "" : "; ") + text; }

  fs::path folder_;
  bool has_tokenizer_json_;
  json_file config_, model_;
  std::vector<std::pair<std::string, declared_token>> named_;  // by key, in the order of the files
  std::set<std::string> unnamed_;                              // keys that are null: no default either
  token_list extra_list_, additional_list_;                    // as the files read so far leave them
  std::vector<declared_token> extra_;                          // the list that counts
  std::set<std::string> contents_;
  tokenizer_settings out_;
};

}  // namespace

void read_token_flags(dom::element value, bool special, declared_token& token) {
  token.special = flag_of(value, "special", special);
  token.normalized_told = member(value, "normalized").has_value();
  token.normalized = flag_of(value, "normalized", !token.special);
  token.single_word = flag_of(value, "single_word", false);
  token.lstrip = flag_of(value, "lstrip", false);
  token.rstrip = flag_of(value, "rstrip", false);
}

result<std::vector<declared_token>> added_tokens_of(const std::shared_ptr<const model_json>& json) {
  std::vector<declared_token> out;
  const auto list = json ? member(json->root(), "added_tokens") : std::nullopt;
  dom::array all;
  if (!list) return out;
  if (list->get(all)) return json->problem({"added_tokens"}, "must be a list");
  if (all.size() > tokens_max) return json->problem({"added_tokens"}, "holds more than 100000 tokens");
  for (std::size_t i = 0; const auto one : all) {
    declared_token token;
    token.file = json;
    token.at = {"added_tokens", i++};
    std::uint64_t id = 0;
    if (one["id"].get(id) || id > INT32_MAX) return json->problem(inside(token.at, {"id"}), "must be an id below 2^31");
    token.id = static_cast<std::int64_t>(id);
    token.content = text_of(one, "content");
    read_token_flags(one, false, token);
    out.push_back(std::move(token));
  }
  return out;
}

bool has_types(const tokenizer_settings& settings) noexcept {
  if (settings.typed) return *settings.typed;
  // model_input_names of the classes.
  switch (settings.kind) {
    case tokenizer_family::bert:
    case tokenizer_family::deberta:
    case tokenizer_family::deberta_v2: return true;
    default: return false;
  }
}

result<tokenizer_settings> read_tokenizer_settings(const fs::path& folder, bool has_tokenizer_json,
                                                   tokenizer_family guess) {
  return settings_reader(folder, has_tokenizer_json, guess).read();
}

}  // namespace troupe::inference
