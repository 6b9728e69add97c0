#pragma once
// How fast this CPU's kernels are. Some 100 ms of computing on the calling thread; no Torch types here.

namespace troupe::inference {

// GFLOP/s a core of linears [768 -> 3072], GELU after it, and [3072 -> 768], a residual added, with 64 rows.
struct kernel_speeds {
  double fp32_onednn_gflops = 0, fp32_aten_gflops = 0;  // by oneDNN's kernel, by LibTorch's own (fused_linear.hpp)
  double fp32_panels_gflops = 0;                        // on weights in panels (panel_linear.hpp)
  double bf16_gflops = 0, int8_gflops = 0;
  double bf16_panels_gflops = 0;      // on weights in panels (bf16_panel_linear.hpp)
  bool bf16_panels_are_best = false;  // faster for few rows, and not slower for many
};
// Throws std::exception. Leaves oneDNN's kernel in force.
kernel_speeds measure_kernels();

// fp32 linears of the whole process, from now on; before models run.
void use_fp32_by_aten(bool aten) noexcept;

// More than this no product of a single text is worth cutting into.
inline constexpr int lone_threads_max = 16;

// Threads for a batch that has the device to itself (fork_join.hpp): as many as were reliably faster than fewer. Some
// 100 ms a number that is tried; at once where there is one core. Throws std::exception.
int choose_lone_threads(bool bf16);

}  // namespace troupe::inference
