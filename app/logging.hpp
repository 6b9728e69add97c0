#pragma once
// The process's log, through spdlog's default logger: lines for people on a terminal, JSON lines otherwise, on
// stderr. Lines are written by a thread of their own; when it falls behind, the oldest waiting ones are lost
// rather than a caller held up. Whatever a message contains stays on its line: control characters are escaped.

#include <string>
#include <string_view>

#include "config/settings.hpp"
#include "http/core/exchange.hpp"

namespace troupe::app {

// Once, from main, after the last fork or exec and before other threads start.
void start_logging(const config::settings& settings);
// For commands: warnings for people, written by their callers. Before start_logging, or without.
void start_plain_logging();
// Writes what waits and ends the thread; lines that come later are written by their callers.
void stop_logging();
bool logs_json(const config::settings& settings);

// A line of the process's own on stdout ("troupe .. ready on .."), in the log's format.
void print_line(const config::settings& settings, std::string_view text);

// "text" with control characters and bad UTF-8 escaped: safe on a terminal, and one line.
std::string escape_for_terminal(std::string_view text);
// The inside of a JSON string.
std::string escape_for_json(std::string_view text);

// The same handler; with settings.access_log, each answer writes one line.
http::handler with_access_log(const config::settings& settings, http::handler inner);

}  // namespace troupe::app
