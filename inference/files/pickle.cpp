#include "inference/files/pickle.hpp"

#include <algorithm>
#include <bit>
#include <optional>

#include <simdjson.h>

#include "inference/files/files.hpp"

namespace troupe::inference {
namespace {

constexpr std::size_t marks_max = 1000;
constexpr std::size_t line_bytes_max = 1000;  // of a module's or class's name
constexpr std::uint32_t no_place = UINT32_MAX;

// Those that are read. The others are text forms of protocol 0, which torch.save never wrote, and what makes objects of
// classes: refused() names them.
namespace op {
enum : std::uint8_t {
  mark = '(',
  stop = '.',
  pop = '0',
  pop_mark = '1',
  dup = '2',
  binfloat = 'G',
  binint = 'J',
  binint1 = 'K',
  binint2 = 'M',
  none = 'N',
  binpersid = 'Q',
  reduce = 'R',
  binstring = 'T',
  short_binstring = 'U',
  binunicode = 'X',
  binbytes = 'B',
  short_binbytes = 'C',
  append = 'a',
  build = 'b',
  global = 'c',
  dict = 'd',
  empty_dict = '}',
  appends = 'e',
  binget = 'h',
  long_binget = 'j',
  list = 'l',
  empty_list = ']',
  binput = 'q',
  long_binput = 'r',
  setitem = 's',
  tuple = 't',
  empty_tuple = ')',
  setitems = 'u',
  proto = 0x80,
  newobj = 0x81,
  tuple1 = 0x85,
  tuple2 = 0x86,
  tuple3 = 0x87,
  newtrue = 0x88,
  newfalse = 0x89,
  long1 = 0x8a,
  long4 = 0x8b,
  short_binunicode = 0x8c,
  binunicode8 = 0x8d,
  binbytes8 = 0x8e,
  empty_set = 0x8f,
  additems = 0x90,
  frozenset = 0x91,
  stack_global = 0x93,
  memoize = 0x94,
  frame = 0x95,
  bytearray8 = 0x96,
};
}  // namespace op

std::string refused(std::uint8_t code) {
  struct named {
    std::uint8_t code;
    const char* name;
  };
  static constexpr named all[] = {
      {'I', "INT"},     {'L', "LONG"},       {'F', "FLOAT"},        {'S', "STRING"},
      {'V', "UNICODE"}, {'g', "GET"},        {'p', "PUT"},          {'P', "PERSID"},
      {'o', "OBJ"},     {'i', "INST"},       {0x82, "EXT1"},        {0x83, "EXT2"},
      {0x84, "EXT4"},   {0x92, "NEWOBJ_EX"}, {0x97, "NEXT_BUFFER"}, {0x98, "READONLY_BUFFER"}};
  for (const auto& n : all)
    if (n.code == code) return std::string("opcode ") + n.name;
  static constexpr char digits[] = "0123456789abcdef";
  return std::string("opcode 0x") + digits[code >> 4U] + digits[code & 15U];
}

enum class use : std::uint8_t { value, call, ordered_dict };
struct allowed_name {
  std::string_view name;
  use as;
};
// What torch.load(weights_only=True), with which transformers reads, takes as well. The calls of the second half belong
// to values that are not looked at, or are refused once it is known which tensor they make.
constexpr allowed_name allowed[] = {
    {"collections.OrderedDict", use::ordered_dict},
    {"torch._utils._rebuild_tensor", use::call},
    {"torch._utils._rebuild_tensor_v2", use::call},
    {"torch._utils._rebuild_tensor_v3", use::call},
    {"torch._utils._rebuild_parameter", use::call},
    {"torch._utils._rebuild_parameter_with_state", use::call},
    {"torch._tensor._rebuild_from_type_v2", use::call},
    {"torch.nn.parameter.Parameter", use::call},
    {"torch.Size", use::call},
    {"torch.Tensor", use::value},
    {"torch._utils._rebuild_qtensor", use::call},
    {"torch._utils._rebuild_sparse_tensor", use::call},
    {"torch._utils._rebuild_meta_tensor_no_storage", use::call},
    {"torch._utils._rebuild_device_tensor_from_cpu_tensor", use::call},
    {"torch.serialization._get_layout", use::call},
    {"torch.device", use::call},
    {"collections.Counter", use::call},
    {"_codecs.encode", use::call},
    {"builtins.bytearray", use::call},
    {"builtins.set", use::call},
    {"builtins.complex", use::call},
    {"torch.DoubleStorage", use::value},
    {"torch.FloatStorage", use::value},
    {"torch.HalfStorage", use::value},
    {"torch.BFloat16Storage", use::value},
    {"torch.LongStorage", use::value},
    {"torch.IntStorage", use::value},
    {"torch.ShortStorage", use::value},
    {"torch.CharStorage", use::value},
    {"torch.ByteStorage", use::value},
    {"torch.BoolStorage", use::value},
    {"torch.ComplexFloatStorage", use::value},
    {"torch.ComplexDoubleStorage", use::value},
    {"torch.QInt8Storage", use::value},
    {"torch.QInt32Storage", use::value},
    {"torch.QUInt8Storage", use::value},
    {"torch.QUInt4x2Storage", use::value},
    {"torch.QUInt2x4Storage", use::value},
    {"torch.UntypedStorage", use::value},
    {"torch.TypedStorage", use::value},
    {"torch.float64", use::value},
    {"torch.float32", use::value},
    {"torch.float16", use::value},
    {"torch.bfloat16", use::value},
    {"torch.int64", use::value},
    {"torch.int32", use::value},
    {"torch.int16", use::value},
    {"torch.int8", use::value},
    {"torch.uint8", use::value},
    {"torch.uint16", use::value},
    {"torch.uint32", use::value},
    {"torch.uint64", use::value},
    {"torch.bool", use::value},
    {"torch.complex32", use::value},
    {"torch.complex64", use::value},
    {"torch.complex128", use::value},
    {"torch.float8_e4m3fn", use::value},
    {"torch.float8_e5m2", use::value},
    {"torch.float8_e4m3fnuz", use::value},
    {"torch.float8_e5m2fnuz", use::value},
    {"torch.float8_e8m0fnu", use::value},
    {"torch.float4_e2m1fn_x2", use::value},
    {"torch.qint8", use::value},
    {"torch.qint32", use::value},
    {"torch.quint8", use::value},
    {"torch.quint4x2", use::value},
    {"torch.quint2x4", use::value},
    {"torch.per_tensor_affine", use::value},
    {"torch.per_tensor_symmetric", use::value},
    {"torch.per_channel_affine", use::value},
    {"torch.per_channel_symmetric", use::value},
    {"torch.per_channel_affine_float_qparams", use::value},
};

// By the one name that the table has of several: storages of a GPU's tensors, Python 2's builtins, torch's own moves.
const allowed_name* find_allowed(std::string name) {
  if (name.starts_with("__builtin__.")) name.replace(0, 11, "builtins");
  if (name.ends_with("Storage"))
    for (const std::string_view from : {"torch.cuda.", "torch.storage._", "torch.storage.", "torch._"})
      if (name.starts_with(from)) {
        name.replace(0, from.size(), "torch.");
        break;
      }
  for (const auto& a : allowed)
    if (a.name == name) return &a;
  return nullptr;
}

class reader {
 public:
  reader(std::string_view bytes, const std::string& what) : bytes_(bytes), what_(what) {
    values_.resize(4);
    values_[yes].kind = values_[no].kind = pickle_kind::boolean;
    values_[yes].integer = 1;
    values_[empty_tuple].kind = pickle_kind::tuple;
  }

