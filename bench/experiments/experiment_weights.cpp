// Experiment c: what to do with a model's weights. See docs/experiments.md.
// --model=12x768|6x384 --seconds=0.3 --rounds=3 --threads=2 --folder=/tmp --part=rate,load,error
#include <ATen/Parallel.h>
#include <malloc.h>
#include <omp.h>

#include "bare_encoder.hpp"
#include "measure.hpp"

using namespace measure;

struct way {
  const char* name;
  at::ScalarType type;
  bare::linear_kind kind;
  bool fused = true;
  bool convert = false;  // the file is fp32, converted when loaded
};
static const way ways[] = {
    {"fp32 at::linear, mapped", at::kFloat, bare::linear_kind::aten},
    {"fp32 at::linear, q k v apart", at::kFloat, bare::linear_kind::aten, false},
    {"fp32 MKL packed", at::kFloat, bare::linear_kind::mkl},
    {"fp32 oneDNN, mapped", at::kFloat, bare::linear_kind::onednn_plain},
    {"fp32 oneDNN packed", at::kFloat, bare::linear_kind::onednn},
    {"bf16 at::linear, mapped", at::kBFloat16, bare::linear_kind::aten},
    {"bf16 oneDNN, mapped", at::kBFloat16, bare::linear_kind::onednn_plain},
    {"bf16 oneDNN, mapped, q k v apart", at::kBFloat16, bare::linear_kind::onednn_plain, false},
    {"bf16 oneDNN packed", at::kBFloat16, bare::linear_kind::onednn},
    {"bf16 oneDNN, converted at load", at::kBFloat16, bare::linear_kind::onednn_plain, true, true},
    {"int8 FBGEMM dynamic", at::kFloat, bare::linear_kind::int8_fbgemm},
    {"int8 oneDNN dynamic", at::kFloat, bare::linear_kind::int8_onednn},
};

int main(int argc, char** argv) {
  with_environment(argv, {{"OMP_WAIT_POLICY", option(argc, argv, "policy", "")}});
  const auto shape = option(argc, argv, "model", "12x768") == "6x384" ? bare::shape_6x384() : bare::shape_12x768();
  const auto folder = option(argc, argv, "folder", "/tmp");
  const auto part = option(argc, argv, "part", "rate,load,error");
  const auto path = [&](at::ScalarType t) {
    return folder + "/weights-" + std::to_string(shape.layers) + "x" + std::to_string(shape.hidden) +
           (t == at::kFloat ? "-fp32" : "-bf16");
  };
  // Fixed, so that what a model gives back leaves the process and the next one's bytes are seen.
  mallopt(M_MMAP_THRESHOLD, 128 << 10);
  at::set_num_threads(static_cast<int>(number(argc, argv, "threads", 2)));
  for (const auto t : {at::kFloat, at::kBFloat16}) bare::weights::write(path(t), shape, t);
  const auto open = [&](const way& w) {
    return std::make_unique<bare::encoder>(
        shape, bare::options{w.type, w.kind, bare::attention_kind::fastest, w.fused},
        std::make_shared<bare::weights>(path(w.convert ? at::kFloat : w.type), shape, w.convert ? at::kFloat : w.type));
  };
  const std::vector<std::pair<int, int>> sizes{{1, 32}, {8, 32}, {32, 32}, {4, 256}};

  if (part.find("load") != std::string::npos) {
    // Load, first answer and private bytes in a process that already runs the shape (2nd load: code and kernels warm).
    std::printf("%-34s %9s %9s %9s %9s\n", "load (1x32)", "ready ms", "first ms", "anon MB", "freed MB");
    for (const auto& w : ways) {
      const auto b = bare::even(1, 32, shape, w.type);
      open(w)->forward(b);  // kernels and code pages
      std::vector<double> ready, first;
      int64_t anonymous = 0, left = 0;
      for (int i = 0; i < 5; ++i) {
        malloc_trim(0);
        const auto before = smaps_bytes("Anonymous");
        const double start = now_us();
        auto m = open(w);
        ready.push_back(now_us() - start);
        m->forward(b);
        first.push_back(now_us() - start);
        anonymous = smaps_bytes("Anonymous") - before;
        m.reset();
        malloc_trim(0);
        left = smaps_bytes("Anonymous") - before;
      }
      std::printf("%-34s %9.1f %9.1f %9.1f %9.1f\n", w.name, median(ready) / 1e3, median(first) / 1e3, anonymous / 1e6,
                  (anonymous - left) / 1e6);
      std::fflush(stdout);
    }
  }
  std::vector<std::unique_ptr<bare::encoder>> models;
  for (const auto& w : ways) models.push_back(open(w));
  if (part.find("error") != std::string::npos) {
    const auto b32 = bare::even(8, 32, shape, at::kFloat);
    const auto truth = models[0]->forward(b32);
    std::printf("\n%-34s %12s\n", "error against fp32 (8x32)", "relative L2");
    for (size_t i = 0; i < models.size(); ++i)
      std::printf("%-34s %12.2e\n", ways[i].name,
                  ((models[i]->forward(b32) - truth).norm() / truth.norm()).item<double>());
  }
  if (part.find("rate") != std::string::npos) {
    std::printf("\n%d threads; ms a batch, best of rounds' medians (worst/best), GFLOP/s\n", at::get_num_threads());
    for (const auto& [rows, length] : sizes) {
      std::vector<bare::batch> batches;
      for (const auto& w : ways) batches.push_back(bare::even(rows, length, shape, w.type));
      std::vector<variant> variants;
      variants.reserve(models.size());
      for (size_t i = 0; i < models.size(); ++i)
        variants.push_back({ways[i].name, [&, i] { models[i]->forward(batches[i]); }});
      interleave(variants, static_cast<int>(number(argc, argv, "rounds", 3)), number(argc, argv, "seconds", 0.3));
      for (const auto& v : variants)
        std::printf("%2dx%-3d %-34s %8.2f (%.2f) %7.0f\n", rows, length, v.name.c_str(), best(v) / 1e3, spread(v),
                    bare::encoder::linear_flops(shape, rows * length) / best(v) / 1e3);
      std::fflush(stdout);
    }
  }
}
