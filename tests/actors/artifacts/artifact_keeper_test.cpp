// The artifact keeper with a real store, registry keeper and supervisor, in virtual time; downloaders obey the test.

#include "actors/artifacts/artifact_keeper.hpp"

#include <prometheus/registry.h>

#include "actors/artifacts/artifact_metrics.hpp"
#include "cache/artifacts/sha256.hpp"
#include "tests/actors/residency/registry_support.hpp"

namespace troupe::actors {
namespace {

struct ArtifactKeeper : RegistryChanges {
  using download_answer = answer<download_report>;

  std::shared_ptr<cache::store> store;
  prometheus::Registry metrics;
  std::shared_ptr<artifact_metrics> meter;
  std::vector<std::shared_ptr<pull_order>> orders;  // given to downloaders, not yet ended
  std::map<std::string, std::string> unservable;    // by model: why
  std::uint32_t at_once = 2;
  std::uint64_t limit_bytes = 0;
  artifact_keeper_actor artifacts_;

  void SetUp() override {
    RegistryChanges::SetUp();
    meter = std::make_shared<artifact_metrics>(metrics);
  }
  void TearDown() override {
    end_artifacts();
    RegistryChanges::TearDown();
  }
  void begin() {
    start();
    begin_artifacts();
  }
  void begin_artifacts() {
    auto opened = cache::store::open(folder / "models", {limit_bytes, std::chrono::seconds(60)});
    ASSERT_TRUE(opened) << opened.error().message;
    store = std::move(*opened);
    auto w = std::make_shared<artifact_world>();
    w->artifacts = store;
    w->fetch = [this](const std::shared_ptr<pull_order>& o, const artifact_keeper_actor&) { orders.push_back(o); };
    w->probe = [this](const config::registered_model& m) -> probe_result {
      const auto why = unservable.find(m.name);
      return why == unservable.end() ? probe_result{true, {}} : probe_result{false, why->second};
    };
    w->ready_store = folder / "ready";
    w->take_counts = [] {};
    w->limits = {at_once, 3, 100, std::chrono::seconds(60)};
    w->store_limit_bytes = limit_bytes;
    w->reserved = reserved;
    w->routes = world->routes;
    w->registry = keeper;
    w->supervisor = sup;
    w->meter = meter;
    artifacts_ = time.system.spawn(artifact_keeper, w);
    time.settle();
  }
  void end_artifacts() {
    if (!artifacts_) return;
    caf::anon_send(artifacts_, stop_atom::value);
    time.settle();
    while (!orders.empty()) fail_fetch(orders.front()->what.name, {error_code::cancelled, "over", {}, {}});
    artifacts_ = nullptr;
  }

  // -- what clients ask

  static cache::pull_request named(const std::string& name) {
    cache::pull_request r;
    r.name = name;
    r.model_id = "org/" + name;
    return r;
  }
  download_answer download(const std::string& name, bool then_load = true) {
    this->artifacts.try_emplace(name);  // the fixture's: what the loader finds
    download_answer a;
    caf::anon_send(artifacts_, pull_atom::value,
                   std::make_shared<const download_request>(download_request{named(name), then_load}), a.reply());
    time.settle();
    return a;
  }
  download_report status(const std::string& id) {
    download_answer a;
    caf::anon_send(artifacts_, status_atom::value, id, a.reply());
    time.settle();
    EXPECT_TRUE(a.get()) << id;
    return a.get() ? *a.get() : download_report{};
  }
  answer<removal_report> take_out(const std::string& name) {
    answer<removal_report> a;
    caf::anon_send(artifacts_, remove_atom::value, name, a.reply());
    time.settle();
    return a;
  }
  download_answer update(const std::string& name) {
    download_answer a;
    caf::anon_send(artifacts_, update_atom::value, name, a.reply());
    time.settle();
    return a;
  }
  download_answer retry(const std::string& name, bool force) {
    download_answer a;
    caf::anon_send(artifacts_, retry_atom::value, name, force, a.reply());
    time.settle();
    return a;
  }
  store_report list() {
    answer<store_report> a;
    caf::anon_send(artifacts_, list_atom::value, a.reply());
    time.settle();
    return *a.get();
  }

