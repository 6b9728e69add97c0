#include "inference/speech/paraformer_network.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include <ATen/ops/argmax.h>
#include <ATen/ops/zeros.h>
#include <c10/core/InferenceMode.h>

#include "inference/encoders/named_weights.hpp"
#include "inference/encoders/packing.hpp"
#include "inference/speech/cif_predictor.hpp"
#include "inference/speech/paraformer_decoder.hpp"
#include "inference/speech/positions.hpp"
#include "inference/speech/sanm.hpp"
#include "inference/torch/device.hpp"
#include "inference/torch/fork_join.hpp"

namespace troupe::inference {
namespace {

// Lines of a batch, with room for spare ones that keep the number of shapes small where they should be few.
std::int64_t rounded_lines(std::int64_t lines, bool few_shapes) {
  constexpr std::int64_t step = 8;  // kernels compute so many lines at once
  lines = std::max<std::int64_t>(lines, 1);
  return few_shapes ? rounded_tokens(lines) : (lines + step - 1) / step * step;
}

// What fired in a batch's rows, and where a row's tokens lie among those of all.
struct batch_tokens {
  fired_tokens fired;
  std::vector<frame_range> of_row;
};

class network final : public paraformer_network {
 public:
  network(const paraformer_settings& settings, loaded_weights weights)
      : settings_(settings),
        all_(weights, "cpu"),
        encoder_(settings.encoder, all_, "encoder."),
        few_shapes_(all_.keep_shapes()),
        predictor_(settings.cif, all_),
        decoder_(settings.decoder, all_) {
    memory_ = std::move(weights.memory);
    type_ = all_.at("encoder.after.weight").scalar_type();
  }

  std::unique_ptr<device_lane> make_lane() const override { return make_device_lane("cpu"); }
  state_bytes kept_bytes() const noexcept override { return {bytes_of(encoder_.attention_type()), bytes_of(type_)}; }

  std::vector<heard_tokens> hear_chunks(std::span<const chunk_row> rows, device_lane& lane) const override {
    return guarded(lane, [&] { return chunks(rows); });
  }
  std::vector<heard_tokens> hear(std::span<const std::span<const float>> utterances, device_lane& lane) const override {
    return guarded(lane, [&] { return whole(utterances); });
  }

 private:
  template <class F>
  static std::vector<heard_tokens> guarded(device_lane& lane, F run) {
    return on_lane(lane, [&] {
      const c10::InferenceMode inference;
      const crew_scope crew;
      return run();
    });
  }

  std::int64_t width() const noexcept { return settings_.encoder.input_size; }
  static std::int64_t bytes_of(at::ScalarType type) { return static_cast<std::int64_t>(c10::elementSize(type)); }

  // The rows' features one after another, and where each lies.
  template <class Rows, class Of>
  at::Tensor packed(const Rows& rows, std::vector<frame_range>& ranges, Of features) const {
    std::int64_t lines = 0;
    for (const auto& row : rows) {
      const auto length = static_cast<std::int64_t>(features(row).size()) / width();
      ranges.push_back({lines, length});
      lines += length;
    }
    auto x = at::zeros({rounded_lines(lines, few_shapes_), width()}, at::kFloat);
    for (std::size_t i = 0; i < ranges.size(); ++i) {
      const auto from = features(rows[i]);
      std::copy(from.begin(), from.end(), x.template mutable_data_ptr<float>() + ranges[i].first * width());
    }
    return x;
  }

  std::vector<heard_tokens> chunks(std::span<const chunk_row> rows) const {
    std::vector<frame_range> ranges;
    const auto x = packed(rows, ranges, [](const chunk_row& r) { return r.window; });
    std::vector<sanm_row> asked;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      auto& state = *rows[i].state;
      // What is ahead comes again with the next window; of the last one nothing is kept.
      const bool looks_back = state.shape().options.encoder_look_back != 0;
      const auto kept = looks_back && !rows[i].last
                            ? ranges[i].length - static_cast<std::int64_t>(state.shape().options.ahead_frames)
                            : 0;
      asked.push_back({ranges[i], looks_back ? &state.encoder_past() : nullptr, std::max<std::int64_t>(kept, 0)});
    }
    const auto h = encoder_(x.to(type_), asked);
    for (std::size_t i = 0; i < rows.size(); ++i) rows[i].state->advance_encoder(asked[i].kept);

    const auto full = h.to(at::kFloat);
    const auto weights = predictor_(full, ranges);
    batch_tokens tokens;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const auto& shape = rows[i].state->shape();
      add_row(tokens, [&](fired_tokens& out) {
        integrate_chunk(settings_.cif, weights_of(weights, ranges[i]), frames_of(full, ranges[i]),
                        shape.options.left_frames, shape.step_frames(), rows[i].last, rows[i].state->rest(), out);
      });
    }
    auto heard = decode(h, ranges, tokens, [&](std::size_t i, decoder_row& row) {
      auto& state = *rows[i].state;
      row.past_tokens = state.past_tokens();
      if (state.decoder_past().capacity() > 0) row.past = &state.decoder_past();
    });
    for (const auto& row : rows)
      if (row.last) row.state->start_over();
    return heard;
  }

