#pragma once
// Process-wide LibTorch state in one place: threads, allocator, precision choice. No Torch types here.

#include <cstdint>
#include <filesystem>
#include <string>

#include "inference/loader.hpp"

namespace troupe::inference {

// Installs the tagged CPU allocator and sets thread counts. Call once from main before any thread.
void initialise_runtime();

// Threads that parallel regions started by the *calling* thread use (OpenMP's per-thread setting).
void set_thread_intra_op_threads(int threads);

// Settings of OpenMP and oneDNN that must stand in the environment before main; what the user has set stays.
// True when the process must re-exec itself with the environment that this call has set.
bool prepare_environment();

struct calibration {
  precision best = precision::fp32;
  int slots = 1;  // compute slots for many batches
  int threads_per_slot = 1;
  // For a batch that has the device to itself: all cores where that was reliably faster, else 1. Always 1 below
  // four cores.
  int lone_threads = 1;
  bool fp32_by_aten = false;                // fp32 linears by LibTorch's own kernel, not oneDNN's (fused_linear.hpp)
  double fp32_gflops = 0, bf16_gflops = 0;  // a core, [768->3072] linear, by the faster kernel
  bool measured_now = false;                // false: read back from `file`
  std::string cpu_model;
};

// A short measurement on this CPU (some 150 ms; 300 from four cores on), kept in `file` for the next start and made
// anew when the CPU or the LibTorch version differs. An unwritable file is no error. What it says of kernels is in
// force in this process from then on.
calibration calibrate(const std::filesystem::path& file, bool force);

std::string torch_version();
bool cuda_available();

// All memory of the GPU `device` ("cuda", "cuda:1"); 0 for the CPU, and where there is no such GPU.
std::uint64_t device_memory_bytes(const std::string& device);

}  // namespace troupe::inference
