#include "tests/cache/catalog/redis/redis_server.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <stdexcept>

#include "tests/cache/catalog/loopback.hpp"

namespace troupe::cache {
namespace {

constexpr int ready_ms_max = 20'000;
constexpr int attempts_max = 5;  // another process may take the port first

}  // namespace

redis_server::redis_server(std::vector<std::string> arguments, place where)
    : arguments_(std::move(arguments)), where_(where) {
  auto name = (std::filesystem::temp_directory_path() / "redis.XXXXXX").string();
  folder_ = ::mkdtemp(name.data());
  for (int i = 0; i < attempts_max; ++i) {
    port_ = free_port();
    if (try_start()) return;
  }
  throw std::runtime_error("redis-server does not start");
}

redis_server::~redis_server() {
  stop();
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

void redis_server::start() {
  if (!try_start()) throw std::runtime_error("redis-server does not start again");
}

bool redis_server::try_start() {
  const bool tls = where_ == place::tls_port;
  std::vector<std::string> words = {"redis-server",   "--save",      "",   "--appendonly", "no",    "--dir",
                                    folder_.string(), "--daemonize", "no", "--loglevel",   "notice"};
  const auto add = [&](std::initializer_list<std::string> more) { words.insert(words.end(), more); };
  add({"--port", where_ == place::port ? port_ : "0"});
  add({"--bind", "127.0.0.1"});
  if (tls) add({"127.0.0.2"});
  if (tls) add({"--tls-port", port_});
  if (where_ == place::unix_socket) add({"--unixsocket", (folder_ / "s").string()});
  words.insert(words.end(), arguments_.begin(), arguments_.end());
  std::vector<char*> argv;
  for (auto& w : words) argv.push_back(w.data());
  argv.push_back(nullptr);

  int out[2];
  if (::pipe2(out, O_CLOEXEC) != 0) return false;
  pid_ = ::fork();
  if (pid_ == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::dup2(out[1], 1);
    ::dup2(out[1], 2);
    ::execvp(argv[0], argv.data());
    ::_exit(127);
  }
  ::close(out[1]);
  // Its log tells when it is ready; after that nobody reads it (it ignores SIGPIPE).
  std::string log;
  char text[4096];
  bool is_ready = false;
  while (!is_ready) {
    pollfd wait{out[0], POLLIN, 0};
    if (::poll(&wait, 1, ready_ms_max) <= 0) break;
    const auto size = ::read(out[0], text, sizeof text);
    if (size <= 0) break;
    log.append(text, static_cast<std::size_t>(size));
    is_ready = log.find(where_ == place::unix_socket ? "ready to accept connections at" : "Ready to accept") !=
               std::string::npos;
  }
  ::close(out[0]);
  if (!is_ready) stop();
  return is_ready;
}

void redis_server::stop() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
  pid_ = 0;
}

void redis_server::pause() {
  ::kill(pid_, SIGSTOP);
  siginfo_t what;
  ::waitid(P_PID, static_cast<id_t>(pid_), &what, WSTOPPED | WNOWAIT);
}
void redis_server::proceed() { ::kill(pid_, SIGCONT); }

redis_address redis_server::address() const {
  redis_address out;
  out.port = port_;
  out.tls = where_ == place::tls_port;
  if (where_ == place::unix_socket) out.unix_path = (folder_ / "s").string();
  return out;
}

}  // namespace troupe::cache
