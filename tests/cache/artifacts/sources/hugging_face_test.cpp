#include <gmock/gmock.h>

#include "tests/cache/artifacts/sources/fake_client.hpp"

namespace troupe::cache {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

const std::string commit(40, '1'), digest(64, 'd'), blob(40, 'b');
const std::string hub = "https://huggingface.co";
const std::string listing_url = "GET https://huggingface.co/api/models/org/name?blobs=true";

std::string small(const std::string& name, int size = 10) {
  return R"({"rfilename":")" + name + R"(","size":)" + std::to_string(size) + R"(,"blobId":")" + blob + "\"}";
}
std::string large(const std::string& name) {
  return R"({"rfilename":")" + name + R"(","size":1000,"blobId":")" + blob + R"(","lfs":{"sha256":")" + digest +
         R"(","size":1000}})";
}
std::string listing(const std::string& files, const std::string& more = {}) {
  return R"({"sha":")" + commit + R"(","pipeline_tag":"fill-mask","tags":["bert"])" + more + R"(,"siblings":[)" +
         files + "]}";
}

struct HuggingFace : ::testing::Test {
  result<pull_plan> plan(const std::string& id = "org/name", const std::string& revision = {}) {
    return plan_of(source_kind::huggingface, id, settings, client, revision);
  }
  error fault(const std::string& id = "org/name", const std::string& revision = {}) {
    const auto made = plan(id, revision);
    EXPECT_FALSE(made);
    return made ? error{} : made.error();
  }
  source_settings settings;
  fake_client client;
};

TEST_F(HuggingFace, PlansWhatIsServedByCommit) {
  client.answers(listing_url, 200,
                 listing(small("config.json") + ',' + large("model.safetensors") + ',' + small("README.md")));
  const auto made = plan();
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_THAT(paths_of(*made), ElementsAre("config.json", "model.safetensors"));
  EXPECT_EQ(made->source, source_kind::huggingface);
  EXPECT_EQ(made->model_id, "org/name");
  EXPECT_EQ(made->revision, commit);
  EXPECT_EQ(made->requested_revision, "");
  EXPECT_EQ(made->task, "fill-mask");
  EXPECT_THAT(made->tags, ElementsAre("bert"));
  EXPECT_EQ(made->may_reach, reach::outside);
  EXPECT_FALSE(made->authorize);
  EXPECT_EQ(made->files[0].url, hub + "/org/name/resolve/" + commit + "/config.json");
  EXPECT_EQ(made->files[0].size_bytes, 10u);
  EXPECT_EQ(made->files[0].sha256, "");
  EXPECT_EQ(made->files[0].identity, commit + ' ' + blob + " 10");
  EXPECT_EQ(made->files[1].sha256, digest);
  EXPECT_EQ(made->files[1].identity, commit + ' ' + digest + " 1000");
  EXPECT_THAT(joined(made->notes), HasSubstr("README.md"));
}

TEST_F(HuggingFace, ARevisionAndOddNamesAreEncoded) {
  client.answers("GET https://huggingface.co/api/models/gpt2/revision/refs%2Fpr%2F1?blobs=true", 200,
                 listing(small("a b#é.json") + ',' + large("model.safetensors")));
  const auto made = plan("gpt2", "refs/pr/1");
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_EQ(made->requested_revision, "refs/pr/1");
  EXPECT_EQ(made->files[0].url, hub + "/gpt2/resolve/" + commit + "/a%20b%23%C3%A9.json");
}

TEST_F(HuggingFace, TheTokenGoesToTheHubOnly) {
  settings.hf_token = "hf_secret";
  client.answers(listing_url, 200, listing(large("model.safetensors")));
  const auto made = plan();
  ASSERT_TRUE(made);
  ASSERT_EQ(client.seen.size(), 1u);
  EXPECT_EQ(client.seen[0].proof, (header_lines{{"Authorization", "Bearer hf_secret"}}));
  EXPECT_EQ(made->authorize("GET", made->files[0].url), (header_lines{{"Authorization", "Bearer hf_secret"}}));
  for (const auto* other : {"https://cdn.example/x", "http://huggingface.co/x", "https://huggingface.co:8443/x",
                            "https://huggingface.co.evil/x", ""})
    EXPECT_THAT(made->authorize("GET", other), IsEmpty()) << other;
}