  result<void> run() {
    if (bytes_.size() > pickle_bytes_max) bytes_ = bytes_.substr(0, pickle_bytes_max);
    const auto first = static_cast<std::uint8_t>(number(1));
    const auto protocol = number(1);
    if (!ended_early_ && (first != op::proto || protocol < 2 || protocol > 5))
      damaged("it is no pickle of protocol 2 to 5");
    std::size_t opcodes = 0;
    for (bool stopped = false; !stopped && !why_ && !ended_early_;) {
      const auto code = static_cast<std::uint8_t>(number(1));
      if (++opcodes > pickle_opcodes_max) too_much("opcodes");
      if (code == op::stop) {
        root_ = pop();
        stopped = true;
      } else {
        step(code);
      }
    }
    // What was read as zeros because nothing was left is no problem of its own.
    if (ended_early_)
      return fail(error_code::unprocessable,
                  what_ + (at_ >= pickle_bytes_max ? " has a pickle that is larger than 64 MiB"
                                                   : " ends in the middle of a pickle: it is truncated"));
    if (why_) return tl::unexpected(std::move(*why_));
    return {};
  }

  bool ended_early() const { return ended_early_; }
  std::vector<pickle_value> take_values() { return std::move(values_); }
  std::uint32_t root() const { return root_; }
  std::uint64_t size_bytes() const { return at_; }

