#pragma once
// How commands end: their exit status, and how they tell an error. docs/cli.md names the statuses.

#include <string>

#include "config/error.hpp"

namespace troupe::app {

enum class exit_status : int {
  done = 0,
  failed = 1,
  bad_usage = 2,  // the command line, settings, registry
  not_found = 3,  // a model, or what it was to be pulled from
  no_server = 4,  // none runs, or it cannot be reached
  interrupted = 130,
};

struct failure {
  error why;
  exit_status status = exit_status::failed;
};
template <class T>
using outcome = tl::expected<T, failure>;

exit_status status_of(error_code code) noexcept;
// With the status that follows from the error's code.
tl::unexpected<failure> failed(error why);

// Tells it on stderr, safe for a terminal. The exit status.
int complain(const error& why, exit_status status);
int complain(const failure& what);

// A line on stderr, and text on stdout; a line is safe for a terminal.
void say(const std::string& line);
void print(const std::string& text);

}  // namespace troupe::app
