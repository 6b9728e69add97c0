// A pull from end to end: planned and fetched from the hub of misbehaving_server.py or a folder, published in a store.

#include "cache/artifacts/pull.hpp"

#include <gmock/gmock.h>

#include <algorithm>
#include <future>
#include <tuple>

#include "tests/cache/artifacts/support.hpp"
#include "tests/cache/artifacts/transfer/misbehaving.hpp"

namespace troupe::cache::tests {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

constexpr std::uint64_t small = 300'001;
const std::string config = R"({"model_type": "bert"})", vocabulary = "a\nb\n";

// Keeps what it is told.
struct told final : pull_observer {
  int plans = 0, publishings = 0;
  std::vector<std::uint64_t> sizes, done;  // of the plan's files
  std::function<void(const pull_plan&)> on_plan;
  std::function<void(std::size_t, std::uint64_t)> on_progress;

  void planned(const pull_plan& plan) override {
    ++plans;
    for (const auto& f : plan.files) sizes.push_back(f.size_bytes.value_or(0));
    done.resize(plan.files.size());
    if (on_plan) on_plan(plan);
  }
  void progress(std::size_t file, std::uint64_t bytes) override {
    EXPECT_EQ(plans, 1);
    EXPECT_EQ(publishings, 0);
    done.at(file) = bytes;
    if (on_progress) on_progress(file, bytes);
  }
  void publishing() override { ++publishings; }
};

class Pull : public misbehaving {
 protected:
  Pull() {
    const auto endpoint = at("/hub/" + key_);
    settings_.hf_endpoint = endpoint.substr(0, endpoint.find('?'));
    settings_.allow_private = true;
  }
  fs::path root() const { return folder_ / "store"; }
  void limit(std::uint64_t bytes) {
    store_.reset();
    store_ = open_store(root(), {bytes, std::chrono::hours(24)});
  }

  // "good/300001": see hub() of the server.
  static pull_request of(const std::string& behaviour, const std::string& revision = {}) {
    pull_request r;
    r.model_id = behaviour + '/' + std::to_string(small);
    r.revision = revision;
    r.name = "org/m";
    return r;
  }
  static pull_request of_folder(const fs::path& path) {
    pull_request r;
    r.source = source_kind::local;
    r.model_id = path.string();
    r.name = "org/m";
    return r;
  }
  result<pulled> carry_out(const pull_request& r, told& by, const std::atomic<bool>* cancelled = nullptr) {
    return pull(r, {*store_, *net_, settings_, bytes_max_}, by, cancelled);
  }
  result<pulled> carry_out(const pull_request& r) {
    told nobody;
    return carry_out(r, nobody);
  }

  // Of a revision.
  static std::string weights(int revision) {
    auto out = content(small);
    for (auto& c : out) c = static_cast<char>(c ^ revision);
    return out;
  }
  // The hub's files that were asked for since it was asked last: revision, name and range.
  std::vector<std::string> fetched() {
    std::vector<std::string> all;
    for (const auto& line : asked())
      if (const auto at = line.find("/resolve/"); at != line.npos)
        all.push_back(line.substr(at + 9, 1) + line.substr(at + 9 + 40).replace(0, 1, " "));
    std::vector<std::string> out(all.begin() + static_cast<std::ptrdiff_t>(told_), all.end());
    told_ = all.size();
    std::sort(out.begin(), out.end());
    return out;
  }
  std::string stored(const manifest& m, const std::string& file) const {
    return read_file(store_->folder_of(m) / file);
  }

  void expect_sound() {
    ASSERT_TRUE(store_->collect({}));
    EXPECT_EQ(broken_in(root()), std::vector<std::string>());
    EXPECT_EQ(leaked_in(root(), 1), std::vector<std::string>());
  }
  void expect_no_model(const result<pulled>& got, error_code code, const std::string& says) {
    ASSERT_FALSE(got);
    EXPECT_EQ(to_string(got.error().code), to_string(code)) << text(got.error());
    EXPECT_THAT(text(got.error()), HasSubstr(says));
    EXPECT_THAT(store_->list(), IsEmpty());
    EXPECT_THAT(manifests_in(root()), IsEmpty());
    EXPECT_EQ(store_->find("org/m").error().code, error_code::model_not_found);
  }

