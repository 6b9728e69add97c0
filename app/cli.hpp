#pragma once
// The command line: troupe serve | predict | bench | config | version.

#include "app/compose.hpp"

namespace troupe::app {

// All of main, given what a test executable adds. Exit status: 0, 1 (it did not work), 2 (bad command line,
// settings or registry).
int run_cli(int argc, char** argv, const composition& extra = {});

}  // namespace troupe::app
