#include "inference/encoders/deberta_config.hpp"

#include <algorithm>
#include <cctype>
#include <string>
#include <vector>

#include "inference/encoders/config_numbers.hpp"

namespace troupe::inference {
namespace {

result<void> read_numbers(const model_json& json, deberta_settings& c) {
  const bool v1 = c.first_version;
  auto read = number_reader(json)
                  .whole("vocab_size", c.vocab_size, v1 ? 50265 : 128100, limits::vocab_size)
                  .whole("hidden_size", c.hidden_size, v1 ? 768 : 1536, limits::hidden_size)
                  .whole("num_hidden_layers", c.layers, v1 ? 12 : 24, limits::layers)
                  .whole("num_attention_heads", c.heads, v1 ? 12 : 24, limits::heads)
                  .whole("intermediate_size", c.inner_size, v1 ? 3072 : 6144, limits::inner_size)
                  .whole("max_position_embeddings", c.positions, 512, limits::positions)
                  .whole("type_vocab_size", c.token_types, 0, 1 << 20, 0)
                  .epsilon("layer_norm_eps", c.norm_epsilon, c.norm_epsilon)
                  .done();
  if (!read) return read;
  if (c.hidden_size % c.heads != 0)
    return json.problem({"num_attention_heads"},
                        "does not fit: the hidden size must be a multiple of the number of heads");
  std::int64_t width = 0;
  read = number_reader(json)
             .whole("embedding_size", c.embedding_size, c.hidden_size, limits::hidden_size)
             .whole("pooler_hidden_size", c.pooler_size, c.hidden_size, limits::hidden_size)
             .whole("attention_head_size", width, c.hidden_size / c.heads, limits::hidden_size)
             .done();
  if (!read) return read;
  if (width * c.heads != c.hidden_size)
    return json.problem({"attention_head_size"}, "does not fit: the heads must make up the hidden size");
  return {};
}

// 'c2p|P2C' as transformers takes it apart; empty words stay.
std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> words(1);
  for (const char ch : text)
    if (ch == '|')
      words.emplace_back();
    else
      words.back().push_back(static_cast<char>(std::tolower(static_cast<unsigned char>(ch))));
  for (auto& w : words) {
    constexpr const char* blanks = " \t\n\r\f\v";
    w.erase(0, std::min(w.find_first_not_of(blanks), w.size()));
    w.erase(w.find_last_not_of(blanks) + 1);
  }
  return words;
}

// A list of words, or one text of them.
result<std::vector<std::string>> read_words(const model_json& json, const char* key) {
  const auto value = member(json.root(), key);
  if (!value) return {};
  std::string_view text;
  if (!value->get(text)) return words_of(text);
  simdjson::dom::array list;
  if (value->get(list)) return json.problem({key}, "must be a list of names, or one text");
  std::vector<std::string> words;
  for (const auto one : list) {
    if (one.get(text)) return json.problem({key, words.size()}, "must be a string");
    words.emplace_back(text);
  }
  return words;
}

tl::unexpected<error> unknown(const model_json& json, const char* key, std::string_view word,
                              const std::string& known) {
  return json.problem({key}, "names '" + std::string(word.substr(0, 60)) + "', which is not supported", known);
}

result<void> read_distances(const model_json& json, deberta_settings& c) {
  const auto kinds = read_words(json, "pos_att_type");
  if (!kinds) return tl::unexpected(kinds.error());
  bool keys = false, queries = false;
  for (const auto& kind : *kinds) {
    keys = keys || kind == "c2p";
    queries = queries || kind == "p2c";
    if (kind != "c2p" && kind != "p2c" && kind != "none" && !kind.empty())
      return unknown(json, "pos_att_type", kind, "c2p, p2c, none");
  }
  // v1 counts every word, whatever it says; both count without relative attention too.
  c.score_parts = 1 + (c.first_version ? static_cast<std::int64_t>(kinds->size()) : int{keys} + int{queries});
  if (!flag_of(json.root(), "relative_attention", false)) return {};
  c.distance_keys = keys;
  c.distance_queries = queries;
  constexpr std::int64_t low = -(std::int64_t{1} << 40);  // any: below 1 is none
  const auto farthest = whole_number(json, "max_relative_positions", -1, limits::positions, low);
  if (!farthest) return tl::unexpected(farthest.error());
  c.distance_max = *farthest < 1 ? c.positions : *farthest;
  c.span = c.distance_max;
  if (c.first_version) return {};
  c.shared_projections = flag_of(json.root(), "share_att_key", false);
  const auto buckets = whole_number(json, "position_buckets", -1, limits::positions, low);
  if (!buckets) return tl::unexpected(buckets.error());
  if (*buckets < 1) return {};
  // Else transformers divides by zero, or its buckets run backwards.
  if (*buckets < 2 || c.distance_max - 1 <= *buckets / 2)
    return json.problem({"position_buckets"},
                        "does not fit: buckets must be at least 2, and half of them fewer than "
                        "max_relative_positions - 1");
  c.buckets = c.span = *buckets;
  return {};
}

result<void> read_norm_and_conv(const model_json& json, deberta_settings& c) {
  for (const auto& word : words_of(text_of(json.root(), "norm_rel_ebd", "none"))) {
    c.norm_distances = c.norm_distances || word == "layer_norm";
    if (word != "layer_norm" && word != "none" && !word.empty())
      return unknown(json, "norm_rel_ebd", word, "none, layer_norm");
  }
  const auto size = whole_number(json, "conv_kernel_size", 0, 99, 0);
  if (!size) return tl::unexpected(size.error());
  c.conv_size = *size;
  if (c.conv_size == 0) return {};
  if (c.conv_size % 2 == 0)
    return json.problem({"conv_kernel_size"}, "must be odd: else a text has one token less after the convolution");
  const auto groups = whole_number(json, "conv_groups", 1, c.hidden_size);
  if (!groups) return tl::unexpected(groups.error());
  c.conv_groups = *groups;
  if (c.hidden_size % c.conv_groups != 0)
    return json.problem({"conv_groups"}, "does not fit: the hidden size must be a multiple of it");
  const auto act = read_head_activation(json, "conv_act", head_activation::tanh);
  if (!act) return tl::unexpected(act.error());
  c.conv_act = *act;
  return {};
}

}  // namespace

result<deberta_settings> read_deberta(const model_json& json, bool first_version) {
  deberta_settings c;
  c.first_version = first_version;
  if (auto ok = read_numbers(json, c); !ok) return tl::unexpected(ok.error());
  if (auto ok = read_distances(json, c); !ok) return tl::unexpected(ok.error());
  if (!first_version)
    if (auto ok = read_norm_and_conv(json, c); !ok) return tl::unexpected(ok.error());
  if (first_version && flag_of(json.root(), "talking_head", false))
    return json.problem({"talking_head"}, "is true, which is not supported");
  const auto act = read_activation(json, "hidden_act");
  if (!act) return tl::unexpected(act.error());
  c.act = *act;
  const auto pooler_act = read_head_activation(json, "pooler_hidden_act");
  if (!pooler_act) return tl::unexpected(pooler_act.error());
  c.pooler_act = *pooler_act;
  c.positions_in_input = flag_of(json.root(), "position_biased_input", true);
  c.old_mask_head = flag_of(json.root(), "legacy", true);
  c.tied = flag_of(json.root(), "tie_word_embeddings", true);
  return c;
}

}  // namespace troupe::inference