  // -- what a downloader does

  std::shared_ptr<pull_order> order(const std::string& name) {
    for (const auto& o : orders)
      if (o->what.name == name) return o;
    ADD_FAILURE() << "nobody fetches " << name;
    return std::make_shared<pull_order>();
  }
  void tell(const std::string& name, std::shared_ptr<pull_outcome> outcome) {
    const auto o = order(name);
    std::erase(orders, o);
    outcome->probe = unservable.contains(name) ? probe_result{false, unservable.at(name)} : probe_result{true, {}};
    caf::anon_send(artifacts_, fetched_atom::value, o->id, std::move(outcome));
    time.settle();
  }
  void fail_fetch(const std::string& name, error why) {
    auto outcome = std::make_shared<pull_outcome>();
    outcome->got = tl::unexpected(std::move(why));
    tell(name, std::move(outcome));
  }
  cache::manifest put_into_store(const cache::pull_request& what, const std::string& content) {
    auto partial = store->lock_partial(what.name, nullptr);
    const auto at = partial->path() / "f";
    std::ofstream(at) << content;
    cache::sha256 digest;
    digest.add(content);
    cache::manifest m;
    m.name = what.name;
    m.model_id = what.model_id;
    m.asked_task = what.task;
    auto made = store->publish(m, {{at, {"config.json", content.size(), digest.hex(), {}}}}, std::move(*partial));
    EXPECT_TRUE(made) << made.error().message;
    return *made;
  }
  fs::path end_fetch(const std::string& name, const std::string& content = "{}") {
    auto outcome = std::make_shared<pull_outcome>();
    const auto m = put_into_store(order(name)->what, content);
    outcome->got = cache::pulled{m, false};
    tell(name, std::move(outcome));
    return store->folder_of(m);
  }
  void progress(const std::string& name, std::uint64_t done, std::uint64_t total) {
    auto p = std::make_shared<pull_progress>();
    p->files.push_back({"f", done, total});
    caf::anon_send(artifacts_, progress_atom::value, order(name)->id, std::shared_ptr<const pull_progress>(p));
    time.settle();
  }
};

TEST_F(ArtifactKeeper, WhatIsFetchedIsRegisteredAndLoaded) {
  begin();
  const auto started = download("a");
  ASSERT_TRUE(started.get());
  EXPECT_EQ(started.get()->state, download_state::downloading);
  EXPECT_FALSE(registered("a"));
  progress("a", 3, 12);
  EXPECT_EQ(progress_percent(status(started.get()->id)), 25);
  const auto folder_of_it = end_fetch("a");
  EXPECT_EQ(status(started.get()->id).state, download_state::completed);
  ASSERT_TRUE(registered("a"));
  EXPECT_EQ(on_disk().at("a").path, folder_of_it);
  EXPECT_EQ(resident(), names{"a"});
  EXPECT_EQ(meter->completed.Value(), 1);
}

TEST_F(ArtifactKeeper, OneThatIsNotToBeLoadedIsRegisteredOnly) {
  begin();
  const auto id = download("a", false).get()->id;
  end_fetch("a");
  EXPECT_EQ(status(id).state, download_state::completed);
  EXPECT_TRUE(registered("a"));
  EXPECT_EQ(resident(), names{});
}

TEST_F(ArtifactKeeper, OneThatDoesNotFitStaysRegisteredAndSaysSo) {
  begin();
  const auto id = download("a").get()->id;
  artifacts["a"].size_bytes = 1000 * mb;
  end_fetch("a");
  EXPECT_EQ(status(id).state, download_state::completed);
  EXPECT_NE(status(id).load_error, "");
  EXPECT_TRUE(registered("a"));
}

TEST_F(ArtifactKeeper, OneThatCannotBeServedIsKeptWithItsReason) {
  begin();
  unservable["a"] = "names GPT2LMHeadModel";
  const auto id = download("a").get()->id;
  end_fetch("a");
  EXPECT_EQ(status(id).state, download_state::completed);
  EXPECT_NE(status(id).message.find("GPT2LMHeadModel"), std::string::npos);
  EXPECT_EQ(resident(), names{});
  const auto all = list();
  EXPECT_EQ(all.models.at(0).servable, false);
  EXPECT_EQ(all.models.at(0).reason, "names GPT2LMHeadModel");
}

TEST_F(ArtifactKeeper, TwoRequestsForOneNameShareOneDownload) {
  begin();
  const auto first = download("a"), second = download("a");
  EXPECT_EQ(first.get()->id, second.get()->id);
  EXPECT_EQ(orders.size(), 1u);
  end_fetch("a");
  const auto third = download("a");
  EXPECT_TRUE(third.get()->already_exists);
  EXPECT_EQ(third.get()->state, download_state::completed);
  EXPECT_TRUE(orders.empty());
  EXPECT_EQ(list().answered, 1u);
}

TEST_F(ArtifactKeeper, ANameOfTheOperatorsIsNotFetched) {
  in_file("theirs");
  begin();
  EXPECT_TRUE(download("theirs").get()->already_exists);
  EXPECT_TRUE(orders.empty());
  EXPECT_EQ(take_out("theirs").get().error().code, error_code::model_not_found);
}

TEST_F(ArtifactKeeper, ReservedNamesAreRefused) {
  begin();
  for (const auto* name : {"cache", "v1/x", "org/load", "..", "a b"})
    EXPECT_EQ(download(name).get().error().code, error_code::bad_request) << name;
}

TEST_F(ArtifactKeeper, AFailureLeavesNothingAndCanBeTriedAgain) {
  begin();
  const auto id = download("a").get()->id;
  fail_fetch("a", {error_code::unavailable, "example.test did not answer", {}, {}});
  EXPECT_EQ(status(id).state, download_state::failed);
  EXPECT_NE(status(id).message.find("did not answer"), std::string::npos);
  EXPECT_FALSE(registered("a"));
  EXPECT_EQ(meter->failed.Value(), 1);
  const auto again = retry("a", false);
  EXPECT_NE(again.get()->id, id);
  EXPECT_FALSE(order("a")->what.afresh);
  end_fetch("a");
  EXPECT_TRUE(registered("a"));
  EXPECT_EQ(retry("a", false).get().error().code, error_code::conflict);
  EXPECT_TRUE(retry("a", true).get());
  EXPECT_TRUE(order("a")->what.afresh);
}

TEST_F(ArtifactKeeper, WhatIsUnknownCanNeitherBeTriedAgainNorUpdatedNorRemoved) {
  begin();
  EXPECT_EQ(retry("a", true).get().error().code, error_code::model_not_found);
  EXPECT_EQ(update("a").get().error().code, error_code::model_not_found);
  EXPECT_EQ(take_out("a").get().error().code, error_code::model_not_found);
}

TEST_F(ArtifactKeeper, OthersWaitForTheirTurn) {
  at_once = 1;
  begin();
  download("a");
  const auto second = download("b").get()->id;
  EXPECT_EQ(status(second).state, download_state::pending);
  EXPECT_EQ(meter->waiting.Value(), 1);
  end_fetch("a");
  EXPECT_EQ(status(second).state, download_state::downloading);
}

TEST_F(ArtifactKeeper, RemovingCancelsTheDownload) {
  begin();
  const auto id = download("a").get()->id;
  auto gone = take_out("a");
  EXPECT_TRUE(order("a")->cancelled->load());
  EXPECT_FALSE(gone.here());  // until its downloader has ended
  EXPECT_EQ(download("a").get().error().code, error_code::conflict);
  fail_fetch("a", {error_code::cancelled, "cancelled", {}, {}});
  ASSERT_TRUE(gone.here());
  EXPECT_TRUE(gone.get()->cancelled);
  EXPECT_EQ(status(id).state, download_state::cancelled);
  EXPECT_TRUE(download("a").get());
}

TEST_F(ArtifactKeeper, OneThatWaitsIsCancelledAtOnce) {
  at_once = 1;
  begin();
  download("a");
  const auto id = download("b").get()->id;
  EXPECT_TRUE(take_out("b").get());
  EXPECT_EQ(status(id).state, download_state::cancelled);
}

TEST_F(ArtifactKeeper, OneThatLoadsIsRemovedWithoutWaitingForTheLoad) {
  begin();
  load_at_once = false;
  const auto id = download("a").get()->id;
  const auto folder_of_it = end_fetch("a");
  EXPECT_EQ(status(id).state, download_state::downloading);
  EXPECT_TRUE(take_out("a").get());
  EXPECT_EQ(status(id).state, download_state::cancelled);
  EXPECT_FALSE(registered("a"));
  EXPECT_FALSE(fs::exists(folder_of_it));
  EXPECT_EQ(resident(), names{});
  end_load();
}

TEST_F(ArtifactKeeper, RemovingUnloadsAndTakesItOffTheDisk) {
  begin();
  download("a");
  const auto folder_of_it = end_fetch("a", "{\"a\": 1}");
  EXPECT_EQ(resident(), names{"a"});
  const auto gone = take_out("a");
  ASSERT_TRUE(gone.get()) << gone.get().error().message;
  EXPECT_EQ(gone.get()->freed_bytes, 8u);
  EXPECT_FALSE(registered("a"));
  EXPECT_EQ(resident(), names{});
  EXPECT_FALSE(fs::exists(folder_of_it));
  EXPECT_EQ(on_disk().size(), 0u);
}

TEST_F(ArtifactKeeper, AnUpdateIsServedWhenItIsThereAndTheOldOneGoes) {
  begin();
  download("a");
  const auto before = end_fetch("a", "one");
  const auto id = update("a").get()->id;
  EXPECT_EQ(resident(), names{"a"});
  const auto after = end_fetch("a", "two");
  EXPECT_EQ(status(id).state, download_state::completed);
  EXPECT_EQ(on_disk().at("a").path, after);
  EXPECT_EQ(resident(), names{"a"});
  EXPECT_FALSE(fs::exists(before));
  EXPECT_TRUE(fs::exists(after));
}

TEST_F(ArtifactKeeper, AtTheStartStoreAndRegistryAreBroughtTogether) {
  start();
  auto opened = cache::store::open(folder / "models", {});
  store = std::move(*opened);
  put_into_store(named("left"), "x");  // a process ended before it was registered
  auto stray = at_run_time("stray");   // and before this one was taken out
  stray.path = store->root() / "stray" / "@0123456789abcdef";
  put(stray);
  auto elsewhere = at_run_time("elsewhere");
  put(elsewhere);
  begin_artifacts();
  EXPECT_TRUE(registered("left"));
  EXPECT_FALSE(registered("stray"));
  EXPECT_TRUE(registered("elsewhere"));
  EXPECT_EQ(list().models.at(0).servable, true);
}

TEST_F(ArtifactKeeper, OverTheLimitTheLeastRecentlyUsedGoesAndLeavesTheRegistry) {
  limit_bytes = 10;
  begin();
  download("a", false);
  end_fetch("a", "123456");
  time.pass(1s);
  download("b", false);
  end_fetch("b", "abcdef");
  time.pass(61s);
  EXPECT_FALSE(registered("a"));
  EXPECT_TRUE(registered("b"));
  EXPECT_EQ(list().models.size(), 1u);
}

TEST_F(ArtifactKeeper, WatchersAreToldUntilTheEnd) {
  begin();
  const auto id = download("a").get()->id;
  std::vector<download_report> told;
  download_answer a;
  caf::anon_send(artifacts_, watch_atom::value, id, download_watcher([&](const download_report& d) {
                   told.push_back(d);
                   return true;
                 }),
                 a.reply());
  time.settle();
  EXPECT_EQ(told.size(), 1u);
  progress("a", 1, 2);
  EXPECT_EQ(told.back().bytes_done, 1u);
  end_fetch("a");
  EXPECT_EQ(told.back().state, download_state::completed);
  const auto count = told.size();
  time.pass(120s);
  EXPECT_EQ(told.size(), count);
}

TEST_F(ArtifactKeeper, StoppingCallsDownloadsOffAndWaitsForTheirEnd) {
  begin();
  download("a");
  caf::anon_send(artifacts_, stop_atom::value);
  time.settle();
  EXPECT_TRUE(order("a")->cancelled->load());
  EXPECT_EQ(download("b").get().error().code, error_code::unavailable);
}

}  // namespace
}  // namespace troupe::actors
