#include "inference/files/safetensors.hpp"

#include <algorithm>
#include <cstring>
#include <unordered_set>

namespace troupe::inference {
namespace {

// Bits, as the format knows types whose elements are less than a byte. 0: unknown.
std::uint64_t type_bits(std::string_view type) noexcept {
  struct known {
    std::string_view name;
    std::uint64_t bits;
  };
  static constexpr known all[] = {
      {"F32", 32},        {"BF16", 16}, {"F16", 16},    {"I64", 64},    {"F64", 64},    {"I32", 32},
      {"U8", 8},          {"I8", 8},    {"BOOL", 8},    {"I16", 16},    {"U16", 16},    {"U32", 32},
      {"U64", 64},        {"C64", 64},  {"F8_E4M3", 8}, {"F8_E5M2", 8}, {"F8_E8M0", 8}, {"F8_E4M3FNUZ", 8},
      {"F8_E5M2FNUZ", 8}, {"F4", 4},    {"F6_E2M3", 6}, {"F6_E3M2", 6}};
  for (const auto& k : all)
    if (k.name == type) return k.bits;
  return 0;
}

tl::unexpected<error> bad(const std::string& what, const std::string& why) {
  return fail(error_code::unprocessable, what + " is not a valid safetensors file: " + why);
}
tl::unexpected<error> bad_tensor(const std::string& what, const std::string& name, const std::string& why) {
  // A name may be anything that JSON holds: it is cut, so that an error stays one line.
  auto shown = name.substr(0, 120);
  std::replace_if(
      shown.begin(), shown.end(), [](char c) { return static_cast<unsigned char>(c) < 32; }, '?');
  return bad(what, "tensor '" + shown + "': " + why);
}

result<stored_tensor> parse_entry(const std::string& what, std::string name, simdjson::dom::element value) {
  simdjson::dom::object fields;
  if (value.get(fields)) return bad_tensor(what, name, "its entry must be an object");
  stored_tensor t;
  t.name = std::move(name);
  bool has_type = false, has_shape = false, has_offsets = false;
  std::uint64_t begin = 0, end = 0;
  for (const auto [key, field] : fields) {
    if (key == "dtype") {
      std::string_view type;
      if (std::exchange(has_type, true) || field.get(type))
        return bad_tensor(what, t.name, "'dtype' must be one string");
      t.type = type;
    } else if (key == "shape") {
      simdjson::dom::array dims;
      if (std::exchange(has_shape, true) || field.get(dims))
        return bad_tensor(what, t.name, "'shape' must be one array");
      for (const auto dim : dims) {
        std::uint64_t d = 0;
        if (dim.get(d) || d > static_cast<std::uint64_t>(INT64_MAX))
          return bad_tensor(what, t.name, "'shape' must hold whole numbers below 2^63");
        t.shape.push_back(static_cast<std::int64_t>(d));
      }
      if (t.shape.size() > 64) return bad_tensor(what, t.name, "'shape' has more than 64 dimensions");
    } else if (key == "data_offsets") {
      simdjson::dom::array pair;
      if (std::exchange(has_offsets, true) || field.get(pair) || pair.size() != 2 || pair.at(0).get(begin) ||
          pair.at(1).get(end))
        return bad_tensor(what, t.name, "'data_offsets' must be one array of two whole numbers");
    }  // other keys mean nothing to the format
  }
  if (!has_type || !has_shape || !has_offsets)
    return bad_tensor(what, t.name, "'dtype', 'shape' and 'data_offsets' are required");
  const auto bits = type_bits(t.type);
  if (bits == 0) return bad_tensor(what, t.name, "unknown dtype '" + t.type.substr(0, 60) + "'");
  if (end < begin) return bad_tensor(what, t.name, "its data_offsets end before they begin");
  std::uint64_t total_bits = bits;
  for (const auto d : t.shape)
    if (__builtin_mul_overflow(total_bits, static_cast<std::uint64_t>(d), &total_bits))
      return bad_tensor(what, t.name, "its shape " + shape_text(t.shape) + " overflows");
  if (total_bits % 8 != 0) return bad_tensor(what, t.name, "its elements do not fill whole bytes");
  if (total_bits / 8 != end - begin)
    return bad_tensor(what, t.name,
                      "shape " + shape_text(t.shape) + " of " + t.type + " takes " + std::to_string(total_bits / 8) +
                          " bytes, its data_offsets span " + std::to_string(end - begin));
  t.begin = begin;
  t.end = end;
  return t;
}

// `json` is the header's text, the data are the `data_bytes` after it at `data_begin`.
result<safetensors_header> parse_header(std::string_view json, std::uint64_t data_begin, std::uint64_t data_bytes,
                                        const std::string& what) {
  if (json.empty() || json.front() != '{') return bad(what, "its header must start with '{'");
  json_document document;
  if (auto ok = parse_json_object(json, "the header of " + what, document); !ok) return tl::unexpected(ok.error());
  simdjson::dom::object entries;
  if (document.root.get(entries)) return bad(what, "its header must be an object");
  safetensors_header header;
  std::unordered_set<std::string_view> names;
  for (const auto [key, value] : entries) {
    if (!names.insert(key).second) return bad_tensor(what, std::string(key), "the name occurs twice");
    if (key == "__metadata__") {
      simdjson::dom::object metadata;
      if (value.is_null()) continue;
      if (value.get(metadata)) return bad(what, "'__metadata__' must be an object of strings");
      for (const auto [name, text] : metadata) {
        std::string_view s;
        if (text.get(s)) return bad(what, "'__metadata__' must be an object of strings");
        header.metadata.insert_or_assign(std::string(name), std::string(s));
      }
      continue;
    }
    auto entry = parse_entry(what, std::string(key), value);
    if (!entry) return tl::unexpected(entry.error());
    header.tensors.push_back(std::move(*entry));
  }
  std::sort(header.tensors.begin(), header.tensors.end(),
            [](const auto& a, const auto& b) { return std::tie(a.begin, a.end) < std::tie(b.begin, b.end); });
  std::uint64_t expected = 0;
  for (auto& t : header.tensors) {
    if (t.begin < expected) return bad_tensor(what, t.name, "its bytes overlap another tensor's");
    if (t.begin > expected) return bad_tensor(what, t.name, "there is a gap before its bytes");
    if (t.end > data_bytes)
      return bad_tensor(what, t.name,
                        "its bytes end at " + std::to_string(t.end) + ", beyond the file's data (" +
                            std::to_string(data_bytes) + " bytes)");
    expected = t.end;
    t.begin += data_begin;
    t.end += data_begin;
  }
  if (expected != data_bytes)
    return bad(what, std::to_string(data_bytes - expected) + " bytes after the last tensor belong to none");
  return header;
}

result<std::uint64_t> header_bytes(std::span<const std::byte, 8> first, std::uint64_t file_bytes,
                                   const std::string& what) {
  std::uint64_t size = 0;
  const std::string_view text(reinterpret_cast<const char*>(first.data()), first.size());
  if (text.starts_with("PK\x03\x04"))
    return bad(what, "it is a ZIP archive, as torch.save() writes them; save_pretrained() writes safetensors");
  if (std::all_of(text.begin(), text.end(), [](char c) { return c >= 32 && c < 127; }))
    return bad(what, "it begins with the text '" + std::string(text) + "' instead of a header's length");
  for (int i = 7; i >= 0; --i) size = size << 8U | std::to_integer<std::uint64_t>(first[static_cast<std::size_t>(i)]);
  if (size > safetensors_header_bytes_max)
    return bad(what, "its header would be " + std::to_string(size) + " bytes, more than 100000000");
  if (size > file_bytes - 8)
    return bad(what, "its header of " + std::to_string(size) + " bytes is longer than the file");
  return size;
}

}  // namespace

result<safetensors_header> read_safetensors(int fd, std::uint64_t file_bytes, const std::filesystem::path& path) {
  const auto what = path.string();
  if (file_bytes < 8) return bad(what, "it is shorter than 8 bytes");
  std::byte first[8];
  if (auto ok = read_exactly(fd, 0, first, path); !ok) return tl::unexpected(ok.error());
  auto size = header_bytes(first, file_bytes, what);
  if (!size) return tl::unexpected(size.error());
  std::string json(*size, '\0');
  if (auto ok = read_exactly(fd, 8, std::as_writable_bytes(std::span(json)), path); !ok)
    return tl::unexpected(ok.error());
  return parse_header(json, 8 + *size, file_bytes - 8 - *size, what);
}

result<safetensors_header> read_safetensors(std::span<const std::byte> file, const std::string& what) {
  if (file.size() < 8) return bad(what, "it is shorter than 8 bytes");
  auto size = header_bytes(file.first<8>(), file.size(), what);
  if (!size) return tl::unexpected(size.error());
  const std::string_view json(reinterpret_cast<const char*>(file.data()) + 8, *size);
  return parse_header(json, 8 + *size, file.size() - 8 - *size, what);
}

std::string make_safetensors_head(std::vector<stored_tensor>& tensors,
                                  const std::map<std::string, std::string>& metadata) {
  constexpr std::uint64_t alignment = 64;
  const auto quoted = [](std::string_view text) {
    std::string out = "\"";
    for (const char c : text) {
      if (c == '"' || c == '\\') out += '\\';
      if (static_cast<unsigned char>(c) >= 32) out += c;
    }
    return out + '"';
  };
  std::string json = "{";
  const auto separate = [&] {
    if (json.size() > 1) json += ',';
  };
  if (!metadata.empty()) {
    json += "\"__metadata__\":{";
    for (const auto& [key, value] : metadata) {
      if (json.back() != '{') json += ',';
      json += quoted(key) + ':' + quoted(value);
    }
    json += '}';
  }
  std::uint64_t at = 0;  // the data begin aligned: the header is padded with spaces
  const auto entry = [&](const std::string& name, const std::string& type, const std::string& shape,
                         std::uint64_t size) {
    separate();
    json += quoted(name) + ":{\"dtype\":\"" + type + "\",\"shape\":" + shape + ",\"data_offsets\":[" +
            std::to_string(at) + ',' + std::to_string(at + size) + "]}";
    at += size;
  };
  std::size_t pads = 0;
  for (auto& t : tensors) {
    if (const auto over = at % alignment; over != 0) {
      const auto size = alignment - over;
      entry("__pad." + std::to_string(pads++), "U8", '[' + std::to_string(size) + ']', size);
    }
    t.begin = at;
    entry(t.name, t.type, shape_text(t.shape), t.elements() * stored_type_bytes(t.type));
    t.end = at;
  }
  json += '}';
  json.append((alignment - (8 + json.size()) % alignment) % alignment, ' ');
  std::string head(8, '\0');
  for (std::size_t i = 0; i < 8; ++i) head[i] = static_cast<char>(json.size() >> (8 * i) & 255U);
  head += json;
  for (auto& t : tensors) {
    t.begin += head.size();
    t.end += head.size();
  }
  return head;
}

std::uint64_t stored_type_bytes(std::string_view type) noexcept {
  const auto bits = type_bits(type);
  return bits % 8 == 0 ? bits / 8 : 0;
}

std::string shape_text(std::span<const std::int64_t> shape) {
  std::string text = "[";
  for (const auto d : shape) {
    if (text.size() > 1) text += ',';
    text += std::to_string(d);
  }
  return text + ']';
}

}  // namespace troupe::inference
