// Experiment c, second half: mixed lengths, attention, batch size and single operators. See docs/experiments.md.
// --part=check,attention,operators,tokens,thread,mixed --model=6x384|12x768 --types=bf16,fp32 --threads=1 --rounds=3
// --seconds=0.1 --sequences=96
#include <ATen/Parallel.h>
#include <c10/core/InferenceMode.h>
#include <malloc.h>

#include <random>
#include <thread>

#include "bare_encoder.hpp"
#include "measure.hpp"

using namespace measure;

namespace {

bare::encoder make(const bare::shape& s, const std::string& folder, bare::options o) {
  const auto path = folder + "/weights-" + std::to_string(s.layers) + "x" + std::to_string(s.hidden) +
                    (o.type == at::kFloat ? "-fp32" : "-bf16");
  bare::weights::write(path, s, o.type);
  return {s, o, std::make_shared<bare::weights>(path, s, o.type)};
}

/// Groups and masks change nothing: every sequence of a packed batch gets the answer that it gets alone.
void check(const bare::shape& s, const std::string& folder, at::ScalarType type) {
  for (const auto attention : {bare::attention_kind::fastest, bare::attention_kind::flash, bare::attention_kind::sdpa,
                               bare::attention_kind::math}) {
    const auto model = make(s, folder, {type, bare::linear_kind::onednn_plain, attention});
    const std::vector<int64_t> lengths{8, 9, 16, 30, 31, 32, 100, 255};
    for (const int64_t step : {1, 16, 255}) {
      const auto b = bare::packed(lengths, step, s, type);
      const auto together = model.forward(b);
      double worst = 0;
      for (size_t i = 0; i < lengths.size(); ++i) {
        auto alone = bare::even(1, lengths[i], s, type);
        alone.ids = b.ids.narrow(0, b.firsts[static_cast<int64_t>(i)].item<int64_t>(), lengths[i]).clone();
        worst = std::max(worst, ((model.forward(alone)[0] - together[static_cast<int64_t>(i)]).norm() /
                                 together[static_cast<int64_t>(i)].norm())
                                    .item<double>());
      }
      std::printf("check: attention %d, lengths rounded to %3ld: worst relative difference %.1e\n",
                  static_cast<int>(attention), step, worst);
    }
  }
}

void attention(const bare::shape& s, at::ScalarType type, int rounds, double seconds) {
  c10::InferenceMode guard;
  const int64_t h = s.hidden, heads = s.heads, width = h / heads;
  std::printf("\nattention of one layer, %s, %ld heads of %ld, us\n%-10s %9s %9s %9s %9s %9s %9s   %s\n",
              c10::toString(type), heads, width, "rows x len", "flash", "sdpa", "math", "baddbmm", "flash+mask",
              "math+mask", "its two linears [h,3h] [h,h]");
  for (const auto& size : std::vector<std::pair<int64_t, int64_t>>{
           {1, 8}, {1, 32}, {8, 32}, {32, 32}, {1, 64}, {8, 64}, {1, 128}, {8, 128}, {1, 256}, {4, 256}, {1, 512}}) {
    const auto rows = size.first, length = size.second;
    const auto qkv = at::randn({rows, length, 3, heads, width}).to(type);
    const auto q = qkv.select(2, 0).transpose(1, 2), k = qkv.select(2, 1).transpose(1, 2),
               v = qkv.select(2, 2).transpose(1, 2);
    const auto mask = at::zeros({rows, 1, 1, length}).to(type);
    const auto wide = mask.expand({rows, 1, length, length});
    const double scale = 1 / std::sqrt(static_cast<double>(width));
    const auto x = at::randn({rows * length, h}).to(type), w3 = at::randn({3 * h, h}).to(type),
               w1 = at::randn({h, h}).to(type);
    const auto join = [&](const at::Tensor& t) { return t.transpose(1, 2).reshape({rows * length, h}); };
    std::vector<variant> all{
        {"flash", [&] { join(std::get<0>(at::_scaled_dot_product_flash_attention_for_cpu(q, k, v))); }},
        {"sdpa", [&] { join(at::scaled_dot_product_attention(q, k, v)); }},
        {"math", [&] { join(at::matmul(at::softmax(at::matmul(q * scale, k.transpose(-1, -2)), -1), v)); }},
        {"baddbmm",
         [&] {
           const auto flat = [&](const at::Tensor& t) { return t.reshape({rows * heads, length, width}); };
           auto scores = at::baddbmm(mask.expand({rows, heads, 1, length}).reshape({rows * heads, 1, length}), flat(q),
                                     flat(k).transpose(1, 2), 1, scale);
           join(at::bmm(at::softmax(scores, -1), flat(v)).view({rows, heads, length, width}));
         }},
        {"flash+mask",
         [&] { join(std::get<0>(at::_scaled_dot_product_flash_attention_for_cpu(q, k, v, 0, false, wide))); }},
        {"math+mask",
         [&] { join(at::matmul(at::softmax(at::matmul(q * scale, k.transpose(-1, -2)).add_(mask), -1), v)); }},
        {"linears", [&] { at::linear(x, w3), at::linear(x, w1); }},
    };
    interleave(all, rounds, seconds / 3);
    std::printf("%3ld x %-4ld", rows, length);
    for (const auto& one : all) std::printf(" %9.1f", best(one));
    std::printf("\n");
    std::fflush(stdout);
  }
}

void operators(const bare::shape& s, at::ScalarType type, int rounds, double seconds) {
  c10::InferenceMode guard;
  std::printf("\nsingle operators, %s, us\n%-8s", c10::toString(type), "tokens");
  const int64_t h = s.hidden;
  bool head = true;
  for (const int64_t tokens : {32, 256, 1024, 4096}) {
    const auto x = at::randn({tokens, h}).to(type), wide = at::randn({tokens, s.inner}).to(type),
               y = at::randn({tokens, h}).to(type);
    const auto g = at::ones({h}).to(type), b = at::zeros({h}).to(type);
    const auto up = at::randn({s.inner, h}).to(type), down = at::randn({h, s.inner}).to(type),
               q = at::randn({h, h}).to(type), qkv = at::randn({3 * h, h}).to(type);
    const auto bu = at::randn({s.inner}).to(type), b3 = at::randn({3 * h}).to(type);
    auto sum = x.clone();
    std::vector<variant> all{
        {"gelu erf", [&] { at::gelu(wide); }},
        {"gelu erf in place",
         [&] {
           auto t = wide;
           at::gelu_(t);
         }},
        {"gelu tanh", [&] { at::gelu(wide, "tanh"); }},
        {"layer_norm", [&] { at::layer_norm(x, {h}, g, b, 1e-12); }},
        {"add_", [&] { sum.add_(y); }},
        {"linear up", [&] { at::linear(x, up, bu); }},
        {"linear down", [&] { at::linear(wide, down, b); }},
        {"linear qkv", [&] { at::linear(x, qkv, b3); }},
        {"3 linears", [&] { at::linear(x, q, b), at::linear(x, q, b), at::linear(x, q, b); }},
    };
    interleave(all, rounds, seconds / 3);
    if (head) {
      for (const auto& v : all) std::printf(" %17s", v.name.c_str());
      head = false;
    }
    std::printf("\n%-8ld", tokens);
    for (const auto& v : all) std::printf(" %17.1f", best(v));
    std::fflush(stdout);
  }
  std::printf("\n");
}

void tokens(const bare::shape& s, const std::string& folder, at::ScalarType type, int rounds, double seconds) {
  struct form {
    const char* name;
    bare::options o;
  };
  std::vector<form> forms{
      {"oneDNN plain", {type, bare::linear_kind::onednn_plain}},
      {"oneDNN packed", {type, bare::linear_kind::onednn}},
      {"plain, tanh GELU", {type, bare::linear_kind::onednn_plain, bare::attention_kind::fastest, true, true}},
      {"plain, q k v apart", {type, bare::linear_kind::onednn_plain, bare::attention_kind::fastest, false}},
      {"plain, flash", {type, bare::linear_kind::onednn_plain, bare::attention_kind::flash}},
  };
  std::vector<bare::encoder> models;
  models.reserve(forms.size());
  for (const auto& f : forms) models.push_back(make(s, folder, f.o));
  std::printf("\ntokens a second by tokens a batch (sequences of 32), %s\n%-8s", c10::toString(type), "tokens");
  for (const auto& f : forms) std::printf(" %20s", f.name);
  for (const int64_t n : {32, 64, 128, 256, 512, 1024, 2048, 4096}) {
    const auto b = bare::even(n / 32, 32, s, type);
    std::vector<variant> all;
    all.reserve(models.size());
    for (size_t i = 0; i < models.size(); ++i) all.push_back({forms[i].name, [&, i] { models[i].forward(b); }});
    interleave(all, rounds, seconds);
    std::printf("\n%-8ld", n);
    for (const auto& v : all) std::printf(" %13.0f (%.2f)", static_cast<double>(n) / best(v) * 1e6, spread(v));
    std::fflush(stdout);
  }
  std::printf("\n");
}

/// Splits lengths into batches whose cost (as `price` counts it) stays within the budget.
template <class Price>
std::vector<std::vector<int64_t>> cut(const std::vector<int64_t>& lengths, int64_t budget, Price price) {
  std::vector<std::vector<int64_t>> batches(1);
  for (const auto n : lengths) {
    auto& last = batches.back();
    last.push_back(n);
    if (last.size() > 1 && price(last) > budget) {
      last.pop_back();
      batches.push_back({n});
    }
  }
  return batches;
}

void mixed(const bare::shape& s, const std::string& folder, at::ScalarType type, int rounds, int sequences) {
  const auto model = make(s, folder, {type, bare::linear_kind::onednn_plain});
  std::mt19937 random(7);
  for (const bool skewed : {false, true}) {
    std::vector<int64_t> lengths;
    lengths.reserve(static_cast<size_t>(sequences));
    for (int i = 0; i < sequences; ++i)
      lengths.push_back(skewed ? std::lround(8 * std::exp(std::uniform_real_distribution<>(0, std::log(32.0))(random)))
                               : std::uniform_int_distribution<int64_t>(8, 256)(random));
    auto sorted = lengths;
    std::sort(sorted.begin(), sorted.end());
    double real = 0;
    for (const auto n : lengths) real += static_cast<double>(n);
    const auto box = [](const std::vector<int64_t>& b) {
      return *std::max_element(b.begin(), b.end()) * static_cast<int64_t>(b.size());
    };
    const auto rounded = [](int64_t step) {
      return [step](const std::vector<int64_t>& b) {
        int64_t t = 0;
        for (const auto n : b) t += (n + step - 1) / step * step;
        return t;
      };
    };
    std::printf("\nreal tokens a second, %s, %d sequences of %s 8..256 (mean %.0f)\n%-34s", c10::toString(type),
                sequences, skewed ? "log-uniform" : "uniform", real / sequences, "budget, tokens");
    std::vector<std::string> names;
    std::map<std::string, std::map<int64_t, std::string>> table;
    const std::vector<int64_t> budgets{256, 512, 1024, 2048, 4096};
    for (const auto budget : budgets) {
      std::printf(" %14ld", budget);
      std::vector<std::pair<std::string, std::vector<bare::batch>>> plans;
      const auto plan = [&](const std::string& name, const std::vector<std::vector<int64_t>>& cuts, int64_t step) {
        std::vector<bare::batch> batches;
        batches.reserve(cuts.size());
        for (const auto& c : cuts)
          batches.push_back(step == 0 ? bare::padded(c, s, type) : bare::packed(c, step, s, type));
        plans.emplace_back(name, std::move(batches));
      };
      plan("padded, as they arrive", cut(lengths, budget, box), 0);
      plan("padded, sorted by length", cut(sorted, budget, box), 0);
      plan("packed, as they arrive, exact", cut(lengths, budget, rounded(1)), 1);
      plan("packed, rounded to 4", cut(lengths, budget, rounded(4)), 4);
      plan("packed, rounded to 8", cut(lengths, budget, rounded(8)), 8);
      plan("packed, rounded to 16", cut(lengths, budget, rounded(16)), 16);
      plan("packed, rounded to 32", cut(lengths, budget, rounded(32)), 32);
      plan("packed, sorted, exact", cut(sorted, budget, rounded(1)), 1);
      std::vector<variant> all;
      all.reserve(plans.size());
      for (const auto& p : plans)
        all.push_back({p.first, [&] {
                         for (const auto& b : p.second) model.forward(b);
                       }});
      for (auto& v : all) v.step();
      for (int r = 0; r < rounds; ++r)  // one call a round: each is many batches
        for (auto& v : all) v.medians.push_back(median(sample(0, v.step, 1)));
      for (const auto& v : all) {
        char cell[64];
        std::snprintf(cell, sizeof cell, "%7.0f (%.2f)", real / best(v) * 1e6, spread(v));
        if (table[v.name].empty()) names.push_back(v.name);
        table[v.name][budget] = cell;
      }
    }
    std::printf("\n");
    for (const auto& n : names) {
      std::printf("%-34s", n.c_str());
      for (const auto budget : budgets) std::printf(" %14s", table[n][budget].c_str());
      std::printf("\n");
    }
    std::fflush(stdout);
  }
}

}  // namespace

