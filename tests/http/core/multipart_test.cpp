#include "http/core/multipart.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <random>

namespace troupe::http {
namespace {

const std::string form_type = "multipart/form-data; boundary=XyZ";

std::string part(const std::string& head, const std::string& content) {
  return "--XyZ\r\n" + head + "\r\n\r\n" + content + "\r\n";
}
std::string field(const std::string& name, const std::string& value) {
  return part("Content-Disposition: form-data; name=\"" + name + "\"", value);
}
const std::string last = "--XyZ--\r\n";

// What is wrong with it; empty: nothing.
std::string problem(const std::string& body, const std::string& type = form_type, form_limits limits = {}) {
  const auto got = parse_form(type, body, limits);
  if (got) return {};
  EXPECT_EQ(got.error().code, error_code::bad_request);
  return got.error().message;
}

form_part only(const std::string& body) {
  const auto got = parse_form(form_type, body);
  EXPECT_TRUE(got) << got.error().message;
  EXPECT_EQ(got->size(), 1u);
  return got && !got->empty() ? got->front() : form_part();
}

TEST(multipart, parts_are_views_into_the_body) {
  const std::string body =
      field("model", "a b") +
      part("Content-Disposition: form-data; name=\"file\"; filename=\"x.wav\"\r\nContent-Type: audio/wav",
           std::string("\r\n\0--Xy", 7)) +
      last;
  const auto got = parse_form(form_type, body);
  ASSERT_TRUE(got) << got.error().message;
  ASSERT_EQ(got->size(), 2u);
  EXPECT_EQ((*got)[0].name, "model");
  EXPECT_EQ((*got)[0].content, "a b");
  EXPECT_FALSE((*got)[0].filename);
  EXPECT_EQ((*got)[1].name, "file");
  EXPECT_EQ((*got)[1].filename, "x.wav");
  EXPECT_EQ((*got)[1].type, "audio/wav");
  EXPECT_EQ((*got)[1].content, std::string_view("\r\n\0--Xy", 7));
  for (const auto& p : *got) {
    EXPECT_GE(p.content.data(), body.data());
    EXPECT_LE(p.content.data() + p.content.size(), body.data() + body.size());
  }
}

TEST(multipart, what_looks_like_a_boundary_is_content) {
  for (const std::string content : {"--XyZa", "\r\n--XyZa", "\r\n--Xy", "a--XyZ\r\nb", "\r\n--XyZ-\r\n", "\n--XyZ\n",
                                    "\r\n--XyZ--x", "\r\n--XyZ\n", "\r\r\n\r\n", "\r\n--XyZ\r"}) {
    EXPECT_EQ(only(field("f", content) + last).content, content);
  }
}

TEST(multipart, allowed_forms) {
  EXPECT_EQ(only(field("f", "") + last).content, "");
  EXPECT_EQ(only(field("f", "x") + "--XyZ--").content, "x") << "no line end at the end";
  EXPECT_EQ(only(field("f", "x") + last + "epilogue --XyZ\r\n").content, "x");
  EXPECT_EQ(only("preamble\r\nmore\r\n" + field("f", "x") + last).content, "x");
  EXPECT_EQ(only("\r\n" + field("f", "x") + last).content, "x");
  EXPECT_EQ(only("--XyZ \t\r\nContent-Disposition: form-data; name=f\r\n\r\nx\r\n--XyZ--").name, "f");
  EXPECT_EQ(only(part("content-disposition:FORM-DATA;NAME=f;filename=", "x") + last).filename, "");
  EXPECT_EQ(parse_form(form_type, last)->size(), 0u);
  EXPECT_TRUE(
      parse_form("multipart/form-data; charset=utf-8; boundary=\"a b'()+_,-./:=?c\"",
                 "--a b'()+_,-./:=?c\r\nContent-Disposition: form-data; name=f\r\n\r\nx\r\n--a b'()+_,-./:=?c--"));
}

TEST(multipart, names) {
  const auto named = [](const std::string& rest) {
    return only(part("Content-Disposition: form-data; name=\"n\"; " + rest, "x") + last).filename.value_or("none");
  };
  EXPECT_EQ(named(R"(filename="a \"b\" c.wav")"), R"(a "b" c.wav)");
  EXPECT_EQ(named(R"(filename="C:\dir\x.wav")"), R"(C:\dir\x.wav)");
  EXPECT_EQ(named(R"(filename="a;b=c.wav")"), "a;b=c.wav");
  EXPECT_EQ(named("filename=\"\xe4\xbd\xa0.wav\""), "\xe4\xbd\xa0.wav");
  EXPECT_EQ(named("filename=plain.wav"), "plain.wav");
  EXPECT_EQ(named("filename=\"x\"; filename*=UTF-8''%e4%bd%a0.wav"), "\xe4\xbd\xa0.wav");
  EXPECT_EQ(named("other=1"), "none");
  EXPECT_EQ(only(field("a\\\"b", "x") + last).name, "a\"b");
}

TEST(multipart, what_is_wrong_is_named) {
  const auto has = [](const std::string& message, const std::string& word) {
    EXPECT_NE(message.find(word), std::string::npos) << message << "\n  lacks: " << word;
  };
  has(problem("x", "multipart/form-data"), "no boundary");
  has(problem("x", "multipart/form-data; boundary="), "cannot be one");
  has(problem("x", "multipart/form-data; boundary=\"a\nb\""), "cannot be one");
  has(problem("x", "multipart/form-data; boundary=" + std::string(71, 'a')), "cannot be one");
  has(problem(""), "nowhere");
  has(problem("--other\r\n"), "nowhere");
  has(problem("--XyZ\nContent-Disposition: form-data; name=f\n\nx\n--XyZ--\n"), "LF alone");
  has(problem(field("f", "x")), "cut off");
  has(problem(field("f", "x") + "--XyZ"), "cut off");
  has(problem("--XyZ\r\nContent-Disposition: form-data; name=f\r\n"), "within the head");
  has(problem("--XyZ\r\n"), "within the head");
  has(problem("--XyZ\r\n\r\nx\r\n" + last), "no Content-Disposition");
  has(problem(part("Content-Type: text/plain", "x") + last), "no Content-Disposition");
  has(problem(part("Content-Disposition: attachment; name=f", "x") + last), "attachment");
  has(problem(part("Content-Disposition: form-data", "x") + last), "no name");
  has(problem(part("Content-Disposition: form-data; name=\"\"", "x") + last), "no name");
  has(problem(part("Content-Disposition: form-data; name=\"f", "x") + last), "cannot be read");
  has(problem(part("Content-Disposition: form-data; name=f; filename*=latin1''x", "x") + last), "filename*");
  has(problem(part("Content-Disposition: form-data; name=f; filename*=UTF-8''%zz", "x") + last), "filename*");
  has(problem(part("no header", "x") + last), "no header");
  has(problem(part("Content-Disposition: form-data;\r\n name=f", "x") + last), "no");
  has(problem(part("Content-Disposition: form-data; name=f\r\nContent-Disposition: form-data; name=g", "x") + last),
      "two");
  has(problem(part("Content-Disposition: form-data; name=f\r\nContent-Transfer-Encoding: base64", "eA==") + last),
      "base64");
  has(problem(part("Content-Disposition: form-data; name=f\nX: y", "x") + last), "line break");
  has(problem(part("Content-Disposition: form-data; name=f\r\nX: " + std::string(9000, 'y'), "x") + last),
      "longer than");
  has(problem(field("a", "") + field("b", "") + field("c", "") + last, form_type, {.parts_max = 2}), "more than 2");
  EXPECT_EQ(problem(field("a", "") + field("b", "") + last, form_type, {.parts_max = 2}), "");
}

TEST(multipart, hostile_forms_cost_no_more_than_their_bytes) {
  // Each place looks like the boundary until its last byte.
  const std::string boundary(70, '-');
  std::string body = "--" + boundary + "\r\nContent-Disposition: form-data; name=f\r\n\r\n";
  for (int i = 0; i < 20000; ++i) body += "\r\n--" + boundary.substr(1) + "x";
  EXPECT_NE(problem(body, "multipart/form-data; boundary=" + boundary).find("cut off"), std::string::npos);
}

// MULTIPART_FUZZ_SEED repeats a run.
TEST(multipart, mutated_forms_are_parsed_or_refused) {
  const char* given = std::getenv("MULTIPART_FUZZ_SEED");
  const auto seed = given ? std::strtoull(given, nullptr, 10) : std::random_device{}();
  SCOPED_TRACE("MULTIPART_FUZZ_SEED=" + std::to_string(seed));
  std::mt19937_64 random(seed);
  const auto below = [&](std::size_t n) { return static_cast<std::size_t>(random() % n); };
  const std::vector<std::string> pieces{"\r\n",
                                        "\n",
                                        "\r",
                                        "--XyZ",
                                        "--XyZ--",
                                        "--",
                                        "\r\n\r\n",
                                        ":",
                                        ";",
                                        "=",
                                        "\"",
                                        "\\",
                                        "name=",
                                        "form-data",
                                        "filename*=UTF-8''%4",
                                        std::string(2, '\0'),
                                        "Content-Disposition: form-data; name=\"a\"\r\n\r\n"};
  const std::string good =
      field("model", "m") + part("Content-Disposition: form-data; name=\"file\"; filename=\"x\"", "abc") + last;
  std::size_t refused = 0, taken = 0;
  for (int round = 0; round < 20000; ++round) {
    auto body = good;
    for (auto changes = 1 + below(4); changes > 0; --changes) {
      const auto at = below(body.size() + 1);
      switch (below(4)) {
        case 0: body.insert(at, pieces[below(pieces.size())]); break;
        case 1: body.erase(at, below(12)); break;
        case 2: body.resize(at); break;
        default:
          if (at < body.size()) body[at] = static_cast<char>(random());
      }
    }
    // On the heap and no longer: a sanitizer sees what is read behind it.
    const std::unique_ptr<char[]> copy(new char[body.size()]);
    std::copy(body.begin(), body.end(), copy.get());
    const std::string_view view(copy.get(), body.size());
    const auto got = parse_form(form_type, view);
    got ? ++taken : ++refused;
    if (!got) {
      EXPECT_EQ(got.error().code, error_code::bad_request);
      continue;
    }
    for (const auto& p : *got) {
      EXPECT_FALSE(p.name.empty());
      EXPECT_TRUE(p.content.empty() || (p.content.data() >= view.data() &&
                                        p.content.data() + p.content.size() <= view.data() + view.size()));
    }
  }
  EXPECT_GT(refused, 1000u);
  EXPECT_GT(taken, 1000u);
}

}  // namespace
}  // namespace troupe::http
