// Steps of a streaming Paraformer alone, on one thread: the sessions of a batch take them together, with no server
// around them. What a step costs is the thread's CPU time, which neighbours disturb least; the median of many. Prints
// one JSON line, and the sound that was heard in a second of it, with and without what feeds it.
//
//   speech_steps --folder=DIR --store=DIR [--precision=bf16] [--setting=0,10,5,4,1] [--rows=32] [--seconds=5]

#include <fstream>
#include <iostream>
#include <random>
#include <stdexcept>

#include "bench/experiments/measure.hpp"
#include "inference/calibration.hpp"
#include "inference/loader.hpp"
#include "inference/torch/runtime.hpp"

using namespace measure;
using namespace troupe::inference;

namespace {

double thread_us() {
  timespec t{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) * 1e6 + static_cast<double>(t.tv_nsec) / 1e3;
}

// 16 bit, mono.
std::vector<float> sound_of(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  std::vector<std::int16_t> numbers(std::filesystem::file_size(file) / sizeof(std::int16_t));
  in.read(reinterpret_cast<char*>(numbers.data()), static_cast<std::streamsize>(2 * numbers.size()));
  std::vector<float> sound(numbers.size());
  for (std::size_t i = 0; i < sound.size(); ++i) sound[i] = static_cast<float>(numbers[i]) / 32768.0F;
  return sound;
}

live_options options_of(const std::string& setting) {
  const auto parts = split(setting);
  if (parts.size() != 5)
    throw std::invalid_argument("--setting: left, chunk, ahead, encoder's and decoder's look-back");
  const auto at = [&](std::size_t i) { return std::stoi(parts[i]); };
  return {static_cast<std::uint32_t>(at(0)),
          static_cast<std::uint32_t>(at(1)),
          static_cast<std::uint32_t>(at(2)),
          at(3),
          at(4),
          {}};
}

struct session {
  std::unique_ptr<feeder> sound;
  std::shared_ptr<state> kept;
  std::size_t position = 0;
};

}  // namespace

int main(int argc, char** argv) try {
  if (prepare_environment()) {
    execv("/proc/self/exe", argv);
    return 1;
  }
  initialise_runtime();
  const std::filesystem::path folder = option(argc, argv, "folder", ""), store = option(argc, argv, "store", "");
  std::filesystem::create_directories(store / "models");
  calibrate(store / "calibration.json", false);
  const auto name = option(argc, argv, "precision", "bf16"), setting = option(argc, argv, "setting", "0,10,5,4,1");
  const auto rows = static_cast<std::size_t>(number(argc, argv, "rows", 32));
  artifact_spec spec;
  spec.name = "speech";
  spec.path = folder;
  spec.wanted = parse_precision(name).value();
  load_options loading;
  loading.store = store / "models";
  auto loaded = load(spec, loading);
  if (!loaded) throw std::runtime_error(loaded.error().message + ": " + loaded.error().detail);
  const auto& live = *(*loaded)->live();

  const auto options = options_of(setting);
  const auto sound = sound_of(folder / "sound.pcm");
  const std::size_t chunk_samples = options.chunk_frames * 960;
  std::mt19937 random(7);
  std::vector<session> sessions(rows);
  for (auto& s : sessions)
    s = {live.open_feeder(options).value(), live.open_state(options).value(),
         random() % (sound.size() - chunk_samples)};
  const auto one = (*loaded)->make_instance();

  std::vector<double> fed_us, step_us;
  std::size_t tokens = 0, steps = 0;
  const auto step = [&] {
    std::vector<prepared_ptr> inputs;
    inputs.reserve(rows);
    std::vector<row> batch(rows);
    const auto begin = thread_us();
    for (std::size_t i = 0; i < rows; ++i) {
      auto& s = sessions[i];
      prepared_ptr in;
      while (!(in = s.sound->next())) {
        if (s.position + chunk_samples > sound.size()) s.position = 0;
        s.sound->accept(std::span(sound).subspan(s.position, chunk_samples));
        s.position += chunk_samples;
      }
      inputs.push_back(std::move(in));
      batch[i].in = inputs.back().get();
      batch[i].st = s.kept.get();
    }
    const auto fed = thread_us();
    one->step(batch);
    const auto end = thread_us();
    fed_us.push_back((fed - begin));
    step_us.push_back(end - fed);
    for (const auto& r : batch) {
      if (!r.problem.empty()) throw std::runtime_error(r.problem);
      tokens += std::get<transcript>(r.out).tokens.size();
    }
    ++steps;
  };
  for (int i = 0; i < 8; ++i) step();  // of every age
  fed_us.clear(), step_us.clear();
  tokens = steps = 0;
  for (const auto end = now_us() + 1e6 * number(argc, argv, "seconds", 5); now_us() < end;) step();

  const auto heard_us = static_cast<double>(rows * chunk_samples) / live.rate_hz() * 1e6;
  std::printf(
      "{\"precision\": \"%s\", \"setting\": \"%s\", \"rows\": %zu, \"steps\": %zu, \"tokens\": %.1f, \"step_ms\": "
      "%.2f, "
      "\"fastest_ms\": %.2f, \"feed_ms\": %.2f, \"streams\": %.1f, \"streams_fed\": %.1f}\n",
      name.c_str(), setting.c_str(), rows, steps, static_cast<double>(tokens) / static_cast<double>(steps),
      median(step_us) / 1e3, percentile(step_us, 0) / 1e3, median(fed_us) / 1e3, heard_us / median(step_us),
      heard_us / (median(step_us) + median(fed_us)));
  return 0;
} catch (const std::exception& e) {
  std::cerr << e.what() << '\n';
  return 1;
}
