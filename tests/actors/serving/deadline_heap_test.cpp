#include "actors/serving/deadline_heap.hpp"

#include <gtest/gtest.h>

#include "tests/actors/support.hpp"

namespace troupe::actors {
namespace {

using namespace testing;
const steady_time t0{1000s};

TEST(DeadlineHeap, TellsTheOpenOnesInTime) {
  deadline_heap heap;
  auto a = make_job(t0 + 2s), b = make_job(t0 + 1s), c = make_job(t0 + 1s), never = make_job();
  for (auto* m : {&a, &b, &c, &never}) heap.push(m->job);
  c.job->cancel();
  EXPECT_EQ(heap.next(), t0 + 1s);
  EXPECT_EQ(heap.expired(t0 + 1s), std::vector<job_ptr>{b.job});
  b.job->cancel();
  EXPECT_EQ(heap.next(), t0 + 2s);
  a.job->cancel();
  EXPECT_EQ(heap.next(), no_deadline);
}

TEST(DeadlineHeap, KeepsNoJobAlive) {
  deadline_heap heap;
  auto m = make_job(t0);
  heap.push(m.job);
  m.job.reset();
  EXPECT_TRUE(m.out->failure) << "dropped unanswered";
  EXPECT_TRUE(heap.expired(t0).empty());
}

TEST(DeadlineHeap, DoesNotKeepAnsweredJobsWithLongDeadlines) {
  deadline_heap heap;
  for (int i = 0; i < 100000; ++i) {
    auto m = make_job(t0 + 600s);
    heap.push(m.job);
    m.job->cancel();
  }
  EXPECT_LT(heap.size(), 3000u);
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
