#include "cache/catalog/sql/postgres_wire.hpp"

#include <poll.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <system_error>
#include <thread>

namespace troupe::cache {
namespace {

constexpr int oldest_version = 120000;  // generated columns, MATERIALIZED
constexpr long long look_ms = 100;      // at whether the process ends
constexpr std::chrono::milliseconds patience_at_end{500};

std::string one_line(const char* text) {
  std::string out(text == nullptr ? "" : text);
  while (!out.empty() && (out.back() == '\n' || out.back() == ' ')) out.pop_back();
  std::replace(out.begin(), out.end(), '\n', ' ');
  return out;
}

// libpq takes what follows an '@', '/' or '?' in a password for the host or the port, and shows it.
bool has_clear_password(std::string_view url) {
  const auto begin = url.find("://") + 3;
  const auto at = url.find('@', begin);
  return at == url.npos || (at < url.find_first_of("/?", begin) && url.find('@', at + 1) == url.npos);
}

bool is_url(const std::string& url) {
  char* why = nullptr;  // may show the password
  std::unique_ptr<PQconninfoOption, decltype(&PQconninfoFree)> parts(PQconninfoParse(url.c_str(), &why),
                                                                     &PQconninfoFree);
  PQfreemem(why);
  return parts != nullptr && has_clear_password(url);
}

// What the server's state decides; anything else is the question's fault.
bool is_passing(std::string_view state) {
  for (const std::string_view of : {"08", "53", "57", "58", "40", "25006", "55P03", "28", "3D", "26000", "42P05"})
    if (state.starts_with(of)) return true;
  return false;
}

}  // namespace

result<std::unique_ptr<postgres_wire>> postgres_wire::connect(const database_options& options) {
  if (!is_url(options.url))
    return fail(error_code::unavailable, "the database's URL cannot be read",
                "postgresql://USER:PASSWORD@HOST/DATABASE, in the password an '@' as %40, a '/' as %2F");
  // Keepalives: a host that is gone without a word is noticed.
  constexpr std::array<const char*, 9> names{"dbname",           "client_encoding",  "fallback_application_name",
                                             "keepalives",       "keepalives_idle",  "keepalives_interval",
                                             "keepalives_count", "tcp_user_timeout", nullptr};
  const std::array<const char*, 9> values{options.url.c_str(), "UTF8", "troupe", "1", "10", "5", "3", "30000", nullptr};
  std::unique_ptr<postgres_wire> out(
      new postgres_wire(PQconnectStartParams(names.data(), values.data(), 1), options.ends));
  const auto until = steady_clock::now() + std::chrono::milliseconds(options.connect_timeout_ms);
  if (auto ok = out->establish(until); !ok) return tl::unexpected(ok.error());
  return out;
}

result<void> postgres_wire::establish(steady_time until) {
  if (!c_ || PQstatus(c_.get()) == CONNECTION_BAD) return lost("cannot be reached");
  for (auto next = PGRES_POLLING_WRITING; next != PGRES_POLLING_OK; next = PQconnectPoll(c_.get())) {
    if (next == PGRES_POLLING_FAILED) return lost("cannot be reached");
    if (auto ok = wait(next == PGRES_POLLING_WRITING, until); !ok) return ok;
  }
  PQsetnonblocking(c_.get(), 1);
  PQsetNoticeProcessor(
      c_.get(), [](void*, const char*) {}, nullptr);
  if (PQserverVersion(c_.get()) < oldest_version)
    return fail(error_code::unavailable, "PostgreSQL is older than version 12");
  const char* encoding = PQparameterStatus(c_.get(), "server_encoding");
  if (encoding != nullptr && std::string_view(encoding) != "UTF8")
    return fail(error_code::unavailable, std::string("the database's encoding is ") + encoding, "UTF8");
  // A pool tells a process of its own making: the real one could change with each transaction.
  const auto process = ask("SELECT pg_backend_pid()", until);
  if (!process) return tl::unexpected(process.error());
  pooled_ = std::to_string(PQbackendPID(c_.get())) != PQgetvalue(process->get(), 0, 0);
  return {};
}

// The statement ends on the server, too. Asking for that takes a connection, which may hang as this one does: nobody
// waits for it.
void postgres_wire::call_off() {
  last_word_at_ = steady_clock::now() + patience_at_end;
  std::shared_ptr<PGcancel> cancel(PQgetCancel(c_.get()), &PQfreeCancel);
  if (!cancel) return;  // it is not connected yet
  try {
    std::thread([cancel] {
      std::array<char, 256> why{};
      PQcancel(cancel.get(), why.data(), static_cast<int>(why.size()));
    }).detach();
  } catch (const std::system_error&) {  // no thread: the server finds out when it writes
  }
}

result<void> postgres_wire::wait(bool to_write, steady_time until) {
  for (;;) {
    if (ends_ && !last_word_at_ && ends_->load(std::memory_order_acquire)) call_off();
    if (last_word_at_) until = std::min(until, *last_word_at_);
    const auto rest = std::chrono::duration_cast<std::chrono::milliseconds>(until - steady_clock::now()).count();
    if (rest <= 0) {
      lost_ = true;
      return fail(error_code::unavailable, "PostgreSQL did not answer within its time");
    }
    pollfd on{PQsocket(c_.get()), static_cast<short>(to_write ? POLLIN | POLLOUT : POLLIN), 0};
    const int n = ::poll(&on, 1, static_cast<int>(std::min<long long>(rest, ends_ ? look_ms : 60'000)));
    if (n > 0) return {};
    if (n < 0 && errno != EINTR) return lost("cannot be waited for");
  }
}

result<void> postgres_wire::flush(steady_time until) {
  for (;;) {
    const int n = PQflush(c_.get());
    if (n == 0) return {};
    if (n < 0) return lost("was lost");
    if (auto ok = wait(true, until); !ok) return ok;
    if (PQconsumeInput(c_.get()) == 0) return lost("was lost");
  }
}

result<postgres_result> postgres_wire::answer(bool sent, steady_time until) {
  if (!sent) return lost("was lost");
  if (auto ok = flush(until); !ok) return tl::unexpected(ok.error());
  postgres_result last;
  for (;;) {
    while (PQisBusy(c_.get()) != 0) {
      if (auto ok = wait(false, until); !ok) return tl::unexpected(ok.error());
      if (PQconsumeInput(c_.get()) == 0) return lost("was lost");
    }
    postgres_result next(PQgetResult(c_.get()));
    if (!next) break;
    const bool failed = last && PQresultStatus(last.get()) == PGRES_FATAL_ERROR;
    if (!failed) last = std::move(next);
    if (PQresultStatus(last.get()) == PGRES_COPY_IN) return last;
  }
  if (PQstatus(c_.get()) == CONNECTION_BAD) return lost("was lost");
  if (!last || PQresultStatus(last.get()) == PGRES_FATAL_ERROR) return refused(last.get());
  return last;
}

result<postgres_result> postgres_wire::ask(const char* text, steady_time until) {
  return answer(PQsendQuery(c_.get(), text) != 0, until);
}

result<postgres_result> postgres_wire::ask(const char* text, const std::vector<const char*>& values,
                                           steady_time until) {
  const auto sent =
      PQsendQueryParams(c_.get(), text, static_cast<int>(values.size()), nullptr, values.data(), nullptr, nullptr, 0);
  return answer(sent != 0, until);
}

result<void> postgres_wire::prepare(const std::string& name, const std::string& text, steady_time until) {
  auto ok = answer(PQsendPrepare(c_.get(), name.c_str(), text.c_str(), 0, nullptr) != 0, until);
  if (!ok) return tl::unexpected(ok.error());
  return {};
}

result<postgres_result> postgres_wire::ask_prepared(const std::string& name, const std::vector<const char*>& values,
                                                    steady_time until) {
  const auto sent =
      PQsendQueryPrepared(c_.get(), name.c_str(), static_cast<int>(values.size()), values.data(), nullptr, nullptr, 0);
  return answer(sent != 0, until);
}

result<void> postgres_wire::copy(std::string_view bytes, steady_time until) {
  for (;;) {
    const int n = PQputCopyData(c_.get(), bytes.data(), static_cast<int>(bytes.size()));
    if (n < 0) return lost("was lost");
    if (auto ok = flush(until); !ok || n > 0) return ok;
  }
}

result<void> postgres_wire::end_copy(steady_time until) {
  while (true) {
    const int n = PQputCopyEnd(c_.get(), nullptr);
    if (n < 0) return lost("was lost");
    if (auto ok = flush(until); !ok) return ok;
    if (n > 0) break;
  }
  auto ok = answer(true, until);
  if (!ok) return tl::unexpected(ok.error());
  return {};
}

tl::unexpected<error> postgres_wire::lost(const std::string& why) {
  lost_ = true;
  const auto said = one_line(c_ ? PQerrorMessage(c_.get()) : nullptr);
  return fail(error_code::unavailable, "PostgreSQL " + why + (said.empty() ? "" : ": " + said));
}

tl::unexpected<error> postgres_wire::refused(const PGresult* by) {
  const char* field = by == nullptr ? nullptr : PQresultErrorField(by, PG_DIAG_SQLSTATE);
  const std::string_view state = field == nullptr ? "" : field;
  const char* primary = by == nullptr ? nullptr : PQresultErrorField(by, PG_DIAG_MESSAGE_PRIMARY);
  const auto what = one_line(primary) + (state.empty() ? "" : " (" + std::string(state) + ")");
  // Another server may take over; what was prepared elsewhere is not here.
  if (state == "25006" || state.starts_with("57P") || state == "26000" || state == "42P05") lost_ = true;
  if (state == "26000" || state == "42P05") pooled_ = true;
  if (state == "55P03") return fail(error_code::unavailable, "PostgreSQL's catalog was locked by another writer");
  if (state == "57014") return fail(error_code::unavailable, "PostgreSQL did not answer within its time");
  if (is_passing(state)) return fail(error_code::unavailable, "PostgreSQL: " + what);
  return fail(error_code::internal, "PostgreSQL refuses a statement: " + what);
}

}  // namespace troupe::cache
