#pragma once
// Process-wide LibTorch state in one place: threads, allocator, devices. No Torch types here.

#include <cstdint>
#include <string>

namespace troupe::inference {

// Installs the tagged CPU allocator and sets thread counts. Call once from main before any thread.
void initialise_runtime();

// Threads that parallel regions started by the *calling* thread use (OpenMP's per-thread setting).
void set_thread_intra_op_threads(int threads);

// Settings of OpenMP and oneDNN that must stand in the environment before main; what the user has set stays.
// True when the process must re-exec itself with the environment that this call has set.
bool prepare_environment();

std::string torch_version();
bool cuda_available();

// All memory of the GPU `device` ("cuda", "cuda:1"); 0 for the CPU, and where there is no such GPU.
std::uint64_t device_memory_bytes(const std::string& device);

}  // namespace troupe::inference
