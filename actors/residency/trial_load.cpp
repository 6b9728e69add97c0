#include "actors/residency/trial_load.hpp"

#include <chrono>

#include "inference/files/ready_copies.hpp"

namespace troupe::actors {

namespace {

// The quickest of so many loads counts, as others may have had the cores; fewer of a large artifact.
constexpr int rounds_max = 3;
constexpr std::chrono::seconds rounds_take_max{5};

struct one_load {
  measured_load measured;
  std::string notes;
};

result<one_load> load_once(const std::shared_ptr<load_order>& order, const inference::load_options& options,
                           const trial_hands& hands) {
  auto outcome = hands.load(order, options);
  if (!*outcome) return tl::unexpected(outcome->error());
  auto& loaded = **outcome;
  one_load out;
  out.measured = {loaded.load_time_s, loaded.model->memory().private_bytes};
  out.notes = loaded.model->info().notes;
  loaded.first_instance.reset();
  hands.free(std::move(loaded.model));
  return out;
}

std::uint64_t copy_bytes(const load_order& order, const std::filesystem::path& store) {
  if (store.empty()) return 0;
  const auto all = inference::ready_copies(store);
  const auto own = all.find(inference::ready_key(order.spec.path));
  return own == all.end() ? 0 : own->second;
}

void keep_quickest(std::optional<measured_load>& best, const measured_load& next) {
  if (!best || next.first_answer_s < best->first_answer_s) best = next;
}

}  // namespace

trial_outcome trial_load(const std::shared_ptr<load_order>& order, const inference::load_options& options,
                         const trial_hands& hands) {
  auto alone = options;
  alone.store.clear();
  // Writes the copy, and what is measured after it reads nothing from the disk: neither way has an advantage by that.
  const auto first = load_once(order, options, hands);
  if (!first) return tl::unexpected(first.error());
  optimize_report out;
  out.model = order->model;
  out.copy_bytes = copy_bytes(*order, options.store);
  out.notes = first->notes;
  const auto begun = std::chrono::steady_clock::now();
  for (int round = 0; round < rounds_max; ++round) {
    const auto without = load_once(order, alone, hands);
    if (!without) return tl::unexpected(without.error());
    keep_quickest(out.without_copy, without->measured);
    if (out.copy_bytes == 0) break;  // nothing to compare with
    const auto with = load_once(order, options, hands);
    if (!with) return tl::unexpected(with.error());
    keep_quickest(out.with_copy, with->measured);
    if (std::chrono::steady_clock::now() - begun > rounds_take_max) break;
  }
  return out;
}

}  // namespace troupe::actors
