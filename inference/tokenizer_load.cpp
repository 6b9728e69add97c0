// Reads tokenizer.json, or vocab.txt with tokenizer_config.json, into a tokenizer.

#include <algorithm>
#include <optional>

#include "inference/files.hpp"
#include "inference/step_aside.hpp"
#include "inference/tokenizer.hpp"
#include "inference/unicode.hpp"

namespace troupe::inference {
namespace {

namespace fs = std::filesystem;
namespace dom = simdjson::dom;
constexpr std::uint64_t tokenizer_bytes_max = 64U << 20U, config_bytes_max = 1U << 20U;
constexpr std::size_t added_tokens_max = 100'000;

tl::unexpected<error> unsupported(const fs::path& file, const std::string& component,
                                  const std::string& supported) {
  return fail(error_code::unprocessable, file.string() + ": " + component + " is not supported",
              supported.empty() ? std::string{} : "supported: " + supported);
}
tl::unexpected<error> malformed(const fs::path& file, const std::string& what) {
  return fail(error_code::unprocessable, file.string() + ": " + what);
}

std::string text_of(dom::element parent, std::string_view key, std::string otherwise = {}) {
  std::string_view text;
  return parent[key].get(text) ? otherwise : std::string(text);
}
bool flag_of(dom::element parent, std::string_view key, bool otherwise) {
  bool value = otherwise;
  return parent[key].get(value) ? otherwise : value;
}
bool is_null(dom::element parent, std::string_view key) {
  dom::element value;
  return parent[key].get(value) || value.is_null();
}

}  // namespace

class tokenizer_builder {
 public:
  result<std::shared_ptr<const tokenizer>> from_folder(const fs::path& folder) {
    made_ = std::shared_ptr<tokenizer>(new tokenizer);
    json_document config;
    config_file_ = folder / "tokenizer_config.json";
    const bool has_config = file_exists(config_file_);
    if (has_config)
      if (auto ok = read_json_object(config_file_, config_bytes_max, config); !ok)
        return tl::unexpected(ok.error());

    file_ = folder / "tokenizer.json";
    if (file_exists(file_)) {
      if (auto ok = from_json(); !ok) return tl::unexpected(ok.error());
    } else if (file_exists(folder / "vocab.txt")) {
      file_ = folder / "vocab.txt";
      if (auto ok = from_vocabulary(has_config ? &config : nullptr); !ok)
        return tl::unexpected(ok.error());
    } else {
      return fail(error_code::load_failed,
                  folder.string() + " has neither tokenizer.json nor vocab.txt");
    }
    if (has_config) {
      std::uint64_t length = 0;  // absent, or 1e30 (a double): no limit
      if (!config.root["model_max_length"].get(length) && length > 0 && length <= UINT32_MAX)
        made_->length_max_ = static_cast<std::uint32_t>(length);
      made_->cut_left_ = text_of(config.root, "truncation_side", "right") == "left";
    }
    if (made_->special_count() > 64)
      return malformed(file_, "its post-processor adds more than 64 tokens");
    return std::shared_ptr<const tokenizer>(std::move(made_));
  }

 private:
  result<void> from_json() {
    json_document document;
    if (auto ok = read_json_object(file_, tokenizer_bytes_max, document); !ok) return ok;
    const auto root = document.root;
    if (auto ok = model(root); !ok) return ok;
    if (!is_null(root, "normalizer"))
      if (auto ok = normalizer(root["normalizer"].value_unsafe(), 0); !ok) return ok;
    if (!is_null(root, "pre_tokenizer"))
      if (auto ok = pre_tokenizer(root["pre_tokenizer"].value_unsafe(), 0); !ok) return ok;
    if (!is_null(root, "post_processor"))
      if (auto ok = post_processor(root["post_processor"].value_unsafe()); !ok) return ok;
    return added_tokens(root);
  }

  result<void> model(dom::element root) {
    dom::element m;
    if (root["model"].get(m) || !m.is_object()) return malformed(file_, "'model' must be an object");
    dom::object vocabulary;
    auto type = text_of(m, "type");
    if (type.empty() && !m["max_input_chars_per_word"].error())
      type = "WordPiece";  // older files leave it out
    if (type != "WordPiece")
      return unsupported(file_, "the model type '" + (type.empty() ? "?" : type) + "'", "WordPiece");
    if (m["vocab"].get(vocabulary)) return malformed(file_, "'model.vocab' must be an object");
    wordpiece::options o;
    o.unknown_token = text_of(m, "unk_token", "[UNK]");
    o.continuing_prefix = text_of(m, "continuing_subword_prefix", "##");
    std::uint64_t characters_max = 100;
    if (!m["max_input_chars_per_word"].get(characters_max))
      o.word_characters_max =
          static_cast<std::uint32_t>(std::min<std::uint64_t>(characters_max, 1U << 20U));
    made_->model_ = wordpiece(std::move(o), vocabulary.size() * 8);
    for (std::size_t read = 0; const auto [token, value] : vocabulary) {
      if (++read % 1024 == 0) step_aside();
      std::uint64_t id = 0;
      if (value.get(id) || id > INT32_MAX)
        return malformed(file_, "'model.vocab' must map tokens to ids below 2^31");
      made_->model_.add(token, static_cast<std::int32_t>(id));
    }
    return finish_model();
  }

