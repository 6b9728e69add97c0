// Experiment a: compute slots, intra-op threads and OpenMP's wait policy on few cores. See docs/experiments.md.
// --policy=passive|active|default --types=fp32,bf16 --seconds=0.4 --io=0,1 --part=run|threads
// --spin=iterations (GOMP_SPINCOUNT, with --policy=default) --rows=1,8 (of 32 tokens; default: four shapes)
#include <ATen/Parallel.h>
#include <omp.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "bare_encoder.hpp"
#include "measure.hpp"

using namespace measure;

namespace {

/// One thread that runs what it is handed, as a server's slot would.
class slot {
 public:
  explicit slot(int threads)
      : thread_([this, threads] {
          at::get_num_threads();         // LibTorch sets the thread's default on first use ..
          omp_set_num_threads(threads);  // .. and this overrides it for this thread alone
          std::unique_lock lock(mutex_);
          for (;;) {
            wake_.wait(lock, [this] { return stop_ || work_; });
            if (stop_) return;
            auto work = std::exchange(work_, nullptr);
            lock.unlock();
            work();
            lock.lock();
            done_ = true;
            finished_.notify_one();
          }
        }) {}
  ~slot() {
    {
      std::lock_guard lock(mutex_);
      stop_ = true;
    }
    wake_.notify_one();
    thread_.join();
  }
  void start(std::function<void()> work) {
    {
      std::lock_guard lock(mutex_);
      work_ = std::move(work);
      done_ = false;
    }
    wake_.notify_one();
  }
  void wait() {
    std::unique_lock lock(mutex_);
    finished_.wait(lock, [this] { return done_; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable wake_, finished_;
  std::function<void()> work_;
  bool stop_ = false, done_ = true;
  std::thread thread_;
};

/// Wakes 2,000 times a second and burns 20 us: stands for HTTP. Records how late it wakes.
class io_thread {
 public:
  explicit io_thread(bool on)
      : thread_([this, on] {
          double next = now_us();
          while (on && !stop_) {
            next += 500;
            const double left = next - now_us();
            if (left > 0) {
              timespec t{0, static_cast<long>(left * 1e3)};
              nanosleep(&t, nullptr);
            } else {
              next = now_us();
            }
            late.push_back(std::max(0.0, now_us() - next));
            spin_us(20);
          }
        }) {}
  ~io_thread() { stop(); }
  void stop() {
    stop_ = true;
    if (thread_.joinable()) thread_.join();
  }
  std::vector<double> late;

 private:
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

/// How many threads an operator really uses, by CPU time over wall time (meaningful with the passive policy).
double width_of(const std::function<void()>& step) {
  for (int i = 0; i < 3; ++i) step();
  const double cpu = process_cpu_us(), wall = now_us();
  sample(0.3, step);
  return (process_cpu_us() - cpu) / (now_us() - wall);
}

void thread_switching() {
  const auto fp32 = at::randn({256, 768}), w32 = at::randn({768, 768});
  const auto x16 = fp32.to(at::kBFloat16), w16 = w32.to(at::kBFloat16);
  const auto big = at::randn({1024, 3072});
  const std::vector<std::pair<const char*, std::function<void()>>> operators{
      {"MKL sgemm", [&] { at::mm(fp32, w32); }},
      {"oneDNN bf16", [&] { at::linear(x16, w16); }},
      {"at::parallel_for (gelu)", [&] { at::gelu(big); }},
  };
  std::printf("threads really used (CPU time over wall time) after omp_set_num_threads(n) in the thread itself\n");
  std::printf("%-28s %8s %8s %8s %8s\n", "", "fresh", "1", "2", "1 again");
  for (const auto& [name, step] : operators) {
    std::thread([&, name = name, step = step] {
      const double fresh = width_of(step);
      double widths[3];
      int i = 0;
      for (const int n : {1, 2, 1}) {
        omp_set_num_threads(n);
        widths[i++] = width_of(step);
      }
      std::printf("%-28s %8.2f %8.2f %8.2f %8.2f\n", name, fresh, widths[0], widths[1], widths[2]);
    }).join();
  }
  std::thread([&] {
    at::get_num_threads();
    omp_set_num_threads(1);
    std::printf("after omp_set_num_threads(1): at::get_num_threads() %d here, ", at::get_num_threads());
    std::thread([] { std::printf("%d in another thread\n", at::get_num_threads()); }).join();
  }).join();
  // What does a change of width cost? The same two operators on two threads, always or right after a batch on one.
  std::thread([&] {
    at::get_num_threads();
    const auto step = [&] { at::gelu(big), at::linear(x16, w16); };
    std::vector<double> always, after;
    for (int i = 0; i < 200; ++i) {
      omp_set_num_threads(2);
      step();
      double t = now_us();
      step();
      always.push_back(now_us() - t);
      omp_set_num_threads(1);
      step();
      omp_set_num_threads(2);
      t = now_us();
      step();
      after.push_back(now_us() - t);
    }
    std::printf("gelu + bf16 linear on 2 threads: %.0f us; right after the same on 1 thread: %.0f us\n", median(always),
                median(after));
  }).join();
}

}  // namespace

int main(int argc, char** argv) {
  const auto policy = option(argc, argv, "policy", "passive");
  with_environment(argv, {{"OMP_WAIT_POLICY", policy == "default"  ? ""
                                              : policy == "active" ? "ACTIVE"
                                                                   : "PASSIVE"},
                          {"GOMP_SPINCOUNT", option(argc, argv, "spin", "")}});
  const double seconds = number(argc, argv, "seconds", 0.4);
  const auto folder = option(argc, argv, "folder", "/tmp");
  if (option(argc, argv, "part", "run") == "threads") {
    thread_switching();
    return 0;
  }
  const auto label = policy + option(argc, argv, "spin", "");
  const auto shape = bare::shape_6x384();
  struct size {
    int rows, length;
  };
  std::vector<size> sizes{{1, 32}, {8, 32}, {32, 32}, {8, 128}};
  if (const auto only = option(argc, argv, "rows", ""); !only.empty()) {
    sizes.clear();
    for (const auto& r : split(only)) sizes.push_back({std::stoi(r), 32});
  }
  const auto stem = folder + "/weights-6x384-";
  for (const auto& type_name : split(option(argc, argv, "types", "fp32,bf16"))) {
    const auto type = type_name == "fp32" ? at::kFloat : at::kBFloat16;
    const auto path = stem + type_name;
    bare::weights::write(path, shape, type);
    const bare::encoder model(shape, {type, bare::linear_kind::onednn_plain},
                              std::make_shared<bare::weights>(path, shape, type));
    for (const auto [rows, length] : sizes) {
      const auto b = bare::even(rows, length, shape, type);
      const auto step = [&] { model.forward(b); };
      for (const auto& io : split(option(argc, argv, "io", "0,1"))) {
        for (const int threads : {1, 2}) {
          // A bare loop in its own thread.
          std::vector<double> times;
          {
            io_thread traffic(io == "1");
            std::thread([&] {
              at::get_num_threads();
              omp_set_num_threads(threads);
              step(), step();
              times = sample(seconds, step, 3);
            }).join();
          }
          std::printf("%s %s %dx%d io%s bare 1x%d  rate/s %.1f p50 %.2f p99 %.2f\n", label.c_str(), type_name.c_str(),
                      rows, length, io.c_str(), threads, 1e6 / median(times), median(times) / 1e3,
                      percentile(times, 0.99) / 1e3);
        }
        for (const int slots : {1, 2})
          for (const int threads : {1, 2}) {
            std::vector<std::unique_ptr<slot>> all;
            all.reserve(static_cast<size_t>(slots));
            for (int s = 0; s < slots; ++s) all.push_back(std::make_unique<slot>(threads));
            for (auto& s : all) s->start([&] { step(), step(); }), s->wait();
            // Many batches: every slot is refilled as soon as it is free.
            std::vector<std::vector<double>> times(static_cast<size_t>(slots));
            io_thread traffic(io == "1");
            const double start = now_us();
            for (int s = 0; s < slots; ++s)
              all[static_cast<size_t>(s)]->start([&, s] { times[static_cast<size_t>(s)] = sample(seconds, step, 3); });
            for (auto& s : all) s->wait();
            const double wall = now_us() - start;
            std::vector<double> merged;
            for (auto& t : times) merged.insert(merged.end(), t.begin(), t.end());
            const auto busy_late = traffic.late;
            // A lone batch now and then: handed over after 2 ms of idleness.
            std::vector<double> lone;
            if (slots == 1) {
              const double end = now_us() + seconds * 1e6;
              while (now_us() < end || lone.size() < 5) {
                usleep(2000);
                const double t = now_us();
                all[0]->start(step);
                all[0]->wait();
                lone.push_back(now_us() - t);
              }
            }
            traffic.stop();
            std::printf("%s %s %dx%d io%s slots %dx%d  rate/s %.1f p50 %.2f p99 %.2f", label.c_str(), type_name.c_str(),
                        rows, length, io.c_str(), slots, threads, static_cast<double>(merged.size()) / wall * 1e6,
                        median(merged) / 1e3, percentile(merged, 0.99) / 1e3);
            if (!lone.empty())
              std::printf(" lone_p50 %.2f lone_p99 %.2f", median(lone) / 1e3, percentile(lone, 0.99) / 1e3);
            if (io == "1")
              std::printf(" io_late_p50 %.0f io_late_p99 %.0f", median(traffic.late), percentile(traffic.late, 0.99));
            std::printf("\n");
            std::fflush(stdout);
          }
      }
    }
  }
}
