#pragma once
// Models, their libraries and reply streams are foreign code that runs on threads of ours: what they throw must end
// where they were called, for it would end the process. Only inside a catch block.

#include <string>

#include "config/error.hpp"

namespace troupe::actors {

// What is being thrown, in words; never empty.
std::string caught_message() noexcept;

// The same as an error, "`what`: its message" in one line: `code`, but insufficient_memory (try again) for
// std::bad_alloc.
error caught_error(error_code code, const std::string& what);

}  // namespace troupe::actors