  result<void> finish_model() {
    if (!made_->model_.finish())
      return malformed(file_, "the unknown token '" + made_->model_.settings().unknown_token +
                                  "' is not in the vocabulary");
    made_->largest_id_ = made_->model_.largest_id();
    return {};
  }

  void bert_normalizer(bool clean, bool chinese, bool strip, bool lower) {
    using step = tokenizer::step;
    auto& steps = made_->steps_;
    if (clean) steps.push_back(step::clean);
    if (chinese) steps.push_back(step::space_chinese);
    if (strip) steps.insert(steps.end(), {step::decompose, step::strip_nonspacing});
    if (lower) steps.push_back(step::lower);
  }

  result<void> normalizer(dom::element n, int depth) {
    using step = tokenizer::step;
    const auto type = text_of(n, "type");
    if (type == "BertNormalizer") {
      const bool lower = flag_of(n, "lowercase", true);
      bert_normalizer(flag_of(n, "clean_text", true), flag_of(n, "handle_chinese_chars", true),
                      flag_of(n, "strip_accents", lower), lower);
    } else if (type == "Lowercase") {
      made_->steps_.push_back(step::lower);
    } else if (type == "NFD") {
      made_->steps_.push_back(step::decompose);
    } else if (type == "StripAccents") {
      made_->steps_.push_back(step::strip_marks);
    } else if (type == "Sequence") {
      dom::array all;
      if (depth > 4 || n["normalizers"].get(all))
        return malformed(file_, "'normalizers' must be a list");
      for (const auto one : all)
        if (auto ok = normalizer(one, depth + 1); !ok) return ok;
      if (made_->steps_.size() > 32) return malformed(file_, "more than 32 normalizers");
    } else {
      return unsupported(file_, "the normalizer '" + type + "'",
                         "BertNormalizer, Lowercase, NFD, StripAccents, Sequence");
    }
    return {};
  }

  result<void> pre_tokenizer(dom::element p, int depth) {
    using splitter = tokenizer::splitter;
    const auto type = text_of(p, "type");
    if (type == "BertPreTokenizer") {
      made_->splitters_.push_back(splitter::bert);
    } else if (type == "WhitespaceSplit") {
      made_->splitters_.push_back(splitter::whitespace);
    } else if (type == "Whitespace") {
      made_->splitters_.push_back(splitter::word);
    } else if (type == "Sequence") {
      dom::array all;
      if (depth > 4 || p["pretokenizers"].get(all))
        return malformed(file_, "'pretokenizers' must be a list");
      for (const auto one : all)
        if (auto ok = pre_tokenizer(one, depth + 1); !ok) return ok;
      if (made_->splitters_.size() > 32) return malformed(file_, "more than 32 pre-tokenizers");
    } else {
      return unsupported(file_, "the pre-tokenizer '" + type + "'",
                         "BertPreTokenizer, Whitespace, WhitespaceSplit, Sequence");
    }
    return {};
  }

  result<void> post_processor(dom::element p) {
    const auto type = text_of(p, "type");
    if (type == "TemplateProcessing") return template_processing(p);
    if (type != "BertProcessing")
      return unsupported(file_, "the post-processor '" + type + "'",
                         "TemplateProcessing, BertProcessing");
    for (const auto& [key, out] :
         {std::pair{"cls", &made_->prefix_}, std::pair{"sep", &made_->suffix_}}) {
      std::uint64_t id = 0;
      dom::array pair;
      if (p[key].get(pair) || pair.size() != 2 || pair.at(1).get(id) || id > INT32_MAX)
        return malformed(file_, std::string("'post_processor.") + key + "' must be [token, id]");
      add_special(*out, id);
    }
    return {};
  }

  void add_special(std::vector<std::int32_t>& out, std::uint64_t id) {
    out.push_back(static_cast<std::int32_t>(id));
    made_->largest_id_ = std::max(made_->largest_id_, out.back());
  }

