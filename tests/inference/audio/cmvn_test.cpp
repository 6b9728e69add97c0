#include "inference/audio/cmvn.hpp"

#include "tests/inference/audio/support.hpp"

namespace troupe::inference::tests {
namespace {

constexpr const char* small =
    "<Nnet> \n<Splice> 3 3\n[ 0 ]\n<AddShift> 3 3 \n<LearnRateCoef> 0 [ -8.5 1e1 0 ]\n<Rescale> 3 3 \n"
    "<LearnRateCoef> 0 [ 0.5 2 -1 ]\n</Nnet> \n";

std::string replaced(std::string text, std::string_view what, std::string_view with) {
  const auto at = text.find(what);
  EXPECT_NE(at, std::string::npos) << what;
  return text.replace(at, what.size(), with);
}

TEST(cmvn, shift_then_scale) {
  const auto norm = parse_cmvn(small, 3, "am.mvn");
  ASSERT_TRUE(norm) << norm.error().message;
  EXPECT_EQ(norm->shift, (std::vector<float>{-8.5F, 10, 0}));
  EXPECT_EQ(norm->scale, (std::vector<float>{0.5F, 2, -1}));
  std::vector<float> frames = {8.5F, -9, 3, 10.5F, 0, 0};
  norm->apply(frames);
  EXPECT_EQ(frames, (std::vector<float>{0, 2, -3, 1, 20, 0}));
}

TEST(cmvn, files) {
  const auto norm = read_cmvn(audio_fixtures() / "am.mvn", 560);
  ASSERT_TRUE(norm) << norm.error().message;
  EXPECT_EQ(norm->shift.size(), 560U);
  EXPECT_EQ(norm->scale.size(), 560U);
  const auto other = read_cmvn(audio_fixtures() / "am.mvn", 400);
  ASSERT_FALSE(other);
  EXPECT_NE(other.error().message.find("where the front-end's frames have 400"), std::string::npos)
      << other.error().message;
  EXPECT_FALSE(read_cmvn(audio_fixtures() / "none.mvn", 560));
}

TEST(cmvn, what_is_not_right_is_refused_by_name) {
  const struct {
    std::string text, says;
  } cases[] = {
      {"", "begin with <Nnet>"},
      {"{}", "begin with <Nnet>"},
      {"<Nnet>", "ends before </Nnet>"},
      {"<Nnet> </Nnet>", "no <AddShift>"},
      {replaced(small, "[ 0 ]", "[ 0 1 ]"), "other than [ 0 ]"},
      {replaced(small, "<Splice>", "<Sigmoid>"), "'<Sigmoid>'"},
      {replaced(small, "<Rescale>", "<AddShift>"), "'<AddShift>'"},
      {replaced(small, "<Rescale> 3 3", "<Rescale> 3 4"), "<Rescale> 3 4"},
      {replaced(small, "1e1", "nan"), "'nan' for a number in <AddShift>"},
      {replaced(small, "1e1", "1e39"), "'1e39'"},
      {replaced(small, "1e1", "ten"), "'ten'"},
      {replaced(small, "1e1 ", ""), "2 numbers in <AddShift>, not 3"},
      {replaced(small, "1e1", "1 2"), "more than 3 numbers in <AddShift>"},
      {replaced(small, "2 -1 ]", "2 -1"), "'</Nnet>' for a number in <Rescale>"},
      {replaced(small, "<LearnRateCoef> 0", "<LearnRateCoef>"), "no '<LearnRateCoef> 0 ['"},
      {std::string(small) + "<Nnet>", "goes on after </Nnet>"},
  };
  for (const auto& c : cases) {
    const auto norm = parse_cmvn(c.text, 3, "am.mvn");
    ASSERT_FALSE(norm) << c.text;
    EXPECT_EQ(norm.error().code, error_code::unprocessable);
    EXPECT_NE(norm.error().message.find(c.says), std::string::npos) << norm.error().message;
    EXPECT_NE(norm.error().message.find("am.mvn"), std::string::npos);
  }
}

TEST(cmvn, cut_anywhere_is_refused) {
  const std::string text = small;
  for (std::size_t size = 0; size < text.find("</Nnet>") + 7; ++size)
    EXPECT_FALSE(parse_cmvn(std::string_view(text).substr(0, size), 3, "am.mvn")) << size;
}

}  // namespace
}  // namespace troupe::inference::tests
