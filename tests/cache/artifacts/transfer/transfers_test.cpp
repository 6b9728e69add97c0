#include "cache/artifacts/transfer/transfers.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>
#include <future>
#include <set>
#include <thread>

#include "cache/artifacts/transfer/partial_state.hpp"
#include "tests/cache/artifacts/transfer/misbehaving.hpp"

namespace troupe::cache {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::SizeIs;

constexpr std::uint64_t small = 300'001, large = 5'000'003;  // beside 1 MiB of a range

class Transfers : public misbehaving {
 protected:
  void expect_whole(const result<transferred_file>& got, std::uint64_t size) {
    ASSERT_TRUE(got) << got.error().message << " / " << got.error().detail;
    EXPECT_EQ(got->size_bytes, size);
    EXPECT_EQ(got->sha256, hash(content(size)));
    EXPECT_TRUE(is_whole(size));
  }
  void expect_nothing_left() {
    EXPECT_FALSE(fs::exists(place()));
    EXPECT_FALSE(fs::exists(place_of_state()));
  }
  void expect_error(const result<transferred_file>& got, error_code code, const std::string& says) {
    ASSERT_FALSE(got);
    EXPECT_EQ(to_string(got.error().code), to_string(code)) << got.error().message;
    EXPECT_THAT(got.error().message, HasSubstr(says));
    EXPECT_THAT(got.error().message, Not(HasSubstr(key_))) << "a query may be a signature";
  }
  // A file whose first `bytes` are there, and told to be.
  void keep(std::uint64_t bytes, std::uint64_t size, const std::string& etag = "\"one\"") {
    write(place(), content(size).substr(0, bytes));
    ASSERT_TRUE(
        write_partial_state(place_of_state(), {"commit 1", size, bytes, hash(content(size).substr(0, bytes)), etag}));
  }
};

// -- whole files -------------------------------------------------------------------------------------------------

TEST_F(Transfers, ASmallFileComesInOnePiece) {
  const auto got = get(wants("/good/300001", small));
  expect_whole(got, small);
  EXPECT_EQ(got->resumed_bytes, 0U);
  EXPECT_EQ(got->etag, "\"one\"");
  EXPECT_EQ(got->url, at("/good/300001"));
  EXPECT_THAT(asked(), ElementsAre("GET /good/300001"));
}

TEST_F(Transfers, ALargeFileComesInRangesThatMeetOnce) {
  expect_whole(get(wants("/good/5000003", large)), large);
  std::set<std::string> ranges;
  const auto lines = asked();
  for (const auto& line : lines) ranges.insert(line);
  EXPECT_EQ(ranges, (std::set<std::string>{
                        "GET /good/5000003 range=bytes=0-1048575",
                        "GET /good/5000003 if-range=\"one\" range=bytes=1048576-2097151",
                        "GET /good/5000003 if-range=\"one\" range=bytes=2097152-3145727",
                        "GET /good/5000003 if-range=\"one\" range=bytes=3145728-4194303",
                        "GET /good/5000003 if-range=\"one\" range=bytes=4194304-5000002",
                    }));
  EXPECT_THAT(lines, SizeIs(5));
}

TEST_F(Transfers, AFileWithoutToldSizeOrHash) {
  auto f = wants("/good/5000003", large);
  f.size_bytes.reset();
  f.sha256.clear();
  expect_whole(get(f), large);
  EXPECT_THAT(asked(), ElementsAre("GET /good/5000003"));
}

TEST_F(Transfers, AnEmptyFile) {
  expect_whole(get(wants("/good/0", 0)), 0);
  auto f = wants("/http10/0", 0);
  f.size_bytes.reset();
  expect_whole(get(f), 0);
  EXPECT_THAT(asked(), SizeIs(2)) << "it is asked for even so";
}

TEST_F(Transfers, BodiesWithoutALength) {
  for (const char* path : {"/chunked/300001", "/http10/300001", "/no-length/300001"}) {
    SCOPED_TRACE(path);
    expect_whole(get(wants(path, small)), small);
    auto f = wants(path, small);
    f.size_bytes.reset();
    expect_whole(get(f), small);
    fs::remove(place());
  }
}

TEST_F(Transfers, InterimAnswersAreNotTheAnswer) {
  const auto got = get(wants("/continues/300001", small));
  expect_whole(got, small);
  EXPECT_EQ(got->etag, "\"one\"");
}

TEST_F(Transfers, WithoutRangesAtTheServer) {
  expect_whole(get(wants("/no-ranges/5000003", large)), large);
  EXPECT_THAT(asked(), SizeIs(1));
}

TEST_F(Transfers, ManyFilesAtOnceAnswerInTheirOrder) {
  std::vector<file_transfer> files;
  for (std::uint64_t i = 0; i < 40; ++i) {
    const auto size = i * 10'007;
    auto f = wants("/good/" + std::to_string(size), size);
    f.to = folder_ / "deep" / std::to_string(i) / "file";
    files.push_back(f);
  }
  const auto by = make(quick());
  const auto got = by->fetch(files, nullptr, nullptr);
  ASSERT_TRUE(got) << got.error().message;
  for (std::size_t i = 0; i < files.size(); ++i) {
    EXPECT_EQ((*got)[i].size_bytes, *files[i].size_bytes);
    EXPECT_EQ(read(files[i].to), content(*files[i].size_bytes));
  }
  EXPECT_EQ(by->counts().active, 0U);
  EXPECT_TRUE(by->fetch({}, nullptr, nullptr)->empty());
}

TEST_F(Transfers, OneOfManyThatFailsEndsThemAll) {
  auto good = wants("/slow/5000003/1000/1000", large), bad = wants("/status/1/404/99", 1);
  bad.to = folder_ / "other";
  const auto got = make(quick())->fetch({good, bad}, nullptr, nullptr);
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().code, error_code::model_not_found);
  EXPECT_THAT(got.error().message, HasSubstr("answers 404"));
}