  result<void> template_processing(dom::element p) {
    dom::array single;
    if (p["single"].get(single)) return malformed(file_, "'post_processor.single' must be a list");
    bool seen = false;
    for (const auto piece : single) {
      std::uint64_t type_id = 0;
      dom::element part;
      const bool sequence = !piece["Sequence"].get(part);
      if (!sequence && piece["SpecialToken"].get(part))
        return malformed(file_, "'post_processor.single' holds neither Sequence nor SpecialToken");
      if (!part["type_id"].get(type_id) && type_id != 0)
        return unsupported(file_, "a post-processor with a type_id other than 0 for one text", {});
      if (sequence) {
        if (seen || text_of(part, "id") != "A")
          return malformed(file_, "'post_processor.single' must hold $A once");
        seen = true;
        continue;
      }
      dom::array ids;
      dom::object tokens;
      const auto name = text_of(part, "id");
      if (p["special_tokens"].get(tokens) || tokens.at_key(name)["ids"].get(ids))
        return malformed(file_, "'post_processor.special_tokens' lacks '" + name + "'");
      for (const auto value : ids) {
        std::uint64_t id = 0;
        if (value.get(id) || id > INT32_MAX)
          return malformed(file_, "'post_processor.special_tokens' must hold ids");
        add_special(seen ? made_->suffix_ : made_->prefix_, id);
      }
    }
    if (!seen) return malformed(file_, "'post_processor.single' must hold $A once");
    return {};
  }

  result<void> added_tokens(dom::element root) {
    dom::array all;
    if (is_null(root, "added_tokens")) return {};
    if (root["added_tokens"].get(all)) return malformed(file_, "'added_tokens' must be a list");
    if (all.size() > added_tokens_max) return malformed(file_, "more than 100000 added tokens");
    for (const auto one : all) {
      std::uint64_t id = 0;
      const auto content = text_of(one, "content");
      if (one["id"].get(id) || id > INT32_MAX)
        return malformed(file_, "'added_tokens' must hold ids below 2^31");
      add_token(content, static_cast<std::int32_t>(id),
                flag_of(one, "normalized", !flag_of(one, "special", false)),
                flag_of(one, "single_word", false), flag_of(one, "lstrip", false),
                flag_of(one, "rstrip", false));
    }
    return {};
  }

  void add_token(const std::string& content, std::int32_t id, bool normalized, bool single_word,
                 bool lstrip, bool rstrip) {
    auto text = decode_utf8(content);
    if (!text || text->empty()) return;
    if (normalized) *text = made_->normalize(*text);
    if (text->empty()) return;
    if (const auto known = made_->model_.id_of(content)) id = *known;  // as the reference does
    made_->largest_id_ = std::max(made_->largest_id_, id);
    (normalized ? made_->normalized_ : made_->raw_)
        .add({std::move(*text), id, single_word, lstrip, rstrip});
  }

  // The old layout of BERT checkpoints: one token a line, its number is its id.
  result<void> from_vocabulary(const json_document* config) {
    auto text = read_small_file(file_, tokenizer_bytes_max);
    if (!text) return tl::unexpected(text.error());
    const dom::element* c = config ? &config->root : nullptr;
    const auto option = [&](std::string_view key, bool otherwise) {
      return c ? flag_of(*c, key, otherwise) : otherwise;
    };
    // A special token is a text, or an object with its content.
    const auto token = [&](std::string_view key, const char* otherwise) {
      dom::element value;
      if (c == nullptr || (*c)[key].get(value)) return std::string(otherwise);
      return value.is_string() ? text_of(*c, key) : text_of(value, "content", otherwise);
    };
    wordpiece::options o;
    o.unknown_token = token("unk_token", "[UNK]");
    made_->model_ = wordpiece(std::move(o), text->size());
    std::string_view rest = *text;
    for (std::int32_t id = 0; !rest.empty(); ++id) {
      if (id % 1024 == 1023) step_aside();
      const auto end = rest.find('\n');
      auto line = rest.substr(0, end);
      rest = end == rest.npos ? std::string_view{} : rest.substr(end + 1);
      while (!line.empty() && (line.back() == '\r' || line.back() == ' ')) line.remove_suffix(1);
      made_->model_.add(line, id);
    }
    if (auto ok = finish_model(); !ok) return ok;
    const bool lower = option("do_lower_case", true);
    bert_normalizer(true, option("tokenize_chinese_chars", true), option("strip_accents", lower),
                    lower);
    made_->splitters_.push_back(tokenizer::splitter::bert);
    const auto cls = token("cls_token", "[CLS]"), sep = token("sep_token", "[SEP]");
    for (const auto& name : {cls, sep, token("unk_token", "[UNK]"), token("pad_token", "[PAD]"),
                             token("mask_token", "[MASK]")}) {
      const auto id = made_->model_.id_of(name);
      if (!id) {
        if (name == cls || name == sep)
          return malformed(file_, "the token '" + name + "' is not in it");
        continue;
      }
      add_token(name, *id, false, false, false, false);
    }
    made_->prefix_ = {*made_->model_.id_of(cls)};
    made_->suffix_ = {*made_->model_.id_of(sep)};
    return {};
  }

  fs::path file_, config_file_;
  std::shared_ptr<tokenizer> made_;
};

result<std::shared_ptr<const tokenizer>> tokenizer::load(const std::filesystem::path& folder) {
  return tokenizer_builder{}.from_folder(folder);
}

}  // namespace troupe::inference
