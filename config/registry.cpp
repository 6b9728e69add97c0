#include "config/registry.hpp"

#include <algorithm>
#include <charconv>
#include <concepts>
#include <functional>
#include <limits>

#include <rapidjson/prettywriter.h>
#include <rapidjson/stringbuffer.h>

#include "config/located_json.hpp"
#include "config/names.hpp"

namespace troupe::config {
namespace {

constexpr std::uint64_t max_registry_bytes = 256ull << 20;
constexpr std::uint64_t max_seconds = 10ull * 365 * 86400;

// Where a value stands, and what its key is called in messages: enough to refuse it.
struct place {
  const located_json& json;
  const json_value& value;
  std::string key;

  tl::unexpected<error> refuse(std::string_view allowed) const {
    return json.problem(value.offset, key + ": found " + shown(value) + "; allowed: " + std::string(allowed));
  }
};

result<std::string> text_of(const place& at) {
  if (at.value.kind != json_kind::string) return at.refuse("a string");
  for (const char c : at.value.text) {
    if (static_cast<unsigned char>(c) < 0x20) return at.refuse("a string without control characters");
  }
  return at.value.text;
}

result<bool> boolean_of(const place& at) {
  if (at.value.kind != json_kind::boolean) return at.refuse("true or false");
  return at.value.text == "true";
}

template <class Integer>
result<Integer> integer_of(const place& at, std::int64_t smallest, std::int64_t largest) {
  std::int64_t number = 0;
  const auto& text = at.value.text;
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (at.value.kind != json_kind::number || ec != std::errc{} || end != text.data() + text.size() ||
      number < smallest || number > largest) {
    return at.refuse("a whole number from " + std::to_string(smallest) + " to " + std::to_string(largest));
  }
  return static_cast<Integer>(number);
}

result<std::string> one_of(const place& at, const std::vector<std::string>& choices) {
  if (at.value.kind == json_kind::string) {
    for (const auto& choice : choices) {
      if (at.value.text == choice) return choice;
    }
  }
  std::string all;
  for (const auto& choice : choices) all += (all.empty() ? "" : ", ") + choice;
  return at.refuse(all);
}

result<config::priority> priority_of(const place& at) {
  return one_of(at, {"low", "medium", "high"}).map([](const std::string& text) { return *parse_priority(text); });
}

result<std::vector<std::string>> texts_of(const place& at) {
  if (at.value.kind != json_kind::array) return at.refuse("a list of strings");
  std::vector<std::string> texts;
  for (const auto& item : at.value.items) {
    auto text = text_of({at.json, item, at.key});
    if (!text) return tl::unexpected(text.error());
    texts.push_back(std::move(*text));
  }
  return texts;
}

result<std::vector<std::int64_t>> shape_of(const place& at) {
  if (at.value.kind != json_kind::array || at.value.items.size() > 8) {
    return at.refuse("a list of at most 8 whole numbers, -1 for any size");
  }
  constexpr std::int64_t max_elements = std::int64_t{1} << 31;
  std::int64_t elements = 1;  // sizes that are open count as 1
  std::vector<std::int64_t> shape;
  for (const auto& item : at.value.items) {
    const place dimension{at.json, item, at.key};
    auto size = integer_of<std::int64_t>(dimension, -1, std::numeric_limits<std::int32_t>::max());
    if (!size) return tl::unexpected(size.error());
    if (*size == 0) return dimension.refuse("a size above 0, or -1 for any size");
    shape.push_back(*size);
    elements *= std::max<std::int64_t>(1, *size);  // both fit in 32 bits
    if (elements > max_elements) return at.refuse("at most 2^31 elements in all");
  }
  return shape;
}

result<dtype> dtype_of(const place& at) {
  const auto type = at.value.kind == json_kind::string ? parse_dtype(at.value.text) : std::nullopt;
  if (type) return *type;
  return at.refuse(dtype_names());
}

result<registered_input> input_of(const place& at) {
  if (at.value.kind != json_kind::object) return at.refuse("an object with name, dtype and shape");
  if (auto keys = refuse_unknown_keys(at.json, at.value, "an input", {"name", "dtype", "shape"}); !keys) {
    return tl::unexpected(keys.error());
  }
  registered_input input;
  for (const auto& [key, offset, value] : at.value.members) {
    const place member{at.json, value, at.key + '.' + key};
    result<void> read;
    if (key == "name") {
      read = text_of(member).map([&](std::string&& v) { input.name = std::move(v); });
    } else if (key == "dtype") {
      read = dtype_of(member).map([&](dtype v) { input.type = v; });
    } else {
      read = shape_of(member).map([&](auto&& v) { input.shape = std::forward<decltype(v)>(v); });
    }
    if (!read) return tl::unexpected(read.error());
  }
  return input;
}

result<std::vector<registered_input>> inputs_of(const place& at) {
  if (at.value.kind != json_kind::array) return at.refuse("a list of inputs: {\"name\", \"dtype\", \"shape\"}");
  std::vector<registered_input> inputs;
  for (const auto& item : at.value.items) {
    auto input = input_of({at.json, item, at.key});
    if (!input) return tl::unexpected(input.error());
    inputs.push_back(std::move(*input));
  }
  return inputs;
}

result<std::filesystem::path> path_of(const place& at, const std::filesystem::path& folder) {
  auto text = text_of(at);
  if (!text) return tl::unexpected(text.error());
  if (text->empty()) return at.refuse("a folder or file");
  return (folder / *text).lexically_normal();
}

// -- and back into JSON ---------------------------------------------------------------------------------------

using json_writer = rapidjson::PrettyWriter<rapidjson::StringBuffer>;

void write_value(json_writer& out, const std::string& text) { out.String(text); }
void write_value(json_writer& out, config::priority level) { out.String(std::string(to_string(level))); }

template <std::integral Number>
void write_value(json_writer& out, Number number) {
  if constexpr (std::same_as<Number, bool>) {
    out.Bool(number);
  } else if constexpr (std::unsigned_integral<Number>) {
    out.Uint64(number);
  } else {
    out.Int64(number);
  }
}

template <class T>
void write_value(json_writer& out, const std::optional<T>& given) {
  write_value(out, *given);
}

template <class T>
void write_value(json_writer& out, const std::vector<T>& items);

void write_value(json_writer& out, const registered_input& input) {
  out.StartObject();
  out.Key("name");
  write_value(out, input.name);
  out.Key("dtype");
  write_value(out, std::string(to_string(input.type)));
  out.Key("shape");
  write_value(out, input.shape);
  out.EndObject();
}

template <class T>
void write_value(json_writer& out, const std::vector<T>& items) {
  out.StartArray();
  for (const auto& item : items) write_value(out, item);
  out.EndArray();
}

// One entry of a model's object: how its value gets into the registration, and back.
struct option {
  std::string key;
  std::function<result<void>(const place&, const std::filesystem::path& folder, registered_model&)> read;
  std::function<void(json_writer&, const registered_model&)> write;  // nothing where it is as if it were not given
};

template <class Member, class Read>
option make_option(const std::string& key, Member registered_model::*member, Read read) {
  return {key,
          [member, read](const place& at, const std::filesystem::path&, registered_model& model) {
            return read(at).map([&](auto&& value) { model.*member = std::forward<decltype(value)>(value); });
          },
          [key, member](json_writer& out, const registered_model& model) {
            if (model.*member == registered_model{}.*member) return;
            out.Key(key);
            write_value(out, model.*member);
          }};
}

template <class Integer>
auto between(std::int64_t smallest, std::int64_t largest) {
  return [=](const place& at) { return integer_of<Integer>(at, smallest, largest); };
}

const std::vector<option>& options() {
  using m = registered_model;
  static const std::vector<option> all{
      {"path",
       [](const place& at, const std::filesystem::path& folder, m& model) {
         return path_of(at, folder).map([&](std::filesystem::path&& path) { model.path = std::move(path); });
       },
       [](json_writer& out, const m& model) {
         out.Key("path");
         write_value(out, model.path.string());
       }},
      make_option("source", &m::source, text_of),
      make_option("task", &m::task, text_of),
      make_option("description", &m::description, text_of),
      make_option("enabled", &m::enabled, boolean_of),
      make_option("display_name", &m::display_name, text_of),
      make_option("version", &m::version, text_of),
      make_option("provider", &m::provider, text_of),
      make_option("language", &m::language, text_of),
      make_option("tags", &m::tags, texts_of),
      make_option("capabilities", &m::capabilities, texts_of),
      make_option("priority", &m::priority, priority_of),
      make_option("cache_ttl", &m::cache_ttl_s, between<std::uint64_t>(0, max_seconds)),
      make_option("preload", &m::preload, boolean_of),
      make_option("pinned", &m::pinned, boolean_of),
      make_option("precision", &m::precision,
                  [](const place& at) {
                    return one_of(at, {"auto", "fp32", "bf16", "int8"});
                  }),
      make_option("max_length", &m::max_length, between<std::uint32_t>(0, 1 << 20)),
      make_option("max_batch_items", &m::max_batch_items, between<std::uint32_t>(1, 4096)),
      make_option("max_batch_tokens", &m::max_batch_tokens, between<std::uint32_t>(1, 1 << 20)),
      make_option("max_queue_items", &m::max_queue_items, between<std::uint32_t>(1, 1 << 20)),
      make_option("max_instances", &m::max_instances, between<std::uint32_t>(1, 256)),
      make_option("max_queue_delay_us", &m::max_queue_delay_us, between<std::uint64_t>(0, 10'000'000)),
      make_option("batching", &m::batching, boolean_of),
      make_option("labels", &m::labels, texts_of),
      make_option("inputs", &m::inputs, inputs_of),
  };
  return all;
}

const std::vector<std::string>& option_keys() {
  static const std::vector<std::string> keys = [] {
    std::vector<std::string> names;
    for (const auto& o : options()) names.push_back(o.key);
    return names;
  }();
  return keys;
}

result<defaults_by_task> read_tasks(const located_json& json, const json_value& tasks) {
  if (tasks.kind != json_kind::object) {
    return place{json, tasks, "tasks"}.refuse("an object: {TASK: {\"cache_ttl\", \"priority\"}}");
  }
  defaults_by_task all;
  for (const auto& [task, offset, value] : tasks.members) {
    if (value.kind != json_kind::object) return place{json, value, "tasks." + task}.refuse("an object");
    if (auto keys = refuse_unknown_keys(json, value, "a task", {"cache_ttl", "priority"}); !keys) {
      return tl::unexpected(keys.error());
    }
    auto& defaults = all[task];
    if (const auto* ttl = value.find("cache_ttl")) {
      auto seconds = integer_of<std::uint64_t>({json, *ttl, "tasks." + task + ".cache_ttl"}, 0, max_seconds);
      if (!seconds) return tl::unexpected(seconds.error());
      defaults.cache_ttl_s = *seconds;
    }
    if (const auto* priority = value.find("priority")) {
      auto read = priority_of({json, *priority, "tasks." + task + ".priority"});
      if (!read) return tl::unexpected(read.error());
      defaults.priority = *read;
    }
  }
  return all;
}

result<registered_model> read_model(const located_json& json, const json_member& entry,
                                    const std::filesystem::path& folder, const reserved_names& reserved) {
  const auto& [name, name_offset, value] = entry;
  if (auto checked = check_registered_name(name, reserved); !checked) {
    return json.problem(name_offset, "model " + shown(name) + ": " + checked.error().message, checked.error().detail);
  }
  if (value.kind != json_kind::object) {
    return json.problem(value.offset, "model " + shown(name) + ": found " + shown(value) + "; allowed: an object",
                        "{\"path\": FOLDER_OR_FILE, ..}");
  }
  if (auto keys = refuse_unknown_keys(json, value, "model " + shown(name), option_keys()); !keys) {
    return tl::unexpected(keys.error());
  }
  registered_model model;
  model.name = name;
  for (const auto& o : options()) {
    const auto* given = value.find(o.key);
    if (given == nullptr) continue;
    if (auto read = o.read({json, *given, name + '.' + o.key}, folder, model); !read) {
      return tl::unexpected(read.error());
    }
  }
  if (model.path.empty()) {
    return json.problem(value.offset, "model " + shown(name) + ": \"path\" is missing",
                        "\"path\" is the model's folder or file, absolute or relative to the registry's folder");
  }
  return model;
}

// With `refused`, models that cannot be used go there, and are left out.
result<registry> parse(std::string_view text, const std::filesystem::path& file, const reserved_names& reserved,
                       std::vector<error>* refused) {
  auto json = located_json::parse(text, file.string());
  if (!json) return tl::unexpected(json.error());
  const auto& root = json->root();
  if (root.kind != json_kind::object) {
    return json->problem(root.offset, "found " + shown(root) + "; allowed: an object",
                         "{\"models\": {NAME: {\"path\": FOLDER_OR_FILE, ..}}}");
  }
  if (auto keys = refuse_unknown_keys(*json, root, "the registry", {"models", "tasks"}); !keys) {
    return tl::unexpected(keys.error());
  }
  const auto* models = root.find("models");
  if (models == nullptr || models->kind != json_kind::object) {
    return json->problem(models ? models->offset : root.offset, "\"models\" must be an object",
                         "{\"models\": {NAME: {\"path\": FOLDER_OR_FILE, ..}}}");
  }
  registry all;
  if (const auto* given = root.find("tasks")) {
    auto read = read_tasks(*json, *given);
    if (!read) return tl::unexpected(read.error());
    all.tasks = std::move(*read);
  }
  std::error_code ec;
  all.file = std::filesystem::absolute(file, ec);
  all.reserved = reserved;
  const auto folder = all.file.parent_path();
  for (const auto& entry : models->members) {
    auto model = read_model(*json, entry, folder, reserved);
    if (!model && !refused) return tl::unexpected(model.error());
    if (!model) {
      refused->push_back(model.error());
      continue;
    }
    follow_task(*model, all.tasks);
    all.models.emplace(entry.key, std::move(*model));
  }
  return all;
}

}  // namespace

void follow_task(registered_model& model, const defaults_by_task& tasks) {
  const auto defaults = tasks.find(model.task);
  if (defaults == tasks.end()) return;
  if (!model.cache_ttl_s) model.cache_ttl_s = defaults->second.cache_ttl_s;
  if (!model.priority) model.priority = defaults->second.priority;
}

bool loads_alike(const registered_model& a, const registered_model& b) {
  auto as_b = a;
  as_b.source = b.source;
  as_b.description = b.description;
  as_b.display_name = b.display_name;
  as_b.version = b.version;
  as_b.provider = b.provider;
  as_b.language = b.language;
  as_b.tags = b.tags;
  as_b.capabilities = b.capabilities;
  as_b.priority = b.priority;
  as_b.cache_ttl_s = b.cache_ttl_s;
  as_b.preload = b.preload;
  as_b.pinned = b.pinned;
  as_b.origin = b.origin;
  return as_b == b;
}

std::string_view to_string(priority p) noexcept {
  switch (p) {
    case priority::low: return "low";
    case priority::medium: return "medium";
    case priority::high: return "high";
  }
  return "low";
}

std::string_view to_string(origin o) noexcept { return o == origin::run_time ? "run_time" : "models_file"; }

std::optional<priority> parse_priority(std::string_view text) noexcept {
  for (const auto p : {priority::low, priority::medium, priority::high}) {
    if (text == to_string(p)) return p;
  }
  return std::nullopt;
}

result<registry> parse_registry(std::string_view text, const std::filesystem::path& file,
                                const reserved_names& reserved) {
  return parse(text, file, reserved, nullptr);
}

salvaged_registry salvage_registry(std::string_view text, const std::filesystem::path& file,
                                   const reserved_names& reserved) {
  salvaged_registry out;
  if (auto all = parse(text, file, reserved, &out.refused))
    out.usable = std::move(*all);
  else
    out.refused.push_back(all.error());
  return out;
}

std::string registry_json(const std::map<std::string, registered_model>& models) {
  rapidjson::StringBuffer buffer;
  json_writer out(buffer);
  out.SetIndent(' ', 1);
  out.SetFormatOptions(rapidjson::kFormatSingleLineArray);
  out.StartObject();
  out.Key("models");
  out.StartObject();
  for (const auto& [name, model] : models) {
    out.Key(name);
    out.StartObject();
    for (const auto& o : options()) o.write(out, model);
    out.EndObject();
  }
  out.EndObject();
  out.EndObject();
  return {buffer.GetString(), buffer.GetSize()};
}

result<registry> load_registry(const std::filesystem::path& file, const reserved_names& reserved) {
  auto text = read_text_file(file, max_registry_bytes);
  if (!text) return tl::unexpected(text.error());
  return parse_registry(*text, file, reserved);
}

}  // namespace troupe::config