// -- faults that pass --------------------------------------------------------------------------------------------

TEST_F(Transfers, ADroppedConnectionIsGoneOnWith) {
  expect_whole(get(wants("/drop-once/300001/100000", small)), small);
  EXPECT_EQ(retries, 1U);
  EXPECT_THAT(asked(), ElementsAre("GET /drop-once/300001/100000",
                                   "GET /drop-once/300001/100000 if-range=\"one\" range=bytes=100000-300000"));
}

TEST_F(Transfers, AsOftenAsItGetsOn) {
  // More faults than retries, but each brings a MiB.
  const auto f = wants("/drop-after/8000009/1200000", 8'000'009);
  expect_whole(get(f, [](auto& o) { o.range_bytes = 1 << 30; }), 8'000'009);
  EXPECT_EQ(retries, 6U);
}

TEST_F(Transfers, WithinRangesToo) {
  expect_whole(get(wants("/drop-once/5000003/700000", large)), large);
  EXPECT_GE(retries, 1U);
}

TEST_F(Transfers, WithoutRangesItBeginsAgain) {
  expect_whole(get(wants("/drop-once-no-ranges/300001/100000", small)), small);
  EXPECT_EQ(retries, 1U);
}

TEST_F(Transfers, AResetConnection) {
  expect_whole(get(wants("/reset-once/300001/100000", small)), small);
  EXPECT_EQ(retries, 1U);
}

TEST_F(Transfers, AStallIsCountedAndTriedAgain) {
  expect_whole(get(wants("/stall-once/300001/500", small)), small);
  EXPECT_EQ(stalls, 1U);
  EXPECT_EQ(retries, 1U);
}

