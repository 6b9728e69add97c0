#include "http/core/router.hpp"

#include <algorithm>
#include <optional>
#include <stdexcept>

#include "config/edit_distance.hpp"
#include "config/names.hpp"
#include "http/json/text.hpp"

namespace troupe::http {
namespace {

constexpr std::size_t max_segments = 16;

struct endpoint {
  std::string method;
  std::size_t index;
  std::vector<std::string> names;  // of its pattern's parameters: places are shared, names are each pattern's own
};

// "GET, HEAD, POST, OPTIONS"
std::string allow_of(const std::vector<std::string>& methods) {
  std::string out;
  for (const auto& m : methods) out += m + ", " + (m == "GET" ? "HEAD, " : "");
  return out + "OPTIONS";
}

// "." or ".." as a part, also behind an encoded slash or a backslash.
bool is_traversal(std::string_view decoded) {
  while (true) {
    const auto end = decoded.find_first_of("/\\");
    const auto part = decoded.substr(0, end);
    if (part == "." || part == "..") return true;
    if (end == std::string_view::npos) return false;
    decoded.remove_prefix(end + 1);
  }
}

}  // namespace

bool is_parameter(std::string_view segment) noexcept { return segment.starts_with('{') && segment.ends_with('}'); }
bool is_rest_parameter(std::string_view segment) noexcept {
  return segment == "{catalog_id}" || segment == "{any_path}";
}

std::vector<std::string_view> path_segments(std::string_view path) {
  std::vector<std::string_view> out;
  if (path.starts_with('/')) path.remove_prefix(1);
  if (path.empty()) return out;
  if (path.size() > 1 && path.ends_with('/')) path.remove_suffix(1);  // a trailing slash is tolerated
  while (true) {
    const auto slash = path.find('/');
    out.push_back(path.substr(0, slash));
    if (slash == std::string_view::npos) return out;
    path.remove_prefix(slash + 1);
  }
}

std::vector<std::string> parameter_names(std::string_view pattern) {
  std::vector<std::string> names;
  for (const auto segment : path_segments(pattern)) {
    if (is_parameter(segment)) names.emplace_back(segment.substr(1, segment.size() - 2));
  }
  return names;
}

struct router::node {
  std::map<std::string, std::unique_ptr<node>, std::less<>> literals;
  std::unique_ptr<node> parameter;
  bool parameter_is_model = false;
  std::unique_ptr<node> rest;
  std::vector<endpoint> endpoints;

  const endpoint* find(std::string_view method) const {
    for (const auto& e : endpoints) {
      if (e.method == method) return &e;
    }
    return method == "HEAD" ? find("GET") : nullptr;
  }
  std::string allow() const {
    std::vector<std::string> methods;
    methods.reserve(endpoints.size());
    for (const auto& e : endpoints) methods.push_back(e.method);
    return allow_of(methods);
  }
};

// One path on its way through the tree.
struct router::walk {
  struct value {
    std::string text;
    bool is_model;
  };
  std::optional<error> wrong;         // with the path; of several the first
  bool is_too_long = false;           // so that no segment was looked at
  std::vector<std::string> segments;  // decoded
  std::vector<value> values;          // of the parameters, the last one first
  std::size_t traverses = npos;       // the first segment that does
  std::size_t rest_from = npos;       // what such a parameter has taken is no path
  static constexpr auto npos = static_cast<std::size_t>(-1);

  // Values are taken on the way back from a hit, so that a way that led nowhere leaves none.
  const node* step(const node& at, std::size_t depth) {
    if (depth == segments.size()) return at.endpoints.empty() ? nullptr : &at;
    if (const auto literal = at.literals.find(segments[depth]); literal != at.literals.end()) {
      if (const auto* hit = step(*literal->second, depth + 1)) return hit;
    }
    if (at.rest) {
      std::string all = segments[depth];
      for (std::size_t i = depth + 1; i < segments.size(); ++i) all += '/' + segments[i];
      values.push_back({std::move(all), false});
      rest_from = depth;
      return at.rest.get();
    }
    if (!at.parameter) return nullptr;
    for (std::size_t take = 1; take <= (at.parameter_is_model ? 2u : 1u); ++take) {
      if (depth + take > segments.size()) break;
      if (const auto* hit = step(*at.parameter, depth + take)) {
        values.push_back(
            {take == 1 ? segments[depth] : segments[depth] + '/' + segments[depth + 1], at.parameter_is_model});
        return hit;
      }
    }
    return nullptr;
  }

  // What is wrong with one segment; null: `decoded` is it.
  static std::optional<error> decode(std::string_view part, std::string& decoded) {
    const auto bad = [&](const std::string& what, std::string detail) {
      return error{error_code::bad_request, what + ": '" + shown(part) + "'", std::move(detail), {}};
    };
    auto text = percent_decode(part, false);
    if (!text) return bad("Bad percent-encoding in the path", "'%' must be followed by two hexadecimal digits");
    if (!is_utf8(*text)) return bad("The path is not valid UTF-8", "encode it as UTF-8 before percent-encoding it");
    if (std::any_of(text->begin(), text->end(),
                    [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }))
      return bad("The path has a control character", "names are made of printable characters");
    decoded = std::move(*text);
    return std::nullopt;
  }

  // Checks every segment, also of paths that no route has. One that is wrong stays as it was written: the way leads to
  // a route all the same, whose family says what is wrong in its own words.
  explicit walk(std::string_view path) {
    const auto raw = path_segments(path);
    if (raw.size() > max_segments) {
      is_too_long = true;
      wrong = error{error_code::route_not_found, "No route has " + std::to_string(raw.size()) + " segments", {}, {}};
      return;
    }
    segments.reserve(raw.size());
    for (const auto part : raw) {
      std::string decoded(part);
      if (auto bad = decode(part, decoded); bad && !wrong) wrong = std::move(bad);
      if (is_traversal(decoded) && traverses == npos) traverses = segments.size();
      segments.push_back(std::move(decoded));
    }
  }

