// Pickles are data: what they ask to be run is refused, by name, and what they hold is bounded.

#include "inference/files/pickle.hpp"

#include <random>

#include <simdjson.h>

#include "tests/inference/support.hpp"

namespace troupe::inference::tests {
namespace {

using namespace std::string_literals;

std::string little_endian(std::uint64_t value, std::size_t width) {
  std::string out;
  for (std::size_t i = 0; i < width; ++i) out += static_cast<char>(value >> (8 * i) & 255U);
  return out;
}
std::string text(const std::string& t) { return 'X' + little_endian(t.size(), 4) + t; }
std::string repeated(std::string_view ops, std::size_t times) {
  std::string out;
  out.reserve(ops.size() * times);
  for (std::size_t i = 0; i < times; ++i) out += ops;
  return out;
}
// With protocol and STOP.
std::string whole(const std::string& ops, char protocol = 2) { return "\x80"s + protocol + ops + '.'; }

const std::string name = "pytorch_model.bin";
std::string problem(const std::string& bytes) {
  const auto read = pickle::read(bytes, name);
  if (read) return "accepted";
  EXPECT_EQ(read.error().code, error_code::unprocessable);
  EXPECT_EQ(read.error().message.find(name + ' '), 0U) << read.error().message;
  EXPECT_TRUE(simdjson::validate_utf8(read.error().message));
  for (const char c : read.error().message) EXPECT_FALSE(c >= 0 && c < 32) << read.error().message;
  return read.error().message;
}

// One line of what a pickle holds; repr() of Python for what both know.
std::string shown(const pickle& p, const pickle_value& value, int depth = 0) {
  if (depth > 10) return "..";
  const auto list = [&](const char* open, const char* close) {
    std::string out = open;
    for (const auto item : value.items) out += (out.size() > 1 ? " " : "") + shown(p, p.at(item), depth + 1);
    return out + close;
  };
  switch (value.kind) {
    case pickle_kind::none: return "None";
    case pickle_kind::boolean: return value.integer != 0 ? "True" : "False";
    case pickle_kind::integer: return std::to_string(value.integer);
    case pickle_kind::big_integer: return "big(" + std::to_string(value.text.size()) + ")";
    case pickle_kind::real: return std::to_string(value.real);
    case pickle_kind::text: return '\'' + std::string(value.text) + '\'';
    case pickle_kind::bytes: return "b'" + std::string(value.text) + '\'';
    case pickle_kind::list: return list("[", "]");
    case pickle_kind::tuple: return list("(", ")");
    case pickle_kind::set: return list("<", ">");
    case pickle_kind::dict: return list("{", "}");
    case pickle_kind::global: return std::string(value.text);
    case pickle_kind::call: return std::string(value.text) + list("", "");
    case pickle_kind::persistent: return '@' + list("", "");
  }
  return "?";
}
std::string shown(const std::string& bytes) {
  const auto read = pickle::read(bytes, name);
  return read ? shown(*read, read->root()) : read.error().message;
}

TEST(pickle, reads_values_and_containers) {
  const std::pair<std::string, const char*> all[] = {
      {"N", "None"},
      {"\x88", "True"},
      {"\x89", "False"},
      {"K\xff", "255"},
      {"M\xff\xff", "65535"},
      {"J\xff\xff\xff\xff", "-1"},
      {"\x8a\x00"s, "0"},
      {"\x8a\x01\x80", "-128"},
      {"\x8a\x02\x80\x00"s, "128"},
      {"\x8a\x08\x00\x00\x00\x00\x00\x00\x00\x80"s, "-9223372036854775808"},
      {"\x8a\x09\xff\xff\xff\xff\xff\xff\xff\x7f\x00"s, "9223372036854775807"},
      {"\x8a\x09\x00\x00\x00\x00\x00\x00\x00\x80\x00"s, "big(9)"},
      {"\x8a\x09\xff\xff\xff\xff\xff\xff\xff\xff\xff", "-1"},
      {"\x8a\x09\xff\xff\xff\xff\xff\xff\xff\x7f\xff", "big(9)"},
      {"\x8b\x02\x00\x00\x00\x01\x02"s, "513"},
      {"G\x3f\xf8\x00\x00\x00\x00\x00\x00"s, "1.500000"},
      {text("\xc3\xa4"), "'\xc3\xa4'"},
      {"\x8c\x01z", "'z'"},
      {"\x8d\x01\x00\x00\x00\x00\x00\x00\x00z"s, "'z'"},
      {"U\x01z", "'z'"},
      {"T\x01\x00\x00\x00z"s, "'z'"},
      {"C\x01z", "b'z'"},
      {"B\x01\x00\x00\x00z"s, "b'z'"},
      {"\x8e\x01\x00\x00\x00\x00\x00\x00\x00z"s, "b'z'"},
      {"\x96\x01\x00\x00\x00\x00\x00\x00\x00z"s, "b'z'"},
      {"]", "[]"},
      {"]NaNa", "[None None]"},
      {"](NNe", "[None None]"},
      {"(NNl", "[None None]"},
      {")", "()"},
      {"(t", "()"},
      {"N\x85", "(None)"},
      {"NN\x86", "(None None)"},
      {"K\x01K\x02K\x03\x87", "(1 2 3)"},
      {"}K\x01Ns", "{1 None}"},
      {"}(K\x01NK\x02Nu", "{1 None 2 None}"},
      {"(K\x01Nd", "{1 None}"},
      {"\x8f(K\x01\x90", "<1>"},
      {"(K\x01\x91", "<1>"},
      {"]q\x07h\x07h\x07\x87", "([] [] [])"},
      {"]r\x00\x01\x00\x00j\x00\x01\x00\x00\x86"s, "([] [])"},
      {"]\x94h\x00\x86"s, "([] [])"},
      {"K\x01"
       "2\x86",
       "(1 1)"},
      {"NK\x01"
       "0",
       "None"},
      {"N(K\x01"
       "1",
       "None"},
      {"N(0", "None"},
      {"\x95\x01\x00\x00\x00\x00\x00\x00\x00N"s, "None"},
      {"ctorch\nFloatStorage\n", "torch.FloatStorage"},
      {"ctorch.cuda\nFloatStorage\n", "torch.FloatStorage"},
      {"ctorch.storage\n_UntypedStorage\n", "torch.UntypedStorage"},
      {text("torch") + text("HalfStorage") + "\x93", "torch.HalfStorage"},
      {"ctorch._utils\n_rebuild_tensor_v2\nNN\x86R", "torch._utils._rebuild_tensor_v2(None None)"},
      {"ctorch\nSize\nK\x01\x85\x85\x81", "torch.Size((1))"},
      {"c__builtin__\nset\n]\x85R", "builtins.set([])"},
      {"N\x85Q", "@(None)"},
      {"ccollections\nOrderedDict\n)RK\x01Ns", "{1 None}"},
      {"ccollections\nOrderedDict\n]K\x01N\x86\x61]K\x02\x61N\x61\x61\x85R", "{1 None 2 None}"},
      {"ccollections\nOrderedDict\n)R}" + text("_metadata") + "Nsb", "{}"},
  };
  for (const auto& [ops, says] : all) EXPECT_EQ(shown(whole(ops)), says) << ops;
}

TEST(pickle, knows_protocols_2_to_5_and_where_it_ends) {
  for (const char protocol : {2, 3, 4, 5}) EXPECT_EQ(shown(whole("N", protocol)), "None");
  for (const char protocol : {0, 1, 6, 127})
    EXPECT_NE(problem(whole("N", protocol)).find("no pickle of protocol 2 to 5"), std::string::npos);
  EXPECT_NE(problem("N.").find("no pickle of protocol"), std::string::npos);
  const auto read = pickle::read(whole("N") + "what follows", name);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->size_bytes(), 4U);
}

TEST(pickle, what_could_be_run_is_refused_by_name) {
  const auto asks = [](const std::string& what) { return name + " asks for " + what + ", which no state dict needs"; };
  const auto command = text("echo pwned") + "\x85R";
  EXPECT_EQ(problem(whole("cos\nsystem\n" + command)), asks("os.system"));
  EXPECT_EQ(problem(whole("cposix\nsystem\n" + command)), asks("posix.system"));
  EXPECT_EQ(problem(whole("c__builtin__\neval\n" + command)), asks("__builtin__.eval"));
  EXPECT_EQ(problem(whole("cbuiltins\ngetattr\n" + command)), asks("builtins.getattr"));
  EXPECT_EQ(problem(whole("\x8c\x02os\x8c\x06system\x93" + command, 4)), asks("os.system"));
  EXPECT_EQ(problem(whole("(" + text("echo pwned") + "ios\nsystem\n")), asks("os.system"));
  EXPECT_EQ(problem(whole("(cos\nsystem\n" + text("echo pwned") + "o")), asks("os.system"));
  EXPECT_EQ(problem(whole("ctorch\nload\n" + command)), asks("torch.load"));
  EXPECT_EQ(problem(whole("ctorch.storage\n_load_from_bytes\n" + command)), asks("torch.storage._load_from_bytes"));
  EXPECT_EQ(problem(whole("ctorch.hub\nFloatStorage\n")), asks("torch.hub.FloatStorage"));
  EXPECT_EQ(problem(whole("ccollections\nOrderedDict.fromkeys\n")), asks("collections.OrderedDict.fromkeys"));
  EXPECT_EQ(problem(whole("cargparse\nNamespace\n)\x81}b")), asks("argparse.Namespace"));
  EXPECT_EQ(problem(whole("\x82\x01")), asks("opcode EXT1"));
  EXPECT_EQ(problem(whole("\x83\x01\x01")), asks("opcode EXT2"));
  EXPECT_EQ(problem(whole("\x84\x01\x01\x01\x01")), asks("opcode EXT4"));
  EXPECT_EQ(problem(whole("ctorch\nSize\n)}\x92")), asks("opcode NEWOBJ_EX"));
  EXPECT_EQ(problem(whole("]o")), asks("opcode OBJ"));
  EXPECT_EQ(problem(whole("Pos.system\n")), asks("opcode PERSID"));
  EXPECT_EQ(problem(whole("I1\n")), asks("opcode INT"));
  EXPECT_EQ(problem(whole("\x97")), asks("opcode NEXT_BUFFER"));
  EXPECT_EQ(problem(whole("\xfe")), asks("opcode 0xfe"));
  EXPECT_EQ(problem(whole("ctorch\nFloatStorage\n)R")), asks("a call of torch.FloatStorage"));
  EXPECT_EQ(problem(whole("ctorch\nfloat32\n)\x81")), asks("a call of torch.float32"));
  // A name may be anything: it is made fit for one line.
  EXPECT_EQ(problem(whole("ca\x01\xff"
                          "b\nc\n")),
            asks("a??b.c"));
  EXPECT_EQ(problem(whole("c" + std::string(500, 'a') + "\nc\n")), asks(std::string(120, 'a')));
  const auto read = pickle::read(whole("cos\nsystem\n"), name);
  EXPECT_NE(read.error().detail.find("nothing of it was run"), std::string::npos);
}

TEST(pickle, what_no_writer_writes_is_malformed) {
  const std::pair<std::string, const char*> all[] = {
      {"", "takes more from its stack"},
      {"0", "takes more from its stack"},
      {"2", "takes more from its stack"},
      {"N\x86", "takes more from its stack"},
      {"(", "takes more from its stack"},
      {"N(\x85", "takes more from its stack"},
      {"N(q\x01", "takes more from its stack"},
      {"q\x01", "takes more from its stack"},
      {"\x94", "takes more from its stack"},
      {"t", "a mark that is not there"},
      {"NNe", "a mark that is not there"},
      {"1", "a mark that is not there"},
      {"h\x01", "no entry 1"},
      {"]q\x00h\x01"s, "no entry 1"},
      {"j\xff\xff\xff\xff", "no entry 4294967295"},
      {"Nr\xff\xff\xff\xff", "too many memo entries"},
      {"Nr\x80\x84\x1e\x00"s, "too many memo entries"},
      {")Na", "appends to a tuple"},
      {"NNa", "appends to None"},
      {"}(NNe", "appends to a dict"},
      {"]NNs", "sets items of a list"},
      {"](NNu", "sets items of a list"},
      {"}(Nu", "a key in it has no value"},
      {"(Nd", "a key in it has no value"},
      {"](N\x90", "adds to a list"},
      {"NNb", "sets attributes of None"},
      {"ctorch\nSize\n)R}b", "sets attributes of a call of torch.Size"},
      {"N)R", "calls None with a tuple"},
      {text("os.system") + ")R", "calls a text with a tuple"},
      {"ctorch\nSize\nNR", "calls torch.Size with None"},
      {"ctorch\nSize\n]R", "calls torch.Size with a list"},
      {"NN\x93", "a name that is no text"},
      {text("torch") + "K\x01\x93", "a name that is no text"},
      {"ccollections\nOrderedDict\nN\x85R", "makes an OrderedDict of None"},
      {"ccollections\nOrderedDict\n]]\x86R", "makes an OrderedDict of a list"},
      {"ccollections\nOrderedDict\n]Na\x85R", "a list that holds None"},
      {"ccollections\nOrderedDict\n])a\x85R", "a list that holds a tuple"},
      {text("\xff"), "not valid UTF-8"},
      {text("\xed\xa0\x80"), "not valid UTF-8"},
      {"c" + std::string(5000, 'a'), "longer than 1000 bytes"},
  };
  for (const auto& [ops, says] : all)
    EXPECT_NE(problem(whole(ops)).find(says), std::string::npos) << ops << problem(whole(ops));
}

TEST(pickle, every_prefix_is_truncated) {
  const auto good = whole(
      "}(" + text("w") + "ctorch._utils\n_rebuild_tensor_v2\n((" + text("storage") + "ctorch\nFloatStorage\nq\x01" +
          text("0") + text("cpu") + "K\x06tQK\x00K\x02K\x03\x86K\x03K\x01\x86\x89"s +
          "ccollections\nOrderedDict\n)RtR" + text("epoch") + "G\x00\x00\x00\x00\x00\x00\x00\x00"s + text("big") +
          "\x8a\x01\x01\x8b\x01\x00\x00\x00\x01\x86r\xff\x00\x00\x00j\xff\x00\x00\x00\x86M\x01\x02J\x01\x02\x03\x04"s +
          "\x86\x86u",
      4);
  ASSERT_TRUE(pickle::read(good, name)) << problem(good);
  for (std::size_t size = 0; size < good.size(); ++size) {
    bool ended_early = false;
    const auto read = pickle::read(std::string_view(good).substr(0, size), name, &ended_early);
    ASSERT_FALSE(read) << size;
    EXPECT_TRUE(ended_early) << size;
    EXPECT_NE(read.error().message.find("truncated"), std::string::npos) << read.error().message;
  }
  // A length that no file has.
  for (const auto& ops : {"X\xff\xff\xff\xffz"s, "\x8d\xff\xff\xff\xff\xff\xff\xff\xffz"s, "\x8b\xff\xff\xff\xffz"s,
                          "\x95\xff\xff\xff\xff\xff\xff\xff\xffz"s, "\x96\xff\xff\xff\xff\xff\xff\xff\x7fz"s})
    EXPECT_NE(problem(whole(ops)).find("truncated"), std::string::npos);
  bool ended_early = true;
  EXPECT_TRUE(pickle::read(whole("N"), name, &ended_early));
  EXPECT_FALSE(ended_early);
}

TEST(pickle, laughs_are_shared) {
  // Each list holds the one before twice: 2^200 in all, if anybody counted.
  std::string lists = "]q\x00"s, tuples = ")q\x00"s, dicts = "}q\x00"s;
  for (int i = 0; i < 200; ++i) {
    const auto get = 'h' + std::string(1, static_cast<char>(i)), put = 'q' + std::string(1, static_cast<char>(i + 1));
    lists += "](" + get + get + 'e' + put;
    tuples += '0' + get + get + '\x86' + put;
    dicts += "}(K\x01" + get + "K\x02" + get + 'u' + put;
  }
  for (const auto& ops : {lists, tuples, dicts}) {
    const auto read = pickle::read(whole(ops), name);
    ASSERT_TRUE(read) << read.error().message;
    EXPECT_LT(read->values().size(), 1000U);
  }
  // Lists that hold themselves.
  EXPECT_EQ(shown(whole("]q\x00h\x00\x61"s)).substr(0, 4), "[[[[");
  EXPECT_TRUE(pickle::read(whole("}q\x00(h\x00h\x00u"s), name));
}

TEST(pickle, nesting_takes_no_stack) {
  const std::size_t deep = 1'000'000;
  EXPECT_TRUE(pickle::read(whole(repeated("]", deep) + repeated("a", deep - 1)), name));
  EXPECT_TRUE(pickle::read(whole(')' + repeated("\x85", deep)), name));
  EXPECT_TRUE(pickle::read(whole("N" + repeated("Q", deep)), name));
  EXPECT_NE(problem(whole(repeated("(", deep))).find("too many marks"), std::string::npos);
  EXPECT_NE(problem(whole(repeated("(", 1001) + repeated("t", 1001))).find("too many marks"), std::string::npos);
  EXPECT_TRUE(pickle::read(whole(repeated("(", 1000) + repeated("t", 1000)), name));
}

TEST(pickle, is_bounded) {
  EXPECT_NE(problem(whole(repeated("]", pickle_values_max + 1))).find("too many values"), std::string::npos);
  EXPECT_NE(problem(whole(repeated("N", pickle_opcodes_max + 1))).find("too many opcodes"), std::string::npos);
  EXPECT_NE(problem(whole("N" + repeated("2"
                                         "0",
                                         pickle_opcodes_max)))
                .find("too many opcodes"),
            std::string::npos);
  // One list of pairs, made a dict again and again.
  const auto pairs = "]q\x01(" + repeated("K\x01K\x01\x86", 10'000) + "e";
  EXPECT_NE(problem(whole(pairs + repeated("ccollections\nOrderedDict\nh\x01\x85R0", 10'000))).find("too many items"),
            std::string::npos);
  EXPECT_NE(problem(whole(text(std::string(pickle_bytes_max, 'x')))).find("larger than 64 MiB"), std::string::npos);
}

TEST(pickle, survives_random_mutations) {
  const auto seed = std::random_device{}();
  RecordProperty("seed", std::to_string(seed));
  std::mt19937 random(seed);
  const auto original =
      whole("}q\x00("s + text("w") + "ctorch._utils\n_rebuild_tensor_v2\nq\x02((" + text("storage") +
            "ctorch\nFloatStorage\nq\x01" + text("0") + text("cpu") + "K\x06tQK\x00K\x02K\x03\x86K\x03K\x01\x86\x89"s +
            "ccollections\nOrderedDict\n)RtR" + text("list") +
            "](h\x00h\x01h\x02"
            "eu"s);
  ASSERT_TRUE(pickle::read(original, name)) << problem(original);
  std::size_t accepted = 0;
  for (int round = 0; round < 20'000; ++round) {
    auto bytes = original;
    for (auto changes = 1 + random() % 4; changes > 0; --changes) {
      const auto at = random() % bytes.size();
      switch (random() % 3) {
        case 0: bytes[at] = static_cast<char>(random()); break;
        case 1: bytes.erase(at, 1 + random() % 3); break;
        default: bytes.insert(at, bytes.substr(random() % bytes.size(), random() % 4)); break;
      }
      if (bytes.empty()) break;
    }
    const auto read = pickle::read(bytes, name);
    accepted += read.has_value();
    if (!read) continue;
    for (const auto& value : read->values())
      for (const auto item : value.items) ASSERT_LT(item, read->values().size()) << "seed " << seed;
  }
  EXPECT_GT(accepted, 0U);
}

}  // namespace
}  // namespace troupe::inference::tests