TEST_F(HuggingFace, AMirrorMayBeAnywhere) {
  settings.hf_endpoint = "http://127.0.0.1:9000/hub/";
  client.answers("GET http://127.0.0.1:9000/hub/api/models/org/name?blobs=true", 200,
                 listing(large("model.safetensors")));
  const auto made = plan();
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_EQ(made->may_reach, reach::anywhere);
  EXPECT_EQ(client.seen[0].may_reach, reach::anywhere);
  EXPECT_EQ(made->files[0].url, "http://127.0.0.1:9000/hub/org/name/resolve/" + commit + "/model.safetensors");
  for (const auto* bad : {"", "huggingface.co", "ftp://x", "https://user:pw@x", "https://x/?a=b"}) {
    settings.hf_endpoint = bad;
    EXPECT_THAT(fault().message, HasSubstr("HF_ENDPOINT")) << bad;
    EXPECT_EQ(fault().code, error_code::bad_request);
  }
}

TEST_F(HuggingFace, WhatAListingLacksIsAskedFor) {
  client.answers(listing_url, 200, R"({"siblings":[{"rfilename":"config.json"},{"rfilename":"model.safetensors"}]})");
  client.answers("HEAD " + hub + "/org/name/resolve/main/config.json", 200, {},
                 {{"x-repo-commit", commit}, {"etag", '"' + blob + '"'}, {"content-length", "570"}});
  client.answers("HEAD " + hub + "/org/name/resolve/" + commit + "/model.safetensors", 302, {},
                 {{"x-repo-commit", commit},
                  {"x-linked-etag", '"' + digest + '"'},
                  {"x-linked-size", "4000"},
                  {"location", "https://cdn.example/x"},
                  {"content-length", "1300"}});
  const auto made = plan();
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_EQ(made->revision, commit);
  EXPECT_EQ(made->files[0].size_bytes, 570u);
  EXPECT_EQ(made->files[0].sha256, "");
  EXPECT_EQ(made->files[0].identity, commit + ' ' + blob + " 570");
  EXPECT_EQ(made->files[1].size_bytes, 4000u);
  EXPECT_EQ(made->files[1].sha256, digest);
  EXPECT_EQ(made->files[1].url, hub + "/org/name/resolve/" + commit + "/model.safetensors");
  EXPECT_FALSE(client.seen[1].follow);
}

TEST_F(HuggingFace, ARedirectWithinTheHubIsFollowed) {
  client.answers(listing_url, 200, R"({"sha":")" + commit + R"(","siblings":[{"rfilename":"model.safetensors"}]})");
  client.answers("HEAD " + hub + "/org/name/resolve/" + commit + "/model.safetensors", 307, {},
                 {{"location", "/api/resolve-cache/x"}});
  client.answers("HEAD " + hub + "/api/resolve-cache/x", 200, {}, {{"etag", "W/\"weak\""}, {"content-length", "7"}});
  const auto made = plan();
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_EQ(made->files[0].size_bytes, 7u);
  EXPECT_EQ(made->files[0].identity, commit + "  7") << "a weak ETag does not tell one content from another";
}

TEST_F(HuggingFace, RedirectsWithinTheHubComeToAnEnd) {
  client.answers(listing_url, 200, R"({"siblings":[{"rfilename":"model.safetensors"}]})");
  client.answers("HEAD " + hub + "/org/name/resolve/main/model.safetensors", 307, {},
                 {{"location", "/org/name/resolve/main/model.safetensors"}});
  EXPECT_THAT(fault().message, HasSubstr("without end"));
  EXPECT_EQ(client.seen.size(), 7u);
}

