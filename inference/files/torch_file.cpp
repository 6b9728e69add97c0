#include "inference/files/torch_file.hpp"

#include <algorithm>
#include <map>
#include <optional>
#include <unordered_map>

#include "inference/files/pickle.hpp"
#include "inference/files/zip_archive.hpp"

namespace troupe::inference {
namespace {

// A type as the storages of a file are called, as torch calls it, and as safetensors does (empty: not at all).
struct torch_type {
  std::string_view storage, name, stored;
  std::uint64_t bytes;
};
constexpr torch_type types[] = {
    {"torch.FloatStorage", "torch.float32", "F32", 4},
    {"torch.HalfStorage", "torch.float16", "F16", 2},
    {"torch.BFloat16Storage", "torch.bfloat16", "BF16", 2},
    {"torch.DoubleStorage", "torch.float64", "F64", 8},
    {"torch.LongStorage", "torch.int64", "I64", 8},
    {"torch.IntStorage", "torch.int32", "I32", 4},
    {"torch.ShortStorage", "torch.int16", "I16", 2},
    {"torch.CharStorage", "torch.int8", "I8", 1},
    {"torch.ByteStorage", "torch.uint8", "U8", 1},
    {"torch.BoolStorage", "torch.bool", "BOOL", 1},
    {"torch.ComplexFloatStorage", "torch.complex64", "C64", 8},
    {"torch.ComplexDoubleStorage", "torch.complex128", "C128", 16},
    {"torch.QInt8Storage", "torch.qint8", "", 1},
    {"torch.QInt32Storage", "torch.qint32", "", 4},
    {"torch.QUInt8Storage", "torch.quint8", "", 1},
    {"torch.QUInt4x2Storage", "torch.quint4x2", "", 1},
    {"torch.QUInt2x4Storage", "torch.quint2x4", "", 1},
    // Those below have no storages of their own: they lie in untyped ones.
    {"", "torch.uint16", "U16", 2},
    {"", "torch.uint32", "U32", 4},
    {"", "torch.uint64", "U64", 8},
    {"", "torch.complex32", "C32", 4},
    {"", "torch.float8_e4m3fn", "F8_E4M3", 1},
    {"", "torch.float8_e5m2", "F8_E5M2", 1},
    {"", "torch.float8_e4m3fnuz", "F8_E4M3FNUZ", 1},
    {"", "torch.float8_e5m2fnuz", "F8_E5M2FNUZ", 1},
    {"", "torch.float8_e8m0fnu", "F8_E8M0", 1},
};
constexpr torch_type untyped{"torch.UntypedStorage", "torch.uint8", "U8", 1};

const torch_type* type_of_storage(std::string_view storage) {
  if (storage == untyped.storage) return &untyped;
  for (const auto& t : types)
    if (t.storage == storage && !storage.empty()) return &t;
  return nullptr;
}
const torch_type* type_named(std::string_view name) {
  for (const auto& t : types)
    if (t.name == name) return &t;
  return nullptr;
}

// Bytes of the file.
struct place {
  std::uint64_t begin = 0, size_bytes = 0;
};

// What a pickle says of a storage, which lies outside of it.
struct storage_name {
  std::string_view key;
  const torch_type* type = nullptr;
  std::uint64_t size_bytes = 0;
  std::optional<place> view;  // relative to it; only before torch 0.4
};

// A call that rebuilds a tensor: by which function, of what.
struct rebuilding {
  std::string_view function;
  const std::vector<std::uint32_t>* arguments = nullptr;
};

// A dict may name one tensor often, and a description here is larger than its name there.
constexpr std::size_t tensors_max = 200'000;
constexpr std::size_t dimensions_max = 64;

constexpr const char* as_safetensors = "save the model anew with save_pretrained(), as safetensors";

class torch_file {
 public:
  torch_file(const opened_file& file, const std::filesystem::path& path, std::span<const std::string_view> wrappers)
      : file_(file), path_(path), what_(path.string()), wrappers_(wrappers) {}

