#include "cache/catalog/catalog_json.hpp"

#include <algorithm>
#include <ctime>

#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

namespace troupe::cache {
namespace {

class writer {
 public:
  writer& object() { return out_.StartObject(), *this; }
  writer& end_object() { return out_.EndObject(), *this; }
  writer& array() { return out_.StartArray(), *this; }
  writer& end_array() { return out_.EndArray(), *this; }
  writer& key(std::string_view name) { return out_.Key(name.data(), static_cast<unsigned>(name.size())), *this; }
  writer& value(std::string_view text) { return out_.String(text.data(), static_cast<unsigned>(text.size())), *this; }
  writer& value(const std::string& text) { return value(std::string_view(text)); }
  writer& value(bool yes) { return out_.Bool(yes), *this; }
  writer& value(std::uint64_t n) { return out_.Uint64(n), *this; }
  writer& value(std::int64_t n) { return out_.Int64(n), *this; }
  writer& value(double n) { return out_.Double(n), *this; }
  writer& value(std::nullptr_t) { return out_.Null(), *this; }
  template <class T>
  writer& value(const std::optional<T>& maybe) {
    return maybe ? value(*maybe) : value(nullptr);
  }
  template <class T>
  writer& field(std::string_view name, const T& v) {
    return key(name).value(v);
  }
  // Null where there is nothing to say.
  writer& told(std::string_view name, const std::string& text) {
    return text.empty() ? field(name, nullptr) : field(name, text);
  }
  writer& time(std::string_view name, const std::optional<std::int64_t>& unix_s) {
    if (!unix_s) return field(name, nullptr);
    const std::time_t at = *unix_s;
    std::tm parts{};
    char text[32];
    if (gmtime_r(&at, &parts) == nullptr || std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts) == 0)
      return field(name, nullptr);
    return field(name, std::string_view(text));
  }
  std::string str() const { return {buffer_.GetString(), buffer_.GetSize()}; }

 private:
  rapidjson::StringBuffer buffer_;
  rapidjson::Writer<rapidjson::StringBuffer> out_{buffer_};
};

void write_prices(writer& out, const offer& o) {
  out.key("pricing").object().field("prompt", o.prompt_price).field("completion", o.completion_price).end_object();
}

void write_offer(writer& out, const offer& o) {
  out.object().field("id", o.id).field("name", o.name).field("provider", o.provider).told("task", o.task);
  out.told("description", o.description).field("context_length", o.context_length);
  write_prices(out, o);
  out.time("created_at", o.created_s).field("edited", o.edited).end_object();
}

// What the document's readers look for in a unique model.
void write_providers(writer& out, const unique_model& m) {
  const auto& cheapest = m.offers.front();
  out.key("providers").array();
  for (const auto& o : m.offers) out.value(o.provider);
  out.end_array().field("provider_count", static_cast<std::uint64_t>(m.offers.size()));
  if (cheapest.prompt_price)
    out.field("cheapest_provider", cheapest.provider);
  else
    out.field("cheapest_provider", nullptr);
  out.field("cheapest_prompt_price", cheapest.prompt_price);
}

void write_unique(writer& out, const unique_model& m) {
  out.object().field("id", m.id).field("name", m.name);
  write_providers(out, m);
  out.end_object();
}

void write_page(writer& out, const page_query& q, const catalog_page& page) {
  out.key("data").array();
  for (const auto& o : page.offers) write_offer(out, o);
  for (const auto& m : page.models) write_unique(out, m);
  out.end_array();
  const std::uint64_t returned = page.offers.size() + page.models.size();
  out.field("total", page.total).field("returned", returned).field("limit", std::uint64_t{q.limit});
  const auto number = [&](std::string_view name, bool there, std::uint64_t n) {
    if (there)
      out.field(name, n);
    else
      out.field(name, nullptr);
  };
  number("offset", !q.after, q.offset);
  out.field("has_more", page.has_more);
  number("next_offset", !q.after && page.has_more, q.offset + returned);
  if (!page.has_more || returned == 0) {
    out.field("next_cursor", nullptr);
    return;
  }
  page_place last;
  if (q.unique) {
    last.id = page.models.back().id;
  } else {
    const auto& o = page.offers.back();
    last.id = o.id;
    last.provider = o.provider;
    if (q.order == offer_order::price) last.value = o.prompt_price;
    if (q.order == offer_order::context_length && o.context_length) last.value = static_cast<double>(*o.context_length);
  }
  out.field("next_cursor", write_cursor(q, last));
}

void write_facts(writer& out, const provider_facts& f, const config::catalog_provider* configured) {
  out.object().field("name", f.name);
  if (configured != nullptr) {
    out.field("type", configured->type).field("interval_s", configured->interval_s);
  } else {
    out.field("type", nullptr).field("interval_s", nullptr);
  }
  out.field("models", f.models).time("synced_at", f.synced_s).time("attempted_at", f.attempted_s);
  out.told("last_error", f.last_error).end_object();
}

const config::catalog_provider* named(const std::vector<config::catalog_provider>& all, const std::string& name) {
  const auto at = std::find_if(all.begin(), all.end(), [&](const auto& p) { return p.name == name; });
  return at == all.end() ? nullptr : &*at;
}

}  // namespace

