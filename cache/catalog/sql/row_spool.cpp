#include "cache/catalog/sql/row_spool.hpp"

#include <array>
#include <cerrno>
#include <charconv>
#include <system_error>

namespace troupe::cache {
namespace {

constexpr std::size_t piece_bytes = 256 * 1024;

tl::unexpected<error> refused(const char* what) {
  return fail(error_code::unavailable,
              std::string("the rows of a sync cannot be ") + what + ": " + std::generic_category().message(errno),
              "a temporary folder with room");
}

template <class T>
void append_number(std::string& out, T value) {
  std::array<char, 32> text{};
  out.append(text.data(), std::to_chars(text.data(), text.data() + text.size(), value).ptr);
}

}  // namespace

void row_spool::separate() {
  if (row_begun_) held_ += '\t';
  row_begun_ = true;
}

void row_spool::field(std::string_view text) {
  separate();
  for (const char c : text) {
    switch (c) {
      case '\\': held_ += "\\\\"; break;
      case '\t': held_ += "\\t"; break;
      case '\n': held_ += "\\n"; break;
      case '\r': held_ += "\\r"; break;
      default: held_ += c;
    }
  }
}

void row_spool::field(std::int64_t value) {
  separate();
  append_number(held_, value);
}

void row_spool::field(double value) {
  separate();
  append_number(held_, value);
}

void row_spool::null() {
  separate();
  held_ += "\\N";
}

result<void> row_spool::end_row() {
  held_ += '\n';
  row_begun_ = false;
  ++rows_;
  return held_.size() < piece_bytes ? result<void>() : flush();
}

result<void> row_spool::flush() {
  if (!file_) file_.reset(std::tmpfile());
  if (!file_ || std::fwrite(held_.data(), 1, held_.size(), file_.get()) != held_.size()) return refused("kept");
  held_.clear();
  return {};
}

result<void> row_spool::rewind() {
  if (auto ok = flush(); !ok) return ok;
  if (std::fflush(file_.get()) != 0 || std::fseek(file_.get(), 0, SEEK_SET) != 0) return refused("kept");
  held_.clear();
  given_ = 0;
  return {};
}

result<std::string_view> row_spool::read() {
  held_.erase(0, given_);
  given_ = 0;
  const auto rest = held_.size();
  held_.resize(rest + piece_bytes);
  const auto n = std::fread(held_.data() + rest, 1, piece_bytes, file_.get());
  if (n < piece_bytes && std::ferror(file_.get()) != 0) return refused("read");
  held_.resize(rest + n);
  const auto end = held_.rfind('\n');
  given_ = end == held_.npos ? 0 : end + 1;
  if (given_ == 0 && n > 0) return read();  // a row is longer than a piece
  return std::string_view(held_).substr(0, given_);
}

std::vector<std::optional<std::string>> take_row(std::string_view& text) {
  std::vector<std::optional<std::string>> out;
  const auto end = text.find('\n');
  std::string field;
  bool is_null = false;
  const auto end_field = [&] {
    out.push_back(is_null ? std::nullopt : std::optional(field));
    field.clear();
    is_null = false;
  };
  for (std::size_t i = 0; i < end; ++i) {
    if (text[i] == '\t') {
      end_field();
    } else if (text[i] != '\\') {
      field += text[i];
    } else {
      switch (const char c = text[++i]) {
        case 'N': is_null = true; break;
        case 't': field += '\t'; break;
        case 'n': field += '\n'; break;
        case 'r': field += '\r'; break;
        default: field += c;
      }
    }
  }
  end_field();
  text.remove_prefix(end + 1);
  return out;
}

}  // namespace troupe::cache
