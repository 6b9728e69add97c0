#include "inference/calibration.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <span>

#include "config/machine.hpp"
#include "inference/files/files.hpp"
#include "inference/files/temporary_file.hpp"
#include "inference/torch/kernel_speed.hpp"
#include "inference/torch/panel_support.hpp"
#include "inference/torch/runtime.hpp"

namespace troupe::inference {
namespace {

// Affinity and the control group's quota considered: a measurement holds for both.
int usable_cores() { return static_cast<int>(config::usable_cores()); }

}  // namespace

namespace {

std::string read_cpu_model() {
  std::ifstream info("/proc/cpuinfo");
  std::string line, name, flags;
  while (std::getline(info, line) && (name.empty() || flags.empty())) {
    const auto colon = line.find(": ");
    if (colon == line.npos) continue;
    if (line.starts_with("model name")) name = line.substr(colon + 2);
    if (line.starts_with("flags")) flags = line.substr(colon + 2) + ' ';
  }
  for (const char* flag : {"avx2", "avx_vnni", "avx512f", "avx512_vnni", "avx512_bf16", "amx_int8", "amx_bf16"})
    if (flags.find(std::string(flag) + ' ') != flags.npos) name += std::string(" +") + flag;
  for (const char* limit : {"ONEDNN_MAX_CPU_ISA", "ATEN_CPU_CAPABILITY"})
    if (const char* value = std::getenv(limit)) name += ' ' + std::string(limit) + '=' + value;
  // It is written into JSON as it is.
  std::erase_if(name, [](char c) { return c == '"' || c == '\\' || static_cast<unsigned char>(c) < 32; });
  return name.empty() ? "unknown" : name;
}

}  // namespace

// Asked at every load; neither changes while the process runs.
const std::string& cpu_model() {
  static const std::string read = read_cpu_model();
  return read;
}

namespace {

bool read_kept(const std::filesystem::path& file, calibration& c) {
  json_document kept;
  if (file.empty() || !read_json_object(file, 64U << 10U, kept)) return false;
  std::string_view model, version, best;
  std::int64_t slots = 0, threads = 0, lone = 0, cores = 0;
  if (kept.root["cpu_model"].get(model) || model != c.cpu_model || kept.root["torch_version"].get(version) ||
      version != torch_version() || kept.root["cores"].get(cores) || cores != usable_cores() ||
      kept.root["best"].get(best) || kept.root["slots"].get(slots) || kept.root["threads_per_slot"].get(threads) ||
      kept.root["lone_batch_threads"].get(lone) || lone < 1 || lone > 4096 ||
      kept.root["fp32_by_aten"].get(c.fp32_by_aten) || kept.root["fp32_in_panels"].get(c.fp32_in_panels) ||
      kept.root["bf16_in_panels"].get(c.bf16_in_panels) || kept.root["fp32_gflops"].get(c.fp32_gflops) ||
      kept.root["bf16_gflops"].get(c.bf16_gflops) || kept.root["int8_gflops"].get(c.int8_gflops) || slots < 1 ||
      slots > 4096 || threads < 1 || threads > 4096)
    return false;
  c.best = best == "bf16" ? precision::bf16 : precision::fp32;
  c.slots = static_cast<int>(slots);
  c.threads_per_slot = static_cast<int>(threads);
  c.lone_threads = static_cast<int>(lone);
  return true;
}

void keep(const std::filesystem::path& file, const calibration& c) {
  if (file.empty()) return;
  char numbers[384];
  std::snprintf(numbers, sizeof numbers,
                "  \"fp32_by_aten\": %s,\n  \"fp32_in_panels\": %s,\n  \"bf16_in_panels\": %s,\n  \"slots\": %d,\n  "
                "\"threads_per_slot\": %d,\n  "
                "\"lone_batch_threads\": %d,\n  "
                "\"cores\": %d,\n  \"fp32_gflops\": %.2f,\n"
                "  \"bf16_gflops\": %.2f,\n  \"int8_gflops\": %.2f\n}\n",
                c.fp32_by_aten ? "true" : "false", c.fp32_in_panels ? "true" : "false",
                c.bf16_in_panels ? "true" : "false", c.slots, c.threads_per_slot, c.lone_threads, usable_cores(),
                c.fp32_gflops, c.bf16_gflops, c.int8_gflops);
  const auto text = "{\n  \"cpu_model\": \"" + c.cpu_model + "\",\n  \"torch_version\": \"" + torch_version() +
                    "\",\n  \"best\": \"" + (c.best == precision::bf16 ? "bf16" : "fp32") + "\",\n" + numbers;
  // Where it cannot be kept, it is measured again at the next start.
  if (auto out = temporary_file::create(file); out && out->write(0, std::as_bytes(std::span(text))))
    static_cast<void>(out->publish(file));
}

void put_in_force(const calibration& c) {
  use_fp32_by_aten(c.fp32_by_aten);
  use_fp32_panels(c.fp32_in_panels);
  use_bf16_panels(c.bf16_in_panels);
}

// fp32 by oneDNN, unless another is clearly faster; bf16 where it is.
void choose_kernels(calibration& c) {
  const auto speeds = measure_kernels();
  const auto plain = std::max(speeds.fp32_onednn_gflops, speeds.fp32_aten_gflops);
  c.fp32_by_aten = speeds.fp32_aten_gflops > 1.05 * speeds.fp32_onednn_gflops;
  c.fp32_in_panels = speeds.fp32_panels_gflops > 1.02 * plain;
  c.bf16_in_panels = speeds.bf16_panels_are_best;
  put_in_force(c);
  c.fp32_gflops = std::max(plain, speeds.fp32_panels_gflops);
  c.bf16_gflops = c.bf16_in_panels ? speeds.bf16_panels_gflops : speeds.bf16_gflops;
  c.int8_gflops = speeds.int8_gflops;
  c.best = c.bf16_gflops > 1.1 * c.fp32_gflops ? precision::bf16 : precision::fp32;
}

}  // namespace

std::vector<precision> calibration::candidates() const {
  // Half of a network's time goes elsewhere, and a trial costs a load: what gains less than this is not tried.
  constexpr double gain_min = 1.1;
  std::vector<precision> worth;
  if (bf16_gflops > gain_min * fp32_gflops) worth.push_back(precision::bf16);
  if (int8_gflops > gain_min * fp32_gflops) worth.push_back(precision::int8);
  return worth;
}

calibration calibrate(const std::filesystem::path& file, bool force) {
  calibration c;
  c.cpu_model = cpu_model();
  if (!force && read_kept(file, c)) {
    put_in_force(c);
    return c;
  }
  c.measured_now = true;
  c.slots = usable_cores();
  c.threads_per_slot = 1;
  try {
    set_thread_intra_op_threads(1);
    choose_kernels(c);
    c.lone_threads = choose_lone_threads(c.best == precision::bf16);
  } catch (const std::exception&) {
    c.best = precision::fp32;  // not kept: the next start measures again
    c.fp32_by_aten = c.fp32_in_panels = c.bf16_in_panels = false;
    put_in_force(c);
    return c;
  }
  keep(file, c);
  return c;
}

}  // namespace troupe::inference
