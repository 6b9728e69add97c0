// docs/models.md says what is served: its table against the tables of the code.

#include "inference/tables.hpp"

#include <algorithm>

#include "tests/inference/support.hpp"

namespace troupe::inference::tests {
namespace {

TEST(models_table, is_that_of_the_code) {
  std::vector<std::string> written;
  std::istringstream page(read_file(fixtures().parent_path().parent_path() / "docs" / "models.md"));
  for (std::string line; std::getline(page, line);)
    if (line.starts_with("| ") && !line.starts_with("| `model_type`")) written.push_back(line);
  std::vector<std::string> served;
  for (const auto& a : architectures()) {
    if (a.class_name == "TinyAttention") continue;  // another test's
    std::string tasks;
    for (const auto t : a.tasks) {
      EXPECT_NE(find_task(t), nullptr) << to_string(t);
      tasks += (tasks.empty() ? "" : ", ") + std::string(to_string(t));
    }
    served.push_back("| " + a.model_type + " | " + a.class_name + " | " + tasks + " |");
  }
  EXPECT_EQ(written, served);
}

}  // namespace
}  // namespace troupe::inference::tests
