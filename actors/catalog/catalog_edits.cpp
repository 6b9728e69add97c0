#include "actors/catalog/catalog_edits.hpp"

#include "actors/catalog/outdated.hpp"
#include "config/names.hpp"
#include "config/provider_name_rule.hpp"

namespace troupe::actors {
namespace {

void invalidate(cache::catalog_cache& tiers, edit_report report, one_shot<edit_report> reply) {
  const auto changes = outdated_by(report.providers, {report.id});
  auto shared = std::make_shared<one_shot<edit_report>>(std::move(reply));
  tiers.invalidate(changes, [shared, report](bool everywhere) mutable {
    report.everywhere = everywhere;
    (*shared)(std::move(report));
  });
}

}  // namespace

result<cache::offer> edited_offer(const offer_edit& change, const std::vector<cache::offer>& there) {
  const cache::offer* meant = nullptr;
  for (const auto& o : there)
    if (o.provider == change.provider) meant = &o;
  if (change.provider.empty() && there.size() > 1) {
    std::string names;
    for (const auto& o : there) names += (names.empty() ? "" : ", ") + o.provider;
    return fail(error_code::bad_request, "Several providers offer " + change.id + ": say which one is meant",
                "\"provider\" is one of " + names);
  }
  if (change.provider.empty() && there.size() == 1) meant = &there.front();
  cache::offer row;
  if (meant != nullptr) {
    row = *meant;
  } else {
    row.id = row.name = change.id;
    row.provider = change.provider.empty() ? std::string(manual_provider) : change.provider;
    if (!config::is_provider_name(row.provider))
      return fail(error_code::bad_request, "\"" + row.provider + "\" is no provider's name",
                  std::string(config::provider_name_rule));
  }
  if (change.name) row.name = *change.name;
  if (change.task) row.task = *change.task;
  if (change.description) row.description = *change.description;
  if (change.prompt_price) row.prompt_price = *change.prompt_price;
  if (change.completion_price) row.completion_price = *change.completion_price;
  if (change.context_length) row.context_length = *change.context_length;
  row.edited = true;
  if (auto good = cache::check_offer(row); !good) return tl::unexpected(good.error());
  return row;
}

void carry_out_edit(cache::catalog_database& db, cache::catalog_cache& tiers, const offer_edit& change,
                    one_shot<edit_report> reply) {
  const auto row =
      db.edit(change.id, [&](const std::vector<cache::offer>& there) { return edited_offer(change, there); });
  if (!row) return reply(tl::unexpected(row.error()));
  invalidate(tiers, {row->id, {row->provider}, false}, std::move(reply));
}

void carry_out_removal(cache::catalog_database& db, cache::catalog_cache& tiers, const std::string& id,
                       const std::string& provider, one_shot<edit_report> reply) {
  auto gone = db.take_out(id, provider);
  if (!gone) return reply(tl::unexpected(gone.error()));
  if (gone->empty()) {
    const auto whose = provider.empty() ? std::string() : " of " + provider;
    return reply(fail(error_code::model_not_found, "Model not found in the catalog" + whose + ": " + id));
  }
  invalidate(tiers, {id, std::move(*gone), false}, std::move(reply));
}

}  // namespace troupe::actors