 private:
  // Values that all pickles have.
  static constexpr std::uint32_t nothing = 0, no = 1, yes = 2, empty_tuple = 3;

  // ---- the first problem ends the reading; until the step is over, zeros and None stand for what is missing ----
  void refuse(std::string message, std::string detail = {}) {
    if (!why_) why_ = error{error_code::unprocessable, what_ + ' ' + std::move(message), std::move(detail), {}};
  }
  void damaged(const std::string& how) { refuse("has a pickle that is not valid: " + how); }
  void too_much(const std::string& of) { refuse("has a pickle with too many " + of); }
  void not_ours(const std::string& name) {
    refuse("asks for " + name + ", which no state dict needs",
           "nothing of it was run; save the model anew with save_pretrained(), as safetensors");
  }

  // ---- bytes ----
  std::string_view take(std::uint64_t size) {
    if (size > bytes_.size() - at_) {
      ended_early_ = true;
      at_ = bytes_.size();
      return {};
    }
    const auto taken = bytes_.substr(at_, size);
    at_ += size;
    return taken;
  }
  std::uint64_t number(std::size_t width) {
    const auto text = take(width);
    std::uint64_t value = 0;
    for (std::size_t i = text.size(); i > 0; --i) value = value << 8U | static_cast<std::uint8_t>(text[i - 1]);
    return value;
  }
  std::string_view line() {
    const auto end = bytes_.substr(at_, line_bytes_max).find('\n');
    if (end == std::string_view::npos) {
      if (bytes_.size() - at_ >= line_bytes_max) damaged("a name in it is longer than 1000 bytes");
      return take(line_bytes_max);
    }
    const auto text = take(end);
    take(1);
    return text;
  }

