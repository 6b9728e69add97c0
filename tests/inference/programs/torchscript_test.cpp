// TorchScript archives of tests/parity/make_torchscript.py.

#include <cstring>

#include <ATen/ops/ones.h>
#include <torch/csrc/jit/api/module.h>

#include "inference/torch/memory.hpp"
#include "inference/torch/runtime.hpp"
#include "tests/inference/support.hpp"

namespace troupe::inference::tests {
namespace {

tensor floats(std::vector<std::int64_t> shape, const std::vector<float>& values) {
  tensor t;
  t.shape = std::move(shape);
  t.data.resize(values.size() * 4);
  if (!values.empty()) std::memcpy(t.data.data(), values.data(), t.data.size());
  return t;
}
const tensor& answer_of(const output& out) { return std::get<named_tensors>(out).all.at(0).value; }
std::vector<float> values_of(const output& out) {
  const auto& t = answer_of(out);
  std::vector<float> v(t.data.size() / 4);
  if (!v.empty()) std::memcpy(v.data(), t.data.data(), t.data.size());
  return v;
}

class torchscript : public testing::Test {
 protected:
  static void SetUpTestSuite() { initialise_runtime(); }
  static artifact_spec spec(const std::string& name) {
    return spec_of(fixtures() / "torchscript" / (name + ".pt"));
  }
  static std::unique_ptr<const model> load_one(const artifact_spec& s) {
    auto m = load(s, {});
    if (!m) throw std::runtime_error(m.error().message);
    return std::move(*m);
  }
  struct batch {
    std::vector<prepared_ptr> inputs;
    std::vector<row> rows;
  };
  static batch batch_of(const model& m, const std::vector<tensor>& items) {
    batch b;
    for (const auto& i : items) {
      b.inputs.push_back(std::move(*m.prepare(i)));
      b.rows.push_back({b.inputs.back().get(), nullptr, {}, false, {}});
    }
    return b;
  }
  // Empty: it threw nothing.
  static std::string thrown_by(instance& i, std::span<row> rows) {
    try {
      i.step(rows);
      return {};
    } catch (const std::exception& e) {
      return e.what();
    }
  }
};

TEST_F(torchscript, stacks_rows_and_splits_the_output) {
  const auto m = load_one(spec("linear"));
  EXPECT_EQ(m->info().architecture, "TorchScript");
  EXPECT_EQ(m->info().tasks, (std::vector<task>{task::tensor}));
  EXPECT_EQ(m->info().parameters, 15);
  auto b =
      batch_of(*m, {floats({4}, {1, 1, 1, 1}), floats({4}, {0, 0, 0, 0}), floats({4}, {1, 2, 3, 4})});
  m->make_instance()->step(b.rows);
  EXPECT_EQ(values_of(b.rows[0].out), (std::vector<float>{4, 9, 14}));
  EXPECT_EQ(values_of(b.rows[1].out), (std::vector<float>{0, 1, 2}));
  EXPECT_EQ(values_of(b.rows[2].out), (std::vector<float>{10, 21, 32}));
  EXPECT_EQ(answer_of(b.rows[2].out).shape, (std::vector<std::int64_t>{3}));
}

TEST_F(torchscript, rows_of_other_shapes_have_another_key) {
  const auto m = load_one(spec("echo"));
  const auto key = [&](const tensor& t) { return (*m->prepare(t))->batch_key; };
  EXPECT_EQ(key(floats({2}, {1, 2})), key(floats({2}, {3, 4})));
  EXPECT_NE(key(floats({2}, {1, 2})), key(floats({1, 2}, {1, 2})));
  auto ints = floats({2}, {1, 2});
  ints.type = dtype::i32;
  EXPECT_NE(key(floats({2}, {1, 2})), key(ints));
}

TEST_F(torchscript, every_type_and_scalars_come_back) {
  const auto m = load_one(spec("echo"));
  for (const auto type : {dtype::f32, dtype::f64, dtype::f16, dtype::bf16, dtype::i64, dtype::i32,
                          dtype::i16, dtype::i8, dtype::u8}) {
    tensor t;
    t.type = type;
    t.shape = {3};
    t.data.assign(3 * size_of(type), std::byte{0});
    auto b = batch_of(*m, {t, t});
    m->make_instance()->step(b.rows);
    ASSERT_EQ(b.rows[1].problem, "");
    EXPECT_EQ(answer_of(b.rows[1].out).type, type);
    EXPECT_EQ(answer_of(b.rows[1].out).data, t.data);
  }
  auto b = batch_of(*m, {floats({}, {7}), floats({}, {8})});
  m->make_instance()->step(b.rows);
  EXPECT_EQ(values_of(b.rows[1].out), (std::vector<float>{8}));
  auto none = batch_of(*m, {floats({0, 3}, {})});
  m->make_instance()->step(none.rows);
  EXPECT_EQ(answer_of(none.rows[0].out).shape, (std::vector<std::int64_t>{0, 3}));
}

TEST_F(torchscript, a_row_that_throws_fails_its_batch_in_one_line) {
  const auto m = load_one(spec("throws"));
  auto b = batch_of(*m, {floats({1}, {1}), floats({1}, {-1}), floats({1}, {3})});
  const auto i = m->make_instance();
  const auto together = thrown_by(*i, b.rows);
  EXPECT_NE(together.find("a negative value"), std::string::npos) << together;
  EXPECT_EQ(together.find('\n'), std::string::npos);
  EXPECT_LT(together.size(), 100U) << together;
  EXPECT_EQ(thrown_by(*i, {&b.rows[1], 1}), together);
  for (const std::size_t good : {0U, 2U}) {
    EXPECT_EQ(thrown_by(*i, {&b.rows[good], 1}), "") << "alone";
    EXPECT_EQ(values_of(b.rows[good].out), (std::vector<float>{static_cast<float>(good + 1)}));
  }
}

TEST_F(torchscript, a_wrong_shape_is_told_in_one_line) {
  const auto m = load_one(spec("linear"));
  auto b = batch_of(*m, {floats({3}, {1, 2, 3})});
  const auto problem = thrown_by(*m->make_instance(), b.rows);
  EXPECT_NE(problem, "");
  EXPECT_EQ(problem.find('\n'), std::string::npos) << problem;
}

TEST_F(torchscript, a_fixed_batch_runs_row_by_row) {
  auto s = spec("fixed_batch");
  s.batching = false;
  const auto m = load_one(s);
  auto b = batch_of(*m, {floats({4}, {1, 2, 3, 4}), floats({4}, {5, 6, 7, 8})});
  m->make_instance()->step(b.rows);
  EXPECT_EQ(values_of(b.rows[1].out), (std::vector<float>{10, 12, 14, 16}));
}

TEST_F(torchscript, an_instance_has_buffers_of_its_own_and_shares_parameters) {
  const auto m = load_one(spec("counter"));
  const auto call = [&](instance& i) {
    auto b = batch_of(*m, {floats({1}, {0})});
    i.step(b.rows);
    return values_of(b.rows[0].out)[0];
  };
  const auto one = m->make_instance(), two = m->make_instance();
  EXPECT_EQ(call(*one), 1);
  EXPECT_EQ(call(*one), 2);
  EXPECT_EQ(call(*two), 1);
  EXPECT_EQ(call(*m->make_instance()), 1);

  const auto big = load_one(spec("linear"));
  const auto before = big->memory().private_bytes;
  std::vector<std::unique_ptr<instance>> instances;
  for (int i = 0; i < 10; ++i) instances.push_back(big->make_instance());
  EXPECT_EQ(big->memory().private_bytes, before);
}

TEST_F(torchscript, private_bytes_are_exact) {
  const auto m = load_one(spec("echo"));
  const auto before = m->memory().private_bytes;
  {
    const auto i = m->make_instance();
    auto b = batch_of(*m, {floats({2}, {1, 2}), floats({2}, {3, 4})});
    i->step(b.rows);
  }
  EXPECT_EQ(m->memory().private_bytes, before);
}

// Of archives made here, larger than what any program takes: not below what is used, not 10 % above it.
TEST_F(torchscript, estimates_are_close) {
  struct kind { const char* name; int parameters, rows, buffer_rows; };
  for (const auto& k : {kind{"one large", 1, 2048, 0}, kind{"many small", 300, 16, 0}, kind{"with buffers", 4, 512, 16}}) {
    SCOPED_TRACE(k.name);
    torch::jit::Module module("M");
    for (int i = 0; i < k.parameters; ++i)
      module.register_parameter("w" + std::to_string(i), at::ones({k.rows, 512}), false);
    if (k.buffer_rows != 0) module.register_buffer("b", at::ones({k.buffer_rows, 512}));
    module.define("def forward(self, x):\n  return x + self.w0.sum()\n");
    scratch_folder scratch;
    const auto path = scratch.path() / "x.pt";
    module.save(path.string());
    const auto estimate = estimate_memory(spec_of(path), {});
    ASSERT_TRUE(estimate) << estimate.error().message;
    const auto m = load_one(spec_of(path));
    const auto instance = m->make_instance();
    auto b = batch_of(*m, {floats({2}, {1, 2})});
    instance->step(b.rows);
    const auto used = m->memory().total_bytes();
    EXPECT_TRUE(estimate->file.empty());
    EXPECT_GE(estimate->total_bytes(), used);
    EXPECT_LE(static_cast<double>(estimate->total_bytes()), 1.1 * static_cast<double>(used));
  }
}

TEST_F(torchscript, the_spec_s_inputs_are_checked_and_warmed) {
  auto s = spec("linear");
  EXPECT_TRUE(load_one(s)->warm_buckets(8, 8).empty());
  s.inputs = {{"x", dtype::f32, {4}}};
  const auto m = load_one(s);
  EXPECT_FALSE(m->prepare(floats({3}, {1, 2, 3})));
  EXPECT_TRUE(m->prepare(floats({4}, {1, 2, 3, 4})));
  const auto buckets = m->warm_buckets(8, 8);
  ASSERT_EQ(buckets.size(), 2U);
  const auto in = m->warm_input(buckets[0]);
  row r{in.get(), nullptr, {}, false, {}};
  m->make_instance()->step({&r, 1});
  EXPECT_EQ(r.problem, "");
}

TEST_F(torchscript, large_inputs_are_not_warmed) {
  auto s = spec("echo");
  s.inputs = {{"x", dtype::f32, {1 << 20, 4}}};  // 16 MiB: four of them at a time
  const auto some = load_one(s)->warm_buckets(8, 8);
  ASSERT_EQ(some.size(), 2U);
  EXPECT_EQ(some[1].items, 4U);
  s.inputs = {{"x", dtype::f32, {1 << 20, 64}}};
  EXPECT_TRUE(load_one(s)->warm_buckets(8, 8).empty());
}

TEST_F(torchscript, an_operator_s_own_message_is_told) {
  const auto m = load_one(spec("linear"));
  auto b = batch_of(*m, {floats({3}, {1, 2, 3})});
  const auto problem = thrown_by(*m->make_instance(), b.rows);
  EXPECT_NE(problem.find("cannot be multiplied"), std::string::npos) << problem;
}

TEST_F(torchscript, impossible_tensors_are_refused) {
  const auto m = load_one(spec("echo"));
  EXPECT_FALSE(m->prepare(std::string("text")));
  EXPECT_FALSE(m->prepare(floats({-1}, {})));
  EXPECT_FALSE(m->prepare(floats({std::int64_t{1} << 62, 16}, {})));
  EXPECT_FALSE(m->prepare(floats({5}, {1, 2})));
}

TEST_F(torchscript, what_takes_no_single_tensor_is_refused) {
  const auto m = load(spec("two_inputs"), {});
  ASSERT_FALSE(m);
  EXPECT_NE(m.error().message.find("one tensor"), std::string::npos) << m.error().message;
}

TEST_F(torchscript, a_broken_archive_is_an_error_in_one_line) {
  const auto good = read_file(fixtures() / "torchscript" / "linear.pt");
  scratch_folder scratch;
  const auto file = scratch.path() / "x.pt";
  const auto refused = [&](const std::string& bytes) {
    write_file(file, bytes);
    const auto m = load(spec_of(file), {});
    if (m) return false;
    EXPECT_EQ(m.error().message.find('\n'), std::string::npos);
    return true;
  };
  EXPECT_TRUE(refused(""));
  EXPECT_TRUE(refused("text"));
  EXPECT_TRUE(refused(good.substr(0, good.size() - 30)));
  EXPECT_TRUE(refused(good.substr(0, 700)));
  auto changed = good;
  const auto at = changed.find("PK\x01\x02");
  changed.replace(at - 300, 200, std::string(200, 'x'));
  refused(changed);  // may load where nothing of importance lay there; must not crash
}

}  // namespace
}  // namespace troupe::inference::tests