int main(int argc, char** argv) {
  with_environment(argv, {{"GOMP_SPINCOUNT", option(argc, argv, "spin", "10000")}});
  // 0 leaves malloc as it is: thresholds that move with what is freed.
  if (const auto bytes = static_cast<int>(number(argc, argv, "mmap-threshold", 32 << 20)))
    mallopt(M_MMAP_THRESHOLD, bytes);
  if (const auto bytes = static_cast<int>(number(argc, argv, "trim-threshold", 256 << 20)))
    mallopt(M_TRIM_THRESHOLD, bytes);
  at::set_num_threads(static_cast<int>(number(argc, argv, "threads", 1)));
  const auto folder = option(argc, argv, "folder", "/tmp");
  const int rounds = static_cast<int>(number(argc, argv, "rounds", 3));
  const double seconds = number(argc, argv, "seconds", 0.1);
  const auto parts = split(option(argc, argv, "part", "check,attention,operators,tokens,mixed"));
  for (const auto& model : split(option(argc, argv, "model", "6x384,12x768")))
    for (const auto& name : split(option(argc, argv, "types", "bf16,fp32"))) {
      const auto s = model == "6x384" ? bare::shape_6x384() : bare::shape_12x768();
      const auto type = name == "fp32" ? at::kFloat : at::kBFloat16;
      std::printf("\n== %s %s, %d threads\n", model.c_str(), name.c_str(), at::get_num_threads());
      for (const auto& part : parts) {
        if (part == "check") check(s, folder, type);
        if (part == "attention") attention(s, type, rounds, seconds);
        if (part == "operators") operators(s, type, rounds, seconds);
        if (part == "tokens") tokens(s, folder, type, rounds, seconds);
        // In a thread of its own malloc uses another arena, as a server's slots do.
        if (part == "thread") std::thread([&] { tokens(s, folder, type, rounds, seconds); }).join();
        if (part == "mixed") mixed(s, folder, type, rounds, static_cast<int>(number(argc, argv, "sequences", 96)));
      }
    }
}
