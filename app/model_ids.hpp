#pragma once
// What people write to name a model that is to be pulled. Pure.

#include <filesystem>
#include <string>
#include <string_view>

#include "cache/artifacts/pull_request.hpp"
#include "config/error.hpp"

namespace troupe::app {

// As the command line gives it.
struct wanted_model {
  std::string id{};      // org/model, torchvision:resnet50, a URL, s3://.., ./folder
  std::string source{};  // empty: from the id
  std::string name{};    // empty: from the id
  std::string revision{}, task{};
};

// Source, id and name of a pull. A path becomes absolute, from `here`. Errors (bad_request): an unknown source, or an
// id that gives no name, saying what to add.
result<cache::pull_request> read_wanted(const wanted_model& wanted, const std::filesystem::path& here);

// The name that a model gets where none is given: the id where it is `org/model`, else the last part of the path
// without the extension of a file of weights. Empty: the id gives none.
std::string name_of_id(cache::source_kind source, std::string_view id);

}  // namespace troupe::app
