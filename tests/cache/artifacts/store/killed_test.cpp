// A process that does anything to a store is killed before or after any of its system calls: what the next one finds is
// sound, and nothing is lost or leaks. And several that do so at once. TROUPE_KILLS: how many kills (30).

#include <signal.h>
#include <sys/ptrace.h>

#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <random>
#include <thread>

#include "tests/cache/artifacts/support.hpp"

namespace troupe::cache::tests {
namespace {

using names = std::vector<std::string>;

// Whatever a client of the store does, at random.
class client {
 public:
  client(store& s, unsigned seed) : store_(s), random_(seed) {}

  // What went wrong that must not; empty: nothing.
  std::string act() {
    switch (below(12)) {
      case 0: return told(store_.copy(name(), name()), "copy");
      case 1: return told(store_.remove(name()), "remove");
      case 2: return told(store_.pin(name(), below(2) == 0), "pin");
      case 3: return told(store_.collect(in_use()), "collect");
      case 4: return leave_partial();
      case 5: store_.used(name()); return {};
      case 6: store_.discard_partial(name()); return {};
      case 7: {
        store_.list();
        const auto faults = store_.verify(nullptr);
        return faults.empty() ? std::string()
                              : "verify: " + faults[0].name + " " + faults[0].file + " " + faults[0].what;
      }
      default: return told(put(store_, name(), files(), below(2) == 0), "put");
    }
  }

 private:
  template <class T>
  static std::string told(const result<T>& done, const std::string& what) {
    if (done || done.error().code == error_code::model_not_found || done.error().code == error_code::conflict)
      return {};
    return what + ": " + text(done.error());
  }
  unsigned below(unsigned n) { return std::uniform_int_distribution<unsigned>(0, n - 1)(random_); }
  std::string name() {
    static const names all{"a", "org", "org/x", "org/y", "other/z"};
    return all[below(static_cast<unsigned>(all.size()))];
  }
  contents files() {
    static const names paths{"config.json", "w/model.bin", "w/deep/er/x", "t"};
    contents out;
    for (const auto& path : paths)
      if (below(2) == 0) out[path] = std::string(1 + below(3), static_cast<char>('a' + below(6)));
    if (out.empty()) out["only"] = "one";
    return out;
  }
  std::set<fs::path> in_use() {
    std::set<fs::path> out;
    for (const auto& m : store_.list())
      if (below(2) == 0) out.insert(store_.folder_of(m));
    return out;
  }
  std::string leave_partial() {
    auto folder = store_.lock_partial(name(), nullptr);
    if (!folder) return text(folder.error());
    write_file(folder->path() / "0", "half");
    return told(store_.reuse(described("x", "aa"), *folder), "reuse");
  }

