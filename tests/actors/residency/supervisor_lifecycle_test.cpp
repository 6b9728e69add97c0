// Loads that nobody waits for, loads beside what serves, and what is told of them.

#include "tests/actors/residency/supervisor_support.hpp"

namespace troupe::actors {
namespace {

using namespace testing;

TEST_F(Supervisor, ABegunLoadIsToldAtOnceAndGoesOnAlone) {
  add("a");
  artifacts["a"].artifact_bytes = 50 * mb;
  load_at_once = false;
  start();
  EXPECT_EQ(report("a").load_id, "");
  const auto begun = begin_load("a");
  ASSERT_TRUE(begun.here());
  EXPECT_FALSE(begun.get()->already);
  EXPECT_FALSE(begun.get()->load_id.empty());
  EXPECT_DOUBLE_EQ(begun.get()->expected_s.value(), 0.5) << "nothing was loaded yet: 100 MiB a second";
  EXPECT_TRUE(report("a").loading);
  EXPECT_EQ(report("a").load_id, begun.get()->load_id);
  EXPECT_EQ(begin_load("a").get()->load_id, begun.get()->load_id) << "two loads of one model share one";
  EXPECT_EQ(loads.size(), 1u);
  time.pass(10min);
  end_load();
  EXPECT_EQ(resident(), names{"a"});
  EXPECT_FALSE(report("a").loading);
  EXPECT_EQ(report("a").load_error, "");

  const auto again = begin_load("a");
  EXPECT_TRUE(again.get()->already);
  EXPECT_EQ(again.get()->load_id, begun.get()->load_id) << "the load that it came of";
  EXPECT_EQ(begin_load("nobody").get().error().code, error_code::model_not_found);
}

TEST_F(Supervisor, ABegunLoadGoesOnWhileItWaitsForMemory) {
  add("a", 60 * mb);
  add("b", 60 * mb);
  start();
  load_model("a");
  auto work = occupy("a");
  const auto begun = begin_load("b");
  EXPECT_TRUE(begun.here());
  EXPECT_TRUE(report("b").loading);
  time.pass(5s);
  EXPECT_TRUE(report("b").loading) << "nobody waits, and it is wanted all the same";
  work.reset();
  time.pass(30s);
  EXPECT_EQ(resident(), names{"b"});
}

TEST_F(Supervisor, ALoadThatIsAskedForByNameOutlivesItsTimeoutWhileItWaitsForMemory) {
  add("a", 60 * mb);
  add("b", 60 * mb);
  start();
  load_model("a");
  auto work = occupy("a");
  const auto late = load_model("b", 100);
  time.pass(100ms);
  EXPECT_EQ(late.get().error().code, error_code::deadline_exceeded);
  EXPECT_TRUE(report("b").loading) << "the load goes on, as the answer says";
  work.reset();
  time.pass(30s);
  EXPECT_EQ(resident(), names{"b"});
}

TEST_F(Supervisor, ABegunLoadWhoseSizeIsLongInComingIsToldWithoutIt) {
  add("a");
  artifacts["a"].artifact_bytes = 50 * mb;
  estimate_at_once = false;
  start();
  const auto begun = begin_load("a");
  EXPECT_FALSE(begun.here());
  time.pass(250ms);
  ASSERT_TRUE(begun.here());
  EXPECT_EQ(begun.get()->expected_s, std::nullopt);
  EXPECT_EQ(begun.get()->load_id, report("a").load_id);
  end_estimate();
  EXPECT_EQ(resident(), names{"a"});
}

TEST_F(Supervisor, ALoadIsExpectedToTakeAsLongAsTheLastOrAsItsSizeTells) {
  add("small");
  add("large");
  artifacts["small"].artifact_bytes = 10 * mb;
  artifacts["large"].artifact_bytes = 40 * mb;
  start();
  load_model("small");  // takes half a second
  unload_model("small");
  EXPECT_DOUBLE_EQ(begin_load("small").get()->expected_s.value(), 0.5);
  EXPECT_DOUBLE_EQ(begin_load("large").get()->expected_s.value(), 2.0) << "at 20 MiB a second";
}

TEST_F(Supervisor, ABegunLoadThatFailsSaysWhyUntilTheNextOneBegins) {
  add("a");
  load_at_once = false;
  start();
  begin_load("a");
  fail_load("model.pt is truncated");
  EXPECT_FALSE(report("a").loading);
  EXPECT_EQ(report("a").load_error, "model.pt is truncated");
  EXPECT_EQ(report("a").state, residency::failed);
  begin_load("a");
  EXPECT_TRUE(report("a").loading) << "no back-off for who asks in person";
  EXPECT_EQ(report("a").load_error, "");
  end_load();
  EXPECT_EQ(report("a").load_error, "");
  EXPECT_EQ(resident(), names{"a"});
}

TEST_F(Supervisor, ABegunLoadThatIsCalledOffSaysSo) {
  add("a");
  load_at_once = false;
  start();
  begin_load("a");
  const auto waits = load_model("a");
  const auto u = unload_model("a");
  EXPECT_TRUE(u.get()->called_off);
  EXPECT_EQ(waits.get().error().code, error_code::conflict);
  EXPECT_FALSE(report("a").loading);
  EXPECT_NE(report("a").load_error.find("called off"), std::string::npos);
  EXPECT_EQ(report("a").state, residency::unloaded);
  end_load();
  EXPECT_TRUE(resident().empty());
}

TEST_F(Supervisor, AReloadReplacesWithoutAnOutage) {
  add("a");
  start();
  load_model("a");
  const auto first = entry("a")->current.load();
  load_at_once = false;
  const auto again = reload_model("a");
  EXPECT_FALSE(again.here());
  EXPECT_EQ(entry("a")->current.load(), first) << "it serves meanwhile";
  EXPECT_TRUE(report("a").loading);
  EXPECT_EQ(report("a").state, residency::resident);
  EXPECT_TRUE(load_model("a").get()->already) << "one serves";
  end_load();
  ASSERT_TRUE(again.here());
  EXPECT_FALSE(again.get()->already);
  EXPECT_NE(entry("a")->current.load(), first);
  EXPECT_FALSE(report("a").loading);
}

TEST_F(Supervisor, AReloadLooksAtNothingButLoads) {
  auto& m = add("a");
  m.cache_ttl_s = 10;
  m.preload = true;
  start();
  estimate_at_once = false;
  time.pass(11s);
  ASSERT_EQ(estimates.size(), 1u) << "its artifact is looked at";
  EXPECT_FALSE(report("a").loading) << "a look is no load";
  const auto first = entry("a")->current.load();
  const auto again = begin_load("a", true);
  end_estimate();  // nothing has changed
  EXPECT_FALSE(again.get()->already);
  EXPECT_NE(entry("a")->current.load(), first);
}

TEST_F(Supervisor, AReloadThatFailsLeavesTheOldOne) {
  add("a");
  start();
  load_model("a");
  const auto first = entry("a")->current.load();
  load_at_once = false;
  const auto again = reload_model("a");
  fail_load("truncated");
  EXPECT_EQ(again.get().error().code, error_code::load_failed);
  EXPECT_EQ(entry("a")->current.load(), first);
  EXPECT_EQ(report("a").load_error, "truncated");
  EXPECT_FALSE(report("a").loading);
}

TEST_F(Supervisor, UnloadDuringAReloadCallsItOffAndFreesTheOldOne) {
  add("a");
  start();
  load_model("a");
  load_at_once = false;
  const auto again = reload_model("a");
  const auto u = unload_model("a");
  EXPECT_EQ(u.get()->freed_bytes, 10 * mb);
  EXPECT_EQ(again.get().error().code, error_code::conflict);
  end_load();
  EXPECT_TRUE(resident().empty());
  EXPECT_EQ(report().memory.used_bytes, 0u);
}

TEST_F(Supervisor, AReloadOfWhatIsNotThereIsALoad) {
  add("a").enabled = false;
  add("b");
  start();
  EXPECT_EQ(reload_model("a").get().error().code, error_code::conflict);
  EXPECT_EQ(begin_load("a", true).get().error().code, error_code::conflict);
  EXPECT_FALSE(reload_model("b").get()->already);
  EXPECT_EQ(resident(), names{"b"});
  EXPECT_EQ(load_model("b").get()->version, "1");
}

TEST_F(Supervisor, AChangedRegistrationKeepsABegunLoad) {
  add("a").max_length = 8;
  load_at_once = false;
  start();
  begin_load("a");
  change_length("a", 16);
  EXPECT_TRUE(report("a").loading);
  EXPECT_NE(report("a").load_id, "");
  end_load();  // of the old one: nobody wants it
  end_load();
  EXPECT_EQ(served_length("a"), 16);
}

TEST_F(Supervisor, TellsHowLongAModelHasBeenThere) {
  add("a");
  start();
  EXPECT_EQ(report("a").resident_s, std::nullopt);
  load_model("a");
  time.pass(90min);
  EXPECT_DOUBLE_EQ(report("a").resident_s.value(), 5400);
  reload_model("a");
  EXPECT_DOUBLE_EQ(report("a").resident_s.value(), 0);
  unload_model("a");
  EXPECT_EQ(report("a").resident_s, std::nullopt);
}

TEST_F(Supervisor, TellsWhatAModelDoesAfterItHasLeft) {
  using inference::task;
  add("a").task = "automatic-speech-recognition";
  add("b");
  fake_tasks = {task::punctuation_restoration, task::feature_extraction};
  start();
  EXPECT_EQ(report("a").tasks, std::vector{task::automatic_speech_recognition});
  EXPECT_TRUE(report("b").tasks.empty());
  load_model("b");
  EXPECT_EQ(report("b").tasks, fake_tasks);
  unload_model("b");
  EXPECT_EQ(report("b").tasks, fake_tasks);
  change_length("b", 3);
  EXPECT_TRUE(report("b").tasks.empty()) << "it may be another model";
}

TEST_F(Supervisor, TellsHowRequestsHaveEnded) {
  add("a");
  start();
  EXPECT_EQ(report("a").counts.success_rate(), std::nullopt);
  entry("a")->ends.answered.fetch_add(3);
  entry("a")->ends.failed.fetch_add(1);
  EXPECT_DOUBLE_EQ(report("a").counts.success_rate().value(), 0.75);
  EXPECT_EQ(report().totals.answered, 3u);
  EXPECT_EQ(report().totals.failed, 1u);
}

}  // namespace
}  // namespace troupe::actors
