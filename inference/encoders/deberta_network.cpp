#include "inference/encoders/deberta_network.hpp"

#include <algorithm>
#include <cstdlib>
#include <string>
#include <utility>

#include <ATen/ops/index_select.h>
#include <ATen/ops/zeros.h>

#include "inference/encoders/body.hpp"
#include "inference/encoders/deberta_attention.hpp"
#include "inference/encoders/head.hpp"
#include "inference/encoders/layers.hpp"
#include "inference/encoders/named_weights.hpp"

namespace troupe::inference {

std::uint64_t deberta_private_bytes(const deberta_settings& c) noexcept {
  const auto h = static_cast<std::uint64_t>(c.hidden_size), layers = static_cast<std::uint64_t>(c.layers);
  const auto tables = std::uint64_t{c.distance_keys} + std::uint64_t{c.distance_queries};
  auto values = layers * tables * 2 * static_cast<std::uint64_t>(c.span) * h;
  values += h * h * static_cast<std::uint64_t>(c.conv_size);
  values += static_cast<std::uint64_t>(c.token_types * c.embedding_size);
  if (c.first_version) values += layers * 3 * h;
  if (tables > 0) values += 6 * static_cast<std::uint64_t>(c.positions);  // lines of distances, as int32 and int64
  return values * sizeof(float);
}

namespace {

struct layer {
  linear qkv, out, up, down;
  norm norm1, norm2;
  distance_tables distances;
};

class deberta_body final : public encoder_body {
 public:
  deberta_body(const deberta_settings& c, const named_weights& all)
      : settings_(c), attention_(c, all.at("words")), words_(all.at("words")), norm_(all.norm_at("norm")) {
    if (all.has("positions")) positions_ = all.at("positions");
    if (all.has("types")) types_ = all.at("types");
    // The positions hold type 0's already.
    if (types_.defined() && positions_.defined()) types_ = types_.sub(types_.narrow(0, 0, 1));
    if (all.has_linear("widen")) widen_ = all.linear_at("widen");
    if (c.conv_size > 0) read_convolution(all);
    at::Tensor distances;
    if (c.reads_distances()) {
      distances = all.at("distances");
      if (c.norm_distances) distances = normalize(all.norm_at("distance_norm"), distances, c.norm_epsilon);
    }
    for (std::int64_t i = 0; i < c.layers; ++i) read_layer(all, "layer." + std::to_string(i) + ".", distances);
  }

  const at::Tensor& words() const noexcept override { return words_; }

  at::Tensor states(const packed_rows& p) const override {
    const auto lines = attention_.lines_of(p);
    return run_layers(embed(p), layers_.size(), p, lines);
  }

  // Of the last layer only each row's first token is asked for: it alone has a query. (All have one computed, a small
  // part of the work: a product of its own would be another shape to keep kernels for.)
  at::Tensor first_states(const packed_rows& p) const override {
    if (layers_.size() == 1 && conv_.weight.defined()) return encoder_body::first_states(p);
    const auto lines = attention_.lines_of(p);
    const auto x = run_layers(embed(p), layers_.size() - 1, p, lines);
    const auto x_first = at::index_select(x, 0, p.firsts);
    const auto& last = layers_.back();
    return finish_layer(last, attention_.of_firsts(apply(last.qkv, x), x_first, last.distances, p), x_first);
  }

 private:
  // `distances`: [2 * span, hidden]; undefined: the layers do not look at them.
  void read_layer(const named_weights& all, const std::string& name, const at::Tensor& distances) {
    const auto h = settings_.hidden_size;
    layer l{all.linear_at(name + "qkv"),
            all.linear_at(name + "out"),
            all.linear_at(name + "up"),
            all.linear_at(name + "down"),
            all.norm_at(name + "norm1"),
            all.norm_at(name + "norm2"),
            {}};
    if (settings_.first_version) {
      // Keys have no bias. Head by head, as the weight.
      l.qkv.bias = at::zeros({settings_.heads, 3, h / settings_.heads}, all.at(name + "q_bias").options());
      l.qkv.bias.select(1, 0).copy_(all.at(name + "q_bias").view({settings_.heads, -1}));
      l.qkv.bias.select(1, 2).copy_(all.at(name + "v_bias").view({settings_.heads, -1}));
      l.qkv.bias = l.qkv.bias.view({3 * h});
    }
    const auto [keys, queries] = projected(all, name, l.qkv, distances);
    if (settings_.distance_keys) l.distances.keys = attention_.table_of(keys);
    if (settings_.distance_queries) l.distances.queries = attention_.table_of(queries);
    layers_.push_back(std::move(l));
  }