  // ---- the stack ----
  std::size_t above_mark() const { return stack_.size() - (marks_.empty() ? 0 : marks_.back()); }
  std::uint32_t pop() {
    if (above_mark() == 0) {
      damaged("it takes more from its stack than is there");
      return nothing;
    }
    const auto place = stack_.back();
    stack_.pop_back();
    return place;
  }
  std::uint32_t top() {
    if (above_mark() == 0) {
      damaged("it takes more from its stack than is there");
      return nothing;
    }
    return stack_.back();
  }
  std::vector<std::uint32_t> pop_to_mark() {
    if (marks_.empty()) {
      damaged("it looks for a mark that is not there");
      return {};
    }
    const auto from = stack_.begin() + static_cast<std::ptrdiff_t>(marks_.back());
    std::vector<std::uint32_t> items(from, stack_.end());
    stack_.erase(from, stack_.end());
    marks_.pop_back();
    return items;
  }
  void push(std::uint32_t place) { stack_.push_back(place); }
  void push(pickle_value value) {
    if (values_.size() >= pickle_values_max) return too_much("values");
    values_.push_back(std::move(value));
    push(static_cast<std::uint32_t>(values_.size() - 1));
  }
  void push_items(pickle_kind kind, std::vector<std::uint32_t> items) {
    pickle_value value;
    value.kind = kind;
    value.items = std::move(items);
    push(std::move(value));
  }
  void push_integer(std::int64_t integer) {
    pickle_value value;
    value.kind = pickle_kind::integer;
    value.integer = integer;
    push(std::move(value));
  }
  void push_text(pickle_kind kind, std::uint64_t size) {
    pickle_value value;
    value.kind = kind;
    value.text = take(size);
    if (kind == pickle_kind::text && !simdjson::validate_utf8(value.text)) damaged("a text in it is not valid UTF-8");
    push(std::move(value));
  }
  // Little-endian two's complement, as short as it goes or longer.
  void push_long(std::string_view bytes) {
    std::uint64_t low = 0;
    for (std::size_t i = std::min<std::size_t>(bytes.size(), 8); i > 0; --i)
      low = low << 8U | static_cast<std::uint8_t>(bytes[i - 1]);
    const bool negative = !bytes.empty() && (static_cast<std::uint8_t>(bytes.back()) & 0x80U) != 0;
    if (negative && bytes.size() < 8) low |= ~std::uint64_t{0} << (8 * bytes.size());
    const char filler = negative ? '\xff' : '\0';
    const bool fits = bytes.size() <= 8 || (bytes.find_first_not_of(filler, 8) == std::string_view::npos &&
                                            (static_cast<std::int64_t>(low) < 0) == negative);
    if (fits) return push_integer(static_cast<std::int64_t>(low));
    pickle_value value;
    value.kind = pickle_kind::big_integer;
    value.text = bytes;
    push(std::move(value));
  }

  // ---- the memo ----
  void put(std::uint64_t index) {
    if (index >= pickle_values_max) return too_much("memo entries");
    if (index >= memo_.size()) memo_.resize(index + 1, no_place);
    if (memo_[index] == no_place) ++memo_entries_;
    memo_[index] = top();
  }
  void get(std::uint64_t index) {
    if (index >= memo_.size() || memo_[index] == no_place)
      return damaged("its memo has no entry " + std::to_string(index));
    push(memo_[index]);
  }

  // ---- containers ----
  pickle_value* target(pickle_kind kind, const char* doing) {
    auto& value = values_[top()];
    if (!why_ && value.kind != kind) damaged(std::string("it ") + doing + ' ' + describe(value));
    return why_ ? nullptr : &value;
  }
  void extend(pickle_kind kind, const char* doing, const std::vector<std::uint32_t>& items) {
    if (kind == pickle_kind::dict && items.size() % 2 != 0) return damaged("a key in it has no value");
    if (auto* value = target(kind, doing)) value->items.insert(value->items.end(), items.begin(), items.end());
  }
  void extend_last(pickle_kind kind, const char* doing, std::size_t count) {
    std::vector<std::uint32_t> items(count);
    for (auto at = items.rbegin(); at != items.rend(); ++at) *at = pop();
    extend(kind, doing, items);
  }
  void push_tuple(std::size_t count) {
    std::vector<std::uint32_t> items(count);
    for (auto at = items.rbegin(); at != items.rend(); ++at) *at = pop();
    push_items(pickle_kind::tuple, std::move(items));
  }

