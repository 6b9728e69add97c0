#include "bench/bare_rate.hpp"

#include <ATen/Parallel.h>
#include <omp.h>

#include <atomic>
#include <map>
#include <thread>

#include "bench/experiments/measure.hpp"

namespace bare {

std::vector<std::pair<std::string, linear_kind>> kernels(at::ScalarType type) {
  std::vector<std::pair<std::string, linear_kind>> all{{"onednn_plain", linear_kind::onednn_plain},
                                                       {"onednn", linear_kind::onednn}};
  if (type == at::kFloat) {
    all.emplace_back("mkl", linear_kind::mkl);
    all.emplace_back("aten", linear_kind::aten);
  }
  return all;
}

throughput run(const encoder& model, const std::vector<const std::vector<batch>*>& lists, int threads_per_slot,
               double seconds, int least_batches) {
  struct slot {
    double rate = 0;
    std::vector<double> times{};
  };
  std::map<const std::vector<batch>*, std::atomic<std::size_t>> next;
  for (const auto* list : lists) next[list] = 0;
  std::vector<slot> slots(lists.size());
  std::vector<std::thread> threads;
  threads.reserve(slots.size());
  for (std::size_t n = 0; n < slots.size(); ++n) {
    threads.emplace_back([&, n] {
      at::get_num_threads();
      omp_set_num_threads(threads_per_slot);
      const auto& batches = *lists[n];
      auto& turn = next.at(&batches);
      const double begin = measure::now_us();
      double last = begin;
      int64_t sequences = 0;
      for (int done = 0; done < least_batches || last - begin < seconds * 1e6; ++done) {
        const auto& b = batches[turn++ % batches.size()];
        model.forward(b);
        sequences += b.firsts.size(0);
        const double now = measure::now_us();
        slots[n].times.push_back(now - last);
        last = now;
      }
      slots[n].rate = static_cast<double>(sequences) / ((last - begin) / 1e6);
    });
  }
  for (auto& t : threads) t.join();
  throughput sum;
  std::vector<double> times;
  for (const auto& s : slots) {
    sum.sequences_per_second += s.rate;
    times.insert(times.end(), s.times.begin(), s.times.end());
  }
  sum.batch_ms = measure::median(times) / 1e3;
  return sum;
}

}  // namespace bare
