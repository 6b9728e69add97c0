#include "inference/text/library_vocabulary.hpp"

#include <algorithm>
#include <bit>
#include <charconv>
#include <unordered_map>
#include <utility>

#include "config/json_fault.hpp"
#include "inference/files/files.hpp"
#include "inference/model/step_aside.hpp"
#include "inference/text/library_checks.hpp"

namespace troupe::inference {
namespace {

namespace fs = std::filesystem;
namespace dom = simdjson::dom;
using family = tokenizer_family;
constexpr std::uint64_t tokenizer_bytes_max = 64U << 20U;
constexpr std::size_t added_tokens_max = 100'000, words_max = 1'000'000, merges_max = 1'000'000;

std::string in_quotes(std::string_view text) { return '\'' + std::string(text.substr(0, 100)) + '\''; }

class vocabulary_reader {
 public:
  vocabulary_reader(const fs::path& folder, const std::shared_ptr<const model_json>& json,
                    const tokenizer_settings& settings)
      : folder_(folder), json_(json), settings_(settings) {}

  result<library_vocabulary> read() {
    if (auto ok = read_all(); !ok) return tl::unexpected(ok.error());
    return std::move(out_);
  }

 private:
  bool byte_level() const { return is_byte_level(settings_.kind); }
  bool as_written() const { return settings_.kind == family::as_written; }
  tl::unexpected<error> refuse(const std::string& what) const {
    return fail(error_code::unprocessable, folder_.string() + ": " + what);
  }

  result<void> read_all() {
    if (!json_) return byte_level() ? from_vocabulary_and_merges() : from_sentencepiece();
    const auto model = member(json_->root(), "model");
    if (!model || !model->is_object()) return json_->problem({"model"}, "must be an object");
    out_.model_type = text_of(*model, "type");
    // Old files leave it out, of BPE.
    if (out_.model_type.empty() && member(*model, "merges")) out_.model_type = "BPE";
    const std::string wanted = byte_level() ? "BPE" : as_written() ? out_.model_type : "Unigram";
    if (out_.model_type != wanted || (out_.model_type != "BPE" && out_.model_type != "Unigram" &&
                                      out_.model_type != "WordPiece" && out_.model_type != "WordLevel"))
      return json_->problem({"model"},
                            "is of type " + in_quotes(out_.model_type.empty() ? "?" : out_.model_type) + ", which " +
                                (as_written() ? "is" : "its tokenizer class says it is") + " not",
                            as_written() ? "BPE, Unigram, WordPiece or WordLevel" : wanted);
    if (auto ok = out_.model_type == "Unigram" ? unigram_of(*model) : ids_of(*model); !ok) return ok;
    return out_.model_type == "BPE" ? merges_of(*model) : result<void>{};
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
      out_.largest_id = std::max(out_.largest_id, static_cast<std::int32_t>(id));
    }
    if (!as_written()) out_.words = json_->written({"model", "vocab"});
    out_.kind = out_.model_type == "BPE" ? vocabulary_kind::bpe : vocabulary_kind::other;
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
    if (!as_written()) out_.merges = json_->written({"model", "merges"});
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
      out_.words.clear();
      return {};
    }
    return charsmap_of_json();
  }

  // transformers copies a tokenizer that it makes of a model's pieces alone through JSON, where the scores are the
  // shortest digits, and the library reads them as it reads them (docs/decisions.md).
  static std::string score_text(double score, bool through_json) {
    if (!through_json) return std::to_string(std::bit_cast<std::uint64_t>(score));
    char digits[32];
    return {digits, std::to_chars(digits, digits + sizeof digits, score).ptr};
  }

  // Into the list of words and scores: their bits, or digits.
  result<void> add_word(std::string_view word, double score) {
    const std::int64_t id = ++out_.largest_id;
    out_.kind = vocabulary_kind::unigram;
    if (!as_written() || out_.proto) {
      out_.words += (id == 0 ? "[[" : ",[") + json_quoted(word) + ',';
      out_.words += score_text(score, as_written()) + ']';
    }
    return see_word(word, score, id);
  }

