#include "actors/sessions/recording_desk.hpp"

#include <gtest/gtest.h>

#include <string>
#include <thread>

namespace troupe::actors {
namespace {

struct recording_desk_test : ::testing::Test {
  prometheus::Registry registry;
  recording_desk desk{2, 4, registry};
  std::string begun, asked_to_leave;

  recording_desk::number come(const std::string& name) {
    const auto who = desk.enter().value();
    desk.set(
        who, [this, name] { begun += name; }, [this, name](const error&) { asked_to_leave += name; });
    return who;
  }
  double gauge(const std::string& name) const {
    for (const auto& family : registry.Collect())
      if (family.name == name) return family.metric[0].gauge.value + family.metric[0].counter.value;
    return -1;
  }
};

TEST_F(recording_desk_test, some_at_once_the_others_in_their_order) {
  const auto a = come("a"), b = come("b"), c = come("c");
  come("d");
  EXPECT_EQ(begun, "ab");
  EXPECT_EQ(gauge("troupe_recordings_running"), 2);
  EXPECT_EQ(gauge("troupe_recordings_waiting"), 2);
  desk.left(b, false, 3);
  EXPECT_EQ(begun, "abc");
  desk.left(a, true, 1.5);
  EXPECT_EQ(begun, "abcd");
  desk.left(a, true, 1.5);
  desk.left(c, false, 0);
  EXPECT_EQ(gauge("troupe_recordings_failed_total"), 1) << "one leaves once";
  EXPECT_EQ(gauge("troupe_recordings_sound_seconds_total"), 4.5);
  EXPECT_EQ(gauge("troupe_recordings_taken_total"), 4);
}

TEST_F(recording_desk_test, who_leaves_while_it_waits_gets_no_turn) {
  const auto a = come("a");
  come("b");
  const auto c = come("c");
  desk.left(c, false, 0);
  desk.left(a, false, 0);
  EXPECT_EQ(begun, "ab");
  EXPECT_EQ(gauge("troupe_recordings_running"), 1);
}

TEST_F(recording_desk_test, too_many_are_refused) {
  const auto a = come("a");
  for (const char* name : {"b", "c", "d"}) come(name);
  const auto refused = desk.enter();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, error_code::too_many_requests);
  EXPECT_NE(refused.error().detail.find("max_recordings is 4"), std::string::npos);
  EXPECT_EQ(gauge("troupe_recordings_refused_total"), 1);
  desk.left(a, false, 0);
  EXPECT_TRUE(desk.enter());
}

TEST_F(recording_desk_test, all_are_asked_to_go_and_waited_for) {
  const auto a = desk.enter().value(), b = desk.enter().value(), c = desk.enter().value();
  std::thread leaver;
  for (const auto who : {a, b, c})
    desk.set(
        who, [] {},
        [this, who, a, b, c, &leaver](const error& why) {
          EXPECT_EQ(why.code, error_code::unavailable);
          if (who == c)
            leaver = std::thread([this, a, b, c] {
              for (const auto each : {a, b, c}) desk.left(each, false, 0);
            });
        });
  desk.clear({error_code::unavailable, "the end", {}, {}});
  leaver.join();
  EXPECT_EQ(gauge("troupe_recordings_running"), 0);
}

}  // namespace
}  // namespace troupe::actors
