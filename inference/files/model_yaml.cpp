#include "inference/files/model_yaml.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <deque>
#include <map>

#include <yaml.h>

#include "inference/files/files.hpp"

namespace troupe::inference {
namespace detail {

struct yaml_node {
  enum class kind { text, list, map } what = kind::text;
  std::string text;
  bool plain = true;
  std::vector<const yaml_node*> items;                            // of a list
  std::vector<std::pair<std::string, const yaml_node*>> members;  // of a map
  std::size_t line = 1, column = 1;
};

struct yaml_document {
  std::string name;
  std::deque<yaml_node> nodes;  // their addresses stay
  const yaml_node* root = nullptr;
};

}  // namespace detail

namespace {

using detail::yaml_document;
using detail::yaml_node;
constexpr std::size_t depth_max = 32, nodes_max = 200'000, members_max = 4096;

bool is_one_of(std::string_view word, std::initializer_list<std::string_view> words) {
  return std::find(words.begin(), words.end(), word) != words.end();
}
bool is_null(const yaml_node& n) {
  return n.what == yaml_node::kind::text && n.plain && is_one_of(n.text, {"", "~", "null", "Null", "NULL"});
}

// libyaml's parser and its events, each freed once.
class event_reader {
 public:
  explicit event_reader(std::string_view text) {
    if (yaml_parser_initialize(&parser_) == 0) throw std::bad_alloc();
    yaml_parser_set_encoding(&parser_, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&parser_, reinterpret_cast<const unsigned char*>(text.data()), text.size());
  }
  ~event_reader() {
    drop();
    yaml_parser_delete(&parser_);
  }
  event_reader(const event_reader&) = delete;
  event_reader& operator=(const event_reader&) = delete;

  // false: no YAML.
  bool next() {
    drop();
    if (yaml_parser_parse(&parser_, &event_) == 0) return false;
    there_ = true;
    return true;
  }
  const yaml_event_t& event() const noexcept { return event_; }
  const yaml_parser_t& parser() const noexcept { return parser_; }

 private:
  void drop() {
    if (there_) yaml_event_delete(&event_);
    there_ = false;
  }
  yaml_parser_t parser_{};
  yaml_event_t event_{};
  bool there_ = false;
};

class document_maker {
 public:
  document_maker(std::string_view text, yaml_document& into) : reader_(text), into_(into) {}

  result<void> make() {
    for (const auto expected : {YAML_STREAM_START_EVENT, YAML_DOCUMENT_START_EVENT}) {
      if (auto ok = advance(); !ok) return ok;
      if (reader_.event().type != expected) return wrong("the file is empty");
    }
    if (auto ok = advance(); !ok) return ok;
    auto root = value(0);
    if (!root) return tl::unexpected(root.error());
    into_.root = *root;
    if (auto ok = advance(); !ok) return ok;  // the document's end
    if (auto ok = advance(); !ok) return ok;
    if (reader_.event().type != YAML_STREAM_END_EVENT) return wrong("the file holds more than one document");
    if ((*root)->what != yaml_node::kind::map) return wrong("the file must hold a map");
    return {};
  }

 private:
  tl::unexpected<error> wrong(std::string_view what) const { return wrong_at(reader_.event().start_mark, what); }
  tl::unexpected<error> wrong_at(const yaml_mark_t& mark, std::string_view what) const {
    return fail(error_code::unprocessable, into_.name + ':' + std::to_string(mark.line + 1) + ':' +
                                               std::to_string(mark.column + 1) + ": " + std::string(what));
  }
  result<void> advance() {
    if (reader_.next()) return {};
    const auto& p = reader_.parser();
    const std::string why = p.problem != nullptr ? p.problem : "it cannot be read";
    return wrong_at(p.error == YAML_READER_ERROR ? p.mark : p.problem_mark, "is not usable YAML: " + why);
  }

  // Of the event that was read last.
  result<const yaml_node*> value(std::size_t depth) {
    const auto& e = reader_.event();
    if (e.type == YAML_ALIAS_EVENT) {
      const std::string name = reinterpret_cast<const char*>(e.data.alias.anchor);
      const auto found = anchors_.find(name);
      if (found == anchors_.end()) return wrong("the alias *" + printable(name) + " names nothing before it");
      return found->second;
    }
    if (depth > depth_max) return wrong("is nested deeper than " + std::to_string(depth_max) + " levels");
    if (into_.nodes.size() >= nodes_max) return wrong("the file holds too many values");
    auto& n = into_.nodes.emplace_back();
    n.line = e.start_mark.line + 1;
    n.column = e.start_mark.column + 1;
    std::string anchor;
    const auto note = [&anchor](const yaml_char_t* a) {
      if (a != nullptr) anchor = reinterpret_cast<const char*>(a);
    };
    result<void> ok;
    switch (e.type) {
      case YAML_SCALAR_EVENT:
        note(e.data.scalar.anchor);
        n.plain = e.data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
        n.text.assign(reinterpret_cast<const char*>(e.data.scalar.value), e.data.scalar.length);
        break;
      case YAML_SEQUENCE_START_EVENT:
        note(e.data.sequence_start.anchor);
        n.what = yaml_node::kind::list;
        ok = items(n, depth);
        break;
      case YAML_MAPPING_START_EVENT:
        note(e.data.mapping_start.anchor);
        n.what = yaml_node::kind::map;
        ok = members(n, depth);
        break;
      default: return wrong("a value is missing");
    }
    if (!ok) return tl::unexpected(ok.error());
    if (!anchor.empty()) anchors_.insert_or_assign(anchor, &n);  // when it is whole: no value holds itself
    return &n;
  }

