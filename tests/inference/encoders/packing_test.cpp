#include "inference/encoders/packing.hpp"
#include "tests/inference/encoders/unpack.hpp"

#include <ATen/ops/full.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <random>

namespace troupe::inference {
namespace {

using numbers = std::vector<std::int32_t>;

numbers of(const at::Tensor& t) {
  const auto* from = t.const_data_ptr<std::int32_t>();
  return {from, from + t.numel()};
}

// Rows that own what they show.
struct batch {
  std::vector<numbers> ids;
  std::vector<std::vector<std::uint8_t>> types;

  std::vector<token_row> rows() const {
    std::vector<token_row> out;
    for (std::size_t i = 0; i < ids.size(); ++i)
      out.push_back({ids[i], i < types.size() ? std::span(types[i]) : std::span<const std::uint8_t>{}});
    return out;
  }
};

void expect_group(const row_group& g, std::int64_t first, std::int64_t first_row, std::int64_t rows,
                  std::int64_t length, bool spare = false) {
  EXPECT_EQ(g.first, first);
  EXPECT_EQ(g.first_row, first_row);
  EXPECT_EQ(g.rows, rows);
  EXPECT_EQ(g.length, length);
  EXPECT_EQ(g.spare, spare);
}

TEST(packing, shortest_first_rows_of_one_length_together) {
  const batch b{{{1, 2, 3, 4, 5}, {6, 7}, {8, 9, 10, 11, 12}, {13}, {14, 15}}, {}};
  const auto p = pack(b.rows(), false);
  EXPECT_EQ(p.rows, 5);
  EXPECT_EQ(p.order, (std::vector<std::size_t>{3, 1, 4, 0, 2})) << "equal ones in the batch's order";
  EXPECT_EQ(of(p.ids), (numbers{13, 6, 7, 14, 15, 1, 2, 3, 4, 5, 8, 9, 10, 11, 12, 0}));
  EXPECT_EQ(of(p.positions), (numbers{0, 0, 1, 0, 1, 0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 0}));
  EXPECT_EQ(of(p.firsts), (numbers{0, 1, 3, 5, 10, 0, 0, 0})) << "rounded up to a power of two";
  EXPECT_FALSE(p.types.defined());
  ASSERT_EQ(p.groups.size(), 4U);
  expect_group(p.groups[0], 0, 0, 1, 1);
  expect_group(p.groups[1], 1, 1, 2, 2);
  expect_group(p.groups[2], 5, 3, 2, 5);
  expect_group(p.groups[3], 15, 0, 1, 1, true);
  for (const auto& g : p.groups) EXPECT_FALSE(g.mask.defined()) << "nothing is padded";
}

TEST(packing, where_no_product_keeps_anything_little_is_added) {
  for (const auto& [tokens, rounded] : {std::pair{1, 8}, {8, 8}, {33, 40}, {129, 136}, {257, 264}}) {
    const batch b{{numbers(static_cast<std::size_t>(tokens), 1)}, {}};
    EXPECT_EQ(pack(b.rows(), false, false).ids.size(0), rounded);
  }
}

TEST(packing, few_numbers_of_tokens_are_computed) {
  for (const auto& [tokens, rounded] : {std::pair{1, 8},
                                        {8, 8},
                                        {9, 16},
                                        {17, 24},
                                        {25, 32},
                                        {33, 48},
                                        {49, 64},
                                        {65, 96},
                                        {128, 128},
                                        {129, 192},
                                        {256, 256},
                                        {257, 320},
                                        {321, 384},
                                        {512, 512},
                                        {513, 640},
                                        {1000, 1024}}) {
    const batch b{{numbers(static_cast<std::size_t>(tokens), 1)}, {}};
    const auto p = pack(b.rows(), false);
    EXPECT_EQ(p.ids.size(0), rounded) << tokens;
    EXPECT_EQ(p.positions.size(0), rounded) << tokens;
    ASSERT_EQ(p.groups.size(), rounded > tokens ? 2U : 1U) << tokens;
    if (rounded > tokens) expect_group(p.groups.back(), tokens, 0, 1, rounded - tokens, true);
  }
}

TEST(packing, types_are_there_when_a_row_has_them) {
  const batch b{{{1, 2, 3}, {4}, {5, 6}}, {{0, 1, 2}, {}, {1, 1}}};
  EXPECT_EQ(of(pack(b.rows(), false).types), (numbers{0, 1, 1, 0, 1, 2, 0, 0})) << "spare ones have type 0";
  EXPECT_EQ(of(pack(b.rows(), true).types), (numbers{0, 0, 0, 1, 1, 0, 0, 1, 2})) << "and so has padding";
  const batch none{{{1}, {2}}, {}};
  EXPECT_FALSE(pack(none.rows(), true).types.defined());
}

TEST(packing, padded_rows_are_one_group_with_a_mask) {
  const batch b{{{1, 2, 3}, {4}, {5, 6}}, {}};
  const auto p = pack(b.rows(), true);
  EXPECT_EQ(p.order, (std::vector<std::size_t>{1, 2, 0}));
  EXPECT_EQ(of(p.ids), (numbers{4, 0, 0, 5, 6, 0, 1, 2, 3})) << "no token beside the rows";
  EXPECT_EQ(of(p.positions), (numbers{0, 0, 0, 0, 1, 0, 0, 1, 2}));
  EXPECT_EQ(of(p.firsts), (numbers{0, 3, 6}));
  ASSERT_EQ(p.groups.size(), 1U);
  expect_group(p.groups[0], 0, 0, 3, 3);
  const auto& mask = p.groups[0].mask;
  ASSERT_TRUE(mask.defined());
  EXPECT_EQ(mask.sizes().vec(), (std::vector<std::int64_t>{3, 1, 1, 3}));
  const auto* values = mask.const_data_ptr<float>();
  constexpr float no = -10000;
  EXPECT_EQ(std::vector<float>(values, values + 9), (std::vector<float>{0, no, no, 0, 0, no, 0, 0, 0}));
}

TEST(packing, rows_of_one_length_need_no_mask) {
  const batch b{{{1, 2}, {3, 4}}, {}};
  const auto p = pack(b.rows(), true);
  ASSERT_EQ(p.groups.size(), 1U);
  EXPECT_FALSE(p.groups[0].mask.defined());
}

TEST(packing, they_go_where_the_weights_are) {
  const batch b{{{1, 2}, {3}}, {{0, 1}}};
  auto p = pack(b.rows(), true);
  p.to(at::zeros({1}, at::kBFloat16));
  EXPECT_EQ(p.groups[0].mask.scalar_type(), at::kBFloat16) << "a mask is added to what has the weights' type";
  for (const auto* t : {&p.ids, &p.positions, &p.types, &p.firsts}) EXPECT_EQ(t->scalar_type(), at::kInt);
  auto plain = pack(batch{{{1}}, {}}.rows(), false);
  plain.to(at::zeros({1}));
  EXPECT_FALSE(plain.types.defined());
}

// Lines of the packed order that tell where they come from: [lines, 2], the packed line and its square.
at::Tensor telling(std::int64_t lines, at::ScalarType type = at::kFloat) {
  auto t = at::zeros({lines, 2}, at::kFloat);
  auto* to = t.mutable_data_ptr<float>();
  for (std::int64_t i = 0; i < lines; ++i) {
    to[2 * i] = static_cast<float>(i);
    to[2 * i + 1] = static_cast<float>(i * i);
  }
  return t.to(type);
}

TEST(packing, a_line_a_row_comes_back_in_the_batch_s_order) {
  const batch b{{{1, 2, 3}, {4}, {5, 6}}, {}};
  for (const bool padded : {false, true}) {
    const auto p = pack(b.rows(), padded);
    const auto out = unpack_rows(telling(padded ? 3 : 4), p);  // with the line that rounds up
    EXPECT_EQ(out.width, 2);
    EXPECT_EQ(out.values, (std::vector<float>{2, 4, 0, 0, 1, 1}));
    EXPECT_EQ(out.first_of, (std::vector<std::size_t>{0, 1, 2, 3}));
    EXPECT_EQ(out.lines_of(0).size(), 2U);
    EXPECT_EQ(out.lines_of(2)[1], 1);
  }
}

TEST(packing, numbers_come_back_as_floats) {
  const batch b{{{1, 2}, {4}}, {}};
  const auto p = pack(b.rows(), false);
  EXPECT_EQ(unpack_rows(telling(2, at::kBFloat16), p).values, (std::vector<float>{1, 1, 0, 0}));
  EXPECT_EQ(unpack_rows(telling(4).t().contiguous().t().narrow(0, 0, 2), p).values, (std::vector<float>{1, 1, 0, 0}))
      << "however they lie";
  EXPECT_EQ(unpack_tokens(telling(8, at::kBFloat16), p, b.rows()).values, (std::vector<float>{1, 1, 2, 4, 0, 0}));
}

TEST(packing, a_line_a_token_comes_back_to_its_row) {
  const batch b{{{1, 2, 3}, {4}, {5, 6}}, {}};
  const auto packed = unpack_tokens(telling(8), pack(b.rows(), false), b.rows());
  EXPECT_EQ(packed.first_of, (std::vector<std::size_t>{0, 3, 4, 6}));
  EXPECT_EQ(packed.values, (std::vector<float>{3, 9, 4, 16, 5, 25, 0, 0, 1, 1, 2, 4}));
  const auto padded = unpack_tokens(telling(9), pack(b.rows(), true), b.rows());
  EXPECT_EQ(padded.first_of, packed.first_of);
  EXPECT_EQ(padded.values, (std::vector<float>{6, 36, 7, 49, 8, 64, 0, 0, 3, 9, 4, 16}));
  EXPECT_EQ(padded.lines_of(1).size(), 2U);
}

// What is packed and unpacked again is what there was, whatever the lengths.
TEST(packing, any_batch_comes_back_as_it_was) {
  const auto seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  const auto up_to = [&](int most) { return std::uniform_int_distribution<int>(1, most)(random); };
  for (int round = 0; round < 200; ++round) {
    batch b;
    const int longest = up_to(round % 2 == 0 ? 4 : 90);
    for (int i = up_to(40); i > 0; --i) {
      numbers row(static_cast<std::size_t>(up_to(longest)));
      for (auto& id : row) id = up_to(1 << 20);
      std::vector<std::uint8_t> types;
      if (up_to(2) == 1)
        for (std::size_t k = 0; k < row.size(); ++k) types.push_back(static_cast<std::uint8_t>(up_to(256) - 1));
      b.ids.push_back(std::move(row));
      b.types.push_back(std::move(types));
    }
    const auto rows = b.rows();
    for (const bool padded : {false, true}) {
      const auto p = pack(rows, padded);
      // Ids are the states: exact in fp32.
      const auto states = unpack_tokens(p.ids.to(at::kFloat).reshape({-1, 1}), p, rows);
      const auto places = unpack_tokens(p.positions.to(at::kFloat).reshape({-1, 1}), p, rows);
      const auto firsts = unpack_rows(p.ids.index_select(0, p.firsts).to(at::kFloat).reshape({-1, 1}), p);
      for (std::size_t i = 0; i < rows.size(); ++i) {
        const auto given = states.lines_of(i), place = places.lines_of(i);
        ASSERT_TRUE(std::equal(given.begin(), given.end(), rows[i].ids.begin(), rows[i].ids.end()));
        for (std::size_t k = 0; k < place.size(); ++k) ASSERT_EQ(place[k], static_cast<float>(k));
        ASSERT_EQ(firsts.lines_of(i)[0], static_cast<float>(rows[i].ids.front()));
        if (!p.types.defined()) continue;
        const auto types = unpack_tokens(p.types.to(at::kFloat).reshape({-1, 1}), p, rows);
        const auto typed = types.lines_of(i);
        for (std::size_t k = 0; k < typed.size(); ++k)
          ASSERT_EQ(typed[k], b.types[i].empty() ? 0 : static_cast<float>(b.types[i][k]));
      }
      // Each token once, and each row in one group.
      std::int64_t tokens = 0, grouped = 0;
      for (const auto& g : p.groups) {
        ASSERT_EQ(g.first, tokens);
        tokens += g.rows * g.length;
        grouped += g.spare ? 0 : g.rows;
      }
      ASSERT_EQ(tokens, p.ids.size(0));
      ASSERT_EQ(grouped, p.rows);
    }
  }
}

}  // namespace
}  // namespace troupe::inference
