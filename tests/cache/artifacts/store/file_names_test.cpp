#include "cache/artifacts/store/file_names.hpp"

#include <gtest/gtest.h>

namespace troupe::cache {
namespace {

TEST(FileNames, WhatModelsHave) {
  for (const std::string name :
       {"config.json", ".gitattributes", "1_Pooling/config.json", "a/b/c/d/e/f/g/h", "model-00001-of-00002.safetensors",
        "große Modelle/文件.bin", "..a", "a..", "...", "a@b", "-rf", "a b"})
    EXPECT_TRUE(check_file_name(name)) << name;
  EXPECT_TRUE(check_file_name(std::string(200, 'x') + "/y"));
  EXPECT_TRUE(check_file_names({"a", "b", "c/a", "c/b"}));
}

TEST(FileNames, WhatIsRefusedAndWhy) {
  using namespace std::string_literals;
  const std::vector<std::pair<std::string, std::string>> refused{
      {"", "empty"},
      {"/etc/passwd", "absolute"},
      {"..", "'..'"},
      {"a/../../b", "'..'"},
      {"./a", "'.'"},
      {"a//b", "empty part"},
      {"a/", "empty part"},
      {"@lock", "'@'"},
      {"a/@0123456789abcdef/b", "'@'"},
      {"a\\b", "backslash"},
      {"a\nb", "control"},
      {"a\0b"s, "control"},
      {"a\x7f", "control"},
      {"a\xc2\x85", "control"},
      {"a\xff", "UTF-8"},
      {"\xed\xa0\x80", "UTF-8"},
      {"\xc0\xae\xc0\xae/a", "UTF-8"},
      {std::string(201, 'x'), "longer than 200"},
      {"a/b/c/d/e/f/g/h/i", "more than 8"},
      {std::string(1 << 20, '/'), "absolute"},
  };
  for (const auto& [name, why] : refused) {
    const auto checked = check_file_name(name);
    ASSERT_FALSE(checked) << name;
    EXPECT_EQ(checked.error().code, error_code::bad_request);
    EXPECT_NE(checked.error().message.find(why), std::string::npos) << checked.error().message;
    EXPECT_LT(checked.error().message.size(), 1000u);
    for (const char c : checked.error().message) EXPECT_TRUE(c >= 0x20 && c < 0x7F) << checked.error().message;
  }
}

TEST(FileNames, WhatDoesNotGoTogether) {
  const auto why = [](const std::vector<std::string>& names) {
    const auto checked = check_file_names(names);
    return checked ? std::string() : checked.error().message;
  };
  EXPECT_NE(why({"a/b", "c", "a/b"}).find("twice"), std::string::npos);
  EXPECT_NE(why({"Config.json", "config.json"}).find("case"), std::string::npos);
  EXPECT_NE(why({"a/b/c", "a"}).find("'a': it is the folder of 'a/b/c'"), std::string::npos) << why({"a/b/c", "a"});
  EXPECT_NE(why({"A/B/c", "a/b"}).find("folder of"), std::string::npos);
  EXPECT_NE(why({}).find("no files"), std::string::npos);
  EXPECT_NE(why({"ok", "../x"}).find("'..'"), std::string::npos);
  std::vector<std::string> many(artifact_files_max);
  for (std::size_t i = 0; i < many.size(); ++i) many[i] = "f" + std::to_string(i);
  EXPECT_EQ(why(many), "");
  many.push_back("one more");
  EXPECT_NE(why(many).find("10001 files"), std::string::npos);
}

}  // namespace
}  // namespace troupe::cache
