#include "inference/files/zip_archive.hpp"

#include <algorithm>
#include <unordered_set>

namespace troupe::inference {
namespace {

constexpr std::uint64_t directory_bytes_max = 64U << 20U;

tl::unexpected<error> bad(const std::filesystem::path& path, const std::string& why) {
  return fail(error_code::unprocessable, path.string() + " is not a valid archive: " + why);
}

// Little-endian numbers at places that the caller has checked.
std::uint64_t number(std::string_view bytes, std::size_t at, int width) {
  std::uint64_t value = 0;
  for (int i = width - 1; i >= 0; --i)
    value = value << 8U | static_cast<unsigned char>(bytes[at + static_cast<std::size_t>(i)]);
  return value;
}

struct directory_place {
  std::uint64_t offset = 0, size_bytes = 0, entries = 0;
};

result<std::string> read_text(const opened_file& file, std::uint64_t offset, std::uint64_t size,
                              const std::filesystem::path& path) {
  std::string text(size, '\0');
  if (auto ok = read_exactly(file.fd.get(), offset, std::as_writable_bytes(std::span(text)), path); !ok)
    return tl::unexpected(ok.error());
  return text;
}

result<directory_place> find_directory(const opened_file& file, const std::filesystem::path& path) {
  constexpr std::uint64_t end_bytes = 22, locator_bytes = 20, end64_bytes = 56;
  if (file.size_bytes < end_bytes) return bad(path, "it is too short");
  const auto tail_bytes = std::min<std::uint64_t>(file.size_bytes, end_bytes + 65535 + locator_bytes);
  const auto tail_offset = file.size_bytes - tail_bytes;
  auto tail = read_text(file, tail_offset, tail_bytes, path);
  if (!tail) return tl::unexpected(tail.error());
  const auto found = tail->rfind("PK\x05\x06");
  if (found == tail->npos || tail->size() - found < end_bytes)
    return bad(path, "it has no directory (not a ZIP file, or truncated)");
  directory_place place{number(*tail, found + 16, 4), number(*tail, found + 12, 4), number(*tail, found + 10, 2)};
  if (place.offset != 0xffffffff && place.size_bytes != 0xffffffff && place.entries != 0xffff) return place;
  if (found < locator_bytes || tail->compare(found - locator_bytes, 4, "PK\x06\x07") != 0) return place;
  const auto end64 = number(*tail, found - locator_bytes + 8, 8);
  if (end64 > file.size_bytes || file.size_bytes - end64 < end64_bytes)
    return bad(path, "its ZIP64 directory is out of range");
  auto record = read_text(file, end64, end64_bytes, path);
  if (!record) return tl::unexpected(record.error());
  if (!record->starts_with("PK\x06\x06")) return bad(path, "its ZIP64 directory is malformed");
  return directory_place{number(*record, 48, 8), number(*record, 40, 8), number(*record, 32, 8)};
}

// Sizes of 0xffffffff are in the ZIP64 extra field, in this order.
void read_zip64(std::string_view extra, zip_entry& e) {
  while (extra.size() >= 4) {
    const auto id = number(extra, 0, 2), size = number(extra, 2, 2);
    extra.remove_prefix(4);
    if (size > extra.size()) return;
    if (id == 1) {
      auto field = extra.substr(0, size);
      for (auto* value : {&e.size_bytes, &e.compressed_bytes, &e.header_offset})
        if (*value == 0xffffffff && field.size() >= 8) {
          *value = number(field, 0, 8);
          field.remove_prefix(8);
        }
      return;
    }
    extra.remove_prefix(size);
  }
}

}  // namespace

result<std::vector<zip_entry>> read_zip_directory(const opened_file& file, const std::filesystem::path& path,
                                                  const zip_limits& limits) {
  const auto place = find_directory(file, path);
  if (!place) return tl::unexpected(place.error());
  if (place->size_bytes > directory_bytes_max || place->entries > limits.entries_max)
    return bad(path, "its directory is too large");
  if (place->offset > file.size_bytes || place->size_bytes > file.size_bytes - place->offset)
    return bad(path, "its directory is out of range");
  auto text = read_text(file, place->offset, place->size_bytes, path);
  if (!text) return tl::unexpected(text.error());

  std::vector<zip_entry> entries;
  std::unordered_set<std::string> names;
  std::uint64_t deflated_bytes = 0;
  std::string_view rest = *text;
  for (std::uint64_t i = 0; i < place->entries; ++i) {
    constexpr std::size_t fixed_bytes = 46;
    if (rest.size() < fixed_bytes || !rest.starts_with("PK\x01\x02")) return bad(path, "its directory is malformed");
    const auto name_bytes = number(rest, 28, 2), extra_bytes = number(rest, 30, 2), comment_bytes = number(rest, 32, 2);
    const auto whole = fixed_bytes + name_bytes + extra_bytes + comment_bytes;
    if (whole > rest.size()) return bad(path, "its directory is malformed");
    zip_entry e;
    e.method = static_cast<std::uint16_t>(number(rest, 10, 2));
    e.compressed_bytes = number(rest, 20, 4);
    e.size_bytes = number(rest, 24, 4);
    e.header_offset = number(rest, 42, 4);
    e.directory_offset = place->offset;
    e.name = rest.substr(fixed_bytes, name_bytes);
    read_zip64(rest.substr(fixed_bytes + name_bytes, extra_bytes), e);
    rest.remove_prefix(whole);
    const auto shown = "entry '" + printable(e.name) + "' ";
    if (e.method != 0 && e.method != 8) return bad(path, shown + "is packed in an unknown way");
    if (e.header_offset > place->offset || e.compressed_bytes > place->offset - e.header_offset)
      return bad(path, shown + "lies outside of the file");
    if (e.method == 0 && e.size_bytes != e.compressed_bytes)
      return bad(path, shown + "claims another size than it has");
    if (e.method == 8 &&
        (e.size_bytes > limits.deflated_bytes_max || (deflated_bytes += e.size_bytes) > limits.deflated_bytes_max))
      return bad(path, shown + "would unpack to too much");
    if (!names.insert(e.name).second) return bad(path, shown + "occurs twice");
    entries.push_back(std::move(e));
  }
  return entries;
}

result<std::uint64_t> zip_data_offset(const opened_file& file, const std::filesystem::path& path,
                                      const zip_entry& entry) {
  constexpr std::uint64_t fixed_bytes = 30;
  const auto shown = "entry '" + printable(entry.name) + "' ";
  if (entry.method != 0) return bad(path, shown + "is compressed, which torch.save does not do");
  if (entry.header_offset > file.size_bytes || file.size_bytes - entry.header_offset < fixed_bytes + entry.name.size())
    return bad(path, shown + "lies outside of the file");
  auto header = read_text(file, entry.header_offset, fixed_bytes + entry.name.size(), path);
  if (!header) return tl::unexpected(header.error());
  if (!header->starts_with("PK\x03\x04") || number(*header, 26, 2) != entry.name.size() ||
      header->compare(fixed_bytes, entry.name.size(), entry.name) != 0)
    return bad(path, shown + "is not where the directory says");
  if ((number(*header, 6, 2) & 1U) != 0) return bad(path, shown + "is encrypted");
  const auto begin = entry.header_offset + header->size() + number(*header, 28, 2);
  if (begin > entry.directory_offset || entry.size_bytes > entry.directory_offset - begin)
    return bad(path, shown + "reaches into the directory");
  return begin;
}

}  // namespace troupe::inference
