// What torch.save wrote (tests/parity/make_torch_files.py) is found as torch finds it; what nobody wrote is refused.

#include "inference/files/torch_file.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <cstring>
#include <limits>
#include <random>

#include "inference/files/checkpoint.hpp"
#include "inference/files/mapped_file.hpp"
#include "inference/files/weights.hpp"
#include "tests/inference/support.hpp"

namespace troupe::inference::tests {
namespace {

using namespace std::string_literals;

fs::path torch_files() { return fixtures() / "inference" / "torch_files"; }
std::string fixture(const std::string& name) { return read_file(torch_files() / name); }

// A file that takes no disk: thousands are read here.
result<std::vector<stored_tensor>> read_bytes(const std::string& bytes) {
  const fs::path path = "folder/pytorch_model.bin";
  opened_file file;
  file.fd = file_descriptor(::memfd_create("pytorch_model.bin", MFD_CLOEXEC));
  file.size_bytes = bytes.size();
  if (::write(file.fd.get(), bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size()))
    throw std::runtime_error("no memory file");
  auto tensors = read_torch_file(file, path);
  if (tensors) {
    for (const auto& t : *tensors) {
      EXPECT_LE(t.begin, t.end) << t.name;
      EXPECT_LE(t.end, bytes.size()) << t.name;
    }
  } else {
    EXPECT_EQ(tensors.error().code, error_code::unprocessable) << tensors.error().message;
    EXPECT_NE(tensors.error().message.find(path.string()), std::string::npos) << tensors.error().message;
    EXPECT_EQ(tensors.error().message.find('\n'), std::string::npos) << tensors.error().message;
  }
  return tensors;
}
std::string problem(const std::string& bytes) {
  const auto read = read_bytes(bytes);
  return read ? "accepted" : read.error().message;
}

// ---- what torch wrote ----

checkpoint open_alone(const scratch_folder& scratch, const std::string& name) {
  fs::copy(torch_files() / name, scratch.path() / "pytorch_model.bin");
  auto opened = checkpoint::open(scratch.path(), 0);
  if (!opened) throw std::runtime_error(opened.error().message);
  return std::move(*opened);
}

std::string hex(std::span<const std::byte> bytes) {
  std::string out;
  for (const auto b : bytes)
    for (const auto digit : {std::to_integer<unsigned>(b) >> 4U, std::to_integer<unsigned>(b) & 15U})
      out += "0123456789abcdef"[digit];
  return out;
}
std::string hex_of(const checkpoint::located& at, std::uint64_t first, std::uint64_t count, std::uint64_t width) {
  std::vector<std::byte> bytes(count * width);
  const auto ok = at.read(first, bytes);
  return ok ? hex(bytes) : ok.error().message;
}

simdjson::dom::element expected_of(simdjson::dom::parser& parser, const std::string& name) {
  return parser.load((torch_files() / "expected.json").string())[name];
}

void expect_the_same(const checkpoint& found, simdjson::dom::object expected) {
  EXPECT_GT(expected.size(), 0U);
  for (const auto [name, what] : expected) {
    const auto at = found.find(name);
    ASSERT_NE(at.tensor, nullptr) << name;
    EXPECT_EQ(at.tensor->type, std::string_view(what["dtype"])) << name;
    std::vector<std::int64_t> shape;
    for (const std::int64_t d : what["shape"].get_array()) shape.push_back(d);
    EXPECT_EQ(at.tensor->shape, shape) << name;
    const auto width = stored_type_bytes(at.tensor->type);
    const std::string data{std::string_view(what["data"])};
    const auto count = at.tensor->elements();
    ASSERT_EQ(data.size(), 2 * width * count) << name;
    EXPECT_EQ(hex_of(at, 0, count, width), data) << name;
    // From anywhere to anywhere.
    for (std::uint64_t first = 0; first < count && count < 100; ++first)
      for (std::uint64_t n = 1; first + n <= count; ++n)
        ASSERT_EQ(hex_of(at, first, n, width), data.substr(2 * width * first, 2 * width * n))
            << name << ' ' << first << ' ' << n;
  }
}

class torch_file : public testing::TestWithParam<const char*> {};
TEST_P(torch_file, is_read_as_torch_reads_it) {
  scratch_folder scratch;
  simdjson::dom::parser parser;
  expect_the_same(open_alone(scratch, GetParam()), expected_of(parser, GetParam()));
}
INSTANTIATE_TEST_SUITE_P(written_by_torch, torch_file,
                         testing::Values("zip_fp32.bin", "zip_fp16.bin", "zip_bf16.bin", "zip_protocol_4.bin",
                                         "zip_protocol_5.bin", "legacy_fp32.bin", "legacy_bf16.bin", "zip_views.bin",
                                         "legacy_views.bin", "zip_tied.bin", "legacy_tied.bin", "zip_parameters.bin",
                                         "legacy_parameters.bin", "zip_types.bin", "zip_with_others.bin",
                                         "zip_with_others_protocol_5.bin"),
                         [](const auto& one) {
                           std::string name = one.param;
                           return name.substr(0, name.find('.'));
                         });

TEST(torch_files, shards_are_found_by_their_index) {
  simdjson::dom::parser parser;
  const auto found = checkpoint::open(torch_files() / "sharded", 0);
  ASSERT_TRUE(found) << found.error().message;
  expect_the_same(*found, expected_of(parser, "sharded"));
}

TEST(torch_files, other_entries_are_passed_over) {
  const auto read = read_bytes(fixture("zip_with_others.bin"));
  ASSERT_TRUE(read) << read.error().message;
  ASSERT_EQ(read->size(), 2U);
  EXPECT_EQ((*read)[0].name, "w");
  EXPECT_EQ((*read)[1].name, "b");
}

TEST(torch_files, tied_tensors_have_the_same_bytes) {
  for (const char* name : {"zip_tied.bin", "legacy_tied.bin"}) {
    const auto read = read_bytes(fixture(name));
    ASSERT_TRUE(read) << read.error().message;
    ASSERT_EQ(read->size(), 3U);
    EXPECT_EQ((*read)[0].begin, (*read)[1].begin);
    EXPECT_EQ((*read)[0].end, (*read)[1].end);
    EXPECT_NE((*read)[0].begin, (*read)[2].begin);
  }
}

// Matrices from TensorFlow lie transposed: what is served of them does not.
TEST(torch_files, views_are_converted_as_they_are_seen) {
  scratch_folder scratch;
  const auto source = open_alone(scratch, "zip_views.bin");
  weight_request request;
  request.plan = {{"t", {6, 8}, false, {"transposed"}, ""},
                  {"two", {12, 8}, false, {"transposed", "transposed"}, ""},
                  {"sum", {8, 6}, false, {"whole"}, "repeated"}};
  request.source = scratch.path();
  request.account = std::make_shared<memory_account>();
  ASSERT_TRUE(check_plan(request.plan, source));
  const auto loaded = load_weights(request, source);
  ASSERT_TRUE(loaded) << loaded.error().message;
  const auto value = [&](std::size_t tensor, std::size_t element) {
    float v = 0;
    std::memcpy(&v, loaded->memory->bytes().data() + loaded->tensors[tensor].begin + 4 * element, 4);
    return v;
  };
  for (std::size_t row = 0; row < 8; ++row)
    for (std::size_t column = 0; column < 6; ++column) {
      const auto whole = static_cast<float>(row * 6 + column) / 4;
      EXPECT_EQ(value(0, column * 8 + row), whole);
      EXPECT_EQ(value(1, column * 8 + row), whole);
      EXPECT_EQ(value(1, (6 + column) * 8 + row), whole);
      EXPECT_EQ(value(2, row * 6 + column), whole + static_cast<float>(2 * 6 + column) / 4);
    }
}

TEST(torch_files, what_is_not_read_is_named) {
  const std::pair<const char*, const char*> all[] = {
      {"no_sparse.bin", ": tensor 'sparse' is sparse"},
      {"no_quantized.bin", ": tensor 'quantized' is quantized"},
      {"no_meta.bin", ": tensor 'meta' has no data"},
      {"no_permuted.bin", ": tensor 'permuted' is not contiguous: shape [4,2,3], strides [1,12,4]"},
      {"no_conjugated.bin", ": tensor 'conjugated' is a view that conjugates"},
      {"no_nested.bin", " has no tensors but in its 'state_dict'"},
      {"no_namespace.bin", " asks for argparse.Namespace, which no state dict needs"},
      {"no_module.bin", " asks for torch.nn.modules.linear.Linear, which no state dict needs"},
      {"no_tensor.bin", " holds a call of torch._utils._rebuild_tensor_v2, not a state dict"},
      {"no_program.bin", " is a TorchScript program, not a state dict"},
  };
  for (const auto& [name, says] : all)
    EXPECT_NE(problem(fixture(name)).find(says), std::string::npos) << problem(fixture(name));
}

TEST(torch_files, every_prefix_is_an_error) {
  for (const char* name : {"zip_tied.bin", "legacy_tied.bin", "legacy_views.bin"}) {
    const auto bytes = fixture(name);
    ASSERT_TRUE(read_bytes(bytes));
    for (std::size_t size = 0; size < bytes.size(); ++size) ASSERT_FALSE(read_bytes(bytes.substr(0, size))) << size;
  }
}

TEST(torch_files, survive_random_mutations) {
  const auto seed = std::random_device{}();
  RecordProperty("seed", std::to_string(seed));
  std::mt19937 random(seed);
  for (const char* name : {"zip_views.bin", "legacy_views.bin", "zip_parameters.bin"}) {
    const auto original = fixture(name);
    for (int round = 0; round < 1500; ++round) {
      auto bytes = original;
      for (auto changes = 1 + random() % 4; changes > 0; --changes)
        bytes[random() % bytes.size()] = static_cast<char>(random());
      (void)read_bytes(bytes);  // checks that what is found lies in the file
    }
  }
}

TEST(torch_files, other_files_are_told) {
  EXPECT_NE(problem("").find("it is empty"), std::string::npos);
  EXPECT_NE(problem("x").find("neither an archive nor a pickle"), std::string::npos);
  EXPECT_NE(problem(std::string(257, '\0') + "ustar  " + std::string(300, '\0')).find("is a tar file"),
            std::string::npos);
  EXPECT_NE(problem("PK\x03\x04").find("not a valid archive"), std::string::npos);
  EXPECT_NE(problem("\x80\x02}.").find("a pickle of a dict instead of torch.save's number"), std::string::npos);
}

// ---- what nobody wrote ----

std::string little_endian(std::uint64_t value, std::size_t width) {
  std::string out;
  for (std::size_t i = 0; i < width; ++i) out += static_cast<char>(value >> (8 * i) & 255U);
  return out;
}
std::string text(const std::string& t) { return 'X' + little_endian(t.size(), 4) + t; }
std::string integer(std::int64_t i) { return "\x8a\x08" + little_endian(static_cast<std::uint64_t>(i), 8); }
std::string tuple(const std::vector<std::int64_t>& items) {
  std::string out = "(";
  for (const auto i : items) out += integer(i);
  return out + 't';
}
std::string whole(const std::string& ops) { return "\x80\x02" + ops + '.'; }

struct made {
  std::string key = "0", storage = "torch\nFloatStorage";
  std::int64_t elements = 6, offset = 0;
  std::vector<std::int64_t> shape{2, 3}, strides{3, 1};
  std::string view = {};  // of the older form: "N", or a tuple
};
std::string storage_of(const made& m) {
  return '(' + text("storage") + 'c' + m.storage + '\n' + text(m.key) + text("cpu") + integer(m.elements) + m.view +
         "tQ";
}
std::string tensor(const made& m) {
  return "ctorch._utils\n_rebuild_tensor_v2\n(" + storage_of(m) + integer(m.offset) + tuple(m.shape) +
         tuple(m.strides) +
         "\x89"
         "ccollections\nOrderedDict\n)RtR";
}
std::string dict(const std::vector<std::pair<std::string, std::string>>& items) {
  std::string out = "}(";
  for (const auto& [name, value] : items) out += text(name) + value;
  return out + 'u';
}

std::string legacy(const std::string& state, const std::vector<std::string>& keys, const std::string& storages) {
  std::string list = "](";
  for (const auto& key : keys) list += text(key);
  return whole("\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19") + whole("M\xe9\x03") + whole("}") + whole(state) +
         whole(list + 'e') + storages;
}
std::string storage_bytes(std::uint64_t elements, std::uint64_t width = 4) {
  return little_endian(elements, 8) + std::string(elements * width, '\1');
}

struct zip_part {
  std::string name, bytes;
  std::uint16_t method = 0, flags = 0;
  std::int64_t header = -1;  // where the directory says that it is; -1: where it is
  std::int64_t size = -1;    // what the directory says
};
std::string zip(const std::vector<zip_part>& parts) {
  std::string file, directory;
  for (const auto& p : parts) {
    const auto size = little_endian(p.size < 0 ? p.bytes.size() : static_cast<std::uint64_t>(p.size), 4);
    const auto header = little_endian(p.header < 0 ? file.size() : static_cast<std::uint64_t>(p.header), 4);
    const auto fields = little_endian(p.flags, 2) + little_endian(p.method, 2) + std::string(8, '\0') + size + size +
                        little_endian(p.name.size(), 2) + std::string(2, '\0');
    file += "PK\x03\x04\x14" + std::string(1, '\0') + fields + p.name + p.bytes;
    directory += "PK\x01\x02" + std::string(2, '\0') + "\x14" + std::string(1, '\0') + fields + std::string(10, '\0') +
                 header + p.name;
  }
  const auto count = little_endian(parts.size(), 2);
  return file + directory + "PK\x05\x06" + std::string(4, '\0') + count + count + little_endian(directory.size(), 4) +
         little_endian(file.size(), 4) + std::string(2, '\0');
}
std::string archive(const std::string& state, const std::vector<zip_part>& others) {
  std::vector<zip_part> parts{{"x/data.pkl", whole(state)}};
  parts.insert(parts.end(), others.begin(), others.end());
  return zip(parts);
}
std::string one(const made& m, std::size_t bytes = 24) {
  return archive(dict({{"w", tensor(m)}}), {{"x/data/" + m.key, std::string(bytes, '\1')}});
}

TEST(torch_files, made_by_hand_are_read) {
  const auto read = read_bytes(one({}));
  ASSERT_TRUE(read) << read.error().message;
  ASSERT_EQ(read->size(), 1U);
  EXPECT_EQ((*read)[0].name, "w");
  EXPECT_EQ((*read)[0].type, "F32");
  EXPECT_EQ((*read)[0].end - (*read)[0].begin, 24U);
  const auto older = read_bytes(legacy(dict({{"w", tensor({})}}), {"0"}, storage_bytes(6)));
  ASSERT_TRUE(older) << older.error().message;
  EXPECT_EQ((*older)[0].end - (*older)[0].begin, 24U);
}

TEST(torch_files, tensors_lie_in_their_storages) {
  struct broken {
    const char* name;
    made tensor;
    const char* says;
  };
  constexpr auto most = std::numeric_limits<std::int64_t>::max();
  const auto with = [](std::vector<std::int64_t> shape, std::vector<std::int64_t> strides, std::int64_t offset = 0) {
    made m;
    m.shape = std::move(shape), m.strides = std::move(strides), m.offset = offset;
    return m;
  };
  const auto stored = [](const std::string& storage, std::int64_t elements, const std::string& key = "0") {
    made m;
    m.storage = storage, m.elements = elements, m.key = key;
    return m;
  };
  const broken all[] = {
      {"negative size", with({-2, 3}, {3, 1}), "tensor 'w' has a shape that is not valid"},
      {"negative sizes", with({-2, -3}, {3, 1}), "tensor 'w' has a shape that is not valid"},
      {"negative stride", with({2, 3}, {-3, 1}), "tensor 'w' has strides that are not valid"},
      {"negative offset", with({2, 3}, {3, 1}, -1), "tensor 'w' has an offset that is not valid"},
      {"fewer strides", with({2, 3}, {1}), "tensor 'w' has strides that are not valid"},
      {"65 dimensions", with(std::vector<std::int64_t>(65, 1), std::vector<std::int64_t>(65, 1)),
       "a shape that is not"},
      {"shape of 2^62 bytes and more", with({1LL << 61}, {1}), "tensor 'w' has a shape that overflows"},
      {"shape that wraps to 24 bytes", with({(1LL << 62) + 6}, {1}), "tensor 'w' has a shape that overflows"},
      {"product overflows", with({1LL << 32, 1LL << 32}, {1LL << 32, 1}), "tensor 'w' has a shape that overflows"},
      {"product overflows before a 0", with({most, most, 0}, {1, 1, 1}), "tensor 'w' has a shape that overflows"},
      {"strides overflow", with({3, 3}, {most, most}), "tensor 'w' has strides that overflow"},
      {"offset overflows", with({2, 3}, {most, 1}, most), "tensor 'w' has strides that overflow"},
      {"one element beyond", with({2, 3}, {3, 1}, 1), "tensor 'w' reaches beyond its storage of 24 bytes"},
      {"far beyond", with({1LL << 40}, {1}), "tensor 'w' reaches beyond its storage of 24 bytes"},
      {"offset far beyond", with({1}, {1}, most), "tensor 'w' reaches beyond its storage of 24 bytes"},
      {"rows apart", with({2, 3}, {4, 1}), "tensor 'w' reaches beyond its storage of 24 bytes"},
      {"diagonal", with({2}, {2}), "tensor 'w' is not contiguous"},
      {"one number for all", with({2, 3}, {0, 0}), "tensor 'w' is not contiguous"},
      {"every other", with({2, 2}, {3, 2}), "tensor 'w' is not contiguous"},
      {"storage of less than nothing", stored("torch\nFloatStorage", -1), "storage '0' has no valid size"},
      {"storage of 2^63 bytes", stored("torch\nFloatStorage", most), "storage '0' has no valid size"},
      {"storage larger than its entry", stored("torch\nFloatStorage", 7), "storage '0' is smaller than it should be"},
      {"storage of larger elements", stored("torch\nDoubleStorage", 6), "storage '0' is smaller than it should be"},
      {"storage of no type", stored("torch\nTypedStorage", 6), "storage '0' has the unknown type torch.TypedStorage"},
      {"storage of a type that is none", stored("torch\nfloat32", 6), "storage '0' has the unknown type torch.float32"},
      {"quantized", stored("torch\nQInt8Storage", 6), "tensor 'w' is quantized (torch.qint8)"},
  };
  for (const auto& b : all)
    EXPECT_NE(problem(one(b.tensor)).find(b.says), std::string::npos) << b.name << ": " << problem(one(b.tensor));
  // What is odd, but fits.
  for (const auto& m : {with({0}, {1}), with({0, most}, {1, 1}), with({}, {}, 5), with({1}, {most}, 5),
                        with({2, 3}, {1, 2}), with({2, 3}, {3, 1}), with({3, 2}, {1, 3}), with({2, 3}, {0, 1}),
                        with({2, 2}, {3, 1}), with({2, 3}, {1, 0}), stored("torch.cuda\nFloatStorage", 6)})
    EXPECT_EQ(problem(one(m)), "accepted");
  auto elsewhere = archive(dict({{"w", tensor({})}}), {{"x/data/1", std::string(24, '\1')}});
  EXPECT_NE(problem(elsewhere).find("it lacks data/0"), std::string::npos);
}

TEST(torch_files, pickles_of_no_state_dict) {
  const auto with = [](const std::string& state) {
    return problem(archive(state, {{"x/data/0", std::string(24, '\1')}}));
  };
  const auto rebuild = [](const std::string& arguments) {
    return dict({{"w", "ctorch._utils\n_rebuild_tensor_v2\n(" + arguments + "tR"}});
  };
  const auto hooks =
      "\x89"
      "ccollections\nOrderedDict\n)R"s;
  const std::pair<std::string, const char*> all[] = {
      {"]", "holds a list, not a state dict"},
      {"N", "holds None, not a state dict"},
      {"}", "holds no tensors"},
      {dict({{"epoch", "K\x03"}}), "holds no tensors"},
      {dict({{"model", dict({{"w", tensor({})}})}}), "has no tensors but in its 'model'"},
      {"}K\x01" + tensor({}) + "s", "a key of its dict is a whole number"},
      {"cos\nsystem\n" + text("echo pwned") + "\x85R", "asks for os.system, which no state dict needs"},
      {dict({{"w", tensor({})}, {"x", "\x8c\x02os\x8c\x06system\x93)R"}}), "asks for os.system"},
      {rebuild(""), "is rebuilt of 0 arguments"},
      {rebuild("NNNNNNNN"), "is rebuilt of 8 arguments"},
      {rebuild("NK\x00)))N"s), "tensor 'w' lies in None"},
      {rebuild("K\x01QK\x00)))N"s), "refers to something that is no storage"},
      {rebuild(text("storage") + "QK\x00)))N"s), "refers to something that is no storage"},
      {rebuild("(" + text("module") + "NNNNtQK\x00)))N"s), "refers to something that is no storage"},
      {rebuild("(" + text("storage") + "NNNNtQK\x00)))N"s), "the key of a storage is None"},
      {rebuild("(" + text("storage") + "N" + text("0") + "NNtQK\x00)))N"s), "has the unknown type None"},
      {rebuild(storage_of({}) + "N))" + hooks), "has an offset that is not valid"},
      {rebuild(storage_of({}) + "K\x00N)"s + hooks), "has a shape that is not valid"},
      {rebuild(storage_of({}) + "K\x00K\x01\x85K\x01"s + hooks), "has strides that are not valid"},
      {rebuild(storage_of({}) + "K\x00"s + text("6") + "\x85K\x01\x85"s + hooks), "has a shape that is not valid"},
      {rebuild(storage_of({}) + integer(0) + "\x8a\x09\xff\xff\xff\xff\xff\xff\xff\xff\x7f\x85K\x01\x85" + hooks),
       "has a shape that is not valid"},
      {rebuild(storage_of({}) + integer(0) + tuple({6}) + tuple({1}) + hooks + dict({{"neg", "\x88"}})),
       "a view that conjugates or negates"},
      {dict({{"w", "ctorch._utils\n_rebuild_parameter\n)R"}}), "lacks its arguments"},
      {dict({{"w", "ctorch._tensor\n_rebuild_from_type_v2\n)R"}}), "lacks its arguments"},
      {dict({{"w\n\x01", tensor({"0", "torch\nFloatStorage", 6, 9, {1}, {1}, ""})}}), "tensor 'w?\?' reaches beyond"},
  };
  for (const auto& [state, says] : all)
    EXPECT_NE(with(state).find(says), std::string::npos) << says << ": " << with(state);
  // A parameter of a parameter of ..
  std::string deep = tensor({});
  for (int i = 0; i < 20; ++i) deep = "ctorch._utils\n_rebuild_parameter\n(" + deep + "\x89NtR";
  EXPECT_NE(with(dict({{"w", deep}})).find("a parameter of parameters"), std::string::npos);
  EXPECT_EQ(with(dict({{"w", "ctorch._utils\n_rebuild_parameter\n(" + tensor({}) + "\x88NtR"}})), "accepted");
  EXPECT_EQ(with(rebuild(storage_of({}) + integer(0) + "ctorch\nSize\n" + tuple({6}) + "\x85R" + tuple({1}) + hooks)),
            "accepted");
  EXPECT_EQ(with(rebuild(storage_of({}) + integer(0) + tuple({6}) + tuple({1}) + hooks + "}")), "accepted");
}

// One tensor under many names is described as often.
TEST(torch_files, tensors_are_bounded) {
  std::string state = "}" + tensor({}) +
                      "q\x01"
                      "0(";
  for (int i = 0; i <= 200'000; ++i) state += text(std::to_string(i)) + "h\x01";
  EXPECT_NE(problem(archive(state + 'u', {{"x/data/0", std::string(24, '\1')}})).find("more than 200000 tensors"),
            std::string::npos);
}

TEST(torch_files, archives_that_lie) {
  const auto state = dict({{"w", tensor({})}});
  const std::string data(24, '\1');
  const auto both = dict({{"a", tensor({})}, {"b", tensor({"1"})}});
  EXPECT_NE(problem(zip({})).find("neither an archive"), std::string::npos);
  EXPECT_NE(problem(zip({{"data.pkl", whole(state)}})).find("in no folder"), std::string::npos);
  EXPECT_NE(problem(zip({{"x/y", ""}})).find("it lacks data.pkl"), std::string::npos);
  EXPECT_NE(problem(zip({{"x/y", ""}, {"z/data.pkl", whole(state)}})).find("it lacks data.pkl"), std::string::npos);
  EXPECT_NE(problem(zip({{"x/data.pkl", whole(state)}, {"x/constants.pkl", ""}})).find("TorchScript"),
            std::string::npos);
  EXPECT_NE(problem(zip({{"x/data.pkl", whole(state), 8}})).find("is compressed"), std::string::npos);
  EXPECT_NE(problem(zip({{"x/data.pkl", whole(state), 0, 1}})).find("is encrypted"), std::string::npos);
  EXPECT_NE(problem(archive(state, {{"x/data/0", data, 8}})).find("is compressed"), std::string::npos);
  EXPECT_NE(problem(archive(state, {{"x/data/0", data}, {"x/byteorder", "big"}})).find("big-endian"),
            std::string::npos);
  EXPECT_NE(problem(archive(state, {{"x/data/0", data}, {"x/byteorder", "odd"}})).find("'odd'"), std::string::npos);
  EXPECT_EQ(problem(archive(state, {{"x/data/0", data}, {"x/byteorder", "little"}})), "accepted");
  // The directory says another place or size than the entry has.
  EXPECT_NE(problem(archive(state, {{"x/data/0", data, 0, 0, 1}})).find("is not where the directory says"),
            std::string::npos);
  EXPECT_NE(problem(archive(state, {{"x/data/0", data, 0, 0, 0}})).find("is not where the directory says"),
            std::string::npos);
  EXPECT_NE(problem(archive(state, {{"x/data/0", data, 0, 0, -1, 25}})).find("reaches into the directory"),
            std::string::npos);
  EXPECT_EQ(problem(archive(both, {{"x/data/0", data}, {"x/data/1", data}})), "accepted");
  // The first entry reaches over the second: 24 bytes, and a header of 30 and a name of 8 bytes between.
  EXPECT_NE(
      problem(archive(both, {{"x/data/0", data, 0, 0, -1, 25 + 38}, {"x/data/1", data}})).find("overlaps storage"),
      std::string::npos);
  EXPECT_EQ(problem(archive(both, {{"x/data/0", data, 0, 0, -1, 24 + 38}, {"x/data/1", data}})), "accepted");
}

TEST(torch_files, older_files_that_lie) {
  const auto state = dict({{"w", tensor({})}});
  const auto both = dict({{"a", tensor({})}, {"b", tensor({"1"})}});
  const auto says = [](const std::string& bytes, const char* words) {
    EXPECT_NE(problem(bytes).find(words), std::string::npos) << words << ": " << problem(bytes);
  };
  says(legacy(state, {}, ""), "storage '0' is not listed");
  says(legacy(state, {"0"}, ""), "storage '0' is missing: the file is truncated");
  says(legacy(state, {"0"}, storage_bytes(6).substr(0, 31)), "storage '0' ends beyond the file: it is truncated");
  says(legacy(state, {"0"}, storage_bytes(7)), "storage '0' has another size than its tensors say");
  says(legacy(state, {"0"}, little_endian(UINT64_MAX, 8)), "storage '0' has another size");
  says(legacy(state, {"0"}, little_endian(6 + (1ULL << 62U), 8) + std::string(24, '\1')), "has another size");
  says(legacy(state, {"0", "0"}, storage_bytes(6) + storage_bytes(6)), "storage '0' is listed twice");
  says(legacy(state, {"0", "1"}, storage_bytes(6)), "storage '1' belongs to no tensor");
  says(legacy(both, {"0"}, storage_bytes(6)), "storage '1' is not listed");
  says(whole("\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19") + whole("K\x01"), "its version is not 1001");
  says(whole("\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x18"), "instead of torch.save's number");
  says(legacy("cos\nsystem\n)R", {}, ""), "asks for os.system");
  says(legacy(state, {"0"}, storage_bytes(6)).replace(19, 1, "\x7f"), "its version is not 1001");
  // What follows is nobody's: torch leaves it there too.
  EXPECT_EQ(problem(legacy(state, {"0"}, storage_bytes(6) + "more")), "accepted");
  // The largest pickle that is read is 64 MiB; what is not a storage's key list is none.
  auto keys =
      whole("\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19") + whole("M\xe9\x03") + whole("}") + whole(state);
  says(keys + whole("}"), "what lists its storages is a dict");
  says(keys + whole("](K\x01"
                    "e"),
       "what lists its storages holds a whole number");
  says(keys + "\x80\x02X\xff\xff\xff\xff", "ends in the middle of a pickle: it is truncated");
}

// Before torch 0.4 storages could be parts of others.
TEST(torch_files, views_of_storages_are_found) {
  made m;
  m.elements = 10;
  m.view = '(' + text("7") + integer(4) + integer(6) + 't';
  const auto read = read_bytes(legacy(dict({{"w", tensor(m)}}), {"0"}, storage_bytes(10)));
  ASSERT_TRUE(read) << read.error().message;
  m.view = "N";
  const auto all = read_bytes(legacy(dict({{"w", tensor(m)}}), {"0"}, storage_bytes(10)));
  ASSERT_TRUE(all) << all.error().message;
  // The pickles differ in length, the ends do not.
  EXPECT_EQ((*all)[0].end - (*all)[0].begin, 24U);
  EXPECT_EQ((*read)[0].end - (*read)[0].begin, 24U);
  for (const auto& [offset, size] :
       std::vector<std::pair<std::int64_t, std::int64_t>>{{-1, 6}, {4, 7}, {11, 0}, {0, -1}}) {
    m.view = '(' + text("7") + integer(offset) + integer(size) + 't';
    EXPECT_NE(problem(legacy(dict({{"w", tensor(m)}}), {"0"}, storage_bytes(10))).find("a view that is not valid"),
              std::string::npos);
  }
  m.view = '(' + text("7") + integer(4) + integer(5) + 't';
  EXPECT_NE(problem(legacy(dict({{"w", tensor(m)}}), {"0"}, storage_bytes(10))).find("beyond its storage of 20 bytes"),
            std::string::npos);
}

// The pickle is longer than what is read of a file at first.
TEST(torch_files, long_pickles_of_older_files_are_read) {
  const auto note = text(std::string(600'000, 'x'));
  const auto read = read_bytes(legacy(dict({{"note", note}, {"w", tensor({})}}), {"0"}, storage_bytes(6)));
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_GT((*read)[0].begin, 600'000U);
}

}  // namespace
}  // namespace troupe::inference::tests