  result<std::vector<stored_tensor>> read() {
    auto head = text_at(0, std::min<std::uint64_t>(file_.size_bytes, 512));
    if (!head) return tl::unexpected(head.error());
    if (head->starts_with("PK\x03\x04")) return read_archive();
    if (head->starts_with('\x80')) return read_legacy();
    if (head->size() > 262 && std::string_view(*head).substr(257, 5) == "ustar")
      return fail(error_code::unprocessable, what_ + " is a tar file, as torch.save wrote them before 2017",
                  as_safetensors);
    return bad(head->empty() ? "it is empty" : "it begins with neither an archive nor a pickle");
  }

 private:
  tl::unexpected<error> bad(const std::string& why) const {
    return fail(error_code::unprocessable, what_ + " is not a valid file of torch.save: " + why);
  }
  tl::unexpected<error> bad_tensor(std::string_view name, const std::string& why, const char* detail = "") const {
    return fail(error_code::unprocessable, what_ + ": tensor '" + printable(name) + "' " + why, detail);
  }
  tl::unexpected<error> bad_storage(std::string_view key, const std::string& why) const {
    return bad("storage '" + printable(key) + "' " + why);
  }

  // REQUIRES that the file was that long when it was opened.
  result<std::string> text_at(std::uint64_t offset, std::uint64_t size) const {
    std::string text(size, '\0');
    if (auto ok = read_exactly(file_.fd.get(), offset, std::as_writable_bytes(std::span(text)), path_); !ok)
      return tl::unexpected(ok.error());
    return text;
  }

  // ---- archives ----
  result<std::vector<stored_tensor>> read_archive() {
    auto entries = read_zip_directory(file_, path_);
    if (!entries) return tl::unexpected(entries.error());
    entries_ = std::move(*entries);
    for (const auto& e : entries_) by_name_.emplace(e.name, &e);
    const auto slash = entries_.empty() ? std::string::npos : entries_.front().name.find('/');
    if (slash == std::string::npos) return bad("its entries lie in no folder");
    folder_ = entries_.front().name.substr(0, slash + 1);
    if (by_name_.contains(folder_ + "constants.pkl"))
      return fail(error_code::unprocessable, what_ + " is a TorchScript program, not a state dict",
                  "save_pretrained() writes what is read here");
    if (by_name_.contains(folder_ + "byteorder")) {
      const auto order = text_of_entry("byteorder", 100);
      if (!order) return tl::unexpected(order.error());
      if (*order == "big")
        return fail(error_code::unprocessable, what_ + " was written on a big-endian machine", as_safetensors);
      if (*order != "little") return bad("its byte order is '" + printable(*order) + "'");
    }
    const auto bytes = text_of_entry("data.pkl", pickle_bytes_max);
    if (!bytes) return tl::unexpected(bytes.error());
    const auto values = pickle::read(*bytes, what_);
    if (!values) return tl::unexpected(values.error());
    auto tensors = tensors_of(*values);
    if (!tensors) return tensors;
    if (auto apart = check_apart(); !apart) return tl::unexpected(apart.error());
    return tensors;
  }

  result<place> find_entry(const std::string& name) const {
    const auto found = by_name_.find(folder_ + name);
    if (found == by_name_.end()) return bad("it lacks " + printable(name));
    const auto begin = zip_data_offset(file_, path_, *found->second);
    if (!begin) return tl::unexpected(begin.error());
    return place{*begin, found->second->size_bytes};
  }
  result<std::string> text_of_entry(const std::string& name, std::uint64_t size_bytes_max) const {
    const auto at = find_entry(name);
    if (!at) return tl::unexpected(at.error());
    if (at->size_bytes > size_bytes_max)
      return bad("its " + name + " is larger than " + std::to_string(size_bytes_max) + " bytes");
    return text_at(at->begin, at->size_bytes);
  }

  // Two storages in the same bytes are no file of anybody's, but somebody's trick.
  result<void> check_apart() const {
    std::vector<std::pair<place, std::string_view>> all;
    for (const auto& [key, at] : storages_)
      if (at.size_bytes > 0) all.emplace_back(at, key);
    std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.first.begin < b.first.begin; });
    for (std::size_t i = 1; i < all.size(); ++i)
      if (all[i].first.begin - all[i - 1].first.begin < all[i - 1].first.size_bytes)
        return bad_storage(all[i].second, "overlaps storage '" + printable(all[i - 1].second) + "'");
    return {};
  }

