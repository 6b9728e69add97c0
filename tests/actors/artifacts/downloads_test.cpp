#include "actors/artifacts/downloads.hpp"

#include <gtest/gtest.h>

namespace troupe::actors {
namespace {

struct table : ::testing::Test {
  std::uint32_t next = 0xabc00000;
  downloads all{{.running_max = 2, .waiting_max = 3, .known_max = 8, .keep = std::chrono::seconds(60)},
                [this] { return next++; }};
  steady_time now{std::chrono::hours(1)};
  wall_time wall{std::chrono::hours(10)};

  result<download*> add(const std::string& name) {
    download_request r;
    r.pull.name = name;
    return all.add(r, wall, now);
  }
  void end(const std::string& name, download_state how) { all.end(*all.under_way(name), how, "over", wall, now); }
};

TEST_F(table, ids_are_eight_hexadecimal_digits_and_used_once) {
  next = 5;
  const auto first = (*add("a"))->report.id;
  EXPECT_EQ(first, "00000005");
  next = 5;  // the same again
  EXPECT_EQ((*add("b"))->report.id, "00000006");
}

TEST_F(table, turns_are_given_in_order_up_to_the_limit) {
  for (const auto* name : {"a", "b", "c"}) ASSERT_TRUE(add(name));
  EXPECT_EQ(all.turn()->report.what.name, "a");
  EXPECT_EQ(all.turn()->report.what.name, "b");
  EXPECT_EQ(all.turn(), nullptr);
  EXPECT_EQ(all.find("abc00002")->report.state, download_state::pending);
  all.fetched(*all.under_way("a"));  // it is being registered: another may fetch
  EXPECT_EQ(all.turn()->report.what.name, "c");
  EXPECT_EQ(all.running(), 2u);
  end("a", download_state::completed);
  EXPECT_EQ(all.running(), 2u);
}

TEST_F(table, one_that_waits_can_end) {
  for (const auto* name : {"a", "b", "c"}) ASSERT_TRUE(add(name));
  all.turn();
  all.turn();
  end("c", download_state::cancelled);
  EXPECT_EQ(all.waiting(), 0u);
  EXPECT_EQ(all.under_way("c"), nullptr);
  EXPECT_EQ(all.last_of("c")->report.state, download_state::cancelled);
  EXPECT_EQ(all.last_of("c")->report.ended, wall);
}

TEST_F(table, too_many_that_wait_are_refused) {
  for (const auto* name : {"a", "b"}) {
    ASSERT_TRUE(add(name));
    all.turn();
  }
  for (const auto* name : {"c", "d", "e"}) ASSERT_TRUE(add(name));
  const auto refused = add("f");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, error_code::too_many_requests);
  EXPECT_TRUE(refused.error().retry_after_s);
}

TEST_F(table, ended_ones_are_remembered_for_a_time_and_then_make_room) {
  std::vector<std::string> ids;
  for (int i = 0; i < 8; ++i) {
    const std::string name(1, static_cast<char>('a' + i));
    ids.push_back((*add(name))->report.id);
    all.turn();
    end(name, download_state::failed);
  }
  EXPECT_EQ(add("more").error().code, error_code::too_many_requests);  // each for a minute
  EXPECT_NE(all.find(ids[0]), nullptr);
  now += std::chrono::seconds(61);
  ASSERT_TRUE(add("more"));
  EXPECT_EQ(all.find(ids[0]), nullptr);  // the oldest
  EXPECT_EQ(all.last_of("a"), nullptr);
  EXPECT_NE(all.find(ids[1]), nullptr);
}

TEST_F(table, what_exists_already_does_not_fill_it) {
  cache::pull_request what;
  what.name = "a";
  const auto first = all.add_completed(what, "there", wall, now);
  ASSERT_TRUE(first);
  EXPECT_EQ((*first)->report.state, download_state::completed);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(*all.add_completed(what, "there", wall, now), *first);
  EXPECT_EQ(all.reports().size(), 1u);
}

TEST(progress, is_a_share_of_the_bytes_and_whole_only_at_the_end) {
  download_report d;
  EXPECT_EQ(progress_percent(d), 0);
  d.state = download_state::downloading;
  d.bytes_done = 50;
  EXPECT_EQ(progress_percent(d), 0);  // of an unknown total
  d.bytes_total = 200;
  EXPECT_EQ(progress_percent(d), 25);
  d.bytes_done = 200;
  EXPECT_EQ(progress_percent(d), 99.9);
  d.state = download_state::completed;
  EXPECT_EQ(progress_percent(d), 100);
}

TEST(progress, time_left_follows_from_the_rate) {
  download_report d;
  d.state = download_state::downloading;
  d.bytes_done = 100;
  d.bytes_total = 300;
  EXPECT_FALSE(eta_s(d));
  d.bytes_per_s = 50;
  EXPECT_EQ(eta_s(d), 4);
  d.state = download_state::failed;
  EXPECT_FALSE(eta_s(d));
}

TEST(rate_meter, looks_at_the_last_seconds) {
  rate_meter m;
  const steady_time start{std::chrono::hours(1)};
  EXPECT_EQ(m.bytes_per_s(start), 0);
  m.add(start, 0);
  m.add(start + std::chrono::seconds(2), 200);
  EXPECT_EQ(m.bytes_per_s(start + std::chrono::seconds(2)), 100);
  for (int s = 3; s <= 30; ++s) m.add(start + std::chrono::seconds(s), 200);  // it stands still
  EXPECT_EQ(m.bytes_per_s(start + std::chrono::seconds(30)), 0);
  m.add(start + std::chrono::seconds(31), 10);  // a file has started over
  EXPECT_EQ(m.bytes_per_s(start + std::chrono::seconds(31)), 0);
}

}  // namespace
}  // namespace troupe::actors