  // The distances' keys and queries, where the layer has them.
  std::pair<at::Tensor, at::Tensor> projected(const named_weights& all, const std::string& name, const linear& qkv,
                                              const at::Tensor& distances) const {
    const auto h = settings_.hidden_size;
    if (!settings_.reads_distances()) return {};
    if (!settings_.shared_projections) {
      const auto by = [&](const char* own) { return apply(all.linear_at(name + own), distances); };
      return {settings_.distance_keys ? by("distance_key") : at::Tensor(),
              settings_.distance_queries ? by("distance_query") : at::Tensor()};
    }
    const auto both = qkv.divides_at(2 * h) ? part_of(qkv, 0, 2 * h) : qkv;  // values are left out where they can be
    const auto all_of_them = apply(both, distances);
    return {all_of_them.narrow(1, h, h), all_of_them.narrow(1, 0, h)};
  }

  // As a linear over conv_size tokens side by side, whose kernels are kept for fewer shapes. Groups: zeros between.
  void read_convolution(const named_weights& all) {
    const auto h = settings_.hidden_size, groups = settings_.conv_groups, each = h / groups;
    const auto& weight = all.at("conv.weight");
    auto wide = at::zeros({h, settings_.conv_size, h}, weight.options());
    for (std::int64_t g = 0; g < groups; ++g)
      wide.narrow(0, g * each, each).narrow(2, g * each, each).copy_(weight.narrow(0, g * each, each).transpose(1, 2));
    conv_ = {wide.view({h, -1}), all.at("conv.bias")};
    conv_norm_ = all.norm_at("conv.norm");
  }

  at::Tensor embed(const packed_rows& p) const {
    auto x = at::index_select(words_, 0, p.ids);
    const bool typed = types_.defined() && p.types.defined();
    if (positions_.defined() && !typed) {
      x.add_(at::index_select(positions_, 0, p.positions));
    } else if (types_.defined()) {
      // Summed in fp32 and rounded once: what has type 0 is then as it is in a batch without types.
      x = x.to(at::kFloat);
      if (positions_.defined()) x.add_(at::index_select(positions_, 0, p.positions));
      x = x.add(typed ? at::index_select(types_, 0, p.types) : types_.narrow(0, 0, 1)).to(words_.scalar_type());
    }
    if (widen_.defined()) x = apply(widen_, x);
    return normalize(norm_, x, settings_.norm_epsilon);
  }

  at::Tensor run_layers(at::Tensor x, std::size_t count, const packed_rows& p,
                        const std::vector<at::Tensor>& lines) const {
    const auto embedded = x;
    for (std::size_t i = 0; i < count; ++i) {
      const auto& l = layers_[i];
      x = finish_layer(l, attention_.of_all(apply(l.qkv, x), l.distances, p, lines), x);
      if (i == 0 && conv_.weight.defined()) x = add_convolved(embedded, x, p);
    }
    return x;
  }

  // What follows attention: [n, hidden] in, [n, hidden] out, token by token.
  at::Tensor finish_layer(const layer& l, const at::Tensor& context, const at::Tensor& x) const {
    const auto middle = normalize(l.norm1, apply_and_add(l.out, context, x), settings_.norm_epsilon);
    return normalize(l.norm2, apply_and_add(l.down, apply(l.up, middle, after(settings_.act)), middle),
                     settings_.norm_epsilon);
  }

  // The embedded tokens beside each, row by row, are convolved and added to layer 0's.
  at::Tensor add_convolved(const at::Tensor& embedded, const at::Tensor& x, const packed_rows& p) const {
    const auto h = settings_.hidden_size, size = settings_.conv_size;
    auto beside = at::zeros({embedded.size(0), size * h}, embedded.options());
    for (const auto& g : p.groups) {
      if (g.spare) continue;
      auto from = embedded.narrow(0, g.first, g.rows * g.length).view({g.rows, g.length, h});
      // Nothing stands where a row is padded.
      if (g.mask.defined()) from = from.mul(g.mask.view({g.rows, g.length, 1}).eq(0));
      const auto to = beside.narrow(0, g.first, g.rows * g.length).view({g.rows, g.length, size, h});
      for (std::int64_t k = 0; k < size; ++k) {
        const auto ahead = k - size / 2, count = g.length - std::abs(ahead);
        if (count < 1) continue;
        to.select(2, k)
            .narrow(1, std::max<std::int64_t>(0, -ahead), count)
            .copy_(from.narrow(1, std::max<std::int64_t>(0, ahead), count));
      }
    }
    auto convolved = apply(conv_, beside);
    activate(convolved, settings_.conv_act);
    return normalize(conv_norm_, convolved.add_(x), settings_.norm_epsilon);
  }

  deberta_settings settings_;
  distance_attention attention_;
  at::Tensor words_;
  at::Tensor positions_;  // undefined: none
  at::Tensor types_;      // [types, embedding] in fp32, what each adds (to type 0, where there are positions)
  linear widen_;          // undefined: embeddings are as wide as the network
  norm norm_;
  linear conv_;  // undefined: none
  norm conv_norm_;
  std::vector<layer> layers_;
};

}  // namespace

std::unique_ptr<const encoder_body> make_deberta_body(const deberta_settings& settings, const named_weights& weights) {
  return std::make_unique<const deberta_body>(settings, weights);
}

}  // namespace troupe::inference
