#include <spdlog/spdlog.h>

#include "actors/catalog/outdated.hpp"
#include "actors/catalog/provider_sync.hpp"

namespace troupe::actors {
namespace {

void invalidate(const sync_tools& tools, const std::string& provider, std::vector<std::string> touched) {
  tools.tiers->invalidate(outdated_by({provider}, std::move(touched)), [](bool) {});
}

result<void> read_and_write(cache::catalog_database& db, const sync_tools& tools, sync_result& out, bool on_demand) {
  auto sync = db.begin_sync(out.provider);
  if (!sync) return tl::unexpected(sync.error());
  const auto source = tools.source();
  auto reading = source->read(
      [&](std::vector<cache::offer> rows) {
        for (auto& row : rows) row.provider = out.provider;
        return (*sync)->add(rows);
      },
      tools.ending.get());
  if (!reading) return tl::unexpected(reading.error());
  out.read = reading->rows;
  out.skipped = reading->skipped;
  out.skipped_examples = std::move(reading->examples);
  auto done = (*sync)->finish();
  if (!done) {
    // A commit whose answer was lost may have been one.
    if (done.error().code == error_code::unavailable) invalidate(tools, out.provider, {});
    return tl::unexpected(done.error());
  }
  out.added = done->added;
  out.changed = done->changed;
  out.unchanged = done->unchanged;
  out.removed = done->removed;
  out.kept_edited = done->kept_edited;
  // At once: until then old answers pass for fresh ones.
  if (!done->touched_ids.empty() || on_demand) invalidate(tools, out.provider, std::move(done->touched_ids));
  return {};
}

}  // namespace

sync_result run_sync(cache::catalog_database& db, const config::catalog_provider& provider, const sync_tools& tools,
                     bool on_demand) {
  sync_result out;
  out.provider = provider.name;
  out.type = provider.type;
  const auto started = steady_clock::now();
  if (auto done = read_and_write(db, tools, out, on_demand); !done) out.why = done.error();
  // Told beside the rows; that it cannot be told changes nothing of them.
  (void)db.note_sync(provider.name, out.why ? out.why->message : std::string());
  tools.tiers->invalidate({when_providers_were_read()}, [](bool) {});
  out.duration_s = std::chrono::duration<double>(steady_clock::now() - started).count();
  if (out.why) {
    spdlog::warn("sync of {}: {}{}{}; the rows of before stand", provider.name, out.why->message,
                 out.why->detail.empty() ? "" : ": ", out.why->detail);
    return out;
  }
  const auto level = out.added + out.changed + out.removed == 0 ? spdlog::level::debug : spdlog::level::info;
  spdlog::log(level, "sync of {}: {} models read, {} added, {} changed, {} removed, {} skipped, in {:.2f} s",
              provider.name, out.read, out.added, out.changed, out.removed, out.skipped, out.duration_s);
  return out;
}

}  // namespace troupe::actors
