#include "cache/artifacts/sources/selection.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <unordered_map>

#include "cache/artifacts/sources/file_roles.hpp"
#include "cache/artifacts/sources/urls.hpp"
#include "cache/artifacts/store/file_names.hpp"
#include "inference/files/files.hpp"

namespace troupe::cache {
namespace {

constexpr std::size_t shards_max = 1000;
constexpr std::size_t modules_max = 16;
constexpr std::size_t named_in_a_note_max = 5;

std::string_view folder_of(std::string_view path) {
  const auto slash = path.rfind('/');
  return slash == path.npos ? std::string_view() : path.substr(0, slash);
}
std::string_view name_of(std::string_view path) { return path.substr(path.rfind('/') + 1); }

// What no honest listing has anywhere, whatever the file is for. Null: nothing of that.
const char* hostile(std::string_view path) {
  if (path.empty()) return "is empty";
  if (path.front() == '/') return "is absolute";
  if (std::any_of(path.begin(), path.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; }))
    return "has a control character";
  if (path.find('\\') != path.npos) return "has a backslash";
  for (std::size_t at = 0; at <= path.size();) {
    const auto end = std::min(path.find('/', at), path.size());
    const auto part = path.substr(at, end - at);
    if (part.empty()) return "has an empty part";
    if (part == "." || part == "..") return "goes out of its folder";
    at = end + 1;
  }
  return nullptr;
}

class selector {
 public:
  selector(const std::vector<listed_file>& listing, const std::string& what, const listed_reader& read)
      : listing_(listing), what_(what), read_(read) {}

  result<selection> run() {
    if (auto ok = look(); !ok) return tl::unexpected(ok.error());
    auto folders = modules();
    if (!folders) return tl::unexpected(folders.error());
    for (const auto& folder : *folders)
      if (auto ok = take(folder); !ok) return tl::unexpected(ok.error());
    if (!has_weights_) return nothing_to_serve();
    return finish(*folders);
  }

 private:
  tl::unexpected<error> problem(const std::string& what, std::string detail = {}) const {
    return fail(error_code::unprocessable, what_ + ' ' + what, std::move(detail));
  }
  const std::string& path(std::size_t place) const { return listing_[place].path; }

  result<void> look() {
    if (listing_.size() > listed_files_max)
      return problem("lists " + std::to_string(listing_.size()) + " files",
                     "at most " + std::to_string(listed_files_max));
    for (std::size_t i = 0; i < listing_.size(); ++i) {
      if (const auto* why = hostile(path(i)); why != nullptr)
        return problem("lists a file whose name " + std::string(why) + ": '" + shown(path(i)) + "'");
      if (!places_.emplace(path(i), i).second) return problem("lists '" + shown(path(i)) + "' twice");
      folders_[std::string(folder_of(path(i)))].push_back(i);
    }
    return {};
  }

  // The folders that a model is made of: its own, and those that modules.json names (Sentence Transformers).
  result<std::vector<std::string>> modules() {
    std::vector<std::string> out{""};
    const auto found = places_.find("modules.json");
    if (found == places_.end()) return out;
    auto text = read_(found->second);
    if (!text) return tl::unexpected(text.error());
    simdjson::dom::parser parser;
    simdjson::dom::array modules;
    if (parser.parse(*text).get(modules)) return problem("has a modules.json that is no JSON list");
    for (const auto module : modules) {
      std::string_view folder;
      if (module["path"].get(folder)) return problem("has a modules.json with a module without path");
      while (folder.ends_with('/')) folder.remove_suffix(1);
      if (folder.empty() || folder == ".") continue;
      if (const auto* why = hostile(folder); why != nullptr)
        return problem("has a modules.json with a path that " + std::string(why) + ": '" + shown(folder) + "'");
      if (out.size() > modules_max) return problem("has a modules.json with more than 16 modules");
      // One without files has nothing to set: it is not in the listing.
      if (folders_.contains(std::string(folder)) && std::find(out.begin(), out.end(), folder) == out.end())
        out.emplace_back(folder);
    }
    return out;
  }

  void add(std::size_t place) { chosen_.insert(place); }