  source_settings settings_;
  std::uint64_t bytes_max_ = 0;
  std::unique_ptr<store> store_ = open_store(root());
  std::unique_ptr<transfers> net_ = make(quick());

 private:
  std::size_t told_ = 0;
};

TEST_F(Pull, WhatIsPulledIsAModelOfTheStore) {
  auto request = of("good");
  request.task = "text-classification";
  request.convert_to_tts = true;
  told by;
  const auto before = std::chrono::system_clock::now();
  const auto got = carry_out(request, by);
  ASSERT_TRUE(got) << text(got.error());
  EXPECT_FALSE(got->unchanged);
  const auto& m = got->model;
  EXPECT_EQ(m.name, "org/m");
  EXPECT_EQ(m.source, source_kind::huggingface);
  EXPECT_EQ(m.model_id, "good/300001");
  EXPECT_EQ(m.revision, std::string(40, '1'));
  EXPECT_EQ(m.requested_revision, "");
  EXPECT_EQ(m.task, "text-classification");
  EXPECT_EQ(m.asked_task, "text-classification");
  EXPECT_TRUE(m.convert_to_tts);
  EXPECT_THAT(m.tags, ElementsAre("bert"));
  EXPECT_LT(std::chrono::abs(m.downloaded_at - before), std::chrono::minutes(1));
  ASSERT_EQ(m.files.size(), 3u);
  EXPECT_EQ(m.files[0].path, "config.json");
  EXPECT_EQ(m.files[0].sha256, digest_of(config));
  EXPECT_EQ(m.files[1].path, "model.safetensors");
  EXPECT_EQ(m.files[1].size_bytes, small);
  EXPECT_EQ(m.files[1].etag, "\"1\"");
  EXPECT_EQ(m.files[2].path, "vocab.txt");
  EXPECT_EQ(stored(m, "config.json"), config);
  EXPECT_EQ(stored(m, "vocab.txt"), vocabulary);
  EXPECT_TRUE(stored(m, "model.safetensors") == weights(1));
  EXPECT_EQ(store_->find("org/m"), m);
  EXPECT_EQ(open_store(root())->find("org/m"), m) << "as its manifest says it";
  EXPECT_THAT(fetched(), ElementsAre("1 config.json", "1 model.safetensors", "1 vocab.txt"));
  EXPECT_EQ(by.plans, 1);
  EXPECT_EQ(by.publishings, 1);
  EXPECT_THAT(by.sizes, ElementsAre(config.size(), small, vocabulary.size()));
  EXPECT_EQ(by.done, by.sizes);
  EXPECT_EQ(store_->partial_bytes(), 0u);
}

TEST_F(Pull, TheSourcesTaskWhereNoneWasAskedFor) {
  const auto got = carry_out(of("good"));
  ASSERT_TRUE(got) << text(got.error());
  EXPECT_EQ(got->model.task, "fill-mask");
  EXPECT_EQ(got->model.asked_task, "");
  EXPECT_FALSE(got->model.convert_to_tts);
  expect_sound();
}

TEST_F(Pull, TheSameRevisionOnceMoreFetchesNothing) {
  const auto first = carry_out(of("good"));
  ASSERT_TRUE(first) << text(first.error());
  fetched();
  for (const auto* revision : {"", "1"}) {
    told again;
    const auto second = carry_out(of("good", revision), again);
    ASSERT_TRUE(second) << text(second.error());
    EXPECT_TRUE(second->unchanged);
    EXPECT_EQ(second->model, first->model);
    EXPECT_EQ(again.publishings, 0);
  }
  EXPECT_THAT(fetched(), IsEmpty());
  EXPECT_EQ(store_->partial_bytes(), 0u);
  expect_sound();
}

TEST_F(Pull, AnotherRevisionFetchesWhatHasChanged) {
  const auto old = carry_out(of("good", "1"));
  ASSERT_TRUE(old) << text(old.error());
  fetched();
  told by;
  const auto updated = carry_out(of("good", "2"), by);
  ASSERT_TRUE(updated) << text(updated.error());
  EXPECT_FALSE(updated->unchanged);
  EXPECT_EQ(updated->model.revision, std::string(40, '2'));
  EXPECT_EQ(updated->model.requested_revision, "2");
  EXPECT_EQ(store_->find("org/m"), updated->model);
  EXPECT_THAT(fetched(), ElementsAre("2 config.json", "2 model.safetensors"))
      << "vocab.txt has the digest that is here";
  EXPECT_EQ(by.done, by.sizes) << "what is here counts as done";
  EXPECT_TRUE(stored(updated->model, "model.safetensors") == weights(2));
  EXPECT_EQ(stored(updated->model, "vocab.txt"), vocabulary);
  EXPECT_TRUE(stored(old->model, "model.safetensors") == weights(1)) << "somebody may serve it";
  expect_sound();
  EXPECT_FALSE(fs::exists(store_->folder_of(old->model)));
}

TEST_F(Pull, AnotherModelTakesTheContentThatIsThere) {
  ASSERT_TRUE(carry_out(of("good")));
  fetched();
  auto other = of("good");
  other.name = "other";
  const auto got = carry_out(other);
  ASSERT_TRUE(got) << text(got.error());
  EXPECT_FALSE(got->unchanged);
  EXPECT_THAT(fetched(), ElementsAre("1 config.json"));
  EXPECT_EQ(store_->list().size(), 2u);
  expect_sound();
}

TEST_F(Pull, AfreshFetchesAllThatIsThere) {
  const auto first = carry_out(of("good"));
  ASSERT_TRUE(first) << text(first.error());
  fetched();
  auto request = of("good");
  request.afresh = true;
  const auto second = carry_out(request);
  ASSERT_TRUE(second) << text(second.error());
  EXPECT_FALSE(second->unchanged);
  EXPECT_EQ(second->model.snapshot, first->model.snapshot);
  EXPECT_THAT(fetched(), ElementsAre("1 config.json", "1 model.safetensors", "1 vocab.txt"));
  expect_sound();
}

TEST_F(Pull, AFileThatFailsLeavesNoModel) {
  told by;
  expect_no_model(carry_out(of("missing"), by), error_code::model_not_found, "404");
  EXPECT_EQ(by.publishings, 0);
  expect_no_model(carry_out(of("corrupt")), error_code::unprocessable, "SHA-256");
  expect_no_model(carry_out(of("good", "3/../../x")), error_code::bad_request, "revision");
  const auto got = carry_out(of("good"));
  EXPECT_TRUE(got) << text(got.error());
  expect_sound();
}

TEST_F(Pull, AnUpdateThatFailsLeavesTheModelThatIsThere) {
  const auto old = carry_out(of("corrupt-in-2", "1"));
  ASSERT_TRUE(old) << text(old.error());
  const auto failed = carry_out(of("corrupt-in-2", "2"));
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code, error_code::unprocessable) << text(failed.error());
  EXPECT_EQ(store_->find("org/m"), old->model);
  EXPECT_TRUE(stored(old->model, "model.safetensors") == weights(1));
  EXPECT_EQ(broken_in(root()), std::vector<std::string>());
}

