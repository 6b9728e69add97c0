// Blocks by several threads: F1 to F3 of fork_join.hpp, and products and attention that are cut into them.

#include "inference/torch/fork_join.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <mutex>
#include <optional>
#include <random>
#include <set>
#include <stdexcept>
#include <thread>
#include <vector>

#include <ATen/Context.h>
#include <ATen/ops/allclose.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/round.h>
#include <c10/core/InferenceMode.h>
#include <gtest/gtest.h>

#include "inference/torch/fused_linear.hpp"
#include "inference/torch/int8_linear.hpp"
#include "inference/torch/runtime.hpp"
#include "inference/torch/thread_share.hpp"

namespace troupe::inference::tests {
namespace {

using namespace std::chrono_literals;

class fork_join : public testing::Test {
 protected:
  static void SetUpTestSuite() { initialise_runtime(); }
  void TearDown() override { use_threads({}); }

  // True when `n` threads were in blocks at the same time.
  static bool together(std::uint32_t n) {
    std::atomic<std::uint32_t> inside{0};
    const auto limit = std::chrono::steady_clock::now() + 10s;
    for_blocks(n, [&](std::uint32_t) {
      ++inside;
      while (inside < n && std::chrono::steady_clock::now() < limit) std::this_thread::yield();
    });
    return std::chrono::steady_clock::now() < limit;
  }
  static std::set<std::thread::id> threads_of(std::uint32_t blocks) {
    std::mutex mutex;
    std::set<std::thread::id> ids;
    for_blocks(blocks, [&](std::uint32_t) {
      const std::lock_guard lock(mutex);
      ids.insert(std::this_thread::get_id());
    });
    return ids;
  }
};

TEST_F(fork_join, has_the_threads_of_its_share) {
  EXPECT_EQ(crew_threads(), 1);
  use_threads({.threads = 3});
  EXPECT_EQ(crew_threads(), 1) << "no scope";
  {
    const crew_scope crew;
    EXPECT_EQ(crew_threads(), 3);
    EXPECT_TRUE(together(3));
    { const crew_scope inner; }
    EXPECT_EQ(crew_threads(), 3) << "an inner scope ends nothing";
  }
  EXPECT_EQ(crew_threads(), 1);
  EXPECT_EQ(threads_of(8).size(), 1U);
}

TEST_F(fork_join, runs_each_block_once) {
  const auto seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  for (const int threads : {2, 4}) {
    use_threads({.threads = threads});
    const crew_scope crew;
    for (int call = 0; call < 5000; ++call) {
      std::vector<std::atomic<int>> ran(1 + random() % 40);
      for_blocks(static_cast<std::uint32_t>(ran.size()), [&](std::uint32_t i) { ++ran[i]; });
      ASSERT_TRUE(std::all_of(ran.begin(), ran.end(), [](const auto& n) { return n == 1; })) << call;
      // Helpers that sleep and those that spin are called alike.
      if (call % 500 == 0) std::this_thread::sleep_for(1ms);
    }
  }
}

TEST_F(fork_join, of_several_threads_at_a_time) {
  std::vector<std::thread> callers;
  std::atomic<int> sum{0};
  for (int t = 0; t < 4; ++t)
    callers.emplace_back([&] {
      for (int batch = 0; batch < 50; ++batch) {
        use_threads({.threads = 2});
        const crew_scope crew;
        for (int call = 0; call < 20; ++call) for_blocks(5, [&](std::uint32_t) { ++sum; });
      }
    });
  for (auto& t : callers) t.join();
  EXPECT_EQ(sum, 4 * 50 * 20 * 5);
}

TEST_F(fork_join, throws_what_a_block_has_thrown) {
  use_threads({.threads = 2});
  const crew_scope crew;
  for (int i = 0; i < 100; ++i) {
    std::atomic<int> ran{0};
    const auto work = [&](std::uint32_t block) {
      ++ran;
      if (block % 2 == 1) throw std::runtime_error("block");
    };
    EXPECT_THROW(for_blocks(6, work), std::runtime_error);
    EXPECT_EQ(ran, 6);
    EXPECT_NO_THROW(for_blocks(6, [](std::uint32_t) {}));
  }
}

TEST_F(fork_join, is_left_by_its_helpers_when_another_batch_begins) {
  std::atomic<std::uint32_t> batches{1};
  use_threads({.threads = 2, .batches = &batches});
  const crew_scope crew;
  ASSERT_TRUE(together(2));
  EXPECT_EQ(crew_threads(), 2);
  batches = 2;
  EXPECT_EQ(crew_threads(), 1) << "nothing is cut for nobody";
  for (int i = 0; i < 200; ++i) ASSERT_EQ(threads_of(16), std::set{std::this_thread::get_id()});
  batches = 1;
  EXPECT_TRUE(together(2));
}

TEST_F(fork_join, of_fewer_threads_than_before_has_fewer) {
  for (const int threads : {5, 2, 4}) {
    use_threads({.threads = threads});
    const crew_scope crew;
    EXPECT_EQ(crew_threads(), threads);
    EXPECT_TRUE(together(static_cast<std::uint32_t>(threads)));
    for (int i = 0; i < 100; ++i) EXPECT_LE(threads_of(64).size(), static_cast<std::size_t>(threads));
  }
}

TEST_F(fork_join, within_a_block_is_that_threads_own) {
  use_threads({.threads = 2});
  const crew_scope crew;
  std::atomic<int> wrong{0}, ran{0};
  for_blocks(8, [&](std::uint32_t) {
    const auto me = std::this_thread::get_id();
    for_blocks(4, [&](std::uint32_t) {
      wrong += std::this_thread::get_id() != me;
      ++ran;
    });
  });
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(ran, 32);
  EXPECT_EQ(crew_threads(), 2);
}

TEST_F(fork_join, has_helpers_in_inference_mode_and_no_blocks_of_their_own) {
  use_threads({.threads = 2});
  const c10::InferenceMode mine;
  const crew_scope crew;
  std::atomic<int> inside{0}, in_mode{0}, alone{0};
  const auto caller = std::this_thread::get_id();
  for_blocks(2, [&](std::uint32_t) {
    ++inside;
    while (inside < 2) std::this_thread::yield();
    in_mode += c10::InferenceMode::is_enabled();
    if (std::this_thread::get_id() != caller) alone += crew_threads() == 1;
  });
  EXPECT_EQ(in_mode, 2);
  EXPECT_EQ(alone, 1);
}

TEST(fork_join_parts, are_all_of_it) {
  for (const std::int64_t n : {1, 15, 16, 17, 384, 1000})
    for (const std::uint32_t blocks : {1U, 2U, 3U, 7U})
      for (const std::int64_t unit : {1, 16}) {
        std::int64_t at = 0;
        for (std::uint32_t b = 0; b < blocks; ++b) {
          const auto r = part_of(n, b, blocks, unit);
          EXPECT_EQ(r.from, at);
          EXPECT_TRUE(r.from % unit == 0 || r.from == n);
          at = r.to;
        }
        EXPECT_EQ(at, n);
      }
}

std::optional<at::Tensor> given(const at::Tensor& bias) { return bias.defined() ? std::optional(bias) : std::nullopt; }

class cut_product : public fork_join {
 protected:
  void SetUp() override { at::manual_seed(3); }
  const c10::InferenceMode inference_;
};

TEST_F(cut_product, is_the_whole_one) {
  for (const auto& [in, out] : {std::pair{384, 384}, {384, 1152}, {256, 200}, {1536, 64}, {2, 3}})
    for (const std::int64_t rows : {1, 32, 70}) {
      const auto x = at::randn({rows, in}), w = at::randn({out, in}), b = at::randn({out}), r = at::randn({rows, out});
      for (const auto& bias : {b, at::Tensor()})
        for (const auto after : {after_linear::nothing, after_linear::gelu, after_linear::silu}) {
          const auto whole = fused_linear(x, w, bias, after), added = fused_linear_add(x, w, bias, r);
          use_threads({.threads = 3});
          const crew_scope crew;
          EXPECT_TRUE(at::allclose(fused_linear(x, w, bias, after), whole, 1e-4, 1e-4))
              << in << ' ' << out << ' ' << rows;
          EXPECT_TRUE(at::allclose(fused_linear_add(x, w, bias, r), added, 1e-4, 1e-4)) << in << ' ' << out;
          EXPECT_TRUE(at::allclose(plain_linear(x, w, bias), at::linear(x, w, given(bias)), 1e-4, 1e-4));
          use_threads({});
        }
    }
}

TEST_F(cut_product, in_int8_is_the_whole_one) {
  if (!has_int8_linear()) GTEST_SKIP() << "this LibTorch has no kernel";
  const auto w = at::randn({96, 64}).mul(30).round().clamp(-127, 127).to(at::kChar), scales = at::randn({96}).abs();
  const auto packed = pack_int8(w, scales);
  const auto bias = at::randn({96});
  for (const std::int64_t rows : {1, 15, 32, 37}) {
    const auto x = at::randn({rows, 64}), r = at::randn({rows, 96});
    const auto whole = int8_linear(x, *packed, bias, r, after_linear::nothing);
    use_threads({.threads = 2});
    const crew_scope crew;
    EXPECT_TRUE(int8_linear(x, *packed, bias, r, after_linear::nothing).equal(whole)) << rows;
    use_threads({});
  }
}

}  // namespace
}  // namespace troupe::inference::tests
