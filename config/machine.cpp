#include "config/machine.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <fstream>
#include <limits>
#include <optional>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include <sched.h>
#include <unistd.h>

namespace troupe::config {
namespace {

namespace fs = std::filesystem;
constexpr auto unlimited = std::numeric_limits<std::uint64_t>::max();

std::optional<std::uint64_t> number(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (ec != std::errc{} || end == text.data()) return std::nullopt;
  return value;
}

std::string first_line(const fs::path& file) {
  std::ifstream in(file);
  std::string line;
  std::getline(in, line);
  return line;
}

std::vector<std::string> split(const std::string& line, char separator) {
  std::vector<std::string> parts;
  std::istringstream in(line);
  for (std::string part; std::getline(in, part, separator);) parts.push_back(part);
  return parts;
}

bool contains(const std::string& comma_list, std::string_view word) {
  const auto words = split(comma_list, ',');
  return std::find(words.begin(), words.end(), word) != words.end();
}

// The folders of this process's control group for one controller, innermost first, under `root`.
// Empty when the hierarchy is not mounted. `v2` tells which of the two it is.
struct hierarchy {
  std::vector<fs::path> folders;
  bool v2 = false;
};

// Where the group of `path` is seen below a mount whose root is `mount_root`: in a container without
// its own cgroup namespace the mount shows a part of the tree only.
fs::path relative_to_mount(const std::string& path, const std::string& mount_root) {
  if (path.find("/..") != std::string::npos) return {};
  if (mount_root == "/") return fs::path(path).relative_path();
  if (path == mount_root) return {};
  if (path.rfind(mount_root + '/', 0) == 0) return fs::path(path.substr(mount_root.size() + 1));
  return {};
}

void collect(const fs::path& mount_point, fs::path inside, std::vector<fs::path>& folders) {
  while (!inside.empty()) {
    folders.push_back(mount_point / inside);
    inside = inside.parent_path();
  }
  folders.push_back(mount_point);
}

std::vector<hierarchy> find_hierarchies(const fs::path& root, std::string_view controller) {
  std::string path_v1, path_v2;
  bool has_v1 = false, has_v2 = false;
  std::ifstream groups(root / "proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {  // "id:controllers:path"
    const auto first = line.find(':'), second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const auto controllers = line.substr(first + 1, second - first - 1);
    if (controllers.empty()) {
      path_v2 = line.substr(second + 1);
      has_v2 = true;
    } else if (contains(controllers, controller)) {
      path_v1 = line.substr(second + 1);
      has_v1 = true;
    }
  }
  std::vector<hierarchy> found;
  std::ifstream mounts(root / "proc/self/mountinfo");
  for (std::string line; std::getline(mounts, line);) {
    // "id parent dev root point options [optional..] - type source super-options"
    const auto dash = line.find(" - ");
    if (dash == std::string::npos) continue;
    const auto before = split(line.substr(0, dash), ' '), after = split(line.substr(dash + 3), ' ');
    if (before.size() < 5 || after.size() < 3) continue;
    const bool v2 = after[0] == "cgroup2" && has_v2;
    const bool v1 = after[0] == "cgroup" && has_v1 && contains(after[2], controller);
    if (!v1 && !v2) continue;
    hierarchy h;
    h.v2 = v2;
    collect(root / fs::path(before[4]).relative_path(), relative_to_mount(v2 ? path_v2 : path_v1, before[3]),
            h.folders);
    found.push_back(std::move(h));
  }
  return found;
}

// Of one control group.
std::uint64_t memory_limit_of(const fs::path& folder, bool v2) {
  auto limit = unlimited;
  // Above memory.high a group is throttled to a crawl, so it is a limit as much as memory.max.
  for (const char* file : {"memory.max", "memory.high", "memory.limit_in_bytes"}) {
    const bool of_v1 = file == std::string_view("memory.limit_in_bytes");
    if (of_v1 == v2) continue;
    if (const auto bytes = number(first_line(folder / file))) limit = std::min(limit, *bytes);
  }
  // v1 writes "no limit" as the largest multiple of a page.
  return limit >= (std::uint64_t{1} << 62) ? unlimited : limit;
}

// Of "KEY NUMBER [unit]" lines.
std::optional<std::uint64_t> memory_field(const fs::path& file, std::string_view wanted) {
  std::ifstream in(file);
  std::string key, unit;
  std::uint64_t value = 0;
  while (in >> key >> value) {
    if (key == wanted) return value;
    std::getline(in, unit);
  }
  return std::nullopt;
}

}  // namespace

std::uint64_t machine_memory_bytes(const fs::path& root) {
  if (const auto bytes = memory_field(root / "proc/meminfo", "MemTotal:")) return *bytes * 1024;
  const auto pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
  return pages > 0 && page > 0 ? static_cast<std::uint64_t>(pages) * static_cast<std::uint64_t>(page) : 0;
}

std::uint64_t cgroup_memory_limit_bytes(const fs::path& root) {
  auto limit = unlimited;
  for (const auto& h : find_hierarchies(root, "memory")) {
    for (const auto& folder : h.folders) limit = std::min(limit, memory_limit_of(folder, h.v2));
  }
  return limit;
}

std::uint64_t available_memory_bytes(const fs::path& root) {
  auto left = machine_memory_bytes(root);
  if (const auto kib = memory_field(root / "proc/meminfo", "MemAvailable:")) left = std::min(left, *kib * 1024);
  for (const auto& h : find_hierarchies(root, "memory")) {
    for (const auto& folder : h.folders) {
      const auto limit = memory_limit_of(folder, h.v2);
      const auto used = number(first_line(folder / (h.v2 ? "memory.current" : "memory.usage_in_bytes")));
      if (limit == unlimited || !used) continue;
      // Pages of files that nobody has touched lately go when memory is wanted.
      const auto files = memory_field(folder / "memory.stat", h.v2 ? "inactive_file" : "total_inactive_file");
      const auto held = *used - std::min(*used, files.value_or(0));
      left = std::min(left, limit - std::min(limit, held));
    }
  }
  return left;
}

double cgroup_cpu_quota(const fs::path& root) {
  auto cores = std::numeric_limits<double>::infinity();
  for (const auto& h : find_hierarchies(root, "cpu")) {
    for (const auto& folder : h.folders) {
      std::optional<std::uint64_t> quota, period;
      if (h.v2) {
        const auto parts = split(first_line(folder / "cpu.max"), ' ');  // "max 100000", "150000 100000"
        if (parts.size() == 2) quota = number(parts[0]), period = number(parts[1]);
      } else {
        quota = number(first_line(folder / "cpu.cfs_quota_us"));  // -1: none
        period = number(first_line(folder / "cpu.cfs_period_us"));
      }
      if (quota && period && *quota > 0 && *period > 0) {
        cores = std::min(cores, static_cast<double>(*quota) / static_cast<double>(*period));
      }
    }
  }
  return cores;
}

std::uint64_t cgroup_thread_limit(const fs::path& root) {
  auto tightest = unlimited;
  for (const auto& h : find_hierarchies(root, "pids"))
    for (const auto& folder : h.folders)
      tightest = std::min(tightest, number(first_line(folder / "pids.max")).value_or(unlimited));  // "max"
  return tightest;
}

std::uint32_t usable_cores(const fs::path& root) {
  double cores = std::max(1u, std::thread::hardware_concurrency());
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) == 0) cores = CPU_COUNT(&set);
  cores = std::floor(std::min(cores, cgroup_cpu_quota(root)));
  return cores < 1 ? 1 : static_cast<std::uint32_t>(cores);
}

namespace {
struct resident_pages {
  std::uint64_t all = 0, of_files = 0;
};
resident_pages pages_of_process() {
  std::ifstream in("/proc/self/statm");
  std::uint64_t total = 0;
  resident_pages pages;
  in >> total >> pages.all >> pages.of_files;
  return pages;
}
std::uint64_t bytes_of(std::uint64_t pages) { return pages * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE)); }
}  // namespace

std::uint64_t resident_bytes() { return bytes_of(pages_of_process().all); }

std::uint64_t anonymous_bytes() {
  const auto pages = pages_of_process();
  return bytes_of(pages.all - std::min(pages.all, pages.of_files));
}

}  // namespace troupe::config