  result<void> items(yaml_node& list, std::size_t depth) {
    for (;;) {
      if (auto ok = advance(); !ok) return ok;
      if (reader_.event().type == YAML_SEQUENCE_END_EVENT) return {};
      const auto item = value(depth + 1);
      if (!item) return tl::unexpected(item.error());
      list.items.push_back(*item);
    }
  }

  result<void> members(yaml_node& map, std::size_t depth) {
    for (;;) {
      if (auto ok = advance(); !ok) return ok;
      const auto& e = reader_.event();
      if (e.type == YAML_MAPPING_END_EVENT) return {};
      if (e.type != YAML_SCALAR_EVENT) return wrong("a key must be a word");
      std::string key(reinterpret_cast<const char*>(e.data.scalar.value), e.data.scalar.length);
      if (key == "<<") return wrong("merged maps (<<) are not read");
      if (map.members.size() == members_max) return wrong("the map holds too many keys");
      for (const auto& [known, ignored] : map.members)
        if (known == key) return wrong("the key '" + printable(key) + "' is there twice");
      if (auto ok = advance(); !ok) return ok;
      const auto member = value(depth + 1);
      if (!member) return tl::unexpected(member.error());
      map.members.emplace_back(std::move(key), *member);
    }
  }

  event_reader reader_;
  yaml_document& into_;
  std::map<std::string, const yaml_node*, std::less<>> anchors_;
};

}  // namespace

result<model_yaml> model_yaml::parse(std::string_view text, std::string name) {
  auto document = std::make_shared<yaml_document>();
  document->name = std::move(name);
  if (auto ok = document_maker(text, *document).make(); !ok) return tl::unexpected(ok.error());
  model_yaml out;
  out.document_ = std::move(document);
  return out;
}

result<model_yaml> model_yaml::read(const std::filesystem::path& file, std::uint64_t size_bytes_max) {
  const auto text = read_small_file(file, size_bytes_max);
  if (!text) return tl::unexpected(text.error());
  return parse(*text, file.string());
}

yaml_value model_yaml::root() const { return {document_.get(), document_->root, document_->root, {}}; }

yaml_value yaml_value::operator[](std::string_view key) const {
  auto path = path_ + (path_.empty() ? "" : ".") + printable(key);
  const yaml_node* found = nullptr;
  if (is_map())
    for (const auto& [name, value] : node_->members)
      if (name == key) found = value;
  return {document_, found, found != nullptr ? found : around_, std::move(path)};
}

yaml_value yaml_value::operator[](std::size_t index) const {
  const auto* found = is_list() && index < node_->items.size() ? node_->items[index] : nullptr;
  return {document_, found, found != nullptr ? found : around_, path_ + '[' + std::to_string(index) + ']'};
}

bool yaml_value::present() const noexcept { return node_ != nullptr && !is_null(*node_); }
bool yaml_value::is_map() const noexcept { return node_ != nullptr && node_->what == yaml_node::kind::map; }
bool yaml_value::is_list() const noexcept { return node_ != nullptr && node_->what == yaml_node::kind::list; }
std::size_t yaml_value::size() const noexcept {
  return is_map() ? node_->members.size() : is_list() ? node_->items.size() : 0;
}
std::vector<std::string> yaml_value::keys() const {
  std::vector<std::string> all;
  if (is_map())
    for (const auto& [name, value] : node_->members) all.push_back(name);
  return all;
}

result<std::string> yaml_value::text() const {
  if (!present() || node_->what != yaml_node::kind::text) return problem("must be a text");
  return node_->text;
}

result<bool> yaml_value::flag() const {
  if (present() && node_->what == yaml_node::kind::text && node_->plain) {
    if (is_one_of(node_->text, {"true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON"})) return true;
    if (is_one_of(node_->text, {"false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF"})) return false;
  }
  return problem("must be true or false");
}

result<std::int64_t> yaml_value::whole(std::int64_t least, std::int64_t most) const {
  if (present() && node_->what == yaml_node::kind::text && node_->plain) {
    const std::string_view word = node_->text;
    // A leading zero is octal in YAML 1.1: nobody means it here.
    const auto digits = word.substr(word.starts_with('-') ? 1 : 0);
    std::int64_t n = 0;
    const auto end = std::from_chars(word.data(), word.data() + word.size(), n);
    if (end.ec == std::errc{} && end.ptr == word.data() + word.size() && (digits.size() == 1 || digits[0] != '0') &&
        n >= least && n <= most)
      return n;
  }
  return problem("must be a whole number from " + std::to_string(least) + " to " + std::to_string(most));
}

result<double> yaml_value::number(double least, double most) const {
  if (present() && node_->what == yaml_node::kind::text && node_->plain) {
    std::string_view word = node_->text;
    if (word.starts_with('+')) word.remove_prefix(1);
    double n = 0;
    const auto end = std::from_chars(word.data(), word.data() + word.size(), n);
    if (end.ec == std::errc{} && end.ptr == word.data() + word.size() && n >= least && n <= most) return n;
  }
  std::array<char, 64> range{};
  std::snprintf(range.data(), range.size(), "must be a number from %g to %g", least, most);
  return problem(range.data());
}

result<std::vector<std::string>> yaml_value::texts() const {
  if (!is_list()) return problem("must be a list of texts");
  std::vector<std::string> all;
  for (std::size_t i = 0; i < size(); ++i) {
    auto one = (*this)[i].text();
    if (!one) return tl::unexpected(one.error());
    all.push_back(std::move(*one));
  }
  return all;
}

result<std::vector<std::int64_t>> yaml_value::wholes(std::int64_t least, std::int64_t most) const {
  if (!is_list()) return problem("must be a list of whole numbers");
  std::vector<std::int64_t> all;
  for (std::size_t i = 0; i < size(); ++i) {
    const auto one = (*this)[i].whole(least, most);
    if (!one) return tl::unexpected(one.error());
    all.push_back(*one);
  }
  return all;
}

tl::unexpected<error> yaml_value::problem(std::string_view what, std::string detail) const {
  return fail(error_code::unprocessable,
              document_->name + ':' + std::to_string(around_->line) + ':' + std::to_string(around_->column) + ": " +
                  (path_.empty() ? "" : '\'' + path_ + "' ") + std::string(what) +
                  (node_ == nullptr ? ", and is missing" : ""),
              std::move(detail));
}

template <class Read>
yaml_reader& yaml_reader::take(const yaml_value& from, Read read) {
  if (outcome_ && from.present()) outcome_ = read();
  return *this;
}

namespace {

template <class T>
result<void> put(result<T> made, T& into) {
  if (!made) return tl::unexpected(made.error());
  into = std::move(*made);
  return {};
}
result<void> must_be(const yaml_value& from, bool is, const std::string& only) {
  if (is) return {};
  const auto written = from.text();
  return from.problem(
      "is " + (written ? '\'' + printable(*written) + '\'' : "no single value") + ", which is not known",
      "only " + only + " is");
}

}  // namespace

yaml_reader& yaml_reader::whole(const yaml_value& from, std::int64_t& into, std::int64_t least, std::int64_t most) {
  return take(from, [&] { return put(from.whole(least, most), into); });
}
yaml_reader& yaml_reader::number(const yaml_value& from, double& into, double least, double most) {
  return take(from, [&] { return put(from.number(least, most), into); });
}
yaml_reader& yaml_reader::flag(const yaml_value& from, bool& into) {
  return take(from, [&] { return put(from.flag(), into); });
}
yaml_reader& yaml_reader::text(const yaml_value& from, std::string& into) {
  return take(from, [&] { return put(from.text(), into); });
}
yaml_reader& yaml_reader::wholes(const yaml_value& from, std::vector<std::int64_t>& into, std::int64_t least,
                                 std::int64_t most) {
  return take(from, [&] { return put(from.wholes(least, most), into); });
}
yaml_reader& yaml_reader::expect(const yaml_value& from, int only) { return expect(from, static_cast<double>(only)); }
yaml_reader& yaml_reader::expect(const yaml_value& from, double only) {
  return take(from, [&] {
    const auto read = from.number(-1e300, 1e300);
    std::array<char, 32> written{};
    std::snprintf(written.data(), written.size(), "%g", only);
    return must_be(from, read && *read == only, written.data());
  });
}
yaml_reader& yaml_reader::expect(const yaml_value& from, bool only) {
  return take(from, [&] {
    const auto read = from.flag();
    return must_be(from, read && *read == only, only ? "true" : "false");
  });
}
yaml_reader& yaml_reader::expect(const yaml_value& from, const char* only) {
  return take(from, [&] {
    const auto read = from.text();
    return must_be(from, read && *read == only, only);
  });
}
yaml_reader& yaml_reader::need(const yaml_value& from) {
  if (outcome_ && !from.present()) outcome_ = from.problem("must be there");
  return *this;
}

}  // namespace troupe::inference