  // ---- before torch 1.6: pickles one after another, then the storages that the last of them lists ----
  result<std::vector<stored_tensor>> read_legacy() {
    // How long the pickles are is only known when they have been read.
    for (std::uint64_t size = 256U << 10U;; size *= 4) {
      size = std::min({size, file_.size_bytes, pickle_bytes_max});
      auto bytes = text_at(0, size);
      if (!bytes) return tl::unexpected(bytes.error());
      bool ended_early = false;
      auto done = read_legacy(*bytes, ended_early);
      if (done || !ended_early || size == file_.size_bytes) return done;
      if (size == pickle_bytes_max) return bad("its pickles are larger than 64 MiB");
    }
  }

  result<std::vector<stored_tensor>> read_legacy(std::string_view bytes, bool& ended_early) {
    static constexpr std::string_view magic = "\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19";
    std::uint64_t at = 0;
    const auto next = [&]() -> result<pickle> {
      auto one = pickle::read(bytes.substr(at), what_, &ended_early);
      if (one) at += one->size_bytes();
      return one;
    };
    auto first = next();
    if (!first) return tl::unexpected(first.error());
    if (first->root().kind != pickle_kind::big_integer || first->root().text != magic)
      return bad("it begins with a pickle of " + describe(first->root()) + " instead of torch.save's number");
    auto version = next();
    if (!version) return tl::unexpected(version.error());
    if (version->root().kind != pickle_kind::integer || version->root().integer != 1001)
      return bad("its version is not 1001");
    // The writer's machine. Its byte order does not count: the storages are little-endian whoever writes them.
    auto machine = next();
    if (!machine) return tl::unexpected(machine.error());
    auto values = next();
    if (!values) return tl::unexpected(values.error());
    auto keys = next();
    if (!keys) return tl::unexpected(keys.error());
    if (auto ok = find_legacy_storages(*values, *keys, at); !ok) return tl::unexpected(ok.error());
    return tensors_of(*values);
  }

  result<void> find_legacy_storages(const pickle& values, const pickle& keys, std::uint64_t at) {
    std::map<std::string_view, storage_name> named;
    for (const auto& value : values.values()) {
      if (value.kind != pickle_kind::persistent) continue;
      const auto storage = storage_of(values, value);
      if (!storage) return tl::unexpected(storage.error());
      named.emplace(storage->key, *storage);  // of several the first tells the size, as for torch
    }
    if (keys.root().kind != pickle_kind::list) return bad("what lists its storages is " + describe(keys.root()));
    for (const auto item : keys.root().items) {
      const auto& key = keys.at(item);
      if (key.kind != pickle_kind::text) return bad("what lists its storages holds " + describe(key));
      const auto found = named.find(key.text);
      if (found == named.end()) return bad_storage(key.text, "belongs to no tensor");
      std::byte count[8];
      if (file_.size_bytes - at < sizeof count) return bad_storage(key.text, "is missing: the file is truncated");
      if (auto ok = read_exactly(file_.fd.get(), at, count, path_); !ok) return ok;
      at += sizeof count;
      std::uint64_t elements = 0;
      for (std::size_t i = sizeof count; i > 0; --i)
        elements = elements << 8U | std::to_integer<std::uint64_t>(count[i - 1]);
      const auto& storage = found->second;
      if (elements != storage.size_bytes / storage.type->bytes)
        return bad_storage(key.text, "has another size than its tensors say");
      if (storage.size_bytes > file_.size_bytes - at)
        return bad_storage(key.text, "ends beyond the file: it is truncated");
      if (!storages_.emplace(key.text, place{at, storage.size_bytes}).second)
        return bad_storage(key.text, "is listed twice");
      at += storage.size_bytes;
    }
    return {};
  }

