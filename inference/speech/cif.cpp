#include "inference/speech/cif.hpp"

#include <cassert>
#include <cmath>

namespace troupe::inference {
namespace {

// sum += weight * frame; no frame: one of zeros.
void add(std::vector<float>& sum, float weight, const float* frame) {
  if (frame == nullptr || weight == 0) return;
  for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += weight * frame[i];
}
void set(std::vector<float>& sum, float weight, const float* frame) {
  for (std::size_t i = 0; i < sum.size(); ++i) sum[i] = frame == nullptr ? 0 : weight * frame[i];
}
void fire(const std::vector<float>& sum, std::int64_t at, fired_tokens& out) {
  out.vectors.insert(out.vectors.end(), sum.begin(), sum.end());
  out.frames.push_back(at);
}

}  // namespace

void integrate_chunk(const cif_settings& settings, std::span<const float> weights, std::span<const float> frames,
                     std::int64_t first, std::int64_t end, bool last, cif_rest rest, fired_tokens& out) {
  const auto width = rest.frame.size();
  assert(frames.size() == weights.size() * width);
  const auto threshold = static_cast<float>(settings.threshold);
  float integral = 0;
  std::vector<float> sum(width, 0);
  const auto take = [&](float weight, const float* frame, std::int64_t at) {
    if (weight + integral < threshold) {
      integral += weight;
      add(sum, weight, frame);
      return;
    }
    add(sum, threshold - integral, frame);
    fire(sum, at, out);
    integral += weight;
    integral -= threshold;
    set(sum, integral, frame);
  };
  const auto count = static_cast<std::int64_t>(weights.size());
  take(*rest.weight, rest.frame.data(), 0);
  for (std::int64_t t = 0; t < count; ++t) {
    const bool counts = t >= first && (last || t < end);
    take(counts ? weights[static_cast<std::size_t>(t)] : 0, frames.data() + static_cast<std::size_t>(t) * width, t);
  }
  if (last) take(static_cast<float>(settings.tail_threshold), nullptr, count);
  *rest.weight = integral;
  for (std::size_t i = 0; i < width; ++i) rest.frame[i] = integral > 0 ? sum[i] / integral : sum[i];
}

void integrate_whole(const cif_settings& settings, std::span<const float> weights, std::span<const float> frames,
                     std::int64_t width, fired_tokens& out) {
  assert(frames.size() == weights.size() * static_cast<std::size_t>(width));
  double total = 0;
  float whole = 0;
  std::vector<float> sum(static_cast<std::size_t>(width), 0);
  const auto take = [&](float weight, const float* frame, std::int64_t at) {
    total += weight;
    const auto passed = static_cast<float>(total), floor = std::floor(passed);
    if (!(floor > whole)) return add(sum, weight, frame);
    whole = floor;
    add(sum, weight - (passed - floor), frame);
    fire(sum, at, out);
    set(sum, passed - floor, frame);
  };
  const auto count = static_cast<std::int64_t>(weights.size());
  for (std::int64_t t = 0; t < count; ++t) take(weights[static_cast<std::size_t>(t)], frames.data() + t * width, t);
  take(static_cast<float>(settings.tail_threshold), nullptr, count);
}

}  // namespace troupe::inference
