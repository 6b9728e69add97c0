#include "config/registered_models.hpp"

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

namespace troupe::config {
namespace {

namespace fs = std::filesystem;
const reserved_names reserved{.first = {"cache"}, .actions = {"load"}};

registered_model model(const std::string& name) {
  registered_model m;
  m.name = name;
  m.path = "/models/" + name;
  return m;
}

registry operators(const std::string& text = R"({"models": {"theirs": {"path": "x"}}})") {
  return parse_registry(text, "/etc/troupe/models.json", reserved).value();
}

// Every option is something else than its default.
registered_model full_model() {
  auto m = model("org/m");
  m.source = "Hugging Face";
  m.task = "text-classification";
  m.description = "with \"quotes\", \\ and \xc3\xa4";
  m.priority = priority::medium;
  m.cache_ttl_s = 0;
  m.preload = m.pinned = true;
  m.precision = "bf16";
  m.max_length = 128;
  m.max_batch_items = 8;
  m.max_batch_tokens = 512;
  m.max_queue_items = 99;
  m.max_instances = 2;
  m.max_queue_delay_us = 500;
  m.batching = false;
  m.labels = {"a", "b"};
  m.inputs = {{"x", dtype::i64, {-1, 3}}, {"y", dtype::f32, {}}};
  return m;
}

TEST(RegisteredModels, WhatIsWrittenIsReadBackWhole) {
  const registered_models models{{"org/m", full_model()}, {"plain", model("plain")}};
  const auto text = registry_json(models);
  const auto back = parse_registry(text, "/data/registered.json", reserved);
  ASSERT_TRUE(back) << back.error().message;
  EXPECT_EQ(back->models, models) << text;
  EXPECT_EQ(text.find("max_length"), text.rfind("max_length")) << "an option that says nothing is left out";
  EXPECT_TRUE(parse_registry(registry_json({}), "x", reserved)->models.empty());
}

TEST(RegisteredModels, AGoodRegistrationIsGivenBackAsItWillBeRead) {
  const auto checked = check_registration(full_model(), reserved);
  ASSERT_TRUE(checked) << checked.error().message;
  EXPECT_EQ(*checked, full_model());
  auto m = model("a");
  m.path = "/models/../else/a";
  m.origin = origin::run_time;
  EXPECT_EQ(check_registration(m, reserved)->path, "/else/a");
  EXPECT_EQ(check_registration(m, reserved)->origin, origin::models_file);
}

TEST(RegisteredModels, ABadOneIsRefusedByName) {
  const auto refused = [](registered_model m, const std::string& expected) {
    const auto checked = check_registration(m, reserved);
    ASSERT_FALSE(checked) << expected;
    EXPECT_EQ(checked.error().code, error_code::bad_request);
    EXPECT_NE(checked.error().message.find(expected), std::string::npos) << checked.error().message;
  };
  refused(model("../m"), "Invalid model name");
  refused(model(""), "Invalid model name");
  refused(model("cache/m"), "Reserved model name");
  refused(model("org/load"), "Reserved model name");
  auto m = model("a");
  m.path = "models/a";
  refused(m, "its path \"models/a\" is not absolute");
  m.path.clear();
  refused(m, "is not absolute");
  m = model("a");
  m.max_batch_items = 0;
  refused(m, "a.max_batch_items: found 0; allowed: a whole number from 1 to 4096");
  m = model("a");
  m.precision = "fp8";
  refused(m, "a.precision: found \"fp8\"");
  m = model("a");
  m.description = "two\nlines";
  refused(m, "without control characters");
  m.description = "\xff";
  refused(m, "not UTF-8");
  m = model("a");
  m.inputs = {{"x", dtype::f32, {0}}};
  refused(m, "a size above 0");
}

TEST(RegisteredModels, AnErrorOfOneEntryNamesNoPlace) {
  auto m = model("a");
  m.max_length = 9'999'999;
  const auto message = check_registration(m, reserved).error().message;
  EXPECT_EQ(message.rfind("a.max_length: found", 0), 0u) << message;
}

TEST(RegisteredModels, OneIsCreatedReplacedAndRemoved) {
  registered_models all;
  const auto theirs = operators();
  EXPECT_EQ(put_registered(all, theirs, model("a"), 9), registration_outcome::created);
  EXPECT_EQ(put_registered(all, theirs, model("a"), 9), registration_outcome::unchanged);
  auto other = model("a");
  other.max_length = 7;
  EXPECT_EQ(put_registered(all, theirs, other, 9), registration_outcome::replaced);
  EXPECT_EQ(all.at("a"), other);
  EXPECT_EQ(remove_registered(all, theirs, "a"), registration_outcome::removed);
  EXPECT_EQ(remove_registered(all, theirs, "a").error().code, error_code::model_not_found);
  EXPECT_TRUE(all.empty());
}

TEST(RegisteredModels, WhatStandsInTheOperatorsFileIsHis) {
  registered_models all{{"theirs", model("theirs")}};
  const auto before = all;
  for (const auto& refused :
       {put_registered(all, operators(), model("theirs"), 9), remove_registered(all, operators(), "theirs")}) {
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, error_code::conflict);
    EXPECT_NE(refused.error().message.find("/etc/troupe/models.json"), std::string::npos);
  }
  EXPECT_EQ(all, before);
}

TEST(RegisteredModels, TheirNumberIsLimited) {
  registered_models all;
  EXPECT_TRUE(put_registered(all, operators(), model("a"), 1));
  const auto refused = put_registered(all, operators(), model("b"), 1);
  EXPECT_EQ(refused.error().code, error_code::conflict);
  EXPECT_NE(refused.error().detail.find("max_registered_models is 1"), std::string::npos);
  auto other = model("a");
  other.max_length = 7;
  EXPECT_EQ(put_registered(all, operators(), other, 1), registration_outcome::replaced) << "that takes no more room";
}

TEST(RegisteredModels, TheOperatorsFileWinsAndItsTasksAreFollowed) {
  const auto theirs = operators(
      R"({"models": {"a": {"path": "theirs"}}, "tasks": {"t": {"cache_ttl": 7, "priority": "high"}}})");
  auto a = model("a"), b = model("b");
  b.task = "t";
  b.cache_ttl_s = 3;
  const registered_models models{{"a", a}, {"b", b}};
  const auto all = merge(theirs, models);
  EXPECT_EQ(all.models.at("a").path, "/etc/troupe/theirs");
  EXPECT_EQ(all.models.at("a").origin, origin::models_file);
  EXPECT_EQ(all.models.at("b").origin, origin::run_time);
  EXPECT_EQ(all.models.at("b").priority, priority::high);
  EXPECT_EQ(all.models.at("b").cache_ttl_s, 3u) << "it says so itself";
  EXPECT_EQ(all.file, theirs.file);
  EXPECT_EQ(names_in_both(theirs, models), std::vector<std::string>{"a"});
  EXPECT_TRUE(loads_alike(in_force(b, theirs), b)) << "neither origin nor a task's defaults are a reason to load again";
}

struct RegisteredFile : ::testing::Test {
  fs::path folder;
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "troupe-registered-XXXXXX").string();
    folder = mkdtemp(name.data());
  }
  void TearDown() override { fs::remove_all(folder); }
  fs::path write(const std::string& text) {
    std::ofstream(folder / "registered.json") << text;
    return folder / "registered.json";
  }
};