  // ---- what the pickle tells ----
  result<storage_name> storage_of(const pickle& values, const pickle_value& persistent) const {
    const auto& name = values.at(persistent.items[0]);
    // ("storage", type, key, device, elements), and for the older form one more: None, or (key, offset, elements).
    if (name.kind != pickle_kind::tuple || name.items.size() < 5 || name.items.size() > 6 ||
        values.at(name.items[0]).text != "storage")
      return bad("it refers to something that is no storage");
    const auto &type = values.at(name.items[1]), &key = values.at(name.items[2]), &elements = values.at(name.items[4]);
    storage_name storage;
    if (key.kind != pickle_kind::text) return bad("the key of a storage is " + describe(key));
    storage.key = key.text;
    storage.type = type.kind == pickle_kind::global ? type_of_storage(type.text) : nullptr;
    if (storage.type == nullptr) return bad_storage(key.text, "has the unknown type " + describe(type));
    const auto bytes_of = [&](const pickle_value& count, std::uint64_t& bytes) {
      return count.kind == pickle_kind::integer && count.integer >= 0 &&
             !__builtin_mul_overflow(static_cast<std::uint64_t>(count.integer), storage.type->bytes, &bytes);
    };
    if (!bytes_of(elements, storage.size_bytes)) return bad_storage(key.text, "has no valid size");
    if (name.items.size() < 6 || values.at(name.items[5]).kind == pickle_kind::none) return storage;
    const auto& view = values.at(name.items[5]);
    place part;
    if (view.kind != pickle_kind::tuple || view.items.size() != 3 || !bytes_of(values.at(view.items[1]), part.begin) ||
        !bytes_of(values.at(view.items[2]), part.size_bytes) || part.begin > storage.size_bytes ||
        part.size_bytes > storage.size_bytes - part.begin)
      return bad_storage(key.text, "has a view that is not valid");
    storage.view = part;
    return storage;
  }

  result<place> find_storage(const storage_name& storage) {
    auto found = storages_.find(storage.key);
    if (found == storages_.end()) {
      if (entries_.empty()) return bad_storage(storage.key, "is not listed");
      const auto at = find_entry("data/" + std::string(storage.key));
      if (!at) return tl::unexpected(at.error());
      found = storages_.emplace(storage.key, *at).first;
    }
    if (storage.size_bytes > found->second.size_bytes) return bad_storage(storage.key, "is smaller than it should be");
    if (!storage.view) return place{found->second.begin, storage.size_bytes};
    return place{found->second.begin + storage.view->begin, storage.view->size_bytes};
  }

  // What makes the value a tensor; no function: it is none. Parameters and tensors with attributes have their tensor
  // inside.
  result<rebuilding> rebuilding_of(const pickle& values, const pickle_value& value) const {
    const auto* at = &value;
    rebuilding r;
    for (int depth = 0; depth < 8; ++depth) {
      if (r.function.empty()) {
        if (at->kind != pickle_kind::call) return rebuilding{};
        r = {at->text, &values.at(at->items[0]).items};
      }
      const auto argument = [&](std::size_t i) -> const pickle_value& { return values.at((*r.arguments)[i]); };
      if (r.function == "torch._tensor._rebuild_from_type_v2") {
        if (r.arguments->size() != 4 || argument(0).kind != pickle_kind::global ||
            argument(2).kind != pickle_kind::tuple)
          return bad(describe(*at) + " lacks its arguments");
        r = {argument(0).text, &argument(2).items};
      } else if (r.function == "torch._utils._rebuild_parameter" ||
                 r.function == "torch._utils._rebuild_parameter_with_state" ||
                 r.function == "torch.nn.parameter.Parameter") {
        if (r.arguments->empty()) return bad(describe(*at) + " lacks its arguments");
        at = &argument(0);
        r = {};
      } else {
        return r;
      }
    }
    return bad("it holds a parameter of parameters");
  }

  // The dict that holds the tensors.
  const pickle_value& state_dict_of(const pickle& values) const {
    const auto* at = &values.root();
    for (const auto wrapper : wrappers_) {
      if (at->kind != pickle_kind::dict) break;
      for (std::size_t i = at->items.size() & ~std::size_t{1}; i > 0; i -= 2) {  // of equal keys the last
        const auto &key = values.at(at->items[i - 2]), &inner = values.at(at->items[i - 1]);
        if (key.kind != pickle_kind::text || key.text != wrapper || inner.kind != pickle_kind::dict) continue;
        at = &inner;
        break;
      }
    }
    return *at;
  }