  // ---- names and calls ----
  void push_global(std::string_view module, std::string_view name) {
    const auto full = std::string(module) + '.' + std::string(name);
    const auto* known = find_allowed(full);
    if (known == nullptr) return not_ours(printable(full));
    pickle_value value;
    value.kind = pickle_kind::global;
    value.text = known->name;
    value.integer = static_cast<std::int64_t>(known->as);
    push(std::move(value));
  }
  void push_stack_global() {
    const auto name = pop(), module = pop();
    if (values_[name].kind != pickle_kind::text || values_[module].kind != pickle_kind::text)
      return damaged("it asks for a name that is no text");
    push_global(values_[module].text, values_[name].text);
  }
  void push_call() {
    const auto arguments = pop(), function = pop();
    if (why_) return;
    if (values_[function].kind != pickle_kind::global || values_[arguments].kind != pickle_kind::tuple)
      return damaged("it calls " + describe(values_[function]) + " with " + describe(values_[arguments]));
    switch (static_cast<use>(values_[function].integer)) {
      case use::ordered_dict: return push_ordered_dict(values_[arguments]);
      case use::value: return not_ours("a call of " + std::string(values_[function].text));
      case use::call: break;
    }
    pickle_value value;
    value.kind = pickle_kind::call;
    value.text = values_[function].text;
    value.items = {arguments};
    push(std::move(value));
  }
  // Python 3 fills it afterwards, Python 2 gave it a list of pairs.
  void push_ordered_dict(const pickle_value& arguments) {
    std::vector<std::uint32_t> items;
    if (!arguments.items.empty()) {
      const auto& pairs = values_[arguments.items[0]];
      if (arguments.items.size() != 1 || pairs.kind != pickle_kind::list)
        return damaged("it makes an OrderedDict of " + describe(pairs));
      // One list may be given to many: all copies together are bounded.
      copied_ += 2 * pairs.items.size();
      if (copied_ > pickle_opcodes_max) return too_much("items");
      for (const auto place : pairs.items) {
        const auto& pair = values_[place];
        if ((pair.kind != pickle_kind::list && pair.kind != pickle_kind::tuple) || pair.items.size() != 2)
          return damaged("it makes an OrderedDict of a list that holds " + describe(pair));
        items.insert(items.end(), pair.items.begin(), pair.items.end());
      }
    }
    push_items(pickle_kind::dict, std::move(items));
  }
  // Attributes of an OrderedDict (_metadata) mean nothing to who wants its items.
  void build() {
    pop();
    target(pickle_kind::dict, "sets attributes of");
  }