TEST_F(Pull, WhatHasComeBeforeItWasCancelledIsNotFetchedAgain) {
  std::atomic<bool> cancelled{false};
  told by;
  by.on_progress = [&](std::size_t, std::uint64_t) {
    cancelled = by.done[0] == by.sizes[0] && by.done[1] > small / 10 && by.done[2] == by.sizes[2];
  };
  expect_no_model(carry_out(of("slow-once"), by, &cancelled), error_code::cancelled, "cancelled");
  EXPECT_EQ(by.publishings, 0);
  EXPECT_GT(store_->partial_bytes(), 0u);
  fetched();
  const auto got = carry_out(of("slow-once"));
  ASSERT_TRUE(got) << text(got.error());
  EXPECT_TRUE(stored(got->model, "model.safetensors") == weights(1));
  const auto again = fetched();
  ASSERT_EQ(again.size(), 1u) << "the others are whole";
  EXPECT_THAT(again[0], StartsWith("1 model.safetensors"));
  EXPECT_THAT(again[0], HasSubstr("range=bytes="));
  EXPECT_EQ(store_->partial_bytes(), 0u);
  expect_sound();
}

TEST_F(Pull, CancelledBeforeItBeganAsksNobody) {
  const std::atomic<bool> cancelled{true};
  told by;
  expect_no_model(carry_out(of("good"), by, &cancelled), error_code::cancelled, "cancelled");
  EXPECT_EQ(by.plans, 0);
  EXPECT_THAT(asked(), IsEmpty());
}

