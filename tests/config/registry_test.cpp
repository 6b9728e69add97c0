#include "config/registry.hpp"

#include <chrono>
#include <cstdlib>
#include <fstream>

#include <gtest/gtest.h>

namespace troupe::config {
namespace {

const reserved_names reserved{.first = {"cache"}, .actions = {"load"}};

result<registry> parse(const std::string& text) { return parse_registry(text, "/etc/troupe/models.json", reserved); }

// The one model "m" with these further members.
result<registry> with(const std::string& members) {
  return parse("{\"models\": {\"m\": {\"path\": \"x\"" + (members.empty() ? "" : ", " + members) + "}}}");
}

TEST(registry, reads_every_option) {
  const auto all = parse(R"({"models": {"org/m": {
    "path": "sub/../folder", "source": "Hugging Face", "task": "text-classification", "description": "d",
    "priority": "medium", "cache_ttl": 60, "preload": true, "pinned": true, "precision": "bf16",
    "max_length": 128, "max_batch_items": 8, "max_batch_tokens": 512, "max_queue_items": 99, "max_instances": 2,
    "max_queue_delay_us": 500, "batching": false, "labels": ["a", "b"],
    "inputs": [{"name": "x", "dtype": "int64", "shape": [-1, 3]}]}}})");
  ASSERT_TRUE(all) << all.error().message;
  const auto& m = all->models.at("org/m");
  EXPECT_EQ(m.name, "org/m");
  EXPECT_EQ(m.path, "/etc/troupe/folder");
  EXPECT_EQ(m.source, "Hugging Face");
  EXPECT_EQ(m.task, "text-classification");
  EXPECT_EQ(m.description, "d");
  EXPECT_EQ(m.priority, priority::medium);
  EXPECT_EQ(m.cache_ttl_s, 60u);
  EXPECT_TRUE(m.preload);
  EXPECT_TRUE(m.pinned);
  EXPECT_EQ(m.precision, "bf16");
  EXPECT_EQ(m.max_length, 128u);
  EXPECT_EQ(m.max_batch_items, 8u);
  EXPECT_EQ(m.max_batch_tokens, 512u);
  EXPECT_EQ(m.max_queue_items, 99u);
  EXPECT_EQ(m.max_instances, 2u);
  EXPECT_EQ(m.max_queue_delay_us, 500u);
  EXPECT_FALSE(m.batching);
  EXPECT_EQ(m.labels, (std::vector<std::string>{"a", "b"}));
  ASSERT_EQ(m.inputs.size(), 1u);
  EXPECT_EQ(m.inputs[0], (registered_input{"x", dtype::i64, {-1, 3}}));
}

TEST(registry, absent_options_stay_absent) {
  const auto all = with("");
  ASSERT_TRUE(all);
  registered_model expected;
  expected.name = "m";
  expected.path = "/etc/troupe/x";
  EXPECT_EQ(all->models.at("m"), expected);
  EXPECT_EQ(all->file, "/etc/troupe/models.json");
  EXPECT_EQ(all->reserved.first, reserved.first);  // for when the file is read again
  EXPECT_EQ(all->reserved.actions, reserved.actions);
  EXPECT_TRUE(parse("{\"models\": {}}"));
}

TEST(registry, absolute_paths_stay) {
  const auto all = parse(R"({"models": {"m": {"path": "/srv/m.pt"}}})");
  ASSERT_TRUE(all);
  EXPECT_EQ(all->models.at("m").path, "/srv/m.pt");
}

TEST(registry, task_defaults) {
  const auto all = parse(R"({"tasks": {"tts": {"cache_ttl": 5, "priority": "low"}}, "models": {
    "a": {"path": "a", "task": "tts"}, "b": {"path": "b", "task": "tts", "cache_ttl": 7, "priority": "high"},
    "c": {"path": "c"}}})");
  ASSERT_TRUE(all) << all.error().message;
  EXPECT_EQ(all->models.at("a").cache_ttl_s, 5u);
  EXPECT_EQ(all->models.at("a").priority, priority::low);
  EXPECT_EQ(all->models.at("b").cache_ttl_s, 7u);
  EXPECT_EQ(all->models.at("b").priority, priority::high);
  EXPECT_FALSE(all->models.at("c").cache_ttl_s);
}

TEST(registry, values_at_the_bounds_are_taken) {
  for (const std::string members :
       {"\"priority\": \"low\"", "\"priority\": \"high\"", "\"cache_ttl\": 0", "\"max_length\": 1048576",
        "\"max_batch_items\": 1", "\"max_instances\": 256", "\"precision\": \"fp32\"", "\"labels\": []",
        "\"inputs\": []", "\"inputs\": [{\"shape\": []}]", "\"max_queue_delay_us\": 10000000"}) {
    const auto all = with(members);
    EXPECT_TRUE(all) << members << ": " << all.error().message;
  }
}

