#include "cache/artifacts/manifest.hpp"

#include "tests/cache/artifacts/support.hpp"

namespace troupe::cache::tests {
namespace {

manifest sample() {
  manifest m;
  m.name = "org/bert";
  m.source = source_kind::url;
  m.model_id = "https://example.org/bert.bin";
  m.revision = "abc";
  m.requested_revision = "main";
  m.task = "text-classification";
  m.description = "a \"model\"\nof \xF0\x9F\x90\xA7";
  m.tags = {"pytorch", "de"};
  m.files = {described("config.json", "{}"), described("w/model.bin", "weights")};
  m.snapshot = snapshot_id(m.files);
  m.downloaded_at += std::chrono::milliseconds(1'700'000'000'123);
  m.vocoder = "org/bert_vocoder";
  m.pinned = true;
  return m;
}

std::string replaced(std::string text, const std::string& what, const std::string& by) {
  const auto at = text.find(what);
  if (at == std::string::npos) throw std::runtime_error("no " + what);
  return text.replace(at, what.size(), by);
}

std::string why(const std::string& json) {
  const auto m = parse_manifest(json, "/store/x/manifest.json");
  if (m) return {};
  EXPECT_EQ(m.error().code, error_code::unprocessable);
  EXPECT_TRUE(m.error().message.starts_with("/store/x/manifest.json")) << m.error().message;
  return text(m.error());
}

TEST(Manifest, IsReadAsItWasWritten) {
  const auto m = sample();
  const auto read = parse_manifest(manifest_json(m), "x");
  ASSERT_TRUE(read) << text(read.error());
  EXPECT_EQ(*read, m);
  EXPECT_EQ(size_bytes(m), 9u);
}

TEST(Manifest, WhatIsNoUtf8IsReplaced) {
  auto m = sample();
  m.files[0].etag = "\"\xff\"";
  m.description = "\x80 and \xc3";
  m.tags = {"\xfe"};
  const auto read = parse_manifest(manifest_json(m), "x");
  ASSERT_TRUE(read) << text(read.error());
  EXPECT_EQ(read->files[0].etag, "\"\xEF\xBF\xBD\"");
  EXPECT_EQ(read->description, "\xEF\xBF\xBD and \xEF\xBF\xBD");
}

TEST(Manifest, ASnapshotIsItsPathsAndDigests) {
  const auto files = sample().files;
  const auto id = snapshot_id(files);
  EXPECT_EQ(id.size(), 16u);
  EXPECT_EQ(snapshot_id({files[1], files[0]}), id) << "in whatever order";
  auto other = files;
  other[0].etag = "another";
  EXPECT_EQ(snapshot_id(other), id);
  other[0].path = "config2.json";
  EXPECT_NE(snapshot_id(other), id);
  other = files;
  other[0].sha256 = digest_of("[]");
  EXPECT_NE(snapshot_id(other), id);
  EXPECT_NE(snapshot_id({files[0]}), id);
}

TEST(Manifest, WhatIsDamagedIsRefusedByWhatIsWrong) {
  const auto good = manifest_json(sample());
  const auto digest = digest_of("{}");
  const auto changed = [&](const std::string& what, const std::string& by) { return why(replaced(good, what, by)); };
  EXPECT_EQ(why(good), "");
  for (std::size_t i = 0; i + 2 < good.size(); i += 7) EXPECT_NE(why(good.substr(0, i)), "") << i;
  EXPECT_NE(why("[]").find("object"), std::string::npos);
  EXPECT_NE(changed("\"format\": 1", "\"format\": 2").find("format 2"), std::string::npos);
  EXPECT_NE(changed("\"org/bert\"", "\"../../etc\"").find("\"name\""), std::string::npos);
  EXPECT_NE(changed("\"org/bert\"", "\"/etc\"").find("\"name\""), std::string::npos);
  EXPECT_NE(changed("\"org/bert\"", "7").find("\"name\" must be a text"), std::string::npos);
  EXPECT_NE(changed("\"url\"", "\"ftp\"").find("\"source\""), std::string::npos);
  EXPECT_NE(changed("org/bert_vocoder", "../x").find("\"vocoder\""), std::string::npos);
  EXPECT_NE(changed("\"w/model.bin\"", "\"../model.bin\"").find("'..'"), std::string::npos);
  EXPECT_NE(changed("\"w/model.bin\"", "\"/model.bin\"").find("absolute"), std::string::npos);
  EXPECT_NE(changed("\"w/model.bin\"", "\"a\\u0000b\"").find("control"), std::string::npos);
  EXPECT_NE(changed("\"w/model.bin\"", "\"config.json\"").find("twice"), std::string::npos);
  EXPECT_NE(changed("\"w/model.bin\"", "\"config.json/x\"").find("folder of"), std::string::npos);
  EXPECT_NE(changed(digest, "../" + digest.substr(3)).find("files[0]: \"sha256\""), std::string::npos);
  for (const char* size : {"9007199254740993", "-1", "1.5", "\"2\"", "18446744073709551616", "1e400"})
    EXPECT_NE(changed("\"size_bytes\": 2", "\"size_bytes\": " + std::string(size)), "") << size;
  EXPECT_NE(changed("\"size_bytes\": 2", "\"size_bytes\": 9007199254740990").find("2^53"), std::string::npos);
  EXPECT_EQ(changed("\"size_bytes\": 2", "\"size_bytes\": 9007199254740000"), "");
  EXPECT_NE(changed(sample().snapshot, "0123456789abcdef").find("\"snapshot\""), std::string::npos);
  EXPECT_NE(changed("\"de\"", "{}").find("\"tags\""), std::string::npos);
  EXPECT_NE(changed("\"pinned\": true", "\"pinned\": 1").find("\"pinned\""), std::string::npos);
  EXPECT_NE(changed("a \\\"model", "\xff"), "");
  EXPECT_NE(why(std::string(2000, '[')), "");
  EXPECT_NE(why(std::string(manifest_bytes_max, ' ') + good).find("too large"), std::string::npos);
}

TEST(Manifest, AsManyFilesAsThereMayBe) {
  auto m = sample();
  m.files.clear();
  for (int i = 0; i < 10'000; ++i) m.files.push_back(described("folder/file-" + std::to_string(100'000 + i), "x"));
  m.snapshot = snapshot_id(m.files);
  const auto json = manifest_json(m);
  EXPECT_LT(json.size(), manifest_bytes_max / 2);
  const auto read = parse_manifest(json, "x");
  ASSERT_TRUE(read) << text(read.error());
  EXPECT_EQ(*read, m);
  m.files.push_back(described("one more", "x"));
  EXPECT_NE(why(manifest_json(m)).find("too many"), std::string::npos);
}

}  // namespace
}  // namespace troupe::cache::tests
