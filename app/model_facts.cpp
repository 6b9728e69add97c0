#include "app/model_facts.hpp"

#include <cmath>
#include <ctime>

#include "app/logging.hpp"
#include "inference/files/model_json.hpp"

namespace troupe::app {
namespace {

using inference::member;
using inference::text_of;
using std::chrono::system_clock;

std::string servable_word(const model_facts& m) { return !m.servable ? "" : *m.servable ? "yes" : "no"; }

std::string ago(const model_facts& m, system_clock::time_point now) {
  return m.modified ? human_ago(std::chrono::duration_cast<std::chrono::seconds>(now - *m.modified)) : std::string();
}

std::string where_from(const model_facts& m) { return m.model_id.empty() ? m.source : m.source + ':' + m.model_id; }

void read_files(simdjson::dom::element list, std::vector<cache::stored_file>& into) {
  simdjson::dom::array files;
  if (list.get(files)) return;
  for (const auto f : files) {
    auto& file = into.emplace_back();
    file.path = text_of(f, "path");
    file.sha256 = text_of(f, "sha256");
    if (const auto size = member(f, "size_bytes"); !size || size->get(file.size_bytes)) file.size_bytes = 0;
  }
}

}  // namespace

std::optional<system_clock::time_point> parse_utc(const std::string& text) {
  std::tm parts{};
  if (strptime(text.c_str(), "%Y-%m-%dT%H:%M:%S", &parts) == nullptr) return std::nullopt;
  return system_clock::from_time_t(timegm(&parts));
}

std::uint64_t bytes_of_mb(simdjson::dom::element object, const char* key) {
  double mb = 0;
  const auto value = member(object, key);
  if (!value || value->get(mb) || !(mb > 0) || mb > 1e12) return 0;
  return static_cast<std::uint64_t>(std::llround(mb * 1048576.0));
}

model_facts facts_of(const cache::manifest& m, const std::filesystem::path& folder) {
  model_facts out;
  out.name = m.name;
  out.snapshot = m.snapshot;
  out.source = cache::to_string(m.source);
  out.model_id = m.model_id;
  out.revision = m.revision;
  out.requested_revision = m.requested_revision;
  out.task = m.asked_task.empty() ? m.task : m.asked_task;
  out.description = m.description;
  out.path = folder.string();
  out.tags = m.tags;
  out.files = m.files;
  out.size_bytes = cache::size_bytes(m);
  out.pinned = m.pinned;
  out.modified = m.downloaded_at;
  return out;
}

result<model_facts> facts_of(simdjson::dom::element info) {
  model_facts out;
  out.name = text_of(info, "name");
  out.snapshot = text_of(info, "id");
  if (out.snapshot.empty() || out.name.empty())
    return fail(error_code::internal, "the server does not tell what it has of the model", text_of(info, "status"));
  out.source = text_of(info, "source");
  out.model_id = text_of(info, "model_id");
  out.task = text_of(info, "task");
  out.description = text_of(info, "description");
  out.path = text_of(info, "path");
  if (const auto files = member(info, "files")) read_files(*files, out.files);
  if (const auto size = member(info, "size_bytes"); !size || size->get(out.size_bytes)) out.size_bytes = 0;
  out.revision = text_of(info, "version");
  out.requested_revision = text_of(info, "requested_revision");
  if (out.revision == out.snapshot) out.revision.clear();  // it stands for a revision that there is none of
  simdjson::dom::array tags;
  if (const auto list = member(info, "tags"); list && !list->get(tags)) {
    for (const auto tag : tags)
      if (std::string_view text; !tag.get(text)) out.tags.emplace_back(text);
  }
  if (bool yes = false; member(info, "servable") && !member(info, "servable")->get(yes)) out.servable = yes;
  out.reason = text_of(info, "reason");
  out.pinned = inference::flag_of(info, "pinned", false);
  out.modified = parse_utc(text_of(info, "downloaded_at"));
  return out;
}

void write_facts(http::json_out& json, const model_facts& m, bool whole) {
  const auto text_or_null = [&](const char* key, const std::string& text) {
    text.empty() ? json.field(key, nullptr) : json.field(key, text);
  };
  json.field("name", m.name).field("id", m.snapshot).field("source", m.source).field("model_id", m.model_id);
  text_or_null("revision", m.revision);
  text_or_null("task", m.task);
  json.field("size_bytes", m.size_bytes).field("servable", m.servable);
  text_or_null("reason", m.reason);
  json.field("modified", m.modified);
  if (!whole) return;
  text_or_null("description", m.description);
  text_or_null("path", m.path);
  json.field("pinned", m.pinned).key("tags").array();
  for (const auto& tag : m.tags) json.value(tag);
  json.end_array().key("files").array();
  for (const auto& f : m.files)
    json.object().field("path", f.path).field("size_bytes", f.size_bytes).field("sha256", f.sha256).end_object();
  json.end_array();
}

std::string facts_text(const model_facts& m, system_clock::time_point now) {
  std::string out;
  const auto line = [&](const char* name, const std::string& value) {
    if (value.empty()) return;
    std::string head = name;
    head.resize(13, ' ');
    out += head + escape_for_terminal(value) + '\n';
  };
  line("name", m.name);
  line("id", m.snapshot);
  line("source", where_from(m));
  line("revision", m.revision);
  line("task", m.task);
  line("description", m.description);
  std::string tags;
  for (const auto& tag : m.tags) tags += (tags.empty() ? "" : ", ") + tag;
  line("tags", tags);
  line("size", human_bytes(m.size_bytes));
  line("servable", m.servable == false && !m.reason.empty() ? "no: " + m.reason : servable_word(m));
  line("pinned", m.pinned ? "yes" : "");
  line("modified", ago(m, now));
  line("path", m.path);
  for (const auto& f : m.files) {
    out += (&f == &m.files.front() ? "files        " : "             ") + escape_for_terminal(f.path) + "  " +
           human_bytes(f.size_bytes) + '\n';
  }
  return out;
}

std::string facts_table(const std::vector<model_facts>& models, system_clock::time_point now) {
  std::vector<table_row> rows;
  rows.reserve(models.size());
  for (const auto& m : models)
    rows.push_back({m.name, m.snapshot.substr(0, 12), human_bytes(m.size_bytes), where_from(m), m.task,
                    servable_word(m), ago(m, now)});
  return text_table({"NAME", "ID", "SIZE", "SOURCE", "TASK", "SERVABLE", "MODIFIED"}, rows);
}

}  // namespace troupe::app
