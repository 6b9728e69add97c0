#include "cache/artifacts/transfer/hash_thread.hpp"

#include <fcntl.h>
#include <pthread.h>

#include <algorithm>
#include <span>
#include <utility>

#include "config/turns.hpp"

namespace troupe::cache {
namespace {

constexpr std::size_t step_bytes = 1 << 20;
constexpr std::uint64_t write_back_bytes = 8 << 20;

}  // namespace

hash_stream::view hash_stream::look() const {
  const std::lock_guard held(mutex_);
  return now_;
}

hash_thread::hash_thread() : thread_([this] { run(); }) {}

hash_thread::~hash_thread() {
  {
    const std::lock_guard held(mutex_);
    stop_ = true;
    more_.notify_all();
  }
  thread_.join();
}

std::shared_ptr<hash_stream> hash_thread::begin(std::shared_ptr<const inference::file_descriptor> file,
                                                std::filesystem::path path, std::uint64_t kept_bytes,
                                                std::string kept_sha256, std::function<void()> changed) {
  auto s = std::make_shared<hash_stream>();
  s->file = std::move(file);
  s->path = std::move(path);
  s->kept_bytes = kept_bytes;
  s->kept_sha256 = std::move(kept_sha256);
  s->changed = std::move(changed);
  s->now_.sha256 = s->sum.hex();
  s->wanted_ = kept_bytes;
  const std::lock_guard held(mutex_);
  streams_.push_back(s);
  more_.notify_all();
  return s;
}

void hash_thread::extend(hash_stream& s, std::uint64_t bytes) {
  {
    const std::lock_guard held(s.mutex_);
    s.wanted_ = bytes;
  }
  const std::lock_guard held(mutex_);  // or the thread misses it between its look and its sleep
  more_.notify_all();
}

bool hash_thread::tell_at(hash_stream& s, std::uint64_t bytes) {
  const std::lock_guard held(s.mutex_);
  if (s.now_.bytes >= bytes || s.now_.kept_differ || s.now_.why) return false;
  s.tell_at_ = bytes;
  return true;
}

void hash_thread::drop(hash_stream& s) {
  {
    const std::lock_guard held(s.mutex_);
    s.dropped_ = true;
  }
  const std::lock_guard held(mutex_);
  std::erase_if(streams_, [&](const auto& other) { return other.get() == &s; });
}

void hash_thread::run() {
  pthread_setname_np(pthread_self(), "digests");
  config::take_background_turns();
  std::vector<std::byte> buffer(step_bytes);
  std::size_t turn = 0;
  std::unique_lock held(mutex_);
  while (!stop_) {
    std::shared_ptr<hash_stream> next;
    std::uint64_t upto = 0;
    for (std::size_t i = 0; i < streams_.size() && !next; ++i) {
      const auto& s = streams_[(turn + i) % streams_.size()];
      const std::lock_guard looking(s->mutex_);
      if (s->dropped_ || s->now_.kept_differ || s->now_.why || s->now_.bytes >= s->wanted_) continue;
      next = s;
      turn += i + 1;
      upto = s->wanted_;
    }
    if (!next) {
      more_.wait(held);
      continue;
    }
    held.unlock();
    step(*next, upto, buffer);
    next.reset();  // not under the lock: it may be the last to hold the file
    held.lock();
  }
}

void hash_thread::step(hash_stream& s, std::uint64_t upto, std::span<std::byte> buffer) {
  const auto from = s.now_.bytes;  // only this thread changes it
  auto end = std::min<std::uint64_t>(upto, from + buffer.size());
  if (from < s.kept_bytes) end = std::min(end, s.kept_bytes);
  const auto bytes = buffer.first(end - from);
  const auto read = inference::read_exactly(s.file->get(), from, bytes, s.path);
  bool differs = false;
  std::string hex;
  if (read) {
    s.sum.add(bytes);
    hex = s.sum.hex();
    differs = end == s.kept_bytes && hex != s.kept_sha256;
    if (end - s.written_back >= write_back_bytes) {
      ::sync_file_range(s.file->get(), static_cast<off_t>(s.written_back), static_cast<off_t>(end - s.written_back),
                        SYNC_FILE_RANGE_WRITE);
      s.written_back = end;
    }
  }
  bool tell = false;
  {
    const std::lock_guard held(s.mutex_);
    if (!read) {
      s.now_.why = error{error_code::unavailable, read.error().message, read.error().detail, {}};
    } else {
      s.now_.bytes = end;
      s.now_.sha256 = std::move(hex);
      s.now_.kept_differ = differs;
    }
    tell = !s.dropped_ && (!read || differs || end >= s.tell_at_);
    if (tell) s.tell_at_ = UINT64_MAX;
  }
  if (tell) s.changed();
}

}  // namespace troupe::cache
