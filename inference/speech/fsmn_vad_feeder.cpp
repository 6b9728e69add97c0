#include "inference/speech/fsmn_vad_feeder.hpp"

#include <algorithm>
#include <cassert>

namespace troupe::inference {
namespace {

// What is told may be so much later than it could be; each session costs so many steps a second.
constexpr std::uint64_t steps_a_second = 5;
// At once at most, where a file comes faster than it was spoken.
constexpr std::uint64_t step_s_max = 2;

}  // namespace

bool still_frames::take(std::span<const float> features) {
  const auto width = last_.size();
  bool still = run_ >= enough_;
  for (; !features.empty(); features = features.subspan(width)) {
    const auto frame = features.first(width);
    const bool same = run_ > 0 && std::equal(frame.begin(), frame.end(), last_.begin());
    still = still && same;
    run_ = same ? run_ + 1 : 1;
    if (!same) std::copy(frame.begin(), frame.end(), last_.begin());
  }
  return still;
}

fsmn_vad_feeder::fsmn_vad_feeder(std::shared_ptr<const front_end> front, const fsmn_vad_settings& settings)
    : front_(std::move(front)),
      still_(front_.front().width(), static_cast<std::uint64_t>(settings.network.past_frames())) {}

void fsmn_vad_feeder::accept(std::span<const float> samples) {
  assert(!finished_);
  waiting_.insert(waiting_.end(), samples.begin(), samples.end());
}

std::unique_ptr<const prepared> fsmn_vad_feeder::next() {
  const auto rate = front_.front().rate_hz();
  const auto step = rate / steps_a_second;
  const auto most = std::min<std::uint64_t>(waiting_.size(), step_s_max * rate);
  const auto now = finished_ ? most : most / step * step;
  const bool last = finished_ && now == waiting_.size();
  if (ended_ || (now == 0 && !last) || (last && taken_samples_ + now == 0)) return nullptr;
  ended_ = last;
  taken_samples_ += now;
  auto made = std::make_unique<vad_input>();
  front_.accept(std::span(waiting_).first(now), made->features);
  if (last) front_.finish(made->features);
  waiting_.erase(waiting_.begin(), waiting_.begin() + static_cast<std::ptrdiff_t>(now));
  made->heard_samples = taken_samples_;
  made->last = last;
  made->still = still_.take(made->features);
  made->cost = static_cast<std::uint32_t>(std::max<std::size_t>(made->features.size() / front_.front().width(), 1));
  return made;
}

}  // namespace troupe::inference
