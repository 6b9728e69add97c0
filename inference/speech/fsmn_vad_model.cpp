#include "inference/speech/fsmn_vad_model.hpp"

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

#include "inference/speech/endpoints.hpp"
#include "inference/speech/fsmn_vad_feeder.hpp"
#include "inference/speech/sound_input.hpp"
#include "inference/torch/memory.hpp"

namespace troupe::inference {
namespace {

constexpr std::uint64_t piece_s = 10;  // of a whole sound, a step

double seconds(std::int64_t ms) { return static_cast<double>(ms) / 1000; }

class vad_state final : public state {
 public:
  vad_state(const fsmn_vad_parts& parts, bool whole)
      : past(parts.network->make_past()), detector(parts.settings.endpoints) {
    if (whole) stream.emplace(parts.front);
  }

  fsmn_past past;
  endpoint_detector detector;
  std::optional<double> last_silence;  // of the last frame
  // Of a whole sound.
  std::optional<front_end_stream> stream;
  std::size_t taken_samples = 0;
  std::vector<voice_span> found;
};

// Of one sound: an end that its begin was told before goes to it.
void append(std::vector<voice_span>& all, const std::vector<voice_span>& more) {
  for (const auto& s : more) {
    if (s.begin_s)
      all.push_back(s);
    else if (!all.empty())
      all.back().end_s = s.end_s;
  }
}

class vad_instance final : public instance {
 public:
  explicit vad_instance(std::shared_ptr<const fsmn_vad_parts> parts)
      : parts_(std::move(parts)), lane_(parts_->network->make_lane()) {}

  void step(std::span<row> rows) override {
    const account_scope charged(parts_->account);
    std::vector<std::unique_ptr<vad_state>> own;  // of rows that bring none: to warm up
    std::vector<piece> pieces;
    std::vector<fsmn_vad_row> asked;
    for (auto& r : rows) {
      auto* state = static_cast<vad_state*>(r.st);
      if (state == nullptr) state = own.emplace_back(std::make_unique<vad_state>(*parts_, input_of(r).whole)).get();
      pieces.push_back(next_piece(input_of(r), *state));
    }
    for (const auto& p : pieces)
      if (!p.known) asked.push_back({p.features(), &p.state->past});
    const auto found = parts_->network->run(asked, *lane_);
    std::size_t at = 0;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      auto& p = pieces[i];
      if (p.known) {
        const std::vector<double> same(p.features().size() / parts_->front->width(), *p.known);
        tell(rows[i], p, same);
      } else {
        tell(rows[i], p, found[at++]);
      }
    }
  }

 private:
  // What one row has in this step.
  struct piece {
    const vad_input* in = nullptr;
    vad_state* state = nullptr;
    std::vector<float> own;  // features of a whole sound's next part
    std::uint64_t heard_samples = 0;
    bool last = false;
    std::optional<double> known;  // every frame's answer, without the network

    std::span<const float> features() const { return in->whole ? own : in->features; }
  };

  static const vad_input& input_of(const row& r) { return *static_cast<const vad_input*>(r.in); }

  piece next_piece(const vad_input& in, vad_state& state) const {
    piece p{&in, &state, {}, in.heard_samples, in.last, std::nullopt};
    if (in.still) p.known = state.last_silence;
    if (!in.whole) return p;
    const auto left = std::span(in.sound).subspan(state.taken_samples);
    const auto now = left.first(std::min<std::size_t>(left.size(), piece_s * parts_->front->rate_hz()));
    p.last = now.size() == left.size();
    state.stream->accept(now, p.own);
    if (p.last) state.stream->finish(p.own);
    p.heard_samples = state.taken_samples += now.size();
    return p;
  }

  void tell(row& r, const piece& p, std::span<const double> silence) const {
    auto& state = *p.state;
    if (!silence.empty()) state.last_silence = silence.back();
    const auto frame_ms = parts_->settings.endpoints.frame_ms;
    const auto spans = state.detector.feed(silence, static_cast<std::int64_t>(silence.size()) * frame_ms, p.last);
    std::vector<voice_span> found;
    for (const auto& s : spans) {
      auto& span = found.emplace_back();
      if (s.begin_ms) span.begin_s = seconds(*s.begin_ms);
      if (s.end_ms) span.end_s = seconds(*s.end_ms);
    }
    const auto decided_s = seconds(state.detector.decided_ms());
    // A sound that ends without a further frame.
    if (p.last && state.detector.in_speech()) found.push_back({std::nullopt, decided_s});
    r.again = p.in->whole && !p.last;
    if (p.in->whole) {
      append(state.found, found);
      if (r.again) return;
      found = std::move(state.found);
    }
    const auto heard_s = static_cast<double>(p.heard_samples) / parts_->front->rate_hz();
    r.out = voice_activity{std::move(found), p.last, heard_s, p.last ? heard_s : std::min(decided_s, heard_s)};
  }

