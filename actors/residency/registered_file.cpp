#include "actors/residency/registered_file.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <span>
#include <thread>
#include <utility>

#include <spdlog/spdlog.h>

#include "inference/files/temporary_file.hpp"

namespace troupe::actors {
namespace {

namespace fs = std::filesystem;
using inference::describe_errno;

constexpr auto lock_patience = std::chrono::seconds(5);
constexpr int put_aside_max = 1000;
constexpr std::size_t refused_told_max = 20;

std::string explain(const error& why) { return why.message + (why.detail.empty() ? "" : "; " + why.detail); }

// A file of its own is locked, as the registered one is another with each change.
result<inference::file_descriptor> take_lock(const fs::path& file) {
  const auto path = file.string() + ".lock";
  std::error_code ignored;
  fs::create_directories(file.parent_path(), ignored);
  inference::file_descriptor fd{::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644)};
  if (!fd) return fail(error_code::unavailable, "cannot write " + path + ": " + describe_errno(errno));
  const auto until = steady_clock::now() + lock_patience;
  while (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno == EINTR) continue;
    if (errno != EWOULDBLOCK) break;  // a file system that knows no locks
    if (steady_clock::now() >= until) return fail(error_code::unavailable, path + " is held by another process", {}, 1);
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return fd;
}

// A second name for the file, or a copy where there are no second names.
result<fs::path> put_aside(const fs::path& file) {
  for (int n = 1; n <= put_aside_max; ++n) {
    fs::path aside = file.string() + ".broken-" + std::to_string(n);
    if (inference::file_exists(aside)) continue;
    if (::link(file.c_str(), aside.c_str()) == 0) return aside;
    std::error_code why, ignored;
    if (fs::copy_file(file, aside, why)) return aside;
    fs::remove(aside, ignored);
    return fail(error_code::unavailable, "cannot write " + aside.string() + ": " + why.message());
  }
  return fail(error_code::unavailable, "there are " + std::to_string(put_aside_max) + " broken ones beside it already");
}

// What a killed process has left. The lock is held: nobody writes one now.
void sweep(const fs::path& file) {
  std::error_code ignored;
  const auto prefix = file.filename().string() + '.';
  for (const auto& e : fs::directory_iterator(file.parent_path(), ignored)) {
    const auto name = e.path().filename().string();
    if (name.starts_with(prefix) && name.ends_with(".tmp")) fs::remove(e.path(), ignored);
  }
}

}  // namespace

result<void> registered_file::write_synced(const fs::path& path, std::string_view text) {
  auto file = inference::temporary_file::create(path);
  if (!file) return tl::unexpected(file.error());
  if (auto ok = file->reserve(text.size()); !ok) return ok;
  if (auto ok = file->write(0, std::as_bytes(std::span(text))); !ok) return ok;
  return file->publish(path);
}

registered_file::registered_file(fs::path path, config::reserved_names reserved, writer write)
    : path_(std::move(path)), reserved_(std::move(reserved)), write_(std::move(write)) {}

void registered_file::read(reading how) {
  // Without a file there is nothing to lock, and a server that registers nothing leaves nothing behind.
  look(how, inference::file_exists(path_) ? take_lock(path_) : lock(inference::file_descriptor()));
}

registered_file::updated registered_file::update(const std::function<bool(config::registered_models&)>& change) {
  updated out;
  const auto held = take_lock(path_);
  if (held) out.others = look(reading::before_a_change, held);
  auto wanted = models_;
  if (!change(wanted)) return out;
  if (!held) {
    out.kept = tl::unexpected(held.error());
  } else if (stuck_) {
    out.kept = tl::unexpected(*stuck_);
  } else {
    out.kept = write(wanted);
    if (out.kept) models_ = std::move(wanted);
  }
  return out;
}

void registered_file::stop_writing(const error& why) {
  stuck_ = why;
  trouble_ = explain(why);
  spdlog::error("models registered at run time: {}", trouble_);
}

// Makes models() what the file says. True: that has changed them.
bool registered_file::look(reading how, const lock& held) {
  const auto found = inference::state_of(path_);
  if (!found && !inference::file_exists(path_)) {
    stuck_.reset();
    if (how == reading::before_a_change) return false;
    known_.reset();
    trouble_.clear();
    return !std::exchange(models_, {}).empty();
  }
  if (how == reading::before_a_change && found == known_) return false;
  auto read = config::load_registered(path_, reserved_);
  if (read.unreadable) {
    stop_writing({error_code::unavailable, read.unreadable->message, "make it readable, or move it away", {}});
    return false;
  }
  if (read.refused.empty()) {
    known_ = found;
    stuck_.reset();
    trouble_.clear();
    if (read.models == models_) return false;
    models_ = std::move(read.models);
    return true;
  }
  for (std::size_t i = 0; i < read.refused.size() && i < refused_told_max; ++i)
    spdlog::error("models registered at run time: {}", explain(read.refused[i]));
  auto why = explain(read.refused.front());
  if (const auto more = read.refused.size() - 1; more > 0) why += " (and " + std::to_string(more) + " more)";
  if (how == reading::at_start) models_ = std::move(read.models);
  const auto aside = held ? put_aside(path_) : result<fs::path>(tl::unexpected(held.error()));
  const auto written = aside ? write(models_) : result<void>(tl::unexpected(aside.error()));
  if (!written) {
    if (aside) ::unlink(aside->c_str());
    stop_writing({error_code::unavailable, why, "it could not be put aside: " + explain(written.error()), {}});
    return false;
  }
  stuck_.reset();
  trouble_ = why + "; the file as it was is " + aside->string();
  spdlog::error(
      "models registered at run time: the file as it was is {}; {}", aside->string(),
      how == reading::at_start ? "what can be used of it is registered" : "what was registered before still is");
  return false;
}

result<void> registered_file::write(const config::registered_models& models) {
  if (!std::exchange(swept_, true)) sweep(path_);
  const auto text = config::registry_json(models);
  if (text.size() > config::max_registered_file_bytes)
    return fail(error_code::unavailable, path_.string() + " would be larger than " +
                                             std::to_string(config::max_registered_file_bytes) + " bytes");
  if (auto ok = write_(path_, text); !ok) return ok;
  known_ = inference::state_of(path_);
  return {};
}

}  // namespace troupe::actors