  void step(std::uint8_t code) {
    switch (code) {
      case op::proto: number(1); return;
      case op::frame:
        if (const auto size = number(8); size > bytes_.size() - at_) take(size);
        return;
      case op::mark:
        if (marks_.size() >= marks_max) return too_much("marks");
        marks_.push_back(stack_.size());
        return;
      case op::pop:
        // As Python does it: a mark is taken off too.
        if (above_mark() == 0 && !marks_.empty())
          marks_.pop_back();
        else
          pop();
        return;
      case op::pop_mark: pop_to_mark(); return;
      case op::dup: return push(top());

      case op::none: return push(nothing);
      case op::newfalse: return push(no);
      case op::newtrue: return push(yes);
      case op::binint: return push_integer(static_cast<std::int32_t>(number(4)));
      case op::binint1: return push_integer(static_cast<std::int64_t>(number(1)));
      case op::binint2: return push_integer(static_cast<std::int64_t>(number(2)));
      case op::long1: return push_long(take(number(1)));
      case op::long4: return push_long(take(number(4)));  // a negative length is beyond any end
      case op::binfloat: {
        std::uint64_t bits = 0;
        for (const char c : take(8)) bits = bits << 8U | static_cast<std::uint8_t>(c);
        pickle_value value;
        value.kind = pickle_kind::real;
        value.real = std::bit_cast<double>(bits);
        return push(std::move(value));
      }
      // Python 2's texts; torch.load takes them for UTF-8.
      case op::short_binstring: return push_text(pickle_kind::text, number(1));
      case op::binstring: return push_text(pickle_kind::text, number(4));
      case op::short_binunicode: return push_text(pickle_kind::text, number(1));
      case op::binunicode: return push_text(pickle_kind::text, number(4));
      case op::binunicode8: return push_text(pickle_kind::text, number(8));
      case op::short_binbytes: return push_text(pickle_kind::bytes, number(1));
      case op::binbytes: return push_text(pickle_kind::bytes, number(4));
      case op::binbytes8:
      case op::bytearray8: return push_text(pickle_kind::bytes, number(8));

      case op::empty_list: return push_items(pickle_kind::list, {});
      case op::list: return push_items(pickle_kind::list, pop_to_mark());
      case op::append: return extend_last(pickle_kind::list, "appends to", 1);
      case op::appends: return extend(pickle_kind::list, "appends to", pop_to_mark());
      case op::empty_tuple: return push(empty_tuple);
      case op::tuple: return push_items(pickle_kind::tuple, pop_to_mark());
      case op::tuple1: return push_tuple(1);
      case op::tuple2: return push_tuple(2);
      case op::tuple3: return push_tuple(3);
      case op::empty_set: return push_items(pickle_kind::set, {});
      case op::additems: return extend(pickle_kind::set, "adds to", pop_to_mark());
      case op::frozenset: return push_items(pickle_kind::set, pop_to_mark());
      case op::empty_dict: return push_items(pickle_kind::dict, {});
      case op::dict: {
        auto items = pop_to_mark();
        if (items.size() % 2 != 0) return damaged("a key in it has no value");
        return push_items(pickle_kind::dict, std::move(items));
      }
      case op::setitem: return extend_last(pickle_kind::dict, "sets items of", 2);
      case op::setitems: return extend(pickle_kind::dict, "sets items of", pop_to_mark());

      case op::binput: return put(number(1));
      case op::long_binput: return put(number(4));
      case op::memoize: return put(memo_entries_);
      case op::binget: return get(number(1));
      case op::long_binget: return get(number(4));

      case op::global: {
        const auto module = line(), name = line();
        if (!ended_early_) push_global(module, name);
        return;
      }
      case op::stack_global: return push_stack_global();
      case op::reduce:
      case op::newobj: return push_call();
      case op::build: return build();
      case op::binpersid: return push_items(pickle_kind::persistent, {pop()});
      case 'i': {  // INST: a class, and its arguments from the mark on
        const auto module = line(), name = line();
        if (!ended_early_) not_ours(printable(std::string(module) + '.' + std::string(name)));
        return;
      }
      default: return not_ours(refused(code));
    }
  }

  std::string_view bytes_;
  const std::string& what_;
  std::uint64_t at_ = 0;
  std::vector<pickle_value> values_;
  std::vector<std::uint32_t> stack_;
  std::vector<std::size_t> marks_;  // how high the stack was
  std::vector<std::uint32_t> memo_;
  std::size_t memo_entries_ = 0, copied_ = 0;
  std::uint32_t root_ = nothing;
  bool ended_early_ = false;
  std::optional<error> why_;
};

}  // namespace

result<pickle> pickle::read(std::string_view bytes, const std::string& what, bool* ended_early) {
  reader from(bytes, what);
  auto ok = from.run();
  if (ended_early != nullptr) *ended_early = from.ended_early();
  if (!ok) return tl::unexpected(std::move(ok.error()));
  pickle p;
  p.values_ = from.take_values();
  p.root_ = from.root();
  p.size_bytes_ = from.size_bytes();
  return p;
}

std::string describe(const pickle_value& value) {
  switch (value.kind) {
    case pickle_kind::none: return "None";
    case pickle_kind::boolean: return "a boolean";
    case pickle_kind::integer:
    case pickle_kind::big_integer: return "a whole number";
    case pickle_kind::real: return "a number";
    case pickle_kind::text: return "a text";
    case pickle_kind::bytes: return "bytes";
    case pickle_kind::list: return "a list";
    case pickle_kind::tuple: return "a tuple";
    case pickle_kind::set: return "a set";
    case pickle_kind::dict: return "a dict";
    case pickle_kind::global: return std::string(value.text);
    case pickle_kind::call: return "a call of " + std::string(value.text);
    case pickle_kind::persistent: return "a storage";
  }
  return {};
}

}  // namespace troupe::inference
