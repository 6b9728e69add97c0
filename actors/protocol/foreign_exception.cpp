#include "actors/protocol/foreign_exception.hpp"

#include <algorithm>
#include <exception>
#include <new>

namespace troupe::actors {

std::string caught_message() noexcept {
  try {
    throw;
  } catch (const std::bad_alloc&) {
    return "out of memory";  // short enough to need none
  } catch (const std::exception& e) {
    try {
      return e.what()[0] == 0 ? "an exception without a message" : e.what();
    } catch (...) {
      return "out of memory";
    }
  } catch (...) {
    return "no std::exception";
  }
}

error caught_error(error_code code, const std::string& what) {
  auto message = caught_message();
  message.resize(std::min(message.find('\n'), message.size()));
  try {
    throw;
  } catch (const std::bad_alloc&) {
    return {error_code::insufficient_memory, what + ": " + message, {}, 1};
  } catch (...) {
    return {code, what + ": " + message, {}, {}};
  }
}

}  // namespace troupe::actors
