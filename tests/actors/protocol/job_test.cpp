#include "actors/protocol/job.hpp"

#include <gtest/gtest.h>

#include "tests/actors/support.hpp"

namespace troupe::actors {
namespace {

using namespace testing;

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
  { one_shot<int> dropped([](const result<int>&) { throw 42; }); }  // NOLINT
}

}  // namespace
}  // namespace troupe::actors
