#include "inference/torch/tiles.hpp"

#include <cstdlib>
#include <string_view>

#if defined(__x86_64__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace troupe::inference {
namespace {

bool found() noexcept {
#if defined(__x86_64__)
  constexpr long request_permission = 0x1023, tile_data = 18;  // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA
  if (const char* limit = std::getenv("ONEDNN_MAX_CPU_ISA"))
    if (const std::string_view isa(limit); isa.find("AMX") == isa.npos && isa != "DEFAULT" && isa != "ALL")
      return false;
  return __builtin_cpu_supports("amx-tile") && __builtin_cpu_supports("amx-bf16") &&
         __builtin_cpu_supports("amx-int8") && __builtin_cpu_supports("avx512bf16") &&
         __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512vl") && ::syscall(SYS_arch_prctl, request_permission, tile_data) == 0;
#else
  return false;
#endif
}

}  // namespace

bool has_tiles() noexcept {
  static const bool here = found();
  return here;
}

}  // namespace troupe::inference
