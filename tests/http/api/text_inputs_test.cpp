// Fields of a body, and the inputs that are read from them.
#include "http/api/text_inputs.hpp"

#include <gtest/gtest.h>

#include "tests/http/fakes.hpp"

namespace troupe::http::tests {
namespace {

struct text_inputs : ::testing::Test {
  config::settings settings;
  fake_exchange exchange;
  std::unique_ptr<request_fields> fields;

  request_fields& of(std::string body) {
    exchange.body_ = std::move(body);
    return *(fields = std::make_unique<request_fields>(exchange, settings));
  }
  // What of `x` is wrong: "code message".
  std::string trouble() const {
    if (!fields->problem()) return {};
    return std::string(to_string(fields->problem()->why.code)) + " " + fields->problem()->why.message;
  }
  std::string kinds_of(const std::vector<inference::input>& inputs) const {
    std::string out;
    for (const auto& in : inputs) {
      if (!out.empty()) out += ", ";
      if (const auto* text = in.only<std::string>()) out += *text;
      if (const auto* pair = in.only<inference::text_pair>()) out += pair->first + "+" + pair->second;
      if (const auto* ids = in.only<inference::token_ids>()) {
        for (const auto id : ids->ids) out += "#" + std::to_string(id);
      }
    }
    return out;
  }
};

TEST_F(text_inputs, fields_by_name) {
  auto& in = of(R"({"a": "x", "f": true, "n": 7, "none": null, "deep": {"er": "y"}, "twice": "1", "twice": "2"})");
  EXPECT_EQ(in.text("a"), "x");
  EXPECT_TRUE(in.flag("f", false));
  EXPECT_TRUE(in.flag("g", true));
  EXPECT_EQ(in.count("n"), 7u);
  EXPECT_EQ(in.text("none"), std::nullopt);
  EXPECT_EQ(in.text("deep.er"), "y");
  EXPECT_EQ(in.text("deep.est"), std::nullopt);
  EXPECT_EQ(in.text("twice"), "2");
  EXPECT_FALSE(in.problem()) << trouble();
}

TEST_F(text_inputs, the_first_problem_stays) {
  auto& in = of(R"({"a": 1, "f": "yes", "n": 0})");
  in.text("a");
  in.flag("f", false);
  in.count("n");
  EXPECT_EQ(trouble(), "BAD_REQUEST 'a' must be a string, found a number");
  EXPECT_EQ(in.problem()->field, "a");
}

TEST_F(text_inputs, what_a_field_cannot_be) {
  const std::pair<const char*, const char*> cases[] = {
      {R"({"n": 0})", "'n' is out of range"},          {R"({"n": -1})", "'n' is out of range"},
      {R"({"n": 4294967296})", "'n' is out of range"}, {R"({"n": 1.5})", "'n' must be a whole number of at least 1"},
      {R"({"n": "2"})", "'n' must be a whole number"}, {R"({"n": true})", "'n' must be a whole number"},
  };
  for (const auto& [body, expected] : cases) {
    EXPECT_EQ(of(body).count("n"), std::nullopt);
    EXPECT_NE(trouble().find(expected), std::string::npos) << body << ": " << trouble();
  }
  of(R"({"deep": 3})").text("deep.er");
  EXPECT_EQ(trouble(), "BAD_REQUEST 'deep' must be an object, found a number");
  form_parameters how;
  of(R"({"parameters": {"truncate": 1}})").parameter("parameters.truncate", how);
  EXPECT_EQ(fields->problem()->field, "parameters.truncate");
}

TEST_F(text_inputs, a_body_that_is_none) {
  const std::pair<const char*, const char*> cases[] = {{"", "The body is empty"},
                                                       {"  \r\n", "The body is empty"},
                                                       {"{", "The body is not valid JSON"},
                                                       {"[1]", "The body must be a JSON object, found an array"}};
  for (const auto& [body, expected] : cases) {
    EXPECT_EQ(of(body).text("a"), std::nullopt);
    EXPECT_EQ(fields->problem()->why.code, error_code::bad_request);
    EXPECT_NE(trouble().find(expected), std::string::npos) << body << ": " << trouble();
  }
  exchange.headers_["Content-Type"] = "text/csv";
  EXPECT_EQ(of("{}").problem()->why.code, error_code::unsupported_media);
}

TEST_F(text_inputs, texts_and_token_ids) {
  const std::pair<const char*, const char*> cases[] = {
      {R"({"x": "a"})", "a"},
      {R"({"x": ["a", "b"]})", "a, b"},
      {R"({"x": [1, 2, 3]})", "#1#2#3"},
      {R"({"x": [[1, 2], [3]]})", "#1#2, #3"},
      {R"({"x": ["a", [7]]})", "a, #7"},
  };
  for (const auto& [body, expected] : cases) {
    EXPECT_EQ(kinds_of(read_texts_or_ids(of(body), "x")), expected) << trouble();
    EXPECT_FALSE(fields->problem()) << trouble();
  }
}

TEST_F(text_inputs, what_refuses_a_whole_list) {
  const std::pair<const char*, const char*> cases[] = {
      {"{}", "BAD_REQUEST 'x' is missing"},
      {R"({"x": null})", "BAD_REQUEST 'x' is missing"},
      {R"({"x": 1})", "BAD_REQUEST 'x' must be a text, a list of texts, or token ids, found a number"},
      {R"({"x": {}})", "BAD_REQUEST 'x' must be a text, a list of texts, or token ids, found an object"},
      {R"({"x": []})", "BAD_REQUEST 'x' is empty"},
      {R"({"x": " "})", "UNPROCESSABLE 'x': The text is empty"},
      {R"({"x": ["a", ""]})", "UNPROCESSABLE 'x[1]': The text is empty"},
      {R"({"x": ["a", null]})", "UNPROCESSABLE 'x[1]' must be a string, found null"},
      {R"({"x": ["a", {"text": "b"}]})", "UNPROCESSABLE 'x[1]' must be a string, found an object"},
      {R"({"x": [[1], []]})", "UNPROCESSABLE 'x[1]' is empty"},
      {R"({"x": [1, -1]})", "UNPROCESSABLE 'x' has what is no token id: a number"},
      {R"({"x": [1, 2147483648]})", "UNPROCESSABLE 'x' has what is no token id: a number"},
      {R"({"x": [1, 1.5]})", "UNPROCESSABLE 'x' has what is no token id: a number"},
      {R"({"x": [1, "a"]})", "UNPROCESSABLE 'x' has what is no token id: a string"},
      {R"({"x": [["a"]]})", "UNPROCESSABLE 'x[0]' has what is no token id: a string"},
  };
  for (const auto& [body, expected] : cases) {
    read_texts_or_ids(of(body), "x");
    EXPECT_EQ(trouble(), expected) << body;
    EXPECT_EQ(fields->problem() && fields->problem()->empty_list, std::string_view(body) == R"({"x": []})");
  }
}

TEST_F(text_inputs, limits) {
  settings.max_text_bytes = 4;
  settings.max_batch_inputs = 2;
  read_texts_or_ids(of(R"({"x": ["a", "bbbbb"]})"), "x");
  EXPECT_EQ(trouble(), "PAYLOAD_TOO_LARGE 'x[1]': The text has 5 bytes, more than the limit of 4");
  read_texts_or_ids(of(R"({"x": ["a", "b", "c"]})"), "x");
  EXPECT_EQ(trouble(), "PAYLOAD_TOO_LARGE 'x' has 3 elements, more than the limit of 2");
  read_texts_or_ids(of(R"({"x": [1, 2, 3]})"), "x");
  EXPECT_EQ(trouble(), "") << "ids are one input";
  read_texts_or_ids(of(R"({"x": [1, 2, 3, 4, 5]})"), "x");
  EXPECT_EQ(trouble(), "PAYLOAD_TOO_LARGE 'x' has 5 token ids, more than the limit of 4");
  read_ids_or_lists(of(R"({"x": [[1], [2], [3]]})"), "x");
  EXPECT_EQ(fields->problem()->why.code, error_code::payload_too_large);
}

TEST_F(text_inputs, documents) {
  EXPECT_EQ(read_texts(of(R"({"x": ["a", {"text": "b", "title": 1}]})"), "x", true),
            (std::vector<std::string>{"a", "b"}));
  EXPECT_FALSE(fields->problem());
  read_texts(of(R"({"x": [{"title": "b"}]})"), "x", true);
  EXPECT_EQ(trouble(), "UNPROCESSABLE 'x[0]' has no 'text'");
  read_texts(of(R"({"x": [{"text": ""}]})"), "x", true);
  EXPECT_EQ(trouble(), "UNPROCESSABLE 'x[0].text': The text is empty");
  read_texts(of(R"({"x": "a"})"), "x", true);
  EXPECT_EQ(trouble(), "BAD_REQUEST 'x' must be a list, found a string");
  EXPECT_EQ(read_text_or_texts(of(R"({"x": "a"})"), "x"), std::vector<std::string>{"a"});
}

TEST_F(text_inputs, texts_and_pairs) {
  const struct {
    const char *body, *kinds;
    bool list;
  } cases[] = {{R"({"x": "a"})", "a", false},
               {R"({"x": ["a"]})", "a", false},
               {R"({"x": ["a", "b"]})", "a+b", false},
               {R"({"x": [["a"]]})", "a", true},
               {R"({"x": [["a"], ["b", "c"]]})", "a, b+c", true}};
  for (const auto& c : cases) {
    const auto [inputs, list] = read_texts_or_pairs(of(c.body), "x");
    EXPECT_EQ(kinds_of(inputs), c.kinds) << trouble();
    EXPECT_EQ(list, c.list) << c.body;
    EXPECT_FALSE(fields->problem()) << trouble();
  }
  for (const char* bad : {R"({"x": ["a", "b", "c"]})", R"({"x": [["a", "b", "c"]]})", R"({"x": [[]]})",
                          R"({"x": [["a"], "b"]})", R"({"x": ["a", ["b"]]})"}) {
    read_texts_or_pairs(of(bad), "x");
    ASSERT_TRUE(fields->problem()) << bad;
    EXPECT_EQ(fields->problem()->why.code, error_code::unprocessable) << bad;
  }
}

TEST_F(text_inputs, ids_to_decode) {
  using lists = std::vector<std::vector<std::int32_t>>;
  EXPECT_EQ(read_ids_or_lists(of(R"({"x": [1, 2]})"), "x"), (lists{{1, 2}}));
  EXPECT_EQ(read_ids_or_lists(of(R"({"x": [[1, 2], [3]]})"), "x"), (lists{{1, 2}, {3}}));
  EXPECT_FALSE(fields->problem());
  for (const char* bad : {"{}", R"({"x": "a"})", R"({"x": []})", R"({"x": [[1], 2]})", R"({"x": ["a"]})"}) {
    read_ids_or_lists(of(bad), "x");
    EXPECT_TRUE(fields->problem()) << bad;
  }
}

}  // namespace
}  // namespace troupe::http::tests
