#include "app/model_facts.hpp"

#include <gtest/gtest.h>

#include "inference/files/files.hpp"

namespace troupe::app {
namespace {

using std::chrono::system_clock;
using namespace std::chrono_literals;

cache::manifest stored() {
  cache::manifest m;
  m.name = "org/model";
  m.model_id = "org/model";
  m.revision = "1234567890abcdef";
  m.task = "text-classification";
  m.files = {{"config.json", 600, std::string(64, 'a'), ""}, {"model.safetensors", 1048576, std::string(64, 'b'), ""}};
  m.snapshot = cache::snapshot_id(m.files);
  m.downloaded_at = system_clock::from_time_t(1700000000);
  return m;
}

TEST(model_facts, the_store_and_a_server_tell_the_same) {
  auto of_store = facts_of(stored(), "/store/org/model/@x");
  of_store.servable = false;
  of_store.reason = "no such architecture";
  inference::json_document answer;
  ASSERT_TRUE(inference::parse_json_object(
      R"({"name":"org/model","version":"1234567890abcdef","size_mb":1.000572,"source":"huggingface",
          "model_id":"org/model","task":"text-classification","description":"","tags":[],"servable":false,
          "reason":"no such architecture","pinned":false,"downloaded_at":"2023-11-14T22:13:20.5Z",
          "id":")" +
          cache::snapshot_id(stored().files) +
          R"(","size_bytes":1049176,"path":"/store/org/model/@x","files":[
            {"path":"config.json","size_bytes":600,"sha256":")" +
          std::string(64, 'a') + R"("},{"path":"model.safetensors","size_bytes":1048576,"sha256":")" +
          std::string(64, 'b') + R"("}],"status":"completed"})",
      "answer", answer));
  const auto of_server = facts_of(answer.root);
  ASSERT_TRUE(of_server) << of_server.error().message;
  const auto json = [](const model_facts& m) {
    http::json_out out;
    out.object();
    write_facts(out, m, true);
    return out.end_object().str();
  };
  EXPECT_EQ(json(*of_server), json(of_store));
  const auto now = system_clock::from_time_t(1700000000) + 72h;
  EXPECT_EQ(facts_text(*of_server, now), facts_text(of_store, now));
  EXPECT_EQ(facts_table({of_store}, now),
            "NAME       ID            SIZE     SOURCE                 TASK                 SERVABLE  MODIFIED\n"
            "org/model  " +
                of_store.snapshot.substr(0, 12) +
                "  1.0 MiB  huggingface:org/model  text-classification  no        3 days ago\n");
  EXPECT_NE(facts_text(of_store, now).find("servable     no: no such architecture\n"), std::string::npos);
}

TEST(model_facts, answers_that_lack_what_matters_are_refused_and_others_are_not) {
  inference::json_document answer;
  ASSERT_TRUE(inference::parse_json_object(R"({"name":"m","status":"downloading"})", "answer", answer));
  EXPECT_FALSE(facts_of(answer.root));  // a download that has not ended
  inference::json_document odd;
  ASSERT_TRUE(inference::parse_json_object(
      R"({"name":"m","id":"0","files":[{"path":1,"size_bytes":"x"},7],"tags":[1,"t"],"servable":null,"version":2})",
      "answer", odd));
  const auto read = facts_of(odd.root);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->size_bytes, 0u);
  EXPECT_EQ(read->tags, std::vector<std::string>{"t"});
  EXPECT_EQ(read->servable, std::nullopt);
}

TEST(model_facts, nothing_that_a_terminal_obeys_is_written) {
  auto m = stored();
  m.description = "a\x1B[2Jb";
  m.files[0].path = "\x1B]0;title\x07";
  const auto text = facts_text(facts_of(m, "/x"), system_clock::now());
  EXPECT_EQ(text.find('\x1B'), std::string::npos);
  EXPECT_NE(text.find("a\\x1b[2Jb"), std::string::npos);
}

TEST(model_facts, times_and_sizes_are_read) {
  EXPECT_EQ(parse_utc("2023-11-14T22:13:20Z"), system_clock::from_time_t(1700000000));
  EXPECT_EQ(parse_utc("2023-11-14T22:13:20.123456Z"), system_clock::from_time_t(1700000000));
  EXPECT_EQ(parse_utc("yesterday"), std::nullopt);
  inference::json_document sizes;
  ASSERT_TRUE(inference::parse_json_object(R"({"a":1.5,"b":-1,"c":"x","d":1e300,"e":3})", "sizes", sizes));
  EXPECT_EQ(bytes_of_mb(sizes.root, "a"), 1572864u);
  EXPECT_EQ(bytes_of_mb(sizes.root, "e"), 3145728u);
  for (const char* key : {"b", "c", "d", "none"}) EXPECT_EQ(bytes_of_mb(sizes.root, key), 0u) << key;
}

}  // namespace
}  // namespace troupe::app
