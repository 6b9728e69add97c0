// The model that takes whole utterances.

#include <algorithm>

#include "inference/speech/paraformer_model.hpp"
#include "inference/speech/sound_input.hpp"
#include "inference/speech/spoken.hpp"
#include "inference/torch/memory.hpp"

namespace troupe::inference {
namespace {

struct utterance final : prepared {
  std::vector<float> features;  // [frames, width]; empty: too short to hear anything
  std::int64_t frames = 0;
};

class offline_instance final : public instance {
 public:
  explicit offline_instance(std::shared_ptr<const paraformer_parts> parts)
      : parts_(std::move(parts)), lane_(parts_->network->make_lane()) {}

  void step(std::span<row> rows) override {
    const account_scope charged(parts_->account);
    std::vector<std::span<const float>> asked;
    std::vector<std::size_t> who;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      rows[i].again = false;
      rows[i].out = transcript{};
      if (of(rows[i]).features.empty()) continue;
      asked.emplace_back(of(rows[i]).features);
      who.push_back(i);
    }
    if (asked.empty()) return;
    const auto heard = parts_->network->hear(asked, *lane_);
    for (std::size_t i = 0; i < who.size(); ++i) {
      auto& r = rows[who[i]];
      auto out = spoken(heard[i], *parts_->tokens, {0, of(r).frames, parts_->frame_s()});
      detokenizer text(*parts_->tokens);
      out.text = text.add(heard[i].ids);
      out.text += text.finish();
      r.out = std::move(out);
    }
  }

 private:
  static const utterance& of(const row& r) { return *static_cast<const utterance*>(r.in); }

  std::shared_ptr<const paraformer_parts> parts_;
  std::unique_ptr<device_lane> lane_;
};

class offline_model final : public model {
 public:
  offline_model(std::shared_ptr<const paraformer_parts> parts, model_info info, std::vector<mapping_use> mappings)
      : parts_(std::move(parts)), info_(std::move(info)), mappings_(std::move(mappings)) {}

  const model_info& info() const noexcept override { return info_; }

  result<prepared_ptr> prepare(const input& in, const question& asked) const override {
    const auto sound =
        sound_of(in, asked, info_, {parts_->front->rate_hz(), utterance_s_max, "cut it where nobody speaks"});
    if (!sound) return tl::unexpected(sound.error());
    return made(*sound);
  }

  std::unique_ptr<instance> make_instance() const override { return std::make_unique<offline_instance>(parts_); }

  // Sentences of 3 s, alone and together; a long one.
  std::vector<warm_bucket> warm_buckets(std::uint32_t max_batch_items, std::uint32_t max_batch_cost) const override {
    const auto sentence = frames_of(3), utterance = frames_of(20);
    const auto together = std::max(1U, std::min({8U, max_batch_items, max_batch_cost / sentence}));
    std::vector<warm_bucket> buckets{{1, sentence}};
    if (together > 1) buckets.push_back({together, sentence});
    if (utterance <= max_batch_cost) buckets.push_back({1, utterance});
    return buckets;
  }
  prepared_ptr warm_input(const warm_bucket& bucket) const override {
    auto made = std::make_unique<utterance>();
    made->frames = std::max(1U, bucket.length);
    made->cost = static_cast<std::uint32_t>(made->frames);
    made->features.assign(static_cast<std::size_t>(made->frames) * static_cast<std::size_t>(parts_->front->width()),
                          0.0F);
    return made;
  }
  memory_use memory() const override { return {mappings_, parts_->account->live_bytes()}; }

 private:
  std::uint32_t frames_of(double seconds) const { return static_cast<std::uint32_t>(seconds / parts_->frame_s()); }

  result<prepared_ptr> made(std::span<const float> sound) const {
    auto made = std::make_unique<utterance>();
    made->features = parts_->front->features(sound);
    made->frames = static_cast<std::int64_t>(made->features.size() / parts_->front->width());
    made->cost = static_cast<std::uint32_t>(std::max<std::int64_t>(made->frames, 1));
    return made;
  }

  std::shared_ptr<const paraformer_parts> parts_;
  model_info info_;
  std::vector<mapping_use> mappings_;
};

}  // namespace

std::unique_ptr<const model> make_paraformer_offline(std::shared_ptr<const paraformer_parts> parts, model_info info,
                                                     std::vector<mapping_use> mappings) {
  return std::make_unique<const offline_model>(std::move(parts), std::move(info), std::move(mappings));
}

}  // namespace troupe::inference
