#include "inference/speech/fsmn_vad.hpp"

#include <algorithm>
#include <bit>
#include <cassert>

#include <ATen/ops/softmax.h>
#include <ATen/ops/zeros.h>
#include <c10/core/InferenceMode.h>

#include "inference/encoders/named_weights.hpp"
#include "inference/speech/memory_block.hpp"
#include "inference/torch/device.hpp"
#include "inference/torch/fork_join.hpp"

namespace troupe::inference {
namespace {

// Some products keep something for every number of lines: few numbers come.
std::int64_t rounded_lines(std::int64_t lines) {
  const auto octave = static_cast<std::int64_t>(std::bit_ceil(static_cast<std::uint64_t>(lines)));
  const auto step = std::max<std::int64_t>(8, octave / 8);
  return (lines + step - 1) / step * step;
}

struct block {
  linear down, up;
  at::Tensor taps;  // [kernel, memory_size] in fp32
};

class loaded_vad final : public fsmn_vad {
 public:
  loaded_vad(const fsmn_vad_settings& settings, std::shared_ptr<const weight_memory> memory, const named_weights& all)
      : settings_(settings),
        memory_(std::move(memory)),
        in1_(all.linear_at("in1")),
        in2_(all.linear_at("in2")),
        out1_(all.linear_at("out1")),
        out2_(all.linear_at("out2")) {
    const auto& n = settings_.network;
    for (std::int64_t i = 0; i < n.layers; ++i) {
      const auto name = "layer." + std::to_string(i) + '.';
      const auto taps = all.at(name + "memory").view({n.memory_size, n.kernel}).transpose(0, 1).contiguous();
      blocks_.push_back({all.linear_at(name + "down"), all.linear_at(name + "up"), taps});
    }
  }

  std::unique_ptr<device_lane> make_lane() const override { return make_device_lane("cpu"); }

  fsmn_past make_past() const override {
    return {std::vector<std::byte>(past_bytes_of_layer() * blocks_.size(), std::byte{0})};
  }

  std::vector<std::vector<double>> run(std::span<const fsmn_vad_row> rows, device_lane& lane) const override {
    return on_lane(lane, [&] {
      const c10::InferenceMode inference;
      const crew_scope crew;
      std::vector<std::vector<double>> silence(rows.size());
      const auto width = static_cast<std::size_t>(settings_.network.input_size);
      std::vector<frame_range> ranges;
      std::int64_t lines = 0;
      for (const auto& row : rows) {
        assert(row.features.size() % width == 0);
        ranges.push_back({lines, static_cast<std::int64_t>(row.features.size() / width)});
        lines += ranges.back().length;
      }
      if (lines == 0) return silence;
      const auto scores = at::softmax(network(input_of(rows, lines), rows, ranges), -1);
      const auto classes = scores.size(1);
      const auto* values = scores.const_data_ptr<float>();
      for (std::size_t i = 0; i < rows.size(); ++i)
        for (std::int64_t t = 0; t < ranges[i].length; ++t) {
          double sum = 0;
          for (const auto id : settings_.silence_classes)
            sum += static_cast<double>(values[(ranges[i].first + t) * classes + id]);
          silence[i].push_back(sum);
        }
      return silence;
    });
  }

 private:
  // Of memory blocks' inputs: what their session keeps.
  at::ScalarType type() const {
    return in1_.weight.defined() && in1_.weight.scalar_type() == at::kBFloat16 ? at::kBFloat16 : at::kFloat;
  }
  std::size_t past_bytes_of_layer() const {
    const auto numbers = (settings_.network.kernel - 1) * settings_.network.memory_size;
    return static_cast<std::size_t>(numbers) * (type() == at::kBFloat16 ? 2 : 4);
  }

  at::Tensor input_of(std::span<const fsmn_vad_row> rows, std::int64_t lines) const {
    const auto x = at::zeros({rounded_lines(lines), settings_.network.input_size}, at::kFloat);
    auto* to = x.mutable_data_ptr<float>();
    for (const auto& row : rows) to = std::copy(row.features.begin(), row.features.end(), to);
    return x.to(type());
  }

  at::Tensor network(at::Tensor x, std::span<const fsmn_vad_row> rows, const std::vector<frame_range>& ranges) const {
    x = apply(in2_, apply(in1_, x), after_linear::relu);
    const auto bytes = past_bytes_of_layer();
    for (std::size_t layer = 0; layer < blocks_.size(); ++layer) {
      std::vector<continued_range> continued;
      for (std::size_t i = 0; i < rows.size(); ++i)
        if (ranges[i].length > 0) continued.push_back({ranges[i], rows[i].past->lines.data() + layer * bytes});
      const auto& b = blocks_[layer];
      x = apply(b.up, memory_block(apply(b.down, x), b.taps, continued, {}), after_linear::relu);
    }
    return apply(out2_, apply(out1_, x).to(at::kFloat));
  }

  fsmn_vad_settings settings_;
  std::shared_ptr<const weight_memory> memory_;  // outlives the tensors, which are views of it
  linear in1_, in2_, out1_, out2_;
  std::vector<block> blocks_;
};

}  // namespace

std::shared_ptr<const fsmn_vad> make_fsmn_vad(const fsmn_vad_settings& settings, loaded_weights weights) {
  try {
    const c10::InferenceMode inference;
    const named_weights all(weights, "cpu");
    return std::make_shared<const loaded_vad>(settings, std::move(weights.memory), all);
  } catch (const c10::Error& e) {
    throw std::runtime_error(essential_line(e));
  }
}

}  // namespace troupe::inference
