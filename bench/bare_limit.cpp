// The limit that the server's throughput is measured against: bare LibTorch running full batches of a BERT
// encoder on the same cores, with nothing around it. Several kernels and splits of the cores are tried in turn,
// round by round, and the best (by its median) is the limit. Prints one JSON line.
//
//   bare_limit --shape=6x384 --type=bf16 --work=even:32x32 | mixed:8-256 [--tokens=1024] [--seconds=1] [--rounds=3]

#include <algorithm>
#include <random>
#include <thread>

#include "bench/bare_rate.hpp"
#include "bench/experiments/measure.hpp"

using namespace measure;

namespace {

struct plan {
  int slots = 1, threads = 1;
};

}  // namespace

int main(int argc, char** argv) {
  with_environment(argv, {{"OMP_WAIT_POLICY", "PASSIVE"}});
  const auto shape_name = option(argc, argv, "shape", "6x384");
  const auto type_name = option(argc, argv, "type", "fp32");
  const auto work = option(argc, argv, "work", "even:32x32");
  const auto folder = option(argc, argv, "folder", "/tmp");
  const auto budget = static_cast<int64_t>(number(argc, argv, "tokens", 1024));
  const double seconds = number(argc, argv, "seconds", 1);
  const int rounds = static_cast<int>(number(argc, argv, "rounds", 3));

  const auto shape = shape_name == "12x768" ? bare::shape_12x768() : bare::shape_6x384();
  const auto type = type_name == "bf16" ? at::kBFloat16 : at::kFloat;
  const auto path = folder + "/bare-" + shape_name + "-" + type_name;
  bare::weights::write(path, shape, type);
  const auto weights = [&] { return std::make_shared<bare::weights>(path, shape, type); };

  std::vector<bare::batch> batches;
  if (work.rfind("even:", 0) == 0) {
    int64_t rows = 32, length = 32;
    std::sscanf(work.c_str(), "even:%ldx%ld", &rows, &length);
    batches.push_back(bare::even(rows, length, shape, type));
  } else {
    int64_t low = 8, high = 256;
    std::sscanf(work.c_str(), "mixed:%ld-%ld", &low, &high);
    std::mt19937_64 random(7);
    std::vector<int64_t> lengths(1024);
    for (auto& l : lengths) l = low + static_cast<int64_t>(random() % static_cast<std::uint64_t>(high - low + 1));
    std::sort(lengths.begin(), lengths.end());
    std::vector<int64_t> some;
    int64_t tokens = 0;
    const auto close = [&] {
      if (!some.empty()) batches.push_back(bare::packed(some, 1, shape, type));
      some.clear();
      tokens = 0;
    };
    for (const auto l : lengths) {
      if (tokens + l > budget) close();
      some.push_back(l);
      tokens += l;
    }
    close();
    std::shuffle(batches.begin(), batches.end(), random);  // a short measurement sees all lengths
  }

  struct variant {
    std::string name;
    std::unique_ptr<bare::encoder> model;
    plan p;
    std::vector<double> rates{};
  };
  const int cores = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  std::vector<variant> variants;
  for (const auto& [name, kind] : bare::kernels(type)) {
    for (const plan p : {plan{1, cores}, plan{cores, 1}}) {
      bare::options o;
      o.type = type;
      o.linear = kind;
      try {
        auto model = std::make_unique<bare::encoder>(shape, o, weights());
        model->forward(batches.front());
        variants.push_back(
            {name + " " + std::to_string(p.slots) + "x" + std::to_string(p.threads), std::move(model), p});
      } catch (const std::exception& e) {
        std::fprintf(stderr, "%s: %s\n", name.c_str(), e.what());
      }
      if (cores == 1) break;
    }
  }
  for (int r = 0; r < rounds; ++r) {
    for (auto& v : variants) {
      const std::vector<const std::vector<bare::batch>*> lists(static_cast<std::size_t>(v.p.slots), &batches);
      v.rates.push_back(bare::run(*v.model, lists, v.p.threads, seconds, 4).sequences_per_second);
    }
  }
  const variant* best = nullptr;
  for (const auto& v : variants) {
    std::fprintf(stderr, "%-20s best %.1f median %.1f\n", v.name.c_str(), maximum(v.rates), median(v.rates));
    if (!best || median(v.rates) > median(best->rates)) best = &v;
  }
  if (!best) return 1;
  std::printf("{\"shape\":\"%s\",\"type\":\"%s\",\"work\":\"%s\",\"best\":\"%s\",\"rate\":%.2f}\n", shape_name.c_str(),
              type_name.c_str(), work.c_str(), best->name.c_str(), median(best->rates));
}
