#include "app/cli.hpp"

int main(int argc, char** argv) { return troupe::http::run_cli(argc, argv); }
