#pragma once
// The command line: all of its commands (cli_commands.hpp), read and carried out.

#include "app/compose.hpp"

namespace troupe::app {

// All of main, given what a test executable adds. The exit status (cli_outcome.hpp).
int run_cli(int argc, char** argv, const composition& extra = {});

}  // namespace troupe::app
