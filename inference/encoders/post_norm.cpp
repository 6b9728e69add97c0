#include "inference/encoders/post_norm.hpp"

#include "inference/encoders/config_numbers.hpp"

namespace troupe::inference {

post_norm_names::layer_names bert_layer_names(std::int64_t i) {
  const auto base = "encoder.layer." + std::to_string(i) + '.';
  return {base + "attention.self.query",
          base + "attention.self.key",
          base + "attention.self.value",
          base + "attention.output.dense",
          base + "attention.output.LayerNorm",
          base + "intermediate.dense",
          base + "output.dense",
          base + "output.LayerNorm"};
}

post_norm_config::post_norm_config(post_norm_settings settings, post_norm_names names)
    : settings_(settings), names_(std::move(names)) {
  if (settings_.groups == 0) settings_.groups = settings_.layers;
}

head_recipe post_norm_config::mask_head(std::string dense, head_activation act, std::string norm, std::string out,
                                        std::string out_bias) const {
  head_recipe r;
  r.dense = std::move(dense);
  r.dense_rows = settings_.embedding_size;
  r.act = act;
  r.norm = std::move(norm);
  r.norm_epsilon = settings_.norm_epsilon;
  r.out = std::move(out);
  r.out_bias = std::move(out_bias);
  r.whole_vocabulary = true;
  r.tied = settings_.tie_word_embeddings;
  return r;
}

head_recipe post_norm_config::sequence_head(std::string dense, head_activation act, std::string out) {
  head_recipe r;
  r.of = head_recipe::input::first;
  r.dense = std::move(dense);
  r.act = act;
  r.out = std::move(out);
  return r;
}

head_recipe post_norm_config::token_head(std::string out) {
  head_recipe r;
  r.out = std::move(out);
  return r;
}

void post_norm_config::plan_body(plan_writer& out) const {
  const auto& c = settings_;
  const auto h = c.hidden_size, e = c.embedding_size;
  out.tensor("words", {c.vocab_size, e}, {names_.words + ".weight"});
  // A lone text has one token type, 0: its embedding is the same for every token, so it is added to the positions.
  if (c.typed)
    out.sum("positions", {c.position_rows, e}, names_.positions + ".weight", names_.types + ".weight");
  else
    out.tensor("positions", {c.position_rows, e}, {names_.positions + ".weight"});
  out.norm("norm", e, names_.norm);
  if (!names_.projection.empty()) out.linear("projection", h, e, {names_.projection});
  if (c.relative_buckets != 0)
    out.tensor("relative", {c.relative_buckets, c.heads}, {names_.relative + ".weight"}, true);
  for (std::int64_t i = 0; i < c.groups; ++i) {
    const auto n = names_.layer(i);
    const auto name = "layer." + std::to_string(i) + '.';
    out.linear(name + "qkv", 3 * h, h, {n.q, n.k, n.v});
    out.linear(name + "out", h, h, {n.out});
    out.norm(name + "norm1", h, n.norm1);
    out.linear(name + "up", c.inner_size, h, {n.up});
    out.linear(name + "down", h, c.inner_size, {n.down});
    out.norm(name + "norm2", h, n.norm2);
  }
  if (!c.typed) return;
  // What a pair's second text needs beside it.
  auto& plan = out.plan();
  plan.token_types = 1;
  const auto* all = out.look(names_.types + ".weight");
  if (all == nullptr || all->shape.size() != 2 || all->shape[0] <= 1 || all->shape[0] > limits::token_types) return;
  plan.token_types = all->shape[0];
  plan.private_bytes += 2 * sizeof(float) * static_cast<std::uint64_t>(plan.token_types * e);
  out.tensor("token_types", {plan.token_types, e}, {names_.types + ".weight"}, true);
}

result<void> read_post_norm(const model_json& json, post_norm_settings& c) {
  if (const auto positions = text_of(json.root(), "position_embedding_type", "absolute"); positions != "absolute")
    return json.problem({"position_embedding_type"}, "is '" + positions.substr(0, 60) + "', which is not supported",
                        "absolute");
  if (flag_of(json.root(), "is_decoder", false))
    return json.problem({"is_decoder"}, "is true: a decoder cannot be served as an encoder");
  const auto otherwise = c;
  auto read = number_reader(json)
                  .whole("vocab_size", c.vocab_size, otherwise.vocab_size, limits::vocab_size)
                  .whole("hidden_size", c.hidden_size, otherwise.hidden_size, limits::hidden_size)
                  .whole("num_hidden_layers", c.layers, otherwise.layers, limits::layers)
                  .whole("num_attention_heads", c.heads, otherwise.heads, limits::heads)
                  .whole("intermediate_size", c.inner_size, otherwise.inner_size, limits::inner_size)
                  .whole("max_position_embeddings", c.position_rows, otherwise.position_rows, limits::positions)
                  .epsilon("layer_norm_eps", c.norm_epsilon, otherwise.norm_epsilon)
                  .done();
  if (!read) return read;
  if (c.hidden_size % c.heads != 0)
    return json.problem({"num_attention_heads"},
                        "does not fit: the hidden size must be a multiple of the number of heads");
  const auto act = read_activation(json, "hidden_act", otherwise.act);
  if (!act) return tl::unexpected(act.error());
  c.act = *act;
  c.tie_word_embeddings = flag_of(json.root(), "tie_word_embeddings", true);
  c.positions = c.position_rows;
  if (c.embedding_size == 0) c.embedding_size = c.hidden_size;
  return {};
}

result<void> count_positions_from_padding(const model_json& json, post_norm_settings& c, std::int64_t pad_id) {
  c.pad_id = pad_id;
  c.positions = c.position_rows - pad_id - 1;
  if (c.positions < 1)
    return json.problem({"max_position_embeddings"}, "leaves no positions: they are counted from pad_token_id + 1 (" +
                                                         std::to_string(pad_id + 1) + ") on");
  return {};
}

}  // namespace troupe::inference