  result<void> take(const std::string& folder) {
    std::vector<std::size_t> plain[3], variants[3], indexes;
    const auto in_folder = folders_.find(folder);
    if (in_folder == folders_.end()) return {};
    for (const auto place : in_folder->second) {
      const auto name = name_of(path(place));
      const auto role = role_of(name);
      if (role == file_role::settings) add(place);
      if (role == file_role::index) indexes.push_back(place);
      if (role < file_role::safetensors || role > file_role::torch_file) continue;
      const auto format = static_cast<std::size_t>(role) - static_cast<std::size_t>(file_role::safetensors);
      const bool variant = role != file_role::torch_file && !parse_weights_name(name).variant.empty();
      (variant ? variants : plain)[format].push_back(place);
    }
    static constexpr struct {
      std::size_t format;
      bool variant;
      const char *single, *other_single, *ending;
    } order[] = {{0, false, "model.safetensors", "", ".safetensors"},
                 {1, false, "pytorch_model.bin", "", ".bin"},
                 {0, true, "", "", ".safetensors"},
                 {1, true, "", "", ".bin"},
                 {2, false, "model.pt2", "model.pt", ""}};
    for (const auto& o : order) {
      auto done =
          pick((o.variant ? variants : plain)[o.format], indexes, o.variant, {o.single, o.other_single}, o.ending);
      if (!done) return tl::unexpected(done.error());
      if (*done) break;
    }
    return {};
  }

  // True: the folder's weights are chosen.
  result<bool> pick(std::vector<std::size_t> files, const std::vector<std::size_t>& all_indexes, bool variant,
                    std::initializer_list<std::string_view> singles, std::string_view ending) {
    std::vector<std::size_t> indexes;
    for (const auto place : all_indexes)
      if (!ending.empty() && path(place).find(std::string(ending) + ".index.") != std::string::npos &&
          parse_weights_name(name_of(path(place))).variant.empty() != variant)
        indexes.push_back(place);
    if (files.empty() && indexes.empty()) return false;
    has_weights_ = true;
    if (variant) keep_first_variant(files, indexes);
    for (const auto single : singles)
      for (const auto place : files)
        if (name_of(path(place)) == single || (variant && is_usual_single(place))) {
          add(place);
          return true;
        }
    if (const auto index = usual_index(indexes)) return shards(*index);
    for (const auto place : files) add(place);
    if (files.size() > 1)
      notes_.push_back("taken whole: " + std::to_string(files.size()) +
                       " files of weights, as none has the usual name (" +
                       (ending.empty()     ? "model.pt2"
                        : ending == ".bin" ? "pytorch_model.bin"
                                           : "model.safetensors") +
                       ") and no index tells which belong together");
    return true;
  }

  bool is_usual_single(std::size_t place) const {
    const auto name = parse_weights_name(name_of(path(place)));
    return !name.shard && (name.stem == "model" || name.stem == "pytorch_model");
  }

  void keep_first_variant(std::vector<std::size_t>& files, std::vector<std::size_t>& indexes) const {
    const auto variant_of = [&](std::size_t place) { return parse_weights_name(name_of(path(place))).variant; };
    std::set<std::string_view> variants;
    for (const auto& places : {files, indexes})
      for (const auto place : places) variants.insert(variant_of(place));
    const auto other = [&](std::size_t place) { return variant_of(place) != *variants.begin(); };
    std::erase_if(files, other);
    std::erase_if(indexes, other);
  }

  std::optional<std::size_t> usual_index(const std::vector<std::size_t>& indexes) const {
    for (const auto place : indexes) {
      const auto stem = parse_weights_name(name_of(path(place))).stem;
      if (stem == "model" || stem == "pytorch_model") return place;
    }
    return indexes.size() == 1 ? std::optional(indexes.front()) : std::nullopt;
  }

  result<bool> shards(std::size_t index) {
    const auto index_name = "'" + shown(path(index)) + "'";
    auto text = read_(index);
    if (!text) return tl::unexpected(text.error());
    inference::json_document json;
    if (auto ok = inference::parse_json_object(*text, what_ + ' ' + index_name, json); !ok)
      return tl::unexpected(ok.error());
    simdjson::dom::object weights;
    if (json.root["weight_map"].get(weights)) return problem("has an index " + index_name + " without a weight_map");
    std::set<std::string_view> names;
    for (const auto [tensor, file] : weights) {
      std::string_view name;
      if (file.get(name)) return problem("has an index " + index_name + " whose '" + shown(tensor) + "' is no name");
      names.insert(name);
      if (names.size() > shards_max) return problem("has an index " + index_name + " that names more than 1000 files");
    }
    if (names.empty()) return problem("has an index " + index_name + " that names no file");
    const auto folder = std::string(folder_of(path(index)));
    for (const auto name : names) {
      const auto found = places_.find(folder.empty() ? std::string(name) : folder + '/' + std::string(name));
      if (found == places_.end() || name.find('/') != name.npos)
        return problem("lacks '" + shown(name) + "', which its index " + index_name + " names");
      add(found->second);
    }
    add(index);
    return true;
  }