  // Null: no route has this path.
  const node* way(const node& root, std::string_view path) {
    return path.starts_with('/') && !is_too_long ? step(root, 0) : nullptr;
  }

  std::optional<error> traversal() const {
    if (traverses == npos || traverses >= rest_from) return std::nullopt;
    return error{error_code::bad_request,
                 "The path must not contain '.' or '..' as a segment: '" + shown(segments[traverses]) + "'",
                 "name the resource itself",
                 {}};
  }
};

router::router() : root_(std::make_unique<node>()) {}
router::~router() = default;

void router::add(std::string_view method, std::string_view pattern, std::size_t index) {
  const auto refuse = [&](const std::string& why) { throw std::invalid_argument(why + ": " + std::string(pattern)); };
  if (!pattern.starts_with('/')) refuse("a pattern begins with '/'");
  auto names = parameter_names(pattern);
  for (auto name = names.begin(); name != names.end(); ++name) {
    if (name->empty() || std::find(names.begin(), name, *name) != name) {
      refuse("a parameter has a name, and each name stands once in a pattern");
    }
  }
  node* at = root_.get();
  for (const auto segment : path_segments(pattern)) {
    if (is_rest_parameter(segment)) {
      if (at->parameter) refuse("a parameter for the rest and another one in the same place of two patterns");
      if (!at->rest) at->rest = std::make_unique<node>();
      at = at->rest.get();
    } else if (is_parameter(segment)) {
      if (at->rest) refuse("a parameter for the rest and another one in the same place of two patterns");
      const bool model = segment == model_parameter;
      if (at->parameter && at->parameter_is_model != model) {
        refuse("{model_name} and another parameter in the same place of two patterns: " + std::string(segment));
      }
      at->parameter_is_model = model;
      if (!at->parameter) at->parameter = std::make_unique<node>();
      at = at->parameter.get();
    } else {
      auto& next = at->literals[std::string(segment)];
      if (!next) next = std::make_unique<node>();
      at = next.get();
    }
  }
  if (std::any_of(at->endpoints.begin(), at->endpoints.end(), [&](const auto& e) { return e.method == method; })) {
    refuse("two routes for " + std::string(method));
  }
  at->endpoints.push_back({std::string(method), index, std::move(names)});
  if (std::find(patterns_.begin(), patterns_.end(), pattern) == patterns_.end()) patterns_.emplace_back(pattern);
  if (std::find(methods_.begin(), methods_.end(), method) == methods_.end()) methods_.emplace_back(method);
}

tl::expected<router::found, router::missed> router::match(std::string_view method, std::string_view path) const {
  const auto miss = [](error why, std::optional<std::size_t> sibling = {}, std::string allow = {}) {
    return tl::unexpected<missed>(missed{std::move(why), std::move(allow), sibling});
  };
  walk w(path);
  const node* hit = w.way(*root_, path);
  const auto sibling = hit == nullptr ? std::nullopt : std::optional(hit->endpoints.front().index);
  if (w.wrong) return miss(std::move(*w.wrong), sibling);
  if (auto bad = w.traversal()) return miss(std::move(*bad), sibling);
  if (hit == nullptr) {
    return miss({error_code::route_not_found,
                 "No route " + std::string(method) + " " + shown(path),
                 "known routes: " + similar_routes(path),
                 {}});
  }
  for (const auto& value : w.values) {
    if (!value.is_model) continue;
    auto checked = config::check_model_name(value.text);
    if (!checked) return miss(std::move(checked.error()), sibling);
  }
  const auto* target = hit->find(method);
  if (target == nullptr) {
    auto allow = hit->allow();
    error why{error_code::method_not_allowed,
              shown(method, 20) + " is not allowed for " + shown(path),
              "use one of " + allow,
              {}};
    return miss(std::move(why), sibling, std::move(allow));
  }
  found out;
  out.index = target->index;
  for (std::size_t i = 0; i < target->names.size(); ++i) {
    out.parameters.add(target->names[i], std::move(w.values[w.values.size() - 1 - i].text));
  }
  return out;
}

std::string router::allowed(std::string_view path) const {
  if (path == "*") return allow_of(methods_);
  walk w(path);
  const node* hit = w.wrong ? nullptr : w.way(*root_, path);
  return hit == nullptr ? std::string() : hit->allow();
}

std::string router::similar_routes(std::string_view path) const {
  const auto wanted = path_segments(path.substr(0, 256));
  std::vector<std::pair<std::size_t, const std::string*>> near;
  for (const auto& pattern : patterns_) {
    const auto have = path_segments(pattern);
    // Segments cost their edits, missing or extra ones two each.
    std::size_t cost = 2 * (std::max(have.size(), wanted.size()) - std::min(have.size(), wanted.size()));
    for (std::size_t i = 0; i < std::min(have.size(), wanted.size()); ++i) {
      cost += is_parameter(have[i]) ? 1 : config::edit_distance(have[i], wanted[i], 4);
    }
    near.emplace_back(cost, &pattern);
  }
  std::stable_sort(near.begin(), near.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  std::string out;
  for (std::size_t i = 0; i < std::min<std::size_t>(near.size(), 5); ++i) {
    out += (i == 0 ? "" : ", ") + *near[i].second;
  }
  return out;
}

}  // namespace troupe::http
