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

TEST(DefaultModel, WhatIsRegisteredAtRunTimeTakesNothingFromTheFiles) {
  auto r = of({"a", "b", "c"});
  r.models["a"].origin = origin::run_time;
  EXPECT_EQ(default_model({}, r), "b");
  r.models["a"].preload = true;
  EXPECT_EQ(default_model({}, r), "a") << "it is preloaded, and they are not";
  r.models["c"].preload = true;
  EXPECT_EQ(default_model({}, r), "c");
  for (auto& [name, m] : r.models) m.origin = origin::run_time;
  r.models["a"].preload = r.models["c"].preload = false;
  EXPECT_EQ(default_model({}, r), "a");
}

TEST(DefaultModel, TheNamedOneIsNeverReplacedByAnother) {
  settings s;
  s.default_model = "gone";
  EXPECT_EQ(default_model(s, of({"a"}, "a")), "gone");
}

}  // namespace
}  // namespace troupe::config
