#include "tests/cache/catalog/sql/postgres_server.hpp"

#include <libpq-fe.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <stdexcept>
#include <thread>

#include "tests/cache/catalog/loopback.hpp"

namespace troupe::cache::tests {
namespace {

namespace fs = std::filesystem;

// The newest that Debian has installed.
std::string programs() {
  std::string out;
  std::error_code no;
  for (const auto& version : fs::directory_iterator("/usr/lib/postgresql", no))
    if (fs::exists(version.path() / "bin/postgres")) out = std::max(out, (version.path() / "bin").string());
  return out;
}

using connection = std::unique_ptr<PGconn, decltype(&PQfinish)>;

void wait_until_answers(const std::string& url) {
  for (int i = 0; i < 600; ++i) {
    if (PQping(url.c_str()) == PQPING_OK) return;
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  throw std::runtime_error("the test's PostgreSQL does not start");
}

}  // namespace

postgres_server* postgres_server::shared() {
  if (programs().empty()) return nullptr;
  static const auto server = [] {
    auto out = std::make_unique<postgres_server>("/tmp/troupe-postgres-" + std::to_string(::getpid()));
    out->start();
    return out;
  }();
  return server.get();
}

postgres_server::postgres_server(std::string folder) : folder_(std::move(folder)), port_(free_port()) {
  fs::remove_all(folder_);
  fs::create_directories(folder_);
  fs::permissions(folder_, fs::perms::all);
  const auto pid = run({programs() + "/initdb", "-D", folder_ + "/data", "-A", "trust", "-U", "postgres",
                        "--locale=C.UTF-8", "-E", "UTF8", "--no-sync"});
  int status = 0;
  ::waitpid(pid, &status, 0);
  if (status != 0) throw std::runtime_error("initdb fails: " + folder_ + "/log");
}

postgres_server::~postgres_server() {
  if (pool_ > 0) {
    ::kill(pool_, SIGKILL);
    ::waitpid(pool_, nullptr, 0);
  }
  kill();
  std::error_code no;
  fs::remove_all(folder_, no);
}

// PostgreSQL will not run as root. It ends with the tests, however they end.
pid_t postgres_server::run(const std::vector<std::string>& command) const {
  std::vector<std::string> whole{"setpriv", "--pdeathsig", "QUIT"};
  if (::geteuid() == 0) whole.insert(whole.end(), {"--reuid=postgres", "--regid=postgres", "--clear-groups"});
  whole.insert(whole.end(), command.begin(), command.end());
  std::vector<char*> arguments;
  for (auto& word : whole) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  const auto log = folder_ + "/log";
  std::fflush(nullptr);
  const pid_t pid = ::fork();
  if (pid != 0) return pid;
  if (std::freopen(log.c_str(), "a", stderr) == nullptr || std::freopen("/dev/null", "w", stdout) == nullptr)
    ::_exit(126);
  ::execvp(arguments[0], arguments.data());
  ::_exit(127);
}

void postgres_server::start() {
  server_ = run({programs() + "/postgres", "-D", folder_ + "/data", "-k", folder_, "-p", port_, "-c",
                 "listen_addresses=127.0.0.1", "-c", "fsync=off", "-c", "max_connections=60"});
  wait_until_answers(url("postgres"));
}

void postgres_server::kill() {
  if (server_ <= 0) return;
  ::kill(server_, SIGQUIT);
  ::waitpid(server_, nullptr, 0);
  server_ = 0;
}

void postgres_server::each_process(int signal) const {
  std::ifstream children("/proc/" + std::to_string(server_) + "/task/" + std::to_string(server_) + "/children");
  for (pid_t child = 0; children >> child;) ::kill(child, signal);
  ::kill(server_, signal);
}
void postgres_server::pause() { each_process(SIGSTOP); }
void postgres_server::proceed() { each_process(SIGCONT); }

bool postgres_server::start_pool() {
  if (pool_ > 0) return true;
  if (!fs::exists("/usr/sbin/pgbouncer")) return false;
  pool_port_ = free_port();
  const auto file = folder_ + "/pgbouncer.ini";
  std::ofstream(file) << "[databases]\n* = host=127.0.0.1 port=" << port_ << " user=postgres\n[pgbouncer]\n"
                      << "listen_addr = 127.0.0.1\nlisten_port = " << pool_port_ << "\nauth_type = any\n"
                      << "pool_mode = transaction\ndefault_pool_size = 3\nunix_socket_dir =\n"
                      << "logfile = " << folder_ << "/pool.log\n";
  pool_ = run({"/usr/sbin/pgbouncer", "-q", file});
  wait_until_answers(url("postgres", true));
  return true;
}

std::string postgres_server::new_database() {
  const auto name = "test_" + std::to_string(++databases_);
  ask("postgres", "CREATE DATABASE " + name);
  return name;
}

std::string postgres_server::take_database() {
  if (free_.empty()) return new_database();
  auto name = std::move(free_.back());
  free_.pop_back();
  return name;
}

void postgres_server::give_back(const std::string& database) {
  ask(database,
      "SET client_min_messages = warning; "
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> "
      "pg_backend_pid(); DROP SCHEMA public CASCADE; CREATE SCHEMA public");
  free_.push_back(database);
}

std::string postgres_server::url(const std::string& database, bool pooled) const {
  return "postgresql://postgres@127.0.0.1:" + (pooled ? pool_port_ : port_) + "/" + database;
}

std::string postgres_server::ask(const std::string& database, const std::string& sql) const {
  const connection c(PQconnectdb(url(database).c_str()), &PQfinish);
  const std::unique_ptr<PGresult, decltype(&PQclear)> r(PQexec(c.get(), sql.c_str()), &PQclear);
  const auto status = PQresultStatus(r.get());
  if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK) throw std::runtime_error(PQerrorMessage(c.get()));
  return PQntuples(r.get()) > 0 ? PQgetvalue(r.get(), 0, 0) : "";
}

}  // namespace troupe::cache::tests
