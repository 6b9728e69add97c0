// Bare LibTorch at sizes that are asked for, so that a limit can be measured between two measurements of a server
// without writing weights and preparing kernels each time. The first line out names the kernels; then a line in is
//
//   KERNEL ROWS[,ROWS..] LENGTH THREADS SECONDS LEAST_BATCHES
//
// one count of rows a slot, each slot running batches of its own size, and the answer a line of JSON: sequences a
// second of all slots together, and the median time of a batch. Ends with its input.
//
//   bare_batches --shape=6x384 --type=bf16 [--folder=/tmp]

#include <iostream>
#include <map>
#include <memory>
#include <sstream>

#include "bench/bare_rate.hpp"
#include "bench/experiments/measure.hpp"

using namespace measure;

int main(int argc, char** argv) {
  with_environment(argv, {{"OMP_WAIT_POLICY", "PASSIVE"}});
  const auto shape_name = option(argc, argv, "shape", "6x384");
  const auto type_name = option(argc, argv, "type", "fp32");
  const auto shape = shape_name == "12x768" ? bare::shape_12x768() : bare::shape_6x384();
  const auto type = type_name == "bf16" ? at::kBFloat16 : at::kFloat;
  const auto path = option(argc, argv, "folder", "/tmp") + "/bare-" + shape_name + "-" + type_name;
  bare::weights::write(path, shape, type);

  std::map<std::string, std::unique_ptr<bare::encoder>> models;
  std::string names;
  for (const auto& [name, kind] : bare::kernels(type)) {
    bare::options o;
    o.type = type;
    o.linear = kind;
    try {
      auto model = std::make_unique<bare::encoder>(shape, o, std::make_shared<bare::weights>(path, shape, type));
      model->forward(bare::even(1, 8, shape, type));
      models[name] = std::move(model);
      names += (names.empty() ? "\"" : ",\"") + name + '"';
    } catch (const std::exception& e) {
      std::fprintf(stderr, "%s: %s\n", name.c_str(), e.what());
    }
  }
  std::printf("{\"kernels\":[%s]}\n", names.c_str());
  std::fflush(stdout);

  std::map<std::pair<int64_t, int64_t>, std::vector<bare::batch>> kept;  // by rows and length
  for (std::string line; std::getline(std::cin, line);) {
    std::istringstream in(line);
    std::string kernel, rows;
    int64_t length = 0;
    int threads = 0, least = 0;
    double seconds = 0;
    in >> kernel >> rows >> length >> threads >> seconds >> least;
    const auto model = models.find(kernel);
    if (!in || model == models.end() || length < 1 || length > shape.positions || threads < 1 || least < 1) {
      std::fprintf(stderr, "not a measurement: %s\n", line.c_str());
      return 2;
    }
    std::vector<const std::vector<bare::batch>*> lists;
    for (const auto& n : split(rows)) {
      const int64_t count = std::max(1, std::atoi(n.c_str()));
      auto& list = kept[{count, length}];
      if (list.empty()) list.push_back(bare::even(count, length, shape, type));
      lists.push_back(&list);
    }
    const auto found = bare::run(*model->second, lists, threads, seconds, least);
    std::printf("{\"rate\":%.3f,\"batch_ms\":%.4f}\n", found.sequences_per_second, found.batch_ms);
    std::fflush(stdout);
  }
}
