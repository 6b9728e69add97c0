#pragma once
// What the tests of tasks share: the references of tests/parity/make_tasks.py, a tokenizer that knows some texts by
// heart, and heads made without a checkpoint.

#include <array>
#include <cmath>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "inference/files/model_json.hpp"
#include "inference/tasks/task_head.hpp"
#include "tests/inference/support.hpp"

namespace troupe::inference::tests {

namespace dom = simdjson::dom;
using head_ptr = std::unique_ptr<const task_head>;
using names = std::vector<std::string>;

inline model_json parsed(std::string text, const std::string& name = "config.json") {
  auto json = model_json::parse(std::move(text), name);
  if (!json) throw std::runtime_error(json.error().message);
  return std::move(*json);
}
inline fs::path task_fixtures() { return fixtures() / "inference" / "tasks"; }
inline model_json reference(const std::string& file) {
  auto json = model_json::read(task_fixtures() / file, 16U << 20U);
  if (!json) throw std::runtime_error(json.error().message);
  return std::move(*json);
}

// A null is no number.
inline std::vector<float> floats_of(dom::element list) {
  std::vector<float> out;
  for (const auto one : dom::array(list)) out.push_back(one.is_null() ? NAN : static_cast<float>(double(one)));
  return out;
}
// Lists of numbers, one after another.
inline std::vector<float> lines_of(dom::element lists) {
  std::vector<float> out;
  for (const auto one : dom::array(lists))
    for (const auto v : floats_of(one)) out.push_back(v);
  return out;
}
inline std::vector<std::int32_t> ids_of(dom::element list) {
  std::vector<std::int32_t> out;
  for (const auto one : dom::array(list)) out.push_back(static_cast<std::int32_t>(std::int64_t(one)));
  return out;
}
inline names strings_of(dom::element list) {
  names out;
  for (const auto one : dom::array(list)) out.emplace_back(std::string_view(one));
  return out;
}
inline std::string string_of(dom::element object, const char* key) {
  return std::string(std::string_view(object[key]));
}

// Both none, or as near as `relative` to the larger.
inline bool near(double a, double b, double relative = 1e-5) {
  if (std::isnan(a) || std::isnan(b)) return std::isnan(a) && std::isnan(b);
  return std::abs(a - b) <= relative * std::max({1e-3, std::abs(a), std::abs(b)});
}
inline void expect_near(const std::vector<float>& got, const std::vector<float>& wanted, const std::string& what,
                        double relative = 1e-5) {
  ASSERT_EQ(got.size(), wanted.size()) << what;
  for (std::size_t i = 0; i < got.size(); ++i)
    EXPECT_TRUE(near(got[i], wanted[i], relative)) << what << ": " << i << ": " << got[i] << " for " << wanted[i];
}

// Splits nothing: what it encodes and decodes was recorded. Joins tokens as its decoder does.
class recorded_tokenizer final : public tokenizer {
 public:
  enum class decoder { wordpiece, metaspace, bytelevel };

  recorded_tokenizer() = default;
  recorded_tokenizer(dom::element described, decoder how)
      : tokens(strings_of(described["tokens"])), prefix(string_of(described, "prefix")), how_(how) {
    const auto id = [&](const char* key) -> std::optional<std::int32_t> {
      std::int64_t value = 0;
      if (described[key].get(value)) return std::nullopt;
      return static_cast<std::int32_t>(value);
    };
    named = {id("unk"), id("cls"), id("sep"), id("pad"), id("mask")};
  }

  names tokens;
  std::string prefix;
  special_ids named;
  std::map<std::string, encoding> texts, bare_texts;  // with, and without special tokens
  std::map<std::string, std::vector<encoding>> windows;
  std::map<std::vector<std::int32_t>, std::string> decoded;
  mutable encode_options last_options;
  mutable std::string last_text;

  result<encoding> encode(std::string_view text, const encode_options& options) const override {
    last_options = options;
    last_text = text;
    const auto& known = options.special_tokens ? texts : bare_texts;
    const auto found = known.find(std::string(text));
    if (found == known.end()) return fail(error_code::unprocessable, "not recorded: " + std::string(text));
    return found->second;
  }
  result<encoding> encode_pair(std::string_view first, std::string_view second,
                               const encode_options& options) const override {
    auto made = encode(std::string(first) + '\n' + std::string(second), options);
    if (made && made->types.empty()) made->types.assign(made->ids.size(), 0);
    return made;
  }
  result<std::vector<encoding>> encode_windows(std::string_view text, std::uint32_t,
                                               const encode_options& options) const override {
    last_options = options;
    const auto found = windows.find(std::string(text));
    if (found == windows.end()) return fail(error_code::unprocessable, "not recorded: " + std::string(text));
    return found->second;
  }
  result<std::string> decode(std::span<const std::int32_t> ids, bool skip_special, bool) const override {
    std::vector<std::int32_t> key(ids.begin(), ids.end());
    if (skip_special) key.insert(key.begin(), -1);
    const auto found = decoded.find(key);
    return found == decoded.end() ? "not recorded" : found->second;
  }
  result<std::string> join(std::span<const std::int32_t> ids) const override {
    std::string out;
    for (const auto& id : ids) {
      auto token = tokens.at(static_cast<std::size_t>(id));
      if (how_ == decoder::wordpiece) {
        if (&id != ids.data()) token = token.starts_with(prefix) ? token.substr(prefix.size()) : ' ' + token;
        out += cleaned(token);
      } else if (how_ == decoder::metaspace) {
        const std::string space = "▁";
        for (auto at = token.find(space); at != token.npos; at = token.find(space, at))
          token.replace(at, space.size(), " ");
        out += &id == ids.data() && token.starts_with(' ') ? token.substr(1) : token;
      } else {
        out += bytes_of(token);
      }
    }
    return out;
  }
  std::optional<std::string> token_of(std::int32_t id) const override {
    if (id < 0 || static_cast<std::size_t>(id) >= tokens.size()) return std::nullopt;
    return tokens[static_cast<std::size_t>(id)];
  }
  std::optional<std::int32_t> id_of(std::string_view token) const override {
    for (std::size_t i = 0; i < tokens.size(); ++i)
      if (tokens[i] == token) return static_cast<std::int32_t>(i);
    return std::nullopt;
  }
  const special_ids& specials() const noexcept override { return named; }
  std::string_view continuing_prefix() const noexcept override { return prefix; }
  result<void> make_details() const override { return {}; }
  std::uint32_t special_count() const noexcept override { return 2; }
  std::uint32_t pair_special_count() const noexcept override { return 3; }
  std::int32_t largest_id() const noexcept override { return static_cast<std::int32_t>(tokens.size()) - 1; }
  std::uint32_t length_max() const noexcept override { return 0; }
  const std::string& notes() const noexcept override { return notes_; }
  std::size_t memory_bytes() const noexcept override { return 0; }

