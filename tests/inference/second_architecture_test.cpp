// The tables take an architecture and a task that nothing else knows of (tests/support/second_architecture.hpp).

#include "tests/support/second_architecture.hpp"

#include <cmath>
#include <cstring>
#include <random>

#include "inference/files/safetensors.hpp"
#include "inference/tables.hpp"
#include "inference/torch/runtime.hpp"
#include "tests/inference/support.hpp"

namespace troupe::inference::tests {
namespace {

constexpr std::size_t vocabulary = 12, hidden = 8, heads = 2;

// A folder with random weights, and what it should answer.
class second_architecture : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    initialise_runtime();
    troupe::tests::add_second_architecture();
  }

  void SetUp() override {
    std::vector<stored_tensor> tensors{{"attention.bias", "F32", {3 * hidden}, 0, 0},
                                       {"attention.weight", "F32", {3 * hidden, hidden}, 0, 0},
                                       {"embeddings.weight", "F32", {vocabulary, hidden}, 0, 0}};
    auto file = make_safetensors_head(tensors, {});
    file.resize(tensors.back().end, '\0');
    std::mt19937 random(7);
    std::normal_distribution<float> normal;
    for (const auto& t : tensors) {
      auto& values = weights_[t.name];
      values.resize(t.elements());
      for (auto& v : values) v = normal(random);
      std::memcpy(file.data() + t.begin, values.data(), values.size() * sizeof(float));
    }
    write_file(folder() / "model.safetensors", file);
    write_file(folder() / "config.json",
               R"({"architectures":["TinyAttention"],"vocab_size":12,"hidden_size":8,"num_attention_heads":2,)"
               R"("max_position_embeddings":6})");
    write_file(folder() / "vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\nb\nc\nd\ne\nf\ng\n");
  }
  fs::path folder() const { return scratch_.path() / "tiny"; }
  std::unique_ptr<const model> load_it() const {
    auto made = load(spec_of(folder()), {});
    if (!made) throw std::runtime_error(made.error().message + " / " + made.error().detail);
    return std::move(*made);
  }

  std::vector<float> qkv_of(std::int32_t id) const {
    std::vector<float> out = weights_.at("attention.bias");
    for (std::size_t o = 0; o < out.size(); ++o)
      for (std::size_t i = 0; i < hidden; ++i)
        out[o] += weights_.at("attention.weight")[o * hidden + i] *
                  weights_.at("embeddings.weight")[static_cast<std::size_t>(id) * hidden + i];
    return out;
  }
  // Attention by its definition, then the mean.
  std::vector<float> expected(const std::vector<std::int32_t>& ids) const {
    std::vector<std::vector<float>> rows;
    for (const auto id : ids) rows.push_back(qkv_of(id));
    std::vector<float> mean(hidden, 0.0F);
    constexpr auto width = hidden / heads;
    for (std::size_t head = 0; head < heads; ++head)
      for (const auto& query : rows) {
        std::vector<double> scores;
        double sum = 0;
        for (const auto& key : rows) {
          double dot = 0;
          for (std::size_t i = 0; i < width; ++i) dot += query[head * width + i] * key[hidden + head * width + i];
          scores.push_back(std::exp(dot / std::sqrt(double{width})));
          sum += scores.back();
        }
        for (std::size_t k = 0; k < rows.size(); ++k)
          for (std::size_t i = 0; i < width; ++i)
            mean[head * width + i] += static_cast<float>(scores[k] / sum * rows[k][2 * hidden + head * width + i] /
                                                         static_cast<double>(rows.size()));
      }
    return mean;
  }

  scratch_folder scratch_;
  std::map<std::string, std::vector<float>> weights_;
};

TEST_F(second_architecture, is_loaded_by_its_name) {
  const auto m = load_it();
  EXPECT_EQ(m->info().architecture, "TinyAttention");
  EXPECT_EQ(m->info().tasks, (std::vector<task>{task::feature_extraction}));
  EXPECT_EQ(m->info().max_length, 6U);
  EXPECT_EQ(m->info().parameters, 12 * 8 + 24 * 8 + 24);
}

TEST_F(second_architecture, answers_by_its_own_task_beside_other_lengths) {
  const auto m = load_it();
  const std::vector<std::string> texts{"a b c d", "e", "f g a b c d e f", "b a"};
  const std::vector<std::vector<std::int32_t>> ids{{2, 5, 6, 7, 8, 3}, {2, 9, 3}, {2, 10, 11, 5, 6, 3}, {2, 6, 5, 3}};
  std::vector<prepared_ptr> inputs;
  std::vector<row> rows;
  for (const auto& text : texts) {
    auto prepared = m->prepare(text);
    ASSERT_TRUE(prepared) << prepared.error().message;
    inputs.push_back(std::move(*prepared));
    rows.push_back({inputs.back().get(), nullptr, {}, false, {}});
  }
  m->make_instance()->step(rows);
  for (std::size_t r = 0; r < rows.size(); ++r) {
    const auto& given = std::get<embedding>(rows[r].out).values;
    const auto wanted = expected(ids[r]);
    ASSERT_EQ(given.size(), wanted.size());
    for (std::size_t i = 0; i < wanted.size(); ++i) EXPECT_NEAR(given[i], wanted[i], 1e-5) << texts[r];
  }
}

TEST_F(second_architecture, refuses_what_it_does_not_do) {
  const auto m = load_it();
  const auto wrong = m->prepare("a", {task::fill_mask, {}});
  ASSERT_FALSE(wrong);
  EXPECT_EQ(wrong.error().code, error_code::unprocessable);
  EXPECT_NE(wrong.error().detail.find("feature-extraction"), std::string::npos) << wrong.error().detail;
  question asked;
  asked.parameters.function_to_apply = score_function::none;
  EXPECT_EQ(m->prepare("a", asked).error().code, error_code::bad_request);
  EXPECT_TRUE(m->prepare("a", {task::feature_extraction, {}}));
  auto spec = spec_of(folder());
  spec.task = task::text_classification;
  EXPECT_EQ(load(spec, {}).error().code, error_code::unprocessable);
}

}  // namespace
}  // namespace troupe::inference::tests
