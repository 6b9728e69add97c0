// Every rule of the format has a file that breaks it.

#include <fcntl.h>
#include <unistd.h>

#include <random>

#include "inference/files/checkpoint.hpp"
#include "inference/files/safetensors.hpp"
#include "tests/inference/support.hpp"

namespace troupe::inference::tests {
namespace {

std::string with_length(std::uint64_t length, std::string_view rest) {
  std::string out(8, '\0');
  for (std::size_t i = 0; i < 8; ++i) out[i] = static_cast<char>(length >> (8 * i) & 255U);
  return out.append(rest);
}
std::string file_of(std::string_view json, std::size_t data_bytes) {
  return with_length(json.size(), std::string(json) + std::string(data_bytes, '\1'));
}

// Reads the bytes both ways, from memory and from a file, which must agree.
result<safetensors_header> read(const std::string& bytes) {
  auto from_memory = read_safetensors(std::as_bytes(std::span(bytes)), "x");
  scratch_folder scratch;
  write_file(scratch.path() / "x", bytes);
  auto file = open_for_reading(scratch.path() / "x");
  auto from_file = read_safetensors(file->fd.get(), file->size_bytes, "x");
  EXPECT_EQ(from_memory.has_value(), from_file.has_value());
  if (!from_memory && !from_file) {
    EXPECT_EQ(from_memory.error().message, from_file.error().message);
  }
  return from_memory;
}
std::string problem(const std::string& bytes) {
  auto header = read(bytes);
  if (header) return "accepted";
  EXPECT_EQ(header.error().code, error_code::unprocessable);
  EXPECT_EQ(header.error().message.find('\n'), std::string::npos);
  return header.error().message;
}

constexpr const char* good =
    R"({"__metadata__":{"format":"pt"},"b":{"dtype":"F32","shape":[2,3],"data_offsets":[4,28]},"a":{"dtype":"F16","shape":[2],"data_offsets":[0,4]},"s":{"dtype":"I64","shape":[],"data_offsets":[28,36]},"z":{"dtype":"U8","shape":[0,9],"data_offsets":[36,36]}})";

TEST(safetensors, reads_a_good_file) {
  const auto header = read(file_of(good, 36));
  ASSERT_TRUE(header) << header.error().message;
  ASSERT_EQ(header->tensors.size(), 4U);
  EXPECT_EQ(header->tensors[0].name, "a");
  EXPECT_EQ(header->tensors[1].shape, (std::vector<std::int64_t>{2, 3}));
  EXPECT_EQ(header->tensors[1].end - header->tensors[1].begin, 24U);
  EXPECT_EQ(header->metadata.at("format"), "pt");
}

// As the reference implementation reads them.
TEST(safetensors, null_metadata_and_keys_of_others_are_accepted) {
  const auto header = read(file_of(
      R"({"__metadata__":null,"w":{"dtype":"F32","x":[1,{"y":null}],"shape":[1],"data_offsets":[0,4],"quantization":{"bits":4}}})",
      4));
  ASSERT_TRUE(header) << header.error().message;
  EXPECT_TRUE(header->metadata.empty());
  ASSERT_EQ(header->tensors.size(), 1U);
  EXPECT_EQ(header->tensors[0].name, "w");
  EXPECT_EQ(header->tensors[0].shape, (std::vector<std::int64_t>{1}));
}

struct broken {
  const char* name;
  std::string bytes;
  const char* says;
};
std::vector<broken> broken_files() {
  const auto one = [](const std::string& fields, std::size_t bytes = 4) {
    return file_of("{\"w\":{" + fields + "}}", bytes);
  };
  const std::string two =
      R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[4],"data_offsets":)";
  return {
      {"empty", "", "shorter than 8"},
      {"seven_bytes", "1234567", "shorter than 8"},
      {"length_beyond_the_file", with_length(100, "{}"), "longer than the file"},
      {"length_of_2_63", with_length(1ULL << 63U, "{}"), "more than 100000000"},
      {"length_of_2_64_less_1", with_length(UINT64_MAX, "{}"), "more than 100000000"},
      {"length_100_mb_and_1", with_length(100'000'001, "{}"), "more than 100000000"},
      {"empty_header", with_length(0, ""), "start with '{'"},
      {"space_before", file_of(" {}", 0), "start with '{'"},
      {"an_array", file_of("[]", 0), "start with '{'"},
      {"no_json", file_of("{nonsense}", 0), "JSON"},
      {"cut_json", file_of("{\"a\":", 0), "JSON"},
      {"not_utf8", file_of("{\"\xff\xfe\":1}", 0), "UTF-8"},
      {"deep", file_of("{\"a\":" + std::string(50'000, '[') + std::string(50'000, ']') + "}", 0), "nested too deeply"},
      {"entry_is_a_number", file_of("{\"w\":1}", 0), "tensor 'w': its entry must be an object"},
      {"metadata_is_no_object", file_of(R"({"__metadata__":[]})", 0), "__metadata__"},
      {"metadata_holds_a_number", file_of(R"({"__metadata__":{"a":1}})", 0), "__metadata__"},
      {"name_twice",
       file_of(
           R"({"w":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"w":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}})",
           4),
       "tensor 'w': the name occurs twice"},
      {"no_dtype", one(R"("shape":[1],"data_offsets":[0,4])"), "required"},
      {"no_shape", one(R"("dtype":"F32","data_offsets":[0,4])"), "required"},
      {"no_offsets", one(R"("dtype":"F32","shape":[1])"), "required"},
      {"dtype_twice", one(R"("dtype":"F32","dtype":"F32","shape":[1],"data_offsets":[0,4])"), "'dtype' must be one"},
      {"metadata_is_a_text", file_of(R"({"__metadata__":"pt"})", 0), "__metadata__"},
      {"zip", "PK\x03\x04 and so on", "ZIP archive"},
      {"text", "Entry not found", "begins with the text 'Entry no'"},
      {"unknown_dtype", one(R"("dtype":"F33","shape":[1],"data_offsets":[0,4])"), "unknown dtype 'F33'"},
      {"dtype_is_a_number", one(R"("dtype":7,"shape":[1],"data_offsets":[0,4])"), "'dtype' must be"},
      {"negative_size", one(R"("dtype":"F32","shape":[-1],"data_offsets":[0,4])"), "'shape' must hold"},
      {"fractional_size", one(R"("dtype":"F32","shape":[1.5],"data_offsets":[0,4])"), "'shape' must hold"},
      {"size_of_2_63", one(R"("dtype":"F32","shape":[9223372036854775808],"data_offsets":[0,4])"), "below 2^63"},
      {"size_beyond_64_bits", one(R"("dtype":"F32","shape":[99999999999999999999],"data_offsets":[0,4])"), "JSON"},
      {"product_overflows", one(R"("dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,4])"), "overflows"},
      {"product_wraps_to_the_right_size", one(R"("dtype":"F32","shape":[4611686018427387905],"data_offsets":[0,4])"),
       "overflows"},
      {"too_small_for_its_shape", one(R"("dtype":"F32","shape":[2],"data_offsets":[0,4])"),
       "takes 8 bytes, its data_offsets span 4"},
      {"too_large_for_its_shape", one(R"("dtype":"F32","shape":[1],"data_offsets":[0,8])", 8), "takes 4 bytes"},
      {"scalar_of_no_bytes", one(R"("dtype":"F32","shape":[],"data_offsets":[0,0])", 0), "takes 4 bytes"},
      {"ends_before_it_begins", one(R"("dtype":"F32","shape":[1],"data_offsets":[4,0])"), "end before they begin"},
      {"beyond_the_file", one(R"("dtype":"F32","shape":[2],"data_offsets":[0,8])", 4), "beyond the file's data"},
      {"offsets_of_2_63", one(R"("dtype":"U8","shape":[1],"data_offsets":[9223372036854775808,9223372036854775809])"),
       "gap"},
      {"offsets_at_the_top",
       one(R"("dtype":"U8","shape":[1],"data_offsets":[18446744073709551614,18446744073709551615])"), "gap"},
      {"one_offset", one(R"("dtype":"F32","shape":[1],"data_offsets":[0])"), "two whole numbers"},
      {"three_offsets", one(R"("dtype":"F32","shape":[1],"data_offsets":[0,4,8])"), "two whole numbers"},
      {"negative_offset", one(R"("dtype":"F32","shape":[1],"data_offsets":[-4,0])"), "two whole numbers"},
      {"half_a_byte", one(R"("dtype":"F4","shape":[1],"data_offsets":[0,0])", 0), "whole bytes"},
      {"overlapping", file_of(two + "[2,6]}}", 8), "overlap"},
      {"the_same_bytes", file_of(two + "[0,4]}}", 4), "overlap"},
      {"gap_between", file_of(two + "[5,9]}}", 9), "gap"},
      {"gap_at_the_start", one(R"("dtype":"F32","shape":[1],"data_offsets":[4,8])", 8), "gap"},
      {"bytes_left_over", one(R"("dtype":"F32","shape":[1],"data_offsets":[0,4])", 5), "belong to none"},
      {"data_without_tensors", file_of("{}", 5), "belong to none"},
      {"truncated_data", one(R"("dtype":"F32","shape":[1],"data_offsets":[0,4])", 3), "beyond the file's data"},
      {"newline_in_the_name", file_of("{\"a\\nb\":1}", 0), "a?b"},
  };
}

TEST(safetensors, refuses_each_kind_of_broken_file) {
  for (const auto& b : broken_files()) {
    SCOPED_TRACE(b.name);
    EXPECT_NE(problem(b.bytes).find(b.says), std::string::npos) << problem(b.bytes);
  }
}

TEST(safetensors, many_dimensions_are_bounded) {
  std::string shape = "1";
  for (int i = 0; i < 100; ++i) shape += ",1";
  EXPECT_NE(problem(file_of("{\"w\":{\"dtype\":\"U8\",\"shape\":[" + shape + "],\"data_offsets\":[0,1]}}", 1))
                .find("64 dimensions"),
            std::string::npos);
}

TEST(safetensors, reads_what_it_writes) {
  std::vector<stored_tensor> tensors{
      {"one", "F32", {3}, 0, 0}, {"two \"quoted\"", "BF16", {5, 7}, 0, 0}, {"three", "U8", {1}, 0, 0}};
  auto head = make_safetensors_head(tensors, {{"key", "a \\ value"}});
  EXPECT_EQ(head.size() % 64, 0U);
  head.append(tensors.back().end - head.size(), '\0');
  const auto header = read(head);
  ASSERT_TRUE(header) << header.error().message;
  EXPECT_EQ(header->metadata.at("key"), "a \\ value");
  for (const auto& t : tensors) {
    EXPECT_EQ(t.begin % 64, 0U);
    const auto same =
        std::find_if(header->tensors.begin(), header->tensors.end(), [&](const auto& o) { return o.name == t.name; });
    ASSERT_NE(same, header->tensors.end());
    EXPECT_EQ(same->begin, t.begin);
    EXPECT_EQ(same->end, t.end);
  }
}

// Whatever bytes change: an error, or tensors that lie inside the file. Never a crash (the sanitizers
// watch).
TEST(safetensors, survives_random_mutations) {
  const auto seed = std::random_device{}();
  RecordProperty("seed", std::to_string(seed));
  std::mt19937 random(seed);
  const auto original = file_of(good, 36);
  const std::string alphabet = "{}[]\",:0123456789-.eE \\truefalsn\xff";
  for (int round = 0; round < 20'000; ++round) {
    auto bytes = original;
    for (auto changes = 1 + random() % 4; changes > 0; --changes) {
      const auto at = random() % bytes.size();
      switch (random() % 4) {
        case 0: bytes[at] = static_cast<char>(random()); break;
        case 1: bytes[at] = alphabet[random() % alphabet.size()]; break;
        case 2: bytes.erase(at, 1 + random() % 8); break;
        default: bytes.insert(at, 1, alphabet[random() % alphabet.size()]);
      }
      if (bytes.empty()) bytes = "x";
    }
    const auto header = read_safetensors(std::as_bytes(std::span(bytes)), "x");
    if (!header) continue;
    for (const auto& t : header->tensors)
      ASSERT_TRUE(t.begin <= t.end && t.end <= bytes.size() &&
                  t.elements() * stored_type_bytes(t.type) == t.end - t.begin)
          << "seed " << seed << " round " << round;
  }
}

}  // namespace
}  // namespace troupe::inference::tests
