#include "inference/encoders/headed.hpp"

#include <optional>
#include <stdexcept>

#include <ATen/ops/index_select.h>
#include <c10/core/InferenceMode.h>

#include "inference/encoders/body.hpp"
#include "inference/encoders/head.hpp"
#include "inference/encoders/named_weights.hpp"
#include "inference/torch/device.hpp"
#include "inference/torch/fork_join.hpp"

namespace troupe::inference {

at::Tensor encoder_body::first_states(const packed_rows& p) const { return at::index_select(states(p), 0, p.firsts); }

namespace {

class headed_encoder final : public encoder {
 public:
  headed_encoder(const family_config& config, const head_recipe* recipe, loaded_weights weights,
                 const std::string& device)
      : device_(device) {
    const c10::InferenceMode inference;
    const named_weights all(weights, device);
    if (!is_gpu(device)) memory_ = std::move(weights.memory);
    body_ = config.make_body(all, device);
    keep_shapes_ = all.keep_shapes();
    if (recipe != nullptr) head_.emplace(*recipe, all, body_->words());
  }

  std::unique_ptr<device_lane> make_lane() const override { return make_device_lane(device_); }

  features run(std::span<const token_row> rows, network_output wanted, device_lane& lane) const override {
    if (rows.empty()) return {};
    return on_lane(lane, [&] {
      const c10::InferenceMode inference;
      std::optional<crew_scope> crew;
      if (!is_gpu(device_)) crew.emplace();
      auto packed = pack(rows, is_gpu(device_), keep_shapes_);
      if (is_gpu(device_)) packed.to(body_->words());
      if (wanted == network_output::logits) return unpack_rows(logits(packed).narrow(0, 0, packed.rows), packed);
      const auto picked = pick_tokens(rows, packed, is_gpu(device_));
      auto lines = at::index_select(body_->states(packed), 0, picked.places.to(body_->words().device()));
      if (wanted == network_output::token_logits) lines = (*head_)(lines);
      return unpack_picked(lines, picked);
    });
  }

 private:
  at::Tensor logits(const packed_rows& p) const {
    if (head_->input() == head_recipe::input::mean) return (*head_)(row_means(body_->states(p), p));
    return (*head_)(body_->first_states(p));
  }

  std::string device_;
  bool keep_shapes_ = true;                      // the body's products keep something for a number of tokens
  std::shared_ptr<const weight_memory> memory_;  // outlives the tensors below, which are views of it
  std::unique_ptr<const encoder_body> body_;
  std::optional<encoder_head> head_;
};

}  // namespace

std::shared_ptr<const encoder> make_headed_encoder(const family_config& config, const head_recipe* recipe,
                                                   loaded_weights weights, const std::string& device) {
  try {
    return std::make_shared<const headed_encoder>(config, recipe, std::move(weights), device);
  } catch (const c10::Error& e) {
    throw std::runtime_error(essential_line(e));
  }
}

}  // namespace troupe::inference
