#include "config/machine.hpp"

#include <cmath>
#include <cstdlib>
#include <fstream>
#include <limits>

#include <gtest/gtest.h>

namespace troupe::config {
namespace {

namespace fs = std::filesystem;
constexpr auto none = std::numeric_limits<std::uint64_t>::max();

// A file system's root made of a few files.
class fake_root {
 public:
  fake_root() {
    std::string name = (fs::temp_directory_path() / "troupe-root-XXXXXX").string();
    path = mkdtemp(name.data());
  }
  ~fake_root() { fs::remove_all(path); }
  void write(const fs::path& file, const std::string& text) const {
    fs::create_directories((path / file).parent_path());
    std::ofstream(path / file) << text;
  }
  fs::path path;
};

constexpr auto v2_mount = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw\n";
constexpr auto v1_mounts =
    "33 30 0:29 / /sys/fs/cgroup/memory rw shared:14 - cgroup cgroup rw,memory\n"
    "34 30 0:30 / /sys/fs/cgroup/cpu,cpuacct rw shared:15 - cgroup cgroup rw,cpu,cpuacct\n";

TEST(machine, memory_total) {
  fake_root root;
  root.write("proc/meminfo", "MemTotal:       8388608 kB\nMemFree: 1 kB\n");
  EXPECT_EQ(machine_memory_bytes(root.path), std::uint64_t{8} << 30);
  EXPECT_GT(machine_memory_bytes(), std::uint64_t{1} << 28);
}

TEST(machine, no_cgroup_is_no_limit) {
  fake_root root;
  EXPECT_EQ(cgroup_memory_limit_bytes(root.path), none);
  EXPECT_TRUE(std::isinf(cgroup_cpu_quota(root.path)));
}

TEST(machine, v2_takes_the_tightest_on_the_way_up) {
  fake_root root;
  root.write("proc/self/cgroup", "0::/a/b\n");
  root.write("proc/self/mountinfo", v2_mount);
  root.write("sys/fs/cgroup/a/b/memory.max", "max\n");
  root.write("sys/fs/cgroup/a/memory.max", "2147483648\n");
  EXPECT_EQ(cgroup_memory_limit_bytes(root.path), 2147483648u);
  root.write("sys/fs/cgroup/a/b/memory.high", "1073741824\n");
  EXPECT_EQ(cgroup_memory_limit_bytes(root.path), 1073741824u);
  root.write("sys/fs/cgroup/a/b/memory.max", "4096\n");
  EXPECT_EQ(cgroup_memory_limit_bytes(root.path), 4096u);
}

TEST(machine, memory_available) {
  fake_root root;
  root.write("proc/meminfo", "MemTotal: 8388608 kB\nMemFree: 1 kB\nMemAvailable: 4194304 kB\n");
  EXPECT_EQ(available_memory_bytes(root.path), std::uint64_t{4} << 30);
  root.write("proc/self/cgroup", "0::/a\n");
  root.write("proc/self/mountinfo", v2_mount);
  root.write("sys/fs/cgroup/a/memory.max", "1000000\n");
  root.write("sys/fs/cgroup/a/memory.current", "700000\n");
  EXPECT_EQ(available_memory_bytes(root.path), 300000u);
  root.write("sys/fs/cgroup/a/memory.stat", "anon 500000\ninactive_file 200000\n");
  EXPECT_EQ(available_memory_bytes(root.path), 500000u);
  root.write("sys/fs/cgroup/a/memory.current", "1300000\n");
  EXPECT_EQ(available_memory_bytes(root.path), 0u) << "over its limit";
  root.write("sys/fs/cgroup/a/memory.max", "max\n");
  EXPECT_EQ(available_memory_bytes(root.path), std::uint64_t{4} << 30);
  EXPECT_GT(available_memory_bytes(), 0u);
  EXPECT_LE(available_memory_bytes(), machine_memory_bytes());
}

TEST(machine, memory_available_v1) {
  fake_root root;
  root.write("proc/meminfo", "MemTotal: 8388608 kB\n");
  EXPECT_EQ(available_memory_bytes(root.path), std::uint64_t{8} << 30);
  root.write("proc/self/cgroup", "5:memory:/x\n");
  root.write("proc/self/mountinfo", v1_mounts);
  root.write("sys/fs/cgroup/memory/x/memory.limit_in_bytes", "1000000\n");
  root.write("sys/fs/cgroup/memory/x/memory.usage_in_bytes", "900000\n");
  root.write("sys/fs/cgroup/memory/x/memory.stat", "cache 1\ntotal_inactive_file 100000\n");
  EXPECT_EQ(available_memory_bytes(root.path), 200000u);
}

TEST(machine, thread_limit) {
  fake_root root;
  EXPECT_EQ(cgroup_thread_limit(root.path), none);
  root.write("proc/self/cgroup", "7:pids:/x\n0::/a/b\n");
  root.write("proc/self/mountinfo",
             std::string(v2_mount) + "34 30 0:30 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n");
  root.write("sys/fs/cgroup/a/b/pids.max", "max\n");
  EXPECT_EQ(cgroup_thread_limit(root.path), none);
  root.write("sys/fs/cgroup/a/pids.max", "200\n");
  EXPECT_EQ(cgroup_thread_limit(root.path), 200u);
  root.write("sys/fs/cgroup/pids/x/pids.max", "30\n");
  EXPECT_EQ(cgroup_thread_limit(root.path), 30u);
}

TEST(machine, v2_inside_a_container) {
  fake_root root;
  root.write("proc/self/cgroup", "0::/\n");
  root.write("proc/self/mountinfo", v2_mount);
  root.write("sys/fs/cgroup/memory.max", "536870912\n");
  root.write("sys/fs/cgroup/cpu.max", "150000 100000\n");
  EXPECT_EQ(cgroup_memory_limit_bytes(root.path), 536870912u);
  EXPECT_DOUBLE_EQ(cgroup_cpu_quota(root.path), 1.5);
  EXPECT_EQ(usable_cores(root.path), 1u);
}

TEST(machine, v1) {
  fake_root root;
  root.write("proc/self/cgroup", "5:memory:/docker/x\n4:cpu,cpuacct:/docker/x\n");
  root.write("proc/self/mountinfo", v1_mounts);
  root.write("sys/fs/cgroup/memory/docker/x/memory.limit_in_bytes", "9223372036854771712\n");
  EXPECT_EQ(cgroup_memory_limit_bytes(root.path), none);
  root.write("sys/fs/cgroup/memory/docker/memory.limit_in_bytes", "1073741824\n");
  EXPECT_EQ(cgroup_memory_limit_bytes(root.path), 1073741824u);
  root.write("sys/fs/cgroup/cpu,cpuacct/docker/x/cpu.cfs_quota_us", "-1\n");
  root.write("sys/fs/cgroup/cpu,cpuacct/docker/x/cpu.cfs_period_us", "100000\n");
  EXPECT_TRUE(std::isinf(cgroup_cpu_quota(root.path)));
  root.write("sys/fs/cgroup/cpu,cpuacct/docker/x/cpu.cfs_quota_us", "50000\n");
  EXPECT_DOUBLE_EQ(cgroup_cpu_quota(root.path), 0.5);
  EXPECT_EQ(usable_cores(root.path), 1u);
}

TEST(machine, v1_mount_that_shows_only_the_containers_part) {
  fake_root root;
  root.write("proc/self/cgroup", "5:memory:/docker/x\n");
  root.write("proc/self/mountinfo", "33 30 0:29 /docker/x /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n");
  root.write("sys/fs/cgroup/memory/memory.limit_in_bytes", "268435456\n");
  EXPECT_EQ(cgroup_memory_limit_bytes(root.path), 268435456u);
}

TEST(machine, this_process) {
  EXPECT_GE(usable_cores(), 1u);
  EXPECT_GT(resident_bytes(), 100000u);
}

}  // namespace
}  // namespace troupe::config