  // What the classes look for in a Unigram vocabulary: the first of a name, and the first of a name and score 0.
  result<void> see_word(std::string_view word, double score, std::int64_t id) {
    if (word == settings_.unknown) {
      if (!out_.unknown_at) out_.unknown_at = id;
      if (!out_.unknown_without_score_at && score == 0) out_.unknown_without_score_at = id;
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
      out_.charsmap = json_->written(inside(at, {"precompiled_charsmap"}));
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
    auto& out = out_.words = "{";
    for (const auto [token, value] : words) {
      if (++count > words_max) return read->problem({}, "holds more than 1000000 tokens");
      if (count % 1024 == 0) step_aside();
      std::uint64_t id = 0;
      if (value.get(id) || id > INT32_MAX) return read->problem({token}, "must be an id below 2^31");
      out_.largest_id = std::max(out_.largest_id, static_cast<std::int32_t>(id));
      out += (count == 1 ? "" : ",") + json_quoted(token) + ':' + std::to_string(id);
    }
    out += '}';
    out_.kind = vocabulary_kind::bpe;
    return read_merges(merges_file);
  }

  result<void> read_merges(const fs::path& file) {
    const auto text = read_small_file(file, tokenizer_bytes_max);
    if (!text) return tl::unexpected(text.error());
    if (const auto bad = config::find_bad_utf8(*text); bad != std::string::npos)
      return fail(error_code::unprocessable,
                  config::place_in(*text, file.string(), bad) + ": a byte that is not UTF-8");
    auto& out = out_.merges = "[";
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
    out_.proto = std::move(*read);
    using type = sentencepiece_model::piece_type;
    for (const auto& piece : out_.proto->pieces)
      if (piece.type == type::control || piece.type == type::user_defined)
        out_.control.push_back({piece.text, false, false, false, false, piece.type == type::control});
    if (out_.control.size() > added_tokens_max) return refuse("its model holds more than 100000 added tokens");
    if (!out_.proto->precompiled_charsmap.empty()) {
      out_.charsmap = '"' + encode_base64(out_.proto->precompiled_charsmap) + '"';
      auto checked = model_json::parse(R"({"precompiled_charsmap":)" + out_.charsmap + '}', file.string());
      if (!checked) return tl::unexpected(checked.error());
      if (auto ok = library_checks(*checked).charsmap(checked->root(), {}); !ok) return ok;
    }
    out_.unk_id = out_.proto->unk_id;
    if (as_written() && out_.proto->model != sentencepiece_model::algorithm::unigram) return bpe_of_pieces();
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
    for (std::size_t i = skipped; i < out_.proto->pieces.size(); ++i)
      if (auto ok = add_word(out_.proto->pieces[i].text, static_cast<double>(out_.proto->pieces[i].score)); !ok)
        return ok;
    if (before.empty()) return {};
    return add_word(settings_.mask, 0);
  }

  // Every way to make a piece of two others is a merge, in the order of the pieces: generate_merges().
  result<void> bpe_of_pieces() {
    out_.kind = vocabulary_kind::bpe;
    std::unordered_map<std::string_view, std::int32_t> ids;
    auto& out = out_.words = "{";
    for (std::int32_t id = 0; const auto& piece : out_.proto->pieces) ids[piece.text] = id++;
    std::vector<std::pair<std::int32_t, std::string_view>> by_id;
    by_id.reserve(ids.size());
    for (const auto& [text, id] : ids) by_id.emplace_back(id, text);
    std::sort(by_id.begin(), by_id.end());
    auto& merges = out_.merges = "[";
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
    out_.largest_id = static_cast<std::int32_t>(out_.proto->pieces.size()) - 1;
    return {};
  }

  const fs::path& folder_;
  const std::shared_ptr<const model_json>& json_;
  const tokenizer_settings& settings_;
  library_vocabulary out_;
  std::size_t long_words_bytes_ = 0;
};

}  // namespace

bool is_byte_level(tokenizer_family kind) noexcept {
  return kind == family::roberta || kind == family::gpt2 || kind == family::deberta;
}

result<library_vocabulary> read_library_vocabulary(const fs::path& folder,
                                                   const std::shared_ptr<const model_json>& json,
                                                   const tokenizer_settings& settings) {
  return vocabulary_reader(folder, json, settings).read();
}

}  // namespace troupe::inference
