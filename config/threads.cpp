#include "config/threads.hpp"

#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include <pthread.h>
#include <semaphore.h>
#include <sys/resource.h>

#include "config/machine.hpp"

namespace troupe::config {
namespace {

std::string limits_in_force() {
  std::string all;
  const auto add = [&](const std::string& text) { all += (all.empty() ? "" : ", ") + text; };
  rlimit limit{};
  if (getrlimit(RLIMIT_NPROC, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY)
    add("this user may have " + std::to_string(limit.rlim_cur) + " (ulimit -u, LimitNPROC=)");
  if (const auto group = cgroup_thread_limit(); group != std::numeric_limits<std::uint64_t>::max())
    add("the control group " + std::to_string(group) + " (pids.max, TasksMax=, --pids-limit)");
  return all.empty() ? "no limit of the user or the control group is set: is memory short?" : all;
}

void* wait_for_end(void* semaphore) {
  while (sem_wait(static_cast<sem_t*>(semaphore)) != 0) {
  }
  return nullptr;
}

// 0, or why no more than `started` could be.
int try_threads(std::uint32_t count, std::size_t& started) {
  sem_t end;
  sem_init(&end, 0, 0);
  std::vector<pthread_t> threads;
  threads.reserve(count);
  int failed = 0;
  while (threads.size() < count && failed == 0) {
    pthread_t one{};
    failed = pthread_create(&one, nullptr, wait_for_end, &end);
    if (failed == 0) threads.push_back(one);
  }
  for (std::size_t i = 0; i < threads.size(); ++i) sem_post(&end);
  for (const auto& t : threads) pthread_join(t, nullptr);
  sem_destroy(&end);
  started = threads.size();
  return failed;
}

// True where the user's limit could be raised as far as the user may.
bool raise_thread_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NPROC, &limit) != 0 || limit.rlim_cur == limit.rlim_max) return false;
  limit.rlim_cur = limit.rlim_max;
  return setrlimit(RLIMIT_NPROC, &limit) == 0;
}

}  // namespace

result<void> check_threads(std::uint32_t count) {
  std::size_t started = 0;
  int failed = try_threads(count, started);
  if (failed != 0 && raise_thread_limit()) failed = try_threads(count, started);
  if (failed == 0) return {};
  return fail(error_code::unavailable,
              "cannot start " + std::to_string(count) + " threads, only " + std::to_string(started) + ": " +
                  std::strerror(failed),
              "raise the limit on threads: " + limits_in_force());
}

}  // namespace troupe::config
