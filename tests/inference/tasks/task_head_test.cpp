#include "inference/tasks/task_head.hpp"

#include "tests/inference/tasks/support.hpp"

namespace troupe::inference::tests {
namespace {

TEST(check_names, names_what_is_not_the_task_s_own) {
  task_parameters given;
  EXPECT_TRUE(check_names(task::fill_mask, given, {}));
  given.truncate = false;
  given.truncate_left = true;
  EXPECT_TRUE(check_names(task::fill_mask, given, {})) << "every task's";
  given.top_k = 3;
  EXPECT_TRUE(check_names(task::fill_mask, given, {"targets", "top_k"}));
  EXPECT_EQ(problem_of(check_names(task::text_ranking, given, {"raw_scores"}), error_code::bad_request),
            "'top_k' is not a parameter of text-ranking | it takes raw_scores, truncate, truncation_direction");
  given.dimensions = 3;
  EXPECT_NE(problem_of(check_names(task::fill_mask, given, {"top_k"}), error_code::bad_request).find("'dimensions'"),
            std::string::npos);
}

}  // namespace
}  // namespace troupe::inference::tests
