// Small tools shared by the experiments: clocks, percentiles, memory figures, scheduling, re-exec.
#pragma once

#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace measure {

inline double now_us() {
  timespec t{};
  clock_gettime(CLOCK_MONOTONIC, &t);
  return static_cast<double>(t.tv_sec) * 1e6 + static_cast<double>(t.tv_nsec) / 1e3;
}

/// CPU time of the whole process; divided by wall time it tells how many threads really worked.
inline double process_cpu_us() {
  timespec t{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) * 1e6 + static_cast<double>(t.tv_nsec) / 1e3;
}

inline void spin_us(double us) {
  const double end = now_us() + us;
  while (now_us() < end) {
  }
}

inline double percentile(std::vector<double> values, double fraction) {
  if (values.empty()) return 0;
  const auto index = std::min(values.size() - 1, static_cast<size_t>(fraction * static_cast<double>(values.size())));
  std::nth_element(values.begin(), values.begin() + static_cast<long>(index), values.end());
  return values[index];
}
inline double median(const std::vector<double>& values) { return percentile(values, 0.5); }
inline double maximum(const std::vector<double>& values) {
  return values.empty() ? 0 : *std::max_element(values.begin(), values.end());
}

/// Calls `step` until `seconds` have passed (at least `least` times); returns each call's time in microseconds.
inline std::vector<double> sample(double seconds, const std::function<void()>& step, int least = 5) {
  std::vector<double> times;
  const double end = now_us() + seconds * 1e6;
  do {
    const double start = now_us();
    step();
    times.push_back(now_us() - start);
  } while (now_us() < end || static_cast<int>(times.size()) < least);
  return times;
}

/// Measures several variants in turn, round by round, so that a neighbour's load hits all of them alike.
struct variant {
  std::string name;
  std::function<void()> step;
  std::vector<double> times{};    // every call, microseconds
  std::vector<double> medians{};  // one a round
};
inline void interleave(std::vector<variant>& variants, int rounds, double seconds_each) {
  for (auto& v : variants) v.step(), v.step();
  for (int r = 0; r < rounds; ++r)
    for (auto& v : variants) {
      const auto times = sample(seconds_each, v.step);
      v.medians.push_back(median(times));
      v.times.insert(v.times.end(), times.begin(), times.end());
    }
}
/// The best round is the one least disturbed; spread is the worst round over it.
inline double best(const variant& v) { return *std::min_element(v.medians.begin(), v.medians.end()); }
inline double spread(const variant& v) { return maximum(v.medians) / best(v); }

/// One field of /proc/self/smaps_rollup in bytes, e.g. "Anonymous", "Private_Dirty", "Rss".
inline int64_t smaps_bytes(const std::string& field) {
  std::ifstream in("/proc/self/smaps_rollup");
  std::string line;
  while (std::getline(in, line))
    if (line.rfind(field + ":", 0) == 0) return std::atoll(line.c_str() + field.size() + 1) * 1024;
  return -1;
}

inline int thread_id() { return static_cast<int>(syscall(SYS_gettid)); }

/// Scheduling of the calling thread alone: "normal", "nice10", "nice19", "batch", "idle".
inline void set_thread_class(const std::string& name) {
  sched_param p{};
  if (name == "nice19") setpriority(PRIO_PROCESS, static_cast<id_t>(thread_id()), 19);
  if (name == "nice10") setpriority(PRIO_PROCESS, static_cast<id_t>(thread_id()), 10);
  if (name == "batch") sched_setscheduler(0, SCHED_BATCH, &p);
  if (name == "idle") sched_setscheduler(0, SCHED_IDLE, &p);
}

/// OpenMP reads OMP_WAIT_POLICY when its library is loaded, before main: set it and start again.
inline void with_environment(char** argv, const std::map<std::string, std::string>& wanted) {
  bool changed = false;
  for (const auto& [key, value] : wanted) {
    const char* old = std::getenv(key.c_str());
    if (value.empty() ? old != nullptr : (old == nullptr || value != old)) {
      value.empty() ? unsetenv(key.c_str()) : setenv(key.c_str(), value.c_str(), 1);
      changed = true;
    }
  }
  if (changed) {
    execv("/proc/self/exe", argv);
    std::perror("execv");
    std::exit(1);
  }
}

/// --name=value on the command line.
inline std::string option(int argc, char** argv, const std::string& name, const std::string& fallback) {
  const std::string prefix = "--" + name + "=";
  for (int i = 1; i < argc; ++i)
    if (std::strncmp(argv[i], prefix.c_str(), prefix.size()) == 0) return argv[i] + prefix.size();
  return fallback;
}
inline double number(int argc, char** argv, const std::string& name, double fallback) {
  const auto text = option(argc, argv, name, "");
  return text.empty() ? fallback : std::atof(text.c_str());
}
inline std::vector<std::string> split(const std::string& text, char separator = ',') {
  std::vector<std::string> parts;
  size_t start = 0;
  while (start <= text.size()) {
    auto end = text.find(separator, start);
    if (end == std::string::npos) end = text.size();
    if (end > start) parts.push_back(text.substr(start, end - start));
    start = end + 1;
  }
  return parts;
}

}  // namespace measure