TEST_F(Pull, TwoAtOnceFetchOnce) {
  const auto one = [&] { return carry_out(of("slow-once")); };
  auto first = std::async(std::launch::async, one), second = std::async(std::launch::async, one);
  const auto a = first.get(), b = second.get();
  ASSERT_TRUE(a) << text(a.error());
  ASSERT_TRUE(b) << text(b.error());
  EXPECT_NE(a->unchanged, b->unchanged);
  EXPECT_EQ(a->model, b->model);
  EXPECT_THAT(fetched(), ElementsAre("1 config.json", "1 model.safetensors", "1 vocab.txt"));
  expect_sound();
}

// -- room ---------------------------------------------------------------------------------------------------------

TEST_F(Pull, RoomIsReservedWhileItRunsAndGivenBack) {
  constexpr std::uint64_t whole = 400'000;
  limit(whole);
  for (const char* behaviour : {"missing", "corrupt", "good"}) {
    SCOPED_TRACE(behaviour);
    carry_out(of(behaviour));
    EXPECT_TRUE(store_->reserve(whole)) << "the model may be evicted";
  }
  ASSERT_TRUE(store_->remove("org/m"));
  bool looked = false;
  std::atomic<bool> cancelled{false};
  told by;
  by.on_progress = [&](std::size_t file, std::uint64_t bytes) {
    if (file != 1 || bytes == small) return;
    looked = true;
    EXPECT_FALSE(store_->reserve(whole)) << "the rest of the weights is to come";
    cancelled = true;
  };
  EXPECT_FALSE(carry_out(of("slow-once"), by, &cancelled));
  EXPECT_TRUE(looked);
  EXPECT_TRUE(store_->reserve(whole - store_->partial_bytes()));
}

