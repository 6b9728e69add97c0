// The reclaimer on a thread of its own, as in the server.

#include <cstring>
#include <memory>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "actors/residency/loader.hpp"
#include "config/machine.hpp"
#include "tests/actors/support.hpp"

namespace troupe::actors {
namespace {

#ifndef __SANITIZE_ADDRESS__  // which keeps what is freed

TEST(Reclaimer, GivesBackTheHolesThatBatchesLeft) {
  caf::actor_system_config config;
  caf::actor_system system(config);
  const auto way = std::make_shared<right_of_way>();
  caf::scoped_actor self(system);
  const auto reclaims = system.spawn<caf::detached>(reclaimer, way);
  constexpr std::size_t count = 512, block_bytes = 100'000;  // of the heap, not mapped
  constexpr std::uint64_t much_bytes = count * block_bytes / 2;
  std::vector<std::unique_ptr<char[]>> blocks;
  way->batch_begins();
  for (std::size_t i = 0; i < count; ++i) {
    blocks.push_back(std::make_unique<char[]>(block_bytes));
    std::memset(blocks.back().get(), 1, block_bytes);
  }
  // The last one stays, and with it the heap's end.
  blocks.erase(blocks.begin(), blocks.end() - 1);
  way->batch_ended();
  const auto before = config::anonymous_bytes();
  const auto until = steady_clock::now() + std::chrono::seconds(20);
  while (config::anonymous_bytes() + much_bytes > before && steady_clock::now() < until)
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  EXPECT_LE(config::anonymous_bytes() + much_bytes, before);
  EXPECT_EQ(blocks.front()[block_bytes - 1], 1);
  self->send_exit(reclaims, caf::exit_reason::user_shutdown);
  self->wait_for(reclaims);
}

#endif

}  // namespace
}  // namespace troupe::actors
