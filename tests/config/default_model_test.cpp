#include "config/default_model.hpp"

#include <gtest/gtest.h>

namespace troupe::config {
namespace {

registry of(std::initializer_list<const char*> names, const char* preloaded = "") {
  registry r;
  for (const auto* name : names) {
    auto& m = r.models[name];
    m.name = name;
    m.preload = m.name == preloaded;
  }
  return r;
}

TEST(DefaultModel, TheFirstByNameWhereNothingIsSaid) {
  EXPECT_EQ(default_model({}, of({"b", "a"})), "a");
  EXPECT_EQ(default_model({}, of({})), "");
}

TEST(DefaultModel, ThePreloadedOnesGoBeforeTheOthers) {
  EXPECT_EQ(default_model({}, of({"a", "b", "c"}, "c")), "c");
  settings s;
  s.preload_models = {"gone", "c", "b"};
  EXPECT_EQ(default_model(s, of({"a", "b", "c"})), "b");
  EXPECT_EQ(default_model(s, of({"a", "c"})), "c");
  EXPECT_EQ(default_model(s, of({"x", "y"})), "x") << "none of those that are preloaded is registered";
}

TEST(DefaultModel, TheNamedOneIsNeverReplacedByAnother) {
  settings s;
  s.default_model = "gone";
  EXPECT_EQ(default_model(s, of({"a"}, "a")), "gone");
}

}  // namespace
}  // namespace troupe::config
