#include "app/cli_outcome.hpp"

#include <cstdio>

#include "app/logging.hpp"

namespace troupe::app {

exit_status status_of(error_code code) noexcept {
  switch (code) {
    case error_code::bad_request: return exit_status::bad_usage;
    case error_code::model_not_found: return exit_status::not_found;
    case error_code::cancelled: return exit_status::interrupted;
    default: return exit_status::failed;
  }
}

tl::unexpected<failure> failed(error why) {
  const auto status = status_of(why.code);
  return tl::unexpected<failure>(failure{std::move(why), status});
}

int complain(const error& why, exit_status status) {
  say("troupe: " + why.message);
  if (!why.detail.empty()) say("  " + why.detail);
  return static_cast<int>(status);
}

int complain(const failure& what) { return complain(what.why, what.status); }

void say(const std::string& line) {
  const auto text = escape_for_terminal(line) + '\n';
  std::fwrite(text.data(), 1, text.size(), stderr);
}

void print(const std::string& text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
}

}  // namespace troupe::app
