#pragma once
// The shipped list of models that can be pulled (models/available.json). Immutable.

#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "cache/artifacts/pull_request.hpp"
#include "config/error.hpp"

namespace troupe::cache {

struct available_model {
  std::string name;
  source_kind source = source_kind::huggingface;
  std::string model_id;
  std::optional<double> size_mb;             // as its publisher states it
  bool large = false, experimental = false;  // asked for by name only
};

class available_models {
 public:
  available_models() = default;  // nothing is listed
  // Errors say what is wrong with the file.
  static result<available_models> load(const std::filesystem::path& file);

  std::size_t size() const noexcept { return models_.size(); }
  // What the file says, as the members of a JSON object, without its braces.
  const std::string& members_json() const noexcept { return members_; }
  // Null: it is not listed.
  const available_model* find(source_kind source, std::string_view model_id) const;
  // Whether a pull may go on. Error: bad_request, saying which flag is needed.
  result<void> check_allowed(const pull_request& request, bool large, bool experimental) const;

 private:
  std::vector<available_model> models_;
  std::string members_ = R"("available_models":{})";
};

}  // namespace troupe::cache
