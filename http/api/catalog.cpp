// Document 004: the catalog, and what administers its cache.

#include "cache/catalog/offer.hpp"
#include "config/names.hpp"
#include "config/provider_name_rule.hpp"
#include "http/api/answer_with.hpp"
#include "http/api/catalog_input.hpp"
#include "http/api/catalog_json.hpp"
#include "http/api/catalog_schemas.hpp"
#include "http/api/families.hpp"
#include "http/core/conditional.hpp"
#include "http/core/content_encoding.hpp"

namespace troupe::http {
namespace {

using actors::catalog_answer;
using actors::catalog_question;
using actors::catalog_subject;

// An encoded form is another representation, and has another tag.
std::string tag_of(const cache::cached_value& v, content_encoding how) {
  auto tag = v.etag;
  if (how != content_encoding::identity) tag.insert(tag.size() - 1, "-" + std::string(to_string(how)));
  return tag;
}

response headed(const catalog_answer& a, std::string etag) {
  response out;
  out.headers.emplace_back("ETag", std::move(etag));
  // Kept by whoever wants to, and asked for again with its tag: an invalidation reaches no browser.
  out.headers.emplace_back("Cache-Control", "no-cache");
  out.headers.emplace_back("Vary", "Accept-Encoding");
  const bool hit = a.from != actors::answered_from::database;
  out.headers.emplace_back("X-Cache", a.stale ? "STALE" : hit ? "HIT" : "MISS");
  out.headers.emplace_back("X-Cache-Tier", std::string(to_string(a.from)));
  return out;
}

// The cached bytes as they are, or encoded.
response written(const catalog_answer& a, content_encoding how) {
  std::shared_ptr<const std::string> encoded;
  if (how != content_encoding::identity)
    encoded =
        a.json->encoded(static_cast<std::size_t>(how), [how](const std::string& body) { return encode(how, body); });
  auto out = headed(a, tag_of(*a.json, encoded ? how : content_encoding::identity));
  if (encoded) out.headers.emplace_back("Content-Encoding", std::string(to_string(how)));
  out.body = encoded ? *encoded : a.json->body;
  return out;
}

void answer(const context& c, const exchange_ptr& request, catalog_question question) {
  c.service.catalog().ask(
      std::move(question), actors::one_shot<catalog_answer>([request](result<catalog_answer> a) {
        if (!a) return request->fail(a.error());
        const auto how = a->json->body.size() < worth_encoding_bytes
                             ? content_encoding::identity
                             : choose_encoding(request->header("Accept-Encoding"));
        if (const auto known = request->header("If-None-Match")) {
          for (const auto form : {how, content_encoding::identity}) {
            auto tag = tag_of(*a->json, form);
            if (!names_etag(known, tag)) continue;
            auto unchanged = headed(*a, std::move(tag));
            unchanged.status = 304;
            return request->respond(std::move(unchanged));
          }
        }
        // Encoding belongs on the connection's thread, not on Redis'.
        if (how == content_encoding::identity) return request->respond(written(*a, how));
        on_connection(request, [request, how, shared = std::make_shared<const catalog_answer>(std::move(*a))] {
          request->respond(written(*shared, how));
        });
      }));
}

void get_models(const context& c, const exchange_ptr& request, const route_parameters&) {
  auto page = read_listing(*request);
  if (!page) return request->fail(page.error());
  answer(c, request, {catalog_subject::models, std::move(*page), {}});
}

// Of no page.
catalog_question question_about(catalog_subject about, std::string id = {}) {
  catalog_question out;
  out.about = about;
  out.id = std::move(id);
  return out;
}

void get_unique(const context& c, const exchange_ptr& request, const route_parameters&) {
  auto page = read_unique_listing(*request);
  if (!page) return request->fail(page.error());
  answer(c, request, {catalog_subject::models, std::move(*page), {}});
}

void get_provider(const context& c, const exchange_ptr& request, const route_parameters& in_path) {
  auto page = read_provider_listing(*request, in_path["provider"]);
  if (!page) return request->fail(page.error());
  answer(c, request, {catalog_subject::provider, std::move(*page), {}});
}

void get_providers(const context& c, const exchange_ptr& request, const route_parameters&) {
  answer(c, request, question_about(catalog_subject::providers));
}

void get_stats(const context& c, const exchange_ptr& request, const route_parameters&) {
  answer(c, request, question_about(catalog_subject::stats));
}

void get_one(const context& c, const exchange_ptr& request, const route_parameters& in_path, catalog_subject about) {
  const auto& id = in_path["catalog_id"];
  if (auto good = cache::check_catalog_id(id); !good) return request->fail(good.error());
  answer(c, request, question_about(about, id));
}
void get_model(const context& c, const exchange_ptr& request, const route_parameters& in_path) {
  get_one(c, request, in_path, catalog_subject::model);
}
void get_pricing(const context& c, const exchange_ptr& request, const route_parameters& in_path) {
  get_one(c, request, in_path, catalog_subject::pricing);
}

void post_warm(const context& c, const exchange_ptr& request, const route_parameters&) {
  c.service.catalog().warm(answer_json<actors::warm_report>(c, request, {}, warm_json));
}

void post_clear(const context& c, const exchange_ptr& request, const route_parameters&) {
  auto gateway = read_only_parameter(*request, "gateway");
  if (!gateway) return request->fail(gateway.error());
  if (!gateway->empty() && !config::is_provider_name(*gateway))
    return request->fail({error_code::bad_request, "'gateway' is no provider's name",
                          std::string(config::provider_name_rule), std::nullopt});
  c.service.catalog().clear(std::move(*gateway), answer_json<actors::clear_report>(c, request, {}, clear_json));
}

void get_cache_stats(const context& c, const exchange_ptr& request, const route_parameters&) {
  response out;
  out.body = cache_stats_json(c.service.catalog().state());
  request->respond(std::move(out));
}

void post_sync(const context& c, const exchange_ptr& request, const route_parameters&) {
  auto provider = read_only_parameter(*request, "provider");
  if (!provider) return request->fail(provider.error());
  c.service.catalog().sync(std::move(*provider), answer_json<actors::sync_report>(c, request, {}, sync_json));
}

auto edited(const context& c, const exchange_ptr& request, bool removed) {
  return answer_with<actors::edit_report>(c, request, {}, [removed](const actors::edit_report& r) {
    response out;
    out.body = edit_json(r, removed);
    return out;
  });
}

void put_model(const context& c, const exchange_ptr& request, const route_parameters& in_path) {
  const auto& id = in_path["catalog_id"];
  if (auto good = cache::check_catalog_id(id); !good) return request->fail(good.error());
  auto change = read_edit(*request, id);
  if (!change) return request->fail(change.error());
  c.service.catalog().edit(std::move(*change), edited(c, request, false));
}

void delete_model(const context& c, const exchange_ptr& request, const route_parameters& in_path) {
  const auto& id = in_path["catalog_id"];
  if (auto good = cache::check_catalog_id(id); !good) return request->fail(good.error());
  auto provider = read_only_parameter(*request, "gateway");
  if (!provider) return request->fail(provider.error());
  c.service.catalog().take_out(id, std::move(*provider), edited(c, request, true));
}

family_routes::row paged(family_routes::row row) {
  using s = schema;
  const auto price = s::number().with("minimum", "0");
  const auto length = s::integer().with("minimum", "0");
  return row.takes("search", s::text(), "Words that id or name must have, case aside")
      .takes("task", s::text(), "As Hugging Face names it")
      .takes("min_price", price, "Of a prompt's token; unpriced models are out")
      .takes("max_price", price, "Likewise")
      .takes("min_context_length", length, "Tokens")
      .takes("max_context_length", length, "Tokens")
      .takes("limit", s::integer().with("minimum", "1").with("maximum", "1000"), "Rows of a page; 100")
      .takes("offset", s::integer().with("minimum", "0"), "Rows before it")
      .takes("cursor", s::text(), "`next_cursor` of the page before, in place of an offset");
}

family_routes::row cached(family_routes::row row) {
  return row.answers(304, "If-None-Match names what it is", {})
      .fails(429, "Too many requests wait for the database")
      .fails(503, "Nothing has it cached, and the database fails");
}

}  // namespace

std::vector<route> catalog_routes() {
  using s = schema;
  family_routes add({"catalog", "Document 004: the models of many providers, and what they cost"});
  const auto sort = s::one_of({"", "id", "price", "context_length"});  // forms send their empty fields
  cached(paged(add.get("/catalog/models", get_models)
                   .says("All offers, or one provider's")
                   .takes("gateway", s::text(), "The provider; an unknown one has an empty list")
                   .takes("sort", sort, "price: cheapest prompt first; context_length: longest first"))
             .answers(200, "A page", as_json(catalog_page_schema())));
  cached(add.get("/catalog/providers", get_providers)
             .says("All providers, and when they were read")
             .answers(200, "They", as_json(catalog_providers_schema())));
  cached(paged(add.get("/catalog/providers/{provider}", get_provider)
                   .says("One provider, with a page of its models")
                   .takes("sort", sort, "As above"))
             .answers(200, "It; null and an empty list where it is unknown", as_json(catalog_provider_schema())));
  cached(paged(add.get("/catalog/unique", get_unique).says("Every model once, with its providers, cheapest first"))
             .answers(200, "A page", as_json(unique_page_schema())));
  cached(add.get("/catalog/stats", get_stats)
             .says("How many models there are")
             .answers(200, "Numbers", as_json(catalog_stats_schema())));
  cached(add.get("/catalog/models/{catalog_id}", get_model)
             .says("One model and all its offers; the id may have any character, slashes as they are or as %2F")
             .answers(200, "It", as_json(catalog_model_schema()))
             .fails(404, "No provider offers it"));
  cached(add.get("/catalog/pricing/{catalog_id}", get_pricing)
             .says("What a model costs, cheapest first")
             .answers(200, "Prices of a token", as_json(catalog_pricing_schema()))
             .fails(404, "No provider offers it"));
  add.post("/api/system/cache/warm", post_warm)
      .admin()
      .says("Caches the full catalog, the unique models, statistics, and the first providers")
      .answers(200, "It is done", as_json(warm_schema()));
  add.post("/api/system/cache/clear", post_clear)
      .admin()
      .says("Clears Redis and every server's copies: of one gateway and what is made of it, or all")
      .takes("gateway", s::text(), "The provider; without it everything goes")
      .answers(200, "It is done", as_json(clear_schema()));
  add.get("/api/system/cache/stats", get_cache_stats)
      .admin()
      .says("Hits, misses, and the state of each tier")
      .answers(200, "Since the start", as_json(cache_stats_schema()));
  add.post("/api/system/sync", post_sync)
      .admin()
      .says("Reads the providers now; answers when that is done")
      .takes("provider", s::text(), "One of them; without it all")
      .answers(200, "What became of each", as_json(sync_schema()))
      .fails(404, "No such provider")
      .fails(504, "It is not through yet, and goes on; /catalog/providers tells what comes of it");
  add.add("PUT", "/api/system/models/{catalog_id}", put_model)
      .admin()
      .says("Edits an offer by hand, or adds one; no sync undoes it")
      .takes("gateway", s::text(), "Whose offer, where there are several")
      .needs_body("What is to be changed; what is left out stays, null takes away", as_json(edit_request_schema()))
      .answers(200, "It is so, and what was cached of it is gone", as_json(edit_schema()))
      .fails(503, "The database fails");
  add.add("DELETE", "/api/system/models/{catalog_id}", delete_model)
      .admin()
      .says("Takes an offer out, so that no sync brings it back")
      .takes("gateway", s::text(), "Whose; without it everybody's")
      .answers(200, "It is gone", as_json(edit_schema()))
      .fails(404, "No provider offers it")
      .fails(503, "The database fails");
  return add.take();
}

}  // namespace troupe::http