TEST_F(HuggingFace, AMirrorThatTellsNothingCannotBeResumed) {
  client.answers(listing_url, 200, R"({"siblings":[{"rfilename":"model.safetensors"}]})");
  client.answers("HEAD " + hub + "/org/name/resolve/main/model.safetensors", 405);
  const auto made = plan();
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_EQ(made->files[0].identity, "");
  EXPECT_EQ(made->revision, "");
}

TEST_F(HuggingFace, AChangeMeanwhileIsNoticed) {
  client.answers(listing_url, 200, R"({"sha":")" + commit + R"(","siblings":[{"rfilename":"model.safetensors"}]})");
  client.answers("HEAD " + hub + "/org/name/resolve/" + commit + "/model.safetensors", 200, {},
                 {{"x-repo-commit", std::string(40, '2')}});
  EXPECT_EQ(fault().code, error_code::unavailable);
}

TEST_F(HuggingFace, ShardsAreReadFromTheIndexOfThatCommit) {
  client.answers(listing_url, 200,
                 listing(small("model.safetensors.index.json") + ',' + large("a-00001-of-00001.safetensors") + ',' +
                         large("b.safetensors")));
  client.answers("GET " + hub + "/org/name/resolve/" + commit + "/model.safetensors.index.json", 200,
                 R"({"weight_map":{"t":"a-00001-of-00001.safetensors"}})");
  const auto made = plan();
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_THAT(paths_of(*made), ElementsAre("a-00001-of-00001.safetensors", "model.safetensors.index.json"));
  EXPECT_TRUE(client.seen[1].follow);
}

TEST_F(HuggingFace, GatedAndPrivate) {
  client.answers(listing_url, 200, listing(large("model.safetensors"), R"(,"gated":"manual")"));
  auto why = fault();
  EXPECT_EQ(why.code, error_code::forbidden);
  EXPECT_THAT(why.message, HasSubstr("'org/name' is gated"));
  EXPECT_THAT(why.detail, HasSubstr("https://huggingface.co/org/name"));
  EXPECT_THAT(why.detail, HasSubstr("HF_TOKEN"));

  settings.hf_token = "hf_secret";
  const auto head = "HEAD " + hub + "/org/name/resolve/" + commit + "/model.safetensors";
  client.answers(head, 403, {}, {{"x-error-code", "GatedRepo"}});
  why = fault();
  EXPECT_EQ(why.code, error_code::forbidden);
  EXPECT_THAT(why.detail, HasSubstr("https://huggingface.co/org/name"));
  EXPECT_THAT(why.message + why.detail, Not(HasSubstr("hf_secret")));
  client.answers(head, 302, {}, {{"x-linked-etag", digest}, {"location", "https://cdn.example"}});
  EXPECT_TRUE(plan()) << "access was given";

  for (const unsigned status : {401u, 403u}) {
    client.answers(listing_url, status);
    why = fault();
    EXPECT_EQ(why.code, error_code::forbidden);
    EXPECT_THAT(why.detail, HasSubstr("HF_TOKEN"));
  }
  client.answers(listing_url, 200, listing(large("model.safetensors"), R"(,"disabled":true)"));
  EXPECT_EQ(fault().code, error_code::forbidden);
}

TEST_F(HuggingFace, NotFoundIsNamed) {
  client.answers(listing_url, 404);
  EXPECT_EQ(fault().code, error_code::model_not_found);
  EXPECT_THAT(fault().message, HasSubstr("'org/name' was not found at https://huggingface.co"));
  client.answers(listing_url, 401, {}, {{"x-error-code", "RepoNotFound"}});
  EXPECT_EQ(fault().code, error_code::model_not_found);
  EXPECT_THAT(fault().detail, HasSubstr("HF_TOKEN"));
  client.answers("GET https://huggingface.co/api/models/org/name/revision/v9?blobs=true", 404, {},
                 {{"x-error-code", "RevisionNotFound"}});
  EXPECT_THAT(fault("org/name", "v9").message, HasSubstr("no revision 'v9'"));
  EXPECT_EQ(fault("org/name", "v9").code, error_code::model_not_found);
  client.answers(listing_url, 418);
  EXPECT_EQ(fault().code, error_code::unavailable);
  EXPECT_THAT(fault().message, HasSubstr("418"));
}