TEST_F(Transfers, AWeakEtagIsNotSent) {
  keep(100'000, small, "W/\"one\"");
  expect_whole(get(wants("/weak-etag/300001", small)), small);
  EXPECT_THAT(asked(), ElementsAre("GET /weak-etag/300001 range=bytes=100000-300000"));
}

TEST_F(Transfers, StatusesThatPass) {
  for (const char* code : {"408", "429", "500", "502", "503"}) {
    SCOPED_TRACE(code);
    expect_whole(get(wants(std::string("/status/300001/") + code + "/2", small)), small);
    EXPECT_EQ(retries, 2U);
    fs::remove(place_of_state());
  }
}

TEST_F(Transfers, RetryAfterIsObeyed) {
  const auto begun = steady_clock::now();
  expect_whole(get(wants("/status/300001/429/1/1", small)), small);
  EXPECT_GE(steady_clock::now() - begun, 1s);
}

TEST_F(Transfers, ButNotForEver) {
  const auto got = get(wants("/status/300001/503/1/7200", small));
  expect_error(got, error_code::unavailable, "wants to be left alone for 7200 s");
  EXPECT_EQ(got.error().retry_after_s, 7200);
  EXPECT_EQ(retries, 0U);
}

TEST_F(Transfers, ADeadServerIsGivenUp) {
  expect_error(get(wants("/closes/300001", small)), error_code::unavailable, "given up after 4 tries");
  expect_error(get(wants("/truncated/300001/100000", small)), error_code::unavailable, "given up after 4 tries");
  expect_error(get(wants("/stall/300001/10", small), [](auto& o) { o.retries_max = 0; }), error_code::unavailable,
               "it stalls");
  expect_error(get(wants("/says-nothing/300001", small), [](auto& o) { o.retries_max = 0; }), error_code::unavailable,
               "it stalls");
  auto f = wants("/", 1);
  f.url = "http://127.0.0.1:1/";
  expect_error(get(f), error_code::unavailable, "given up after 4 tries");
  f.url = "http://nobody.example/";
  expect_error(get(f), error_code::unavailable, "cannot resolve nobody.example: not known here; given up");
}

// -- faults that do not ------------------------------------------------------------------------------------------

TEST_F(Transfers, StatusesThatStay) {
  expect_error(get(wants("/status/9/401/9", 9)), error_code::forbidden, "answers 401");
  const auto got = get(wants("/status/9/403/9", 9));
  expect_error(got, error_code::forbidden, "answers 403");
  EXPECT_THAT(got.error().detail, HasSubstr("token"));
  expect_error(get(wants("/status/9/404/9", 9)), error_code::model_not_found, "answers 404");
  expect_error(get(wants("/status/9/410/9", 9)), error_code::model_not_found, "answers 410");
  expect_error(get(wants("/status/9/400/9", 9)), error_code::unavailable, "answers 400");
  expect_error(get(wants("/status/9/204/9", 9)), error_code::unavailable, "answers 204");
  expect_error(get(wants("/status/9/304/9", 9)), error_code::unavailable, "answers 304");
  EXPECT_EQ(retries, 0U);
  expect_nothing_left();
}

TEST_F(Transfers, ContentOfAnotherLength) {
  expect_error(get(wants("/good/300001", small - 1)), error_code::unprocessable, "is 300001 bytes, not 300000");
  expect_error(get(wants("/good/5000003", large - 1)), error_code::unprocessable, "is 5000003 bytes, not 5000002");
  expect_error(get(wants("/too-long/300001", small)), error_code::unprocessable, "sends more than the 300001 bytes");
  expect_nothing_left();
}

TEST_F(Transfers, ContentThatIsTooLarge) {
  auto f = wants("/good/300001", small);
  f.size_bytes_max = 300'000;
  expect_error(get(f), error_code::unprocessable, "more than the 300000 allowed");
  f.size_bytes.reset();
  expect_error(get(f), error_code::unprocessable, "more than the 300000 allowed");
  f.url = at("/chunked/300001");
  expect_error(get(f), error_code::unprocessable, "more than the 300000 bytes allowed");
  expect_nothing_left();
  f.size_bytes_max = small;
  expect_whole(get(f), small);
}

TEST_F(Transfers, EncodedContent) {
  expect_error(get(wants("/gzip/300001", small)), error_code::unprocessable, "another encoding than was asked for");
  expect_nothing_left();
}

TEST_F(Transfers, FreshContentWithAnotherHashIsRemoved) {
  expect_error(get(wants("/corrupt/300001", small)), error_code::unprocessable, "has the SHA-256");
  EXPECT_EQ(hash_faults, 1U);
  EXPECT_THAT(asked(), SizeIs(1));
  expect_nothing_left();
  expect_error(get(wants("/corrupt/5000003", large)), error_code::unprocessable, "has the SHA-256");
  expect_nothing_left();
}

TEST_F(Transfers, TheFirstDigitsOfAHashAreCheckedToo) {
  auto f = wants("/good/300001", small);
  f.sha256_begins = f.sha256.substr(0, 8);
  f.sha256.clear();
  expect_whole(get(f), small);
  f.sha256_begins = "00000000";
  f.identity = "commit 2";
  expect_error(get(f), error_code::unprocessable, "not 00000000..");
  expect_nothing_left();
}

TEST_F(Transfers, APlaceThatCannotBeWritten) {
  auto f = wants("/good/300001", small);
  write(folder_ / "a", "file");
  f.to = folder_ / "a" / "b";
  expect_error(get(f), error_code::unavailable, (folder_ / "a" / "b").string());
  f.to = folder_ / "link";
  fs::create_symlink(folder_ / "elsewhere", f.to);
  expect_error(get(f), error_code::unavailable, "link");
  EXPECT_FALSE(fs::exists(folder_ / "elsewhere"));
}

TEST_F(Transfers, ADiskThatIsFull) {
  // A limit on the size of files stands in for the disk: the same way out of the same call.
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  auto lower = before;
  lower.rlim_cur = 200'000;
  const auto old = std::signal(SIGXFSZ, SIG_IGN);
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &lower), 0);
  const auto got = get(wants("/good/300001", small));
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  std::signal(SIGXFSZ, old);
  expect_error(got, error_code::unavailable, "cannot write " + place().string() + ": ");
  EXPECT_EQ(retries, 0U);
}

