#include "tests/support/test_models.hpp"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "inference/programs/torchscript.hpp"
#include "inference/tables.hpp"

namespace troupe::tests {
namespace {

using namespace inference;

enum class kind { echo, step, sleep, throws, hang, badwarm, fatinput, fatwarm, hangwarm, slowload, badload, fatload };

struct order {
  kind what = kind::echo;
  std::chrono::milliseconds pause{0};
};

std::optional<order> parse(std::string_view file) {
  if (file.ends_with(".pt")) file.remove_suffix(3);
  if (!file.starts_with("test:")) return std::nullopt;
  file.remove_prefix(5);
  order out;
  const auto colon = file.find(':');
  if (colon != std::string_view::npos) {
    const auto digits = file.substr(colon + 1);
    int ms = 0;
    std::from_chars(digits.data(), digits.data() + digits.size(), ms);
    out.pause = std::chrono::milliseconds(ms);
    file = file.substr(0, colon);
  }
  static constexpr std::pair<std::string_view, kind> kinds[] = {
      {"echo", kind::echo},         {"step", kind::step},       {"sleep", kind::sleep},
      {"throw", kind::throws},      {"hang", kind::hang},       {"badwarm", kind::badwarm},
      {"fatinput", kind::fatinput}, {"fatwarm", kind::fatwarm},   {"hangwarm", kind::hangwarm},
      {"slowload", kind::slowload}, {"badload", kind::badload}, {"fatload", kind::fatload}};
  for (const auto& [name, what] : kinds) {
    if (file == name) {
      out.what = what;
      return out;
    }
  }
  return std::nullopt;
}

struct test_input final : prepared {
  input value;
  bool warm = false;
  std::string_view text() const {
    const auto* s = value.only<std::string>();
    return s ? std::string_view(*s) : std::string_view();
  }
};

struct test_state final : state {
  test_state() {
    counters().states_open++;
    counters().states_made++;
  }
  ~test_state() override { counters().states_open--; }
  std::uint64_t done = 0, wanted = 0;
};

std::uint64_t fnv1a(std::string_view text) {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const unsigned char c : text) hash = (hash ^ c) * 0x100000001b3;
  return hash;
}

// Five probabilities from the hash's bytes; the tests compute the same.
label_scores classify(std::string_view text) {
  const auto hash = fnv1a(text);
  label_scores out;
  float sum = 0;
  for (int i = 0; i < 5; ++i) {
    out.values.push_back(1.0f + static_cast<float>((hash >> (8 * i)) & 0xff));
    sum += out.values.back();
  }
  for (auto& p : out.values) p /= sum;
  return out;
}

class test_instance final : public instance {
 public:
  explicit test_instance(order o) : order_(o) {}

  void step(std::span<row> rows) override {
    auto& c = counters();
    c.batches++;
    c.rows += rows.size();
    auto largest = c.largest_batch.load();
    while (largest < rows.size() && !c.largest_batch.compare_exchange_weak(largest, rows.size())) {}
    misbehave(rows);
    const bool warm = static_cast<const test_input&>(*rows.front().in).warm;
    if (!warm && (order_.what == kind::sleep || order_.what == kind::step)) std::this_thread::sleep_for(order_.pause);
    for (auto& r : rows) {
      if (order_.what == kind::step) {
        advance(r);
      } else {
        answer(r);
      }
    }
  }

 private:
  void misbehave(std::span<row> rows) const {
    for (const auto& r : rows) {
      const auto& in = static_cast<const test_input&>(*r.in);
      if (order_.what == kind::badwarm && in.warm) throw std::runtime_error("this model does not warm up");
      if (order_.what == kind::throws && in.text().find("boom") != std::string_view::npos) {
        throw std::runtime_error("boom was asked for");
      }
      if ((order_.what == kind::hang && in.text().find("hang") != std::string_view::npos) ||
          (order_.what == kind::hangwarm && in.warm)) {
        for (;;) std::this_thread::sleep_for(std::chrono::hours(1));
      }
    }
  }

  static void answer(row& r) {
    const auto& in = static_cast<const test_input&>(*r.in);
    if (const auto* t = in.value.only<tensor>()) {
      r.out = named_tensors{{{std::string(), *t}}};
    } else {
      r.out = classify(in.text());
    }
    r.again = false;
  }

