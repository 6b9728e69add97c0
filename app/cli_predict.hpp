#pragma once
// `troupe predict`: loads a model in this process and runs texts through it, without a server.

#include <string>
#include <vector>

#include "config/settings.hpp"

namespace troupe::app {

struct predict_options {
  std::string model;               // a registered name, or a folder or file; empty: the default model
  std::vector<std::string> texts;  // "-": one a line from stdin
};

// Prints document 001's answer to one text, a list to several. The exit status.
int run_predict(const config::settings& settings, const predict_options& options);

}  // namespace troupe::app
