#include "actors/serving/deadline_heap.hpp"

#include <gtest/gtest.h>

#include "tests/actors/support.hpp"

namespace troupe::actors {
namespace {

using namespace testing;
const steady_time t0{1000s};

TEST(DeadlineHeap, TheEarliestOfAnOpenJobIsNext) {
  deadline_heap heap;
  EXPECT_EQ(heap.next(), no_deadline);
  const auto later = make_job(t0 + 3s), first = make_job(t0 + 1s), second = make_job(t0 + 2s), never = make_job();
  for (const auto* m : {&later, &first, &second, &never}) heap.push(m->job);
  EXPECT_EQ(heap.next(), t0 + 1s);
  first.job->cancel();
  EXPECT_EQ(heap.next(), t0 + 2s);
}

TEST(DeadlineHeap, GivesOpenJobsOnceWhenTheyAreDue) {
  deadline_heap heap;
  const auto due = make_job(t0 + 1s), gone = make_job(t0 + 1s), later = make_job(t0 + 2s);
  for (const auto* m : {&later, &gone, &due}) heap.push(m->job);
  gone.job->cancel();
  EXPECT_TRUE(heap.expired(t0).empty());
  EXPECT_EQ(heap.expired(t0 + 1s), std::vector{due.job});
  EXPECT_TRUE(heap.expired(t0 + 1s).empty());
  EXPECT_EQ(heap.next(), t0 + 2s);
}

TEST(DeadlineHeap, KeepsNoJobAlive) {
  deadline_heap heap;
  auto m = make_job(t0);
  heap.push(m.job);
  m.job.reset();
  EXPECT_TRUE(m.out->failure) << "dropped unanswered";
  EXPECT_TRUE(heap.expired(t0).empty());
}

// Whatever is swept on the way: the open ones come up in order.
TEST(DeadlineHeap, ManyThatCloseAreSwept) {
  deadline_heap heap;
  std::vector<made_job> open;
  for (int i = 0; i < 5000; ++i) {
    auto m = make_job(t0 + std::chrono::seconds(i * 7919 % 5000));
    heap.push(m.job);
    if (i % 10 == 0)
      open.push_back(m);
    else
      m.job->cancel();
  }
  const auto due = heap.expired(t0 + 5000s);
  EXPECT_EQ(due.size(), open.size());
  EXPECT_TRUE(std::is_sorted(due.begin(), due.end(), [](const auto& a, const auto& b) { return a->deadline < b->deadline; }));
}

}  // namespace
}  // namespace troupe::actors