 private:
  static std::string cleaned(std::string text) {
    for (const auto& [from, to] : {std::pair{" .", "."},
                                   {" ?", "?"},
                                   {" !", "!"},
                                   {" ,", ","},
                                   {" ' ", "'"},
                                   {" n't", "n't"},
                                   {" 'm", "'m"},
                                   {" do not", " don't"},
                                   {" 's", "'s"},
                                   {" 've", "'ve"},
                                   {" 're", "'re"}})
      for (auto at = text.find(from); at != text.npos; at = text.find(from, at))
        text.replace(at, std::string_view(from).size(), to);
    return text;
  }
  // GPT-2's letters for bytes; a part of a character stays one.
  static std::string bytes_of(const std::string& token) {
    static const auto letters = [] {
      std::map<std::string, char> table;
      const auto letter = [](unsigned c) {
        return c < 0x80 ? std::string(1, static_cast<char>(c))
                        : std::string{static_cast<char>(0xC0U | c >> 6U), static_cast<char>(0x80U | (c & 0x3FU))};
      };
      for (unsigned b = 0, next = 256; b < 256; ++b) {
        const bool printed = (b >= '!' && b <= '~') || (b >= 0xA1 && b <= 0xAC) || (b >= 0xAE);
        table[letter(printed ? b : next++)] = static_cast<char>(b);
      }
      return table;
    }();
    std::string out;
    for (std::size_t i = 0; i < token.size();) {
      const std::size_t size = static_cast<unsigned char>(token[i]) < 0x80 ? 1 : 2;
      const auto found = letters.find(token.substr(i, size));
      if (found == letters.end()) return token;
      out += found->second;
      i += size;
    }
    return out;
  }

  decoder how_ = decoder::wordpiece;
  std::string notes_;
};

// What a head is made of.
struct head_kit {
  model_json config = parsed("{}");
  artifact_spec spec;
  weight_plan plan;
  encoder_shape shape;
  std::shared_ptr<recorded_tokenizer> tokens = std::make_shared<recorded_tokenizer>();
  std::uint32_t length_max = 512;

  head_source source() const { return {config, spec, plan, shape, *tokens}; }
  result<head_ptr> make(const task_kind& kind) const { return kind.make(source()); }
  bool applies(const task_kind& kind) const { return kind.applies == nullptr || kind.applies(source()); }
  text_reader reader() const { return {tokens, length_max, 2, 1000}; }
  // As a model prepares it.
  result<prepared_text> read(const task_head& head, const input& in, const task_parameters& parameters = {}) const {
    if (auto ok = head.check(parameters); !ok) return tl::unexpected(ok.error());
    prepared_text out;
    out.head = &head;
    out.parameters = parameters;
    if (auto ok = head.read(in, reader(), out); !ok) return tl::unexpected(ok.error());
    return out;
  }
};

inline head_ptr made(const head_kit& kit, const task_kind& kind) {
  auto head = kit.make(kind);
  if (!head) throw std::runtime_error(head.error().message);
  return std::move(*head);
}
inline std::string refusal(const head_kit& kit, const task_kind& kind) {
  const auto head = kit.make(kind);
  if (head) return "not refused";
  EXPECT_EQ(head.error().code, error_code::unprocessable) << head.error().message;
  return head.error().message;
}
template <class T>
std::string problem_of(const result<T>& got, error_code code) {
  if (got) return "no problem";
  EXPECT_EQ(got.error().code, code) << got.error().message;
  return got.error().message + (got.error().detail.empty() ? "" : " | ") + got.error().detail;
}

// Of a head that looks at one line of logits.
inline output output_of(const task_head& head, const std::vector<float>& logits,
                        const task_parameters& parameters = {}) {
  prepared_text in;
  in.head = &head;
  in.parameters = parameters;
  in.rows.emplace_back();
  return head.make(in, {{logits}, static_cast<std::int64_t>(logits.size())});
}

}  // namespace troupe::inference::tests
