#include "inference/speech/ct_transformer_network.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include <ATen/ops/full.h>
#include <ATen/ops/index_select.h>
#include <ATen/ops/triu.h>
#include <ATen/ops/zeros.h>
#include <c10/core/InferenceMode.h>

#include "inference/encoders/named_weights.hpp"
#include "inference/encoders/packing.hpp"
#include "inference/speech/positions.hpp"
#include "inference/speech/sanm.hpp"
#include "inference/torch/device.hpp"
#include "inference/torch/fork_join.hpp"

namespace troupe::inference {
namespace {

constexpr auto minus_infinity = -std::numeric_limits<float>::infinity();

// What scale_and_place() adds, [positions, width].
at::Tensor position_table(std::int64_t positions, std::int64_t width) {
  auto table = at::zeros({positions, width}, at::kFloat);
  scale_and_place({table.mutable_data_ptr<float>(), static_cast<std::size_t>(table.numel())}, width, 1, 0);
  return table;
}

// What is added to the scores of rows, for each layer.
class row_masks {
 public:
  row_masks(std::span<const ct_transformer_row> rows, const packed_rows& p, const at::TensorOptions& options,
            std::int64_t layers)
      : layers_(layers) {
    for (const auto& g : p.groups) {
      if (g.spare) continue;
      const auto causal = at::full({g.length, g.length}, minus_infinity, options).triu_(1);
      for (std::int64_t i = 0; i < g.rows; ++i) {
        causal_.push_back(causal);
        last_.push_back(corner(rows[p.order[static_cast<std::size_t>(g.first_row + i)]], g.length, options));
      }
    }
  }

  // The first layer is never taken for the last one there.
  at::Tensor of(std::size_t row, std::int64_t layer) const {
    return layer > 0 && layer + 1 == layers_ ? last_[row] : causal_[row];
  }

 private:
  static at::Tensor corner(const ct_transformer_row& row, std::int64_t length, const at::TensorOptions& options) {
    const auto pending = static_cast<std::int64_t>(row.pending);
    if (pending <= 0 || pending >= length) return {};
    const auto mask = at::zeros({length, length}, options);
    mask.narrow(0, 0, pending - 1).narrow(1, pending, length - pending).fill_(minus_infinity);
    return mask;
  }

  std::int64_t layers_;
  std::vector<at::Tensor> causal_, last_;  // in the packed order
};

class network final : public ct_transformer_network {
 public:
  network(const ct_transformer_settings& s, const named_weights& all, std::shared_ptr<const weight_memory> memory)
      : streaming_(s.streaming),
        memory_(std::move(memory)),
        words_(all.at("words")),
        positions_(position_table(static_cast<std::int64_t>(ct_transformer_positions), s.encoder.input_size)),
        encoder_(s.encoder, all, "encoder."),
        keep_shapes_(all.keep_shapes()),
        marks_(all.linear_at("marks")) {}

  std::unique_ptr<device_lane> make_lane() const override { return make_device_lane("cpu"); }

  std::vector<std::vector<std::int32_t>> run(std::span<const ct_transformer_row> rows,
                                             device_lane& lane) const override {
    if (rows.empty()) return {};
    return on_lane(lane, [&] {
      const c10::InferenceMode inference;
      const crew_scope crew;
      std::vector<token_row> tokens;
      tokens.reserve(rows.size());
      for (const auto& r : rows) tokens.push_back({r.ids, {}, {}});
      const auto packed = pack(tokens, false, keep_shapes_);
      const auto picked = pick_tokens(tokens, packed, false);
      const auto states = at::index_select(encode(packed, rows), 0, picked.places);
      const auto scores = apply(marks_, states.to(at::kFloat));
      return best_of(unpack_picked(scores, picked));
    });
  }

 private:
  at::Tensor encode(const packed_rows& p, std::span<const ct_transformer_row> rows) const {
    std::vector<sanm_row> lines;
    for (const auto& g : p.groups)
      for (std::int64_t i = 0; i < g.rows && !g.spare; ++i) lines.push_back({{g.first + i * g.length, g.length}});
    const auto x = at::index_select(words_, 0, p.ids)
                       .to(at::kFloat)
                       .mul_(std::sqrt(static_cast<double>(encoder_.settings().size)))
                       .add_(at::index_select(positions_, 0, p.positions))
                       .to(words_.scalar_type());
    if (!streaming_) return encoder_(x, lines);
    const row_masks masks(rows, p, words_.options().dtype(encoder_.attention_type()), encoder_.settings().layers);
    return encoder_(x, lines, [&](std::size_t row, std::int64_t layer) { return masks.of(row, layer); });
  }

  static std::vector<std::vector<std::int32_t>> best_of(const features& scores) {
    std::vector<std::vector<std::int32_t>> out;
    const auto width = static_cast<std::ptrdiff_t>(scores.width);
    for (std::size_t row = 0; row + 1 < scores.first_of.size(); ++row) {
      auto& found = out.emplace_back();
      const auto lines = scores.lines_of(row);
      for (auto at = lines.begin(); at != lines.end(); at += width)
        found.push_back(static_cast<std::int32_t>(std::max_element(at, at + width) - at));
    }
    return out;
  }

  bool streaming_;
  std::shared_ptr<const weight_memory> memory_;  // outlives the tensors, which are views of it
  at::Tensor words_, positions_;
  sanm_encoder encoder_;
  bool keep_shapes_;  // a product keeps something for a number of words
  linear marks_;
};

}  // namespace

std::shared_ptr<const ct_transformer_network> make_ct_transformer_network(const ct_transformer_settings& settings,
                                                                          loaded_weights weights) {
  try {
    const c10::InferenceMode inference;
    const named_weights all(weights, "cpu");
    return std::make_shared<const network>(settings, all, std::move(weights.memory));
  } catch (const c10::Error& e) {
    throw std::runtime_error(essential_line(e));
  }
}

}  // namespace troupe::inference