// -- resuming ----------------------------------------------------------------------------------------------------

TEST_F(Transfers, WhatIsKeptIsGoneOnWith) {
  keep(100'000, small);
  const auto got = get(wants("/good/300001", small));
  expect_whole(got, small);
  EXPECT_EQ(got->resumed_bytes, 100'000U);
  EXPECT_THAT(asked(), ElementsAre("GET /good/300001 if-range=\"one\" range=bytes=100000-300000"));
}

TEST_F(Transfers, InRangesToo) {
  keep(1'500'000, large);
  const auto got = get(wants("/good/5000003", large));
  expect_whole(got, large);
  EXPECT_EQ(got->resumed_bytes, 1'500'000U);
  EXPECT_THAT(asked(), Contains("GET /good/5000003 if-range=\"one\" range=bytes=1500000-2548575"));
}

TEST_F(Transfers, WhatIsWholeIsNotAskedForAgain) {
  expect_whole(get(wants("/good/300001", small)), small);
  const auto again = get(wants("/good/300001", small));
  expect_whole(again, small);
  EXPECT_EQ(again->resumed_bytes, small);
  EXPECT_THAT(asked(), SizeIs(1));
}

TEST_F(Transfers, OnlyThePrefixThatTheStateTellsOf) {
  keep(100'000, small);
  write(place(), content(small).substr(0, 100'000) + std::string(150'000, 'x'));
  expect_whole(get(wants("/good/300001", small)), small);
  EXPECT_THAT(asked(), ElementsAre("GET /good/300001 if-range=\"one\" range=bytes=100000-300000"));
}

TEST_F(Transfers, AnotherIdentityOrSizeBeginsAgain) {
  for (const bool other_identity : {true, false}) {
    keep(100'000, other_identity ? small : small + 1);
    auto f = wants("/good/300001", small);
    if (other_identity) f.identity = "commit 2";
    const auto got = get(f);
    expect_whole(got, small);
    EXPECT_EQ(got->resumed_bytes, 0U);
  }
  EXPECT_THAT(asked(), ElementsAre("GET /good/300001", "GET /good/300001"));
}

TEST_F(Transfers, ContentWithoutIdentityIsNeitherResumedNorKept) {
  keep(100'000, small);
  auto f = wants("/drop-after/300001/1000", small);
  f.identity.clear();
  expect_error(get(f), error_code::unavailable, "given up");
  expect_nothing_left();
}

TEST_F(Transfers, KeptBytesThatOthersChangedAreFoundOut) {
  keep(100'000, small);
  auto bytes = content(small).substr(0, 100'000);
  bytes[50'000] ^= 1;
  write(place(), bytes);
  auto f = wants("/good/300001", small);
  f.sha256.clear();  // nothing else would tell
  const auto got = get(f);
  expect_whole(got, small);
  EXPECT_EQ(got->resumed_bytes, 0U);
}

TEST_F(Transfers, AnotherHashAfterAResumeIsFetchedOnceMore) {
  const std::string other(100'000, 'x');
  write(place(), other);
  ASSERT_TRUE(write_partial_state(place_of_state(), {"commit 1", small, other.size(), hash(other), "\"one\""}));
  const auto got = get(wants("/good/300001", small));
  expect_whole(got, small);
  EXPECT_EQ(got->resumed_bytes, 0U);
  EXPECT_EQ(hash_faults, 1U);
}

TEST_F(Transfers, AndFailsWhenItIsStillAnother) {
  keep(100'000, small);
  expect_error(get(wants("/corrupt/300001", small)), error_code::unprocessable, "has the SHA-256");
  EXPECT_EQ(hash_faults, 2U);
  expect_nothing_left();
}

TEST_F(Transfers, ANewEtagBeginsAgain) {
  keep(100'000, small, "\"zero\"");
  const auto got = get(wants("/good/300001", small));
  expect_whole(got, small);
  EXPECT_EQ(got->resumed_bytes, 0U);
  EXPECT_EQ(got->etag, "\"one\"");
  EXPECT_THAT(asked(), ElementsAre("GET /good/300001 if-range=\"zero\" range=bytes=100000-300000"))
      << "the answer to it was the whole file";
}

TEST_F(Transfers, RangesOfDifferentContentAreNotPutTogether) {
  for (const char* path : {"/etag-changes/5000003", "/etag-changes-once/5000003/3"}) {
    SCOPED_TRACE(path);
    auto f = wants(path, large);
    f.sha256.clear();  // nothing else would tell
    f.identity = path;
    const auto got = get(f);
    ASSERT_TRUE(got) << got.error().message;
    auto version = content(large);  // as its ETag says, in all of it
    for (char& c : version) c = static_cast<char>(c ^ std::stoi(got->etag.substr(1)));
    EXPECT_EQ(read(place()) == version, true) << got->etag;
  }
}

TEST_F(Transfers, RangesThatAreNotWhatWasAskedFor) {
  keep(100'000, small);
  expect_whole(get(wants("/wrong-content-range/300001", small)), small);
  expect_whole(get(wants("/wrong-content-range/5000003", large)), large);
  keep(100'000, small);
  expect_whole(get(wants("/wrong-total/300001", small)), small);
  keep(100'000, small);
  expect_whole(get(wants("/never-a-range/300001", small)), small);
  expect_whole(get(wants("/range-once/5000003", large)), large);
  fs::remove(place_of_state());
  expect_error(get(wants("/always-206/300001", small)), error_code::unavailable, "a part that nobody asked for");
}

TEST_F(Transfers, RangesThatAreShorter) {
  expect_whole(get(wants("/short-ranges/5000003/600000", large)), large);
  EXPECT_EQ(retries, 0U);
  auto f = wants("/short-ranges/5000003/10", large);
  f.identity = "commit 2";
  expect_error(get(f), error_code::unavailable, "serves less than half of what it is asked for");
}

TEST_F(Transfers, WhatFailsInTheMidstIsKept) {
  expect_error(get(wants("/drop-after/300001/40000", small), [](auto& o) { o.retries_max = 1; }),
               error_code::unavailable, "given up");
  const auto state = read_partial_state(place_of_state());
  ASSERT_TRUE(state);
  EXPECT_EQ(state->whole, 80'000U);
  EXPECT_EQ(fs::file_size(place()), 80'000U);
  const auto got = get(wants("/good/300001", small));
  expect_whole(got, small);
  EXPECT_EQ(got->resumed_bytes, 80'000U);
}

TEST_F(Transfers, AStateThatIsGarbageIsNothing) {
  for (const std::string text : {"", "{", "[]", "null", "{\"whole\": 1e99}"}) {
    write(place(), content(small).substr(0, 1000));
    write(place_of_state(), text);
    const auto got = get(wants("/good/300001", small));
    expect_whole(got, small);
    EXPECT_EQ(got->resumed_bytes, 0U);
  }
}

// -- calling it off ----------------------------------------------------------------------------------------------

TEST_F(Transfers, CancelledInTheMidstEndsSoonAndKeepsWhatCame) {
  std::atomic<bool> cancelled{false};
  auto f = wants("/slow/5000003/100000/20", large);
  steady_time at{};
  const auto by = make(quick());
  const auto got = by->fetch(
      {f},
      [&](std::size_t, std::uint64_t bytes) {
        if (bytes < 200'000 || cancelled) return;
        at = steady_clock::now();
        cancelled = true;
      },
      &cancelled);
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().code, error_code::cancelled);
  EXPECT_LT(steady_clock::now() - at, 1s);
  const auto state = read_partial_state(place_of_state());
  ASSERT_TRUE(state);
  EXPECT_GE(state->whole, 200'000U);
  EXPECT_EQ(read(place()), content(large).substr(0, state->whole));
  // Its connections end beside us.
  for (const auto until = steady_clock::now() + 5s; by->counts().active != 0 && steady_clock::now() < until;)
    std::this_thread::yield();
  EXPECT_EQ(by->counts().active, 0U);
}

TEST_F(Transfers, CancelledBeforeItBegins) {
  const std::atomic<bool> cancelled{true};
  const auto got = make(quick())->fetch({wants("/good/300001", small)}, nullptr, &cancelled);
  EXPECT_EQ(got.error().code, error_code::cancelled);
  EXPECT_EQ(make(quick())->ask(question(at("/echo")), &cancelled).error().code, error_code::cancelled);
  EXPECT_THAT(asked(), SizeIs(0));
}

TEST_F(Transfers, CancelledWhileItWaitsToTryAgain) {
  std::atomic<bool> cancelled{false};
  auto options = quick();
  options.backoff_min = options.backoff_max = 1h;
  const auto by = make(options);
  auto f = wants("/closes/300001", small);
  auto ends = std::async(std::launch::async, [&] { return by->fetch({f}, nullptr, &cancelled); });
  while (by->counts().retries == 0) std::this_thread::yield();
  cancelled = true;
  EXPECT_EQ(ends.get().error().code, error_code::cancelled);
}

TEST_F(Transfers, TheirEndEndsWhatIsUnderWay) {
  auto by = make(quick());
  auto f = wants("/slow/5000003/100000/20", large);
  std::promise<void> begun;
  bool told = false;
  auto file = std::async(std::launch::async, [&] {
    return by->fetch(
        {f},
        [&](std::size_t, std::uint64_t) {
          if (!std::exchange(told, true)) begun.set_value();
        },
        nullptr);
  });
  auto answer = std::async(std::launch::async, [&] { return by->ask(question(at("/says-nothing")), nullptr); });
  begun.get_future().wait();
  while (asked().size() < 2) std::this_thread::yield();
  const auto from = steady_clock::now();
  by.reset();
  EXPECT_LT(steady_clock::now() - from, 1s);
  EXPECT_EQ(file.get().error().code, error_code::cancelled);
  EXPECT_EQ(answer.get().error().code, error_code::cancelled);
  EXPECT_TRUE(read_partial_state(place_of_state()));
}

TEST_F(Transfers, AResolverThatHangsHoldsNobody) {
  std::promise<void> go;
  auto options = quick();
  options.retries_max = 0;
  options.connect_timeout = 50ms;
  transfers by(options, [wait = go.get_future().share()](const std::string&) -> result<std::vector<std::string>> {
    wait.wait();
    return std::vector<std::string>{"127.0.0.1"};
  });
  const auto got = by.ask(question("http://slow.example/"), nullptr);
  ASSERT_FALSE(got);
  EXPECT_THAT(got.error().message, HasSubstr("cannot resolve slow.example: no answer in time"));
  go.set_value();
}

// -- progress and rate -------------------------------------------------------------------------------------------

TEST_F(Transfers, ProgressOnlyGrowsAndIsToldNowAndThen) {
  std::vector<std::pair<steady_time, std::uint64_t>> told;
  const auto got = make(quick())->fetch(
      {wants("/slow/1000000/10000/8", 1'000'000)},
      [&](std::size_t i, std::uint64_t bytes) {
        EXPECT_EQ(i, 0U);
        told.emplace_back(steady_clock::now(), bytes);
      },
      nullptr);
  ASSERT_TRUE(got) << got.error().message;
  ASSERT_GE(told.size(), 3U);
  EXPECT_EQ(told.back().second, 1'000'000U);
  for (std::size_t i = 1; i < told.size(); ++i) EXPECT_GT(told[i].second, told[i - 1].second);
  for (std::size_t i = 10; i < told.size(); ++i) EXPECT_GE(told[i].first - told[i - 10].first, 1s);
}

TEST_F(Transfers, TheRateIsOfAllTogether) {
  auto options = quick();
  options.rate_max_bytes_s = 1'000'000;
  options.low_speed_bytes_s = 1 << 30;  // slow on purpose is no stall
  std::vector<file_transfer> files;
  for (int i = 0; i < 3; ++i) {
    files.push_back(wants("/good/500009", 500'009));
    files.back().to = folder_ / std::to_string(i);
  }
  const auto from = steady_clock::now();
  const auto by = make(options);
  const auto got = by->fetch(files, nullptr, nullptr);
  const auto took = steady_clock::now() - from;
  ASSERT_TRUE(got) << got.error().message;
  EXPECT_GE(took, 1300ms);
  EXPECT_LE(took, 4s);
  EXPECT_EQ(by->counts().bytes, 3 * 500'009U);
}

TEST_F(Transfers, NoMoreConnectionsThanAllowed) {
  auto options = quick();
  options.connections_max = 2;
  const auto by = make(options);
  std::vector<file_transfer> files;
  for (int i = 0; i < 6; ++i) {
    files.push_back(wants("/good/5000003", large));
    files.back().to = folder_ / std::to_string(i);
  }
  std::uint32_t most = 0;
  ASSERT_TRUE(by->fetch(
      files, [&](std::size_t, std::uint64_t) { most = std::max<std::uint32_t>(most, by->counts().active); }, nullptr));
  EXPECT_LE(most, 2U);
  EXPECT_GE(most, 1U);
}

TEST_F(Transfers, OnePlaceIsNotWrittenTwiceAtOnce) {
  for (const auto& second : {place(), place_of_state()}) {
    auto other = wants("/good/2", 2);
    other.to = second;
    const auto got = make(quick())->fetch({wants("/good/1", 1), other}, nullptr, nullptr);
    ASSERT_FALSE(got);
    EXPECT_EQ(got.error().code, error_code::internal);
    EXPECT_THAT(got.error().message, HasSubstr(second.string()));
  }
}

}  // namespace
}  // namespace troupe::cache
