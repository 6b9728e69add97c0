#include "inference/model/values.hpp"

#include <gtest/gtest.h>

namespace troupe::inference {
namespace {

tensor numbers(std::size_t size_bytes) {
  return {dtype::f32, {static_cast<std::int64_t>(size_bytes / 4)}, std::vector<std::byte>(size_bytes)};
}
media image(std::size_t size_bytes) { return {"image/png", std::vector<std::byte>(size_bytes)}; }

TEST(values, whatever_a_client_gives_is_an_input) {
  const input literal = "a text", text = std::string("a text"), pair = text_pair{"a", "b"}, ids = token_ids{{1, 2}},
              array = numbers(8), picture = image(3), sound = samples{{0.5F}, 16'000};
  ASSERT_NE(literal.only<std::string>(), nullptr);
  EXPECT_EQ(*literal.only<std::string>(), "a text");
  EXPECT_EQ(*text.only<std::string>(), "a text");
  EXPECT_EQ(pair.only<text_pair>()->second, "b");
  EXPECT_EQ(ids.only<token_ids>()->ids.back(), 2);
  EXPECT_EQ(array.only<tensor>()->shape, (std::vector<std::int64_t>{2}));
  EXPECT_EQ(picture.only<media>()->type, "image/png");
  EXPECT_EQ(sound.only<samples>()->rate_hz, 16'000U);
  for (const auto* one : {&literal, &text, &pair, &ids, &array, &picture, &sound}) {
    ASSERT_EQ(one->values.size(), 1U);
    EXPECT_EQ(one->values.front().name, "");
  }
}

TEST(values, the_only_one_is_given_by_its_kind_alone) {
  const input text = "a";
  EXPECT_EQ(text.only<tensor>(), nullptr);
  EXPECT_EQ(text.only<text_pair>(), nullptr);
  EXPECT_EQ(input().only<std::string>(), nullptr);
  input two = "a";
  two.values.push_back({"context", std::string("b")});
  EXPECT_EQ(two.only<std::string>(), nullptr) << "neither is the only one";
}

TEST(values, an_input_is_copied_and_moved_as_one_and_never_wrapped) {
  input first = std::string(100, 'x');
  const auto* where = first.only<std::string>()->data();
  const input copy = first;
  EXPECT_EQ(copy.values.size(), 1U);
  EXPECT_NE(copy.only<std::string>()->data(), where);
  const input moved = std::move(first);
  EXPECT_EQ(moved.only<std::string>()->data(), where);
  std::string text(100, 'y');
  const auto* there = text.data();
  const input taken = std::move(text);
  EXPECT_EQ(taken.only<std::string>()->data(), there) << "a text that is given away is not copied";
  static_assert(!std::is_constructible_v<input, int> && !std::is_constructible_v<input, std::vector<float>>);
}

TEST(values, each_kind_has_a_word_for_messages) {
  EXPECT_EQ(kind_of(input("a")), "a text");
  EXPECT_EQ(kind_of(input(text_pair{})), "a pair of texts");
  EXPECT_EQ(kind_of(input(token_ids{})), "token ids");
  EXPECT_EQ(kind_of(input(tensor{})), "a tensor");
  EXPECT_EQ(kind_of(input(media{})), "media");
  EXPECT_EQ(kind_of(input(samples{})), "samples of sound");
  EXPECT_EQ(kind_of(input()), "nothing");
  input two = "a";
  two.values.push_back({"context", std::string("b")});
  EXPECT_EQ(kind_of(two), "several values");
  EXPECT_EQ(kind_of(two.values[1].content), "a text");
}

TEST(values, their_size_is_what_they_hold) {
  EXPECT_EQ(size_bytes(input()), 0U);
  EXPECT_EQ(size_bytes(input("abc")), 3U);
  EXPECT_EQ(size_bytes(input(text_pair{"abc", "de"})), 5U);
  EXPECT_EQ(size_bytes(input(token_ids{{1, 2, 3}})), 12U);
  EXPECT_EQ(size_bytes(input(numbers(64))), 64U);
  EXPECT_EQ(size_bytes(input(image(7))), 7U);
  EXPECT_EQ(size_bytes(input(samples{{1, 2}, 8000})), 8U);
  input two = "abc";
  two.values.push_back({"context", std::string("de")});
  EXPECT_EQ(size_bytes(two), 3U + 7U + 2U) << "names count";
}

}  // namespace
}  // namespace troupe::inference