  std::shared_ptr<const fsmn_vad_parts> parts_;
  std::unique_ptr<device_lane> lane_;
};

class vad_model final : public model, public live_model {
 public:
  vad_model(std::shared_ptr<const fsmn_vad_parts> parts, model_info info, std::vector<mapping_use> mappings)
      : parts_(std::move(parts)), info_(std::move(info)), mappings_(std::move(mappings)) {}

  const model_info& info() const noexcept override { return info_; }

  result<prepared_ptr> prepare(const input& in, const question& asked) const override {
    auto sound = sound_of(in, asked, info_, {parts_->front->rate_hz(), vad_sound_s_max, "cut it into pieces"});
    if (!sound) return tl::unexpected(sound.error());
    auto made = std::make_unique<vad_input>();
    made->whole = true;
    made->sound = std::move(*sound);
    const auto piece = std::min<std::uint64_t>(made->sound.size(), piece_s * parts_->front->rate_hz());
    made->cost = static_cast<std::uint32_t>(std::max<std::uint64_t>(parts_->front->frames(piece, false), 1));
    return made;
  }
  std::unique_ptr<state> open_state(const prepared& in) const override {
    return std::make_unique<vad_state>(*parts_, static_cast<const vad_input&>(in).whole);
  }
  std::uint64_t state_size_bytes() const noexcept override {
    const auto& n = parts_->settings.network;
    return sizeof(vad_state) + static_cast<std::uint64_t>(n.past_frames() * n.memory_size) * sizeof(float);
  }
  std::unique_ptr<instance> make_instance() const override { return std::make_unique<vad_instance>(parts_); }

  // A session, and many, a fifth of a second each; a long sound.
  std::vector<warm_bucket> warm_buckets(std::uint32_t max_batch_items, std::uint32_t max_batch_cost) const override {
    constexpr std::uint32_t step = 20, piece = 1000;
    const auto together = std::max(1U, std::min(max_batch_items, max_batch_cost / step));
    std::vector<warm_bucket> buckets{{1, step}};
    if (together > 1) buckets.push_back({together, step});
    if (piece <= max_batch_cost) buckets.push_back({1, piece});
    return buckets;
  }
  prepared_ptr warm_input(const warm_bucket& bucket) const override {
    auto made = std::make_unique<vad_input>();
    made->cost = std::max(1U, bucket.length);
    made->features.assign(std::size_t{made->cost} * parts_->front->width(), 0.0F);
    return made;
  }
  const live_model* live() const noexcept override { return this; }
  memory_use memory() const override { return {mappings_, parts_->account->live_bytes()}; }

  // ---- live_model: nothing of its options is this model's ----
  std::uint32_t rate_hz() const noexcept override { return parts_->front->rate_hz(); }
  bool uses_hotwords() const noexcept override { return false; }
  result<std::unique_ptr<feeder>> open_feeder(const live_options&) const override {
    return std::make_unique<fsmn_vad_feeder>(parts_->front, parts_->settings);
  }
  result<std::shared_ptr<state>> open_state(const live_options&) const override {
    return std::make_shared<vad_state>(*parts_, false);
  }
  std::uint64_t state_size_bytes(const live_options&) const noexcept override { return state_size_bytes(); }

 private:
  std::shared_ptr<const fsmn_vad_parts> parts_;
  model_info info_;
  std::vector<mapping_use> mappings_;
};

}  // namespace

std::unique_ptr<const model> make_fsmn_vad_model(std::shared_ptr<const fsmn_vad_parts> parts, model_info info,
                                                 std::vector<mapping_use> mappings) {
  return std::make_unique<const vad_model>(std::move(parts), std::move(info), std::move(mappings));
}

}  // namespace troupe::inference
