#include "app/event_reader.hpp"

#include <random>
#include <vector>

#include <gtest/gtest.h>

namespace troupe::app {
namespace {

std::vector<std::string> read(std::string_view bytes, std::size_t piece = 1 << 20) {
  event_reader reader(1000);
  std::vector<std::string> out;
  for (std::size_t at = 0; at < bytes.size(); at += piece)
    EXPECT_TRUE(
        reader.feed(bytes.substr(at, piece), [&](const server_event& e) { out.push_back(e.name + '|' + e.data); }));
  return out;
}

TEST(event_reader, reads_events) {
  const std::vector<std::string> none;
  EXPECT_EQ(read("event: progress\ndata: {\"a\":1}\n\n"), std::vector<std::string>{"progress|{\"a\":1}"});
  EXPECT_EQ(read("data:x\n\ndata: y\n\n"), (std::vector<std::string>{"|x", "|y"}));
  EXPECT_EQ(read("data: one\ndata: two\n\n"), std::vector<std::string>{"|one\ntwo"});
  EXPECT_EQ(read("data\n\n"), std::vector<std::string>{"|"});
  EXPECT_EQ(read(": heartbeat\n\n"), none);
  EXPECT_EQ(read("event: empty\n\ndata: next\n\n"), std::vector<std::string>{"|next"});  // names no other event
  EXPECT_EQ(read("id: 7\nretry: 10\nother: z\ndata: x\n\n"), std::vector<std::string>{"|x"});
  EXPECT_EQ(read("data:  two blanks\n\n"), std::vector<std::string>{"| two blanks"});
  EXPECT_EQ(read("\xEF\xBB\xBF"
                 "data: x\n\n"),
            std::vector<std::string>{"|x"});
  EXPECT_EQ(read("data: without its end\n"), none);
}

TEST(event_reader, pieces_and_line_ends_make_no_difference) {
  for (const std::string end : {"\n", "\r", "\r\n"}) {
    const auto text =
        "event: a" + end + "data: 1" + end + "data: 2" + end + end + ": c" + end + end + "data: 3" + end + end;
    for (std::size_t piece = 1; piece <= text.size(); ++piece)
      EXPECT_EQ(read(text, piece), (std::vector<std::string>{"a|1\n2", "|3"})) << piece;
  }
}

TEST(event_reader, is_bounded) {
  event_reader reader(1000);
  int told = 0;
  const auto tell = [&](const server_event&) { ++told; };
  EXPECT_TRUE(reader.feed("data: " + std::string(900, 'x') + "\n\n", tell));
  EXPECT_TRUE(reader.feed("data: " + std::string(900, 'x') + "\n\n", tell));  // a limit of one, not of all
  EXPECT_EQ(told, 2);
  ASSERT_TRUE(reader.feed("data: " + std::string(600, 'x') + "\n", tell));
  const auto done = reader.feed("data: " + std::string(600, 'x') + "\n", tell);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, error_code::payload_too_large);
  EXPECT_FALSE(event_reader(10).feed(std::string(11, ':'), tell));
}

}  // namespace
}  // namespace troupe::app
