#pragma once
// What the machine and the control group allow. `root` is the file system's root; tests give another.

#include <cstdint>
#include <filesystem>

namespace troupe::config {

std::uint64_t machine_memory_bytes(const std::filesystem::path& root = "/");
// v1 and v2, the tightest on the way up; UINT64_MAX: none.
std::uint64_t cgroup_memory_limit_bytes(const std::filesystem::path& root = "/");
// What more could be used now: of the machine's memory, and of what the tightest control group leaves.
std::uint64_t available_memory_bytes(const std::filesystem::path& root = "/");
// The quota of the control group in cores, v1 and v2, the tightest on the way up; infinity: none.
double cgroup_cpu_quota(const std::filesystem::path& root = "/");
// Threads and processes that the control group may have, v1 and v2, the tightest on the way up; UINT64_MAX: no limit.
std::uint64_t cgroup_thread_limit(const std::filesystem::path& root = "/");
// Affinity and quota considered, rounded down (a throttled thread costs latency), at least 1.
std::uint32_t usable_cores(const std::filesystem::path& root = "/");

std::uint64_t resident_bytes();   // of this process: /proc/self/statm, cheap
std::uint64_t anonymous_bytes();  // of them, what is no file's

}  // namespace troupe::config
