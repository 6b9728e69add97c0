// The model that is fed: a chunk of each session a step, sessions of every age in one batch.

#include <algorithm>

#include "inference/speech/paraformer_feeder.hpp"
#include "inference/speech/paraformer_model.hpp"
#include "inference/speech/paraformer_state.hpp"
#include "inference/speech/spoken.hpp"
#include "inference/torch/memory.hpp"

namespace troupe::inference {

paraformer_parts::~paraformer_parts() {
  network.reset();
  if (account) account->release(charged_bytes);
}

namespace {

class streaming_instance final : public instance {
 public:
  explicit streaming_instance(std::shared_ptr<const paraformer_parts> parts)
      : parts_(std::move(parts)), lane_(parts_->network->make_lane()) {}

  void step(std::span<row> rows) override {
    const account_scope charged(parts_->account);
    std::vector<std::unique_ptr<paraformer_state>> own;  // of rows that bring none: to warm up
    std::vector<chunk_row> asked;
    std::vector<std::size_t> who;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      auto& r = rows[i];
      r.again = false;
      const auto& chunk = chunk_of(r);
      auto* state = static_cast<paraformer_state*>(r.st);
      if (state == nullptr) {
        own.push_back(std::make_unique<paraformer_state>(
            shape_of(parts_->settings, chunk.options, parts_->network->kept_bytes()), *parts_->tokens));
        state = own.back().get();
      }
      if (state->shape().options != chunk.options) {
        r.problem = "the session's state was opened with other options than its sound is cut by";
        continue;
      }
      if (chunk.window.empty()) {
        r.out = transcript{state->text().finish(), chunk.last, std::nullopt, std::nullopt};
        continue;
      }
      asked.push_back({chunk.window, state, chunk.last});
      who.push_back(i);
    }
    if (asked.empty()) return;
    const auto heard = parts_->network->hear_chunks(asked, *lane_);
    for (std::size_t i = 0; i < who.size(); ++i)
      rows[who[i]].out = written(heard[i], chunk_of(rows[who[i]]), *asked[i].state);
  }

 private:
  static const paraformer_chunk& chunk_of(const row& r) { return *static_cast<const paraformer_chunk*>(r.in); }

  transcript written(const heard_tokens& heard, const paraformer_chunk& chunk, paraformer_state& state) const {
    auto out = spoken(heard, *parts_->tokens, {chunk.first_frame, chunk.heard_frames, parts_->frame_s()});
    out.text = state.text().add(heard.ids);
    out.final = chunk.last;
    if (chunk.last) out.text += state.text().finish();
    return out;
  }

  std::shared_ptr<const paraformer_parts> parts_;
  std::unique_ptr<device_lane> lane_;
};

class streaming_model final : public model, public live_model {
 public:
  streaming_model(std::shared_ptr<const paraformer_parts> parts, model_info info, std::vector<mapping_use> mappings)
      : parts_(std::move(parts)), info_(std::move(info)), mappings_(std::move(mappings)) {
    info_.stateful = true;
  }

  const model_info& info() const noexcept override { return info_; }
  result<prepared_ptr> prepare(const input&, const question& asked) const override {
    if (asked.task && *asked.task != info_.tasks.front()) return tl::unexpected(wrong_task(info_, *asked.task));
    return fail(error_code::unprocessable, "this model hears sound as it comes, in a live session",
                "an offline Paraformer takes whole recordings");
  }
  std::unique_ptr<state> open_state(const prepared& in) const override {
    return made_state(static_cast<const paraformer_chunk&>(in).options);
  }
  std::uint64_t state_size_bytes() const noexcept override { return state_size_bytes(live_options{}); }
  std::unique_ptr<instance> make_instance() const override { return std::make_unique<streaming_instance>(parts_); }

  // A session, some, and as many as a batch takes, in the usual chunks.
  std::vector<warm_bucket> warm_buckets(std::uint32_t max_batch_items, std::uint32_t max_batch_cost) const override {
    const auto window = usual_window();
    std::vector<warm_bucket> buckets;
    for (std::uint32_t items = 1;; items *= 4) {
      const auto most = std::max(1U, std::min(max_batch_items, max_batch_cost / window));
      buckets.push_back({std::min(items, most), window});
      if (items >= most) return buckets;
    }
  }
  prepared_ptr warm_input(const warm_bucket&) const override {
    auto made = std::make_unique<paraformer_chunk>();
    made->cost = usual_window();
    made->window.assign(static_cast<std::size_t>(made->cost) * static_cast<std::size_t>(parts_->front->width()), 0.0F);
    return made;
  }
  const live_model* live() const noexcept override { return this; }
  memory_use memory() const override { return {mappings_, parts_->account->live_bytes()}; }

  // ---- live_model ----
  std::uint32_t rate_hz() const noexcept override { return parts_->front->rate_hz(); }
  bool uses_hotwords() const noexcept override { return false; }
  result<std::unique_ptr<feeder>> open_feeder(const live_options& options) const override {
    if (auto ok = check_chunks(options); !ok) return tl::unexpected(ok.error());
    return std::make_unique<paraformer_feeder>(parts_->front, parts_->settings, known(options));
  }
  result<std::shared_ptr<state>> open_state(const live_options& options) const override {
    if (auto ok = check_chunks(options); !ok) return tl::unexpected(ok.error());
    return std::shared_ptr<state>(made_state(options));
  }
  std::uint64_t state_size_bytes(const live_options& options) const noexcept override {
    return shape_of(parts_->settings, options, parts_->network->kept_bytes()).size_bytes();
  }

 private:
  // Without what the model makes no use of.
  static live_options known(live_options options) {
    options.hotwords.clear();
    return options;
  }
  std::unique_ptr<state> made_state(const live_options& options) const {
    return std::make_unique<paraformer_state>(shape_of(parts_->settings, known(options), parts_->network->kept_bytes()),
                                              *parts_->tokens);
  }
  static std::uint32_t usual_window() {
    constexpr live_options usual{};
    return usual.left_frames + usual.chunk_frames + usual.ahead_frames;
  }

  std::shared_ptr<const paraformer_parts> parts_;
  model_info info_;
  std::vector<mapping_use> mappings_;
};

}  // namespace

std::unique_ptr<const model> make_paraformer_streaming(std::shared_ptr<const paraformer_parts> parts, model_info info,
                                                       std::vector<mapping_use> mappings) {
  return std::make_unique<const streaming_model>(std::move(parts), std::move(info), std::move(mappings));
}

}  // namespace troupe::inference