TEST_F(HuggingFace, BadIdsAndRevisionsAreNotAskedFor) {
  for (const auto* id : {"../x", "a/b/c", "datasets/a/b", "http://x"})
    EXPECT_EQ(fault(id).code, error_code::bad_request) << id;
  EXPECT_EQ(fault("org/name", "../x").code, error_code::bad_request);
  EXPECT_EQ(fault("").code, error_code::bad_request);
  EXPECT_EQ(fault(std::string(5000, 'a')).code, error_code::bad_request);
  EXPECT_TRUE(client.seen.empty());
}

TEST_F(HuggingFace, FilesInTheChunkedStoreOnly) {
  client.answers(listing_url, 200,
                 R"({"sha":")" + commit + R"(","siblings":[{"rfilename":"model.safetensors","size":5,"blobId":")" +
                     blob + R"(","xetHash":"ff"}]})");
  EXPECT_EQ(fault().code, error_code::unprocessable);
  EXPECT_THAT(fault().message, HasSubstr("'model.safetensors' is only in the hub's chunked store"));
  client.answers(listing_url, 200, R"({"sha":")" + commit + R"(","siblings":[{"rfilename":"model.safetensors"}]})");
  client.answers("HEAD " + hub + "/org/name/resolve/" + commit + "/model.safetensors", 200, {},
                 {{"x-xet-hash", "ff"}, {"content-length", "5"}});
  EXPECT_THAT(fault().message, HasSubstr("chunked store"));
}

TEST_F(HuggingFace, ACancelledPullAsksNothing) {
  const std::atomic<bool> cancelled{true};
  pull_request request;
  request.model_id = "org/name";
  const auto made = make_plan(request, settings, client, &cancelled);
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code, error_code::cancelled);
  EXPECT_TRUE(client.seen.empty());
}

TEST_F(HuggingFace, TheTaskThatWasAskedForStays) {
  client.answers(listing_url, 200, listing(large("model.safetensors")));
  pull_request request;
  request.model_id = "org/name";
  request.task = "feature-extraction";
  const auto made = make_plan(request, settings, client, nullptr);
  ASSERT_TRUE(made);
  EXPECT_EQ(made->task, "feature-extraction");
}

// -- the cache folder of the hub's clients

struct HubCache : HuggingFace {
  HubCache() {
    settings.hf_cache = folder.path();
    folder.write(model + "refs/main", commit);
    folder.write(model + "blobs/" + digest, std::string(1000, 'w'));
    folder.write(model + "blobs/" + blob, "{\"a\": 123}");
    folder.link("../../blobs/" + digest, model + "snapshots/" + commit + "/model.safetensors");
    folder.link("../../blobs/" + blob, model + "snapshots/" + commit + "/config.json");
  }
  const std::string model = "models--org--name/";
  scratch_folder folder;
};

TEST_F(HubCache, WhatIsThereIsNotFetched) {
  client.answers(listing_url, 200, listing(small("config.json") + ',' + large("model.safetensors")));
  const auto made = plan();
  ASSERT_TRUE(made) << made.error().message;
  ASSERT_THAT(paths_of(*made), ElementsAre("config.json", "model.safetensors"));
  EXPECT_EQ(made->files[0].local, folder.path() / model / "blobs" / blob);
  EXPECT_EQ(made->files[0].sha256, "");
  EXPECT_EQ(made->files[1].local, folder.path() / model / "blobs" / digest);
  EXPECT_EQ(made->files[1].sha256, digest);
  EXPECT_EQ(made->files[1].size_bytes, 1000u);
  EXPECT_NE(made->files[1].url, "") << "should it be damaged";
  EXPECT_THAT(joined(made->notes), HasSubstr("2 of 2 files are taken from the hub's cache folder"));
}

