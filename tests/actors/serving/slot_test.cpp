// What becomes of a batch and its rows, on this thread.

#include "actors/serving/slot.hpp"

#include <gtest/gtest.h>

#include "tests/actors/support.hpp"

namespace troupe::actors {
namespace {

using namespace testing;

constexpr std::uint32_t throws = 13, fails = 7, lonely = 5;  // rows of such costs, and what the model does with them

// Throws for a row that it cannot take, and for several together that it can take one by one.
class picky_model : public fake_model {
 public:
  explicit picky_model(bool stateful) { info_.stateful = stateful; }
  void read_texts_of(std::uint32_t length) { info_.max_length = length; }
  const inference::model_info& info() const noexcept override { return info_; }
  std::unique_ptr<inference::instance> make_instance() const override { return std::make_unique<picky>(*this); }

  mutable std::vector<std::size_t> steps;  // rows of each

 private:
  struct picky : fake_model::runner {
    explicit picky(const picky_model& m) : model(m) {}
    void step(std::span<inference::row> rows) override {
      model.steps.push_back(rows.size());
      fake_model::runner::step(rows);
      for (auto& r : rows) {
        if (r.in->cost == throws) throw std::runtime_error("thirteen");
        if (r.in->cost == lonely && rows.size() > 1) throw std::runtime_error("not together");
        if (r.in->cost == fails) r.problem = "seven";
      }
    }
    const picky_model& model;
  };
  inference::model_info info_;
};

struct Batch : ::testing::Test {
  using sizes = std::vector<std::size_t>;

  std::shared_ptr<metrics> meter = std::make_shared<metrics>();
  std::shared_ptr<picky_model> model;
  std::vector<made_job> jobs;
  batch b;

  void start(bool stateful = false) {
    model = std::make_shared<picky_model>(stateful);
    b.owner = std::make_shared<resident>();
    b.owner->name = "m";
    b.owner->model = model;
    b.owner->metrics = meter->for_model("m");
    b.owner->counters = std::make_shared<model_entry>("m");
  }
  void run(const std::vector<std::uint32_t>& costs) {
    for (const auto cost : costs) {
      jobs.push_back(make_job());
      b.items.push_back(make_item(jobs.back().job, cost));
      b.jobs.push_back(jobs.back().job);
    }
    run_batch(b);
  }
  void warm(const inference::warm_bucket& bucket) {
    b.bucket = bucket;
    run_batch(b);
  }
  // Empty: answered well.
  std::string problem(std::size_t i) const {
    const auto& out = *jobs.at(i).out;
    EXPECT_TRUE(out.ended && out.writes.size() == 1) << i;
    return out.writes.at(0).value ? std::string() : out.writes.at(0).value.error().message;
  }
};

TEST_F(Batch, ARowThatThrowsCostsOnlyItself) {
  start();
  run({1, throws, 2});
  EXPECT_EQ(model->steps, (sizes{3, 1, 1, 1}));
  EXPECT_EQ(problem(0), "");
  EXPECT_EQ(problem(1), "Model m failed: thirteen");
  EXPECT_EQ(problem(2), "");
  EXPECT_EQ(b.failure, "");
  EXPECT_TRUE(b.first_of_shape) << "it took as long as several";
  EXPECT_EQ(b.owner->counters->inferences.load(), 3u);
  EXPECT_EQ(b.owner->counters->failures.load(), 1u);
}

TEST_F(Batch, ALoneRowRunsOnce) {
  start();
  run({throws});
  EXPECT_EQ(model->steps, sizes{1});
  EXPECT_EQ(problem(0), "Model m failed: thirteen");
  EXPECT_EQ(b.failure, "thirteen");
}

TEST_F(Batch, WhatARowToldOfItselfIsKept) {
  start();
  run({fails, throws, 1});
  EXPECT_EQ(problem(0), "Model m failed: seven");
  EXPECT_EQ(problem(1), "Model m failed: thirteen");
  EXPECT_EQ(problem(2), "");
}

TEST_F(Batch, TokensAreToldOfTextsOnly) {
  start();
  run({3});
  model->read_texts_of(512);
  run({4});
  EXPECT_EQ(jobs[0].out->writes.at(0).tokens, 0u);
  EXPECT_EQ(jobs[1].out->writes.at(0).tokens, 4u);
}

TEST_F(Batch, RowsThatStepAreNotRunAgain) {
  start(true);
  run({1, throws});
  EXPECT_EQ(model->steps, sizes{2});
  EXPECT_EQ(problem(0), "Model m failed: thirteen");
  EXPECT_EQ(problem(1), "Model m failed: thirteen");
}

TEST_F(Batch, AWarmUpOfRowsThatOnlyRunAloneIsGood) {
  start();
  warm({3, lonely});
  EXPECT_EQ(model->steps, (sizes{3, 1, 1, 1}));
  EXPECT_EQ(b.failure, "");
}

TEST_F(Batch, AWarmUpFailsWithItsFirstRow) {
  start();
  warm({2, throws});
  EXPECT_EQ(b.failure, "thirteen");
  warm({2, fails});
  EXPECT_EQ(b.failure, "seven");
}

}  // namespace
}  // namespace troupe::actors