std::string page_json(const page_query& query, const catalog_page& page) {
  writer out;
  out.object();
  write_page(out, query, page);
  return out.end_object().str();
}

std::string provider_json(const provider_facts* facts, const config::catalog_provider* configured,
                          const page_query& query, const catalog_page& page) {
  writer out;
  out.object().key("provider");
  if (facts != nullptr)
    write_facts(out, *facts, configured);
  else
    out.value(nullptr);
  write_page(out, query, page);
  return out.end_object().str();
}

std::string providers_json(const std::vector<provider_facts>& facts,
                           const std::vector<config::catalog_provider>& configured) {
  std::vector<provider_facts> all = facts;
  for (const auto& p : configured) {
    const bool known = std::any_of(all.begin(), all.end(), [&](const auto& f) { return f.name == p.name; });
    if (!known) all.push_back({p.name, 0, {}, {}, {}});
  }
  std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  writer out;
  out.object().key("data").array();
  for (const auto& f : all) write_facts(out, f, named(configured, f.name));
  const auto n = static_cast<std::uint64_t>(all.size());
  return out.end_array().field("total", n).field("returned", n).end_object().str();
}

std::string stats_json(const catalog_counts& c) {
  writer out;
  out.object().field("total_models", c.offers).field("unique_models", c.models).field("total_providers", c.providers);
  out.field("priced_models", c.priced).field("free_models", c.free).field("edited_models", c.edited);
  out.key("models_by_task").object();
  std::uint64_t untold = 0;
  for (const auto& [task, n] : c.by_task) {
    if (task.empty())
      untold = n;
    else
      out.field(task, n);
  }
  return out.end_object().field("models_without_task", untold).time("synced_at", c.synced_s).end_object().str();
}

std::string model_json(const unique_model& m) {
  const auto& best = m.offers.front();
  writer out;
  out.object().field("id", m.id).field("name", m.name).field("provider", best.provider).told("task", best.task);
  out.told("description", best.description).field("context_length", best.context_length);
  write_prices(out, best);
  write_providers(out, m);
  out.key("offers").array();
  for (const auto& o : m.offers) write_offer(out, o);
  return out.end_array().end_object().str();
}

std::string pricing_json(const unique_model& m) {
  const auto& best = m.offers.front();
  writer out;
  out.object().field("id", m.id).field("provider", best.provider);
  out.field("prompt", best.prompt_price).field("completion", best.completion_price);
  out.key("offers").array();
  for (const auto& o : m.offers) {
    out.object().field("provider", o.provider).field("prompt", o.prompt_price);
    out.field("completion", o.completion_price).end_object();
  }
  return out.end_array().end_object().str();
}

void list_writer::add(const offer& o) {
  writer out;
  write_offer(out, o);
  if (rows_++ > 0) text_ += ',';
  text_ += out.str();
}

void list_writer::add(const unique_model& m) {
  writer out;
  write_unique(out, m);
  if (rows_++ > 0) text_ += ',';
  text_ += out.str();
}

std::string list_writer::take() { return std::move(text_) + "]"; }

}  // namespace troupe::cache
