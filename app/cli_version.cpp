// `troupe version`.

#include <fstream>

#include <CLI/CLI.hpp>

#include "app/cli_commands.hpp"
#include "config/version.hpp"
#include "inference/torch/runtime.hpp"

namespace troupe::app {
namespace {

std::string cpu_features() {
  std::ifstream in("/proc/cpuinfo");
  for (std::string line; std::getline(in, line);) {
    if (line.rfind("flags", 0) != 0) continue;
    line += ' ';
    std::string found;
    for (const char* name : {"sse4_2", "avx", "f16c", "fma", "avx2", "avx512f", "avx512_vnni", "avx512_bf16",
                             "avx512_fp16", "amx_bf16", "amx_int8"}) {
      if (line.find(' ' + std::string(name) + ' ') != std::string::npos)
        found += (found.empty() ? "" : " ") + std::string(name);
    }
    return found;
  }
  return "unknown";
}

int run_version(bool as_json) {
  if (as_json) {
    http::json_out json;
    json.object().field("version", version::project).field("commit", version::git);
    json.field("build", version::build_type).field("sanitized", version::sanitized);
    json.field("libtorch", inference::torch_version()).field("caf", version::caf);
    json.field("restinio", version::restinio).field("cpu", cpu_features()).end_object();
    print(json.str() + '\n');
    return 0;
  }
  const auto git = version::git.empty() ? std::string() : " (" + std::string(version::git) + ')';
  std::printf("troupe    %s%s, %s%s\n", std::string(version::project).c_str(), git.c_str(),
              std::string(version::build_type).c_str(), version::sanitized ? ", sanitized" : "");
  std::printf("LibTorch  %s\n", inference::torch_version().c_str());
  std::printf("CAF       %s\n", std::string(version::caf).c_str());
  std::printf("RESTinio  %s\n", std::string(version::restinio).c_str());
  std::printf("compiler  g++ %s, C++ %ld\n", __VERSION__, __cplusplus);
  std::printf("CPU       %s\n", cpu_features().c_str());
  return 0;
}

}  // namespace

void add_version_command(CLI::App& app, command_line& line) {
  auto* command = app.add_subcommand("version", "versions of troupe and its libraries, CPU features");
  add_json_option(*command, line);
  command->callback([&line] { line.run = [&line] { return run_version(line.json); }; });
}

}  // namespace troupe::app
