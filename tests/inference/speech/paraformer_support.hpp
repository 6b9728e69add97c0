#pragma once
// The small Paraformers that tests/parity/make_paraformer.py made, the sound that FunASR heard, and sessions over it.

#include <memory>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "inference/loader.hpp"
#include "inference/model/live.hpp"
#include "tests/inference/speech/fixtures.hpp"

namespace troupe::inference::tests {

inline fs::path paraformer_folder(bool streaming) {
  return fixtures() / "speech" / (streaming ? "paraformer_streaming" : "paraformer_offline");
}

// make_paraformer.py's sound().
inline std::vector<float> paraformer_sound(std::size_t count, std::uint32_t seed) {
  constexpr std::pair<std::size_t, std::size_t> waves[] = {{11, 3001}, {29, 4507}, {37, 2203},
                                                           {53, 5701}, {71, 7001}, {90, 1709}};
  std::vector<float> out(count);
  auto noise = seed;
  for (std::size_t i = 0; i < count; ++i) {
    int x = 0;
    for (std::size_t k = 0; k < std::size(waves); ++k)
      if ((i / waves[k].second + k + seed) % 3 != 0) x += (i / waves[k].first) % 2 == 0 ? 3000 : -3000;
    noise = noise * 1664525U + 1013904223U;
    x += static_cast<int>((noise >> 16U) % 1311U) - 655;
    out[i] = static_cast<float>(x) / 32768.0F;
  }
  return out;
}

inline std::unique_ptr<const model> loaded(const fs::path& folder, precision wanted = precision::fp32) {
  auto made = load(spec_of(folder, wanted), load_options{});
  if (!made) ADD_FAILURE() << made.error().message << " (" << made.error().detail << ")";
  return made ? std::move(*made) : nullptr;
}

// What one session was told.
struct heard_session {
  std::vector<std::vector<std::int32_t>> steps;  // ids
  std::string text;
  std::vector<spoken_token> tokens;
  bool ended = false;
  bool operator==(const heard_session& o) const { return steps == o.steps && text == o.text; }
};

// One session, which is fed and stepped from outside.
class test_session {
 public:
  test_session(const model& m, const live_options& options, std::vector<float> sound)
      : sound_(std::move(sound)),
        feeder_(m.live()->open_feeder(options).value()),
        state_(m.live()->open_state(options).value()) {}

  // The next `count` samples; at the end of them, finish().
  void feed(std::size_t count) {
    count = std::min(count, sound_.size() - fed_);
    feeder_->accept(std::span(sound_).subspan(fed_, count));
    fed_ += count;
    if (fed_ == sound_.size() && !finished_) {
      feeder_->finish();
      finished_ = true;
    }
  }
  bool fed() const { return finished_; }
  // The next step, if there is one.
  bool ready() {
    if (!in_) in_ = feeder_->next();
    return in_ != nullptr;
  }
  row next_row() {
    row r;
    r.in = in_.get();
    r.st = state_.get();
    return r;
  }
  void take(row&& r) {
    ASSERT_EQ(r.problem, "");
    ASSERT_FALSE(heard.ended) << "a step after the last one";
    auto& t = std::get<transcript>(r.out);
    auto& step = heard.steps.emplace_back();
    for (const auto& token : t.tokens) step.push_back(token.id);
    heard.text += t.text;
    heard.ended = t.final;
    heard.tokens.insert(heard.tokens.end(), t.tokens.begin(), t.tokens.end());
    in_.reset();
  }
  std::shared_ptr<state> give_state() { return state_; }
  feeder& sound() { return *feeder_; }

  heard_session heard;

 private:
  std::vector<float> sound_;
  std::unique_ptr<feeder> feeder_;
  std::shared_ptr<state> state_;
  std::unique_ptr<const prepared> in_;
  std::size_t fed_ = 0;
  bool finished_ = false;
};

// Alone, whole.
inline heard_session hear_alone(const model& m, const live_options& options, std::vector<float> sound) {
  test_session session(m, options, std::move(sound));
  const auto one = m.make_instance();
  session.feed(SIZE_MAX);
  while (session.ready()) {
    auto r = session.next_row();
    one->step({&r, 1});
    session.take(std::move(r));
  }
  return session.heard;
}

}  // namespace troupe::inference::tests
