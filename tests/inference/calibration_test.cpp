#include "inference/calibration.hpp"

#include <chrono>

#include "inference/torch/panel_support.hpp"
#include "inference/torch/runtime.hpp"
#include "tests/inference/support.hpp"

namespace troupe::inference::tests {
namespace {

TEST(calibration, is_kept_for_the_next_start) {
  initialise_runtime();
  scratch_folder scratch;
  const auto file = scratch.path() / "deep" / "calibration.json";
  const auto first = calibrate(file, false);
  EXPECT_TRUE(first.measured_now);
  EXPECT_GT(first.fp32_gflops, 0);
  EXPECT_GT(first.bf16_gflops, 0);
  EXPECT_EQ(first.best == precision::bf16, first.bf16_gflops > 1.1 * first.fp32_gflops);
  EXPECT_GE(first.slots, 1);
  const auto second = calibrate(file, false);
  EXPECT_FALSE(second.measured_now);
  EXPECT_EQ(second.best, first.best);
  EXPECT_EQ(second.fp32_by_aten, first.fp32_by_aten);
  EXPECT_EQ(second.fp32_in_panels, first.fp32_in_panels);
  EXPECT_EQ(second.bf16_in_panels, first.bf16_in_panels);
  EXPECT_EQ(second.lone_threads, first.lone_threads);
  EXPECT_EQ(fp32_in_panels(), first.fp32_in_panels);
  EXPECT_EQ(bf16_in_panels(), first.bf16_in_panels);
  EXPECT_NEAR(second.fp32_gflops, first.fp32_gflops, 0.01);
  EXPECT_TRUE(calibrate(file, true).measured_now);
}

TEST(calibration, of_another_machine_or_no_json_is_made_anew) {
  initialise_runtime();
  scratch_folder scratch;
  const auto file = scratch.path() / "calibration.json";
  calibrate(file, false);
  auto text = read_file(file);
  text.replace(text.find("cpu_model\": \"") + 13, 1, "?");
  write_file(file, text);
  EXPECT_TRUE(calibrate(file, false).measured_now);
  for (const char* broken : {"", "{}", "[1]", "{\"best\":", "{\"best\":7}"}) {
    write_file(file, broken);
    EXPECT_TRUE(calibrate(file, false).measured_now) << broken;
  }
}

TEST(calibration, needs_no_writable_file) {
  initialise_runtime();
  EXPECT_TRUE(calibrate("/proc/nowhere/calibration.json", false).measured_now);
  EXPECT_TRUE(calibrate("", false).measured_now);
}

}  // namespace
}  // namespace troupe::inference::tests
