#pragma once
// What the machine and the control group allow.

#include <cstdint>
#include <string>

namespace troupe::config {

std::uint64_t machine_memory_bytes();
std::uint64_t cgroup_memory_limit_bytes();  // v1 and v2, the tightest on the way up; UINT64_MAX: none
std::uint32_t usable_cores();               // affinity and cgroup quota considered, at least 1

struct process_memory {
  std::uint64_t rss_bytes = 0, pss_bytes = 0, private_bytes = 0;
};
std::uint64_t resident_bytes();             // /proc/self/statm, cheap
process_memory measure_process_memory();    // /proc/self/smaps_rollup, a millisecond or more

}  // namespace troupe::config
