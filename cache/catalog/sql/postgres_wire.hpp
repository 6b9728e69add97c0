#pragma once
// libpq without a wait that has no end: every step is waited for until a deadline, and a connection that misses one is
// given up, as nobody knows what it would still say.

#include <libpq-fe.h>

#include <memory>
#include <optional>
#include <string>

#include "cache/catalog/sql/connection.hpp"
#include "cache/catalog/sql/database.hpp"

namespace troupe::cache {

struct frees_postgres {
  void operator()(PGconn* c) const noexcept { PQfinish(c); }
  void operator()(PGresult* r) const noexcept { PQclear(r); }
};
using postgres_result = std::unique_ptr<PGresult, frees_postgres>;

// Used by one thread at a time. Once lost, it stays so.
class postgres_wire {
 public:
  // unavailable. No message has the password, nor has any of the others here.
  static result<std::unique_ptr<postgres_wire>> connect(const database_options& options);

  // Several statements by semicolons; what the last one answers.
  result<postgres_result> ask(const char* text, steady_time until);
  result<postgres_result> ask(const char* text, const std::vector<const char*>& values, steady_time until);
  result<void> prepare(const std::string& name, const std::string& text, steady_time until);
  result<postgres_result> ask_prepared(const std::string& name, const std::vector<const char*>& values,
                                       steady_time until);
  // After COPY .. FROM STDIN was asked.
  result<void> copy(std::string_view bytes, steady_time until);
  result<void> end_copy(steady_time until);

  bool is_lost() const noexcept { return lost_; }
  // A pool between this and the server gives each transaction another connection: what is prepared is not there.
  bool is_pooled() const noexcept { return pooled_; }

 private:
  postgres_wire(PGconn* c, std::shared_ptr<const std::atomic<bool>> ends) : c_(c), ends_(std::move(ends)) {}

  result<void> establish(steady_time until);
  result<postgres_result> answer(bool sent, steady_time until);
  result<void> wait(bool to_write, steady_time until);
  result<void> flush(steady_time until);
  tl::unexpected<error> lost(const std::string& why);
  tl::unexpected<error> refused(const PGresult* by);

  void call_off();

  std::unique_ptr<PGconn, frees_postgres> c_;
  const std::shared_ptr<const std::atomic<bool>> ends_;  // null: never
  std::optional<steady_time> last_word_at_;              // once the end has come: what is said after that is not heard
  bool lost_ = false, pooled_ = false;
};

}  // namespace troupe::cache