  result<std::vector<stored_tensor>> tensors_of(const pickle& values) {
    const auto& root = state_dict_of(values);
    if (root.kind != pickle_kind::dict)
      return fail(error_code::unprocessable, what_ + " holds " + describe(root) + ", not a state dict", as_safetensors);
    std::vector<stored_tensor> tensors;
    std::unordered_map<std::string_view, std::size_t> places;
    std::string_view inner;  // a dict in the dict
    for (std::size_t i = 0; i + 1 < root.items.size(); i += 2) {
      const auto &key = values.at(root.items[i]), &value = values.at(root.items[i + 1]);
      if (key.kind != pickle_kind::text) return bad("a key of its dict is " + describe(key));
      if (value.kind == pickle_kind::dict && !value.items.empty() && inner.empty()) inner = key.text;
      const auto how = rebuilding_of(values, value);
      if (!how) return tl::unexpected(how.error());
      auto tensor = tensor_of(values, key.text, *how);
      if (!tensor) return tl::unexpected(tensor.error());
      if (!*tensor) continue;
      const auto [known, is_new] = places.emplace(key.text, tensors.size());
      if (places.size() > tensors_max) return bad("it holds more than 200000 tensors");
      if (is_new)
        tensors.push_back(std::move(**tensor));
      else
        tensors[known->second] = std::move(**tensor);
    }
    if (tensors.empty() && !inner.empty())
      return fail(error_code::unprocessable, what_ + " has no tensors but in its '" + printable(inner) + "'",
                  "a state dict itself, as save_pretrained() writes it");
    if (tensors.empty()) return fail(error_code::unprocessable, what_ + " holds no tensors");
    return tensors;
  }

  // Null: the value is no tensor.
  result<std::optional<stored_tensor>> tensor_of(const pickle& values, std::string_view name, const rebuilding& how) {
    const auto function = how.function.substr(how.function.rfind('.') + 1);
    if (function == "_rebuild_qtensor") return bad_tensor(name, "is quantized", as_safetensors);
    if (function == "_rebuild_sparse_tensor") return bad_tensor(name, "is sparse", as_safetensors);
    if (function == "_rebuild_meta_tensor_no_storage") return bad_tensor(name, "has no data (a meta tensor)");
    if (function == "_rebuild_device_tensor_from_cpu_tensor")
      return bad_tensor(name, "was saved from a device that has no storages", "save the model from the CPU");
    const bool v2 = function == "_rebuild_tensor_v2", v3 = function == "_rebuild_tensor_v3";
    if (function != "_rebuild_tensor" && !v2 && !v3) return std::nullopt;

    // storage, offset, size, stride; v2: requires_grad, hooks, and perhaps bits; v3: the type before the bits
    const auto& arguments = *how.arguments;
    const auto least = v3 ? 7U : v2 ? 6U : 4U;
    if (arguments.size() < least || arguments.size() > least + (v2 || v3 ? 1 : 0))
      return bad_tensor(name, "is rebuilt of " + std::to_string(arguments.size()) + " arguments");
    if (arguments.size() > least && !values.at(arguments[least]).items.empty())
      return bad_tensor(name, "is a view that conjugates or negates", as_safetensors);
    const auto& persistent = values.at(arguments[0]);
    if (persistent.kind != pickle_kind::persistent) return bad_tensor(name, "lies in " + describe(persistent));
    const auto storage = storage_of(values, persistent);
    if (!storage) return tl::unexpected(storage.error());
    const auto& type_name = values.at(arguments[v3 ? 6 : 0]);
    const auto* type = v3 ? type_named(type_name.text) : storage->type;
    if (type == nullptr) return bad_tensor(name, "has the type " + describe(type_name));
    if (type->stored.empty()) return bad_tensor(name, "is quantized (" + std::string(type->name) + ')', as_safetensors);
    const auto at = find_storage(*storage);
    if (!at) return tl::unexpected(at.error());

    stored_tensor t;
    t.name = name;
    t.type = type->stored;
    std::vector<std::int64_t> strides;
    const auto& offset = values.at(arguments[1]);
    if (offset.kind != pickle_kind::integer || offset.integer < 0)
      return bad_tensor(name, "has an offset that is not valid");
    if (!whole_numbers(values, values.at(arguments[2]), t.shape))
      return bad_tensor(name, "has a shape that is not valid");
    if (!whole_numbers(values, values.at(arguments[3]), strides) || strides.size() != t.shape.size())
      return bad_tensor(name, "has strides that are not valid");
    if (auto ok = set_place(t, static_cast<std::uint64_t>(offset.integer), strides, type->bytes, *at); !ok)
      return tl::unexpected(ok.error());
    return t;
  }

