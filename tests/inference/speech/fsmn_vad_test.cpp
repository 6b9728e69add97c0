#include "inference/speech/fsmn_vad.hpp"

#include <random>

#include <gtest/gtest.h>

#include "inference/speech/fsmn_vad_load.hpp"
#include "inference/speech/speech_load.hpp"
#include "tests/inference/speech/vad_sounds.hpp"

namespace troupe::inference {
namespace {

using tests::number;
using tests::sound_of;
using tests::vad_fixtures;

std::string model_error(const tests::fs::path& folder) {
  const auto config = model_yaml::read(folder / "config.yaml", 1 << 20).value();
  const auto made = load_fsmn_vad({tests::spec_of(folder), {}, "1", config});
  return made ? "" : made.error().message;
}

std::unique_ptr<const model> load(precision what = precision::fp32) {
  const auto folder = vad_fixtures() / "model";
  const auto config = model_yaml::read(folder / "config.yaml", 1 << 20).value();
  auto made = load_fsmn_vad({tests::spec_of(folder, what), {}, "1", config});
  if (!made) throw std::runtime_error(made.error().message);
  return std::move(*made);
}

// The network alone, and what it takes.
struct network_of {
  explicit network_of(precision what = precision::fp32) {
    const auto folder = vad_fixtures() / "model";
    const auto config = model_yaml::read(folder / "config.yaml", 1 << 20).value();
    const auto spec = tests::spec_of(folder, what);
    const load_options options;
    const std::string version = "1";
    const funasr_folder opened{spec, options, version, config};
    settings = read_fsmn_vad_settings(config).value();
    front = speech_front_end(opened, settings.front).value();
    const auto source = checkpoint::open_torch_file(folder / "model.pt", 0).value();
    const auto plan = plan_fsmn_vad(settings.network, source).value();
    model_info info;
    net = make_fsmn_vad(settings, load_speech_weights(opened, plan, source, what, nullptr, info).value());
    lane = net->make_lane();
  }
  fsmn_vad_settings settings;
  std::shared_ptr<const front_end> front;
  std::shared_ptr<const fsmn_vad> net;
  std::unique_ptr<device_lane> lane;
};

// One sound on its way.
struct session {
  session(const network_of& vad, const endpoint_settings& rules)
      : stream(vad.front), past(vad.net->make_past()), detector(rules) {}
  front_end_stream stream;
  fsmn_past past;
  endpoint_detector detector;
  std::vector<float> features;
};

std::vector<std::vector<std::int64_t>> written(const std::vector<speech_span>& all) {
  std::vector<std::vector<std::int64_t>> out;
  for (const auto& s : all) out.push_back({s.begin_ms.value_or(-1), s.end_ms.value_or(-1)});
  return out;
}

// From samples to spans, in the reference's chunks.
TEST(fsmn_vad, spans_as_the_reference) {
  const network_of vad;
  tests::json_file file(vad_fixtures() / "sounds.json");
  std::size_t told = 0;
  for (const auto one : file.root().get_array()) {
    const auto samples = sound_of(one);
    for (const auto answer : one.at_key("answers").get_array()) {
      const auto chunk_ms = number(answer.at_key("chunk_ms"));
      auto rules = vad.settings.endpoints;
      rules.whole_segments = chunk_ms == 60'000;
      if (answer.at_key("dynamic").get_bool().value()) rules.dynamic = funasr_dynamic_silence();
      session s(vad, rules);
      const auto size = static_cast<std::size_t>(chunk_ms * 16);
      std::size_t at = 0;
      for (const auto expected : answer.at_key("spans").get_array()) {
        const bool last = at + size >= samples.size();
        s.features.clear();
        s.stream.accept(std::span(samples).subspan(at, std::min(size, samples.size() - at)), s.features);
        if (last) s.stream.finish(s.features);
        const std::vector<fsmn_vad_row> rows{{s.features, &s.past}};
        const auto silence = vad.net->run(rows, *vad.lane);
        const auto made = written(s.detector.feed(silence.front(), chunk_ms, last));
        std::vector<std::vector<std::int64_t>> wanted;
        for (const auto span : expected.get_array()) wanted.push_back({number(span.at(0)), number(span.at(1))});
        EXPECT_EQ(made, wanted) << "seed " << number(one.at_key("seed")) << " chunk " << chunk_ms << " at " << at;
        told += made.size();
        at += size;
      }
      EXPECT_EQ(s.detector.frames(), number(answer.at_key("frames")));
    }
  }
  EXPECT_GT(told, 40U);
}

TEST(fsmn_vad, probabilities_as_the_reference) {
  const network_of vad;
  tests::json_file file(vad_fixtures() / "sounds.json");
  std::size_t frames = 0;
  for (const auto one : file.root().get_array()) {
    simdjson::dom::array expected;
    if (one.at_key("silence").get(expected)) continue;
    const auto features = vad.front->features(sound_of(one));
    auto past = vad.net->make_past();
    const std::vector<fsmn_vad_row> rows{{features, &past}};
    const auto silence = vad.net->run(rows, *vad.lane).front();
    for (const auto p : expected) EXPECT_NEAR(silence[frames++], p.get_double().value(), 2e-5);
  }
  EXPECT_EQ(frames, 60U);
}

// Sounds of every age in one batch, each cut at random: the same as alone and whole.
TEST(fsmn_vad, batched_as_alone) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  for (const auto what : {precision::fp32, precision::bf16}) {
    const network_of vad(what);
    const auto width = vad.front->width();
    std::uniform_real_distribution<float> any(-1, 1);
    std::vector<std::vector<float>> features;
    std::vector<std::vector<double>> alone, together;
    std::vector<fsmn_past> pasts;
    std::vector<std::size_t> at;
    for (std::size_t i = 0; i < 9; ++i) {
      auto& f = features.emplace_back((1 + random() % 200) * width);
      for (auto& x : f) x = any(random);
      auto past = vad.net->make_past();
      const std::vector<fsmn_vad_row> rows{{f, &past}};
      alone.push_back(vad.net->run(rows, *vad.lane).front());
      pasts.push_back(vad.net->make_past());
    }
    together.resize(features.size());
    at.resize(features.size());
    for (bool more = true; more;) {
      more = false;
      std::vector<fsmn_vad_row> rows;
      for (std::size_t i = 0; i < features.size(); ++i) {
        const auto left = features[i].size() / width - at[i];
        const auto now = std::min<std::size_t>(random() % 30, left);
        rows.push_back({std::span(features[i]).subspan(at[i] * width, now * width), &pasts[i]});
        at[i] += now;
        more = more || at[i] * width < features[i].size();
      }
      const auto made = vad.net->run(rows, *vad.lane);
      for (std::size_t i = 0; i < made.size(); ++i)
        together[i].insert(together[i].end(), made[i].begin(), made[i].end());
    }
    for (std::size_t i = 0; i < alone.size(); ++i) {
      ASSERT_EQ(together[i].size(), alone[i].size());
      for (std::size_t t = 0; t < alone[i].size(); ++t)
        ASSERT_NEAR(together[i][t], alone[i][t], what == precision::fp32 ? 1e-6 : 1e-2);
    }
  }
}

TEST(fsmn_vad, tells_what_it_is) {
  const auto vad = load();
  EXPECT_EQ(vad->info().architecture, "FsmnVADStreaming");
  EXPECT_EQ(vad->info().tasks, std::vector{task::voice_activity_detection});
  EXPECT_TRUE(vad->info().stateful);
  EXPECT_EQ(network_of().settings.endpoints, endpoint_settings{});
  EXPECT_EQ(vad->live()->rate_hz(), 16000U);
  const auto folder = vad_fixtures() / "model";
  const auto config = model_yaml::read(folder / "config.yaml", 1 << 20).value();
  const auto estimate = estimate_fsmn_vad({tests::spec_of(folder), {}, "1", config});
  ASSERT_TRUE(estimate);
  EXPECT_GE(estimate->total_bytes(), vad->memory().total_bytes());
  for (const auto& bucket : vad->warm_buckets(64, 1024)) {
    std::vector<prepared_ptr> in;
    std::vector<row> rows;
    for (std::uint32_t i = 0; i < bucket.items; ++i) {
      in.push_back(vad->warm_input(bucket));
      rows.push_back({in.back().get(), nullptr, {}, false, {}});
    }
    vad->make_instance()->step(rows);
  }
}

std::string refusal(const std::string& from, const std::string& to) {
  const tests::scratch_folder scratch;
  tests::copy_folder(vad_fixtures() / "model", scratch.path() / "m");
  const auto path = scratch.path() / "m" / "config.yaml";
  auto text = tests::read_file(path);
  const auto at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  tests::write_file(path, text.replace(at, from.size(), to));
  const auto message = model_error(scratch.path() / "m");
  EXPECT_FALSE(message.empty()) << to;
  return message;
}

TEST(fsmn_vad, refuses_by_name_what_it_does_not_know) {
  const auto says = [](const std::string& message, std::string_view what) {
    EXPECT_NE(message.find(what), std::string::npos) << message;
  };
  says(refusal("model: FsmnVADStreaming", "model: FsmnKWS"), "FsmnKWS");
  says(refusal("rorder: 0", "rorder: 2"), "rorder");
  says(refusal("lorder: 20", "lorder: 10"), "conv_left");
  says(refusal("detect_mode: 1", "detect_mode: 0"), "detect_mode");
  says(refusal("snr_thres: -100.0", "snr_thres: 5.0"), "snr_thres");
  says(refusal("decibel_thres: -100.0", "decibel_thres: -40.0"), "decibel_thres");
  says(refusal("silence_pdf_num: 1", "silence_pdf_num: 2"), "silence_pdf_num");
  says(refusal("frame_in_ms: 10", "frame_in_ms: 20"), "frame_in_ms");
  says(refusal("max_end_silence_time: 800", "max_end_silence_time: 100"), "max_end_silence_time");
  says(refusal("frontend: WavFrontendOnline", "frontend: WavFrontend9"), "frontend");
  says(refusal("output_frame_probs: false", "other_rule: false"), "other_rule");
  says(refusal("lfr_m: 5", "lfr_m: 7"), "input_dim");
}

}  // namespace
}  // namespace troupe::inference
