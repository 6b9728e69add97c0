// The ledger's private bytes are exact: what was charged is released, on whatever thread it is freed.

#include "inference/torch/memory.hpp"

#include <thread>

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>
#include <c10/core/CPUAllocator.h>

#include "inference/files/mapped_file.hpp"
#include "inference/torch/runtime.hpp"
#include "tests/inference/support.hpp"

namespace troupe::inference::tests {
namespace {

class accounts : public testing::Test {
 protected:
  static void SetUpTestSuite() { initialise_runtime(); }
  std::shared_ptr<memory_account> account_ = std::make_shared<memory_account>();
};

TEST_F(accounts, charge_tensors_until_they_are_freed) {
  auto outside = at::empty({1000});
  {
    const account_scope charged(account_);
    const auto before = account_->live_bytes();
    EXPECT_EQ(before, 0U);
    auto t = at::zeros({1000, 10});
    EXPECT_GE(account_->live_bytes(), 40'000U);
    EXPECT_LE(account_->live_bytes(), 40'200U);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(t.data_ptr()) % 64, 0U);
    outside = t;
  }
  EXPECT_GE(account_->live_bytes(), 40'000U);  // the scope is over, the tensor lives
  std::thread([t = std::move(outside)]() mutable { t.reset(); }).join();
  outside = at::empty({5});
  EXPECT_EQ(account_->live_bytes(), 0U);
}

TEST_F(accounts, nest_and_belong_to_a_thread) {
  const auto inner = std::make_shared<memory_account>();
  const account_scope outer_scope(account_);
  at::Tensor a = at::empty({100}), b, c;
  {
    const account_scope inner_scope(inner);
    b = at::empty({100});
    std::thread([&] { c = at::empty({100}); }).join();
  }
  EXPECT_EQ(account_->live_bytes(), inner->live_bytes());
  const auto d = at::empty({100});
  EXPECT_EQ(account_->live_bytes(), 2 * inner->live_bytes());
}

TEST_F(accounts, know_allocations_of_no_bytes_and_resizes) {
  const account_scope charged(account_);
  auto t = at::empty({0});
  EXPECT_EQ(account_->live_bytes(), 0U);
  t.resize_({300});
  t.resize_({3000});
  EXPECT_GE(account_->live_bytes(), 12'000U);
  EXPECT_LE(account_->live_bytes(), 12'200U);
  auto* raw = c10::GetCPUAllocator()->raw_allocate(77);
  c10::GetCPUAllocator()->raw_deallocate(raw);
  t.reset();
  EXPECT_EQ(account_->live_bytes(), 0U);
}

TEST_F(accounts, outlive_their_owner) {
  at::Tensor t;
  {
    const account_scope charged(std::make_shared<memory_account>());
    t = at::empty({10});
  }
  t.reset();  // the header still holds the account
}

TEST_F(accounts, an_impossible_size_is_an_exception) {
  EXPECT_ANY_THROW(at::empty({std::int64_t{1} << 60}));
  EXPECT_EQ(account_->live_bytes(), 0U);
}

TEST_F(accounts, count_private_weights) {
  {
    const auto made = weight_memory::allocate(10'000'000, account_);
    ASSERT_TRUE(made);
    EXPECT_EQ(account_->live_bytes(), 10'000'000U);
    EXPECT_FALSE((*made)->shared());
    EXPECT_EQ((*made)->writable().size(), 10'000'000U);
  }
  EXPECT_EQ(account_->live_bytes(), 0U);
}

TEST(mapped_memory, is_shared_while_the_file_is_the_same) {
  scratch_folder scratch;
  const auto file = scratch.path() / "x";
  write_file(file, std::string(5'000'000, 'a'));
  const auto one = weight_memory::map(file), two = weight_memory::map(file);
  ASSERT_TRUE(one && two);
  EXPECT_EQ(one->get(), two->get());
  EXPECT_TRUE((*one)->populate(nullptr));
  const std::atomic<bool> cancelled{true};
  EXPECT_FALSE((*one)->populate(&cancelled));
  write_file(scratch.path() / "y", std::string(5'000'000, 'b'));
  fs::rename(scratch.path() / "y", file);
  const auto other = weight_memory::map(file);
  ASSERT_TRUE(other);
  EXPECT_NE((*other)->id(), (*one)->id());
  EXPECT_EQ((*one)->bytes()[4'999'999], std::byte{'a'});
  EXPECT_EQ((*other)->bytes()[0], std::byte{'b'});
  EXPECT_FALSE(weight_memory::map(scratch.path() / "none"));
  write_file(scratch.path() / "empty", "");
  EXPECT_FALSE(weight_memory::map(scratch.path() / "empty"));
}

}  // namespace
}  // namespace troupe::inference::tests
