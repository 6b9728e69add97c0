#include "tests/cache/artifacts/transfer/misbehaving.hpp"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sstream>

#include "cache/artifacts/sha256.hpp"

namespace troupe::cache {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

struct child {
  pid_t pid = 0;
  int to = -1;  // its stdin: it ends with it
  std::string port;
} server;

}  // namespace

void misbehaving::SetUpTestSuite() {
  for (const char* name : {"http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"}) ::unsetenv(name);
  const char* root = std::getenv("TROUPE_SOURCE");
  auto script = fs::path(root == nullptr ? "." : root) / "tests/cache/artifacts/misbehaving_server.py";
  int in[2], out[2];
  ASSERT_EQ(::pipe2(in, O_CLOEXEC), 0);
  ASSERT_EQ(::pipe2(out, O_CLOEXEC), 0);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, in[0], 0);
  posix_spawn_file_actions_adddup2(&actions, out[1], 1);
  std::string program = "python3", file = script.string();
  char* argv[] = {program.data(), file.data(), nullptr};
  ASSERT_EQ(::posix_spawnp(&server.pid, argv[0], &actions, nullptr, argv, environ), 0);
  posix_spawn_file_actions_destroy(&actions);
  ::close(in[0]), ::close(out[1]);
  server.to = in[1];
  server.port.clear();
  char c = 0;
  while (::read(out[0], &c, 1) == 1 && c != '\n') server.port += c;
  ::close(out[0]);
  ASSERT_FALSE(server.port.empty()) << "the server has not started: " << script;
}

void misbehaving::TearDownTestSuite() {
  if (server.to >= 0) ::close(server.to);
  if (server.pid > 0) ::waitpid(server.pid, nullptr, 0);
  server = {};
}

misbehaving::misbehaving() {
  const auto* test = testing::UnitTest::GetInstance()->current_test_info();
  key_ = std::string(test->test_suite_name()) + "." + test->name();
  auto name = (fs::temp_directory_path() / "transfers.XXXXXX").string();
  folder_ = ::mkdtemp(name.data());
}

misbehaving::~misbehaving() { fs::remove_all(folder_); }

std::string misbehaving::on(const std::string& host, const std::string& path) const {
  return "http://" + host + ':' + server.port + path + '?' + key_;
}
std::string misbehaving::at(const std::string& path) const { return on("127.0.0.1", path); }

std::vector<std::string> misbehaving::asked() {
  auto answer = make(quick())->ask(question(at("/log")), nullptr);
  EXPECT_TRUE(answer) << (answer ? "" : answer.error().message);
  std::vector<std::string> out;
  if (!answer) return out;
  std::istringstream lines(answer->body);
  for (std::string line; std::getline(lines, line);) {
    if (const auto key = line.find('?' + key_); key != std::string::npos) line.erase(key, key_.size() + 1);
    out.push_back(line);
  }
  return out;
}

transfer_options misbehaving::quick() const {
  transfer_options o;
  o.range_bytes = 1 << 20;
  o.retries_max = 3;
  o.backoff_min = 2ms;
  o.backoff_max = 20ms;
  o.connect_timeout = 5s;
  o.low_speed_time = 1s;
  o.answer_timeout = 5s;
  return o;
}

std::unique_ptr<transfers> misbehaving::make(transfer_options options) {
  return std::make_unique<transfers>(
      std::move(options), [known = hosts](const std::string& host) -> result<std::vector<std::string>> {
        if (const auto it = known.find(host); it != known.end()) return it->second;
        return fail(error_code::unavailable, "cannot resolve " + host + ": not known here");
      });
}

http_request misbehaving::question(const std::string& url) {
  http_request r;
  r.url = url;
  r.may_reach = reach::anywhere;
  return r;
}

file_transfer misbehaving::wants(const std::string& path, std::uint64_t size) const {
  file_transfer f;
  f.url = at(path);
  f.may_reach = reach::anywhere;
  f.to = place();
  f.size_bytes = size;
  f.sha256 = hash(content(size));
  f.identity = "commit 1";
  return f;
}

result<transferred_file> misbehaving::get(const file_transfer& what,
                                          const std::function<void(transfer_options&)>& change) {
  auto options = quick();
  if (change) change(options);
  const auto by = make(options);
  auto got = by->fetch({what}, nullptr, nullptr);
  retries = by->counts().retries;
  stalls = by->counts().stalls;
  hash_faults = by->counts().hash_faults;
  if (!got) return tl::unexpected(got.error());
  return got->front();
}

std::string misbehaving::content(std::uint64_t size) {
  std::string out(size + 8, '\0');
  for (std::uint64_t i = 0; i <= size / 8; ++i) {
    const std::uint64_t word = i * 0x9E3779B97F4A7C15ULL;
    for (int b = 0; b < 8; ++b) out[i * 8 + static_cast<std::uint64_t>(b)] = static_cast<char>(word >> (8 * b));
  }
  out.resize(size);
  return out;
}

std::string misbehaving::hash(const std::string& text) {
  sha256 sum;
  sum.add(std::string_view(text));
  return sum.hex();
}

std::string misbehaving::read(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

void misbehaving::write(const fs::path& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
}

}  // namespace troupe::cache