TEST_F(RegisteredFile, OneThatIsNotThereIsEmpty) {
  const auto read = load_registered(folder / "registered.json", reserved);
  EXPECT_TRUE(read.models.empty());
  EXPECT_TRUE(read.refused.empty());
  EXPECT_FALSE(read.unreadable);
}

TEST_F(RegisteredFile, OneBadEntryDoesNotTakeTheOthersAlong) {
  const auto read = load_registered(write(R"({"models": {"a": {"path": "/a"}, "b": {"path": "/b", "from_later": 1},
    "cache": {"path": "/c"}, "d": {"path": "/d"}}})"), reserved);
  EXPECT_EQ(read.models.size(), 2u);
  EXPECT_TRUE(read.models.contains("a"));
  EXPECT_TRUE(read.models.contains("d"));
  ASSERT_EQ(read.refused.size(), 2u);
  EXPECT_NE(read.refused[0].message.find("registered.json:1:54: unknown key \"from_later\""), std::string::npos)
      << read.refused[0].message;
  EXPECT_NE(read.refused[1].message.find("Reserved model name"), std::string::npos);
}

TEST_F(RegisteredFile, WhatIsNoRegistryGivesNothing) {
  for (const auto* text : {"", "{\"models\": {\"a\": {\"path\": \"/a\"}", "[]", "{}"}) {
    const auto read = load_registered(write(text), reserved);
    EXPECT_TRUE(read.models.empty()) << text;
    EXPECT_EQ(read.refused.size(), 1u) << text;
    EXPECT_FALSE(read.unreadable) << text;
  }
}

TEST_F(RegisteredFile, WhatCannotBeReadIsNotTakenForNothing) {
  fs::create_directory(folder / "registered.json");
  EXPECT_TRUE(load_registered(folder / "registered.json", reserved).unreadable);
}

}  // namespace
}  // namespace troupe::config
