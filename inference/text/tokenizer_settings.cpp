#include "inference/text/tokenizer_settings.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <map>
#include <set>

#include "inference/files/files.hpp"

namespace troupe::inference {
namespace {

namespace fs = std::filesystem;
namespace dom = simdjson::dom;
using json_file = std::shared_ptr<const model_json>;
constexpr std::uint64_t file_bytes_max = 16U << 20U;
constexpr std::size_t tokens_max = 100'000;

// Where the library's classes are BertTokenizer under another name ("Fast" at the end left out).
constexpr std::array bert_classes{"BertTokenizer",       "DistilBertTokenizer",  "ElectraTokenizer",
                                  "MobileBertTokenizer", "SqueezeBertTokenizer", "LxmertTokenizer",
                                  "LayoutLMTokenizer"};
constexpr std::array as_written_classes{"PreTrainedTokenizer", "TokenizersBackend", "PythonBackend"};
// Classes that read a WordPiece vocabulary in their own way, tokenizer.json or not.
constexpr std::array other_classes{"BertJapaneseTokenizer",
                                   "ConvBertTokenizer",
                                   "CpmAntTokenizer",
                                   "DPRContextEncoderTokenizer",
                                   "DPRQuestionEncoderTokenizer",
                                   "DPRReaderTokenizer",
                                   "FunnelTokenizer",
                                   "LayoutLMv2Tokenizer",
                                   "MPNetTokenizer",
                                   "ProphetNetTokenizer",
                                   "RoCBertTokenizer",
                                   "RoFormerTokenizer",
                                   "SplinterTokenizer",
                                   "TapasTokenizer"};
constexpr const char* class_advice =
    "BertTokenizer and its equals (DistilBert, Electra, MobileBert, SqueezeBert, Lxmert, LayoutLM), or "
    "PreTrainedTokenizerFast with a tokenizer.json that says all";

template <class All>
bool among(const All& all, std::string_view name) {
  return std::find(all.begin(), all.end(), name) != all.end();
}

constexpr std::array named_tokens{"bos_token", "eos_token", "unk_token", "sep_token",
                                  "pad_token", "cls_token", "mask_token"};
constexpr std::array implied_tokens{std::pair{"unk_token", "[UNK]"}, std::pair{"sep_token", "[SEP]"},
                                    std::pair{"pad_token", "[PAD]"}, std::pair{"cls_token", "[CLS]"},
                                    std::pair{"mask_token", "[MASK]"}};

class settings_reader {
 public:
  settings_reader(const fs::path& folder, bool has_tokenizer_json)
      : folder_(folder), has_tokenizer_json_(has_tokenizer_json) {}

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
    for (const auto& file : {config_, model_})
      if (const auto given = in(file, "tokenizer_class")) {
        std::string_view name;
        if (given->get(name)) return file->problem({"tokenizer_class"}, "must be a string");
        out_.flags_told = true;
        return read_named_class(file, std::string(name));
      }
    out_.flags_told = config_ != nullptr;
    for (const char* key :
         {"word_tokenizer_type", "subword_tokenizer_type", "mecab_kwargs", "sudachi_kwargs", "jumanpp_kwargs"})
      if (in(config_, key))
        return config_->problem({key}, "belongs to a Japanese tokenizer, which is not supported", class_advice);
    return {};
  }

  result<void> read_named_class(const json_file& file, const std::string& full) {
    const auto name = full.ends_with("Fast") ? full.substr(0, full.size() - 4) : full;
    const auto shown = '\'' + full.substr(0, 100) + '\'';
    if (among(bert_classes, name)) return {};
    out_.kind = tokenizer_settings::family::as_written;
    const bool generic = among(as_written_classes, name);
    if (generic && !has_tokenizer_json_)
      return file->problem({"tokenizer_class"},
                           "is " + shown +
                               ", which needs a tokenizer.json: vocab.txt alone does not say "
                               "how a text is split",
                           class_advice);
    if (!has_tokenizer_json_ || among(other_classes, name)) {
      std::string how;
      for (const char* key : {"word_tokenizer_type", "subword_tokenizer_type"})
        if (const auto type = config_ ? text_of(config_->root(), key) : std::string{}; !type.empty())
          how += (how.empty() ? " (" : ", ") + std::string(key) + ' ' + type.substr(0, 40);
      if (!how.empty()) how += ')';
      return file->problem({"tokenizer_class"},
                           "is " + shown + how + ", which splits texts in its own way and is not supported",
                           class_advice);
    }
    if (!generic) note("the tokenizer class " + shown + " is not known here: tokenizer.json is taken as it stands");
    return {};
  }

