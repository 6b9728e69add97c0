#include "actors/catalog/catalog_keeper.hpp"
#include "cache/catalog/catalog_json.hpp"

namespace troupe::actors {
namespace {

result<made_answer> page(cache::catalog_database& db, const cache::page_query& query) {
  auto found = db.list(query);
  if (!found) return tl::unexpected(found.error());
  const auto rows = found->offers.size() + found->models.size();
  return made_answer{cache::page_json(query, *found), rows, rows > 0};
}

result<made_answer> one_provider(cache::catalog_database& db, const cache::page_query& query,
                                 const std::vector<config::catalog_provider>& providers) {
  auto facts = db.providers();
  if (!facts) return tl::unexpected(facts.error());
  auto found = db.list(query);
  if (!found) return tl::unexpected(found.error());
  const config::catalog_provider* configured = nullptr;
  for (const auto& p : providers)
    if (p.name == query.provider) configured = &p;
  const cache::provider_facts* its = nullptr;
  for (const auto& f : *facts)
    if (f.name == query.provider) its = &f;
  const cache::provider_facts none{query.provider, 0, {}, {}, {}};
  if (its == nullptr && configured != nullptr) its = &none;
  const auto rows = found->offers.size();
  return made_answer{cache::provider_json(its, configured, query, *found), rows, rows > 0};
}

result<made_answer> one_model(cache::catalog_database& db, const catalog_question& question) {
  auto offers = db.offers_of(question.id);
  if (!offers) return tl::unexpected(offers.error());
  if (offers->empty()) return fail(error_code::model_not_found, "Model not found in the catalog: " + question.id);
  const auto model = cache::merge_offers(std::move(*offers));
  return made_answer{question.about == catalog_subject::model ? cache::model_json(model) : cache::pricing_json(model),
                     0, true};
}

}  // namespace

result<made_answer> make_answer(cache::catalog_database& db, const catalog_question& question,
                                const std::vector<config::catalog_provider>& providers) {
  switch (question.about) {
    case catalog_subject::models: return page(db, question.page);
    case catalog_subject::provider: return one_provider(db, question.page, providers);
    case catalog_subject::providers: {
      auto facts = db.providers();
      if (!facts) return tl::unexpected(facts.error());
      return made_answer{cache::providers_json(*facts, providers), facts->size(), !facts->empty()};
    }
    case catalog_subject::stats: {
      auto counts = db.counts();
      if (!counts) return tl::unexpected(counts.error());
      return made_answer{cache::stats_json(*counts), 0, counts->offers > 0};
    }
    case catalog_subject::model:
    case catalog_subject::pricing: return one_model(db, question);
  }
  return fail(error_code::internal, "no such question");
}

cache::cache_key key_of(const catalog_question& q) {
  using cache::cache_kind;
  switch (q.about) {
    case catalog_subject::models:
      return {q.page.unique             ? cache_kind::unique
              : q.page.provider.empty() ? cache_kind::full
                                        : cache_kind::provider,
              q.page.unique ? std::string() : q.page.provider, canonical_text(q.page)};
    case catalog_subject::provider: return {cache_kind::provider, q.page.provider, "facts " + canonical_text(q.page)};
    case catalog_subject::providers: return {cache_kind::full, std::string(cache::all_providers), "all"};
    case catalog_subject::stats: return {cache_kind::stats, {}, {}};
    case catalog_subject::model: return {cache_kind::model, q.id, {}};
    case catalog_subject::pricing: return {cache_kind::pricing, q.id, {}};
  }
  return {};
}

std::string_view to_string(answered_from f) noexcept {
  return f == answered_from::redis ? "redis" : f == answered_from::local ? "local" : "database";
}

}  // namespace troupe::actors