  tl::unexpected<error> nothing_to_serve() const {
    std::set<std::string> there;
    for (const auto& file : listing_) {
      const auto name = lower_case(name_of(file.path));
      const auto ending = name.substr(std::min(name.rfind('.'), name.size()));
      if (role_of(name) == file_role::other_runtime && ending.size() > 1 && there.size() < 8) there.insert(ending);
      if (name == "model_index.json") there.insert("a pipeline of parts in sub-folders (model_index.json)");
    }
    std::string has;
    for (const auto& each : there) has += (has.empty() ? "" : ", ") + each;
    return problem("has nothing that can be served: no weights in " + std::string(weights_endings),
                   has.empty() ? std::to_string(listing_.size()) + " files are listed" : "it has " + has);
  }

  result<selection> finish(const std::vector<std::string>& folders) {
    selection out;
    std::vector<std::string> names;
    names.reserve(chosen_.size());
    for (const auto place : chosen_) names.push_back(path(place));
    if (auto ok = check_file_names(names); !ok)
      return problem("cannot be stored: " + ok.error().message, ok.error().detail);
    out.files.assign(chosen_.begin(), chosen_.end());
    std::sort(out.files.begin(), out.files.end(), [&](auto a, auto b) { return path(a) < path(b); });
    out.notes = std::move(notes_);
    tell_what_is_left_out(folders, out.notes);
    return out;
  }

  // A file by its name, what lies in another folder by that folder's.
  void tell_what_is_left_out(const std::vector<std::string>& folders, std::vector<std::string>& notes) const {
    std::map<std::string_view, std::map<std::string, std::size_t>> by_reason;
    for (std::size_t i = 0; i < listing_.size(); ++i) {
      if (chosen_.contains(i)) continue;
      const auto folder = folder_of(path(i));
      const bool own = std::find(folders.begin(), folders.end(), folder) != folders.end();
      const auto first = std::string(folder.substr(0, folder.find('/')));
      const auto role = own ? role_of(name_of(path(i))) : role_of_folder(first);
      const auto* reason = role == file_role::other_runtime ? "copies for other runtimes"
                           : role == file_role::training    ? "of the training"
                           : !own                           ? "other folders"
                           : role == file_role::other       ? "not read when serving"
                                                            : "other copies of the weights";
      ++by_reason[reason][own ? shown(path(i)) : shown(first) + '/'];
    }
    for (const auto& [reason, names] : by_reason) {
      std::string text = "left out, " + std::string(reason) + ": ";
      std::size_t told = 0;
      for (const auto& [name, count] : names) {
        if (++told > named_in_a_note_max) break;
        text += (told == 1 ? "" : ", ") + name + (count > 1 ? " (" + std::to_string(count) + " files)" : "");
      }
      if (names.size() > named_in_a_note_max)
        text += " and " + std::to_string(names.size() - named_in_a_note_max) + " more";
      notes.push_back(std::move(text));
    }
  }

  const std::vector<listed_file>& listing_;
  const std::string& what_;
  const listed_reader& read_;
  std::unordered_map<std::string, std::size_t> places_;
  std::map<std::string, std::vector<std::size_t>> folders_;
  std::set<std::size_t> chosen_;
  std::vector<std::string> notes_;
  bool has_weights_ = false;
};

}  // namespace

result<selection> select_files(const std::vector<listed_file>& listing, const std::string& what,
                               const listed_reader& read) {
  return selector(listing, what, read).run();
}

bool is_weights_name(std::string_view name) {
  const auto lower = lower_case(name);
  const auto dot = lower.rfind('.');
  if (dot == lower.npos) return false;
  return (' ' + std::string(weights_endings) + ' ').find(' ' + lower.substr(dot) + ' ') != std::string::npos;
}

}  // namespace troupe::cache
