#pragma once
// What is fastest on this CPU: measured once, and kept for the next start. Blocking; from main, before any model runs.

#include <filesystem>
#include <string>
#include <vector>

#include "inference/model/artifact.hpp"

namespace troupe::inference {

struct calibration {
  precision best = precision::fp32;
  int slots = 1;  // compute slots for many batches
  int threads_per_slot = 1;
  // For a batch that has the device to itself: as many as were reliably faster.
  int lone_threads = 1;
  bool fp32_by_aten = false;    // fp32 linears by LibTorch's own kernel, not oneDNN's (fused_linear.hpp)
  bool fp32_in_panels = false;  // and those of layers on panels (panel_linear.hpp)
  bool bf16_in_panels = false;  // bf16 linears of layers on panels (bf16_panel_linear.hpp)
  double fp32_gflops = 0, bf16_gflops = 0, int8_gflops = 0;  // a core, a layer's large linears, by the fastest kernel
  bool measured_now = false;                                 // false: read back from `file`
  std::string cpu_model;

  // Precisions whose products are faster than fp32's.
  std::vector<precision> candidates() const;
};

// The processor's name, what it can multiply, and the limits that the environment sets to that: together they decide
// what is fastest. Holds nothing that JSON would escape.
const std::string& cpu_model();

// A short measurement on this CPU (some 0.7 s), kept in `file` for the next start and made
// anew when the CPU or the LibTorch version differs. An unwritable file is no error. What it says of kernels is in
// force in this process from then on.
calibration calibrate(const std::filesystem::path& file, bool force);

}  // namespace troupe::inference
