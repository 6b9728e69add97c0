#include "app/cli.hpp"

int main(int argc, char** argv) { return troupe::app::run_cli(argc, argv); }