  // ---- flags of BertTokenizer ----

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
    if (out_.kind != tokenizer_settings::family::bert) return {};
    if (auto ok = read_flag("do_lower_case", out_.lower_case, &out_.lower_case_named); !ok) return ok;
    if (auto ok = read_flag("tokenize_chinese_chars", out_.chinese_chars, &out_.chinese_chars_named); !ok) return ok;
    bool strip = false;
    if (auto ok = read_flag("strip_accents", strip, &out_.strip_accents_named); !ok) return ok;
    if (out_.strip_accents_named) out_.strip_accents = strip;
    // A fast tokenizer has no other way to split; one that is made from a lone vocab.txt differs by version.
    bool basic = true;
    if (auto ok = read_flag("do_basic_tokenize", basic); !ok) return ok;
    if (!basic && !has_tokenizer_json_)
      return config_->problem({"do_basic_tokenize"}, "is false, which is not supported with a lone vocab.txt", "true");
    return {};
  }

  // ---- lengths ----

  // 0: no limit. Libraries write 1e30, as an integer or not, where there is none.
  static result<std::uint32_t> limit_in(const model_json& file, const char* key, dom::element value) {
    const auto wrong = [&] { return file.problem({key}, "must be a whole number from 1"); };
    std::int64_t number = 0;
    double real = 0;
    if (!value.get(number))
      real = static_cast<double>(number);
    else if (value.get(real) || file.written({key}) == "NaN")
      return wrong();
    if (real > UINT32_MAX) return 0U;
    if (!(real >= 1) || real != std::floor(real)) return wrong();
    return static_cast<std::uint32_t>(real);
  }

  result<void> read_length() {
    if (config_) {
      // 'max_len' is the old name, and counts only where the new one does not stand, not even as null.
      dom::element ignored;
      const char* key = config_->root()["model_max_length"].get(ignored) ? "max_len" : "model_max_length";
      if (const auto given = in(config_, key)) {
        const auto limit = limit_in(*config_, key, *given);
        if (!limit) return tl::unexpected(limit.error());
        out_.length_max = *limit;
      }
      if (const auto side = in(config_, "truncation_side")) {
        std::string_view text;
        if (side->get(text) || (text != "left" && text != "right"))
          return config_->problem({"truncation_side"}, "must be 'left' or 'right'");
        out_.cut_left = text == "left";
      }
    }
    const auto sentence = open("sentence_bert_config.json");
    if (!sentence) return tl::unexpected(sentence.error());
    if (const auto given = in(*sentence, "max_seq_length")) {
      const auto limit = limit_in(**sentence, "max_seq_length", *given);
      if (!limit) return tl::unexpected(limit.error());
      out_.length_max = *limit;
    }
    return {};
  }

  // ---- tokens that are found in the text as they stand ----

  // A text, or an object with its content and flags. `special`: what it is where the object does not say.
  static result<declared_token> token_at(const json_file& file, json_path at, dom::element value, bool special) {
    declared_token token;
    token.file = file;
    token.at = std::move(at);
    std::string_view text;
    if (!value.get(text)) {
      token.content = text;
      return token;
    }
    const auto content = member(value, "content");
    if (!content || content->get(text))
      return file->problem(token.at, "must be a token: a text, or an object with its 'content'");
    token.content = text;
    token.special = flag_of(value, "special", special);
    token.normalized = flag_of(value, "normalized", !token.special);
    token.single_word = flag_of(value, "single_word", false);
    token.lstrip = flag_of(value, "lstrip", false);
    token.rstrip = flag_of(value, "rstrip", false);
    return token;
  }

  bool has(std::string_view content) const { return contents_.contains(std::string(content)); }
  result<void> add(declared_token token) {
    if (token.content.empty() || !contents_.insert(token.content).second) return {};
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
    for (const auto& [key, token] : named_) special.insert(token.content);
    for (const auto& token : extra_) special.insert(token.content);
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
      token->special = true;
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

  result<void> add_collected() {
    for (const auto& [key, content] :
         {std::pair{"unk_token", &out_.unknown}, std::pair{"cls_token", &out_.cls}, std::pair{"sep_token", &out_.sep}})
      if (const auto* token = named(key)) *content = token->content;
    const bool implies = out_.kind == tokenizer_settings::family::bert && (out_.flags_told || !has_tokenizer_json_);
    for (const std::string key : named_tokens) {
      if (const auto* token = named(key)) {
        if (auto ok = add(*token); !ok) return ok;
        continue;
      }
      const auto* implied =
          std::find_if(implied_tokens.begin(), implied_tokens.end(), [&](const auto& i) { return key == i.first; });
      if (!implies || implied == implied_tokens.end() || unnamed_.contains(key)) continue;
      declared_token token;
      token.content = implied->second;
      token.implied = true;
      if (auto ok = add(std::move(token)); !ok) return ok;
    }
    for (auto& [key, token] : named_)
      if (auto ok = add(std::move(token)); !ok) return ok;
    for (auto& token : extra_)
      if (auto ok = add(std::move(token)); !ok) return ok;
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

result<tokenizer_settings> read_tokenizer_settings(const fs::path& folder, bool has_tokenizer_json) {
  return settings_reader(folder, has_tokenizer_json).read();
}

}  // namespace troupe::inference