  static void advance(row& r) {
    counters().steps++;
    auto* at = static_cast<test_state*>(r.st);
    if (!at) {
      r.problem = "a stepping model was run without a state";
      return;
    }
    if (at->wanted == 0) {
      r.out = std::monostate{};
      r.again = false;
      return;
    }
    r.out = transcript{"piece " + std::to_string(at->done++), true, {}, {}};
    r.again = at->done < at->wanted;
  }

  order order_;
};

class test_model final : public model {
 public:
  test_model(order o, std::string version) : order_(o) {
    info_.architecture = "TestModel";
    info_.format = "test";
    info_.precision = "fp32";
    info_.device = "cpu";
    info_.tasks = {o.what == kind::step ? task::text_generation : task::text_classification};
    info_.version = std::move(version);
    if (o.what != kind::step) {
      info_.labels = {"prompt_injection", "jailbreak", "system_extraction", "code_injection", "benign"};
    }
    info_.stateful = o.what == kind::step;
    counters().loads++;
  }
  ~test_model() override { counters().unloads++; }

  const model_info& info() const noexcept override { return info_; }

  result<prepared_ptr> prepare(const input& in, const question&) const override {
    auto out = std::make_unique<test_input>();
    out->value = in;
    if (order_.what == kind::fatinput && out->text().find("fat") != std::string_view::npos) throw std::bad_alloc();
    if (order_.what == kind::fatinput && out->text().find("odd") != std::string_view::npos) throw 42;  // NOLINT: as below
    out->cost = static_cast<std::uint32_t>(1 + out->text().size() / 4);
    if (order_.what == kind::step && !out->text().empty() &&
        (out->text()[0] < '0' || out->text()[0] > '9')) {
      return fail(error_code::unprocessable, "the stepping model's text begins with a number of steps");
    }
    return prepared_ptr(std::move(out));
  }

  std::unique_ptr<state> open_state(const prepared& in) const override {
    if (order_.what != kind::step) return nullptr;
    const auto text = static_cast<const test_input&>(in).text();
    auto out = std::make_unique<test_state>();
    std::from_chars(text.data(), text.data() + text.size(), out->wanted);
    return out;
  }
  std::uint64_t state_size_bytes() const noexcept override {
    return order_.what == kind::step ? sizeof(test_state) : 0;
  }
  std::unique_ptr<instance> make_instance() const override { return std::make_unique<test_instance>(order_); }
  std::vector<warm_bucket> warm_buckets(std::uint32_t max_batch_items, std::uint32_t) const override {
    return {{1, 1}, {max_batch_items, 1}};
  }
  prepared_ptr warm_input(const warm_bucket&) const override {
    if (order_.what == kind::fatwarm) throw std::bad_alloc();
    auto out = std::make_unique<test_input>();
    out->value = std::string("1 warm");
    out->warm = true;
    return out;
  }
  memory_use memory() const override { return {{}, 1 << 20}; }

 private:
  order order_;
  model_info info_;
};

bool claims(const artifact_spec& spec) { return parse(spec.path.filename().string()).has_value(); }

result<std::unique_ptr<const model>> make(const artifact_spec& spec, const load_options& options,
                                          const std::string& version) {
  const auto wanted = parse(spec.path.filename().string()).value_or(order{});
  if (wanted.what == kind::badload) return fail(error_code::load_failed, "this model never loads", "it exists for tests");
  if (wanted.what == kind::fatload) throw 42;  // NOLINT: what no library should do
  if (wanted.what == kind::slowload) {
    const auto end = std::chrono::steady_clock::now() + wanted.pause;
    while (std::chrono::steady_clock::now() < end) {
      if (options.cancelled && options.cancelled->load()) return fail(error_code::cancelled, "the load was called off");
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }
  return std::make_unique<const test_model>(wanted, version);
}

}  // namespace

test_counters& counters() {
  static test_counters all;
  return all;
}

void register_test_models() {
  auto test = torchscript_format();  // its files lie there
  test.name = "test";
  test.claims = claims;
  test.load = make;
  add_format(test);
}

}  // namespace troupe::tests
