#include "actors/protocol/job.hpp"

#include <gtest/gtest.h>

#include "tests/actors/support.hpp"

namespace troupe::actors {
namespace {

using namespace testing;

item_result text(std::uint32_t index, std::string words) {
  item_result r;
  r.index = index;
  r.value = inference::transcript{std::move(words), true, {}, {}};
  return r;
}

TEST(Job, ClosesExactlyOnce) {
  auto m = make_job(no_deadline, config::priority::medium, 2);
  m.job->write(text(0, "a"));
  EXPECT_FALSE(m.out->ended);
  m.job->write(text(1, "b"));
  EXPECT_TRUE(m.out->ended);
  EXPECT_FALSE(m.job->fail({error_code::internal, "late", {}, {}}));
  m.job->write(text(1, "c"));
  EXPECT_EQ(m.out->writes.size(), 2u);
  EXPECT_FALSE(m.out->failure);
}

TEST(Job, DroppedUnansweredAnswers503) {
  auto m = make_job();
  m.job.reset();
  ASSERT_TRUE(m.out->failure);
  EXPECT_EQ(m.out->failure->code, error_code::unavailable);
}

TEST(Job, CountsItsItemsInFlightUntilItCloses) {
  auto in_flight = std::make_shared<std::atomic<std::uint32_t>>(0);
  auto out = std::make_shared<outcome>();
  job j("m", 3, config::priority::low, no_deadline, std::make_unique<recorder>(out), in_flight);
  EXPECT_EQ(*in_flight, 3u);
  j.cancel();
  EXPECT_EQ(*in_flight, 0u);
  EXPECT_FALSE(out->closed()) << "the client has left: nobody to tell";
}

TEST(Job, CountsHowItsItemsHaveEnded) {
  const auto ends = std::make_shared<item_ends>();
  const auto counted = [&](std::uint32_t items) {
    auto m = make_job(no_deadline, config::priority::medium, items);
    m.job->ends = ends;
    return m;
  };
  const auto failing = [](std::uint32_t index, error_code code) {
    item_result r;
    r.index = index;
    r.value = fail(code, "no");
    return r;
  };
  auto steps = counted(1);
  auto first = text(0, "a");
  first.last = false;
  steps.job->write(std::move(first));
  EXPECT_EQ(ends->answered, 0u);
  steps.job->write(text(0, "b"));
  EXPECT_EQ(ends->answered, 1u);

  auto batch = counted(5);
  batch.job->write(text(0, "a"));
  batch.job->write(failing(1, error_code::model_failed));
  batch.job->write(failing(2, error_code::unprocessable));  // the client's own
  EXPECT_EQ(ends->answered, 2u);
  EXPECT_EQ(ends->failed, 1u);
  batch.job->fail({error_code::deadline_exceeded, "late", {}, {}});
  EXPECT_EQ(ends->failed, 3u) << "the two that were left";
  batch.job->fail({error_code::internal, "again", {}, {}});
  EXPECT_EQ(ends->failed, 3u);

  counted(2).job->cancel();
  counted(2).job->fail({error_code::bad_request, "no such parameter", {}, {}});
  EXPECT_EQ(ends->failed, 3u);
  counted(2).job.reset();
  EXPECT_EQ(ends->failed, 5u) << "dropped";
  EXPECT_EQ(ends->answered, 2u);
}

// Throws where it is told to.
class throwing : public reply_stream {
 public:
  enum class where { begin, write, end, fail };
  throwing(where w, std::shared_ptr<outcome> out) : where_(w), out_(std::move(out)) {}
  void begin(const inference::model_info&) override { maybe(where::begin); }
  void write(item_result&& r) override {
    maybe(where::write);
    out_->writes.push_back(std::move(r));
  }
  void end() override {
    maybe(where::end);
    out_->ended = true;
  }
  void fail(const error& why) override {
    out_->failure = why;
    if (where_ == where::fail) throw 42;  // NOLINT: what no stream should do
  }

 private:
  void maybe(where here) const {
    if (where_ == here) throw std::bad_alloc();
  }
  where where_;
  std::shared_ptr<outcome> out_;
};

job_ptr job_with(throwing::where w, const std::shared_ptr<outcome>& out, std::uint32_t items = 1) {
  return std::make_shared<job>("m", items, config::priority::medium, no_deadline, std::make_unique<throwing>(w, out));
}

TEST(Job, AStreamThatThrowsFailsItsJobAndNobodyElse) {
  for (const auto w : {throwing::where::begin, throwing::where::write}) {
    auto out = std::make_shared<outcome>();
    const auto j = job_with(w, out, 2);
    j->begin({});
    j->write({});
    EXPECT_TRUE(j->closed());
    ASSERT_TRUE(out->failure);
    EXPECT_EQ(out->failure->code, error_code::internal);
    j->write({});
    EXPECT_TRUE(out->writes.empty());
  }
}

TEST(Job, OneThatThrowsWhileItIsClosedIsClosed) {
  auto out = std::make_shared<outcome>();
  const auto ends = job_with(throwing::where::end, out);
  ends->write({});
  EXPECT_TRUE(ends->closed());
  auto fails = job_with(throwing::where::fail, out);
  EXPECT_TRUE(fails->fail({error_code::internal, "x", {}, {}}));
  EXPECT_TRUE(fails->closed());
  fails = job_with(throwing::where::fail, out);
  fails.reset();  // its destructor answers
  EXPECT_EQ(out->failure->code, error_code::unavailable);
}

TEST(OneShot, ACallbackThatThrowsIsDropped) {
  one_shot<int> asked([](const result<int>&) { throw std::runtime_error("no"); });
  asked(1);
  {
    one_shot<int> dropped([](const result<int>&) { throw 42; });
  }  // NOLINT
}

}  // namespace
}  // namespace troupe::actors