TEST(registry, bad_values_are_refused_with_their_place) {
  for (const std::string members :
       {"\"priority\": \"urgent\"", "\"priority\": 1", "\"priority\": null", "\"cache_ttl\": -1",
        "\"cache_ttl\": 1.5", "\"cache_ttl\": \"60\"", "\"cache_ttl\": 99999999999999999999", "\"preload\": 1",
        "\"preload\": \"true\"", "\"pinned\": null", "\"precision\": \"int4\"", "\"max_length\": 1048577",
        "\"max_batch_items\": 0", "\"max_batch_tokens\": 0", "\"max_queue_items\": 0", "\"max_instances\": 257",
        "\"max_queue_delay_us\": 10000001", "\"batching\": []", "\"labels\": \"a\"", "\"labels\": [1]",
        "\"labels\": [\"a\\nb\"]", "\"inputs\": {}", "\"inputs\": [1]", "\"inputs\": [{\"dtype\": \"complex64\"}]",
        "\"inputs\": [{\"shape\": 3}]", "\"inputs\": [{\"shape\": [0]}]", "\"inputs\": [{\"shape\": [-2]}]",
        "\"inputs\": [{\"shape\": [1000000000, 1000000000, 1000000000]}]", "\"inputs\": [{\"shape\": [65536, 65537]}]",
        "\"inputs\": [{\"shape\": [1.5]}]", "\"inputs\": [{\"size\": 1}]", "\"inputs\": [{\"name\": 1}]",
        "\"source\": 1", "\"task\": []", "\"description\": {}", "\"prio\": \"low\"", "\"Path\": \"x\""}) {
    const auto all = with(members);
    ASSERT_FALSE(all) << members;
    EXPECT_EQ(all.error().message.rfind("/etc/troupe/models.json:1:", 0), 0u) << all.error().message;
    EXPECT_EQ(all.error().code, error_code::bad_request);
  }
}

TEST(registry, bad_files_are_refused) {
  const std::pair<std::string, std::string> cases[] = {
      {"", "the text ends"},
      {"[]", "allowed: an object"},
      {"{}", "\"models\" must be an object"},
      {"{\"models\": []}", "\"models\" must be an object"},
      {"{\"models\": {}, \"modles\": {}}", "models.json:1:16: unknown key \"modles\""},
      {"{\"models\": {\"m\": {}}}", "\"path\" is missing"},
      {"{\"models\": {\"m\": {\"path\": \"\"}}}", "m.path"},
      {"{\"models\": {\"m\": \"x\"}}", "allowed: an object"},
      {"{\"models\": {\"../m\": {\"path\": \"x\"}}}", "Invalid model name"},
      {"{\"models\": {\"cache\": {\"path\": \"x\"}}}", "Reserved model name"},
      {"{\"models\": {\"a\": {\"path\": \"x\"}, \"a\": {\"path\": \"y\"}}}", "given twice"},
      {"{\"models\": {\"a\": {\"path\": \"x\", \"path\": \"y\"}}}", "given twice"},
      {"{\"models\": {}, \"tasks\": []}", "tasks"},
      {"{\"models\": {}, \"tasks\": {\"t\": 1}}", "tasks.t"},
      {"{\"models\": {}, \"tasks\": {\"t\": {\"ttl\": 1}}}", "unknown key \"ttl\""},
      {"{\"models\": {}, \"tasks\": {\"t\": {\"cache_ttl\": -1}}}", "tasks.t.cache_ttl"},
      {"{\"models\": {}, \"tasks\": {\"t\": {\"priority\": 1}}}", "tasks.t.priority"},
  };
  for (const auto& [text, expected] : cases) {
    const auto all = parse(text);
    ASSERT_FALSE(all) << text;
    EXPECT_NE(all.error().message.find(expected), std::string::npos) << all.error().message;
  }
}

TEST(registry, unknown_key_names_the_nearest) {
  const auto all = parse("{\"models\": {\n \"m\": {\n  \"path\": \"x\", \"cache_tll\": 3}}}");
  ASSERT_FALSE(all);
  EXPECT_EQ(all.error().message, "/etc/troupe/models.json:3:16: unknown key \"cache_tll\" in model \"m\"");
  EXPECT_EQ(all.error().detail, "did you mean \"cache_ttl\"?");
}

TEST(registry, missing_file) {
  const auto all = load_registry("/nowhere/models.json", reserved);
  ASSERT_FALSE(all);
  EXPECT_NE(all.error().message.find("/nowhere/models.json"), std::string::npos);
  EXPECT_FALSE(load_registry("/tmp", reserved));
}

TEST(registry, ten_thousand_models_are_read_fast) {
  std::string text = "{\"models\": {";
  for (int i = 0; i < 10000; ++i) {
    text += (i ? ",\n" : "\n") + std::string("\"model-") + std::to_string(i) +
            "\": {\"path\": \"m/" + std::to_string(i) + "\", \"priority\": \"low\", \"cache_ttl\": 60}";
  }
  text += "}}";
  const auto start = std::chrono::steady_clock::now();
  const auto all = parse(text);
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  ASSERT_TRUE(all);
  EXPECT_EQ(all->models.size(), 10000u);
  EXPECT_LT(took.count(), 2.0);  // some 30 ms; sanitizers and a busy machine make it more
}

TEST(registry, priorities_have_names) {
  for (const auto p : {priority::low, priority::medium, priority::high}) EXPECT_EQ(parse_priority(to_string(p)), p);
  EXPECT_FALSE(parse_priority("HIGH"));
  EXPECT_FALSE(parse_priority(""));
}

}  // namespace
}  // namespace troupe::config
