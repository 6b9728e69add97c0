// Experiment b: what loading and unloading a model does to one that is being served. See docs/experiments.md.
// A loader thread maps, touches and unmaps a file in a loop; the foreground times its steps meanwhile.
// --file-mb=440 --folder=/tmp --seconds=2 --rounds=2 --foreground=encoder1,encoder2,slots2,matrix1,malloc
// --ways='touch;touch, IDLE;...'
#include <ATen/Parallel.h>
#include <c10/core/InferenceMode.h>
#include <fcntl.h>
#include <malloc.h>
#include <omp.h>
#include <sys/mman.h>

#include <atomic>
#include <thread>

#include "bare_encoder.hpp"
#include "measure.hpp"

using namespace measure;

namespace {

std::atomic<uint64_t> sink{0};

struct file {
  int fd = -1;
  size_t size = 0;
};

void touch(const char* p, size_t n) {
  uint64_t sum = 0;
  for (size_t i = 0; i < n; i += 4096) sum += static_cast<unsigned char>(p[i]);
  sink += sum;
}

struct way {
  std::string name;
  enum { none, whole, populate_flag, populate_read, read_copy, convert } fill = whole;
  size_t chunk = 0;     // bytes filled at a time, 0: all
  double pause_us = 0;  // between chunks; 0 with a chunk: sched_yield
  std::string klass = "normal";
  enum { munmap_whole, munmap_chunks, dontneed_chunks } drop = munmap_whole;
  bool huge = false;
};

void between(const way& w) {
  if (w.pause_us > 0) {
    timespec t{0, static_cast<long>(w.pause_us * 1e3)};
    nanosleep(&t, nullptr);
  } else {
    sched_yield();
  }
}

/// One load and unload; returns their times in microseconds.
std::pair<double, double> cycle(const way& w, const file& f) {
  const double start = now_us();
  const size_t chunk = w.chunk ? w.chunk : f.size;
  const bool copies = w.fill == way::read_copy || w.fill == way::convert;
  const size_t length = w.fill == way::convert ? f.size / 2 : f.size;
  char* source = nullptr;
  char* p;
  if (copies) {
    p = static_cast<char*>(mmap(nullptr, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    if (w.fill == way::convert) source = static_cast<char*>(mmap(nullptr, f.size, PROT_READ, MAP_PRIVATE, f.fd, 0));
  } else {
    p = static_cast<char*>(mmap(nullptr, length, PROT_READ | PROT_WRITE,
                                MAP_PRIVATE | (w.fill == way::populate_flag ? MAP_POPULATE : 0), f.fd, 0));
  }
  if (p == MAP_FAILED) std::abort();
  if (w.huge) madvise(p, length, MADV_HUGEPAGE);
  const auto fill = [&] {
    for (size_t at = 0; at < f.size; at += chunk) {
      const size_t n = std::min(chunk, f.size - at);
      switch (w.fill) {
        case way::whole: touch(p + at, n); break;
        case way::populate_read: madvise(p + at, n, MADV_POPULATE_READ); break;
        case way::read_copy:
          for (size_t done = 0; done < n;)
            done += static_cast<size_t>(pread(f.fd, p + at + done, n - done, static_cast<off_t>(at + done)));
          break;
        case way::convert: {
          const auto* from = reinterpret_cast<const uint32_t*>(source + at);
          auto* to = reinterpret_cast<uint16_t*>(p + at / 2);
          for (size_t i = 0; i < n / 4; ++i)
            to[i] = static_cast<uint16_t>((from[i] + 0x7fff + ((from[i] >> 16) & 1)) >> 16);
          break;
        }
        default: break;
      }
      if (w.chunk) between(w);
    }
  };
  if (w.klass == "idle-touch")
    // Only the touching is idle: a thread that is starved inside mmap, munmap or madvise would keep the
    // address space's lock, and everyone who maps memory would wait for it.
    std::thread([&] { set_thread_class("idle"), fill(); }).join();
  else
    fill();
  const double loaded = now_us();
  const auto drop = [&](char* what, size_t size) {
    if (w.drop == way::munmap_chunks)
      for (size_t at = 0; at < size; at += 2u << 20)
        munmap(what + at, std::min<size_t>(2u << 20, size - at)), between(w);
    else {
      if (w.drop == way::dontneed_chunks)
        for (size_t at = 0; at < size; at += 2u << 20)
          madvise(what + at, std::min<size_t>(2u << 20, size - at), MADV_DONTNEED), between(w);
      munmap(what, size);
    }
  };
  drop(p, length);
  if (source) drop(source, f.size);
  return {loaded - start, now_us() - loaded};
}

struct result {
  std::vector<double> steps, loads, unloads;
};

}  // namespace

int main(int argc, char** argv) {
  with_environment(argv, {{"OMP_WAIT_POLICY", option(argc, argv, "policy", "PASSIVE")}});
  mallopt(M_MMAP_THRESHOLD, static_cast<int>(number(argc, argv, "mmap-threshold", 32 << 20)));
  mallopt(M_TRIM_THRESHOLD, static_cast<int>(number(argc, argv, "trim-threshold", 64 << 20)));
  const double seconds = number(argc, argv, "seconds", 2);
  const int rounds = static_cast<int>(number(argc, argv, "rounds", 2));
  const auto folder = option(argc, argv, "folder", "/tmp");
  // A real file of the wanted size, read once so that it lies in the page cache.
  const auto path = folder + "/interference.bin";
  file f;
  f.size = static_cast<size_t>(number(argc, argv, "file-mb", 440)) * 1000 * 1000 / 4096 * 4096;
  {
    f.fd = open(path.c_str(), O_RDWR | O_CREAT, 0600);
    std::vector<char> block(4 << 20, 1);
    if (lseek(f.fd, 0, SEEK_END) != static_cast<off_t>(f.size)) {
      if (ftruncate(f.fd, 0)) return 1;
      for (size_t at = 0; at < f.size; at += block.size())
        if (pwrite(f.fd, block.data(), std::min(block.size(), f.size - at), static_cast<off_t>(at)) < 0) return 1;
      fsync(f.fd);
    }
    for (size_t at = 0; at < f.size; at += block.size())
      if (pread(f.fd, block.data(), block.size(), static_cast<off_t>(at)) < 0) return 1;
  }
  {
    // Does the page cache give huge mappings here?
    for (const bool huge : {false, true}) {
      char* p = static_cast<char*>(mmap(nullptr, f.size, PROT_READ, MAP_PRIVATE, f.fd, 0));
      if (huge) madvise(p, f.size, MADV_HUGEPAGE);
      rusage a{}, b{};
      getrusage(RUSAGE_SELF, &a);
      const double t = now_us();
      touch(p, f.size);
      const double d = now_us() - t;
      getrusage(RUSAGE_SELF, &b);
      std::printf("touch%s: %.1f ms, %ld faults (%.0f KiB each), FilePmdMapped %.0f MB\n",
                  huge ? " with MADV_HUGEPAGE" : "", d / 1e3, b.ru_minflt - a.ru_minflt,
                  static_cast<double>(f.size) / 1024 / static_cast<double>(b.ru_minflt - a.ru_minflt),
                  static_cast<double>(smaps_bytes("FilePmdMapped")) / 1e6);
      munmap(p, f.size);
    }
  }
  const size_t mib = 1 << 20;
  std::vector<way> ways{
      {"quiet", way::none},
      {"touch", way::whole},
      {"touch, nice 10", way::whole, 0, 0, "nice10"},
      {"touch, nice 19", way::whole, 0, 0, "nice19"},
      {"touch 1 MiB, nice 10, yield", way::whole, mib, 0, "nice10"},
      {"touch, BATCH", way::whole, 0, 0, "batch"},
      {"touch, IDLE", way::whole, 0, 0, "idle"},
      {"touch 1 MiB, yield", way::whole, mib},
      {"touch 1 MiB, pause 200 us", way::whole, mib, 200},
      {"touch, IDLE, DONTNEED 2 MiB", way::whole, 0, 0, "idle", way::dontneed_chunks},
      {"touch IDLE, calls normal", way::whole, 0, 0, "idle-touch"},
      {"touch IDLE, calls normal, DONTNEED", way::whole, 0, 0, "idle-touch", way::dontneed_chunks},
      {"touch IDLE, calls normal, munmap", way::whole, 0, 0, "idle-touch", way::munmap_chunks},
      {"POPULATE_READ", way::populate_read},
      {"POPULATE_READ, IDLE", way::populate_read, 0, 0, "idle"},
      {"POPULATE_READ 2 MiB, yield", way::populate_read, 2 * mib},
      {"MAP_POPULATE (writable)", way::populate_flag},
      {"read() 1 MiB", way::read_copy, mib},
      {"read() 1 MiB, IDLE", way::read_copy, mib, 0, "idle"},
      {"convert to bf16", way::convert, mib},
      {"convert to bf16, IDLE", way::convert, mib, 0, "idle"},
      {"convert IDLE, calls normal, HUGE", way::convert, mib, 0, "idle-touch", way::munmap_whole, true},
  };
  if (const auto only = option(argc, argv, "ways", ""); !only.empty()) {
    std::vector<way> chosen;
    for (const auto& w : ways)
      for (const auto& o : split(only, ';'))
        if (w.name == o || w.fill == way::none) {
          chosen.push_back(w);
          break;
        }
    ways = chosen;
  }
  const auto shape = bare::shape_6x384();
  bare::weights::write(folder + "/weights-6x384-bf16", shape, at::kBFloat16);
  const bare::encoder model(shape, {at::kBFloat16, bare::linear_kind::onednn_plain},
                            std::make_shared<bare::weights>(folder + "/weights-6x384-bf16", shape, at::kBFloat16));

  for (const auto& foreground : split(option(argc, argv, "foreground", "encoder1,encoder2,slots2,matrix1,malloc"))) {
    const int slots = foreground == "slots2" ? 2 : 1;
    const int threads = foreground == "encoder2" ? 2 : 1;
    const size_t malloc_bytes = 40u << 20;  // above the threshold: an mmap and a munmap each
    std::vector<result> results(ways.size());
    for (int round = 0; round < rounds; ++round)
      for (size_t i = 0; i < ways.size(); ++i) {
        std::atomic<bool> stop{false};
        std::thread loader([&] {
          set_thread_class(ways[i].klass);
          while (!stop && ways[i].fill != way::none) {
            const auto [load, unload] = cycle(ways[i], f);
            results[i].loads.push_back(load);
            results[i].unloads.push_back(unload);
          }
        });
        std::vector<std::vector<double>> times(static_cast<size_t>(slots));
        std::vector<std::thread> team;
        team.reserve(static_cast<size_t>(slots));
        for (int s = 0; s < slots; ++s)
          team.emplace_back([&, s] {
            c10::InferenceMode guard;
            at::set_num_threads(threads);
            const auto b = bare::even(4, 32, shape, at::kBFloat16);
            const auto x = at::randn({256, 384}), y = at::randn({384, 1536});
            const auto step = [&] {
              if (foreground == "matrix1") {
                at::mm(x, y);
              } else if (foreground == "malloc") {
                auto* p = static_cast<volatile char*>(std::malloc(malloc_bytes));
                p[0] = 1;
                std::free(const_cast<char*>(p));
              } else {
                model.forward(b);
              }
            };
            for (int k = 0; k < 5; ++k) step();
            times[static_cast<size_t>(s)] = sample(seconds, step);
          });
        for (auto& t : team) t.join();
        stop = true;
        loader.join();
        for (auto& t : times) results[i].steps.insert(results[i].steps.end(), t.begin(), t.end());
      }
    std::printf("\nforeground %s (us a step)\n%-36s %8s %8s %8s %8s   %9s %9s\n", foreground.c_str(), "loader", "p50",
                "p99", "p99.9", "max", "load ms", "unload ms");
    for (size_t i = 0; i < ways.size(); ++i) {
      const auto& r = results[i];
      std::printf("%-36s %8.0f %8.0f %8.0f %8.0f   %9.1f %9.1f\n", ways[i].name.c_str(), median(r.steps),
                  percentile(r.steps, 0.99), percentile(r.steps, 0.999), maximum(r.steps), median(r.loads) / 1e3,
                  median(r.unloads) / 1e3);
    }
    std::fflush(stdout);
  }
}