  std::vector<heard_tokens> whole(std::span<const std::span<const float>> utterances) const {
    std::vector<frame_range> ranges;
    auto x = packed(utterances, ranges, [](std::span<const float> f) { return f; });
    for (const auto& range : ranges)
      scale_and_place(
          {x.mutable_data_ptr<float>() + range.first * width(), static_cast<std::size_t>(range.length * width())},
          width(), settings_.encoder.size, 0);
    std::vector<sanm_row> asked;
    asked.reserve(ranges.size());
    for (const auto& range : ranges) asked.push_back({range});
    const auto h = encoder_(x.to(type_), asked);
    const auto full = h.to(at::kFloat);
    const auto weights = predictor_(full, ranges);
    batch_tokens tokens;
    for (const auto& range : ranges)
      add_row(tokens, [&](fired_tokens& out) {
        integrate_whole(settings_.cif, weights_of(weights, range), frames_of(full, range), settings_.encoder.size, out);
      });
    return decode(h, ranges, tokens, [](std::size_t, decoder_row&) {});
  }

  static std::span<const float> weights_of(const at::Tensor& all, const frame_range& range) {
    return {all.const_data_ptr<float>() + range.first, static_cast<std::size_t>(range.length)};
  }
  static std::span<const float> frames_of(const at::Tensor& all, const frame_range& range) {
    return {all.const_data_ptr<float>() + range.first * all.size(1),
            static_cast<std::size_t>(range.length * all.size(1))};
  }
  template <class Integrate>
  static void add_row(batch_tokens& tokens, Integrate integrate) {
    const auto before = static_cast<std::int64_t>(tokens.fired.frames.size());
    integrate(tokens.fired);
    tokens.of_row.push_back({before, static_cast<std::int64_t>(tokens.fired.frames.size()) - before});
  }

  // Only rows in which a token fired pass the decoder. `with`: what it keeps of them.
  template <class With>
  std::vector<heard_tokens> decode(const at::Tensor& h, std::span<const frame_range> ranges, const batch_tokens& tokens,
                                   With with) const {
    std::vector<heard_tokens> heard(ranges.size());
    const auto count = static_cast<std::int64_t>(tokens.fired.frames.size());
    if (count == 0) return heard;
    auto x = at::zeros({rounded_lines(count, true), settings_.encoder.size}, at::kFloat);
    std::copy(tokens.fired.vectors.begin(), tokens.fired.vectors.end(), x.mutable_data_ptr<float>());

    std::vector<decoder_row> rows;
    std::int64_t lines = 0;
    for (std::size_t i = 0; i < ranges.size(); ++i) {
      if (tokens.of_row[i].length == 0) continue;
      rows.push_back({tokens.of_row[i], {lines, ranges[i].length}});
      with(i, rows.back());
      lines += ranges[i].length;
    }
    auto memory = h;
    if (rows.size() < ranges.size()) {
      memory = at::zeros({rounded_lines(lines, few_shapes_), h.size(1)}, h.options());
      auto row = rows.begin();
      for (std::size_t i = 0; i < ranges.size(); ++i)
        if (tokens.of_row[i].length > 0)
          memory.narrow(0, (row++)->frames.first, ranges[i].length)
              .copy_(h.narrow(0, ranges[i].first, ranges[i].length));
    }
    const auto best = at::argmax(decoder_(x.to(type_), memory, rows), 1);
    for (auto& row : rows)
      if (row.past != nullptr)
        row.past->advance(std::min(row.frames.length, row.past->capacity()), row.past->capacity());

    const auto* ids = best.const_data_ptr<std::int64_t>();
    for (std::size_t i = 0; i < ranges.size(); ++i)
      for (auto t = tokens.of_row[i].first; t < tokens.of_row[i].first + tokens.of_row[i].length; ++t) {
        heard[i].ids.push_back(static_cast<std::int32_t>(ids[t]));
        heard[i].frames.push_back(tokens.fired.frames[static_cast<std::size_t>(t)]);
      }
    return heard;
  }

  paraformer_settings settings_;
  std::shared_ptr<const weight_memory> memory_;  // outlives the tensors below, which are views of it
  named_weights all_;
  sanm_encoder encoder_;
  bool few_shapes_ = false;  // of the encoder's products, and the decoder's of its frames
  cif_predictor predictor_;
  paraformer_decoder decoder_;
  at::ScalarType type_ = at::kFloat;  // that layers compute in
};

}  // namespace

std::shared_ptr<const paraformer_network> make_paraformer_network(const paraformer_settings& settings,
                                                                  loaded_weights weights) {
  try {
    const c10::InferenceMode inference;
    return std::make_shared<const network>(settings, std::move(weights));
  } catch (const c10::Error& e) {
    throw std::runtime_error(essential_line(e));
  }
}

}  // namespace troupe::inference
