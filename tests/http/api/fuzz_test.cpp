#include <gtest/gtest.h>

#include <cstdlib>
#include <random>

#include "http/json/text.hpp"
#include "tests/http/fakes.hpp"

namespace troupe::http::tests {
namespace {

// ROUTES_FUZZ_SEED repeats a run, ROUTES_FUZZ_ROUNDS makes it longer.
std::uint64_t number_of(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text ? std::strtoull(text, nullptr, 10) : otherwise;
}

TEST(routes_fuzz, every_input_gets_exactly_one_valid_answer) {
  const auto seed = number_of("ROUTES_FUZZ_SEED", std::random_device{}());
  const auto rounds = number_of("ROUTES_FUZZ_ROUNDS", 5000);
  std::printf("seed %llu\n", static_cast<unsigned long long>(seed));
  SCOPED_TRACE("ROUTES_FUZZ_SEED=" + std::to_string(seed));
  std::mt19937_64 random(seed);
  const auto below = [&](std::size_t n) { return static_cast<std::size_t>(random() % n); };
  const std::vector<std::string> pieces{"{",
                                        "}",
                                        "[",
                                        "]",
                                        ":",
                                        ",",
                                        "\"text\"",
                                        "\"inputs\"",
                                        "\"model_name\"",
                                        "\"timeout\"",
                                        "\"a\"",
                                        "1",
                                        "-1e9",
                                        "1e999",
                                        "null",
                                        "true",
                                        "\"\\ud800\"",
                                        "\"\\u0000\"",
                                        "\xff",
                                        "\xc3\xa9",
                                        "[1,2]",
                                        "[[1,2],[3]]",
                                        "\"tensors\"",
                                        "\"stream\"",
                                        "\"alpha\"",
                                        " ",
                                        "\"",
                                        "\\",
                                        "{\"text\":\"a\"}",
                                        "{\"inputs\":[\"a\",\"\"]}",
                                        "[\"a\",1]"};
  const std::vector<std::string> parts{"/",      "predict",   "models", "alpha",       "load",     "batch",  "..",
                                       "%2e%2e", "%2f",       "%",      "%zz",         "%ff",      "?",      "text=",
                                       "&",      "=",         "+",      "model_name=", "timeout=", "health", "metrics",
                                       "stats",  "org/gamma", "\x01",   "a",           "%00",      "."};
  const std::vector<std::string> methods{"GET", "POST", "HEAD", "OPTIONS", "DELETE", "", "X\xff"};
  const std::vector<std::string> types{"application/json", "",  "application/x-www-form-urlencoded",
                                       "text/plain",       ";", "+json"};
  bench b;
  for (std::uint64_t round = 0; round < rounds; ++round) {
    std::string target = "/", body;
    if (below(2) == 0) {
      target = below(2) == 0 ? "/predict" : "/predict/batch";
    } else {
      for (auto n = below(6); n > 0; --n) target += parts[below(parts.size())];
    }
    for (auto n = below(12); n > 0; --n) {
      if (below(8) == 0) {
        body.push_back(static_cast<char>(below(256)));
      } else {
        body += pieces[below(pieces.size())];
      }
    }
    std::map<std::string, std::string> headers{{"Content-Type", types[below(types.size())]}};
    if (below(8) == 0) headers["Accept"] = "text/event-stream";
    const auto& method = below(3) == 0 ? methods[below(methods.size())] : methods[1];
    const auto e = b.send(method, target, body, headers);
    e->pump();
    ASSERT_EQ(e->answers + (e->streaming ? 1 : 0), 1) << method << " " << shown(target) << "\n" << shown(body, 400);
    if (e->streaming) {
      ASSERT_TRUE(e->stream->ended);
      continue;
    }
    ASSERT_GE(e->answer->status, 200u);
    ASSERT_NE(e->answer->status, 500u) << e->answer->body;
    ASSERT_TRUE(is_utf8(e->answer->body));
    if (e->answer->content_type == "application/json") {
      const auto d = parse(e->answer->body);
      ASSERT_TRUE(d.IsObject()) << shown(body, 400);
      ASSERT_EQ(e->answer->status >= 400, d.HasMember("code"));
    }
    b.service.predicted.clear();
  }
}

}  // namespace
}  // namespace troupe::http::tests
