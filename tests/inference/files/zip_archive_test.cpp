#include "inference/files/zip_archive.hpp"

#include <random>

#include "tests/inference/support.hpp"

namespace troupe::inference::tests {
namespace {

result<std::vector<zip_entry>> read(const std::string& bytes) {
  scratch_folder scratch;
  write_file(scratch.path() / "x.pt", bytes);
  auto file = open_for_reading(scratch.path() / "x.pt");
  return read_zip_directory(*file, "x.pt");
}
std::string good() { return read_file(fixtures() / "torchscript" / "linear.pt"); }

void put(std::string& bytes, std::size_t at, std::uint64_t value, int width) {
  for (int i = 0; i < width; ++i) bytes[at + static_cast<std::size_t>(i)] = static_cast<char>(value >> (8 * i) & 255U);
}

TEST(zip_archive, reads_the_directory) {
  const auto entries = read(good());
  ASSERT_TRUE(entries) << entries.error().message;
  EXPECT_TRUE(
      std::any_of(entries->begin(), entries->end(), [](const auto& e) { return e.name.ends_with("/data.pkl"); }));
}

TEST(zip_archive, refuses_what_lies_outside) {
  const auto bytes = good();
  EXPECT_FALSE(read(""));
  EXPECT_FALSE(read("no archive at all, but longer than the end record"));
  EXPECT_FALSE(read(bytes.substr(0, bytes.size() / 2)));
  const auto end = bytes.rfind("PK\x05\x06");
  const auto first = bytes.find("PK\x01\x02");
  ASSERT_NE(first, bytes.npos);
  const auto changed = [&](std::size_t at, std::uint64_t value, int width) {
    auto copy = bytes;
    put(copy, at, value, width);
    return read(copy).has_value();
  };
  EXPECT_TRUE(changed(first + 16, 0, 4));            // the checksum is the reader's business
  EXPECT_FALSE(changed(end + 16, 0x7fffffff, 4));    // the directory's place
  EXPECT_FALSE(changed(end + 12, 0x7fffffff, 4));    // its size
  EXPECT_FALSE(changed(end + 10, 60000, 2));         // its number of entries
  EXPECT_FALSE(changed(first + 20, 0x7fffffff, 4));  // an entry's size in the file
  EXPECT_FALSE(changed(first + 24, 0x7fffffff, 4));  // its size in memory
  EXPECT_FALSE(changed(first + 42, 0x7fffffff, 4));  // its place
  EXPECT_FALSE(changed(first + 10, 99, 2));          // its method
  EXPECT_FALSE(changed(first + 28, 0xffff, 2));      // its name's length
}

TEST(zip_archive, survives_random_mutations) {
  const auto seed = std::random_device{}();
  RecordProperty("seed", std::to_string(seed));
  std::mt19937 random(seed);
  const auto original = good();
  const auto first = original.find("PK\x01\x02");
  scratch_folder scratch;
  for (int round = 0; round < 500; ++round) {
    auto bytes = original;
    for (auto changes = 1 + random() % 6; changes > 0; --changes)
      bytes[first + random() % (bytes.size() - first)] = static_cast<char>(random());
    write_file(scratch.path() / "x", bytes);
    auto file = open_for_reading(scratch.path() / "x");
    const auto entries = read_zip_directory(*file, "x");
    if (!entries) continue;
    for (const auto& e : *entries)
      ASSERT_LE(e.header_offset + e.compressed_bytes, bytes.size()) << "seed " << seed << " round " << round;
  }
}

}  // namespace
}  // namespace troupe::inference::tests