TEST_F(HubCache, WhatIsNotTheListedContentIsFetched) {
  client.answers(listing_url, 200,
                 listing(small("config.json", 11) + ',' + large("model.safetensors") + ',' + small("vocab.txt")));
  const auto made = plan();
  ASSERT_TRUE(made);
  ASSERT_THAT(paths_of(*made), ElementsAre("config.json", "model.safetensors", "vocab.txt"));
  EXPECT_EQ(made->files[0].local, "") << "another size";
  EXPECT_NE(made->files[1].local, "");
  EXPECT_EQ(made->files[2].local, "") << "not there";
  EXPECT_THAT(joined(made->notes), HasSubstr("1 of 3 files"));
}

TEST_F(HubCache, ABlobOfAnotherDigestIsNotTaken) {
  folder.write(model + "blobs/" + std::string(64, 'e'), std::string(1000, 'w'));
  std::filesystem::remove(folder.path() / model / "snapshots" / commit / "model.safetensors");
  folder.link("../../blobs/" + std::string(64, 'e'), model + "snapshots/" + commit + "/model.safetensors");
  client.answers(listing_url, 200, listing(large("model.safetensors")));
  const auto made = plan();
  ASSERT_TRUE(made);
  EXPECT_NE(made->files[0].url, "");
}

TEST_F(HubCache, OfflineNothingIsAsked) {
  settings.hf_hub_offline = true;
  const auto made = plan();
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_THAT(paths_of(*made), ElementsAre("config.json", "model.safetensors"));
  EXPECT_EQ(made->revision, commit);
  EXPECT_EQ(made->files[1].sha256, digest) << "the blob's name";
  EXPECT_TRUE(plan("org/name", commit));
  EXPECT_EQ(fault("org/other").code, error_code::model_not_found);
  EXPECT_THAT(fault("org/other").message, HasSubstr("HF_HUB_OFFLINE"));
  EXPECT_EQ(fault("org/name", "v2").code, error_code::model_not_found);
  EXPECT_EQ(fault("org/name", std::string(40, '3')).code, error_code::model_not_found);
  EXPECT_TRUE(client.seen.empty());
}

TEST_F(HubCache, AHubThatIsDownIsReplacedByIt) {
  client.is_down();
  const auto made = plan();
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_THAT(joined(made->notes), HasSubstr("cannot be reached"));
  EXPECT_EQ(fault("org/other").code, error_code::unavailable);
}

TEST_F(HubCache, LinksOutOfTheModelsFolderAreNotFollowed) {
  folder.write("secret.json", "{}");
  folder.link("../../../secret.json", model + "snapshots/" + commit + "/tokenizer.json");
  settings.hf_hub_offline = true;
  EXPECT_EQ(fault().code, error_code::unprocessable);
  EXPECT_THAT(fault().message, HasSubstr("'tokenizer.json' is a link that leads out of"));
  settings.hf_hub_offline = false;
  client.answers(listing_url, 200, listing(small("tokenizer.json", 2) + ',' + large("model.safetensors")));
  const auto made = plan();
  ASSERT_TRUE(made);
  EXPECT_NE(made->files[1].url, "") << "it is fetched instead";
}

TEST_F(HubCache, AnIncompleteSnapshotIsNoModel) {
  std::filesystem::remove(folder.path() / model / "snapshots" / commit / "model.safetensors");
  settings.hf_hub_offline = true;
  EXPECT_EQ(fault().code, error_code::unprocessable);
  folder.link("../../blobs/nowhere", model + "snapshots/" + commit + "/model.safetensors");
  EXPECT_THAT(fault().message, HasSubstr("'model.safetensors' cannot be followed"));
}

}  // namespace
}  // namespace troupe::cache