  // Of a tuple, or a torch.Size. False: it is neither, or too long, or one of them is below 0.
  static bool whole_numbers(const pickle& values, const pickle_value& value, std::vector<std::int64_t>& out) {
    const auto* numbers = &value;
    if (value.kind == pickle_kind::call && value.text == "torch.Size") {
      numbers = &values.at(value.items[0]);
      if (numbers->items.size() == 1) numbers = &values.at(numbers->items[0]);
    }
    if ((numbers->kind != pickle_kind::tuple && numbers->kind != pickle_kind::list) ||
        numbers->items.size() > dimensions_max)
      return false;
    for (const auto item : numbers->items) {
      const auto& number = values.at(item);
      if (number.kind != pickle_kind::integer || number.integer < 0) return false;
      out.push_back(number.integer);
    }
    return true;
  }

  // Sets where `t`, whose shape is set, lies. Everything is counted in elements that stay below 2^63 bytes.
  result<void> set_place(stored_tensor& t, std::uint64_t offset, const std::vector<std::int64_t>& strides,
                         std::uint64_t width, const place& storage) const {
    std::int64_t bytes = static_cast<std::int64_t>(width);
    for (const auto d : t.shape)
      if (__builtin_mul_overflow(bytes, d, &bytes))
        return bad_tensor(t.name, "has a shape that overflows: " + shape_text(t.shape));
    t.begin = t.end = storage.begin;
    if (bytes == 0) return {};

    // The dimensions that count, and the last element.
    std::uint64_t last = offset;
    std::vector<std::pair<std::uint64_t, std::uint64_t>> sizes;  // and strides
    for (std::size_t i = 0; i < t.shape.size(); ++i) {
      if (t.shape[i] == 1) continue;
      const auto size = static_cast<std::uint64_t>(t.shape[i]), stride = static_cast<std::uint64_t>(strides[i]);
      std::uint64_t reach = 0;
      if (__builtin_mul_overflow(size - 1, stride, &reach) || __builtin_add_overflow(last, reach, &last))
        return bad_tensor(t.name, "has strides that overflow: " + shape_text(strides));
      sizes.emplace_back(size, stride);
    }
    if (last >= storage.size_bytes / width)
      return bad_tensor(t.name, "reaches beyond its storage of " + std::to_string(storage.size_bytes) + " bytes");
    t.begin += offset * width;
    t.end += (last + 1) * width;

    bool contiguous = true;
    std::uint64_t expected = 1;
    for (auto at = sizes.rbegin(); at != sizes.rend(); ++at) {
      contiguous = contiguous && at->second == expected;
      expected *= at->first;
    }
    if (contiguous) return {};
    // Matrices from TensorFlow are saved as they were there, and transposed by their strides.
    if (sizes.size() == 2 && (sizes[0].second == 1 || sizes[1].second == 1)) {
      t.row_step = sizes[0].second;
      t.column_step = sizes[1].second;
      return {};
    }
    return bad_tensor(t.name, "is not contiguous: shape " + shape_text(t.shape) + ", strides " + shape_text(strides),
                      "call contiguous() on it before it is saved");
  }

  const opened_file& file_;
  const std::filesystem::path& path_;
  const std::string what_;
  const std::span<const std::string_view> wrappers_;
  std::vector<zip_entry> entries_;
  std::unordered_map<std::string_view, const zip_entry*> by_name_;
  std::string folder_;  // of the archive, with its slash
  std::map<std::string, place, std::less<>> storages_;
};

}  // namespace

result<std::vector<stored_tensor>> read_torch_file(const opened_file& file, const std::filesystem::path& path,
                                                   std::span<const std::string_view> wrappers) {
  return torch_file(file, path, wrappers).read();
}

}  // namespace troupe::inference
