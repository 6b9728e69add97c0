#include "config/threads.hpp"

#include <chrono>
#include <filesystem>
#include <thread>

#include <gtest/gtest.h>

namespace troupe::config {
namespace {

std::size_t threads_now() {
  std::size_t n = 0;
  for ([[maybe_unused]] const auto& t : std::filesystem::directory_iterator("/proc/self/task")) ++n;
  return n;
}

TEST(threads, as_many_as_are_asked_for_and_none_stays) {
  const auto before = threads_now();
  EXPECT_TRUE(check_threads(0));
  EXPECT_TRUE(check_threads(50));
  const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (threads_now() != before && std::chrono::steady_clock::now() < limit) std::this_thread::yield();
  EXPECT_EQ(threads_now(), before);
}

// (That too few are told with the limit's name is shown with the binary: tests/e2e/test_start.py.)

}  // namespace
}  // namespace troupe::config
