#include "inference/speech/endpoint_rules.hpp"

#include <gtest/gtest.h>

namespace troupe::inference {
namespace {

TEST(endpoint_rules, silence_ends_an_utterance) {
  EXPECT_EQ(endpoint_of({2.39, {}}), endpoint_reason::none);
  EXPECT_EQ(endpoint_of({2.4, {}}), endpoint_reason::silence);
  EXPECT_EQ(endpoint_of({3.0, 1.19}), endpoint_reason::none);
  EXPECT_EQ(endpoint_of({3.0, 1.2}), endpoint_reason::silence_after_token);
}

TEST(endpoint_rules, an_utterance_is_not_too_long) {
  EXPECT_EQ(endpoint_of({19.99, 0.09}), endpoint_reason::none);
  EXPECT_EQ(endpoint_of({20.0, 0.1}), endpoint_reason::too_long);
}

TEST(endpoint_rules, rules_can_be_others) {
  endpoint_rules rules;
  rules.silence_after_token_s = 0.3;
  EXPECT_EQ(endpoint_of({1.0, 0.3}, rules), endpoint_reason::silence_after_token);
}

}  // namespace
}  // namespace troupe::inference