  store& store_;
  std::mt19937 random_;
};

constexpr store_options nothing_kept{0, std::chrono::seconds(0)};

int act(const fs::path& root, unsigned seed, int times) {
  auto s = store::open(root, nothing_kept);
  if (!s) {
    std::cerr << "open: " << text(s.error()) << '\n';
    return 3;
  }
  client c(**s, seed);
  for (int i = 0; i < times; ++i)
    if (const auto wrong = c.act(); !wrong.empty()) {
      std::cerr << wrong << '\n';
      return 4;
    }
  return 0;
}

void expect_sound(const fs::path& root) {
  EXPECT_EQ(broken_in(root), names()) << "as it was left";
  auto s = store::open(root, nothing_kept);
  ASSERT_TRUE(s) << text(s.error());
  for (const auto& f : (*s)->verify(nullptr)) ADD_FAILURE() << f.name << ' ' << f.file << ' ' << f.what;
  EXPECT_EQ((*s)->list().size(), manifests_in(root).size());
  const auto collected = (*s)->collect({});
  ASSERT_TRUE(collected) << text(collected.error());
  EXPECT_EQ(broken_in(root), names()) << "after collect()";
  EXPECT_EQ(leaked_in(root, 1), names());
}

// Runs `run` in a child and kills it when it has begun or ended `stops` system calls. The child's exit code, -1: it was
// killed, -2: processes cannot be traced here.
int killed_after(unsigned stops, const std::function<int()>& run) {
  const auto child = ::fork();
  if (child == 0) {
    if (::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) != 0) ::_exit(1);
    ::raise(SIGSTOP);
    ::_exit(run());
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  if (WIFEXITED(status)) return -2;
  ::ptrace(PTRACE_SETOPTIONS, child, nullptr, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL);
  for (int signal = 0; stops > 0;) {
    if (::ptrace(PTRACE_SYSCALL, child, nullptr, signal) != 0) break;
    ::waitpid(child, &status, 0);
    if (WIFEXITED(status)) return WEXITSTATUS(status);
    if (WIFSIGNALED(status)) return 128 + WTERMSIG(status);
    const bool is_call = WSTOPSIG(status) == (SIGTRAP | 0x80);
    signal = is_call ? 0 : WSTOPSIG(status);
    stops -= is_call;
  }
  ::kill(child, SIGKILL);
  ::waitpid(child, &status, 0);
  return WIFSIGNALED(status) ? -1 : WEXITSTATUS(status);
}

unsigned kills() {
  const char* asked = std::getenv("TROUPE_KILLS");
  return asked != nullptr ? static_cast<unsigned>(std::atoi(asked)) : 30;
}

TEST(StoreKilled, AtAnyMomentOfAnything) {
  const scratch_folder scratch;
  const auto root = scratch.path() / "models";
  const auto seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  unsigned killed = 0;
  for (unsigned i = 0; i < kills() && !testing::Test::HasFailure(); ++i) {
    SCOPED_TRACE("kill " + std::to_string(i));
    // Half of them soon, so that opening and what follows is hit as well.
    const auto stops = std::uniform_int_distribution<unsigned>(1, i % 2 == 0 ? 600 : 12'000)(random);
    const auto code = killed_after(stops, [&, by = random()] { return act(root, by, 1'000); });
    if (code == -2) GTEST_SKIP() << "processes cannot be traced here";
    ASSERT_TRUE(code == -1) << code;
    killed += code == -1;
    if (fs::exists(root)) expect_sound(root);
  }
  EXPECT_EQ(killed, kills());
}

// The update is the old model or the new one, after a kill at each of its system calls.
TEST(StoreKilled, AtEachStepOfAnUpdate) {
  const scratch_folder scratch;
  const auto root = scratch.path() / "models";
  const contents old{{"a", "1"}, {"w/b", "2"}}, updated{{"a", "3"}, {"w/b", "2"}, {"c", "4"}};
  const auto first = *put(*open_store(root), "org/m", old);
  const auto step = std::max(1u, 900 / std::max(kills(), 1u));
  bool was_old = false, was_new = false;
  for (unsigned stops = 1;; stops += step) {
    SCOPED_TRACE("after " + std::to_string(stops));
    const auto code = killed_after(stops, [&] { return put(*open_store(root), "org/m", updated) ? 0 : 3; });
    if (code == -2) GTEST_SKIP() << "processes cannot be traced here";
    ASSERT_TRUE(code == -1 || code == 0) << code;
    EXPECT_EQ(broken_in(root), names());
    const auto s = open_store(root);
    const auto now = s->find("org/m");
    ASSERT_TRUE(now) << text(now.error());
    (now->snapshot == first.snapshot ? was_old : was_new) = true;
    EXPECT_EQ(now->files.size(), now->snapshot == first.snapshot ? old.size() : updated.size());
    if (now->snapshot != first.snapshot) {
      ASSERT_TRUE(put(*s, "org/m", old));
    }
    ASSERT_TRUE(s->collect({}));
    if (code == 0) break;
  }
  EXPECT_TRUE(was_old && was_new);
}

// Two processes of two threads each, on the same few models.
TEST(StoreKilled, SeveralAtOnce) {
  const scratch_folder scratch;
  const auto root = scratch.path() / "models";
  const auto seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::vector<pid_t> children;
  for (unsigned i = 0; i < 2; ++i) {
    children.push_back(::fork());
    if (children.back() != 0) continue;
    auto s = store::open(root, nothing_kept);
    if (!s) ::_exit(3);
    std::atomic<int> code{0};
    const auto run = [&](unsigned by) {
      client c(**s, by);
      for (int n = 0; n < 150 && code == 0; ++n)
        if (const auto wrong = c.act(); !wrong.empty()) {
          std::cerr << wrong << '\n';
          code = 4;
        }
    };
    { const std::jthread one(run, seed + 2 * i), other(run, seed + 2 * i + 1); }
    ::_exit(code);
  }
  for (const auto child : children) {
    int status = 0;
    ::waitpid(child, &status, 0);
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  }
  expect_sound(root);
}

}  // namespace
}  // namespace troupe::cache::tests
