#pragma once
// A PostgreSQL of the tests' own, in a folder that goes with it, and a pgbouncer before it.

#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

namespace troupe::cache::tests {

class postgres_server {
 public:
  // One for the whole program, started by the first who asks; null where PostgreSQL is not installed.
  static postgres_server* shared();

  // Not started yet. REQUIRES: installed().
  explicit postgres_server(std::string folder);
  ~postgres_server();
  postgres_server(const postgres_server&) = delete;
  postgres_server& operator=(const postgres_server&) = delete;

  void start();
  void kill();   // as a crash does
  void pause();  // SIGSTOP, to all its processes: the kernel still accepts and takes what is sent
  void proceed();
  // In transaction mode; false: pgbouncer is not installed.
  bool start_pool();

  std::string new_database();  // its name
  // One that has been used before, where there is one, and is empty: a new one costs 8 MB.
  std::string take_database();
  void give_back(const std::string& database);
  std::string url(const std::string& database, bool pooled = false) const;
  // By a connection of its own; the first field of what it answers.
  std::string ask(const std::string& database, const std::string& sql) const;

 private:
  void each_process(int signal) const;
  pid_t run(const std::vector<std::string>& command) const;
  std::string folder_;
  std::string port_, pool_port_;
  pid_t server_ = 0, pool_ = 0;
  int databases_ = 0;
  std::vector<std::string> free_;
};

}  // namespace troupe::cache::tests