TEST_F(Pull, WithoutRoomNothingIsFetched) {
  limit(200'000);
  told by;
  expect_no_model(carry_out(of("good"), by), error_code::unavailable, "store_limit_gb");
  EXPECT_EQ(by.publishings, 0);
  EXPECT_THAT(fetched(), IsEmpty());
}

TEST_F(Pull, MoreThanIsAllowedIsNotFetched) {
  bytes_max_ = 262'144;
  told by;
  expect_no_model(carry_out(of("good"), by), error_code::payload_too_large, "max_artifact_mb");
  EXPECT_EQ(by.plans, 0);
  EXPECT_THAT(fetched(), IsEmpty());
  bytes_max_ = small + 100;
  EXPECT_TRUE(carry_out(of("good")));
}

TEST_F(Pull, SizesThatOverflowAreTooLarge) {
  expect_no_model(carry_out(of("huge")), error_code::unavailable, "no room");
  bytes_max_ = 1 << 20;
  expect_no_model(carry_out(of("huge")), error_code::payload_too_large, "max_artifact_mb");
  EXPECT_THAT(fetched(), IsEmpty());
}

// -- one address --------------------------------------------------------------------------------------------------

TEST_F(Pull, AnAddressOfWhichNothingIsKnownIsFetchedEachTime) {
  pull_request request;
  request.source = source_kind::url;
  request.model_id = at("/good/300001/m.pt");
  request.name = "m";
  told by;
  const auto first = carry_out(request, by);
  ASSERT_TRUE(first) << text(first.error());
  EXPECT_EQ(first->model.source, source_kind::url);
  EXPECT_EQ(first->model.model_id, request.model_id);
  EXPECT_EQ(first->model.revision, "");
  EXPECT_TRUE(stored(first->model, "m.pt") == content(small));
  EXPECT_THAT(by.done, ElementsAre(small));
  const auto second = carry_out(request);
  ASSERT_TRUE(second) << text(second.error());
  EXPECT_FALSE(second->unchanged);
  EXPECT_EQ(second->model.snapshot, first->model.snapshot);
  EXPECT_THAT(asked(), ElementsAre("GET /good/300001/m.pt", "GET /good/300001/m.pt"));
  expect_sound();
}

TEST_F(Pull, AnAddressThatHasMoreThanIsAllowed) {
  bytes_max_ = 262'144;
  for (const char* path : {"/good/300001/m.pt", "/chunked/300001/m.pt"}) {
    pull_request request;
    request.source = source_kind::url;
    request.model_id = at(path);
    request.name = "org/m";
    expect_no_model(carry_out(request), error_code::unprocessable, "262144");
  }
  EXPECT_EQ(store_->partial_bytes(), 0u);
}

// -- from this machine's disk -------------------------------------------------------------------------------------

TEST_F(Pull, AFolderIsCopiedNotLinked) {
  const auto from = folder_ / "from";
  write_file(from / "config.json", config);
  write_file(from / "model.safetensors", weights(1));
  write_file(from / "README.md", "not taken");
  told by;
  const auto first = carry_out(of_folder(from), by);
  ASSERT_TRUE(first) << text(first.error());
  EXPECT_EQ(first->model.source, source_kind::local);
  EXPECT_EQ(first->model.model_id, from.string());
  EXPECT_EQ(first->model.files.size(), 2u);
  EXPECT_EQ(by.done, by.sizes);
  EXPECT_EQ(by.publishings, 1);
  const auto second = carry_out(of_folder(from));
  ASSERT_TRUE(second) << text(second.error());
  EXPECT_EQ(second->model.snapshot, first->model.snapshot);
  write_file(from / "model.safetensors", "other");
  EXPECT_TRUE(stored(first->model, "model.safetensors") == weights(1));
  EXPECT_THAT(asked(), IsEmpty());
  EXPECT_EQ(store_->partial_bytes(), 0u);
  expect_sound();
}

TEST_F(Pull, AFileThatChangesAfterItWasListedLeavesNoModel) {
  const auto from = folder_ / "from";
  write_file(from / "config.json", config);
  write_file(from / "model.safetensors", weights(1));
  told by;
  by.on_plan = [&](const pull_plan&) { write_file(from / "model.safetensors", "shorter"); };
  expect_no_model(carry_out(of_folder(from), by), error_code::unprocessable, "model.safetensors");
  told gone;
  gone.on_plan = [&](const pull_plan&) { fs::remove(from / "model.safetensors"); };
  ASSERT_FALSE(carry_out(of_folder(from), gone));
  EXPECT_THAT(store_->list(), IsEmpty());
}

// Nothing goes on with a copy: it would only fill the disk.
TEST_F(Pull, OfACopyThatFailsNothingIsKept) {
  const auto from = folder_ / "from";
  write_file(from / "config.json", config);
  write_file(from / "model.safetensors", content(3'000'000));
  std::atomic<bool> cancelled{false};
  told by;
  by.on_progress = [&](std::size_t file, std::uint64_t) { cancelled = file == 1; };
  expect_no_model(carry_out(of_folder(from), by, &cancelled), error_code::cancelled, "cancelled");
  EXPECT_LT(by.done.at(1), 3'000'000u);
  EXPECT_EQ(store_->partial_bytes(), 0u);
  told gone;
  gone.on_plan = [&](const pull_plan&) { fs::remove(from / "model.safetensors"); };
  EXPECT_FALSE(carry_out(of_folder(from), gone));
  EXPECT_EQ(store_->partial_bytes(), 0u);
}

TEST_F(Pull, WhatTheHubsOwnCacheHasDamagedIsFetched) {
  settings_.hf_cache = folder_ / "hub";
  const auto model = settings_.hf_cache / "models--good--300001";
  const auto snapshot = model / "snapshots" / std::string(40, '1');
  auto damaged = weights(1);
  damaged[1000] ^= 1;
  fs::create_directories(snapshot);
  for (const auto& [name, digest, bytes] : {std::tuple("vocab.txt", digest_of(vocabulary), vocabulary),
                                            std::tuple("model.safetensors", digest_of(weights(1)), damaged)}) {
    write_file(model / "blobs" / digest, bytes);
    fs::create_symlink(model / "blobs" / digest, snapshot / name);
  }
  told by;
  const auto got = carry_out(of("good"), by);
  ASSERT_TRUE(got) << text(got.error());
  EXPECT_THAT(fetched(), ElementsAre("1 config.json", "1 model.safetensors"));
  EXPECT_TRUE(stored(got->model, "model.safetensors") == weights(1));
  EXPECT_EQ(stored(got->model, "vocab.txt"), vocabulary);
  EXPECT_EQ(by.done, by.sizes);
  expect_sound();
}

}  // namespace
}  // namespace troupe::cache::tests
