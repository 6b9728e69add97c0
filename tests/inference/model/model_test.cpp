#include "inference/model/model.hpp"

#include <gtest/gtest.h>

namespace troupe::inference {
namespace {

TEST(model, says_which_tasks_it_has) {
  model_info info;
  info.tasks = {task::fill_mask, task::feature_extraction};
  const auto problem = wrong_task(info, task::text_ranking);
  EXPECT_EQ(problem.code, error_code::unprocessable);
  EXPECT_EQ(problem.message, "this model does not do text-ranking");
  EXPECT_EQ(problem.detail, "it does fill-mask, feature-extraction");
}

TEST(model, what_it_holds_is_the_sum_of_its_parts) {
  EXPECT_EQ((memory_use{{{1, 100, "a"}, {2, 20, "b"}}, 3}).total_bytes(), 123U);
  EXPECT_EQ((memory_estimate{"a", 100, 3}).total_bytes(), 103U);
}

// Keeps what it was asked.
class listening final : public model {
 public:
  const model_info& info() const noexcept override { return info_; }
  result<prepared_ptr> prepare(const input& in, const question& asked) const override {
    heard = asked;
    return fail(error_code::unprocessable, std::string(kind_of(in)));
  }
  std::unique_ptr<instance> make_instance() const override { return nullptr; }
  std::vector<warm_bucket> warm_buckets(std::uint32_t, std::uint32_t) const override { return {}; }
  prepared_ptr warm_input(const warm_bucket&) const override { return nullptr; }
  memory_use memory() const override { return {}; }

  mutable std::optional<question> heard;

 private:
  model_info info_;
};

TEST(model, is_asked_for_its_own_task_where_nothing_is_said) {
  const listening asked;
  const model& m = asked;
  EXPECT_EQ(m.prepare("a text").error().message, "a text");
  ASSERT_TRUE(asked.heard);
  EXPECT_FALSE(asked.heard->task);
  EXPECT_TRUE(names_of(asked.heard->parameters).empty());
}

}  // namespace
}  // namespace troupe::inference
