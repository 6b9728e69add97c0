#include "app/before_main.hpp"

#include <cerrno>
#include <csignal>
#include <cstdint>

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace troupe::app {
namespace {

int lost_folder = -1;

// The functions here run when the libraries are in place and none has been initialised: no sanitizer is, either.
#define TROUPE_BEFORE_MAIN __attribute__((no_sanitize("address", "undefined")))

TROUPE_BEFORE_MAIN bool is_serve(int argc, char** argv) {
  const char* const command = "serve";
  if (argc < 2) return false;
  int at = 0;
  while (command[at] != 0 && argv[1][at] == command[at]) ++at;
  return command[at] == 0 && argv[1][at] == 0;
}

TROUPE_BEFORE_MAIN void prepare(int argc, char** argv, char**) {
  if (is_serve(argc, argv)) {
    std::uint64_t set = std::uint64_t{1} << (SIGHUP - 1);
    ::syscall(SYS_rt_sigprocmask, SIG_BLOCK, &set, nullptr, sizeof set);
  }
  char path[4096];
  if (::syscall(SYS_getcwd, path, sizeof path) < 0 && errno == ENOENT) {
    lost_folder = static_cast<int>(::syscall(SYS_openat, AT_FDCWD, ".", O_PATH | O_DIRECTORY | O_CLOEXEC));
    ::syscall(SYS_chdir, "/");
  }
}

#undef TROUPE_BEFORE_MAIN

[[gnu::section(".preinit_array"), gnu::used]] void (*const before_main)(int, char**, char**) = prepare;

}  // namespace

in_lost_folder::in_lost_folder() {
  if (lost_folder >= 0) static_cast<void>(::fchdir(lost_folder) == 0);
}

in_lost_folder::~in_lost_folder() {
  if (lost_folder >= 0) static_cast<void>(::chdir("/") == 0);
}

}  // namespace troupe::app
